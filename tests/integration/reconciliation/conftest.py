from typing import TYPE_CHECKING

import pytest

from pancake_meter.store.table import Table
from tests.support.waffo_world import WaffoWorld
from tests.support.webhook_world import utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = utc("2026-03-10T15:14:30")


@pytest.fixture
def world(dynamodb: "DynamoDBClient", table: str) -> WaffoWorld:
    return WaffoWorld(Table(dynamodb, table, sleep=lambda _: None), NOW)
