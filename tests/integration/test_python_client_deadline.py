"""The Python client against a real server that answers in drops: timeouts begin anew with each of them."""

import contextlib
import socket
import threading
import time

import pytest

from pancake_meter_client import Client, Retrying, Unavailable

OK_HEADERS = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "drop"),
    [(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"), (b"", b"HTTP/1.1 100 Continue\r\n\r\n"), (OK_HEADERS, b" ")],
    ids=["headers", "interim answers", "body"],
)
def test_promise_13_an_answer_that_comes_in_drops_is_given_up_at_the_deadline(begin: bytes, drop: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with contextlib.suppress(OSError), server.accept()[0] as connection:
                connection.recv(65_536)
                connection.sendall(begin)
                for _ in range(600):
                    connection.sendall(drop)
                    time.sleep(0.05)

        threading.Thread(target=answer, daemon=True).start()
        started = time.monotonic()
        retrying = Retrying(attempts=1)
        with Client(
            f"http://127.0.0.1:{server.getsockname()[1]}", "k", deadline_seconds=0.4, retrying=retrying
        ) as client:
            with pytest.raises(Unavailable, match="no answer"):
                client.quota("a", "tokens")
            assert time.monotonic() - started < 15
