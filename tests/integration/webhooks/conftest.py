from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from pancake_meter.domain.selling.checkout import Checkout
from pancake_meter.domain.selling.money import Money
from pancake_meter.store.selling.checkouts import write_new_checkout
from pancake_meter.store.table import Table
from tests.support.webhook_world import CUSTOMER, World, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = utc("2026-03-10T15:15:00")


@pytest.fixture
def world(dynamodb: "DynamoDBClient", table: str) -> World:
    return World(Table(dynamodb, table, sleep=lambda _: None), NOW)


@pytest.fixture
def checkout(world: World) -> Checkout:
    made = Checkout(
        id="chk_1",
        customer_id=CUSTOMER,
        kind="top_up",
        meter="tokens",
        plan=None,
        quantity=Decimal(100_000),
        amount=Money(Decimal("3.00"), "USD"),
        status="open",
        created_at=NOW,
        expires_at=NOW + timedelta(minutes=45),
    )
    assert write_new_checkout(world.table, made, None)
    return made
