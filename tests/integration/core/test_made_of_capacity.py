"""Issue 16, point 2: that usage says what it was made of costs no request and no write unit on the path of a call."""

from datetime import timedelta
from decimal import Decimal

from pancake_meter.domain.balance.hold import HoldHandle
from pancake_meter.domain.usage.usage_event import UsageEvent
from pancake_meter.usecases.balance.hold_quota import HoldPlaced, hold_quota, settle_hold
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import record_events
from tests.integration.core import test_capacity
from tests.support.metered_dynamodb import Meter
from tests.support.meters import CUSTOMER

NOW, TTL = test_capacity.NOW, test_capacity.TTL
busy, meter = test_capacity.busy, test_capacity.meter


def event(number: int, model: str = "anthropic/claude-sonnet-4-5") -> UsageEvent:
    return test_capacity.event(number).made_of(model, "litellm")


def test_a_record_and_a_hold_after_it_cost_what_they_cost(busy: Metering, meter: Meter) -> None:
    assert record_events(busy, CUSTOMER, "tokens", [event(1)], NOW) == {event(1).id: "counted"}
    assert (meter.operations, meter.units) == (["TransactWriteItems"], 4)
    placed = hold_quota(busy, CUSTOMER, "tokens", "another", Decimal(4000), TTL, NOW)
    assert isinstance(placed, HoldPlaced)
    assert (meter.operations[1:], meter.units) == (["UpdateItem"], 5)


def test_a_settlement_costs_what_it_costs(busy: Metering, meter: Meter) -> None:
    handle = HoldHandle("tokens", Decimal(4000), "0b7c1d2e4f504a6b8c7d000000000001")
    assert settle_hold(busy, CUSTOMER, handle, event(1), NOW).was_held
    assert (meter.operations, meter.units) == (["TransactWriteItems"], 4)


def test_a_batch_of_99_of_many_models_and_days_stays_within_its_budget(busy: Metering, meter: Meter) -> None:
    # Given names as long as they get, and more of them than a write names
    events = [
        UsageEvent(f"e{n}", Decimal(3120), NOW - timedelta(days=n % 30)).made_of(f"{n % 24:064}", f"{n % 3:064}")
        for n in range(99)
    ]
    assert set(record_events(busy, CUSTOMER, "tokens", events, NOW).values()) == {"counted"}
    assert meter.operations == ["TransactWriteItems"]
    assert meter.units / 99 <= 2.1
    # And a hold after it pays once for what it takes away, and not again
    for hold_id in ("first", "second"):
        meter.units = 0
        assert isinstance(hold_quota(busy, CUSTOMER, "tokens", hold_id, Decimal(4000), TTL, NOW), HoldPlaced)
    assert meter.units <= 2
