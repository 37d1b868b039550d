"""botocore's requests to a local engine over plain connections, as many as there are requests at once.

Most of a test's time on DynamoDB is what botocore, urllib3 and the standard library do around a request. None of it is what
the tests look at, so here a request is written and its answer is read as they are, with nothing in between.
"""

import socket
import weakref
from collections.abc import Mapping
from select import select
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest

HEADERS_BYTES_MAX: Final = 65_536
SIGNED_BY_NOBODY: Final = {
    "X-Amz-Date": "20260101T000000Z",
    "Authorization": "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/dynamodb/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=0",
}
"""Local engines look whether a request is signed, and not by whom."""


class PlainWire:
    """Stands in for botocore's ``URLLib3Session``: HTTP/1.1 without TLS, answers with a ``Content-Length``."""

    def __init__(self, timeout: float) -> None:
        """``timeout``: seconds that a connection may be silent."""
        self._timeout = timeout
        self._idle: list[socket.socket] = []
        weakref.finalize(self, _close_all, self._idle)

    def send(self, request: "AWSPreparedRequest") -> AWSResponse:
        """Send a request of botocore's and return the whole answer. Raises as `post`."""
        body = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
        given: Mapping[str, str | bytes] = dict(request.headers.items())
        status, headers, content = self.post(request.url, given, body, method=request.method)
        named: Any = HeadersDict(headers)
        answer: Any = AWSResponse(request.url, status, named, None)
        answer._content = content
        return answer  # type: ignore[no-any-return]

    def post(
        self, url: str, headers: Mapping[str, str | bytes], body: bytes, *, method: str = "POST"
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a request and return the whole answer: its status, its headers by their names in small letters, its body.

        Raises:
            EndpointConnectionError: nobody listens.
            ReadTimeoutError: the answer did not come in time.
            ConnectionClosedError: the connection ended before the answer did.
        """
        parts = urlsplit(url)
        lines = [f"{method} {parts.path or '/'} HTTP/1.1", f"Host: {parts.netloc}"]
        sent = {**SIGNED_BY_NOBODY, **headers, "Content-Length": str(len(body))}
        lines += [f"{name}: {value.decode() if isinstance(value, bytes) else value}" for name, value in sent.items()]
        try:
            connection = self._waiting() or self._connect(parts.hostname or "", parts.port or 80)
        except OSError as error:
            raise EndpointConnectionError(endpoint_url=url, error=error) from error
        try:
            connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
            status, answered, content = _answer(connection)
        except TimeoutError as error:
            connection.close()
            raise ReadTimeoutError(endpoint_url=url, error=error) from error
        except OSError as error:
            connection.close()
            raise ConnectionClosedError(endpoint_url=url, error=error) from error
        # MiniStack says so with the answer to every 1,001st request, and closes the connection a moment later.
        if "close" in answered.get("connection", "").lower():
            connection.close()
        else:
            self._idle.append(connection)
        return status, answered, content

    def close(self) -> None:
        """Close the connections that no request is using."""
        _close_all(self._idle)

    def _waiting(self) -> socket.socket | None:
        """Return a connection that no request is using. Some were closed unasked: an end is to be read."""
        while self._idle:
            connection = self._idle.pop()
            if not select([connection], [], [], 0)[0]:
                return connection
            connection.close()
        return None

    def _connect(self, host: str, port: int) -> socket.socket:
        connection = socket.create_connection((host, port), self._timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def _close_all(connections: list[socket.socket]) -> None:
    while connections:
        connections.pop().close()


def _answer(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    received = b""
    while (end := received.find(b"\r\n\r\n")) < 0:
        received += _more(connection)
        if end < 0 and len(received) > HEADERS_BYTES_MAX and b"\r\n\r\n" not in received:
            raise ConnectionError("no end of the headers")
    status, *lines = received[:end].decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    chunks, missing = [received[end + 4 :]], int(headers["content-length"]) - (len(received) - end - 4)
    while missing > 0:
        chunks.append(_more(connection))
        missing -= len(chunks[-1])
    return int(status.split(" ", 2)[1]), headers, b"".join(chunks)


def _more(connection: socket.socket) -> bytes:
    received = connection.recv(262_144)
    if not received:
        raise ConnectionError("closed before the end of the answer")
    return received
