"""Parked deliveries of one order are all tried again, however many there are, and every flag they raise is counted once."""

from typing import Any

import pytest
from aws_lambda_powertools import Metrics

import webhook_intake
from pancake_meter.store.errors import StoreUnavailable
from pancake_meter.store.webhooks.deliveries import count_deliveries, read_delivery
from pancake_meter.usecases.webhooks.judge import PARKED_PER_ORDER_MAX, Outcome
from tests.support.waffo_world import WaffoWorld
from tests.support.webhook_world import Document, event, lifecycle, payment

ORDER = "ORD_A"
PERIOD = ("2026-03-10", "2026-03-10", "2026-04-10")
MANY, FEW = 120, 5


def receipt(number: int, **data: Any) -> Document:
    """A charge of an order of which nobody knows yet whose it is."""
    return payment(ORDER, f"PAY_{number}", "2026-03-10", number=number, merchantProvidedBuyerIdentity=None, **data)


def parked(world: WaffoWorld) -> int:
    return count_deliveries(world.table, "parked", limit=1000)


def test_scenario_39_120_parked_deliveries_of_one_order_are_all_applied(world: WaffoWorld) -> None:
    # Given
    for number in range(1, MANY + 1):
        world.stack.take(receipt(number))
    assert parked(world) == MANY
    # When an event tells whose the order is, some are applied at once, in an invocation that is bounded
    outcome = world.stack.take(lifecycle("activated", ORDER, *PERIOD))
    assert (outcome.unparked, parked(world)) == (PARKED_PER_ORDER_MAX, MANY - PARKED_PER_ORDER_MAX)
    # Then the schedule applies the others
    world.reconcile()
    assert parked(world) == 0


def test_those_that_stay_parked_do_not_hide_the_others(world: WaffoWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given more than one delivery tries again, all of which stay parked, and then one that waits for its order's owner
    monkeypatch.setattr("pancake_meter.usecases.webhooks.judge.PARKED_PER_ORDER_MAX", FEW)
    for number in range(FEW):
        world.stack.take(event("subscription.renewed", ORDER, f"2026-03-09T10:00:{number:02d}"))
    digest = world.stack.take(receipt(1)).digest
    # When
    world.stack.take(lifecycle("activated", ORDER, *PERIOD))
    world.reconcile()
    # Then
    kept = read_delivery(world.table, digest)
    assert kept is not None
    assert (kept.verdict, parked(world)) == ("applied", FEW)


def test_trouble_while_others_are_tried_again_hides_no_flag(world: WaffoWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a store that fails as soon as the delivery itself is applied
    world.stack.take(receipt(1))

    def fails(*_: object) -> None:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as patched:
        patched.setattr("pancake_meter.usecases.webhooks.judge.each_of_order", fails)
        assert world.stack.take(lifecycle("activated", ORDER, *PERIOD)).verdict == "applied"
    # When
    world.reconcile()
    # Then
    assert parked(world) == 0


def test_flags_of_unparked_deliveries_are_counted_by_whoever_applies_them() -> None:
    Metrics().clear_metrics()
    told = Outcome("applied", "paid_twice", "digest", "order.completed", "ORD_1", unparked_flags=("bought_twice",) * 2)
    quiet = Outcome("ignored", "no_news", "digest", "order.completed", "ORD_1", unparked_flags=("amount_differs",))
    for outcome in (told, quiet):
        webhook_intake._taken(outcome)
    assert Metrics().metric_set["PaymentFlagged"]["Value"] == [3.0, 1.0]
    Metrics().clear_metrics()
