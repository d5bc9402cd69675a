"""Real runs of toy checkpoints over real items, each a setup that one cause can change, written as lm-eval writes its logs.

A setup is what was done; a log is what it left. Answers are kept by content, so that a setup that changes only how they are read
asks nothing.
"""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from safetyrepro.backends import hf
from safetyrepro.backends.base import Backend, Encoded
from safetyrepro.benchmarks.base import Examples
from safetyrepro.benchmarks.data import load_data
from safetyrepro.envelope import Configuration
from safetyrepro.harnesses.rules import Answer, score
from safetyrepro.records import Item, Prompt, Request, Response, Turn
from safetyrepro.study import EngineSpec, ModelSpec

QUICKSTART = Path(__file__).resolve().parents[1] / "src" / "safetyrepro" / "quickstart"
CHECKPOINTS = ("tiny-qwen2", "tiny-mistral", "tiny-llama")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
INVALID = "[invalid]"
POOL = 20
N_KEPT = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What was done in a run."""

    benchmark: str
    checkpoint: str
    form: str = "likelihood"
    shots: int = 0
    example_seed: int = 0
    space: str = ""
    prefix: str = "none"
    dtype: str = "float32"
    reading: str = "sum"
    label_rule: int = 0
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An item as it was asked, answered and read."""

    id: str
    question: str
    options: tuple[str, ...]
    gold: int
    prompt: str
    continuations: tuple[str, ...]
    answer: Answer


@dataclass(frozen=True, slots=True)
class Said:
    """A request as it reached the checkpoint, and the answer."""

    prompt: str
    continuation: str
    loglikelihood: float
    text: str | None


def _said(encoded: Encoded, response: Response) -> Said:
    return Said(encoded.text, encoded.request.continuation or "", response.loglikelihood, response.text)


@dataclass(slots=True)
class Engine:
    """Checkpoints and items, each loaded once; answers are kept by what was asked."""

    data: Path
    backends: dict[tuple[str, str], Backend] = field(default_factory=dict)
    said: dict[tuple[Setup, str], list[Said]] = field(default_factory=dict)
    loaded: dict[str, tuple[Any, dict[str, Item]]] = field(default_factory=dict)

    def names(self, benchmark: str) -> list[str]:
        """Ids of the items that may be evaluated."""
        return list(self._items(benchmark)[1])[POOL:]

    def run(self, setup: Setup) -> list[Asked]:
        """Ask a setup's items, as far as they are not asked yet."""
        seed = setup.example_seed if setup.shots else 0
        answered = replace(setup, reading="", label_rule=0, items=(), example_seed=seed)
        absent = [name for name in setup.items if (answered, name) not in self.said]
        if absent:
            self._ask(setup, answered, absent)
        items = self._items(setup.benchmark)[1]
        return [_asked(items[name], setup, self.said[answered, name]) for name in setup.items]

    def _ask(self, setup: Setup, answered: Setup, names: Sequence[str]) -> None:
        module, items = self._items(setup.benchmark)
        pool = random.Random(f"pool {setup.example_seed}").sample(list(items.values())[:POOL], setup.shots)
        configuration = Configuration.of(
            {
                "template": "cloze" if setup.form == "likelihood" else "helm_letters",
                "shots": str(setup.shots),
                "scoring": "per_character" if setup.form == "likelihood" else "parsed_letter",
                "prefix": setup.prefix,
                "order": "as_listed",
            }
        )
        examples = Examples(pool=tuple(pool))
        wanted = [[spaced(one, setup.space) for one in module.requests(items[name], configuration, examples)] for name in names]
        backend = self._backend(setup)
        encoded = backend.encode([request for requests in wanted for request in requests])
        different = {one.key: one for one in encoded}
        answers = {response.key: response for response in backend.answer(list(different.values()))}
        left = iter(encoded)
        for name, requests in zip(names, wanted, strict=True):
            self.said[answered, name] = [_said(one, answers[one.key]) for one in itertools.islice(left, len(requests))]

    def _backend(self, setup: Setup) -> Backend:
        at = setup.checkpoint, setup.dtype
        if at not in self.backends:
            model = ModelSpec(name=setup.checkpoint, path=f"checkpoints/{setup.checkpoint}")
            engine = EngineSpec(device="cpu", threads=1)
            self.backends[at] = hf.open_backend(model, {"dtype": setup.dtype}, engine, folder=QUICKSTART)
        return self.backends[at]

    def _items(self, name: str) -> tuple[Any, dict[str, Item]]:
        if name not in self.loaded:
            module: Any = import_module(f"safetyrepro.benchmarks.{name}")
            items = {item.id: item for item in module.items(load_data(module, self.data / name).files)}
            # One item for each text: which of two equal questions joins which is nobody's cause.
            texts = {question_of(item): item for item in items.values()}
            drawn = random.Random(name).sample(sorted(texts), min(len(texts), N_KEPT))
            self.loaded[name] = module, {texts[text].id: texts[text] for text in drawn}
        return self.loaded[name]


def spaced(request: Request, space: str) -> Request:
    """The request with a space planted into its prompt: none, behind it, or by doubling its line ends."""
    if not space:
        return request
    turn = request.prompt.turns[0]
    text = f"{turn.text} " if space == "behind" else re.sub(r"(\n+|(?<=:) )", r"\1\1", turn.text)
    prompt = Prompt(turns=(Turn(turn.role, text),), chat=request.prompt.chat, prefix=request.prompt.prefix)
    return Request(prompt=prompt, continuation=request.continuation, decoding=request.decoding)


