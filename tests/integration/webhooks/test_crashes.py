"""A crash at any DynamoDB call, then Waffo's retry: applied once (scenarios 20, 21, 25)."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.store.balance.balances import read_balance, read_ledger
from pancake_meter.store.errors import StoreUnavailable
from pancake_meter.store.table import Table
from pancake_meter.store.webhooks.deliveries import read_delivery
from pancake_meter.usecases.webhooks.decision import Told
from pancake_meter.usecases.webhooks.judge import replay_delivery
from pancake_meter.value import replace
from tests.support.faulty_dynamodb import FaultyDynamoDB, When
from tests.support.waffo_webhooks import encode
from tests.support.webhook_world import CUSTOMER, Document, World, event, lifecycle, payment, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = utc("2026-04-10T15:15:00")
CALLS_MAX = 30


def world_of(client: object, table: str) -> World:
    return World(Table(client, table, sleep=lambda _: None), NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("document", "available"),
    [
        (lifecycle("renewed", "ORD_A", "2026-04-10", "2026-04-10", "2026-05-10", number=2), 100_000),
        (
            event(
                "order.completed",
                "ORD_T",
                "2026-04-10",
                paymentId="PAY_T",
                chargedAmount="5.00",
                amount="5.00",
                productMetadata={"top_up_tokens": "90000"},
            ),
            190_000,
        ),
    ],
    ids=["renewed", "top-up"],
)
def test_scenario_20_a_crash_at_any_call_and_a_retry_apply_once(
    dynamodb: "DynamoDBClient", table: str, document: Document, available: int, when: When
) -> None:
    sound = world_of(dynamodb, table)
    for fails_at in range(1, CALLS_MAX):
        # Given: a customer of their own for every point of failure
        customer = f"{CUSTOMER}_{fails_at}"
        mine: dict[str, Any] = {"merchantProvidedBuyerIdentity": customer}
        first = lifecycle("activated", f"ORD_A_{fails_at}", "2026-04-01", "2026-03-10", "2026-04-10", **mine)
        sound.metering.open(customer, "tokens", NOW)
        sound.take(first)
        data = {**document["data"], **mine, "orderId": f"{document['data']['orderId']}_{fails_at}"}
        data["paymentId"] = f"PAY_{fails_at}"
        body = encode({**document, "data": data})
        faulty = FaultyDynamoDB(dynamodb, fails_at, when)
        # When
        try:
            world_of(faulty, table).take_bytes(body)
        except StoreUnavailable:
            sound.take_bytes(body)
        # Then
        balance = read_balance(sound.table, customer, "tokens")
        assert balance is not None
        assert sound.available(customer_id=customer) == available
        entries = read_ledger(sound.table, customer, "tokens", limit=10)
        assert [entry.segment for entry in entries] == list(range(balance.segment, 0, -1))
        assert balance.segment == 3
        if faulty.calls < fails_at:
            return
    pytest.fail("the use case makes more calls than the test looks at")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("owner", ["acct_assigned", None], ids=["assign", "replay"])
def test_scenario_20_a_crash_at_any_call_of_an_operators_replay_and_a_second_one_apply_once(
    dynamodb: "DynamoDBClient", table: str, owner: str | None, when: When
) -> None:
    sound = world_of(dynamodb, table)
    for fails_at in range(1, CALLS_MAX):
        # Given: an event that waits, for its customer or for its plan, and a receipt that waits with it
        customer, order = f"{owner or CUSTOMER}_{fails_at}", f"ORD_{fails_at}"
        identity = None if owner else customer
        first = lifecycle("activated", order, "2026-04-10", "2026-04-10", "2026-05-10", plan="not-yet-sold",
                          merchantProvidedBuyerIdentity=identity)  # fmt: skip
        if owner:
            first["data"] |= {"productName": "Starter", "productMetadata": {"plan": "starter"}}
        sound.metering.open(customer, "tokens", NOW)
        receipt = sound.take(payment(order, f"PAY_{fails_at}", "2026-04-10", merchantProvidedBuyerIdentity=identity))
        parked = sound.take(first)
        assert parked.verdict == "parked"
        faulty = FaultyDynamoDB(dynamodb, fails_at, when)
        plans = sound.catalog.plans
        catalog = replace(sound.catalog, plans={**plans, "not-yet-sold": replace(plans["starter"], key="not-yet-sold")})
        # When
        told = Told(customer if owner else None)
        with suppress(StoreUnavailable):
            replay_delivery(replace(world_of(faulty, table), catalog=catalog).metering, parked.digest, NOW, told=told)
        replay_delivery(replace(sound, catalog=catalog).metering, parked.digest, NOW, told=told)
        # Then
        assert sound.available(customer_id=customer) == 100_000
        kept = [read_delivery(sound.table, digest) for digest in (parked.digest, receipt.digest)]
        assert [(each.verdict, each.duplicates) for each in kept if each] == [("applied", 0)] * 2
        entries = read_ledger(sound.table, customer, "tokens", limit=10)
        assert [entry.segment for entry in entries] == [2, 1]
        if faulty.calls < fails_at:
            return
    pytest.fail("the use case makes more calls than the test looks at")
