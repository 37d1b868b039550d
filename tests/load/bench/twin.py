"""The floor: what a handler asks of DynamoDB, asked again by the same client with nothing of ours around it.

Each call of a handler leaves the requests that it made. They are made again, in the same order, on a second table that has
come the same way: so the engine does the same work, and each condition holds or fails as it did before.
"""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.exceptions import ClientError

from tests.support.table import create_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Request = tuple[str, Mapping[str, Any]]
"""A method of the client, and its arguments."""


@dataclass
class Recorder:
    """Keeps the requests of a client, as they were asked of it."""

    client: "DynamoDBClient"
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Listen to the client."""
        self.client.meta.events.register("provide-client-params.dynamodb", self._keep)

    def take(self) -> list[Request]:
        """Return what was asked since the last time."""
        taken, self.requests = self.requests, []
        return taken

    def _keep(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        self.requests.append((xform_name(model.name), params))


def retold(value: Any, table: str) -> Any:
    """Return a request's arguments for another table, with another token: DynamoDB would answer a known one from memory."""
    match value:
        case dict():
            return {name: _retold_argument(name, inner, table) for name, inner in value.items()}
        case list():
            return [retold(inner, table) for inner in value]
        case _:
            return value


def _retold_argument(name: str, value: Any, table: str) -> Any:
    if name == "TableName":
        return table
    if name == "RequestItems":
        (asked,) = value.values()
        return {table: retold(asked, table)}
    return value[::-1] if name == "ClientRequestToken" else retold(value, table)


@dataclass
class Twins:
    """Two tables that come the same way: one by handlers, one by bare requests, a round later."""

    client: "DynamoDBClient"
    name: str
    recorder: Recorder
    ours: str = ""
    bare: str = ""

    @classmethod
    def begin(cls, client: "DynamoDBClient", name: str) -> "Twins":
        """Create both tables."""
        twins = cls(client, name, Recorder(client))
        twins.ours, twins.bare = (create_table(client, f"{name}-{which}", ttl=False) for which in ("ours", "bare"))
        return twins

    def follow(self, requests: Sequence[Request]) -> None:
        """Make requests again on the second table, those that are refused too."""
        for call in self.made_ready(requests):
            call()

    def made_ready(self, requests: Sequence[Request]) -> list[Callable[[], object]]:
        """Return the requests as calls on the second table: nothing but the client is left to do."""
        return [_call(getattr(self.client, method), retold(dict(asked), self.bare)) for method, asked in requests]


def _call(method: Callable[..., object], arguments: Mapping[str, Any]) -> Callable[[], object]:
    def call() -> object:
        with contextlib.suppress(ClientError):
            return method(**arguments)
        return None

    return call


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of this process that ``work`` takes; what the engine does is not in it."""
    begun = time.process_time()
    work()
    return time.process_time() - begun
