"""An erasure that crashes anywhere goes on with the next call; one that meets a webhook in flight leaves nothing of it."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.errors import StoreError
from pancake_meter.store.reports.revenue import read_sold
from pancake_meter.store.table import Table, Write
from pancake_meter.usecases.access.erase import erase_customer
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.webhooks.age_bodies import remove_aged_bodies
from tests.support.faulty_dynamodb import FaultyDynamoDB, When
from tests.support.webhook_world import World, lifecycle, payment, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = utc("2026-03-10T15:20:00")
CALLS_MAX = 100


def erasures_of(client: object, table: str) -> Erasures:
    return Erasures(Table(client, table, sleep=lambda _: None), lambda: "a key of the tests")  # type: ignore[arg-type]


def world_of(client: object, table: str) -> World:
    erasures = erasures_of(client, table)
    return World(erasures.table, NOW, erasures=erasures)


def live(world: World, customer_id: str, number: int = 0) -> None:
    buyer: dict[str, Any] = {"merchantProvidedBuyerIdentity": customer_id, "buyerEmail": f"mail-{customer_id}"}
    world.take(lifecycle("activated", f"ORD_{number}", "2026-03-10", "2026-03-10", "2026-04-10", plan="pro", **buyer))
    world.take(payment(f"ORD_{number}", f"PAY_{number}", "2026-03-10", amount="29.00", productName="Pro", **buyer))
    record_events(world.metering, customer_id, "tokens", [usage_event("e1", Decimal(3), None, NOW)], NOW)


def named(client: "DynamoDBClient", table: str, person: str) -> list[dict[str, Any]]:
    pages = client.get_paginator("scan").paginate(TableName=table)
    return [dict(item) for page in pages for item in page["Items"] if person in str(item)]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_at_any_call_and_a_second_call_erase(dynamodb: "DynamoDBClient", table: str, when: When) -> None:
    sound = world_of(dynamodb, table)
    assert sound.erasures is not None
    for fails_at in range(1, CALLS_MAX):
        person = f"person-{fails_at}-{when}@example.com"
        live(sound, person, fails_at)
        faulty = FaultyDynamoDB(dynamodb, fails_at, when)
        with suppress(StoreError):
            erase_customer(erasures_of(faulty, table), person, NOW, may_go_on=lambda: True)
        done = erase_customer(sound.erasures, person, NOW, may_go_on=lambda: True)
        assert done.erasure.step == "done"
        assert named(dynamodb, table, person) == [], fails_at
        (total,) = read_sold(sound.table, "2026-03")
        assert (total.total.payments, int(total.total.received)) == (fails_at, 29 * fails_at)
        if faulty.calls < fails_at:
            return
    raise AssertionError("an erasure takes more calls than that")


@pytest.mark.parametrize("knows", ["the order", "usage"])
def test_a_webhook_that_is_in_flight_when_its_customer_is_erased_leaves_nothing(
    dynamodb: "DynamoDBClient", table: str, monkeypatch: pytest.MonkeyPatch, knows: str
) -> None:
    world = world_of(dynamodb, table)
    person = "ada.l@example.com"
    if knows == "the order":
        live(world, person)
    else:
        record_events(world.metering, person, "tokens", [usage_event("e1", Decimal(3), None, NOW)], NOW)
    transact = Table.transact

    def erased_before(self: Table, writes: Sequence[Write]) -> None:
        monkeypatch.setattr(Table, "transact", transact)
        assert world.erasures is not None
        erase_customer(world.erasures, person, NOW, may_go_on=lambda: True)
        transact(self, writes)

    monkeypatch.setattr(Table, "transact", erased_before)
    buyer: dict[str, Any] = {"merchantProvidedBuyerIdentity": person, "buyerEmail": f"mail-{person}"}
    renewed = lifecycle("renewed", "ORD_0", "2026-04-10", "2026-04-10", "2026-05-10", plan="pro", number=2, **buyer)
    assert world.erasures is not None
    outcome = world.take(renewed, utc("2026-04-10T15:20:00"))
    assert (outcome.verdict, outcome.customer_id) == ("applied", world.erasures.pseudonym(person))
    assert named(dynamodb, table, person) == []


def test_a_balance_is_not_opened_while_its_customer_is_erased(
    dynamodb: "DynamoDBClient", table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_of(dynamodb, table)
    transact = Table.transact

    def erased_before(self: Table, writes: Sequence[Write]) -> None:
        monkeypatch.setattr(Table, "transact", transact)
        assert world.erasures is not None
        erase_customer(world.erasures, "ada.l@example.com", NOW, may_go_on=lambda: True)
        transact(self, writes)

    world.metering.open("bob", "tokens", NOW)
    world.metering.open("ada.l@example.com", "requests", NOW)
    monkeypatch.setattr(Table, "transact", erased_before)
    with pytest.raises(Exception, match="erased"):
        world.metering.open("ada.l@example.com", "tokens", NOW)
    assert named(dynamodb, table, "ada.l") == []


def test_aged_and_erased_in_any_order_a_customer_leaves_nothing_and_counts_once(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    later = NOW + timedelta(days=181)
    world = world_of(dynamodb, table)
    assert world.erasures is not None
    for number, person in enumerate(("aged-first@example.com", "erased-first@example.com")):
        live(world, person, number)
    erase_customer(world.erasures, "erased-first@example.com", NOW, may_go_on=lambda: True)
    assert remove_aged_bodies(world.table, later - timedelta(days=180), later, may_go_on=lambda: True) == 4
    erase_customer(world.erasures, "aged-first@example.com", later, may_go_on=lambda: True)
    assert named(dynamodb, table, "first@example.com") == []
    for number, person in enumerate(("aged-first@example.com", "erased-first@example.com")):
        buyer: dict[str, Any] = {"merchantProvidedBuyerIdentity": person, "buyerEmail": person}
        again = payment(f"ORD_{number}", f"PAY_{number}", "2026-03-10", amount="29.00", productName="Pro", **buyer)
        assert world.take(again, later).reason == "no_news"
    (total,) = read_sold(world.table, "2026-03")
    assert (total.total.payments, int(total.total.received)) == (2, 58)
    assert named(dynamodb, table, "first@example.com") == []
