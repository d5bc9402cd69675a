"""What a server can do wrong: about log-probabilities, in passing, and for good."""

from __future__ import annotations

import copy


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


def status(code, headers=None):
    return lambda handler, answer: handler.send(code, {"error": {"message": f"fault {code}"}}, headers)


def raw(text, code=200, headers=None):
    return lambda handler, answer: handler.send_raw(code, text, headers)


def without(field):
    return lambda handler, answer: {name: value for name, value in answer.items() if name != field}


def with_choice(**fields):
    def fault(handler, answer):
        (choice,) = answer["choices"]
        changed_to = fields
        if "message" in choice and "text" in fields:
            changed_to = {"message": {**choice["message"], "content": fields["text"]}}
        return {**answer, "choices": [{**choice, **changed_to}]}

    return fault


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
