"""Pairs of real runs with a planted cause: does `explain` put the cause on top?

    python bench/explain_pairs.py [--pairs 210] [--two 108] [--output bench/results/explain_pairs.json]

Real items (TruthfulQA, ToxiGen) are answered by the three toy checkpoints, and each run is written to files as a package writes
its logs. The two runs of a pair differ in one planted cause, or two, that moved the number; half of the pairs carry a further
difference that moves nothing: order of items and options, layout, version, batch size. `explain` sees the files and nothing else.
Two causes that both change the answers to the same prompts cannot be told apart from files: there the runs that it asks for
must name one of the two.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from machine import machine
from real_runs import CHECKPOINTS, Engine, Setup, values, write_log

from safetyrepro.explain import ITEMS, LABELS, RULE, Explanation, explain
from safetyrepro.prompts import Relation
from safetyrepro.sides import Choice, read_side
from safetyrepro.unresolved import NUMERICS

PARTS = {
    "space": Relation.SPACE.value,
    "prefix": Relation.TOKENS.value,
    "example seed": Relation.BEFORE.value,
    "dtype": NUMERICS,
    "parser": RULE,
    "dropped items": ITEMS,
    "label rule": LABELS,
}
"""Planted cause -> the part that must come out on top."""
ANSWERING = ("space", "prefix", "example seed", "dtype")
"""Causes that change what the model says; two of them in one pair act on the same answers."""
N_ITEMS = 100
LEAST = 0.004
TRIES = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A pair and what was found."""

    causes: tuple[str, ...]
    harmless: bool
    found: Explanation

    @property
    def closed(self) -> float:
        """Distance of the parts' sum from the gap."""
        return abs(math.fsum(part.amount for part in self.found.parts) - self.found.gap)

    @property
    def on_top(self) -> bool:
        """Whether the planted causes are the largest parts, whatever their order."""
        return {part.cause for part in self.found.parts[: len(self.causes)]} == {PARTS[cause] for cause in self.causes}


def drawn_setup(engine: Engine, rng: random.Random, causes: Sequence[str]) -> Setup:
    """A setup that the causes can change."""
    form = "generated" if rng.random() < 0.15 and "prefix" not in causes else "likelihood"
    benchmark = "toxigen" if "label rule" in causes or (form == "generated") else rng.choice(("truthfulqa", "toxigen"))
    checkpoint = "tiny-mistral" if form == "generated" else rng.choice(CHECKPOINTS)
    return Setup(
        benchmark=benchmark,
        checkpoint=checkpoint,
        form=form,
        shots=1 if "example seed" in causes else rng.choice((0, 1)),
        example_seed=rng.randint(0, 2),
        reading=rng.choice(("sum", "per_character") if form == "likelihood" else ("only_letter", "first_letter")),
        label_rule=rng.randint(0, 2),
        items=tuple(rng.sample(engine.names(benchmark), N_ITEMS)),
    )


def changed(setup: Setup, cause: str, rng: random.Random) -> Setup:
    """The setup with one cause planted."""
    other = {"sum": "per_character", "per_character": "sum", "only_letter": "first_letter", "first_letter": "only_letter"}
    if cause == "dropped items":
        return replace(setup, items=setup.items[: round(len(setup.items) * rng.choice((0.5, 0.7, 0.85)))])
    changes: dict[str, Any] = {
        "space": {"space": rng.choice(("behind", "doubled"))},
        "prefix": {"prefix": "bos"},
        "example seed": {"example_seed": setup.example_seed + 1},
        "dtype": {"dtype": "bfloat16"},
        "parser": {"reading": other[setup.reading]},
        "label rule": {"label_rule": (setup.label_rule + 1) % 3},
    }
    return replace(setup, **changes[cause])


def number(engine: Engine, setup: Setup) -> float:
    """The number that a run reports."""
    worth = values(engine.run(setup), setup)
    return sum(value or 0.0 for value in worth) / len(worth)


