"""Scores of a toy checkpoint as lm-evaluation-harness reports them and as we compute them, on the same rows.

Usage: python bench/parity/scores.py ENVIRONMENTS WORK     runs lm-evaluation-harness and records its numbers beside ours
       python bench/parity/scores.py --ours model          computes ours again with our own engine and prints them as JSON;
                                                           --only toxigen,bbq keeps to these benchmarks
       python bench/parity/scores.py --ours recorded       the same from the log-likelihoods that it reported, without a model
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checks import LM_EVAL, TASKS
from compare import RECORDED
from ours import CHECKPOINTS, ROOT, benchmark, digest_of, requests_of
from programs import lm_eval
from rows import READERS, hub_sets

from safetyrepro.envelope import Configuration
from safetyrepro.records import Request, RequestKind, Response
from safetyrepro.study import EngineSpec, ModelSpec

VERSION = "0.4.13"
CHECKPOINT = "tiny-llama"
DUMMY = "dummy"
TOLERANCE = 1e-6
DATA = ROOT.parent / "shared" / "data"
PATH = RECORDED / "scores.json"

Answer = Callable[[Sequence[Request]], Mapping[Request, Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A metric of lm-evaluation-harness and what we hold beside it."""

    task: str
    """Its task."""
    metric: str
    """Its metric."""
    benchmark: str
    """Our adapter."""
    estimand: str
    """Our estimand."""
    settings: Mapping[str, str]
    """Our configuration."""
    scale: float = 1.0
    """Ours divided by this is on its scale."""

    @property
    def name(self) -> str:
        """Task and metric."""
        return f"{self.task}/{self.metric}"


_TRUTH = {"template": "cloze", "shots": "primer", "scoring": "sum"}
_SYNONYMS = {"template": "cloze", "shots": "0", "scoring": "synonyms"}
_TOXIC = {"template": "cloze", "shots": "0"}
DIFFERENCES = {
    "bbq/amb_bias_score": "where no answer is biased lm-evaluation-harness reports 0, as if there were no bias; by the formula it cites "
    "the score is then -1 times the share of committed answers, which is what we report",
    "bbq/disamb_bias_score": "where no answer is biased lm-evaluation-harness reports 0; we report -1, and nothing where no answer commits",
}
"""What explains an inequality, where there is one."""

PAIRS: tuple[Pair, ...] = (
    Pair(task="truthfulqa_mc1", metric="acc", benchmark="truthfulqa", estimand="mc1", settings=_TRUTH),
    Pair(task="truthfulqa_mc2", metric="acc", benchmark="truthfulqa", estimand="mc2", settings=_TRUTH),
    Pair(task="bbq", metric="acc", benchmark="bbq", estimand="accuracy", settings=_SYNONYMS),
    Pair(task="bbq", metric="accuracy_amb", benchmark="bbq", estimand="accuracy_ambiguous", settings=_SYNONYMS),
    Pair(task="bbq", metric="accuracy_disamb", benchmark="bbq", estimand="accuracy_disambiguated", settings=_SYNONYMS),
    Pair(task="bbq", metric="amb_bias_score", benchmark="bbq", estimand="bias_ambiguous_lm_eval", settings=_SYNONYMS),
    Pair(task="bbq", metric="disamb_bias_score", benchmark="bbq", estimand="bias_disambiguated_lm_eval", settings=_SYNONYMS),
    Pair(
        task="toxigen",
        metric="acc",
        benchmark="toxigen",
        estimand="accuracy_lm_eval",
        settings={**_TOXIC, "scoring": "sum"},
    ),
    Pair(
        task="toxigen",
        metric="acc_norm",
        benchmark="toxigen",
        estimand="accuracy_lm_eval",
        settings={**_TOXIC, "scoring": "per_character"},
    ),
    Pair(
        task="crows_pairs_english",
        metric="pct_stereotype",
        benchmark="crows_pairs",
        estimand="pct_stereotype",
        settings={"template": "sentence", "scoring": "sum"},
        scale=100.0,
    ),
)


def our_score(pair: Pair, data: Path, answer: Answer) -> float | None:
    """Our value of a pair, from answers to our own requests."""
    ids = READERS[pair.benchmark](data).ids
    asked = {item_id: requests_of(pair.benchmark, item_id, pair.settings, data) for item_id in ids}
    answers = answer([request for requests in asked.values() for request in requests])
    return _score(pair, asked, answers, data)


def _score(pair: Pair, asked: Mapping[str, Sequence[Request]], answers: Mapping[Request, Response], data: Path) -> float | None:
    module, items, _ = benchmark(pair.benchmark, data)
    configuration = Configuration.of(pair.settings)
    outcomes = [
        outcome
        for item_id, requests in asked.items()
        for outcome in module.outcomes(items[item_id], configuration, [answers[request] for request in requests])
        if outcome.estimand == pair.estimand and outcome.value is not None and outcome.weight
    ]
    weight = math.fsum(outcome.weight for outcome in outcomes)
    return math.fsum(outcome.value * outcome.weight for outcome in outcomes) / weight / pair.scale if weight else None


def from_likelihoods(likelihoods: Mapping[str, float]) -> Answer:
    """Answers made of recorded log-likelihoods, by digest of the request; no model is asked."""

    def answer(requests: Sequence[Request]) -> Mapping[Request, Response]:
        return {request: _response(likelihoods[_digest(request)]) for request in requests}

    return answer


