"""The reversal test, the everywhere test and the words equal their definitions, on generated inputs, edges and published tables."""

import csv
import gzip
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from oracles import inferential as slow
from safetyrepro.stats.multiplicity import benjamini_hochberg, holm
from safetyrepro.stats.noise import equicorrelated_flip_rate, noise_reference
from safetyrepro.stats.signflips import sign_blocks
from safetyrepro.stats.support import (
    PointTest,
    SupportWord,
    ahead_everywhere,
    p_text,
    pair_support,
    reversal_test,
    support_word,
)


@st.composite
def tables(draw, values=(-1.0, 0.0, 1.0)):
    n_items, n_columns = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    difference = draw(hnp.arrays(np.float64, (n_items, n_columns), elements=st.sampled_from(values)))
    known = draw(hnp.arrays(np.bool_, (n_items, n_columns)))
    cluster = draw(st.none() | hnp.arrays(np.intp, n_items, elements=st.integers(0, 3)))
    return difference, known, cluster


def fresh(seed=0):
    return np.random.default_rng(seed)


def listed(difference, cluster):
    units = len(difference) if cluster is None else len(set(cluster.tolist()))
    return slow.listed_signs(units)


@given(tables() | tables(values=(-0.75, -0.1, 0.0, 0.3, 1.0)))
def test_the_reversal_test_equals_its_definition_over_all_sign_vectors(table):
    difference, known, cluster = table
    result = reversal_test(difference, cluster=cluster, known=known, rng=fresh())
    present = known.any(axis=0)
    assert result.n_missing == int((~present).sum())
    assert [value is not None for value in result.statistic] == present.tolist()
    if not present.any():
        assert result.p_reversal is None
        return
    p_plus, p_minus, adjusted = slow.reversal_p_values(difference, cluster, known, listed(difference, cluster))
    assert (result.p_plus, result.p_minus) == (p_plus, p_minus)
    assert result.p_reversal == max(p_plus, p_minus)
    assert [value for value in result.adjusted if value is not None] == adjusted


@given(tables() | tables(values=(-0.75, -0.1, 0.0, 0.3, 1.0)))
def test_the_everywhere_test_takes_the_largest_one_sided_p_value(table):
    difference, known, cluster = table
    result = ahead_everywhere(difference, cluster=cluster, known=known, rng=fresh())
    plus, minus = slow.single_p_values(difference, cluster, known, listed(difference, cluster))
    assert [value for value in result.p_plus if value is not None] == pytest.approx(plus, abs=1e-12)
    assert [value for value in result.p_minus if value is not None] == pytest.approx(minus, abs=1e-12)
    if known.any(axis=0).all():
        assert result.p_a == pytest.approx(max(plus), abs=1e-12)
        assert result.p_b == pytest.approx(max(minus), abs=1e-12)
    else:
        assert result.p_a is None
        assert result.p_b is None


def test_scores_that_tie_as_decimals_tie_although_their_floats_do_not():
    """0.3 - 0.1 - 0.1 - 0.1 is not 0 in floats; exchanging the last item gives the opposite sum, which is as extreme."""
    difference = np.array([[0.3], [-0.1], [-0.1], [-0.1], [-0.1]])
    result = reversal_test(difference, rng=fresh())
    assert result.adjusted == (1.0,)
    zero = reversal_test(difference[:4], rng=fresh())
    assert zero.statistic == (0.0,)
    assert (zero.p_plus, zero.p_minus) == (9 / 16, 9 / 16)


def test_drawn_signs_give_the_same_counts_as_the_definition_with_these_signs():
    difference = fresh(8).integers(-1, 2, size=(23, 5)).astype(float)
    difference[:, 2] = np.abs(difference[:, 2])
    signs = slow.as_signs(sign_blocks(23, rng=fresh(3), draws=200))
    result = reversal_test(difference, rng=fresh(3), draws=200)
    p_plus, p_minus, adjusted = slow.reversal_p_values(difference, None, None, signs)
    assert (result.p_plus, result.p_minus, list(result.adjusted)) == (p_plus, p_minus, adjusted)
    assert result.draws == 200
    assert not result.exhaustive


