"""Balances with holds and days in the form of the version before: read as they are, written anew by the first write."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from pancake_meter.domain.balance.adjust import add_grant
from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.grant import Grant
from pancake_meter.domain.balance.hold import Hold, HoldHandle, hold_name
from pancake_meter.domain.balance.ledger import EventCause
from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.store.balance.balances import read_balance, read_live_holds, write_change
from pancake_meter.usecases.balance.hold_quota import (
    HoldPlaced,
    hold_quota,
    named_hold,
    release_hold,
    settle_hold,
)
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.balance.sweep_due import sweep_due
from pancake_meter.usecases.side_by_side import always
from tests.support.earlier_balance import is_as_before, store_as_before
from tests.support.metered_dynamodb import metered
from tests.support.meters import CUSTOMER, NOW, catalog_of, metering

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TTL = timedelta(minutes=5)
LONG, SHORT = "0b7c1d2e-4f50-4a6b-8c7d-000000000001", "h1"
GIVEN, USED, HELD = Decimal(1_000), Decimal(100), Decimal(30)


@pytest.fixture
def stack(dynamodb: "DynamoDBClient", table: str) -> Metering:
    """1,000 units of which 100 are used, over two days, and two holds of 10 and 20 units."""
    stack = metering(dynamodb, table, catalog_of(int(GIVEN)))
    for day in (1, 0):
        at = NOW - timedelta(days=day)
        record_events(stack, CUSTOMER, "tokens", [usage_event(f"d{day}", Decimal(50), None, at)], at)
    holds = {LONG: Hold(Decimal(10), NOW + TTL), SHORT: Hold(Decimal(20), NOW + TTL)}
    store_as_before(dynamodb, table, CUSTOMER, "tokens", holds)
    assert is_as_before(dynamodb, table, CUSTOMER, "tokens")
    return stack


def read(stack: Metering) -> Balance:
    balance = read_balance(stack.table, CUSTOMER, "tokens")
    assert balance is not None
    assert balance.available == GIVEN - balance.used - balance.held
    assert sum(balance.days.values()) == balance.used
    return balance


def handle(hold_id: str, quantity: int) -> HoldHandle:
    return HoldHandle("tokens", Decimal(quantity), hold_id)


def a_hold(stack: Metering) -> None:
    assert isinstance(hold_quota(stack, CUSTOMER, "tokens", "h2", Decimal(5), TTL, NOW), HoldPlaced)


def a_repeated_hold(stack: Metering) -> None:
    placed = hold_quota(stack, CUSTOMER, "tokens", LONG, Decimal(10), TTL, NOW)
    assert isinstance(placed, HoldPlaced)
    assert placed.is_replay


def a_record(stack: Metering) -> None:
    assert set(record_events(stack, CUSTOMER, "tokens", [usage_event("e", Decimal(5), None, NOW)], NOW).values()) == {
        "counted"
    }


def a_settlement_of_a_long_id(stack: Metering) -> None:
    assert settle_hold(stack, CUSTOMER, handle(LONG, 10), usage_event(LONG, Decimal(7), None, NOW), NOW).was_held


def a_settlement_of_a_short_id(stack: Metering) -> None:
    assert settle_hold(stack, CUSTOMER, handle(SHORT, 20), usage_event(SHORT, Decimal(7), None, NOW), NOW).was_held


def a_release_of_a_long_id(stack: Metering) -> None:
    assert release_hold(stack, CUSTOMER, handle(LONG, 10)).was_held


def a_release_by_id_alone(stack: Metering) -> None:
    assert release_hold(stack, CUSTOMER, HoldHandle.named(SHORT, "tokens")).was_held


def a_grant(stack: Metering) -> None:
    gift = Grant("gift", "credit", Decimal(0), Decimal(0), 80, NOW)
    change = add_grant(Change.begin(read(stack)).burn(), gift, NOW)
    after = write_change(stack.table, change, EventCause("gift"), None, NOW)
    assert after is not None
    assert after.earlier is None


def expired_holds(stack: Metering) -> None:
    assert stack.keep_current(read(stack), NOW + TTL)


WRITES: dict[str, tuple[Callable[[Metering], None], Decimal, set[str]]] = {
    "hold": (a_hold, USED, {LONG, SHORT, "h2"}),
    "repeated hold": (a_repeated_hold, USED, {LONG, SHORT}),
    "record": (a_record, USED + 5, {LONG, SHORT}),
    "settle, long id": (a_settlement_of_a_long_id, USED + 7, {SHORT}),
    "settle, short id": (a_settlement_of_a_short_id, USED + 7, {LONG}),
    "release, long id": (a_release_of_a_long_id, USED, {SHORT}),
    "release by id": (a_release_by_id_alone, USED, {LONG}),
    "grant": (a_grant, USED, {LONG, SHORT}),
    "expired holds": (expired_holds, USED, set()),
}


def test_it_is_read_as_it_is(stack: Metering, dynamodb: "DynamoDBClient", table: str) -> None:
    balance = stack.current_balance(CUSTOMER, "tokens", NOW)
    assert (balance.used, balance.held, balance.available) == (USED, HELD, GIVEN - USED - HELD)
    assert balance.days == {"0309": Decimal(50), "0310": Decimal(50)}
    assert balance.hold(LONG) == Hold(Decimal(10), NOW + TTL)
    assert named_hold(stack, CUSTOMER, LONG) == handle(LONG, 10)
    live, over = (CUSTOMER, "tokens", LONG), (CUSTOMER, "tokens", "other")
    assert read_live_holds(stack.table, {live, over}) == {live}
    assert is_as_before(dynamodb, table, CUSTOMER, "tokens")


@pytest.mark.parametrize("write", WRITES)
def test_each_write_brings_it_to_the_form_of_now_and_loses_nothing(
    stack: Metering, dynamodb: "DynamoDBClient", table: str, write: str
) -> None:
    make, used, holds = WRITES[write]
    make(stack)
    balance = read(stack)
    assert (balance.used, set(balance.holds)) == (used, {hold_name(each) for each in holds})
    assert balance.earlier is None
    assert not is_as_before(dynamodb, table, CUSTOMER, "tokens")
    # The next write of it is one request again
    with metered(dynamodb) as meter:
        hold_quota(stack, CUSTOMER, "tokens", "next", Decimal(1), TTL, NOW)
    assert meter.operations == ["UpdateItem"]


def test_its_period_ends_as_any(stack: Metering, dynamodb: "DynamoDBClient", table: str) -> None:
    later = NOW + timedelta(days=40)
    failures: list[object] = []
    sweep_due(stack, later, may_go_on=always, on_failure=lambda *failed: failures.append(failed))
    assert failures == []
    assert (read(stack).used, read(stack).held) == (Decimal(0), Decimal(0))
    assert not is_as_before(dynamodb, table, CUSTOMER, "tokens")


def test_what_the_version_before_writes_meanwhile_is_not_lost(
    stack: Metering, dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given a balance as a write has read it, and a hold of the version before that ends in between
    stale = read(stack)
    store = {"TableName": table, "Key": {"PK": {"S": f"CUSTOMER#{CUSTOMER}"}, "SK": {"S": "BALANCE#tokens"}}}
    dynamodb.update_item(
        **store,  # type: ignore[arg-type]
        UpdateExpression="SET headroom = headroom + holds.#id.q REMOVE holds.#id",
        ExpressionAttributeNames={"#id": LONG},
    )
    # When the write would bring the balance to the form of now, it does nothing
    assert stack.keep_current(stale, NOW)
    assert is_as_before(dynamodb, table, CUSTOMER, "tokens")
    # And the next one does
    a_record(stack)
    assert set(read(stack).holds) == {SHORT}