def pair(engine: Engine, folder: Path, seed: int, causes: tuple[str, ...]) -> Made:
    """Draw setups until every cause by itself moves the number, then write the two runs and explain them from their files."""
    rng = random.Random(f"pair {seed}")
    for _ in range(TRIES):
        first = drawn_setup(engine, rng, causes)
        base = number(engine, first)
        alone = [changed(first, cause, rng) for cause in causes]
        if all(abs(number(engine, one) - base) >= LEAST for one in alone):
            second = _together(first, alone)
            break
    else:
        message = f"no setup on which {causes} move the number"
        raise RuntimeError(message)
    harmless = random.Random(seed) if seed % 2 else None
    setups = (first, second) if rng.random() < 0.5 else (second, first)
    sides = []
    for name, setup, disturbance in zip("ab", setups, (None, harmless), strict=True):
        path = write_log(engine.run(setup), setup, folder / str(seed) / name, harmless=disturbance)
        sides.append(read_side(path, _choice(setup), name=name))
    return Made(causes=causes, harmless=harmless is not None, found=explain(*sides))


def _together(first: Setup, alone: Sequence[Setup]) -> Setup:
    fields = [name for name in Setup.__slots__ if name != "benchmark"]
    moved = {name: getattr(one, name) for one in alone for name in fields if getattr(one, name) != getattr(first, name)}
    return replace(first, **moved)


def _choice(setup: Setup) -> Choice:
    if setup.form == "generated":
        return Choice(estimand="exact_match")
    return Choice(estimand="accuracy", where={"scoring": (setup.reading,)})


def separable(causes: Sequence[str]) -> bool:
    """Whether files can tell two causes apart."""
    return sum(cause in ANSWERING for cause in causes) < 2


def asked_for(made: Made) -> bool:
    """Whether the runs that are asked for plant one of two causes by itself, so that the other is told by what is left."""
    words = {"space": "template", "prefix": "prefix", "example seed": "fewshot_seed", "dtype": "dtype"}
    return any(f"{words[cause]} = " in line for line in made.found.runs for cause in made.causes)


def summary(name: str, pairs: Sequence[Made]) -> dict[str, Any]:
    """Counts of a group of pairs."""
    wrong = [
        {
            "causes": one.causes,
            "parts": [[part.cause, round(part.amount, 4)] for part in one.found.parts[:3]],
        }
        for one in pairs
        if not one.on_top
    ]
    right = Counter(cause for one in pairs if one.on_top for cause in one.causes)
    total = Counter(cause for one in pairs for cause in one.causes)
    return {
        "group": name,
        "pairs": len(pairs),
        "with a harmless difference": sum(one.harmless for one in pairs),
        "on top": sum(one.on_top for one in pairs),
        "share": round(sum(one.on_top for one in pairs) / len(pairs), 4) if pairs else None,
        "largest distance of parts from gap": max((one.closed for one in pairs), default=0.0),
        "by cause": {cause: f"{right[cause]}/{total[cause]}" for cause in PARTS if total[cause]},
        "not on top": wrong,
    }


def main() -> None:
    """Make the pairs, explain them, write the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=210)
    parser.add_argument("--two", type=int, default=108)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--output", type=Path, default=Path(__file__).resolve().parent / "results" / "explain_pairs.json")
    given = parser.parse_args()
    started = time.perf_counter()
    engine = Engine(data=given.data)
    twos = [causes for causes in itertools.combinations(PARTS, 2) if separable(causes)]
    both = [causes for causes in itertools.combinations(PARTS, 2) if not separable(causes)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one = [pair(engine, folder, n, (cause,)) for n, cause in zip(range(given.pairs), itertools.cycle(PARTS), strict=False)]
        two = [pair(engine, folder, 10_000 + n, c) for n, c in zip(range(given.two), itertools.cycle(twos), strict=False)]
        same = [pair(engine, folder, 20_000 + n, c) for n, c in zip(range(given.two // 5), itertools.cycle(both), strict=False)]
    written = {
        "groups": [summary("one planted cause", one), summary("two planted causes", two)],
        "two causes that act on the same answers": {
            "pairs": len(same),
            "told apart by the runs that are asked for": sum(asked_for(made) for made in same),
            "largest distance of parts from gap": max((made.closed for made in same), default=0.0),
        },
        "items asked of the checkpoints": len(engine.said),
        "seconds": round(time.perf_counter() - started, 1),
        "machine": machine(),
    }
    given.output.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    for group in written["groups"]:
        print(json.dumps(group, indent=1))
    print(json.dumps(written["two causes that act on the same answers"]), written["seconds"], "s")


if __name__ == "__main__":
    main()
