"""Issue 11, points 13 and 19: a balance can always be counted on, advanced and settled, however much it carries."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from pancake_meter.domain.balance.adjust import drop_expired_holds
from pancake_meter.domain.balance.advance import advance
from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.hold import MAX_HOLDS, Hold, HoldHandle
from pancake_meter.domain.balance.ledger import EventCause
from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.store.balance.balances import charts_put_away, read_balance, write_change
from pancake_meter.usecases.balance.hold_quota import (
    HoldPlaced,
    HoldSettled,
    hold_quota,
    release_hold,
    settle_hold,
)
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.balance.sweep_due import sweep_due
from tests.support.meters import CUSTOMER, NOW, catalog_of, metering

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TTL = timedelta(minutes=5)
DAY = timedelta(days=1)
NEXT_MONTH = NOW + 40 * DAY


@pytest.fixture
def stack(dynamodb: "DynamoDBClient", table: str) -> Metering:
    return metering(dynamodb, table, catalog_of(1_000_000))


def told(stack: Metering, days: range, quantity: int = 1) -> set[str]:
    """Usage of past days, in one batch; the results."""
    events = [usage_event(f"d{quantity}-{day}", Decimal(quantity), NOW - day * DAY, NOW) for day in days]
    return set(record_events(stack, CUSTOMER, "tokens", events, NOW).values())


def read(stack: Metering) -> Balance:
    balance = read_balance(stack.table, CUSTOMER, "tokens")
    assert balance is not None
    return balance


def hold(stack: Metering, hold_id: str, quantity: int = 1) -> HoldHandle:
    placed = hold_quota(stack, CUSTOMER, "tokens", hold_id, Decimal(quantity), TTL, NOW)
    assert isinstance(placed, HoldPlaced)
    return placed.handle


def full(stack: Metering) -> None:
    """A chart of 90 days, and as many holds as a balance has, with ids as long as they may be."""
    told(stack, range(90))
    for number in range(MAX_HOLDS):
        hold(stack, f"{number}".rjust(64, "x"))


def test_point_13_a_batch_of_one_event_a_day_for_89_days_is_counted(stack: Metering) -> None:
    assert told(stack, range(1, 90)) == {"counted"}
    assert told(stack, range(1, 90)) == {"duplicate"}
    balance = read(stack)
    assert (balance.used, len(balance.days)) == (Decimal(89), 89)


def test_point_13_a_balance_with_a_full_chart_and_a_hundred_abandoned_holds_is_advanced(stack: Metering) -> None:
    full(stack)
    assert stack.keep_current(read(stack), NEXT_MONTH)
    balance = read(stack)
    assert (balance.used, balance.held, dict(balance.days)) == (Decimal(0), Decimal(0), {})
    assert sum(chart.used for chart in charts_put_away(stack.table, CUSTOMER, "tokens", page=10)) == 90


def test_point_13_a_hundred_abandoned_holds_make_room_for_the_next(stack: Metering) -> None:
    full(stack)
    placed = hold_quota(stack, CUSTOMER, "tokens", "next", Decimal(1), TTL, NOW + TTL)
    assert isinstance(placed, HoldPlaced)
    assert list(placed.balance.holds) == ["next"]


@pytest.mark.parametrize("days_ago", [0, 1, 2, 3, 40])
def test_point_13_usage_told_while_a_chart_is_taken_away_is_not_lost(stack: Metering, days_ago: int) -> None:
    # Given a balance as a structure change has read it, and usage that is told in between
    told(stack, range(60))
    stale = read(stack)
    told(stack, range(days_ago, days_ago + 1), quantity=100)

    # When the change is written that takes the chart away, and again if it was refused
    late = stale.period.end
    change = advance(stale, late, stack.fallback("tokens"))
    if write_change(stack.table, change, "reset", None, NOW) is None:
        change = advance(read(stack), late, stack.fallback("tokens"))
        assert write_change(stack.table, change, "reset", None, NOW) is not None

    # Then each unit is on one chart
    charted = sum(chart.used for chart in charts_put_away(stack.table, CUSTOMER, "tokens", page=10))
    assert charted + sum(read(stack).days.values()) == 160
    assert sum(read(stack).days.values()) == read(stack).used


def test_point_19_a_sweep_drops_no_hold_that_was_released_and_placed_again(stack: Metering) -> None:
    # Given a sweep that has read an expired hold, which is then released and placed again under its id
    handle = hold(stack, "h1", 70)
    stale, later = read(stack), NOW + TTL
    release_hold(stack, CUSTOMER, handle)
    assert isinstance(hold_quota(stack, CUSTOMER, "tokens", "h1", Decimal(70), TTL, later), HoldPlaced)

    # When the sweep writes
    assert (
        write_change(stack.table, drop_expired_holds(Change.begin(stale), later), EventCause("swept"), None, later)
        is None
    )

    # Then the hold that is live stays
    assert read(stack).holds == {"h1": Hold(Decimal(70), later + TTL)}


@pytest.mark.parametrize("again_after", [timedelta(0), TTL, 40 * DAY])
@pytest.mark.parametrize("end", ["settled in time", "expired", "released", "told by a callback first"])
def test_point_19_a_repeated_settlement_gives_the_first_answer(
    stack: Metering, end: str, again_after: timedelta
) -> None:
    # Given
    handle = hold(stack, "h1", 70)
    now = NOW
    if end == "expired":
        now = NOW + TTL
        stack.keep_current(read(stack), now)
    elif end == "released":
        release_hold(stack, CUSTOMER, handle)
    elif end != "settled in time":
        record_events(stack, CUSTOMER, "tokens", [usage_event("h1", Decimal(50), None, now)], now)

    def settle(at: timedelta) -> HoldSettled:
        return settle_hold(stack, CUSTOMER, handle, usage_event("h1", Decimal(50), None, now + at), now + at)

    # When
    first, again = settle(timedelta(0)), settle(again_after)

    # Then
    assert (again.was_held, again.quantity, again.handle) == (first.was_held, first.quantity, first.handle)
    assert first.was_held == (end not in ("expired", "released"))


def test_point_13_the_sweep_goes_on_past_any_failure_and_reports_it(
    stack: Metering, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given three balances that are due, one of which fails in a way that nobody foresaw
    for customer in ("a", "b", "c"):
        record_events(stack, customer, "tokens", [usage_event("e", Decimal(1), None, NOW)], NOW)
    keep_current = Metering.keep_current

    def failing(self: Metering, balance: Balance, now: object) -> bool:
        if balance.customer_id == "b":
            raise ValueError("a bug")
        return keep_current(self, balance, now)  # type: ignore[arg-type]

    monkeypatch.setattr(Metering, "keep_current", failing)
    failures = []

    # When
    swept = sweep_due(
        stack, NEXT_MONTH, may_go_on=lambda: True, on_failure=lambda *failure: failures.append(failure[:2])
    )

    # Then
    assert (swept.advanced, swept.failed, swept.is_complete) == (2, 1, True)
    assert failures == [("b", "tokens")]