def from_model(backend: Any) -> Answer:
    """Answers of a loaded checkpoint."""

    def answer(requests: Sequence[Request]) -> Mapping[Request, Response]:
        encoded = backend.encode(requests)
        by_key = {response.key: response for response in backend.answer(encoded)}
        return {one.request: by_key[one.key] for one in encoded}

    return answer


def _digest(request: Request) -> str:
    return digest_of("".join(turn.text for turn in request.prompt.turns), request.continuation)


def _response(likelihood: float) -> Response:
    kind = RequestKind.LOGLIKELIHOOD
    return Response(key="", kind=kind, prompt_digest="", token_digest="", n_prompt_tokens=0, token_logprobs=(likelihood,))


def opened(checkpoint: str) -> Any:
    """A toy checkpoint in single precision."""
    from safetyrepro.backends.hf import open_backend

    engine = EngineSpec(device="cpu", threads=1)
    return open_backend(ModelSpec(name=checkpoint, path=checkpoint), {"dtype": "float32"}, engine, folder=CHECKPOINTS)


def weights_digest(checkpoint: str) -> str:
    """SHA-256 of the weights."""
    return hashlib.sha256((CHECKPOINTS / checkpoint / "model.safetensors").read_bytes()).hexdigest()


def equal(ours: float | None, theirs: float) -> bool:
    """Whether two scores are the same number; an undefined one of ours equals none."""
    return ours is not None and abs(ours - theirs) <= TOLERANCE


def likelihoods_for(pair: Pair, run: Mapping[str, Any]) -> Mapping[str, float]:
    """Log-likelihoods by digest of the request, those of the pair's own task first; mc1 and mc2 ask about each other's answers too."""
    others = [task for task in run["loglikelihoods"] if TASKS[task][0] == pair.benchmark and task != pair.task]
    found: dict[str, float] = {}
    for task in (*others, pair.task):
        found.update(run["loglikelihoods"][task])
    return found


def ran(environments: Path, work: Path, model: str) -> dict[str, Any]:
    """One run of lm-evaluation-harness over all tasks: a toy checkpoint, or its own dummy model that answers by chance."""
    place = work / f"scores-{model}"
    place.mkdir(parents=True, exist_ok=True)
    sets = hub_sets(DATA, [entry[0] for entry in TASKS.values()])
    checkpoint = None if model == DUMMY else CHECKPOINTS / model
    done = lm_eval(environments / f"lm-eval-{VERSION}" / "bin" / "python", sets, list(TASKS), checkpoint, place, ())
    likelihoods = {
        task: {
            digest_of(*request): value
            for sent in one.sent
            for request, value in zip(sent.requests, sent.loglikelihoods, strict=True)
        }
        for task, one in done.items()
    }
    theirs = {pair.name: done[pair.task].metrics[pair.metric] for pair in PAIRS}
    return {
        "model": model,
        "weights": None if checkpoint is None else weights_digest(model),
        "theirs": theirs,
        "loglikelihoods": likelihoods,
    }


def from_run(data: Path, run: Mapping[str, Any]) -> dict[str, float | None]:
    """Our scores from the log-likelihoods that a run reported."""
    return {pair.name: our_score(pair, data, from_likelihoods(likelihoods_for(pair, run))) for pair in PAIRS}


def rows_of(run: Mapping[str, Any], ours: Mapping[str, float | None]) -> list[dict[str, Any]]:
    """Theirs beside ours."""
    return [
        {
            "score": pair.name,
            "ours_is": f"{pair.benchmark} {pair.estimand} at {dict(pair.settings)}",
            "theirs": run["theirs"][pair.name],
            "ours": ours[pair.name],
            "equal": equal(ours[pair.name], run["theirs"][pair.name]),
        }
        for pair in PAIRS
    ]


def record(environments: Path, work: Path) -> None:
    """Run lm-evaluation-harness and write its numbers beside ours."""
    runs = []
    for model in (CHECKPOINT, DUMMY):
        run = ran(environments, work, model)
        if model == DUMMY:
            ours = from_run(DATA, run)
        else:
            with opened(model) as backend:
                ours = {pair.name: our_score(pair, DATA, from_model(backend)) for pair in PAIRS}
        runs.append({**run, "scores": rows_of(run, ours)})
        for row in runs[-1]["scores"]:
            print(
                f"{model:12} {row['score']:36} theirs {row['theirs']:.9f}  ours {row['ours']}  {'equal' if row['equal'] else 'NOT equal'}"
            )
    content = {"package": LM_EVAL, "version": VERSION, "tolerance": TOLERANCE, "differences": DIFFERENCES, "runs": runs}
    PATH.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Record, or compute ours again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, metavar="ENVIRONMENTS WORK")
    parser.add_argument("--ours", choices=("model", "recorded"))
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--only", default=",".join(dict.fromkeys(pair.benchmark for pair in PAIRS)))
    options = parser.parse_args()
    chosen = [pair for pair in PAIRS if pair.benchmark in options.only.split(",")]
    if options.ours is None:
        record(*(folder.resolve() for folder in options.folders))
    elif options.ours == "recorded":
        runs = json.loads(PATH.read_text(encoding="utf-8"))["runs"]
        print(json.dumps({run["model"]: from_run(options.data.resolve(), run) for run in runs}))
    else:
        with opened(CHECKPOINT) as backend:
            scores = {pair.name: our_score(pair, options.data.resolve(), from_model(backend)) for pair in chosen}
        print(json.dumps({CHECKPOINT: scores}))


if __name__ == "__main__":
    main()
