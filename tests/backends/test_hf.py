"""The transformers backend against a plain loop, on tiny checkpoints of several architectures."""

from __future__ import annotations

import gc
import shutil

import pytest

from oracles.plain_model import plain_greedy, plain_scores
from safetyrepro.backends.hf import FACTORS, _nothing_collected, open_backend
from safetyrepro.envelope import Stage
from safetyrepro.errors import MissingDependency, ModelError
from safetyrepro.records import Decoding, Prompt, Request, Role, Turn
from safetyrepro.study import EngineSpec, ModelSpec
from tiny_checkpoints import CHATML, INSTRUCT, change_one_weight, sentences, write_tokenizer

pytestmark = pytest.mark.model

FAMILIES = [
    ("qwen2", {"bos": False, "template": CHATML}),
    ("llama", {"bos": True, "template": CHATML}),
    ("mistral", {"bos": True, "template": INSTRUCT}),
]


def opened(folder, *, load=None, **engine):
    return open_backend(ModelSpec(name="m", path=str(folder)), load or {}, EngineSpec(device="cpu", **engine), folder=folder)


def answered(backend, requests):
    encoded = backend.encode(requests)
    by_key = {response.key: response for response in backend.answer(encoded)}
    return [(one, by_key[one.key]) for one in encoded]


def plain_model(folder):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()


def prompts(*, chat):
    texts = ["", "Q: ", *sentences(10, words=40), "ends in space "]
    if chat:
        return [Prompt(turns=(Turn(Role.USER, text),), chat=True) for text in texts]
    return [Prompt.plain(text) for text in texts]


def close(values, expected):
    total = abs(sum(expected))
    return len(values) == len(expected) and abs(sum(values) - sum(expected)) <= 1e-4 + 1e-6 * total


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize(("kind", "options"), FAMILIES)
def test_log_likelihoods_equal_a_plain_unbatched_loop(checkpoint, kind, options, chat):
    folder = checkpoint(kind, **options)
    requests = [
        Request(prompt=prompt, continuation=continuation)
        for prompt in prompts(chat=chat)
        for continuation in (" yes", " the old tower is not right", ".")
    ]
    model = plain_model(folder)
    with opened(folder, batch_tokens=300) as backend:
        for one, response in answered(backend, requests):
            expected, greedy = plain_scores(model, one.context_ids, one.continuation_ids)
            assert close(response.token_logprobs, expected), (one.text, response.token_logprobs, expected)
            assert response.greedy == greedy
            assert response.error is None


@pytest.mark.parametrize(("kind", "options"), [*FAMILIES, ("bloom", {}), ("gpt2", {}), ("mistral-window", {})])
def test_greedy_answers_equal_a_plain_unbatched_loop_token_for_token(checkpoint, kind, options):
    folder = checkpoint(kind, **options)
    requests = [Request(prompt=prompt, decoding=Decoding(max_tokens=12)) for prompt in prompts(chat=False)]
    model = plain_model(folder)
    with opened(folder, batch_tokens=400) as backend:
        ends = backend._generator._drafting.ends
        for one, response in answered(backend, requests):
            ids = plain_greedy(model, one.context_ids, ends, 12)
            finished = ids[-1] in ends
            assert response.text == backend._encoder.decode(ids[:-1] if finished else ids)
            assert response.finish == ("stop" if finished else "length")


def test_a_recurrent_model_answers_as_a_plain_loop_does(checkpoint):
    folder = checkpoint("mamba")
    model = plain_model(folder)
    request = Request(prompt=Prompt.plain("the lake"), continuation=" is old")
    write = Request(prompt=Prompt.plain("the lake"), decoding=Decoding(max_tokens=4))
    with opened(folder) as backend:
        (one, scored), (_, written) = answered(backend, [request, write])
        expected, greedy = plain_scores(model, one.context_ids, one.continuation_ids)
        assert close(scored.token_logprobs, expected)
        assert scored.greedy == greedy
        assert written.text == backend._encoder.decode(
            plain_greedy(model, one.context_ids, backend._generator._drafting.ends, 4)
        )


def drawn(seed, **changes):
    return Decoding(**{"max_tokens": 8, "temperature": 1.0, "seed": seed, **changes})


def test_a_drawn_answer_depends_on_its_seed_and_not_on_its_batch(checkpoint):
    folder = checkpoint("qwen2")
    requests = [Request(prompt=prompt, decoding=drawn(seed)) for prompt in prompts(chat=False)[:5] for seed in (1, 2)]
    with opened(folder) as backend:
        together = [response.text for _, response in answered(backend, requests)]
        alone = [answered(backend, [request])[0][1].text for request in requests]
    with opened(folder) as backend:
        backwards = [response.text for _, response in answered(backend, requests[::-1])][::-1]
    assert together == alone == backwards
    assert all(first != second for first, second in zip(together[::2], together[1::2], strict=True))


