"""What is sent to an OpenAI-compatible server, and what is believed of its answers."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetyrepro.backends.protocol import echo_body, generation_body, read_echo, read_written, until_stop
from safetyrepro.backends.selftest import ENOUGH, examine
from safetyrepro.errors import RequestFailed
from safetyrepro.records import Decoding

ECHO = {
    "choices": [
        {
            "text": "abc",
            "finish_reason": "length",
            "logprobs": {
                "token_logprobs": [None, -1.0, -0.5, -0.1],
                "tokens": ["a", "b", "c", "d"],
                "top_logprobs": [None, {"b": -1.0, "x": -0.2}, {"c": -0.5, "y": -3.0}, {"d": -0.1}],
            },
        }
    ]
}
WRITTEN = {
    "choices": [{"text": "fine", "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2},
}


def test_an_echo_tells_the_prompt_and_the_token_behind_it():
    found = read_echo(ECHO, 3, "here")
    assert found.logprobs == (None, -1.0, -0.5, -0.1)
    assert found.greedy == (False, False, True, True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c.pop("logprobs"), "no log-probabilities"),
        (lambda c: c.update(logprobs=None), "no log-probabilities"),
        (lambda c: c["logprobs"].update(token_logprobs=None), "no log-probabilities"),
        (lambda c: c["logprobs"]["token_logprobs"].pop(), "3 log-probabilities for 3 tokens and one generated; expected 4"),
        (lambda c: c["logprobs"]["token_logprobs"].append(-1.0), "5 log-probabilities"),
        (lambda c: c["logprobs"]["token_logprobs"].__setitem__(0, -0.3), "first token"),
        (lambda c: c["logprobs"]["token_logprobs"].__setitem__(2, None), "None stands for a log-probability"),
        (lambda c: c["logprobs"]["token_logprobs"].__setitem__(2, float("nan")), "nan stands for"),
        (lambda c: c["logprobs"]["token_logprobs"].__setitem__(2, True), "True stands for"),
        (lambda c: c["logprobs"]["token_logprobs"].__setitem__(2, 0.01), "0.01 stands for"),
        (lambda c: c["logprobs"].update(top_logprobs=None), "which token was likeliest"),
        (lambda c: c["logprobs"]["top_logprobs"].__setitem__(1, {}), "which token was likeliest"),
        (lambda c: c["logprobs"]["top_logprobs"].__setitem__(1, {"x": "y"}), "'y' stands for"),
    ],
)
def test_an_echo_that_lacks_something_is_no_value(change, reason):
    answer = copy.deepcopy(ECHO)
    change(answer["choices"][0])
    with pytest.raises(RequestFailed, match=reason):
        read_echo(answer, 3, "here")


def test_rounding_above_zero_is_zero():
    answer = copy.deepcopy(ECHO)
    answer["choices"][0]["logprobs"]["token_logprobs"][2] = 5e-8
    assert read_echo(answer, 3, "here").logprobs[2] == 0.0


def test_an_answer_is_read_with_what_the_server_counts():
    found = read_written(WRITTEN, "here", chat=False)
    assert (found.text, found.finish, found.prompt_tokens, found.tokens) == ("fine", "stop", 7, 2)
    silent = read_written({"choices": WRITTEN["choices"]}, "here", chat=False)
    assert (silent.prompt_tokens, silent.tokens) == (None, 0)


def test_a_chat_answer_is_read_from_its_message():
    answer = {"choices": [{"message": {"role": "assistant", "content": "well"}, "finish_reason": "length"}]}
    assert read_written(answer, "here", chat=True).text == "well"
    with pytest.raises(RequestFailed, match=r"expected text"):
        read_written(answer, "here", chat=False)
    with pytest.raises(RequestFailed, match=r"expected message\.content"):
        read_written(WRITTEN, "here", chat=True)


def test_an_empty_answer_is_an_answer():
    answer = {"choices": [{"text": "", "finish_reason": "stop"}]}
    assert read_written(answer, "here", chat=False).text == ""


@given(st.text("ab", max_size=8), st.lists(st.text("ab", max_size=3), max_size=3))
def test_a_text_is_cut_at_the_first_stop(text, stops):
    found, stopped = until_stop(text, stops)
    real = [stop for stop in stops if stop]
    assert text.startswith(found)
    assert not any(stop in found for stop in real)
    assert stopped == any(stop in text for stop in real)
    assert stopped or found == text


def test_bodies_say_what_was_asked_and_no_more():
    assert echo_body("m", (1, 2)) == {
        "model": "m",
        "prompt": [1, 2],
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": 1,
        "echo": True,
    }
    assert generation_body("m", Decoding(max_tokens=5)) == {"model": "m", "max_tokens": 5, "temperature": 0.0, "top_p": 1.0}
    own = Decoding(max_tokens=5, model_default=True, seed=3, stop=("x",))
    assert generation_body("m", own) == {"model": "m", "max_tokens": 5, "seed": 3, "stop": ["x"]}


class Said:
    """A wire whose server gives the log-probability -0.1 k to token k, shifted or not, and draws token 5."""

    def __init__(self, *, shifted=False, ids=True):
        self.shifted, self.ids, self.asked = shifted, ids, 0

    def post(self, path, body):
        self.asked += 1
        if not self.ids:
            raise RequestFailed(path, found="status 400: prompt must be text")
        whole = [*body["prompt"], 5]
        numbers = [None, *(-0.1 * token for token in whole[1:])]
        if self.shifted:
            numbers = [None, *numbers[2:], -0.9]
        tops = [None, *({"top": number} for number in numbers[1:])]
        tokens = [str(token) for token in whole]
        stated = {"token_logprobs": numbers, "tokens": tokens, "top_logprobs": tops}
        return {"choices": [{"text": "5", "finish_reason": "length", "logprobs": stated}]}


PROBES = [[1, 2, 3], [4, 6], [7, 8, 9]]


def test_a_server_that_reads_back_what_it_drew_is_believed():
    found = examine(Said(), "m", PROBES, int)
    assert found.token_ids
    assert found.refusal is None


def test_a_server_whose_numbers_are_shifted_is_refused():
    found = examine(Said(shifted=True), "m", PROBES, int)
    assert found.token_ids
    assert "shifted" in found.refusal or "change when a token is added" in found.refusal


def test_a_server_that_takes_no_ids_is_refused_for_log_likelihoods():
    found = examine(Said(ids=False), "m", PROBES, int)
    assert not found.token_ids
    assert "prompt must be text" in found.refusal


def test_tokens_that_cannot_be_told_from_their_text_do_not_count():
    answers = iter([5, None, None])
    found = examine(Said(), "m", PROBES, lambda text: next(answers))
    assert f"only 1 of 3 tokens that it drew could be read back, {ENOUGH} are needed" in found.refusal


def test_without_a_tokenizer_nothing_is_asked():
    wire = Said()
    assert "tokenizer is not known" in examine(wire, "m", (), int).refusal
    assert wire.asked == 0
