"""The server backend against a server that tells the truth, and against one that does not."""

from __future__ import annotations

import copy

import pytest

from faulty_server import FaultyServer, Truth, serving
from safetyrepro.backends import hf
from safetyrepro.backends.server import FACTORS, connected, open_backend
from safetyrepro.backends.wire import Limits, Wire
from safetyrepro.errors import ModelError
from safetyrepro.records import Decoding, Prefix, Prompt, Request, Role, Turn
from safetyrepro.study import EngineSpec, ModelSpec
from tiny_checkpoints import sentences

pytestmark = pytest.mark.model

SCORES = [
    Request(prompt=Prompt.plain(text), continuation=continuation)
    for text in ("the lake", "ends in a space ", "", *sentences(2))
    for continuation in (" is old", " yes")
]
WRITES = [Request(prompt=Prompt.plain(text), decoding=Decoding(max_tokens=4)) for text in ("the lake", "a tower")]
CHAT = Request(prompt=Prompt(turns=(Turn(Role.USER, "the lake"),), chat=True), decoding=Decoding(max_tokens=4))
PATIENT = Limits(attempts=3, seconds=2.0, first_wait=0.001, longest_wait=0.01)


@pytest.fixture(scope="module")
def local(checkpoint):
    folder = checkpoint("llama", bos=True)
    with hf.open_backend(ModelSpec(name="m", path=str(folder)), {}, EngineSpec(device="cpu"), folder=folder) as backend:
        yield backend


@pytest.fixture
def server(local):
    found = FaultyServer(Truth(local))
    with serving(found) as found.url:
        yield found


def opened(server, checkpoint, *, limits=PATIENT, path=True, **engine):
    folder = checkpoint("llama", bos=True)
    spec = ModelSpec(name="m", url=server.url, repository="tiny", path=str(folder) if path else None)
    wire = Wire(server.url, limits=limits)
    return connected(spec, wire, EngineSpec(**engine), folder=folder)


def answered(backend, requests):
    encoded = backend.encode(requests)
    by_key = {response.key: response for response in backend.answer(encoded)}
    return [by_key[one.key] for one in encoded]


def test_log_likelihoods_equal_those_of_the_local_backend(server, checkpoint, local):
    with opened(server, checkpoint) as backend:
        for found, expected in zip(answered(backend, SCORES), answered(local, SCORES), strict=True):
            assert found.error is None
            assert found.token_logprobs == pytest.approx(expected.token_logprobs, abs=1e-4)
            assert found.greedy == expected.greedy
            assert found.token_digest == expected.token_digest
            assert found.prompt_digest == expected.prompt_digest


def test_generations_equal_those_of_the_local_backend(server, checkpoint, local):
    requests = [*WRITES, CHAT]
    with opened(server, checkpoint) as backend:
        for found, expected in zip(answered(backend, requests), answered(local, requests), strict=True):
            assert (found.text, found.finish) == (expected.text, expected.finish)
            assert found.n_prompt_tokens == expected.n_prompt_tokens
        assert backend.counters.generated > 0
        assert backend.counters.planned == sum(response.n_prompt_tokens for response in answered(backend, requests))


def test_prompts_reach_the_server_as_the_ids_that_were_encoded(server, checkpoint):
    with opened(server, checkpoint) as backend:
        server.seen.clear()
        (one,) = backend.encode([CHAT])
        list(backend.answer([one]))
    ((path, body),) = server.seen
    assert path == "/v1/completions"
    assert body["prompt"] == list(one.context_ids)
    assert body["temperature"] == 0.0


def test_without_a_tokenizer_the_server_renders_and_log_likelihoods_are_refused(server, checkpoint):
    with opened(server, checkpoint, path=False) as backend:
        server.seen.clear()
        plain, chat = answered(backend, [WRITES[0], CHAT])
        assert plain.error is None
        assert chat.error is None
        assert {path for path, _ in server.seen} == {"/v1/completions", "/v1/chat/completions"}
        assert plain.n_prompt_tokens < 10, "as the server counts them"
        with pytest.raises(ModelError, match="the model's tokenizer is not known"):
            backend.encode(SCORES)


def test_a_server_that_takes_text_only_is_asked_in_text_and_refused_for_log_likelihoods(server, checkpoint, local):
    server.token_ids = False
    with opened(server, checkpoint) as backend:
        found, chat = answered(backend, [WRITES[0], CHAT])
        assert found.text == answered(local, WRITES)[0].text
        assert chat.error is None
        assert chat.prompt_digest != answered(local, [CHAT])[0].prompt_digest, "how the server renders it is not seen"
        bare = Request(prompt=Prompt.plain("the lake", prefix=Prefix.NONE), decoding=Decoding(max_tokens=4))
        assert "prefix token 'none' cannot be sent" in answered(backend, [bare])[0].error
        with pytest.raises(ModelError, match="takes no prompt of token ids"):
            backend.encode(SCORES)