def test_drawing_among_the_likeliest_token_only_is_greedy(checkpoint):
    folder = checkpoint("llama", bos=True)
    greedy = Request(prompt=Prompt.plain("the tower"), decoding=Decoding(max_tokens=8))
    for change in ({"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-6}):
        request = Request(prompt=Prompt.plain("the tower"), decoding=drawn(3, **change))
        with opened(folder) as backend:
            (_, expected), (_, response) = answered(backend, [greedy, request])
        assert response.text == expected.text


def test_a_stop_text_ends_an_answer_and_is_not_part_of_it(checkpoint):
    folder = checkpoint("qwen2")
    with opened(folder) as backend:
        free = answered(backend, [Request(prompt=Prompt.plain("the"), decoding=Decoding(max_tokens=20))])[0][1].text
        stop = free[5:8]
        request = Request(prompt=Prompt.plain("the"), decoding=Decoding(max_tokens=20, stop=("never there", stop)))
        (_, response), *_ = answered(backend, [request])
    assert response.text == free[: free.index(stop)]
    assert response.finish == "stop"


def test_the_models_own_settings_are_used_where_asked(checkpoint, tmp_path):
    import json

    folder = tmp_path / "own"
    shutil.copytree(checkpoint("qwen2"), folder)
    settings = json.loads((folder / "generation_config.json").read_text())
    settings |= {"do_sample": True, "temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.3}
    (folder / "generation_config.json").write_text(json.dumps(settings))
    own = Request(prompt=Prompt.plain("the"), decoding=drawn(5, model_default=True))
    stated = Request(prompt=Prompt.plain("the"), decoding=drawn(5, temperature=0.7, top_p=0.8, top_k=20))
    unseeded = Request(prompt=Prompt.plain("the"), decoding=Decoding(max_tokens=3, model_default=True))
    with opened(folder) as backend:
        (first, mine), (second, theirs), (_, refused) = answered(backend, [own, stated, unseeded])
        assert first.key != second.key
        assert mine.text != theirs.text, "the repetition penalty belongs to the model's settings"
        assert "no seed" in refused.error
    with opened(checkpoint("qwen2")) as backend:
        (_, plain), (_, greedy) = answered(
            backend, [unseeded, Request(prompt=Prompt.plain("the"), decoding=Decoding(max_tokens=3))]
        )
        assert plain.text == greedy.text, "a model whose settings do not sample is greedy by default"


def test_checkpoints_that_differ_in_one_weight_tokenizer_or_template_share_no_key(checkpoint, tmp_path):
    request = Request(prompt=Prompt.plain("the lake"), continuation=" is")
    folders = {name: tmp_path / name for name in ("same", "weight", "tokenizer", "template", "settings")}
    for folder in folders.values():
        shutil.copytree(checkpoint("qwen2"), folder)
    change_one_weight(folders["weight"])
    write_tokenizer(folders["tokenizer"], bos=False, template=CHATML, seed=1)
    write_tokenizer(folders["template"], bos=False, template=CHATML.replace("assistant", "model"))
    text = (folders["settings"] / "config.json").read_text()
    (folders["settings"] / "config.json").write_text(text.replace('"rms_norm_eps": 1e-06', '"rms_norm_eps": 1e-05'))
    keys = {}
    for name, folder in {"original": checkpoint("qwen2"), **folders}.items():
        with opened(folder) as backend:
            keys[name] = backend.encode([request])[0].key
    assert keys["original"] == keys.pop("same")
    assert len(set(keys.values())) == len(keys) == 5


def test_dtypes_share_no_key_and_differ_in_their_numbers(checkpoint):
    request = Request(prompt=Prompt.plain("the lake"), continuation=" is old")
    seen = {}
    for dtype in FACTORS[0].names:
        with opened(checkpoint("qwen2"), load={"dtype": dtype}) as backend:
            (one, response), *_ = answered(backend, [request])
            seen[one.key] = response.loglikelihood
            assert backend.identity.dtype == dtype
    assert len(seen) == len(set(seen.values())) == 3


@pytest.mark.parametrize("level", ["nf4", "int8"])
def test_quantized_weights_are_another_model(checkpoint, level):
    pytest.importorskip("bitsandbytes")
    request = Request(prompt=Prompt.plain("the lake"), continuation=" is old")
    folder = checkpoint("llama", bos=True, hidden_size=64, intermediate_size=128)
    with opened(folder) as backend:
        (one, plain), *_ = answered(backend, [request])
    with opened(folder, load={"quantization": level}) as backend:
        (other, quantized), *_ = answered(backend, [request])
        assert backend.identity.quantization == level
        kinds = {type(module).__name__ for module in backend._forward.model.modules()}
    assert one.key != other.key
    assert plain.loglikelihood != quantized.loglikelihood
    assert kinds & {"Linear4bit", "Linear8bitLt"}


def test_absent_bitsandbytes_is_met_with_the_command_that_installs_it(checkpoint, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "bitsandbytes", None)
    with pytest.raises(MissingDependency, match=r"pip install 'safetyrepro\[quantization\]'"):
        opened(checkpoint("qwen2"), load={"quantization": "nf4"})


def test_absent_torch_is_met_with_the_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(MissingDependency, match=r"pip install 'safetyrepro\[hf\]'"):
        opened(tmp_path)


def test_too_little_memory_is_survived_by_halving(checkpoint, monkeypatch):
    folder = checkpoint("qwen2")
    requests = [Request(prompt=prompt, continuation=" yes") for prompt in prompts(chat=False)]
    requests += [Request(prompt=prompt, decoding=Decoding(max_tokens=3)) for prompt in prompts(chat=False)]
    with opened(folder) as backend:
        expected = [(response.token_logprobs, response.text) for _, response in answered(backend, requests)]
        _limit_rows(monkeypatch, backend, 2)
        for (_, response), (logprobs, text) in zip(answered(backend, requests), expected, strict=True):
            assert response.token_logprobs == pytest.approx(logprobs, abs=1e-5)
            assert response.text == text
        _limit_rows(monkeypatch, backend, 0)
        assert all("out of memory" in response.error for _, response in answered(backend, requests))


def _limit_rows(monkeypatch, backend, rows):
    model = backend._forward.model
    forward = type(model).forward

    def limited(*args, **kwargs):
        if kwargs["input_ids"].shape[0] > rows:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return forward(model, *args, **kwargs)

    monkeypatch.setattr(model, "forward", limited)


def test_other_errors_of_a_model_are_not_taken_for_lack_of_memory(checkpoint, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("shape mismatch")

    with opened(checkpoint("qwen2")) as backend:
        monkeypatch.setattr(backend._forward.model, "forward", broken)
        with pytest.raises(RuntimeError, match="shape mismatch"):
            answered(backend, [Request(prompt=Prompt.plain("the"), continuation=" lake")])


def test_requests_that_are_equal_are_answered_once(checkpoint):
    request = Request(prompt=Prompt.plain("the"), continuation=" lake")
    with opened(checkpoint("qwen2")) as backend:
        assert len(list(backend.answer(backend.encode([request, request])))) == 1


def test_the_number_of_threads_is_put_back(checkpoint):
    import torch

    before = torch.get_num_threads()
    with opened(checkpoint("qwen2"), threads=before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_the_factors_take_effect_at_load_and_plain_float32_is_their_default():
    assert [factor.name for factor in FACTORS] == ["dtype", "quantization"]
    assert all(factor.stage is Stage.LOAD for factor in FACTORS)
    assert [factor.names[0] for factor in FACTORS] == ["float32", "none"]


@pytest.mark.parametrize(
    ("load", "part"), [({"dtype": "float8"}, "no level 'float8'"), ({"harness": "x"}, "does not obey harness")]
)
def test_a_level_that_nobody_obeys_is_refused(tmp_path, load, part):
    with pytest.raises(ModelError, match=part):
        opened(tmp_path, load=load)


def test_loading_leaves_the_collection_of_garbage_as_it_was(checkpoint, tmp_path):
    folder = checkpoint("llama", bos=True)
    opened(folder).close()
    assert gc.isenabled()
    with pytest.raises(ModelError):
        opened(tmp_path)
    assert gc.isenabled()
    gc.disable()
    try:
        opened(folder).close()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_libraries_make_is_set_aside_once_and_no_model_with_it(checkpoint):
    opened(checkpoint("llama", bos=True)).close()
    aside = gc.get_freeze_count()
    assert aside > 100_000
    with opened(checkpoint("llama", bos=True)) as backend:
        assert gc.get_freeze_count() <= aside
        assert any(one is backend._forward.model for one in gc.get_objects()), "what is set aside is not listed"


def test_nothing_is_collected_until_the_outermost_has_ended():
    with _nothing_collected():
        with pytest.raises(KeyError), _nothing_collected():
            raise KeyError
        assert not gc.isenabled()
    assert gc.isenabled()