@given(tables())
def test_exchanging_the_models_exchanges_the_sides(table):
    difference, known, cluster = table
    one = reversal_test(difference, cluster=cluster, known=known, rng=fresh())
    other = reversal_test(-difference, cluster=cluster, known=known, rng=fresh())
    assert (one.p_plus, one.p_minus, one.p_reversal) == (other.p_minus, other.p_plus, other.p_reversal)


@given(tables(), st.integers(1, 9))
def test_the_scale_of_the_score_does_not_matter(table, factor):
    difference, known, cluster = table
    one = reversal_test(difference, cluster=cluster, known=known, rng=fresh())
    other = reversal_test(factor * difference, cluster=cluster, known=known, rng=fresh())
    assert one.p_reversal == other.p_reversal
    assert one.adjusted == other.adjusted


def test_an_inert_factor_that_repeats_every_configuration_changes_no_p_value():
    difference = fresh(2).integers(-1, 2, size=(40, 6)).astype(float)
    one = reversal_test(difference, rng=fresh(1), draws=500)
    two = reversal_test(np.hstack([difference, difference]), rng=fresh(1), draws=500)
    assert (one.p_plus, one.p_minus) == (two.p_plus, two.p_minus)


def test_duplicated_items_halve_the_evidence_only_when_they_are_declared_as_clusters():
    difference = np.array([[1.0, -1.0]] * 4 + [[0.0, 0.0]] * 2)
    doubled = np.repeat(difference, 2, axis=0)
    cluster = np.repeat(np.arange(6), 2)
    honest = reversal_test(doubled, cluster=cluster, rng=fresh())
    assert honest.p_reversal == reversal_test(difference, rng=fresh()).p_reversal
    assert reversal_test(doubled, rng=fresh()).p_reversal < honest.p_reversal / 2


def test_all_ties_support_nothing():
    support = pair_support(np.zeros((30, 1, 4)), rng=fresh(), draws=100)[0]
    assert support.reversal.p_reversal == 1.0
    assert support.reversal.statistic == (0.0, 0.0, 0.0, 0.0)
    assert (support.everywhere.p_a, support.everywhere.p_b) == (1.0, 1.0)
    assert support.noise_flip_rate == 0.0
    assert support.word is SupportWord.UNRESOLVED


def test_one_configuration_cannot_reverse():
    result = reversal_test(np.ones((12, 1)), rng=fresh())
    assert result.p_plus == 2.0**-12
    assert result.p_reversal == 1.0
    assert (result.best, result.worst) == (0, 0)


def test_one_item_is_not_evidence():
    result = reversal_test(np.array([[1.0, -1.0]]), rng=fresh())
    assert result.p_reversal == 1.0
    assert result.exhaustive


def test_zero_variance_is_no_obstacle():
    result = reversal_test(np.array([[1.0, -1.0]] * 20), rng=fresh(), draws=2000)
    assert result.p_reversal == 1 / 2000
    assert result.statistic == (pytest.approx(np.sqrt(20)), pytest.approx(-np.sqrt(20)))


def test_with_two_opposed_configurations_the_error_is_not_that_of_one_configuration():
    """Leaving the observed configuration out of the maximum would give 1/64 here, for x2 = -x1, instead of 2/64."""
    column = np.ones(6)
    result = reversal_test(np.column_stack([column, -column]), rng=fresh())
    assert result.p_plus == 2 / 64
    assert result.p_reversal == 2 / 64


def test_a_missing_configuration_takes_no_part_and_leaves_everywhere_unproved():
    difference = np.column_stack([np.ones(10), np.full(10, np.nan), np.ones(10)])
    known = np.isfinite(difference)
    support = pair_support(difference[:, None, :], known=known[:, None, :], rng=fresh())[0]
    assert support.reversal.n_missing == 1
    assert support.reversal.statistic[1] is None
    assert support.reversal.adjusted[1] is None
    assert support.everywhere.p_a is None
    assert support.everywhere.p_plus == (2.0**-10, None, 2.0**-10)
    assert support.word is SupportWord.A_AHEAD_SOMEWHERE


def test_no_known_item_at_all_is_unknown():
    support = pair_support(np.zeros((5, 1, 2)), known=np.zeros((5, 1, 2), dtype=bool), rng=fresh())[0]
    assert support.reversal.p_reversal is None
    assert support.reversal.best is None
    assert support.noise_flip_rate is None
    assert support.word is SupportWord.UNRESOLVED


