"""What the tests ask the real vLLM, in an environment that has it: `python vllm_program.py FOLDER SMALL FILE` writes its answers as JSON."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from safetyrepro.errors import ModelError
from safetyrepro.records import Decoding, Prompt, Request
from vllm_questions import SCORES, TEXTS, WRITES, answered, drawn, opened

STOPPED = [Request(prompt=one.prompt, decoding=Decoding(max_tokens=10, stop=("a", "e"))) for one in WRITES]
DRAWN = [Request(prompt=Prompt.plain(text), decoding=drawn(seed)) for text in TEXTS[:4] for seed in (1, 2)]


def main() -> None:
    """Answer and write."""
    folder, small, file = map(Path, sys.argv[1:])
    with opened(folder) as backend:
        found: dict[str, object] = {
            "identity": dataclasses.asdict(backend.identity),
            "answers": [[one.token_logprobs, one.greedy, one.text, one.finish, one.error] for one in asked(backend)],
            "together": [one.text for one in answered(backend, DRAWN)],
            "alone": [answered(backend, [request])[0].text for request in DRAWN],
        }
    try:
        opened(small).close()
    except ModelError as refusal:
        found["refused"] = refusal.sentence
    file.write_text(json.dumps(found | interface()), encoding="utf-8")


def asked(backend):
    """Everything that the hf backend is asked too."""
    return answered(backend, [*SCORES, *WRITES, *STOPPED])


def interface() -> dict[str, object]:
    """Names of the fields that vLLM has, for the module that stands in for it."""
    from vllm import EngineArgs, SamplingParams
    from vllm.logprobs import Logprob
    from vllm.outputs import CompletionOutput, RequestOutput

    shown = RequestOutput("0", None, [1], None, [], finished=True)
    return {
        "SamplingParams": list(SamplingParams.__struct_fields__),
        "LLM": [field.name for field in dataclasses.fields(EngineArgs)],
        "Logprob": [field.name for field in dataclasses.fields(Logprob)],
        "CompletionOutput": [field.name for field in dataclasses.fields(CompletionOutput)],
        "RequestOutput": list(vars(shown)),
    }


if __name__ == "__main__":
    main()
