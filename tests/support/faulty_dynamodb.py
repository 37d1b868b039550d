"""A DynamoDB client that fails from one chosen call on: before that call happens, or after it has."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from botocore.exceptions import ClientError, ReadTimeoutError

When = Literal["before", "after"]
CALLS = frozenset({"batch_get_item", "get_item", "query", "put_item", "update_item", "transact_write_items"})


class FaultyDynamoDB:
    """Passes calls on to ``client``; call number ``fails_at`` (from 1) times out before or after it took effect,
    and every call after it times out too: retries meet the same trouble, as in a crash.
    """

    def __init__(self, client: Any, fails_at: int | None = None, when: When = "before") -> None:
        """``fails_at`` of ``None`` never fails, and only counts."""
        self._client = client
        self._fails_at = fails_at
        self._when = when
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        """Return the client's own method, watched when it is a call."""
        method = getattr(self._client, name)
        return self._watched(method) if name in CALLS else method

    def _watched(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(**request: Any) -> Any:
            self.calls += 1
            if self._fails_at is None or self.calls < self._fails_at:
                return method(**request)
            if self._when == "after" and self.calls == self._fails_at:
                # The answer is lost, a refusal too.
                with suppress(ClientError):
                    method(**request)
            raise ReadTimeoutError(endpoint_url="http://dynamodb")

        return call