def test_the_test_of_one_configuration_is_mcnemar_only_for_independent_right_or_wrong_items():
    ones = np.ones((4, 2))
    assert ahead_everywhere(ones, rng=fresh()).test is PointTest.MCNEMAR
    assert ahead_everywhere(ones, cluster=np.array([0, 0, 1, 2]), rng=fresh()).test is PointTest.SIGN_FLIPS
    assert ahead_everywhere(ones / 3, rng=fresh()).test is PointTest.SIGN_FLIPS
    assert ahead_everywhere(ones * 2, rng=fresh()).test is PointTest.SIGN_FLIPS


def test_pairs_together_equal_pairs_alone():
    differences = fresh(4).integers(-1, 2, size=(40, 3, 5)).astype(float)
    known = fresh(5).random((40, 3, 5)) > 0.1
    together = pair_support(differences, known=known, rng=fresh(7), draws=300)
    for pair, support in enumerate(together):
        alone = reversal_test(differences[:, pair], known=known[:, pair], rng=fresh(7), draws=300)
        noise = noise_reference(differences[:, pair], known=known[:, pair], rng=fresh(7), draws=300)
        assert support.reversal == alone
        assert support.noise_flip_rate == noise.mean
        assert support.everywhere == ahead_everywhere(differences[:, pair], known=known[:, pair], rng=fresh(7), draws=300)
    assert pair_support(np.zeros((4, 0, 3)), rng=fresh()) == ()
    with pytest.raises(ValueError, match="expected 3"):
        pair_support(np.zeros((4, 3)), rng=fresh())


@given(tables() | tables(values=(-0.2, -0.1, 0.1, 0.3)))
def test_the_noise_reference_is_the_mean_flip_rate_over_all_sign_vectors(table):
    difference, known, cluster = table
    result = noise_reference(difference, cluster=cluster, known=known, rng=fresh())
    if not known.any():
        assert result.mean is None
        return
    rates = sorted(slow.noise_flip_rates(difference, cluster, known, listed(difference, cluster)))
    assert result.mean == pytest.approx(np.mean(rates), abs=1e-15)
    assert result.low == rates[int(0.05 * (len(rates) - 1))]
    assert result.high == rates[int(0.95 * (len(rates) - 1))]


@pytest.mark.parametrize(("correlation", "rate"), [(0.1, 0.47), (0.33, 0.39), (0.66, 0.27)])
def test_equally_correlated_noise_flips_as_often_as_sheppard_says(correlation, rate):
    assert round(equicorrelated_flip_rate(correlation), 2) == rate
    shared = fresh(1).standard_normal((400, 1))
    difference = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * fresh(2).standard_normal((400, 30))
    mean = noise_reference(difference, rng=fresh(3), draws=2000).mean
    assert mean is not None
    assert mean * 30 / 29 == pytest.approx(rate, abs=0.03)


def test_a_correlation_beyond_one_is_refused():
    with pytest.raises(ValueError, match="correlation"):
        equicorrelated_flip_rate(1.2)


@pytest.mark.parametrize(
    ("p_plus", "p_minus", "p_a", "p_b", "word"),
    [
        (0.05, 0.05, 1.0, 1.0, SupportWord.REVERSAL_SUPPORTED),
        (0.01, 0.9, 0.05, 1.0, SupportWord.A_AHEAD_EVERYWHERE),
        (0.9, 0.01, 1.0, 0.05, SupportWord.B_AHEAD_EVERYWHERE),
        (0.9, 0.9, 0.04, 1.0, SupportWord.A_AHEAD_EVERYWHERE),
        (0.05, 0.0501, 0.2, 1.0, SupportWord.A_AHEAD_SOMEWHERE),
        (0.0501, 0.05, 1.0, 0.2, SupportWord.B_AHEAD_SOMEWHERE),
        (0.01, 1.0, None, None, SupportWord.A_AHEAD_SOMEWHERE),
        (0.06, 0.06, 0.06, 0.06, SupportWord.UNRESOLVED),
        (None, None, None, None, SupportWord.UNRESOLVED),
    ],
)
def test_exactly_one_word_follows_from_the_p_values(p_plus, p_minus, p_a, p_b, word):
    assert support_word(p_plus=p_plus, p_minus=p_minus, p_a_everywhere=p_a, p_b_everywhere=p_b) is word


