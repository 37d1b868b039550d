from typing import TYPE_CHECKING

import pytest

from pancake_meter.store.table import Table
from tests.support.webhook_world import World, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = utc("2026-03-10T15:15:00")


@pytest.fixture
def world(dynamodb: "DynamoDBClient", table: str) -> World:
    return World(Table(dynamodb, table, sleep=lambda _: None), NOW)
