"""The wire to the tests' DynamoDB sends no request over a connection that the engine closes."""

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from botocore.exceptions import ConnectionClosedError

from tests.support.plain_wire import PlainWire

KEPT = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
LAST = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: Close\r\n\r\n{}"


class _Engine(socketserver.ThreadingTCPServer):
    """Gives each request the same answer, and counts the connections."""

    def __init__(self, answer: bytes, closes_after: float | None) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.answer = answer
        self.closes_after = closes_after
        self.connections = 0


class _Connection(socketserver.BaseRequestHandler):
    server: _Engine

    def handle(self) -> None:
        self.server.connections += 1
        while self.request.recv(65_536):
            self.request.sendall(self.server.answer)
            if self.server.closes_after is not None:
                time.sleep(self.server.closes_after)
                return


@contextmanager
def _engine(answer: bytes, *, closes_after: float | None = None) -> Iterator[tuple[_Engine, PlainWire, str]]:
    """Start an engine that closes a connection so many seconds after an answer, or keeps it. Yield it, a wire, its URL."""
    with _Engine(answer, closes_after) as engine:
        threading.Thread(target=engine.serve_forever, args=(0.01,)).start()
        wire = PlainWire(5)
        try:
            yield engine, wire, f"http://127.0.0.1:{engine.server_address[1]}/"
        finally:
            wire.close()
            engine.shutdown()


def test_a_request_after_an_answer_that_ends_its_connection_goes_over_another() -> None:
    with _engine(LAST, closes_after=0.05) as (engine, wire, url):
        assert [wire.post(url, {}, b"{}")[0] for _ in range(4)] == [200] * 4
        assert engine.connections == 4


def test_requests_one_after_the_other_share_a_connection() -> None:
    with _engine(KEPT) as (engine, wire, url):
        assert [wire.post(url, {}, b"{}")[2] for _ in range(4)] == [b"{}"] * 4
        assert engine.connections == 1


def test_a_connection_that_was_closed_unasked_is_not_used_again() -> None:
    with _engine(KEPT, closes_after=0) as (engine, wire, url):
        for _ in range(3):
            assert wire.post(url, {}, b"{}")[0] == 200
            time.sleep(0.1)
        assert engine.connections == 3


def test_an_answer_that_ends_early_is_an_error() -> None:
    with _engine(KEPT[:-1], closes_after=0) as (_, wire, url), pytest.raises(ConnectionClosedError):
        wire.post(url, {}, b"{}")