def test_decoding_is_sent_as_it_was_asked(server, checkpoint):
    drawn = Decoding(max_tokens=3, temperature=0.5, top_p=0.9, top_k=7, seed=11, stop=("x",))
    own = Decoding(max_tokens=3, model_default=True, seed=1)
    with opened(server, checkpoint) as backend:
        server.seen.clear()
        answered(backend, [Request(prompt=Prompt.plain("a"), decoding=decoding) for decoding in (drawn, own)])
    bodies = {body["seed"]: body for _, body in server.seen}
    asked = {"max_tokens": 3, "temperature": 0.5, "top_p": 0.9, "top_k": 7, "seed": 11, "stop": ["x"]}
    assert asked.items() <= bodies[11].items()
    assert not {"temperature", "top_p", "top_k"} & set(bodies[1])


def test_a_drawn_answer_without_a_seed_is_refused(server, checkpoint):
    drawn = Decoding(max_tokens=3, temperature=0.5)
    own = Decoding(max_tokens=3, model_default=True)
    for path in (True, False):
        with opened(server, checkpoint, path=path) as backend:
            found = answered(backend, [Request(prompt=Prompt.plain("a"), decoding=decoding) for decoding in (drawn, own)])
        assert all("no seed" in response.error for response in found)


def test_a_stop_text_that_the_server_leaves_in_is_cut(server, checkpoint):
    with opened(server, checkpoint) as backend:
        whole = answered(backend, WRITES)[0].text
        stop = Decoding(max_tokens=4, stop=(whole[2:4],))
        (found,) = answered(backend, [Request(prompt=WRITES[0].prompt, decoding=stop)])
    assert (found.text, found.finish) == (whole[: whole.index(whole[2:4])], "stop")


def test_no_more_requests_are_under_way_than_asked(server, checkpoint):
    requests = [Request(prompt=Prompt.plain(text), decoding=Decoding(max_tokens=2)) for text in sentences(12)]
    with opened(server, checkpoint, concurrency=3) as backend:
        server.most_together = 0
        assert len(answered(backend, requests)) == 12
    assert 1 < server.most_together <= 3


def test_answers_that_nobody_waits_for_are_not_asked(server, checkpoint):
    requests = [Request(prompt=Prompt.plain(text), decoding=Decoding(max_tokens=2)) for text in sentences(40)]
    with opened(server, checkpoint, concurrency=2) as backend:
        server.seen.clear()
        answers = backend.answer(backend.encode(requests))
        next(answers)
        answers.close()
    assert len(server.seen) < 20


def test_the_address_and_the_name_are_part_of_the_identity(server, checkpoint):
    with opened(server, checkpoint) as backend:
        assert "tiny" in backend.identity.weights
        assert server.url in backend.identity.engine
        assert "owned_by tests" in backend.identity.engine


def test_a_server_that_is_not_there_is_named(checkpoint):
    spec = ModelSpec(name="m", url="http://127.0.0.1:9/v1", repository="tiny")
    with pytest.raises(ModelError, match="no server answers"):
        connected(spec, Wire("http://127.0.0.1:9", limits=PATIENT), EngineSpec(), folder=checkpoint("llama", bos=True))


def test_a_model_that_the_server_does_not_have_is_named(server, checkpoint):
    server.models = {"data": [{"id": "other"}]}
    with pytest.raises(ModelError, match="has no 'tiny'; expected other"):
        opened(server, checkpoint)


@pytest.mark.parametrize("models", [None, {}, {"data": "x"}])
def test_a_server_that_keeps_no_list_of_models_is_asked_all_the_same(server, checkpoint, models):
    server.models = models
    if models is None:
        with pytest.raises(ModelError, match="no server answers"):
            opened(server, checkpoint)
        return
    with opened(server, checkpoint) as backend:
        assert answered(backend, WRITES)[0].error is None


@pytest.mark.parametrize(
    ("spec", "load", "part"),
    [
        ({"repository": "tiny"}, {}, "names no server and model"),
        ({"url": "http://127.0.0.1:9"}, {}, "names no server and model"),
        ({"url": "http://127.0.0.1:9", "repository": "tiny"}, {"dtype": "float32"}, "cannot obey dtype"),
    ],
)
def test_what_a_server_cannot_be_told_is_refused(tmp_path, spec, load, part):
    assert FACTORS == ()
    with pytest.raises(ModelError, match=part):
        open_backend(ModelSpec(name="m", **spec), load, EngineSpec(), folder=tmp_path)


