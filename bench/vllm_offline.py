"""vLLM's offline engine against the hf backend: log-likelihoods, texts, draws, shared prefixes, and a whole study, in float32.

    python bench/vllm_offline.py --vllm PYTHON [--note TEXT] [--out bench/results/vllm_offline.json]

PYTHON is the interpreter of an environment that holds vLLM and the libraries of this package (not the package itself: its source is put on
the path); without the option, the variable SAFETYREPRO_VLLM_PYTHON names it, and without both there is nothing to measure. Every engine is
asked in a process of its own. The study is the quickstart: three trained toys, five benchmarks; it is run by both engines, and once more by
vLLM, killed in the middle and started again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import yaml
from machine import machine
from models import make_model
from servers import WORDS, sentences

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from safetyrepro.backends import backend_module
from safetyrepro.backends.base import Backend
from safetyrepro.errors import ModelError
from safetyrepro.manifest import TokenCounts
from safetyrepro.records import Decoding, Prompt, Request, RequestKind, Response, Role, Turn
from safetyrepro.selection import shipped_studies
from safetyrepro.store import open_store
from safetyrepro.study import EngineSpec, ModelSpec
from tiny_checkpoints import make_checkpoint

ROOT = Path(__file__).resolve().parents[1]
VARIABLE = "SAFETYREPRO_VLLM_PYTHON"
TEXTS = ["ends in a space ", "", *sentences(26)]
STEM = " ".join(sentences(40))
SCORES = [
    Request(prompt=prompt, continuation=continuation)
    for text in TEXTS
    for prompt in (Prompt.plain(text), Prompt(turns=(Turn(Role.USER, text),), chat=True))
    for continuation in (" the lake", " is not right.", " a")
]
SHARED = [
    Request(prompt=Prompt.plain(f"{STEM} {question}"), continuation=f" {word}")
    for question in sentences(8)
    for word in (*WORDS[:4], "the young tower")
]
BEHIND = [
    Request(prompt=Prompt.plain(f"{' '.join(sentences(2))} {question}"), continuation=f" {word}")
    for question in sentences(8)
    for word in (*WORDS[:2], "the young tower")
]
WRITES = [Request(prompt=Prompt.plain(text), decoding=Decoding(max_tokens=24)) for text in sentences(32)]
STOPPED = [Request(prompt=one.prompt, decoding=Decoding(max_tokens=24, stop=("ow", "k", "\n"))) for one in WRITES]
DRAWN = [
    Request(prompt=one.prompt, decoding=Decoding(max_tokens=24, temperature=0.8, top_p=0.95, top_k=50, seed=seed))
    for one in WRITES[:12]
    for seed in (1, 2)
]
SMALL = {"hidden_size": 128, "num_attention_heads": 2, "num_key_value_heads": 2}
ARCHITECTURES: dict[str, dict[str, int]] = {
    "qwen2": SMALL,
    "llama": SMALL,
    "mistral": SMALL,
    "mistral-window": SMALL,
    "gpt2": {"n_embd": 128, "n_head": 2},
    "gpt-neox": {"hidden_size": 128, "num_attention_heads": 2},
    "phi3": SMALL,
    "bloom": {},
    "mamba": {},
}
"""Heads of 64 where the architecture has them; the last two are beyond what vLLM's build for processors computes."""
AT_THE_LIMIT = [
    Request(prompt=Prompt.plain("lake " * 5000), continuation=" a tower"),
    Request(prompt=Prompt.plain("lake " * 5000), decoding=Decoding(max_tokens=7)),
]


