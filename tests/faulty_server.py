"""An OpenAI-compatible server of the standard library that tells the truth about a tiny model, and every fault on demand."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = dict[str, Any]


class Truth:
    """A loaded model as a server sees it: true log-probabilities and greedy tokens."""

    def __init__(self, backend: Any) -> None:
        self._forward = backend._forward
        self._tokenizer = backend._encoder._tokenizer
        self._generator = backend._generator
        self._lock = threading.Lock()

    def tokens(self, ids: list[int]) -> list[str]:
        """Each token as text."""
        return [self._tokenizer.decode([token]) for token in ids]

    def rows(self, ids: list[int]) -> list[list[float]]:
        """Log-probabilities of every token behind each position."""
        import torch

        with self._lock:
            logits = self._forward.logits(torch.tensor([ids]), torch.arange(len(ids)))
        return torch.log_softmax(logits[0], dim=-1).tolist()

    def greedy(self, ids: list[int], max_tokens: int) -> tuple[list[int], bool]:
        """The likeliest continuation, and whether the model ended it."""
        drawn: list[int] = []
        while len(drawn) < max_tokens:
            row = self.rows([*ids, *drawn])[-1]
            token = row.index(max(row))
            if token in self._generator._drafting.ends:
                return drawn, True
            drawn.append(token)
        return drawn, False

    def encode(self, prompt: Any) -> list[int]:
        """Token ids of a prompt in any form of the protocol."""
        if isinstance(prompt, list) and prompt and isinstance(prompt[0], dict):
            return list(self._tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=False))
        return list(self._tokenizer(prompt)["input_ids"]) if isinstance(prompt, str) else list(prompt)

    def text(self, ids: list[int]) -> str:
        """Text of drawn tokens."""
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))


class FaultyServer:
    """The server; `fault` changes what it sends, `only` says for how many answers.

    A fault is a function of the handler and the right answer. It sends something itself and returns None, or returns a changed
    answer that is then sent.
    """

    def __init__(self, truth: Truth, *, token_ids: bool = True) -> None:
        self.truth = truth
        self.token_ids = token_ids
        self.fault: Callable[[Any, Answer], Answer | None] | None = None
        self.only = 0
        self.models: Any = {"data": [{"id": "tiny", "owned_by": "tests", "max_model_len": 200}]}
        self.seen: list[tuple[str, Answer]] = []
        self.together = 0
        self.most_together = 0
        self.lock = threading.Lock()

    def break_next(self, fault: Callable[[Any, Answer], Answer | None], times: int = 10**9) -> None:
        """Let the next answers be faulty."""
        self.fault, self.only = fault, times

    def take_fault(self) -> Callable[[Any, Answer], Answer | None] | None:
        """The fault of this answer."""
        with self.lock:
            if self.fault is None or self.only <= 0:
                return None
            self.only -= 1
            return self.fault

    def answer(self, path: str, body: Answer) -> tuple[int, Answer]:
        """The right answer."""
        prompt = body.get("messages", body.get("prompt"))
        if not self.token_ids and isinstance(prompt, list) and isinstance(prompt[0], int):
            return 400, {"error": "prompt must be a string"}
        ids = self.truth.encode(prompt)
        drawn, ended = self.truth.greedy(ids, body["max_tokens"])
        text = self.truth.text(drawn)
        choice: Answer = {"finish_reason": "stop" if ended else "length"}
        choice |= {"message": {"role": "assistant", "content": text}} if "messages" in body else {"text": text}
        if body.get("echo"):
            choice["logprobs"] = self._echo(ids, drawn)
        usage = {"prompt_tokens": len(ids), "completion_tokens": len(drawn)}
        return 200, {"choices": [choice], "usage": usage}

    def _echo(self, ids: list[int], drawn: list[int]) -> Answer:
        whole = [*ids, *drawn] if drawn else [*ids, 0]
        rows = self.truth.rows(whole[:-1])
        chosen = [None, *(row[token] for row, token in zip(rows, whole[1:], strict=True))]
        tops = [None, *({"top": max(row), "it": row[token]} for row, token in zip(rows, whole[1:], strict=True))]
        return {"token_logprobs": chosen, "tokens": self.truth.tokens(whole), "top_logprobs": tops}


def handler_of(server: FaultyServer) -> type[BaseHTTPRequestHandler]:
    """The handler class of one server."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            self.send(200 if server.models is not None else 500, server.models or {})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with server.lock:
                server.seen.append((self.path, body))
                server.together += 1
                server.most_together = max(server.most_together, server.together)
            try:
                self.respond(body)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True
            finally:
                with server.lock:
                    server.together -= 1

        def respond(self, body: Answer) -> None:
            status, answer = server.answer(self.path, body)
            fault = server.take_fault()
            changed = answer if fault is None else fault(self, answer)
            if changed is not None:
                self.send(status, changed)

        def send(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
            self.send_raw(status, json.dumps(answer).encode(), headers)

        def send_raw(self, status: int, text: bytes, headers: dict[str, str] | None = None, length: int | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text) if length is None else length))
            self.end_headers()
            self.wfile.write(text)

        def hang_up(self) -> None:
            self.close_connection = True
            self.wfile.flush()
            self.connection.close()

        def drip(self, answer: Answer, pause: float) -> None:
            text = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            for byte in text:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(pause)

    return Handler


@contextmanager
def serving(server: FaultyServer) -> Iterator[str]:
    """Run a server, and give its address."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(server))
    http.daemon_threads = True
    http.handle_error = lambda *_: None  # a client that gives up is what the tests are about
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_address[1]}"
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
