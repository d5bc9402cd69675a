"""Corrections equal their definitions and leave untested claims out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles import inferential as slow
from safetyrepro.stats.multiplicity import Correction, benjamini_hochberg, benjamini_yekutieli, holm

families = st.lists(
    st.none() | st.sampled_from([0.0, 0.001, 0.01, 0.02, 0.04, 0.05, 0.2, 0.5, 1.0]) | st.floats(0, 1), max_size=6
)


@given(families)
def test_holm_is_the_closed_test_with_bonferroni(p):
    result = holm(p)
    for ours, slowly in zip(result.adjusted, slow.holm_adjusted(p), strict=True):
        assert (ours is None) == (slowly is None)
        assert ours is None or ours == pytest.approx(slowly)
    assert result.family_size + result.n_untested == len(p)


@given(families, st.sampled_from([0.001, 0.049, 0.11, 0.3, 0.77]))
def test_adjusted_p_values_reject_exactly_what_the_step_up_rule_rejects(p, alpha):
    k = sum(value is not None for value in p)
    harmonic = sum(1 / j for j in range(1, k + 1))
    for result, factor in ((benjamini_hochberg(p), 1.0), (benjamini_yekutieli(p), harmonic)):
        ours = [value is not None and value <= alpha for value in result.adjusted]
        assert ours == slow.step_up_rejections(p, alpha, factor)


def test_the_corrections_agree_with_statsmodels():
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p = np.random.default_rng(0).random(40) ** 3
    for ours, name in ((holm, "holm"), (benjamini_hochberg, "fdr_bh"), (benjamini_yekutieli, "fdr_by")):
        assert ours(p.tolist()).adjusted == pytest.approx(multitest.multipletests(p, method=name)[1])


def test_benjamini_and_hochbergs_own_example_rejects_four_of_fifteen():
    """Benjamini and Hochberg 1995, the p-values of their example: four rejections by their procedure, three by Holm's and Hochberg's, at .05."""
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    assert benjamini_hochberg(p).count_at(0.05) == 4
    assert holm(p).count_at(0.05) == 3


def test_an_untested_claim_leaves_the_family_and_is_counted():
    with_none = holm([0.01, None, 0.03])
    assert with_none.adjusted == (0.02, None, 0.03)
    assert (with_none.family_size, with_none.n_untested) == (2, 1)
    assert benjamini_hochberg([None, None]).adjusted == (None, None)
    assert holm([]).family_size == 0


def test_a_test_with_p_one_stays_in_the_family():
    assert holm([0.02, 1.0]).adjusted == (0.04, 1.0)


def test_a_not_a_number_is_refused_instead_of_spreading():
    for bad in (float("nan"), -0.1, 1.5):
        with pytest.raises(ValueError, match="could not be tested"):
            benjamini_hochberg([0.01, bad])


def test_a_false_discovery_list_says_so():
    assert "FDR" in Correction.BH.value
    assert "FDR" in benjamini_yekutieli([0.5]).correction.value
    assert holm([0.5]).correction is Correction.HOLM