def main() -> None:
    """Measure, or answer for one engine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vllm", default=os.environ.get(VARIABLE))
    parser.add_argument("--out", default=str(ROOT / "bench" / "results" / "vllm_offline.json"))
    parser.add_argument("--note", default="", help="how the environment was made, for the result")
    parser.add_argument(
        "--answer", nargs=4, metavar=("BACKEND", "DTYPE", "FOLDER", "FILE"), help="only answer, for this program"
    )
    options = parser.parse_args()
    if options.answer:
        backend, dtype, folder, file = options.answer
        found = several(backend, Path(folder)) if dtype == "architectures" else answers(backend, dtype, Path(folder))
        Path(file).write_text(json.dumps(found), encoding="utf-8")
        return
    if not options.vllm:
        print(f"nothing to measure: name an environment with vLLM by --vllm or {VARIABLE}")
        return
    with tempfile.TemporaryDirectory() as scratch:
        result = {"machine": machine(), "environment": options.note, **measured(Path(scratch), options.vllm)}
    Path(options.out).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


def measured(scratch: Path, python: str) -> dict[str, object]:
    """Everything."""
    model = make_model(scratch / "model", sentences(400), layers=2, width=128, heads=2)
    kinds = scratch / "kinds"
    for kind, changes in ARCHITECTURES.items():
        make_checkpoint(kinds / kind, kind, bos=kind in {"llama", "mistral", "mistral-window", "phi3"}, **changes)
    engines = ((sys.executable, "hf"), (python, "vllm"))
    found = {
        dtype: [_program(there, name, dtype, model, scratch) for there, name in engines] for dtype in ("float32", "bfloat16")
    }
    others = [_program(there, name, "architectures", kinds, scratch) for there, name in engines]
    local, remote = found["float32"]
    return {
        "engine": remote["engine"],
        "checkpoint": "random, Qwen2 shape, 2 layers, width 128, 2 heads of 64",
        "float32": compared(local, remote),
        "bfloat16": {"largest_difference": compared(*found["bfloat16"])["largest_difference"]},
        "architectures": {kind: _architecture(*(one[kind] for one in others)) for kind in ARCHITECTURES},
        "drawn": remote["drawn"],
        "at_the_limit": {
            "tokens_cut_by_hf": [one["truncated"] for one in local["at_the_limit"]],
            "tokens_cut": [one["truncated"] for one in remote["at_the_limit"]],
            "text_equal": local["at_the_limit"][1]["text"] == remote["at_the_limit"][1]["text"],
        },
        "shared_prefixes": remote["sharing"],
        "seconds": {name: one["seconds"] for name, one in (("hf", local), ("vllm", remote))},
        "study": study(scratch, python),
    }


def _program(python: str, backend: str, dtype: str, model: Path, scratch: Path) -> dict:
    file = scratch / f"{backend}-{dtype}.json"
    _run([python, __file__, "--answer", backend, dtype, str(model), str(file)])
    return json.loads(file.read_text(encoding="utf-8"))


def _run(command: list[str]) -> None:
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}


def answers(name: str, dtype: str, model: Path) -> dict[str, object]:
    """What one engine says."""
    begun = time.monotonic()
    with opened(name, dtype, model) as backend:
        loaded = time.monotonic() - begun
        found: dict[str, object] = {"engine": f"{backend.identity.engine}, {backend.identity.device}"}
        for part, requests in (
            ("scores", SCORES),
            ("shared", SHARED),
            ("writes", WRITES + STOPPED),
            ("at_the_limit", AT_THE_LIMIT),
        ):
            found[part] = [_plain(one) for one in answered(backend, requests)]
        found["seconds"] = {"loading_and_self_test": round(loaded, 1), "answering": round(time.monotonic() - begun - loaded, 1)}
        if name == "vllm":
            found["drawn"] = draws(backend)
    if name == "vllm":
        found["sharing"] = {
            f"{'on' if share else 'off'}": sharing(name, dtype, model, share=share) for share in (True, False)
        } | {"continuations": len(SHARED), "different_contexts": len({one.prompt for one in SHARED})}
    return found


def several(name: str, folder: Path) -> dict[str, object]:
    """What one engine says with one model after another in one process."""
    found: dict[str, object] = {}
    for kind in ARCHITECTURES:
        try:
            with opened(name, "float32", folder / kind) as backend:
                said = {
                    "scores": answered(backend, SCORES[:60]),
                    "shared": answered(backend, BEHIND),
                    "writes": answered(backend, WRITES),
                }
        except ModelError as refusal:
            found[kind] = refusal.found
        else:
            found[kind] = {part: [_plain(one) for one in some] for part, some in said.items()}
    return found


def _plain(response: Response) -> dict[str, object]:
    return dataclasses.asdict(response) | {"kind": response.kind.value}


def _architecture(local: dict, remote: dict | str) -> object:
    return f"refused before the first cell: {remote}" if isinstance(remote, str) else compared(local, remote)


def opened(name: str, dtype: str, model: Path, *, share: bool = True) -> Backend:
    """A backend with the model."""
    engine = EngineSpec(device="cpu", threads=1, share_prefixes=share)
    return backend_module(name).open_backend(ModelSpec(name="m", path=str(model)), {"dtype": dtype}, engine, folder=model)


def answered(backend: Backend, requests: list[Request]) -> list[Response]:
    """Answers in order."""
    encoded = backend.encode(requests)
    by_key = {response.key: response for response in backend.answer(encoded)}
    return [by_key[one.key] for one in encoded]


def draws(backend: Backend) -> dict[str, int]:
    """Whether a drawn answer depends on what is drawn beside it."""
    together = [one.text for one in answered(backend, DRAWN)]
    backwards = [one.text for one in answered(backend, DRAWN[::-1])][::-1]
    alone = [answered(backend, [one])[0].text for one in DRAWN]
    pairs = zip(together[::2], together[1::2], strict=True)
    return {
        "answers": len(DRAWN),
        "equal_alone": sum(one == other for one, other in zip(together, alone, strict=True)),
        "equal_in_the_other_order": sum(one == other for one, other in zip(together, backwards, strict=True)),
        "prompts_whose_two_seeds_give_two_answers": sum(one != other for one, other in pairs),
    }


def sharing(name: str, dtype: str, model: Path, *, share: bool) -> dict[str, int]:
    """Tokens for short continuations behind one long beginning."""
    with opened(name, dtype, model, share=share) as backend:
        answered(backend, SHARED)
        counts: TokenCounts = backend.counters
    return {"planned": counts.planned, "computed": counts.computed, "limit": counts.limit}


def compared(local: dict, remote: dict) -> dict[str, object]:
    """How far two engines differ."""
    pairs = [pair for part in ("scores", "shared") for pair in zip(local[part], remote[part], strict=True)]
    texts = list(zip(local["writes"], remote["writes"], strict=True))
    return {
        "loglikelihoods": len(pairs),
        "failed": sum(one["error"] is not None for pair in pairs for one in pair),
        "largest_difference": _farthest((one["token_logprobs"], other["token_logprobs"]) for one, other in pairs),
        "said_to_be_greedy": sum(one["greedy"] for one, _ in pairs),
        "greedy_flags_equal": sum(one["greedy"] == other["greedy"] for one, other in pairs),
        "texts": len(texts),
        "texts_equal": sum((one["text"], one["finish"]) == (other["text"], other["finish"]) for one, other in texts),
        "ended_before_the_limit": sum(one["finish"] == "stop" for one, _ in texts),
    }


def _farthest(pairs: Iterator[tuple[list[float], list[float]]]) -> float:
    return max(abs(a - b) for one, other in pairs for a, b in zip(one, other, strict=True))


def study(scratch: Path, python: str) -> dict[str, object]:
    """The quickstart by both engines, and by vLLM with a kill in the middle."""
    seconds = {}
    for name, there in (("hf", sys.executable), ("vllm", python)):
        begun = time.monotonic()
        _run(_command(there, _written(scratch, name), scratch / f"store-{name}"))
        seconds[name] = round(time.monotonic() - begun)
    n_stored = killed(_command(python, _written(scratch, "vllm"), scratch / "store-killed"), scratch / "store-killed")
    _run(_command(python, _written(scratch, "vllm"), scratch / "store-killed"))
    before = open_store(scratch / "store-vllm").manifest.tokens
    _run(_command(python, _written(scratch, "vllm"), scratch / "store-vllm"))
    hf, vllm, again = (rows(scratch / f"store-{name}") for name in ("hf", "vllm", "killed"))
    return {
        "seconds": seconds,
        "tokens": before.model_dump(),
        "asked_again_when_started_again": open_store(scratch / "store-vllm").manifest.tokens != before,
        "against_hf": apart(hf, vllm),
        "killed_with_answers_in_the_store": n_stored,
        "records_equal_to_the_undisturbed_run_to_the_last_bit": sum(vllm[cell] == again[cell] for cell in vllm),
    }


def _command(python: str, file: Path, store: Path) -> list[str]:
    return [python, "-m", "safetyrepro", "run", str(file), "--out", str(store)]


def _written(scratch: Path, backend: str) -> Path:
    """The quickstart's study with another backend, its paths made whole."""
    shipped = shipped_studies()["quickstart"]
    content = yaml.safe_load(shipped.read_text(encoding="utf-8"))
    for entry, field in [(entry, "path") for entry in content["models"]] + [(entry, "data") for entry in content["benchmarks"]]:
        entry[field] = str(shipped.parent / entry[field])
    file = scratch / f"{backend}.yaml"
    file.write_text(yaml.safe_dump(content | {"backend": backend}), encoding="utf-8")
    return file


