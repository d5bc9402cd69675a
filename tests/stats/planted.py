"""Mistakes planted into a copy of the statistics, one at a time, to see which test catches each.

    python tests/stats/planted.py

prints a line for each mistake: what it is, and the test that failed. Nothing in the working tree is changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATS = Path("src") / "safetyrepro" / "stats"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One change of the source that must make a test fail."""

    what: str
    """The mistake in words."""
    module: str
    """Module of `stats` that is changed."""
    right: str
    """Text that occurs once in the module."""
    wrong: str
    """What takes its place."""
    test: str
    """The test that must notice: its file, without test_ and .py, and its name."""


MISTAKES = (
    Mistake(
        what="one-sided for two-sided adjusted p-values",
        module="support",
        right="share_at_least(np.maximum(highest, -lowest), np.abs(statistic), slack=slack)",
        wrong="share_at_least(highest, statistic, slack=slack)",
        test="support::test_the_reversal_test_equals_its_definition_over_all_sign_vectors",
    ),
    Mistake(
        what="a reversal from the smaller of the two p-values",
        module="support",
        right="else max(p_plus, p_minus)",
        wrong="else min(p_plus, p_minus)",
        test="support::test_the_reversal_test_equals_its_definition_over_all_sign_vectors",
    ),
    Mistake(
        what="critical value with the best configuration left out",
        module="signflips",
        right="highest=upper.max(axis=2, initial=-np.inf)",
        wrong="highest=np.where((scaled == self.observed / self.scale).all(axis=2), upper.max(axis=2, initial=-np.inf), "
        "np.delete(upper, (self.observed / self.scale)[0].argmax(), axis=2).max(axis=2, initial=-np.inf))",
        test="support::test_the_reversal_test_equals_its_definition_over_all_sign_vectors",
    ),
    Mistake(
        what="cells flipped instead of rows",
        module="signflips",
        right="signs.astype(np.float64) @ sums if single is None else signs.astype(np.float32) @ single",
        wrong="np.stack([np.roll(signs, c, axis=0) @ sums[:, c] for c in range(sums.shape[1])], axis=1)",
        test="support::test_the_reversal_test_equals_its_definition_over_all_sign_vectors",
    ),
    Mistake(
        what="the data are not among the draws",
        module="signflips",
        right="        if start == 0:\n            bits[0] = 0\n",
        wrong="",
        test="units_and_signflips::test_with_17_units_signs_are_drawn_and_the_data_are_the_first_draw",
    ),
    Mistake(
        what="only more extreme draws counted, equal ones not",
        module="signflips",
        right="np.count_nonzero(sums >= self.observed - self.rounding, axis=0)",
        wrong="np.count_nonzero(sums > self.observed + self.rounding, axis=0)",
        test="support::test_the_everywhere_test_takes_the_largest_one_sided_p_value",
    ),
    Mistake(
        what="equal statistics told apart by their last bit",
        module="signflips",
        right="_SLACK = 2.0**-40",
        wrong="_SLACK = 0.0",
        test="units_and_signflips::test_mathematically_equal_statistics_reach_the_threshold_although_their_last_bits_differ",
    ),
    Mistake(
        what="ties counted as losses in the noise reference",
        module="signflips",
        right="behind=np.count_nonzero(sums < -self.rounding, axis=2)",
        wrong="behind=np.count_nonzero(sums <= -self.rounding, axis=2)",
        test="support::test_the_noise_reference_is_the_mean_flip_rate_over_all_sign_vectors",
    ),
    Mistake(
        what="ties counted as losses in McNemar's test",
        module="units",
        right="np.count_nonzero(units.sums < 0, axis=0)",
        wrong="np.count_nonzero(units.sums <= 0, axis=0)",
        test="support::test_the_everywhere_test_takes_the_largest_one_sided_p_value",
    ),
    Mistake(
        what="clusters ignored",
        module="units",
        right="    if cluster is None:\n",
        wrong="    if cluster is None or cluster.size:\n",
        test="support::test_duplicated_items_halve_the_evidence_only_when_they_are_declared_as_clusters",
    ),
    Mistake(
        what="an unknown item counted as a tie",
        module="units",
        right="np.broadcast_to(self.counts.sum(axis=0), (self.sums.shape[1],))",
        wrong="np.full(self.sums.shape[1], float(self.n_items))",
        test="intervals::test_unknown_items_leave_the_moments_of_the_known_ones",
    ),
    Mistake(
        what="sums rounded to a grid too fine to be exact",
        module="units",
        right="return 52 - int(np.frexp(",
        wrong="return 60 - int(np.frexp(",
        test="units_and_signflips::test_a_step_of_the_grid_changes_a_difference_by_less_than_the_stated_rounding",
    ),
    Mistake(
        what="a missing configuration does not hinder 'everywhere'",
        module="support",
        right="complete = present.size > 0 and bool(present.all())",
        wrong="complete = bool(present.any())",
        test="support::test_a_missing_configuration_takes_no_part_and_leaves_everywhere_unproved",
    ),
    Mistake(
        what="'everywhere' from the smallest p-value",
        module="support",
        right="p_a=float(plus.max()) if complete",
        wrong="p_a=float(plus.min()) if complete",
        test="support::test_the_everywhere_test_takes_the_largest_one_sided_p_value",
    ),
    Mistake(
        what="two-sided exact p-value above one",
        module="paired",
        right="p_exact=min(1.0, 2 * tail)",
        wrong="p_exact=2 * tail",
        test="paired::test_equal_discordant_counts_give_p_one_and_never_a_not_a_number",
    ),
    Mistake(
        what="population for sample variance in the interval",
        module="moments",
        right="(n_units + 1) / np.maximum(n_units, 1) * spread",
        wrong="spread",
        test="intervals::test_the_smoothed_mean_and_error_are_those_of_two_appended_half_items",
    ),
    Mistake(
        what="population for sample variance between clusters",
        module="paired",
        right="[0]) * n_units / (n_units - 1)\n",
        wrong="[0])\n",
        test="paired::test_without_clusters_the_clustered_t_test_is_the_paired_t_test",
    ),
    Mistake(
        what="no smoothing: intervals of width zero",
        module="moments",
        right=" + span**2 + centre**2\n",
        wrong="\n",
        test="intervals::test_an_interval_without_discordant_items_has_a_width",
    ),
    Mistake(
        what="a band of pointwise width",
        module="intervals",
        right="/ scale).max(axis=1)",
        wrong="/ scale)[:, 0]",
        test="intervals::test_the_band_is_the_multiplier_quantile_on_students_scale",
    ),
    Mistake(
        what="normal for Student's quantile",
        module="intervals",
        right="_student_quantile(critical, means.n_units) * means",
        wrong="critical * means",
        test="intervals::test_the_band_is_the_multiplier_quantile_on_students_scale",
    ),
    Mistake(
        what="an interval that touches zero counts as support",
        module="intervals",
        right="low is not None and low > 0",
        wrong="low is not None and low >= 0",
        test="intervals::test_an_interval_that_touches_zero_supports_nothing",
    ),
    Mistake(
        what="equivalence from the better of the two one-sided tests",
        module="equivalence",
        right="np.maximum(lower, upper)",
        wrong="np.minimum(lower, upper)",
        test="equivalence_and_power::test_equivalent_means_that_the_interval_of_level_1_minus_2_alpha_lies_within_the_margin",
    ),
    Mistake(
        what="a not-a-number in the family",
        module="multiplicity",
        right="if not ((values >= 0.0) & (values <= 1.0)).all():",
        wrong="if ((values < 0.0) | (values > 1.0)).any():",
        test="multiplicity::test_a_not_a_number_is_refused_instead_of_spreading",
    ),
    Mistake(
        what="untested claims enlarge the family",
        module="multiplicity",
        right="steps(values[order]).tolist()",
        wrong="steps(np.append(values[order], np.ones(len(p) - len(tested))))[: len(tested)].tolist()",
        test="multiplicity::test_an_untested_claim_leaves_the_family_and_is_counted",
    ),
    Mistake(
        what="step down where the procedure steps up",
        module="multiplicity",
        right="np.minimum.accumulate(scaled[::-1])[::-1]",
        wrong="np.maximum.accumulate(scaled)",
        test="multiplicity::test_adjusted_p_values_reject_exactly_what_the_step_up_rule_rejects",
    ),
    Mistake(
        what="power with the variance of the null hypothesis only",
        module="power",
        right="sqrt(n + z**2 - critical**2)",
        wrong="sqrt(n)",
        test="equivalence_and_power::test_items_and_detectable_difference_are_inverse",
    ),
    Mistake(
        what="closeness to a target from the larger factor",
        module="target",
        right="np.minimum(np.abs(first), np.abs(second))",
        wrong="np.maximum(np.abs(first), np.abs(second))",
        test="repeats_and_target::test_the_target_test_equals_its_definition_over_all_sign_vectors",
    ),
    Mistake(
        what="a repetition compared with itself",
        module="repeats",
        right="repeats * (repeats - 1) // 2",
        wrong="repeats * (repeats + 1) // 2",
        test="repeats_and_target::test_the_placebo_flip_rate_compares_all_pairs_of_repetitions",
    ),
    Mistake(
        what="cells resampled instead of rows",
        module="resampling",
        right="totals = np.ldexp(weights @ sums, shift - units.bits)",
        wrong="totals = np.ldexp(np.stack([np.roll(weights, c, axis=0) @ sums[:, c] for c in range(n_columns)], axis=1), "
        "shift - units.bits)",
        test="effect_sizes::test_the_interval_is_the_size_more_or_less_the_quantile_of_the_projected_deviation",
    ),
    Mistake(
        what="an effect without its noise correction",
        module="effect_sizes",
        right="corrected_variance=size**2 - expected",
        wrong="corrected_variance=size**2",
        test="effect_sizes::test_size_and_correction_are_the_projected_norm_less_its_noise",
    ),
    Mistake(
        what="scoring crossed with presentation instead of nested",
        module="terms",
        right="return tuple(factor for factor in term if factor not in places)",
        wrong="return term",
        test="attribution::test_the_variance_within_presentations_belongs_to_scoring_and_not_half_to_presentation",
    ),
    Mistake(
        what="columns counted instead of dimensions",
        module="type_two",
        right="        df=fit.rank,",
        wrong="        df=_nominal(levels, term, nested),",
        test="type_two::test_an_empty_cell_costs_a_degree_of_freedom_and_moves_no_other_sum",
    ),
    Mistake(
        what="a main effect adjusted for its own interactions",
        module="type_two",
        right="if other != term and not contains(other, term)",
        wrong="if other != term",
        test="type_two::test_on_a_balanced_grid_sums_of_squares_are_those_of_the_functional_anova",
    ),
    Mistake(
        what="a negative component cut off at zero",
        module="dependability",
        right="model_item=(pi - rest) / c",
        wrong="model_item=max(0.0, (pi - rest) / c)",
        test="dependability::test_components_are_those_of_the_mean_squares",
    ),
    Mistake(
        what="a tie in a draw agrees with every sign",
        module="design_study",
        right="signs_of_sums(total, rounding) == full",
        wrong="signs_of_sums(total, rounding) != -full",
        test="dependability::test_agreement_is_counted_over_random_orders_of_groups_and_items",
    ),
    Mistake(
        what="missing answers of both models scored at the same end",
        module="bounds",
        right="_filled(score_b, known_b, high, (low, high))",
        wrong="_filled(score_b, known_b, low, (low, high))",
        test="bounds::test_by_hand_two_of_ten_missing_leave_the_sign_open",
    ),
)


