"""Settling measured usage: counted once and its hold ended, whatever order things come in."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from pancake_meter.domain.balance.hold import CustomerHold, HoldHandle
from pancake_meter.domain.usage.usage_event import dated_usage_event
from pancake_meter.store.balance.balances import charts_put_away
from pancake_meter.usecases.balance.event_result import EventResult
from pancake_meter.usecases.balance.hold_quota import HoldPlaced, HoldRefused, hold_quota, settle_with_event
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import UsageLine, record_batch
from tests.support.meters import CUSTOMER, NOW, catalog_of, metering

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TTL = timedelta(minutes=5)


@pytest.fixture
def stack(dynamodb: "DynamoDBClient", table: str) -> Metering:
    return metering(dynamodb, table, catalog_of(1000))


def placed(stack: Metering, quantity: int, hold_id: str = "call-1", now: datetime = NOW) -> CustomerHold:
    answer = hold_quota(stack, CUSTOMER, "tokens", hold_id, Decimal(quantity), TTL, now)
    assert isinstance(answer, HoldPlaced)
    return CustomerHold(CUSTOMER, answer.handle)


def line(quantity: int, used_at: datetime = NOW, now: datetime | None = None, call_id: str = "call-1") -> UsageLine:
    return UsageLine(CUSTOMER, "tokens", dated_usage_event(call_id, Decimal(quantity), used_at, now or used_at))


def settle_line(stack: Metering, line: UsageLine, hold: CustomerHold, now: datetime) -> tuple[EventResult, bool]:
    """The result, and whether that ended the hold."""
    settled = settle_with_event(stack, hold.customer_id, hold.handle, line.event, now, of_any_time=False)
    return settled.result, settled.was_held


def figures(stack: Metering, now: datetime = NOW) -> list[int]:
    balance = stack.current_balance(CUSTOMER, "tokens", now)
    return [int(balance.used), int(balance.held), int(balance.available)]


@pytest.mark.parametrize("used", [0, 60, 100, 1300])
def test_promise_3_a_hold_is_settled_with_what_was_measured_once(stack: Metering, used: int) -> None:
    hold = placed(stack, 100)
    assert settle_line(stack, line(used), hold, NOW) == ("counted", True)
    assert settle_line(stack, line(used), hold, NOW) == ("duplicate", False)
    assert figures(stack) == [used, 0, max(0, 1000 - used)]


def test_the_id_alone_finds_the_hold(stack: Metering) -> None:
    placed(stack, 100)
    by_id = CustomerHold(CUSTOMER, HoldHandle.named("call-1", "tokens"))
    assert settle_line(stack, line(60), by_id, NOW) == ("counted", True)
    assert figures(stack) == [60, 0, 940]


def test_promise_1_another_telling_of_the_call_counts_once_whichever_comes_first(stack: Metering) -> None:
    # Given a stock callback that was faster than the logger
    hold = placed(stack, 100)
    assert record_batch(stack, [line(60)], NOW) == ["counted"]
    assert settle_line(stack, line(60), hold, NOW) == ("duplicate", True)
    assert figures(stack) == [60, 0, 940]

    # And one that was slower
    hold = placed(stack, 100, "call-2")
    assert settle_line(stack, line(7, call_id="call-2"), hold, NOW) == ("counted", True)
    assert record_batch(stack, [line(7, call_id="call-2")], NOW) == ["duplicate"]
    assert figures(stack) == [67, 0, 933]


def test_usage_counts_whatever_has_become_of_the_hold(stack: Metering) -> None:
    # Given a hold that has expired, and whose units another call has taken since
    hold = placed(stack, 100)
    later = NOW + TTL
    placed(stack, 1000, "call-0", later)
    assert settle_line(stack, line(60, later), hold, later) == ("counted", False)
    assert figures(stack, later) == [60, 1000, 0]

    # And one that never was, of a customer who was never seen
    never = CustomerHold("acct_new", HoldHandle("tokens", Decimal(50), "call-2"))
    stranger = UsageLine("acct_new", "tokens", line(9, call_id="call-2").event)
    assert settle_line(stack, stranger, never, NOW) == ("counted", False)
    assert stack.current_balance("acct_new", "tokens", NOW).used == 9


def test_the_same_id_with_another_quantity_is_a_conflict_and_leaves_the_hold_to_expire(stack: Metering) -> None:
    record_batch(stack, [line(60)], NOW)
    hold = placed(stack, 100)
    assert settle_line(stack, line(61), hold, NOW) == ("conflict", False)
    assert figures(stack) == [60, 100, 840]


def test_a_call_that_ended_before_a_reset_counts_to_the_period_it_ended_in(stack: Metering) -> None:
    # Given a call that ended a second before the period did, and is told of a second after
    record_batch(stack, [line(10, call_id="call-0")], NOW)
    period_end = stack.current_balance(CUSTOMER, "tokens", NOW).period.end
    ended_at, told_at = period_end - timedelta(seconds=1), period_end + timedelta(seconds=1)
    hold = placed(stack, 100, now=ended_at)

    # Then its period has it, as if nothing had been held, and nothing is
    assert settle_line(stack, line(60, ended_at, told_at), hold, told_at) == ("counted", True)
    assert figures(stack, told_at) == [0, 0, 1000]
    (chart,) = charts_put_away(stack.table, CUSTOMER, "tokens", page=25)
    assert chart.used == Decimal(70)


def test_promise_2_concurrent_holds_settled_with_less_than_they_held_never_promise_more_than_there_is(
    stack: Metering,
) -> None:
    # Given twenty calls of 75 on 500 units
    stack = metering(stack.table._client, stack.table._name, catalog_of(500))

    def call(number: int) -> int:
        call_id = f"call-{number}"
        answer = hold_quota(stack, CUSTOMER, "tokens", call_id, Decimal(75), TTL, NOW)
        if isinstance(answer, HoldRefused):
            return 0
        told = line(75, call_id=call_id)
        with ThreadPoolExecutor(2) as tellers:
            settled = tellers.submit(settle_line, stack, told, CustomerHold(CUSTOMER, answer.handle), NOW)
            recorded = tellers.submit(record_batch, stack, [told], NOW)
        assert {settled.result()[0], *recorded.result()} == {"counted", "duplicate"}
        return 75

    with ThreadPoolExecutor(8) as pool:
        used = sum(pool.map(call, range(20)))

    # Then six fit, however often each of them was told, and nothing is left held
    assert used == 450
    assert figures(stack) == [450, 0, 50]
