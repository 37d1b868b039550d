"""How many requests the reset of a period costs."""

from typing import TYPE_CHECKING

import pytest

from pancake_meter.store.balance.balances import read_balance
from pancake_meter.store.table import Table
from tests.support.metered_dynamodb import metered
from tests.support.webhook_world import CUSTOMER, World, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BEGAN, ENDED = utc("2026-03-10T15:15:00"), utc("2026-04-10T16:00:00")


@pytest.mark.parametrize(
    ("used", "requests"),
    [
        (4_000, ["GetItem", "TransactWriteItems"]),
        # The prices of what becomes due are those that were sold: the subscription is read after the balance.
        (14_000, ["GetItem", "GetItem", "TransactWriteItems"]),
    ],
    ids=["nothing is owed", "overage becomes due"],
)
def test_a_period_that_ends(dynamodb: "DynamoDBClient", table: str, used: int, requests: list[str]) -> None:
    # Given
    world = World(Table(dynamodb, table), BEGAN)
    world.use(used)
    # When
    with metered(dynamodb) as meter:
        balance = read_balance(world.table, CUSTOMER, "tokens")
        assert balance is not None
        assert world.metering.keep_current(balance, ENDED)
    # Then
    assert meter.operations == requests