def caught(mistake: Mistake, folder: Path) -> bool:
    """Whether the named test fails with the mistake in place."""
    module = folder / STATS / f"{mistake.module}.py"
    source = module.read_text(encoding="utf-8")
    if source.count(mistake.right) != 1:
        raise ValueError(f"{module.name} holds {source.count(mistake.right)} times: {mistake.right}")
    module.write_text(source.replace(mistake.right, mistake.wrong), encoding="utf-8")
    try:
        return not all_pass([mistake.test], folder)
    finally:
        module.write_text(source, encoding="utf-8")


def all_pass(tests: Sequence[str], folder: Path) -> bool:
    """Whether some tests pass with the source of a folder."""
    nodes = ["tests/stats/test_{}.py::{}".format(*test.split("::")) for test in tests]
    environment = {**os.environ, "PYTHONPATH": str(folder / "src"), "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "examples")}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", *nodes, "-x", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"pytest ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0


def copied_source(folder: Path) -> Path:
    """A copy of the package in a folder, to be changed."""
    ignored = shutil.ignore_patterns("__pycache__", "checkpoints")
    shutil.copytree(ROOT / "src" / "safetyrepro", folder / "src" / "safetyrepro", ignore=ignored)
    return folder


def main() -> int:
    """Plant every mistake and print what caught it."""
    missed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = copied_source(Path(name))
        if not all_pass(sorted({mistake.test for mistake in MISTAKES}), folder):
            print("a test fails without any mistake; nothing can be said")
            return 1
        for mistake in MISTAKES:
            noticed = caught(mistake, folder)
            missed += not noticed
            print(f"{mistake.what:62} {mistake.test if noticed else 'NOT CAUGHT by ' + mistake.test}", flush=True)
    print(f"{len(MISTAKES) - missed} of {len(MISTAKES)} planted mistakes were caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
