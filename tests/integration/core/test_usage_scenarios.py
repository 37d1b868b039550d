"""Quota, holds and usage by scenario number, where no other test is about it alone."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from pancake_meter.domain.balance.advance import start_term
from pancake_meter.domain.balance.balance import Policy, Term
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.hold import HoldHandle
from pancake_meter.domain.balance.ledger import EventCause
from pancake_meter.domain.errors import EventTimeOutOfRange, PeriodClosed
from pancake_meter.domain.usage.usage_event import RETENTION, usage_event
from pancake_meter.store.balance.balances import read_balance, write_change
from pancake_meter.usecases.balance.event_result import EventResult
from pancake_meter.usecases.balance.hold_quota import HoldPlaced, HoldRefused, hold_quota, release_hold, settle_hold
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import record_events
from tests.support.meters import CUSTOMER, NOW, catalog_of, metering

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient

TTL = timedelta(minutes=5)
MILLISECOND = timedelta(milliseconds=1)


@pytest.fixture
def stack(dynamodb: "DynamoDBClient", table: str) -> Metering:
    return metering(dynamodb, table, catalog_of(1000))


def told(stack: Metering, event_id: str, quantity: int, now: "datetime") -> EventResult:
    event = usage_event(event_id, Decimal(quantity), None, now)
    return record_events(stack, CUSTOMER, "tokens", [event], now)[event_id]


def placed(stack: Metering, quantity: int, now: "datetime" = NOW, hold_id: str = "h1") -> HoldHandle:
    answer = hold_quota(stack, CUSTOMER, "tokens", hold_id, Decimal(quantity), TTL, now)
    assert isinstance(answer, HoldPlaced)
    return answer.handle


def settled(stack: Metering, handle: HoldHandle, quantity: int, now: "datetime" = NOW) -> bool:
    event = usage_event(handle.id, Decimal(quantity), None, now)
    return settle_hold(stack, CUSTOMER, handle, event, now).was_held


def figures(stack: Metering, now: "datetime" = NOW) -> list[int]:
    balance = stack.current_balance(CUSTOMER, "tokens", now)
    return [int(balance.used), int(balance.held), int(balance.available)]


def test_scenario_43_one_id_told_again_after_a_timeout_counts_once(stack: Metering) -> None:
    assert [told(stack, "e1", 7, NOW) for _ in range(3)] == ["counted", "duplicate", "duplicate"]
    assert figures(stack)[0] == 7


@pytest.mark.parametrize(
    "later", [timedelta(minutes=11), timedelta(days=20), RETENTION - timedelta(seconds=1)], ids=str
)
def test_scenario_46_a_repeat_counts_once_for_ninety_days(stack: Metering, later: timedelta) -> None:
    told(stack, "e1", 7, NOW)
    assert told(stack, "e1", 7, NOW + later) == "duplicate"


def test_scenario_46_beyond_the_window_a_dated_event_is_refused_and_not_counted_again() -> None:
    with pytest.raises(EventTimeOutOfRange):
        usage_event("e1", Decimal(7), NOW, NOW + RETENTION)


def test_scenario_47_an_expired_hold_that_nobody_has_deleted_holds_nothing(stack: Metering) -> None:
    # Given everything held, and the hold's end passed with no sweep
    placed(stack, 1000)
    assert isinstance(
        hold_quota(stack, CUSTOMER, "tokens", "h2", Decimal(1), TTL, NOW + TTL - MILLISECOND), HoldRefused
    )
    written = read_balance(stack.table, CUSTOMER, "tokens")
    assert written is not None
    assert "h1" in written.holds

    # Then the units are free to read, and free to take
    assert figures(stack, NOW + TTL) == [0, 0, 1000]
    placed(stack, 1000, NOW + TTL, "h2")
    assert figures(stack, NOW + TTL) == [0, 1000, 0]


def test_scenario_48_used_beyond_what_was_held_is_counted_whole_and_once(stack: Metering) -> None:
    handle = placed(stack, 100)
    assert settled(stack, handle, 1300)
    settled(stack, handle, 1300)
    balance = stack.current_balance(CUSTOMER, "tokens", NOW)
    assert (balance.used, balance.held, balance.current_overage) == (Decimal(1300), Decimal(0), Decimal(300))


def test_a_hold_whose_usage_something_else_told_first_is_over_when_it_is_settled(stack: Metering) -> None:
    # Given a hold, and a callback that told of the same usage under the same id
    handle = placed(stack, 100)
    assert told(stack, handle.id, 60, NOW) == "counted"
    assert figures(stack) == [60, 100, 840]

    # Then settling counts nothing again, and holds nothing any more
    settled(stack, handle, 60)
    assert figures(stack) == [60, 0, 940]


def test_a_settlement_that_is_too_late_for_its_period_is_not_answered_as_counted(stack: Metering) -> None:
    # Given usage in a period that closed longer ago than its grace, and a hold that is long gone
    handle = placed(stack, 100)
    told(stack, "e1", 10, NOW)
    later = NOW + timedelta(days=40)
    event = usage_event(handle.id, Decimal(60), NOW, later)
    told(stack, "e2", 1, later)

    # Then it is refused, and not answered as if it had counted
    with pytest.raises(PeriodClosed):
        settle_hold(stack, CUSTOMER, handle, event, later)
    assert figures(stack, later)[0] == 1


def test_scenario_53_a_hold_over_a_plan_change_is_charged_to_the_plan_it_is_settled_under(stack: Metering) -> None:
    # Given a hold under one plan, and another plan that began since
    told(stack, "e1", 200, NOW)
    handle = placed(stack, 300)
    later = NOW + timedelta(minutes=1)
    before = read_balance(stack.table, CUSTOMER, "tokens")
    assert before is not None
    bigger = Policy.of(catalog_of(5000).plans["free"], "tokens")
    change = start_term(Change.begin(before), bigger, Term("order-2", later), later)
    write_change(stack.table, change, EventCause("plan_changed"), None, later)
    assert figures(stack, later) == [0, 300, 4700]

    # Then what was really used is the new plan's, and the hold's rest goes back to it
    assert settled(stack, handle, 120, later)
    assert figures(stack, later) == [120, 0, 4880]


def test_scenario_54_a_failed_call_gives_back_what_was_held_and_no_more(stack: Metering) -> None:
    told(stack, "e1", 400, NOW)
    handle = placed(stack, 100)
    released = [release_hold(stack, CUSTOMER, handle).was_held for _ in range(3)]
    assert released == [True, False, False]
    assert figures(stack) == [400, 0, 600]

    # And a client that reports a failure after its work was counted gets nothing back
    served = placed(stack, 100, hold_id="h2")
    settled(stack, served, 80)
    assert not release_hold(stack, CUSTOMER, served).was_held
    assert figures(stack) == [480, 0, 520]
