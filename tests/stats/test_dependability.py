"""Variance components, dependability and the design study equal their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from oracles import factorial as slow
from safetyrepro.stats.dependability import VarianceComponents, dependability, items_for_gap, variance_components
from safetyrepro.stats.design_study import cheapest_design, design_sentence, design_study

NAMES = ("model", "item", "configuration", "model_item", "model_configuration", "item_configuration", "residual")


def simulated(shape, sigma, rng):
    """Scores with known standard deviations of all seven components."""
    kept = {"model": (0,), "item": (1,), "configuration": (2,), "model_item": (0, 1), "model_configuration": (0, 2)}
    kept |= {"item_configuration": (1, 2), "residual": (0, 1, 2)}
    total = np.zeros(shape)
    for name, axes in kept.items():
        total = total + sigma[name] * rng.standard_normal([size if axis in axes else 1 for axis, size in enumerate(shape)])
    return total


@given(hnp.arrays(np.float64, st.tuples(*[st.integers(2, 4)] * 3), elements=st.sampled_from([0.0, 0.25, 1.0])))
def test_components_are_those_of_the_mean_squares(scores):
    result = variance_components(scores)
    expected = slow.components(scores)
    assert {name: getattr(result, name) for name in NAMES} == pytest.approx(expected, abs=1e-12)


def test_components_are_unbiased():
    rng = np.random.default_rng(0)
    sigma = dict(zip(NAMES, (0.05, 0.3, 0.04, 0.1, 0.03, 0.06, 0.25), strict=True))
    drawn = [variance_components(simulated((4, 60, 12), sigma, rng)) for _ in range(150)]
    for name in NAMES:
        values = [getattr(one, name) for one in drawn]
        assert abs(np.mean(values) - sigma[name] ** 2) < 4 * np.std(values) / np.sqrt(150)


def test_components_agree_with_a_mixed_model_of_another_library():
    formula = pytest.importorskip("statsmodels.formula.api")
    pandas = pytest.importorskip("pandas")
    sigma = dict(zip(NAMES, (0.5, 0.4, 0.3, 0.3, 0.25, 0.2, 0.3), strict=True))
    scores = simulated((6, 8, 6), sigma, np.random.default_rng(5))
    result = variance_components(scores)
    assert min(getattr(result, name) for name in NAMES) > 0
    p, i, c = (axis.ravel() for axis in np.indices(scores.shape))
    data = pandas.DataFrame({"y": scores.ravel(), "p": p, "i": i, "c": c, "one": 1})
    data["pi"], data["pc"], data["ic"] = p * 100 + i, p * 100 + c, i * 100 + c
    vc = {name: f"0 + C({name})" for name in ("p", "i", "c", "pi", "pc", "ic")}
    fit = formula.mixedlm("y ~ 1", data, groups="one", vc_formula=vc).fit(reml=True)
    found = dict(zip(sorted(vc), fit.vcomp, strict=True)) | {"rest": fit.scale}
    ours = {"p": result.model, "i": result.item, "c": result.configuration, "pi": result.model_item}
    ours |= {"pc": result.model_configuration, "ic": result.item_configuration, "rest": result.residual}
    for name, value in ours.items():
        assert found[name] == pytest.approx(value, rel=0.01, abs=1e-4)


def test_negative_components_are_kept_and_count_as_zero_in_errors():
    scores = np.array([[[0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]])
    components = variance_components(scores)
    assert components.model_item < 0
    assert dependability(components, n_items=2, n_configurations=2).relative_error == pytest.approx(components.residual / 4)


def test_one_model_one_item_or_one_configuration_leave_no_components():
    for shape in ((1, 3, 3), (3, 1, 3), (3, 3, 1)):
        assert variance_components(np.zeros(shape)) is None
    with pytest.raises(ValueError, match="dimensions"):
        variance_components(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="finite"):
        variance_components(np.full((2, 2, 2), np.nan))


def components(n_models=12, **changed):
    values = dict(zip(NAMES, (0.01, 0.05, 0.002, 0.02, 0.001, 0.004, 0.1), strict=True)) | changed
    return VarianceComponents(**values, n_models=n_models, n_items=100, n_configurations=8)


def test_errors_and_coefficients_follow_their_formulas():
    result = dependability(components(), n_items=100, n_configurations=8)
    relative = 0.02 / 100 + 0.001 / 8 + 0.1 / 800
    absolute = relative + 0.05 / 100 + 0.002 / 8 + 0.004 / 800
    assert result.relative_error == pytest.approx(relative)
    assert result.absolute_error == pytest.approx(absolute)
    assert result.sd_of_difference == pytest.approx(np.sqrt(2 * relative))
    assert result.generalizability == pytest.approx(0.01 / (0.01 + relative))
    assert result.phi == pytest.approx(0.01 / (0.01 + absolute))


def test_fixed_configurations_move_from_the_error_to_the_models():
    result = dependability(components(), n_items=100, n_configurations=8, configurations_fixed=True)
    relative = 0.02 / 100 + 0.1 / 800
    assert result.relative_error == pytest.approx(relative)
    assert result.generalizability == pytest.approx((0.01 + 0.001 / 8) / (0.01 + 0.001 / 8 + relative))


def test_with_three_models_no_coefficient_is_given_but_the_error_of_a_difference_is():
    result = dependability(components(n_models=3), n_items=100, n_configurations=8)
    assert (result.generalizability, result.phi) == (None, None)
    assert "3 models" in result.reason
    assert result.sd_of_difference > 0


def test_no_variance_at_all_has_no_coefficient():
    nothing = components(**dict.fromkeys(NAMES, 0.0))
    result = dependability(nothing, n_items=1, n_configurations=1)
    assert (result.generalizability, result.sd_of_difference, result.reason) == (None, 0.0, None)


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("gap", [0.1, 0.05])
def test_the_number_of_items_for_a_gap_is_the_first_that_suffices(gap, fixed):
    n = items_for_gap(components(), gap=gap, n_configurations=8, configurations_fixed=fixed)
    enough = dependability(components(), n_items=n, n_configurations=8, configurations_fixed=fixed)
    assert gap >= 1.64 * enough.sd_of_difference * (1 - 1e-12)
    if n > 1:
        fewer = dependability(components(), n_items=n - 1, n_configurations=8, configurations_fixed=fixed)
        assert gap < 1.64 * fewer.sd_of_difference


def test_no_number_of_items_makes_up_for_too_few_configurations():
    assert items_for_gap(components(model_configuration=0.01), gap=0.02, n_configurations=4) is None
    with pytest.raises(ValueError, match="gap"):
        items_for_gap(components(), gap=0.0, n_configurations=4)
    with pytest.raises(ValueError, match="at least 1"):
        dependability(components(), n_items=0, n_configurations=4)


def test_agreement_is_counted_over_random_orders_of_groups_and_items():
    rng = np.random.default_rng(2)
    differences = rng.integers(-1, 2, size=(30, 2, 6)).astype(float)
    group = np.array([5, 5, 2, 2, 9, 9])
    study = design_study(differences, sizes=[(1, 5), (2, 20), (3, 30)], group=group, rng=np.random.default_rng(8), draws=60)
    again, agreeing = np.random.default_rng(8), np.zeros((3, 2), dtype=int)
    full = np.sign(differences.sum(axis=(0, 2)))
    names = [2, 5, 9]
    for _ in range(60):
        items, groups = again.permutation(30), again.permutation(3)
        for row, (n_groups, n_items) in enumerate([(1, 5), (2, 20), (3, 30)]):
            columns = np.isin(group, [names[g] for g in groups[:n_groups]])
            part = differences[items[:n_items]][:, :, columns]
            agreeing[row] += np.sign(part.sum(axis=(0, 2))) == full
    decided = full != 0
    assert [point.n_agreeing for point in study.points] == agreeing[:, decided].sum(axis=1).tolist()
    assert study.points[2].agreement == 1.0
    assert study.n_tied == int((~decided).sum())


def test_without_groups_each_configuration_is_drawn_alone():
    study = design_study(np.ones((10, 1, 4)), sizes=[(1, 1)], rng=np.random.default_rng(0), draws=20)
    assert study.points[0].agreement == 1.0
    assert study.points[0].worst_pair == 1.0


def test_pairs_that_tie_on_the_full_grid_have_no_sign_to_agree_with():
    study = design_study(np.zeros((10, 2, 4)), sizes=[(2, 5)], rng=np.random.default_rng(0), draws=20)
    assert study.n_tied == 2
    assert study.points[0].agreement is None
    assert design_sentence(study.points[0]) == "no pair of models has a sign on the full grid"
    assert cheapest_design(study) is None


def test_the_cheapest_design_that_reaches_the_target_becomes_a_sentence():
    rng = np.random.default_rng(3)
    differences = (rng.random((200, 1, 8)) < 0.55).astype(float) - (rng.random((200, 1, 8)) < 0.40)
    sizes = [(g, n) for g in (1, 2, 4, 8) for n in (10, 50, 200)]
    study = design_study(differences, sizes=sizes, rng=rng, draws=200)
    cheapest = cheapest_design(study, target=0.95)
    dearer = [p for p in study.points if p.n_groups * p.n_items < cheapest.n_groups * cheapest.n_items]
    assert all(point.agreement < 0.95 for point in dearer)
    assert design_sentence(cheapest) == (
        f"sign agrees with the full grid in {100 * cheapest.agreement:.0f} % of draws "
        f"at {cheapest.n_groups} templates x {cheapest.n_items} items"
    )


@pytest.mark.parametrize("size", [(0, 5), (5, 5), (2, 11), (2, 0)])
def test_what_the_grid_does_not_hold_cannot_be_drawn(size):
    with pytest.raises(ValueError, match="cannot be drawn"):
        design_study(np.zeros((10, 1, 4)), sizes=[size], rng=np.random.default_rng(0))