def question_of(item: Item) -> str:
    """The question in the benchmark's own words."""
    return str(item.content.get("question") or item.content["text"])


def _asked(item: Item, setup: Setup, said: Sequence[Said]) -> Asked:
    options, gold = options_and_gold(item, setup)
    likelihood = setup.form == "likelihood"
    answer = Answer(
        options=options,
        loglikelihoods=tuple(one.loglikelihood for one in said) if likelihood else (),
        response=None if likelihood else said[0].text,
    )
    return Asked(
        id=item.id,
        question=question_of(item),
        options=options,
        gold=gold,
        prompt=said[0].prompt,
        continuations=tuple(one.continuation for one in said) if likelihood else (),
        answer=answer,
    )


def options_and_gold(item: Item, setup: Setup) -> tuple[tuple[str, ...], int]:
    """What was offered, and the place of the right option under the setup's label rule."""
    if setup.benchmark == "toxigen":
        from safetyrepro.benchmarks.toxigen import hateful

        return ("No", "Yes"), int(hateful(item)[setup.label_rule])
    targets: Any = item.content["mc1"]
    return tuple(str(text) for text, _ in targets), [label for _, label in targets].index(1)


def values(asked: Sequence[Asked], setup: Setup) -> list[float | None]:
    """What each item is worth under the setup's reading."""
    return [score(setup.reading, one.answer, LETTERS[one.gold] if one.answer.response else str(one.gold)) for one in asked]


def write_log(asked: Sequence[Asked], setup: Setup, folder: Path, *, harmless: random.Random | None) -> Path:
    """Write results and samples as lm-eval does, where asked in another order, layout, version and under other names."""
    folder.mkdir(parents=True)
    rows = list(asked)
    stamp = "2025-03-04T05-06-07.000008"
    if harmless is not None:
        harmless.shuffle(rows)
        stamp = f"2026-0{harmless.randint(1, 9)}-04T05-06-07.000009"
    task = f"{setup.benchmark}_{'mc' if setup.form == 'likelihood' else 'letters'}"
    records = [_record(number, row, setup, harmless) for number, row in enumerate(rows)]
    (folder / f"samples_{task}_{stamp}.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    path = folder / f"results_{stamp}.json"
    path.write_text(json.dumps(_results(task, records, setup, harmless)))
    return path


def _record(number: int, row: Asked, setup: Setup, harmless: random.Random | None) -> dict[str, Any]:
    places = list(range(len(row.options)))
    question = row.question
    if harmless is not None:
        if setup.form == "likelihood":
            harmless.shuffle(places)
        question = f" {question}\n"
    record: dict[str, Any] = {
        "doc_id": number,
        "doc": {"question": question, "choices": [row.options[place] for place in places]},
        "target": str(places.index(row.gold)),
    }
    if setup.form == "likelihood":
        pairs = [(row.prompt, row.continuations[place]) for place in places]
        scores = [row.answer.loglikelihoods[place] for place in places]
        read = {"acc": "sum", "acc_norm": "per_character"}
        given = {name: score(rule, row.answer, str(row.gold)) for name, rule in read.items()}
        answers = [[str(value), "False"] for value in scores]
        return record | _arguments(pairs, harmless) | {"resps": [[one] for one in answers], "filtered_resps": answers} | given
    value = score(setup.reading, row.answer, LETTERS[row.gold])
    said = [[row.answer.response], [INVALID if value is None else f"{row.answer.response}".strip()[:1]]]
    arguments = _arguments([(row.prompt, "")], harmless)
    extraction = {"filter": f"by {setup.reading}", "exact_match": 0.0 if value is None else value}
    return record | {"target": LETTERS[row.gold], "resps": [said[0]], "filtered_resps": said[1]} | arguments | extraction


def _arguments(pairs: Sequence[tuple[str, str]], harmless: random.Random | None) -> dict[str, Any]:
    if harmless is None:
        return {"arguments": [list(pair) for pair in pairs]}
    return {"arguments": {f"gen_args_{n}": {"arg_0": prompt, "arg_1": text} for n, (prompt, text) in enumerate(pairs)}}


def _results(task: str, records: Sequence[Mapping[str, Any]], setup: Setup, harmless: random.Random | None) -> dict[str, Any]:
    metrics = ("acc", "acc_norm") if setup.form == "likelihood" else ("exact_match",)
    name = "none" if setup.form == "likelihood" else f"by {setup.reading}"
    means = {f"{metric},{name}": sum(record[metric] for record in records) / len(records) for metric in metrics}
    arguments = f"pretrained={setup.checkpoint},dtype={setup.dtype},add_bos_token={setup.prefix == 'bos'}"
    task_config = {"task": task, "doc_to_text": f"as {setup.benchmark} {setup.space}", "num_fewshot": setup.shots}
    config: dict[str, Any] = {"model": "hf", "model_args": arguments, "fewshot_seed": 1234 + setup.example_seed}
    output = "multiple_choice" if setup.form == "likelihood" else "generate_until"
    return {
        "results": {task: {"alias": task, **means}},
        "configs": {task: {**task_config, "output_type": output}},
        "versions": {task: 1.0},
        "n-shot": {task: setup.shots},
        "higher_is_better": {task: dict.fromkeys(metrics, True)},
        "n-samples": {task: {"original": len(records), "effective": len(records)}},
        "config": config | ({"batch_size": harmless.choice((1, 8, 64))} if harmless else {}),
        "lm_eval_version": harmless.choice(("0.4.8", "0.4.9", "0.4.13")) if harmless else "0.4.5",
        "date": harmless.random() if harmless else 0.5,
    }
