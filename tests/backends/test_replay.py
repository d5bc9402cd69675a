"""The public double: recorded and scripted answers."""

from __future__ import annotations

import json

import pytest

from safetyrepro.backends import BACKENDS, backend_module
from safetyrepro.backends.replay import (
    FACTORS,
    ReplayBackend,
    ScriptedBackend,
    open_backend,
    read_recording,
    recording,
    rendered,
    word_ids,
    write_recording,
)
from safetyrepro.errors import ModelError, RequestFailed, StudyError
from safetyrepro.records import Decoding, Prompt, Request, Role, Turn
from safetyrepro.study import EngineSpec, ModelSpec

SCORE = Request(prompt=Prompt.plain("Q: is it?\nA:"), continuation=" yes")
WRITE = Request(prompt=Prompt.plain("Tell me."), decoding=Decoding(max_tokens=5))
ROWS = [
    {"prompt": "Q: is it?\nA:", "continuation": " yes", "logprobs": [-1.5], "greedy": True},
    {"prompt": "Tell me.", "text": "Certainly.", "finish": "length"},
]


def answered(backend, *requests):
    encoded = backend.encode(requests)
    by_key = {response.key: response for response in backend.answer(encoded)}
    return [by_key[one.key] for one in encoded]


def test_a_recorded_log_likelihood_is_answered_as_it_was_recorded():
    (response,) = answered(ReplayBackend("m", recording(ROWS)), SCORE)
    assert response.token_logprobs == (-1.5,)
    assert response.greedy is True
    assert response.error is None
    assert response.text is None


def test_a_recorded_generation_is_answered_as_it_was_recorded():
    (response,) = answered(ReplayBackend("m", recording(ROWS)), WRITE)
    assert (response.text, response.finish) == ("Certainly.", "length")


def test_what_was_not_recorded_fails_and_says_so():
    (response,) = answered(
        ReplayBackend("m", recording(ROWS)), Request(prompt=Prompt.plain("Other"), decoding=Decoding(max_tokens=1))
    )
    assert response.text is None
    assert "no answer" in response.error


def test_an_answer_can_be_found_by_its_content_key():
    key = ReplayBackend("m", recording([])).encode([SCORE])[0].key
    rows = [{"key": key, "logprobs": [-2.0]}]
    table = recording(rows)
    backend = ReplayBackend("m", table)
    encoded = backend.encode([SCORE])[0]
    assert encoded.key != key, "the identity holds the content of the recording"
    assert table.by_key[key].logprobs == (-2.0,)


def test_a_seeded_answer_is_preferred_to_one_without_a_seed():
    rows = [{"prompt": "p", "text": "any"}, {"prompt": "p", "text": "third", "seed": 3}]
    backend = ReplayBackend("m", recording(rows))
    asked = [Request(prompt=Prompt.plain("p"), decoding=Decoding(max_tokens=4, temperature=1.0, seed=seed)) for seed in (2, 3)]
    assert [response.text for response in answered(backend, *asked)] == ["any", "third"]


def test_an_answer_of_the_other_kind_is_a_failure():
    rows = [{"prompt": "Tell me.", "logprobs": [-1.0]}]
    (response,) = answered(ReplayBackend("m", recording(rows)), WRITE)
    assert "not a generation" in response.error


def test_the_identity_depends_on_the_answers_and_not_on_their_order_or_the_name():
    one, other = recording(ROWS), recording(ROWS[::-1])
    changed = recording([{**ROWS[0], "logprobs": [-1.6]}, ROWS[1]])
    assert one.digest == other.digest != changed.digest
    assert ReplayBackend("a", one).identity.digest == ReplayBackend("b", one).identity.digest


def test_requests_that_are_equal_are_answered_once():
    backend = ReplayBackend("m", recording(ROWS))
    encoded = backend.encode([SCORE, SCORE, WRITE])
    assert len(list(backend.answer(encoded))) == 2


def test_a_scripted_backend_answers_by_its_function():
    def script(prompt, request):
        if request.continuation is None:
            return prompt.upper()
        return [-1.0, -2.0] if "yes" in request.continuation else -7.0

    no = Request(prompt=SCORE.prompt, continuation=" no")
    first, second, third = answered(ScriptedBackend("m", script), SCORE, no, WRITE)
    assert first.loglikelihood == -3.0
    assert second.token_logprobs == (-7.0,)
    assert (third.text, third.finish) == ("TELL ME.", "stop")


