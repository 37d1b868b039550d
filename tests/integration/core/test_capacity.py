"""What each operation costs in requests and capacity units: exact figures, on a balance as a busy customer has it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from pancake_meter.domain.balance.adjust import add_grant
from pancake_meter.domain.balance.advance import open_balance, start_term
from pancake_meter.domain.balance.balance import Balance, Policy, Term
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.grant import Grant
from pancake_meter.domain.balance.hold import HoldHandle
from pancake_meter.domain.balance.ledger import EventCause
from pancake_meter.domain.errors import CustomerErased
from pancake_meter.domain.selling.plan import OverageAllowed, OverageCapped
from pancake_meter.domain.usage.usage_event import UsageEvent, usage_event
from pancake_meter.store.access.erasures import Erasure, Erasures
from pancake_meter.store.balance.balances import charts_put_away, read_balance, write_change
from pancake_meter.usecases.balance.hold_quota import (
    HoldPlaced,
    HoldRefused,
    HoldSettled,
    hold_quota,
    release_hold,
    settle_hold,
)
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.value import replace
from tests.support.metered_dynamodb import Meter, metered
from tests.support.meters import CUSTOMER, catalog_of, metering

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TTL = timedelta(minutes=5)
NOW = datetime(2026, 3, 31, 15, 20, tzinfo=UTC)
"""The last day of a month of 31 days."""


@pytest.fixture(params=["first month, default plan", "second month, paid"])
def busy(request: pytest.FixtureRequest, dynamodb: "DynamoDBClient", table: str) -> Metering:
    """A month with usage on each of its days, a top-up beside the plan, and three holds in flight.

    A paying customer has more to carry: an order, what rolled over, and a month before this one.
    """
    begun = metering(dynamodb, table, catalog_of(1_000_000_000))
    first_day = NOW - timedelta(days=30)
    if request.param == "second month, paid":
        month_before = first_day - timedelta(days=31)
        overage = OverageCapped(Decimal(500_000))
        policy = Policy("scale", Decimal(10_000_000), "billing", overage, Decimal(1_000_000), (Decimal(1),))
        sold, renewed = (_term(start, start + timedelta(days=31)) for start in (month_before, first_day))
        opened = open_balance(CUSTOMER, "tokens", policy, sold, month_before)
        assert write_change(begun.table, opened, EventCause("subscription.activated"), None, month_before)
        _use_every_day(begun, month_before)
        renewal = start_term(Change.begin(_balance(begun)), policy, renewed, first_day)
        assert write_change(begun.table, renewal, EventCause("subscription.renewed"), None, first_day)
    _use_every_day(begun, first_day)
    top_up = Grant("payment:PAY_8bVc5xZa2sDf6gHj9kLq3W", "top_up", Decimal(50_000), Decimal(50_000), 90, NOW)
    assert write_change(
        begun.table, add_grant(Change.begin(_balance(begun)), top_up, NOW), EventCause("payment"), None, NOW
    )
    for number in range(3):
        hold_quota(begun, CUSTOMER, "tokens", f"0b7c1d2e4f504a6b8c7d00000000000{number}", Decimal(4000), TTL, NOW)
    return begun


def _term(start: datetime, end: datetime) -> Term:
    return Term("ORD_2aUyqjCzEIiEcYMKj7TZtw", start, end, end + timedelta(days=1))


def _use_every_day(begun: Metering, first_day: datetime) -> None:
    for day in range(31):
        at = first_day + timedelta(days=day)
        event = usage_event(f"{at:%m%d}", Decimal(234_567), None, at)
        assert record_events(begun, CUSTOMER, "tokens", [event], at) == {event.id: "counted"}


def _balance(begun: Metering) -> Balance:
    balance = read_balance(begun.table, CUSTOMER, "tokens")
    assert balance is not None
    return balance


@pytest.fixture
def meter(busy: Metering, dynamodb: "DynamoDBClient") -> Iterator[Meter]:
    with metered(dynamodb) as counted:
        yield counted


def event(number: int, quantity: int = 3120) -> UsageEvent:
    return usage_event(f"0b7c1d2e-4f50-4a6b-8c7d-{number:012d}", Decimal(quantity), None, NOW)


def test_a_busy_balance_stays_within_one_kilobyte(busy: Metering, dynamodb: "DynamoDBClient", table: str) -> None:
    # A strongly consistent read costs a unit for every 4 KB, a write one for every KB: the write tells
    with metered(dynamodb) as meter:
        release_hold(busy, CUSTOMER, HoldHandle("tokens", Decimal(4000), "0b7c1d2e4f504a6b8c7d000000000000"))
    assert meter.units == 1


def test_a_check_is_one_read(busy: Metering, meter: Meter) -> None:
    assert busy.current_balance(CUSTOMER, "tokens", NOW).used == Decimal(234_567) * 31
    assert (meter.operations, meter.units) == (["GetItem"], 1)


def test_a_hold_is_one_write_of_one_unit(busy: Metering, meter: Meter) -> None:
    placed = hold_quota(busy, CUSTOMER, "tokens", "0b7c1d2e-4f50-4a6b-8c7d-000000000009", Decimal(4000), TTL, NOW)
    assert isinstance(placed, HoldPlaced)
    assert (meter.operations, meter.units) == (["UpdateItem"], 1)


def test_a_refused_hold_is_one_write_too(busy: Metering, meter: Meter) -> None:
    refused = hold_quota(busy, CUSTOMER, "tokens", "h", Decimal(10) ** 15, TTL, NOW)
    assert isinstance(refused, HoldRefused)
    assert meter.operations == ["UpdateItem"]


def test_a_refused_hold_of_a_customer_whom_nobody_knows_reads_and_writes_nothing(
    busy: Metering, dynamodb: "DynamoDBClient"
) -> None:
    erasures = Erasures(busy.table, lambda: "a secret of pseudonyms")
    known = replace(busy, erasures=erasures)
    with metered(dynamodb) as meter:
        refused = hold_quota(known, "nobody", "tokens", "h", Decimal(10) ** 15, TTL, NOW)
    assert isinstance(refused, HoldRefused)
    assert refused.balance == known.current_balance("nobody", "tokens", NOW)
    assert meter.operations == ["UpdateItem", "GetItem", "GetItem"]
    assert read_balance(busy.table, "nobody", "tokens") is None

    # One who was erased is told so
    erasures.write(Erasure(erasures.pseudonym("nobody"), started_at=NOW))
    with pytest.raises(CustomerErased):
        hold_quota(known, "nobody", "tokens", "h", Decimal(10) ** 15, TTL, NOW)


def test_the_first_hold_of_a_customer_opens_the_balance_with_one_read(
    busy: Metering, dynamodb: "DynamoDBClient"
) -> None:
    with metered(dynamodb) as meter:
        assert isinstance(hold_quota(busy, "new", "tokens", "h", Decimal(1), TTL, NOW), HoldPlaced)
    assert meter.operations == ["UpdateItem", "GetItem", "TransactWriteItems", "UpdateItem"]


def test_a_record_is_one_transaction_of_four_units(busy: Metering, meter: Meter) -> None:
    assert record_events(busy, CUSTOMER, "tokens", [event(1)], NOW) == {event(1).id: "counted"}
    assert (meter.operations, meter.units) == (["TransactWriteItems"], 4)


def test_a_batch_of_99_is_one_transaction_of_about_two_units_an_event(busy: Metering, meter: Meter) -> None:
    results = record_events(busy, CUSTOMER, "tokens", [event(number) for number in range(99)], NOW)
    assert set(results.values()) == {"counted"}
    assert meter.operations == ["TransactWriteItems"]
    assert meter.units == 200
    assert meter.units / 99 <= 2.1


def test_a_settlement_is_one_transaction_of_four_units(busy: Metering, meter: Meter) -> None:
    handle = HoldHandle("tokens", Decimal(4000), "0b7c1d2e4f504a6b8c7d000000000001")
    assert settle_hold(busy, CUSTOMER, handle, event(1), NOW) == HoldSettled(handle, Decimal(3120), was_held=True)
    assert (meter.operations, meter.units) == (["TransactWriteItems"], 4)


def test_a_release_is_one_write_of_one_unit(busy: Metering, meter: Meter) -> None:
    released = release_hold(busy, CUSTOMER, HoldHandle("tokens", Decimal(4000), "0b7c1d2e4f504a6b8c7d000000000002"))
    assert released.was_held
    assert (meter.operations, meter.units) == (["UpdateItem"], 1)


def test_a_year_of_daily_use_in_one_period_stays_small_and_can_be_closed(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given a yearly product whose whole quantity is for the year
    begun = metering(dynamodb, table, catalog_of(0))
    start = datetime(2026, 1, 31, 9, tzinfo=UTC)
    policy = Policy("yearly", Decimal(100_000_000), "billing", OverageAllowed())
    year = _term(start, start + timedelta(days=365))
    assert write_change(begun.table, open_balance(CUSTOMER, "tokens", policy, year, start), "opened", None, start)

    # When it is used on every day of the year
    for day in range(365):
        at = start + timedelta(days=day)
        record_events(begun, CUSTOMER, "tokens", [usage_event(f"{day}", Decimal(234_567), None, at)], at)

    # Then a write is still one unit, and the year has left its charts
    with metered(dynamodb) as meter:
        hold_quota(begun, CUSTOMER, "tokens", "h", Decimal(1), TTL, start + timedelta(days=364))
    assert (meter.operations, meter.units) == (["UpdateItem"], 1)
    assert len(_balance(begun).days) <= 47

    # And when it is over, nothing of it is lost
    lapsed = year.end + timedelta(days=2) if year.end else start
    assert begun.keep_current(_balance(begun), lapsed)
    assert sum(chart.used for chart in charts_put_away(begun.table, CUSTOMER, "tokens", page=25)) == 234_567 * 365
