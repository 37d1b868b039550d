"""A server that gives every request the same trouble: it hangs, throttles, fails, drips its head or body, or resets."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

Behaviour = Callable[[socket.socket], None]
_TYPE = "application/x-amz-json-1.0"


def _reply(status: str, code: str) -> bytes:
    body = json.dumps({"__type": f"com.amazonaws.dynamodb#{code}", "message": ""})
    return f"HTTP/1.1 {status}\r\nContent-Type: {_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def throttles(peer: socket.socket) -> None:
    peer.sendall(_reply("400 Bad Request", "ThrottlingException"))


def fails(peer: socket.socket) -> None:
    peer.sendall(_reply("500 Internal Server Error", "InternalServerError"))


def limits(peer: socket.socket) -> None:
    peer.sendall(_reply("429 Too Many Requests", "TooManyRequestsException"))


def hangs(peer: socket.socket) -> None:
    peer.recv(1)


def resets(peer: socket.socket) -> None:
    peer.close()


def drips(peer: socket.socket) -> None:
    for letter in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 2000:
        peer.sendall(bytes([letter]))
        time.sleep(0.2)


def drips_body(peer: socket.socket) -> None:
    peer.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: {_TYPE}\r\nContent-Length: 2000\r\n\r\n".encode())
    for _ in range(2000):
        peer.sendall(b" ")
        time.sleep(0.5)


BEHAVIOURS: Mapping[str, Behaviour] = MappingProxyType(
    {each.__name__: each for each in (hangs, throttles, limits, fails, resets, drips, drips_body)}
)


@contextmanager
def server(behaviour: Behaviour) -> Iterator[tuple[str, list[float]]]:
    """Yield the address of a server that treats each request so, and the times of the requests."""
    requests: list[float] = []

    def serve(peer: socket.socket) -> None:
        try:
            while received := peer.recv(65536):
                # botocore sends the head of a request and its body apart.
                if received.startswith((b"POST", b"GET")):
                    requests.append(time.monotonic())
                if received.endswith((b"}", b"]")) or (received.startswith(b"GET") and received.endswith(b"\r\n\r\n")):
                    behaviour(peer)
        except OSError:
            pass
        finally:
            peer.close()

    def accept() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(peer,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
