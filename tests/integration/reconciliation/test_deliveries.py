"""Deliveries that Waffo gave up on are applied from their payload: once, through the same code as webhooks."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from pancake_meter.store.balance.balances import read_ledger
from pancake_meter.store.webhooks.deliveries import deliveries_by_verdict, read_delivery
from tests.support.waffo_world import WaffoWorld


def forge(world: WaffoWorld, index: int, **envelope: str) -> None:
    """Change the envelope of a delivery that Waffo keeps."""
    key = list(world.waffo.state.deliveries)[index]
    kept = world.waffo.state.deliveries[key]
    body = {**json.loads(kept.content), **envelope}
    world.waffo.state.deliveries[key] = replace(kept, content=json.dumps(body).encode())


def test_scenario_23_every_attempt_of_a_renewal_fails_and_it_is_healed_from_its_payload(world: WaffoWorld) -> None:
    # Given a subscriber with little left, whose renewal never reaches us
    order = world.subscribe("acct_1")
    world.use("acct_1", 90_000)
    world.deliverer.lost = True
    world.at(order.period_end + timedelta(hours=1))
    assert world.available("acct_1") == 10_000
    # When
    report = world.reconcile()
    # Then: renewal and receipt are applied
    assert (report.healed, report.failed, report.left) == (2, 0, [])
    assert world.available("acct_1") == 100_000
    (entry, *_) = read_ledger(world.table, "acct_1", "tokens", limit=1)
    assert (entry.cause, entry.reference) == ("reconciliation:subscription.renewed", order.id)
    kept = deliveries_by_verdict(world.table, "applied", limit=10).deliveries
    told_by = {each.event_type: read_delivery(world.table, each.digest).told_by for each in kept}  # type: ignore[union-attr]
    assert told_by["subscription.activated"] == "webhook"
    assert told_by["subscription.renewed"] == "reconciliation"


def test_a_second_run_finds_nothing_and_writes_nothing_of_a_customer(world: WaffoWorld) -> None:
    order = world.subscribe("acct_1")
    world.deliverer.lost = True
    world.at(order.period_end)
    world.reconcile()
    before = world.stack.metering.current_balance("acct_1", "tokens", world.now)
    again = world.reconcile()
    assert (again.healed, again.passes["deliveries"].unchanged) == (0, 2)
    assert world.stack.metering.current_balance("acct_1", "tokens", world.now) == before


def test_the_webhook_that_comes_after_all_changes_nothing(world: WaffoWorld) -> None:
    order = world.subscribe("acct_1")
    world.deliverer.lost = True
    world.at(order.period_end)
    world.reconcile()
    world.use("acct_1", 7)
    # When somebody presses "resend" at Waffo
    world.deliverer.lost = False
    for delivery in list(world.waffo.state.deliveries.values()):
        if delivery.status == "failed":
            world.deliverer.resend(delivery)
    # Then
    assert {outcome.verdict for outcome in world.outcomes[-2:]} == {"duplicate"}
    assert world.available("acct_1") == 99_993


def test_a_lost_refund_takes_back_once(world: WaffoWorld) -> None:
    opened = world.top_up("acct_1")
    order = world.pay(opened, "acct_1")
    assert world.available("acct_1") == 110_000
    world.deliverer.lost = True
    world.refund(order, "2.00")
    # When
    world.reconcile()
    world.reconcile()
    # Then: half of the 4.00 went back, and half of the units
    assert world.available("acct_1") == 60_000


def test_a_lost_checkout_payment_is_credited(world: WaffoWorld) -> None:
    opened = world.top_up("acct_1")
    world.deliverer.lost = True
    world.pay(opened, "acct_1")
    world.reconcile()
    assert world.available("acct_1") == 110_000


@pytest.mark.parametrize("foreign", [{"mode": "prod"}, {"storeId": "STO_0000000000000000000000"}])
def test_deliveries_of_another_mode_or_store_change_nothing(world: WaffoWorld, foreign: dict[str, str]) -> None:
    # Given lost events, none of which is this stack's
    world.deliverer.lost = True
    world.subscribe("acct_1")
    world.waffo.state.orders.clear()
    for index in range(len(world.waffo.state.deliveries)):
        forge(world, index, **foreign)
    # When
    report = world.reconcile()
    # Then
    assert (report.healed, report.failed, report.passes["deliveries"].refused) == (0, 0, 2)
    assert world.plan("acct_1") == "free"


def test_scenario_96_a_payload_that_is_no_event_is_kept_once_and_leaves_the_others(world: WaffoWorld) -> None:
    world.deliverer.lost = True
    world.subscribe("acct_1")
    key = next(iter(world.waffo.state.deliveries))
    world.waffo.state.deliveries[key] = replace(world.waffo.state.deliveries[key], content=b"not json")
    # When
    first, again = world.reconcile(), world.reconcile()
    # Then: it is told once, and listed until somebody has dealt with it
    assert (first.passes["deliveries"].failed, again.failed) == (1, 0)
    assert world.plan("acct_1") == "starter"
    (failed,) = deliveries_by_verdict(world.table, "failed", limit=10).deliveries
    kept = read_delivery(world.table, failed.digest)
    assert kept is not None
    assert (kept.body, kept.reason, kept.told_by) == (b"not json", "malformed_event", "reconciliation")


def test_what_cannot_be_resolved_is_parked_and_visible_once(world: WaffoWorld) -> None:
    world.deliverer.lost = True
    world.subscribe(None)
    first, second = world.reconcile(), world.reconcile()
    assert first.parked > 0
    assert second.parked == 0
    parked = deliveries_by_verdict(world.table, "parked", limit=10).deliveries
    assert {delivery.reason for delivery in parked} == {"customer_unknown"}
