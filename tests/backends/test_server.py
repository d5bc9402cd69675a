"""The server backend against a server that tells the truth."""

from __future__ import annotations

import pytest

from safetyrepro.backends.server import FACTORS, connected, open_backend
from safetyrepro.backends.wire import Wire
from safetyrepro.errors import ModelError
from safetyrepro.records import Decoding, Prefix, Prompt, Request
from safetyrepro.study import EngineSpec, ModelSpec
from server_questions import CHAT, PATIENT, SCORES, WRITES, answered, opened
from tiny_checkpoints import sentences

pytestmark = pytest.mark.model


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
