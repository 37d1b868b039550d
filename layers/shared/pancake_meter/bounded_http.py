"""What the clients that use httpx share: timeouts that end before the deadline, and keys that change."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final, Protocol

import httpx

from pancake_meter.deadline import Deadline

_TURNED_AWAY: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class ApiKey(Protocol):
    """A key that may be changed: a secret."""

    def __call__(self) -> str:
        """Return the key's text."""

    def renew(self) -> bool:
        """Read the text anew, at once; return whether it has changed."""


def send_with_key(api_key: ApiKey, send: Callable[[str], httpx.Response]) -> httpx.Response:
    """Return the answer to ``send``. It is sent once more where the key is turned away (401, 403) and has been changed."""
    key = api_key()
    answer = send(key)
    if answer.status_code not in _TURNED_AWAY:
        return answer
    api_key.renew()
    # Another thread may have read the new key before us.
    renewed = api_key()
    return answer if renewed == key else send(renewed)


def cut_timeout(timeout: httpx.Timeout, limit: Deadline) -> httpx.Timeout:
    """Return ``timeout`` with no part longer than the time that is left."""
    left = max(0.05, limit.seconds_left())
    connect, read, write, pool = (
        left if part is None else min(part, left)
        for part in (timeout.connect, timeout.read, timeout.write, timeout.pool)
    )
    return httpx.Timeout(connect=connect, read=max(0.05, min(read, left - connect)), write=write, pool=pool)
