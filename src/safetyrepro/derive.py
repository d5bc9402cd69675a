"""Answers -> records: cheap, pure of models, done again whenever a rule changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from safetyrepro.backends.base import short_digest
from safetyrepro.envelope import Configuration
from safetyrepro.plan import BenchmarkPlan, LoadPlan, cell_requests
from safetyrepro.records import CellKey, Item, ItemRecord, Outcome, Request, Response, Status

JudgeRequests = Callable[[Item, Configuration, Sequence[Response]], tuple[Request, ...]]


@dataclass(frozen=True, slots=True)
class Unit:
    """One benchmark under one loading."""

    load: LoadPlan
    """The loading."""
    benchmark: BenchmarkPlan
    """The benchmark."""
    configurations: tuple[Configuration, ...]
    """The members of its envelope that the loading serves."""
    repeat: int = 0
    """Number of the repeat; 0 is the first time."""

    @property
    def label(self) -> str:
        """What it is, in words; names the unit's parts in the store."""
        return f"{self.load.label} on {self.benchmark.spec.name}" + (f", repeat {self.repeat}" if self.repeat else "")

    @property
    def judge_requests(self) -> JudgeRequests | None:
        """How the benchmark asks a judge; None where it needs none."""
        return getattr(self.benchmark.module, "judge_requests", None)


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to a unit's requests, by request."""

    keys: Mapping[Request, str]
    """Request -> content key."""
    responses: Mapping[str, Response]
    """Content key -> answer."""

    def of(self, requests: Sequence[Request]) -> list[Response]:
        """The answers to some requests, in order."""
        return [self.responses[self.keys[request]] for request in requests]


def unit_answers(unit: Unit, answers: Answers) -> Iterator[tuple[Configuration, Item, list[Response]]]:
    """Every cell and item of a unit with the answers to what it asked."""
    examples = unit.benchmark.examples(unit.load.model)
    for configuration, item, requests in cell_requests(unit.benchmark, unit.configurations, examples):
        yield configuration, item, answers.of(requests)


def judgements_wanted(unit: Unit, answers: Answers) -> dict[Request, None]:
    """What has to be asked of a judge before the unit can be scored, in order and without repeats."""
    wanted: dict[Request, None] = {}
    ask = unit.judge_requests
    if ask is not None:
        for configuration, item, responses in unit_answers(unit, answers):
            if all(response.error is None for response in responses):
                wanted.update(dict.fromkeys(ask(item, configuration, responses)))
    return wanted


def unit_records(unit: Unit, answers: Answers, judged: Answers | None) -> list[ItemRecord]:
    """The records of a unit, configuration by configuration.

    Parameters
    ----------
    unit : Unit
        What was asked.
    answers : Answers
        What the model answered.
    judged : Answers or None
        What the judge answered; None where no judge was asked.
    """
    records: list[ItemRecord] = []
    for configuration, item, responses in unit_answers(unit, answers):
        behind = _judgements(unit, configuration, item, responses, judged)
        records.extend(_records(unit, configuration, item, [*responses, *behind]))
    return records


def _judgements(
    unit: Unit, configuration: Configuration, item: Item, responses: Sequence[Response], judged: Answers | None
) -> list[Response]:
    ask = unit.judge_requests
    if ask is None or judged is None or any(response.error is not None for response in responses):
        return []
    return judged.of(ask(item, configuration, responses))


def _records(unit: Unit, configuration: Configuration, item: Item, responses: Sequence[Response]) -> Iterator[ItemRecord]:
    wanted = {estimand.name for estimand in unit.benchmark.estimands}
    for outcome in _outcomes(unit.benchmark, configuration, item, responses):
        if outcome.estimand in wanted:
            yield ItemRecord(
                cell=CellKey(unit.load.model.name, unit.benchmark.spec.name, configuration.digest),
                estimand=outcome.estimand,
                item_id=item.id,
                cluster=item.cluster,
                stratum=item.stratum,
                repeat=unit.repeat,
                value=outcome.value,
                weight=outcome.weight,
                status=outcome.status,
                reason=outcome.reason,
                keys=tuple(response.key for response in responses),
                prompt_digest=joined_digest([response.prompt_digest for response in responses]),
                token_digest=joined_digest([response.token_digest for response in responses]),
            )


def _outcomes(
    benchmark: BenchmarkPlan, configuration: Configuration, item: Item, responses: Sequence[Response]
) -> tuple[Outcome, ...]:
    """A failed request never reaches the benchmark; a failed judge does, behind an answer, and is a status of its own."""
    own = responses[:1] if hasattr(benchmark.module, "judge_requests") else responses
    failed = next((response.error for response in own if response.error is not None), None)
    if failed is None:
        return benchmark.module.outcomes(item, configuration, responses)
    return tuple(
        Outcome(estimand=estimand.name, value=None, status=Status.FAILED, reason=failed) for estimand in benchmark.estimands
    )


def joined_digest(digests: Sequence[str]) -> str:
    """One digest for several, in order; a single one stands for itself."""
    distinct = list(dict.fromkeys(digests))
    return distinct[0] if len(distinct) == 1 else short_digest("\n".join(digests))