def test_a_script_may_let_a_request_fail():
    def script(prompt, request):
        raise RequestFailed("request", found="the script refuses")

    (response,) = answered(ScriptedBackend("m", script), WRITE)
    assert "the script refuses" in response.error


def test_a_scripted_identity_changes_with_its_revision():
    digests = {ScriptedBackend(name, len, revision=revision).identity.digest for name in ("a", "b") for revision in ("", "2")}
    assert len(digests) == 4


def test_a_conversation_is_rendered_one_turn_a_line():
    prompt = Prompt(turns=(Turn(Role.SYSTEM, "Be brief."), Turn(Role.USER, "Hi")), chat=True)
    assert rendered(prompt) == "system: Be brief.\nuser: Hi"


def test_word_ids_are_the_same_everywhere():
    assert word_ids("a b a") == (word_ids("a")[0], word_ids(" b")[0], word_ids(" a")[0])
    assert len({word_ids(text) for text in ("a b", "a  b", "a\nb", " a b", "a b ")}) == 5
    assert word_ids("a") == (3904355907,)


def test_what_a_backend_answered_can_be_replayed(tmp_path):
    source = ReplayBackend("m", recording(ROWS))
    missing = Request(prompt=Prompt.plain("Other"), decoding=Decoding(max_tokens=1))
    encoded = source.encode([SCORE, WRITE, missing])
    write_recording(tmp_path / "m.jsonl", encoded, list(source.answer(encoded)))
    again = ReplayBackend("m", read_recording(tmp_path, model="m"))
    first, second, third = answered(again, SCORE, WRITE, missing)
    assert first.token_logprobs == (-1.5,)
    assert second.text == "Certainly."
    assert third.error is not None


def test_lines_of_other_models_are_skipped(tmp_path):
    lines = [{"prompt": "p", "text": "from a", "model": "a"}, {"prompt": "p", "text": "from b", "model": "b"}]
    (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    for name in "ab":
        backend = open_backend(ModelSpec(name=name), {}, EngineSpec(recorded="r.jsonl"), folder=tmp_path)
        with backend:
            (response,) = answered(backend, Request(prompt=Prompt.plain("p"), decoding=Decoding(max_tokens=1)))
        assert response.text == f"from {name}"


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("{", "line 1: is not JSON"),
        ("[1]", "not an object"),
        ('{"text": "x"}', "neither a prompt nor a key"),
        ('{"prompt": "p"}', "holds no answer"),
        ('{"prompt": "p", "logprobs": [0.5]}', "at most 0"),
        ('{"prompt": "p", "continuation": 3, "logprobs": [-1]}', "continuation is 3"),
        ('{"prompt": "p", "seed": "x", "text": "t"}', "seed is 'x'"),
        ('{"prompt": "p", "text": "a"}\n{"prompt": "p", "text": "b"}', "differently"),
    ],
)
def test_a_line_that_is_no_answer_is_named(tmp_path, line, part):
    (tmp_path / "r.jsonl").write_text(line)
    with pytest.raises(ModelError, match=r"r\.jsonl") as caught:
        read_recording(tmp_path / "r.jsonl")
    assert part in str(caught.value)


def test_an_absent_recording_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"cannot be read.*engine.recorded"):
        open_backend(ModelSpec(name="m"), {}, EngineSpec(recorded="none.jsonl"), folder=tmp_path)
    with pytest.raises(ModelError, match="no recording is named"):
        open_backend(ModelSpec(name="m"), {}, EngineSpec(), folder=tmp_path)


def test_a_recording_obeys_no_factor(tmp_path):
    assert FACTORS == ()
    with pytest.raises(ModelError, match="cannot obey dtype"):
        open_backend(ModelSpec(name="m"), {"dtype": "float32"}, EngineSpec(recorded="x"), folder=tmp_path)


def test_the_table_of_backends_names_every_file_that_opens_one():
    from pathlib import Path

    import safetyrepro.backends

    folder = Path(safetyrepro.backends.__file__).parent
    members = {file.stem for file in folder.glob("*.py") if "\ndef open_backend(" in file.read_text() and file.stem != "base"}
    assert members == set(BACKENDS)
    for name in BACKENDS:
        module = backend_module(name)
        assert name == module.NAME
        assert isinstance(module.FACTORS, tuple)


def test_an_unknown_backend_is_refused_with_the_names_of_the_known():
    with pytest.raises(StudyError, match="'nope' is not a backend; expected one of hf, vllm, server, replay"):
        backend_module("nope")
