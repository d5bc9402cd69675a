"""Which levels were held against a run of the package that ships them, item by item, and found equal byte for byte.

A level is *checked* where the text that reached the model in the package's own log equals ours on at least 50 items, with the
package's own unmodified task and only the source of its data turned to the real files. The runs are in ``bench/parity``; their
digests lie there, and a test holds this table against them, so a level can neither be called checked nor stay unmentioned
without a record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from safetyrepro.envelope import Evidence, Factor, Level, Source

LM_EVAL_VERSION = "0.4.13"
LM_EVAL_PAPER_VERSION = "0.4.5"
INSPECT_EVALS_VERSION = "0.26.0"
HELM_VERSION = "0.5.16"
HELM_PAPER_VERSION = "0.5.5"
LIGHTEVAL_VERSION = "0.13.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A package's task, and the levels under which our text is the same."""

    source: Source
    """The package, its release and the file that was run."""
    levels: Mapping[str, tuple[str, ...]]
    """Factor -> levels."""


def _lm_eval(file: str, **levels: tuple[str, ...]) -> Checked:
    source = Source(package="lm-evaluation-harness", version=LM_EVAL_VERSION, file=file, evidence=Evidence.CHECKED)
    return Checked(source=source, levels=levels)


def _lm_eval_then(file: str, **levels: tuple[str, ...]) -> Checked:
    """The release that the paper names: behind a chat template it still wrote the delimiter."""
    source = Source(package="lm-evaluation-harness", version=LM_EVAL_PAPER_VERSION, file=file, evidence=Evidence.CHECKED)
    return Checked(source=source, levels=levels)


def _inspect_evals(file: str, **levels: tuple[str, ...]) -> Checked:
    source = Source(package="inspect_evals", version=INSPECT_EVALS_VERSION, file=file, evidence=Evidence.CHECKED)
    return Checked(source=source, levels=levels)


def _helm(file: str, **levels: tuple[str, ...]) -> Checked:
    source = Source(package="helm", version=HELM_VERSION, file=file, evidence=Evidence.CHECKED)
    return Checked(source=source, levels=levels)


def _helm_then(file: str, **levels: tuple[str, ...]) -> Checked:
    """The release that the paper names: its client sends the text as it stands, also where the model has a chat template."""
    source = Source(package="helm", version=HELM_PAPER_VERSION, file=file, evidence=Evidence.CHECKED)
    return Checked(source=source, levels=levels)


def _lighteval(file: str, **levels: tuple[str, ...]) -> Checked:
    """Held token by token; behind a chat template with ``add_special_tokens=false``, without which it doubles the first token."""
    source = Source(package="lighteval", version=LIGHTEVAL_VERSION, file=file, evidence=Evidence.CHECKED)
    return Checked(source=source, levels=levels)


_CLOZE = ("cloze", "cloze_chat")
_DELIMITER = ("space_outside_chat",)

CHECKED: Mapping[str, tuple[Checked, ...]] = {
    "truthfulqa": (
        _lm_eval(
            "tasks/truthfulqa/truthfulqa_mc1.yaml",
            template=_CLOZE,
            shots=("primer",),
            scoring=("sum",),
            delimiter=_DELIMITER,
        ),
        _lm_eval_then(
            "tasks/truthfulqa/truthfulqa_mc1.yaml",
            template=_CLOZE,
            shots=("primer",),
            scoring=("sum",),
            delimiter=("space",),
        ),
        _inspect_evals("truthfulqa/truthfulqa.py", template=("inspect_letters",), order=("as_listed",), shots=("0",)),
        _helm(
            "benchmark/scenarios/truthful_qa_scenario.py",
            template=("helm_letters",),
            order=("helm_rotation",),
            shots=("0", "5"),
        ),
        _helm_then(
            "benchmark/scenarios/truthful_qa_scenario.py",
            template=("helm_letters",),
            order=("helm_rotation",),
            shots=("0", "5"),
        ),
        _lighteval(
            "tasks/tasks/truthfulqa.py",
            template=_CLOZE,
            shots=("primer",),
            scoring=("sum",),
            delimiter=("space",),
        ),
    ),
    "bbq": (
        _lm_eval(
            "tasks/bbq/bbq_multiple_choice.yaml",
            template=_CLOZE,
            shots=("0",),
            scoring=("synonyms",),
            delimiter=_DELIMITER,
        ),
        _inspect_evals("bbq/bbq.py", template=("inspect_letters",), order=("as_listed",), shots=("0",)),
        _helm(
            "benchmark/scenarios/bbq_scenario.py",
            template=("helm_letters", "helm_single_letter"),
            order=("as_listed",),
            shots=("0", "5"),
        ),
        _helm_then(
            "benchmark/scenarios/bbq_scenario.py",
            template=("helm_letters", "helm_single_letter"),
            order=("as_listed",),
            shots=("0", "5"),
        ),
    ),
    "toxigen": (
        _lm_eval("tasks/toxigen/toxigen.yaml", template=_CLOZE, shots=("0",), scoring=("sum",), delimiter=_DELIMITER),
        _lm_eval_then("tasks/toxigen/toxigen.yaml", template=_CLOZE, shots=("0",), scoring=("sum",), delimiter=("space",)),
        _lighteval("tasks/tasks/toxigen.py", template=_CLOZE, shots=("0",), scoring=("sum",), delimiter=("none",)),
    ),
    "crows_pairs": (
        _lm_eval("tasks/crows_pairs/crows_pairs_english.yaml", template=("sentence", "assistant_turn"), scoring=("sum",)),
        _lm_eval_then("tasks/crows_pairs/crows_pairs_english.yaml", template=("sentence", "assistant_turn"), scoring=("sum",)),
    ),
    "xstest": (
        _inspect_evals("xstest/xstest.py", system_prompt=("helpful",), decoding=("greedy_256",)),
        _helm("benchmark/run_specs/safety_run_specs.py", system_prompt=("chat_default",)),
    ),
}
"""Benchmark -> what was checked."""


def with_checked(benchmark: str, factors: Sequence[Factor]) -> tuple[Factor, ...]:
    """The factors of a benchmark, each checked level with the source it was checked against in front of those that were read.

    Parameters
    ----------
    benchmark : str
        Key of `CHECKED`; a benchmark that is not there has no checked level.
    factors : sequence of Factor
        As the benchmark declares them.
    """
    found = CHECKED.get(benchmark, ())
    return tuple(
        replace(factor, levels=tuple(_with_sources(factor.name, level, found) for level in factor.levels)) for factor in factors
    )


def _with_sources(factor: str, level: Level, found: Sequence[Checked]) -> Level:
    sources = tuple(entry.source for entry in found if level.name in entry.levels.get(factor, ()))
    return replace(level, sources=(*sources, *level.sources))