def killed(command: list[str], store: Path) -> int:
    """Start a run and kill it when some answers are stored; the number of parts that were."""
    with subprocess.Popen(command, env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and len(list(store.glob("responses/*.parquet"))) < 5:
            time.sleep(0.02)
        process.kill()
    return sum(1 for _ in open_store(store).responses())


def rows(folder: Path) -> dict[tuple[object, ...], tuple[object, ...]]:
    """Records by what is the same for both engines, each with its answers."""
    store = open_store(folder)
    said = {response.key: response for response in store.responses()}
    found: dict[tuple[object, ...], tuple[object, ...]] = {}
    for benchmark in store.manifest.benchmarks:
        for estimand in benchmark.estimands:
            for record in store.records(benchmark.name, estimand.name):
                cell = (record.cell, estimand.name, record.item_id)
                found[cell] = (record.value, record.status, record.token_digest, *(said[key] for key in record.keys))
    return found


def apart(hf: dict, vllm: dict) -> dict[str, object]:
    """How far two stores differ."""
    assert hf.keys() == vllm.keys()
    values = [(hf[cell][0], vllm[cell][0]) for cell in hf]
    pairs = {(a.key, b.key): (a, b) for cell in hf for a, b in zip(hf[cell][3:], vllm[cell][3:], strict=True)}
    scored = [pair for pair in pairs.values() if pair[0].kind is RequestKind.LOGLIKELIHOOD]
    written = [pair for pair in pairs.values() if pair[0].kind is RequestKind.GENERATION]
    return {
        "records": len(values),
        "statuses_and_token_digests_equal": sum(hf[cell][1:3] == vllm[cell][1:3] for cell in hf),
        "values_apart_by_more_than_0.001": sum(
            (one is None) != (other is None) or (one is not None and abs(one - other) > 1e-3) for one, other in values
        ),
        "loglikelihoods": len(scored),
        "largest_difference": _farthest((list(one.token_logprobs), list(other.token_logprobs)) for one, other in scored),
        "greedy_flags_equal": sum(one.greedy == other.greedy for one, other in scored),
        "texts": len(written),
        "texts_equal": sum((one.text, one.finish) == (other.text, other.finish) for one, other in written),
        "keys_shared": len({one for one, _ in pairs} & {other for _, other in pairs}),
    }


if __name__ == "__main__":
    main()