def test_a_level_outside_0_and_1_is_refused():
    with pytest.raises(ValueError, match="alpha"):
        support_word(p_plus=0.1, p_minus=0.1, p_a_everywhere=None, p_b_everywhere=None, alpha=1.0)


def test_a_p_value_that_no_draw_reached_is_printed_as_a_bound():
    assert p_text(1 / 10_000, draws=10_000, exhaustive=False) == "< 0.0001"
    assert p_text(2 / 10_000, draws=10_000, exhaustive=False) == "0.0002"
    assert p_text(1 / 1024, draws=1024, exhaustive=True) == "0.000977"


def pairs_of(path, benchmark, factors):
    """(n_items, n_pairs, n_configurations) differences and what is known, of one benchmark of a published table."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = [row for row in csv.DictReader(data.decode().splitlines()) if row["benchmark"] == benchmark]
    keys = (lambda row: row["item_id"], lambda row: row["model"], lambda row: tuple(row[factor] for factor in factors))
    places = [{name: i for i, name in enumerate(sorted({key(row) for row in rows}))} for key in keys]
    score = np.zeros([len(place) for place in places])
    known = np.zeros(score.shape, dtype=bool)
    for row in rows:
        if row["score"]:
            cell = tuple(place[key(row)] for place, key in zip(places, keys, strict=True))
            score[cell], known[cell] = float(row["score"]), True
    pairs = list(combinations(range(score.shape[1]), 2))
    differences = np.stack([score[:, a] - score[:, b] for a, b in pairs], axis=1)
    return differences, np.stack([known[:, a] & known[:, b] for a, b in pairs], axis=1)


def observed(support):
    values = [value for value in support.reversal.statistic if value is not None]
    return max(values) > 0 > min(values)


def test_the_multilingual_truthfulqa_table_gives_the_published_numbers_of_reversals(shared):
    path = shared / "studies" / "truthfulqa_multi" / "truthfulqa_multi_bleu_acc.csv.gz"
    differences, known = pairs_of(path, "truthfulqa_gen_bleu_acc", ["language"])
    assert differences.shape[1] == 105
    for seed in (0, 1, 2):
        supports = pair_support(differences, known=known, rng=fresh(seed), draws=10_000)
        p = [support.reversal.p_reversal for support in supports]
        assert sum(map(observed, supports)) == 59
        assert abs(sum(value <= 0.05 for value in p) - 24) <= 1
        assert abs(benjamini_hochberg(p).count_at(0.05) - 21) <= 1
        assert abs(holm(p).count_at(0.05) - 10) <= 1


def test_the_xstest_systems_show_four_reversals_of_which_none_survives_the_correction(shared):
    p, n_observed = [], 0
    for benchmark in ("xstest_safe", "xstest_unsafe", "xstest_all"):
        path = shared / "studies" / "xstest" / "xstest_systems.csv"
        differences, known = pairs_of(path, benchmark, ["scorer", "partial_as"])
        supports = pair_support(differences, known=known, rng=fresh(0), draws=10_000)
        n_observed += sum(map(observed, supports))
        p += [support.reversal.p_reversal for support in supports]
    assert (len(p), n_observed) == (30, 4)
    assert sum(value <= 0.05 for value in p) == 1
    assert holm(p).count_at(0.05) == 0


def test_the_xstest_system_prompt_reverses_two_models_beyond_noise(shared):
    path = shared / "studies" / "xstest" / "xstest_system_prompt.csv"
    differences, known = pairs_of(path, "xstest_all", ["system_prompt", "scorer", "partial_as"])
    support = pair_support(differences, known=known, rng=fresh(0), draws=10_000)[0]
    statistic = np.array(support.reversal.statistic)
    assert (int((statistic > 0).sum()), int((statistic < 0).sum())) == (5, 5)
    assert support.reversal.p_reversal < 0.001
    assert support.word is SupportWord.REVERSAL_SUPPORTED