def test_a_folder_without_a_tokenizer_is_named(server, tmp_path):
    spec = ModelSpec(name="m", url=server.url, repository="tiny", path="none")
    with pytest.raises(ModelError, match="holds no tokenizer"):
        open_backend(spec, {}, EngineSpec(), folder=tmp_path)


def test_a_bearer_token_is_sent_and_not_kept(server, checkpoint, monkeypatch):
    monkeypatch.setenv("SAFETYREPRO_API_KEY", "hidden-word")
    folder = checkpoint("llama", bos=True)
    spec = ModelSpec(name="m", url=server.url, repository="tiny", path=str(folder))
    with open_backend(spec, {}, EngineSpec(), folder=folder) as backend:
        assert backend._wire._client.headers["Authorization"] == "Bearer hidden-word"
        assert "hidden-word" not in repr(backend.identity)


def changed(change):
    """A fault that changes the log-probabilities of an echo."""

    def fault(handler, answer):
        answer = copy.deepcopy(answer)
        stated = answer["choices"][0].get("logprobs")
        if stated:
            change(answer["choices"][0], stated)
        return answer

    return fault


def shift(choice, stated):
    stated["token_logprobs"] = [None, *stated["token_logprobs"][2:], -1.0]


def drop_generated(choice, stated):
    stated["token_logprobs"].pop()
    stated["tokens"].pop()


MISBEHAVIOURS = {
    "drops logprobs silently, as transformers serve does": (lambda c, s: c.pop("logprobs"), "no log-probabilities"),
    "ignores echo": (lambda c, s: s.update(token_logprobs=s["token_logprobs"][-1:]), "1 log-probabilities for"),
    "is off by one": (shift, "shifted|change when a token is added"),
    "leaves out the generated token, as llama-cpp-python does": (drop_generated, "log-probabilities for"),
    "gives the first token a number": (lambda c, s: s["token_logprobs"].__setitem__(0, -1.0), "first token"),
    "returns no numbers": (lambda c, s: s["token_logprobs"].__setitem__(1, "x"), "stands for a log-probability"),
    "returns infinity": (lambda c, s: s["token_logprobs"].__setitem__(1, float("-inf")), "stands for a log-probability"),
    "returns a positive number": (lambda c, s: s["token_logprobs"].__setitem__(1, 0.7), "stands for a log-probability"),
    "does not say what was likeliest": (lambda c, s: s.pop("top_logprobs"), "which token was likeliest"),
    "does not name tokens": (lambda c, s: s.pop("tokens"), "does not name the tokens"),
    "names tokens that are none": (lambda c, s: s.update(tokens=["the lake is"] * len(s["tokens"])), "could be read back"),
    "always says the same": (
        lambda c, s: s.update(token_logprobs=[None, *[-0.5 * i for i in range(1, len(s["token_logprobs"]))]]),
        "shifted|said to be so",
    ),
    "adds noise": (
        lambda c, s: s.update(token_logprobs=[None, *[v - 0.1 * len(s["tokens"]) for v in s["token_logprobs"][1:]]]),
        "shifted|change",
    ),
}


@pytest.mark.parametrize("name", MISBEHAVIOURS)
def test_a_server_that_misbehaves_about_log_likelihoods_is_refused_before_the_first_cell(server, checkpoint, name):
    change, reason = MISBEHAVIOURS[name]
    server.break_next(changed(change))
    with opened(server, checkpoint) as backend:
        assert answered(backend, WRITES)[0].error is None, "generations do not need log-probabilities"
        with pytest.raises(ModelError, match=f"not believed about log-likelihoods: .*({reason})"):
            backend.encode(SCORES)


def status(code, headers=None):
    return lambda handler, answer: handler.send(code, {"error": {"message": f"fault {code}"}}, headers)


def raw(text, code=200, headers=None):
    return lambda handler, answer: handler.send_raw(code, text, headers)


def without(field):
    return lambda handler, answer: {name: value for name, value in answer.items() if name != field}


def with_choice(**fields):
    return lambda handler, answer: {**answer, "choices": [{**answer["choices"][0], **fields}]}


def cut_short(handler, answer):
    handler.send_raw(200, b'{"choices": [', length=1000)
    handler.hang_up()


def hang_up_at_once(handler, answer):
    handler.hang_up()


def nonsense_before_headers(handler, answer):
    handler.wfile.write(b"\x00\x01 not http\r\n\r\n")
    handler.hang_up()


def broken_chunks(handler, answer):
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"zz\r\nnot a chunk")
    handler.hang_up()


