"""A DynamoDB client that fails from one chosen call on: before that call happens, or after it has."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from botocore.exceptions import ClientError, ReadTimeoutError

When = Literal["before", "after", "lost"]
WRITES = frozenset({"batch_write_item", "put_item", "update_item", "transact_write_items"})
CALLS = WRITES | {"batch_get_item", "get_item", "query", "scan"}
TIMEOUT = ReadTimeoutError(endpoint_url="http://dynamodb")


class FaultyDynamoDB:
    """Passes calls on to ``client``; call number ``fails_at`` (from 1) times out before or after it took effect,
    and every call after it times out too: retries meet the same trouble, as in a crash.

    ``writes`` are the numbers of the calls that write.

    With ``lost`` that one call takes effect and only its answer is lost; all calls before and after it are well.
    """

    def __init__(
        self, client: Any, fails_at: int | None = None, when: When = "before", trouble: BaseException = TIMEOUT
    ) -> None:
        """``fails_at`` of ``None`` never fails, and only counts. ``trouble`` is raised in the place of an answer."""
        self._client = client
        self._fails_at = fails_at
        self._when = when
        self._trouble = trouble
        self.calls = 0
        self.writes: list[int] = []

    def __getattr__(self, name: str) -> Any:
        """Return the client's own method, watched when it is a call."""
        method = getattr(self._client, name)
        return self._watched(method, is_write=name in WRITES) if name in CALLS else method

    def _watched(self, method: Callable[..., Any], *, is_write: bool) -> Callable[..., Any]:
        def call(**request: Any) -> Any:
            self.calls += 1
            if is_write:
                self.writes.append(self.calls)
            is_well = self._fails_at is None or self.calls < self._fails_at
            if is_well or (self._when == "lost" and self.calls != self._fails_at):
                return method(**request)
            if self._when != "before" and self.calls == self._fails_at:
                # The answer is lost, a refusal too.
                with suppress(ClientError):
                    method(**request)
            raise self._trouble

        return call
