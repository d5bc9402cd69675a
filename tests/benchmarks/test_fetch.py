"""Pinned files are fetched from a server on this machine that moves, truncates, alters and delays them."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest

from safetyrepro.benchmarks.base import DataFile, DataSource
from safetyrepro.benchmarks.data import load_data
from safetyrepro.benchmarks.fetch import CACHE_VARIABLE, OFFLINE_VARIABLE, Patience, cache_folder, fetched_folder
from safetyrepro.errors import DataError

CONTENT = bytes(range(256)) * 400
QUICK = Patience(attempts=2, stall_seconds=0.3, file_seconds=5.0)


@dataclass
class Behaviour:
    """What the server does, and what it was asked."""

    content: bytes = CONTENT
    status: int = 200
    cut: list[int] = field(default_factory=list)
    """Bytes after which the connection is closed, one entry for each of the next answers."""
    stall: float = 0.0
    moved: bool = False
    ranges: bool = True
    drip: bool = False
    asked: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    behaviour: Behaviour

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        does = self.behaviour
        wanted = self.headers.get("Range", "")
        does.asked.append(wanted)
        if does.moved and self.path != "/elsewhere":
            self.send_response(301)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and does.ranges else 0
        if start >= len(does.content):
            self._answer(416, b"")
            return
        self._answer(206 if start else does.status, does.content[start:])

    def _answer(self, status: int, body: bytes) -> None:
        does = self.behaviour
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if does.stall:
            time.sleep(does.stall)
        if does.cut:
            self.wfile.write(body[: does.cut.pop(0)])
            self.close_connection = True
            return
        step = 1_000 if does.drip else len(body) or 1
        for at in range(0, len(body), step):
            self.wfile.write(body[at : at + step])
            self.wfile.flush()
            if does.drip:
                time.sleep(0.05)


@pytest.fixture
def server() -> Iterator[tuple[str, Behaviour]]:
    behaviour = Behaviour()
    handler = type("OneHandler", (Handler,), {"behaviour": behaviour})
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    httpd.handle_error = lambda *_: None  # a client that gives up is part of these tests
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_address[1]}/one.bin", behaviour
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def benchmark(url: str) -> ModuleType:
    module = ModuleType("tiny")
    module.NAME = "tiny"
    file = DataFile(path="data/one.bin", sha256=(hashlib.sha256(CONTENT).hexdigest(),), url=url)
    module.SOURCE = DataSource(files=(file,), revision="somebody/tiny@1", licence="CC0-1.0", citation="Nobody", n_items=1)
    return module


def fetched(url: str, cache: Path, patience: Patience = QUICK) -> bytes:
    return (fetched_folder(benchmark(url), cache=cache, offline=False, patience=patience) / "data/one.bin").read_bytes()


def left(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.rglob("*") if path.is_file())


def test_a_file_is_fetched_once_and_then_taken_from_the_cache(server, tmp_path: Path) -> None:
    url, behaviour = server
    assert fetched(url, tmp_path) == CONTENT
    assert fetched(url, tmp_path) == CONTENT
    assert len(behaviour.asked) == 1
    assert left(tmp_path) == ["one.bin"]


def test_a_file_that_moved_is_followed_and_still_has_to_be_the_pinned_one(server, tmp_path: Path) -> None:
    url, behaviour = server
    behaviour.moved = True
    assert fetched(url, tmp_path) == CONTENT
    behaviour.content = b"another page"
    with pytest.raises(DataError, match="the bytes that arrived have the sha256"):
        fetched(url, tmp_path / "other")


def test_a_file_that_is_gone_gives_one_sentence(server, tmp_path: Path) -> None:
    url, behaviour = server
    behaviour.status = 404
    with pytest.raises(DataError, match=r"answers 404 Not Found; expected the pinned file; it may have moved.*Try again later"):
        fetched(url, tmp_path)
    assert left(tmp_path) == []


def test_a_broken_connection_is_resumed_where_it_broke(server, tmp_path: Path) -> None:
    url, behaviour = server
    behaviour.cut = [60_000]
    assert fetched(url, tmp_path) == CONTENT
    assert behaviour.asked == ["", "bytes=60000-"]


def test_a_later_call_goes_on_from_what_an_earlier_one_kept(server, tmp_path: Path) -> None:
    url, behaviour = server
    behaviour.cut = [50_000, 20_000]
    with pytest.raises(DataError, match="the connection broke off"):
        fetched(url, tmp_path)
    assert left(tmp_path) == ["one.bin.part"]
    assert fetched(url, tmp_path) == CONTENT
    assert behaviour.asked == ["", "bytes=50000-", "bytes=70000-"]
    assert left(tmp_path) == ["one.bin"]


def test_a_server_that_knows_no_ranges_sends_the_whole_again(server, tmp_path: Path) -> None:
    url, behaviour = server
    behaviour.cut, behaviour.ranges = [50_000], False
    assert fetched(url, tmp_path) == CONTENT


def test_a_part_that_is_already_whole_is_proved_and_kept(server, tmp_path: Path) -> None:
    url, behaviour = server
    behaviour.cut = [len(CONTENT) - 1, 0]
    with pytest.raises(DataError):
        fetched(url, tmp_path)
    (part,) = tmp_path.rglob("*.part")
    part.write_bytes(CONTENT)
    assert fetched(url, tmp_path) == CONTENT
    assert behaviour.asked[-1] == f"bytes={len(CONTENT)}-"


def test_wrong_bytes_are_refused_and_not_kept(server, tmp_path: Path) -> None:
    url, behaviour = server
    behaviour.content = CONTENT[:-1] + b"!"
    with pytest.raises(DataError, match="no longer holds the pinned file"):
        fetched(url, tmp_path)
    assert left(tmp_path) == []


def test_a_server_that_stalls_is_given_up(server, tmp_path: Path) -> None:
    url, behaviour = server
    behaviour.stall = 0.6
    with pytest.raises(DataError, match=r"sent nothing for 0\.3 s, 2 times"):
        fetched(url, tmp_path)


def test_a_server_that_only_drips_is_given_up(server, tmp_path: Path) -> None:
    url, behaviour = server
    behaviour.drip = True
    with pytest.raises(DataError, match=r"too slow: \d+ bytes"):
        fetched(url, tmp_path, Patience(attempts=1, stall_seconds=1.0, file_seconds=0.2))


def test_a_server_that_is_not_there_gives_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the connection broke off"):
        fetched("http://127.0.0.1:9/one.bin", tmp_path)


def test_offline_uses_the_cache_and_fetches_nothing(server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, behaviour = server
    monkeypatch.setenv(OFFLINE_VARIABLE, "1")
    with pytest.raises(DataError, match="forbids to fetch it"):
        fetched_folder(benchmark(url), cache=tmp_path)
    assert behaviour.asked == []
    assert fetched(url, tmp_path) == CONTENT
    assert (fetched_folder(benchmark(url), cache=tmp_path) / "data/one.bin").is_file()


def test_a_damaged_file_in_the_cache_is_fetched_again(server, tmp_path: Path) -> None:
    url, behaviour = server
    fetched(url, tmp_path)
    (place,) = tmp_path.rglob("one.bin")
    place.write_bytes(b"damaged")
    assert fetched(url, tmp_path) == CONTENT
    assert len(behaviour.asked) == 2


def test_a_file_without_an_address_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no address is known"):
        fetched("", tmp_path)


def test_data_without_a_folder_are_fetched(server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, _ = server
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv(OFFLINE_VARIABLE, raising=False)
    assert load_data(benchmark(url), None).files == {"data/one.bin": CONTENT}


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv(CACHE_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "safetyrepro"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "safetyrepro"