PASSING = {
    **{f"status {code}": status(code) for code in (408, 425, 429, 500, 502, 503, 504, 529)},
    "status 429 with a wait": status(429, {"Retry-After": "0.001"}),
    "status 429 with a date": status(429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
    "status 503 with a negative wait": status(503, {"Retry-After": "-5"}),
    "status 500 with a page": raw(b"<html>proxy error</html>", 500),
    "half an object": raw(b'{"choices": [{"text": "a'),
    "a page": raw(b"<html>welcome</html>"),
    "nothing": raw(b""),
    "a list": raw(b"[1, 2]"),
    "a number": raw(b"7"),
    "bytes that are no text": raw(b"\xff\xfe\x00"),
    "a body that is not the gzip it claims": raw(b"not gzip", headers={"Content-Encoding": "gzip"}),
    "a cut connection": cut_short,
    "a closed connection": hang_up_at_once,
    "no HTTP": nonsense_before_headers,
    "broken chunks": broken_chunks,
    "an event stream": raw(b'data: {"choices": []}\n\ndata: [DONE]\n\n', headers={"Content-Type": "text/event-stream"}),
}
LASTING = {
    **{f"status {code}": (status(code), f"status {code}") for code in (400, 401, 403, 404, 413, 422, 501)},
    "a redirection": (status(307, {"Location": "http://127.0.0.1:9/"}), "status 307"),
    "no choices": (without("choices"), "holds no choice"),
    "no choice": (lambda handler, answer: {"choices": []}, "holds no choice"),
    "two choices": (lambda handler, answer: {"choices": answer["choices"] * 2}, "holds no choice"),
    "a choice that is none": (lambda handler, answer: {"choices": ["x"]}, "holds no choice"),
    "an error with status 200": (lambda handler, answer: {"error": "overloaded"}, "holds no choice"),
    "no text": (with_choice(text=None), "holds no text"),
    "a text that is none": (with_choice(text=["a"]), "holds no text"),
    "no reason": (with_choice(finish_reason=None), "reason None"),
    "a content filter": (with_choice(finish_reason="content_filter"), "content_filter"),
    "tool calls": (with_choice(finish_reason="tool_calls"), "tool_calls"),
}


def test_there_are_at_least_forty_faults():
    assert len(PASSING) + len(LASTING) + len(MISBEHAVIOURS) >= 40


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_passes_leaves_no_trace_in_the_answers(server, checkpoint, local, name):
    with opened(server, checkpoint) as backend:
        server.break_next(PASSING[name], times=2)
        found = answered(backend, [WRITES[0], SCORES[0]])
        assert "calls to the server were repeated" in backend.notes[0]
    for response, expected in zip(found, answered(local, [WRITES[0], SCORES[0]]), strict=True):
        assert response.error is None
        assert response.text == expected.text
        assert response.token_logprobs == pytest.approx(expected.token_logprobs, abs=1e-4)


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_does_not_pass_is_a_failure_with_its_reason(server, checkpoint, name):
    with opened(server, checkpoint) as backend:
        server.break_next(PASSING[name])
        for response in answered(backend, [WRITES[0], SCORES[0]]):
            assert "3 tries failed, the last one: " in response.error
            assert response.text is None
            assert response.token_logprobs == ()


@pytest.mark.parametrize("name", LASTING)
def test_an_answer_that_is_none_is_a_failure_with_its_reason_and_not_asked_again(server, checkpoint, name):
    fault, reason = LASTING[name]
    with opened(server, checkpoint) as backend:
        server.seen.clear()
        server.break_next(fault)
        (response,) = answered(backend, WRITES[:1])
        assert reason in response.error
        assert response.text is None
        assert len(server.seen) == 1
        assert backend.notes == ()


@pytest.mark.parametrize("name", [name for name in MISBEHAVIOURS if name not in {"is off by one", "adds noise"}])
def test_a_server_that_begins_to_misbehave_is_met_in_each_answer(server, checkpoint, name):
    change, _ = MISBEHAVIOURS[name]
    unseen = {"names tokens that are none", "does not name tokens", "always says the same"}
    with opened(server, checkpoint) as backend:
        server.break_next(changed(change))
        (response,) = answered(backend, SCORES[:1])
        assert (response.error is None) == (name in unseen), "what only the self-test can see, it sees before the first cell"


def test_an_answer_that_drips_is_given_up_in_time(server, checkpoint):
    limits = Limits(attempts=2, seconds=0.3, first_wait=0.001)
    with opened(server, checkpoint, limits=limits) as backend:
        server.break_next(lambda handler, answer: handler.drip(answer, 0.05))
        (response,) = answered(backend, WRITES[:1])
    assert "was not whole after 0.3 seconds" in response.error


def test_an_answer_without_end_is_given_up(server, checkpoint):
    limits = Limits(attempts=2, seconds=5, first_wait=0.001, body_bytes=1000)
    with opened(server, checkpoint, limits=limits) as backend:
        server.break_next(raw(b" " * 100_000))
        (response,) = answered(backend, WRITES[:1])
    assert "longer than 1000 bytes" in response.error
