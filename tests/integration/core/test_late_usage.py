"""Usage that comes after its period has closed: it counts where it happened, once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from pancake_meter.domain.balance.adjust import add_grant
from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.grant import Grant
from pancake_meter.domain.balance.ledger import PeriodSummary
from pancake_meter.domain.usage.usage_event import UsageEvent, usage_event
from pancake_meter.store.balance.balances import read_balance, read_ledger, read_summaries, write_change
from pancake_meter.store.errors import StoreBusy
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.event_result import EventResult
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import record_events
from tests.support.metered_dynamodb import metered
from tests.support.meters import CUSTOMER, catalog_of, metering

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BEGIN = datetime(2026, 3, 10, 12, tzinfo=UTC)
CLOSED = datetime(2026, 4, 10, 12, tzinfo=UTC)
IN_MARCH = CLOSED - timedelta(hours=1)
SOON_AFTER = CLOSED + timedelta(hours=2)
LONG_AFTER = CLOSED + timedelta(hours=72)


@pytest.fixture
def stack(dynamodb: "DynamoDBClient", table: str) -> Metering:
    """A customer with 1,000 a month who used 900 in a period that has closed, and 100 in the next."""
    stack = metering(dynamodb, table, catalog_of(1000))
    told(stack, UsageEvent("march", Decimal(900), BEGIN, None), BEGIN)
    told(stack, UsageEvent("april", Decimal(100), CLOSED, None), CLOSED)
    return stack


def told(stack: Metering, event: UsageEvent, now: datetime) -> EventResult:
    return record_events(stack, CUSTOMER, "tokens", [event], now)[event.id]


def late(event_id: str, quantity: int, now: datetime = SOON_AFTER, used_at: datetime = IN_MARCH) -> UsageEvent:
    return usage_event(event_id, Decimal(quantity), used_at, now)


def units(*numbers: int) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, numbers))


def books(stack: Metering) -> tuple[Balance, PeriodSummary]:
    balance = read_balance(stack.table, CUSTOMER, "tokens")
    (summary,) = read_summaries(stack.table, CUSTOMER, "tokens", limit=10)
    assert balance is not None
    return balance, summary


def test_late_usage_takes_what_its_period_had_left_and_the_rest_is_that_period_s_overage(stack: Metering) -> None:
    # When 250 come late, of which March had 100 left
    assert told(stack, late("e1", 250), SOON_AFTER) == "counted"

    # Then March has 1,150 on its chart and 150 of overage, which is due
    balance, summary = books(stack)
    assert (summary.used, summary.overage, summary.left) == units(1150, 150, 0)
    assert summary.days == {"0310": Decimal(900), "0410": Decimal(250)}
    assert balance.overage_due == 150

    # And April is as it was
    assert (balance.used, balance.available) == units(100, 900)
    assert balance.days == {"0410": Decimal(100)}
    entry = read_ledger(stack.table, CUSTOMER, "tokens", limit=1)[0]
    assert entry.cause == "late_usage"
    assert [(movement.kind, int(movement.quantity)) for movement in entry.movements] == [
        ("used", 100),
        ("restored", 100),
        ("used", 250),
        ("overage_closed", 150),
    ]


def test_units_bought_ahead_pay_for_late_usage_before_it_becomes_overage(stack: Metering) -> None:
    balance, _ = books(stack)
    pack = Grant("payment:PAY_1", "top_up", Decimal(70), Decimal(70), 90, BEGIN)
    assert write_change(stack.table, add_grant(Change.begin(balance), pack, CLOSED), "payment", None, CLOSED)
    told(stack, late("e1", 250), SOON_AFTER)
    balance, summary = books(stack)
    assert (summary.overage, balance.overage_due, balance.available) == units(80, 80, 900)


def test_promise_1_late_usage_told_again_counts_once_even_after_the_grace(stack: Metering) -> None:
    assert told(stack, late("e1", 250), SOON_AFTER) == "counted"
    assert told(stack, late("e1", 250), SOON_AFTER) == "duplicate"
    assert told(stack, late("e1", 250), LONG_AFTER) == "duplicate"
    assert told(stack, late("e1", 251), SOON_AFTER) == "conflict"
    assert books(stack)[1].used == 1150


def test_usage_of_a_period_that_closed_too_long_ago_is_refused_and_changes_nothing(stack: Metering) -> None:
    before = books(stack)
    assert told(stack, late("e1", 250, LONG_AFTER), LONG_AFTER) == "period_closed"
    assert books(stack) == before


def test_each_event_of_a_batch_goes_to_its_own_period(stack: Metering) -> None:
    events = [late(f"late-{n}", 1) for n in range(50)] + [late(f"new-{n}", 1, used_at=SOON_AFTER) for n in range(49)]
    assert set(record_events(stack, CUSTOMER, "tokens", events, SOON_AFTER).values()) == {"counted"}
    balance, summary = books(stack)
    assert (balance.used, summary.used) == units(149, 950)


def test_of_two_closed_periods_each_gets_its_own(dynamodb: "DynamoDBClient", table: str) -> None:
    # Given two days with usage that have closed
    stack = metering(dynamodb, table, catalog_of(1000, cadence="day"))
    for day in range(3):
        told(
            stack, UsageEvent(f"day-{day}", Decimal(1), BEGIN + timedelta(days=day), None), BEGIN + timedelta(days=day)
        )
    now = BEGIN + timedelta(days=2, hours=1)

    # When usage of both comes at once
    late_both = [
        late("first", 10, now, BEGIN + timedelta(hours=1)),
        late("second", 20, now, BEGIN + timedelta(hours=25)),
    ]
    assert set(record_events(stack, CUSTOMER, "tokens", late_both, now).values()) == {"counted"}

    # Then each day has its own
    second, first = read_summaries(stack.table, CUSTOMER, "tokens", limit=10)
    assert (first.used, second.used) == units(11, 21)


def test_usage_from_before_a_customer_s_first_period_counts_to_it(dynamodb: "DynamoDBClient", table: str) -> None:
    stack = metering(dynamodb, table, catalog_of(1000))
    assert told(stack, late("e1", 5, BEGIN, BEGIN - timedelta(days=3)), BEGIN) == "counted"
    assert told(stack, late("e2", 5, BEGIN, BEGIN - timedelta(days=3)), BEGIN) == "counted"
    balance = read_balance(stack.table, CUSTOMER, "tokens")
    assert balance is not None
    assert balance.used == 10


def test_usage_of_a_period_in_which_nothing_was_used_counts_to_the_open_one(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given a month that left no summary, and another after it
    stack = metering(dynamodb, table, catalog_of(1000))
    stack.open(CUSTOMER, "tokens", BEGIN)
    assert told(stack, late("e1", 5), SOON_AFTER) == "counted"
    balance = read_balance(stack.table, CUSTOMER, "tokens")
    assert balance is not None
    assert balance.used == 5
    assert read_summaries(stack.table, CUSTOMER, "tokens", limit=10) == []


def test_late_and_present_usage_racing_through_a_reset_loses_nothing(dynamodb: "DynamoDBClient", table: str) -> None:
    # Given usage of both sides of a boundary, told by 16 writers on the later side, all of it twice
    stack = Metering(Table(dynamodb, table), catalog_of(100))
    told(stack, UsageEvent("first", Decimal(1), BEGIN, None), BEGIN)
    events = [late(f"late-{n}", 1) for n in range(100)] + [late(f"new-{n}", 1, used_at=CLOSED) for n in range(100)]
    batches = [events[first::40] for first in range(40)] * 2

    def tell(batch: list[UsageEvent]) -> None:
        for _ in range(50):
            try:
                assert set(record_events(stack, CUSTOMER, "tokens", batch, SOON_AFTER).values()) <= {
                    "counted",
                    "duplicate",
                }
            except StoreBusy:
                continue
            return
        raise AssertionError("never got through")

    with ThreadPoolExecutor(16) as clients:
        list(clients.map(tell, batches))

    # Then each side has its own
    balance, summary = books(stack)
    assert (balance.used, summary.used, summary.overage, balance.overage_due) == units(100, 101, 1, 1)


def test_usage_in_time_costs_what_it_did(stack: Metering, dynamodb: "DynamoDBClient") -> None:
    with metered(dynamodb) as meter:
        assert told(stack, late("e1", 1, used_at=CLOSED), SOON_AFTER) == "counted"
    assert (meter.operations, meter.units) == (["TransactWriteItems"], 4)


def test_a_balance_that_nobody_has_advanced_yet_closes_its_period_first(stack: Metering) -> None:
    may = datetime(2026, 5, 10, 13, tzinfo=UTC)
    assert told(stack, late("e1", 30, may, may - timedelta(hours=2)), may) == "counted"
    march, april = reversed(read_summaries(stack.table, CUSTOMER, "tokens", limit=10))
    assert (march.used, april.used) == units(900, 130)
