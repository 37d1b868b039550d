"""Issue 11, point 8: a trial in each form that Waffo's could have, with and without its webhooks.

Here it grants in full, as where the catalog says nothing of trials.
"""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from local.waffo_simulator.model import Delivery, SubscriptionOrder, Trial
from local.waffo_simulator.money import taxed
from pancake_meter.store.webhooks.deliveries import deliveries_by_verdict
from tests.support.waffo_world import WaffoWorld

HOUR = timedelta(hours=1)
FORMS = [
    (number, status, conversion)
    for number in (0, 1)
    for status in ("trialing", "active")
    for conversion in ("renewed", "charge")
]


@pytest.fixture(autouse=True)
def _deliveries_are_gone(world: WaffoWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is lost is not kept either: GraphQL has orders only."""

    def send(delivery: Delivery) -> None:
        if world.deliverer.lost:
            del world.waffo.state.deliveries[delivery.id]
        else:
            world.arrive(delivery)

    monkeypatch.setattr(world.deliverer, "send", send)


def begin(world: WaffoWorld, number: int, status: str, conversion: str) -> SubscriptionOrder:
    """Two weeks of Starter, for nothing."""
    settings = replace(
        world.waffo.state.settings, trial_number=number, trial_status=status, trial_conversion=conversion
    )
    world.waffo.state.settings = settings
    trial = Trial(days=14, price=taxed(Decimal(0), "USD", settings.tax))
    return world.subscribe("acct_1", trial=trial)


@pytest.mark.parametrize("is_lost", [False, True])
@pytest.mark.parametrize(("number", "status", "conversion"), FORMS)
def test_scenario_95_a_trial_grants_once_and_becomes_one_paid_period(
    world: WaffoWorld, number: int, status: str, conversion: str, is_lost: bool
) -> None:
    # Given
    world.deliverer.lost = is_lost
    order = begin(world, number, status, conversion)
    world.reconcile()
    world.use("acct_1", 30_000)
    # When more is heard of the same trial
    world.reconcile()
    # Then it grants nothing more
    assert (world.plan("acct_1"), world.available("acct_1")) == ("starter", 70_000)
    # When the trial has ended, and was paid
    world.at(order.period_end + HOUR)
    world.reconcile()
    # Then the paid period begins afresh, once
    assert (world.plan("acct_1"), world.available("acct_1")) == ("starter", 100_000)
    world.use("acct_1", 20_000)
    assert world.reconcile().healed == 0
    assert world.available("acct_1") == 80_000
    assert not deliveries_by_verdict(world.table, "parked", limit=10).deliveries
    # And is renewed like any other
    world.deliverer.lost = False
    world.at(order.period_end + HOUR)
    assert world.available("acct_1") == 100_000


@pytest.mark.parametrize("is_lost", [False, True])
@pytest.mark.parametrize("status", ["trialing", "active"])
def test_a_cancelled_trial_stays_until_its_end_and_is_never_paid(world: WaffoWorld, status: str, is_lost: bool) -> None:
    # Given
    order = begin(world, 1, status, "renewed")
    ends = order.period_end
    world.use("acct_1", 30_000)
    # When GraphQL no longer calls it a trial
    world.deliverer.lost = is_lost
    world.at(world.now + timedelta(days=3))
    world.waffo.subscriptions.cancel(order, world.now)
    world.reconcile()
    # Then
    world.at(ends - HOUR)
    world.reconcile()
    assert (world.plan("acct_1"), world.available("acct_1")) == ("starter", 70_000)
    # When it ends
    world.at(ends + HOUR)
    world.reconcile()
    # Then
    assert (world.plan("acct_1"), world.available("acct_1")) == ("free", 10_000)


def test_a_trial_that_webhooks_told_is_healed_of_nothing(world: WaffoWorld) -> None:
    begin(world, 0, "trialing", "renewed")
    assert world.reconcile().healed == 0


def test_a_trial_whose_conversion_is_declined_is_overdue_and_recovers(world: WaffoWorld) -> None:
    # Given
    order = begin(world, 0, "trialing", "charge")
    world.use("acct_1", 30_000)
    ends = order.period_end
    world.at(ends - HOUR)
    # When
    world.waffo.subscriptions.fail_renewal(order, ends)
    world.now = ends
    world.waffo.clock.set(ends, stopped=True)
    world.reconcile()
    # Then nothing new is granted before it is paid
    assert world.available("acct_1") == 70_000
    world.waffo.subscriptions.recover(order, ends + HOUR)
    world.at(ends + 2 * HOUR)
    world.reconcile()
    assert world.available("acct_1") == 100_000
