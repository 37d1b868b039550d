"""A world whose changes are followed, and the questions that operators ask of it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

import customers
import reports
from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.store.access.erasures import Erasures
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.followed import SECRET, Reader, ToldTable
from tests.support.webhook_world import World, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = utc("2026-03-10T15:15:00")

Ask = Callable[..., Answer]


@pytest.fixture
def followed(dynamodb: "DynamoDBClient", table: str) -> World:
    """A world on a table that tells its own changes."""
    told = ToldTable(dynamodb, table)
    return World(told, NOW, erasures=Erasures(told, lambda: SECRET))


@pytest.fixture
def reads(followed: World, dynamodb: "DynamoDBClient", table: str) -> Reader:
    """The stream reader of that table."""
    return Reader(dynamodb, followed.table, table, lambda: followed.now)


@pytest.fixture
def ask(followed: World) -> Ask:
    """Ask a route by its example request."""

    def asked(
        name: str, query: dict[str, str] | None = None, path: str | None = None, accept: str = "application/json"
    ) -> Answer:
        event = api_event(name, path=path, query=query)
        event["headers"]["accept"] = accept
        handler = reports.handler if name.startswith("report") else customers.handler
        return read_answer(handler(event, LambdaContext(), MeteringDeps(followed.metering, lambda: followed.now)))

    return asked
