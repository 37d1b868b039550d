"""Orders bought twice are flagged by whoever tells us, once, and for as long as both stand (scenarios 36, 37, 89)."""

from datetime import timedelta
from decimal import Decimal

import pytest

from local.waffo_simulator.model import SubscriptionOrder
from pancake_meter.domain.standing.bought_twice import bought_twice
from pancake_meter.store.keys import subscription_key
from pancake_meter.store.standing.subscriptions import read_subscription
from tests.support.waffo_world import WaffoWorld

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def in_two_tabs(world: WaffoWorld) -> tuple[SubscriptionOrder, SubscriptionOrder]:
    first = world.subscribe("acct_1")
    world.at(world.now + MINUTE)
    return first, world.subscribe("acct_1", "Pro")


def flags(world: WaffoWorld) -> list[str]:
    return [outcome.reason for outcome in world.outcomes if outcome.verdict == "applied" and outcome.reason]


def shown(world: WaffoWorld) -> list[str]:
    """The orders that the customer's item shows as bought twice."""
    item = world.table.get(subscription_key("acct_1")) or {}
    return sorted(item.get("bought_twice", ()))


@pytest.mark.parametrize("lost", [False, True])
def test_scenario_36_two_orders_that_stand_an_hour_are_flagged_once(world: WaffoWorld, lost: bool) -> None:
    # Given the same thing bought in two tabs, told by webhooks or found by reconciliation
    world.deliverer.lost = lost
    pair = sorted(order.id for order in in_two_tabs(world))
    # When: within the hour, it may be a plan change under way
    assert (world.reconcile().flagged, flags(world)) == (0, [])
    # And: after it, by the schedule
    world.at(world.now + HOUR + MINUTE)
    runs = [world.reconcile() for _ in range(2)]
    # Then: the alarm rings once; the report and the item show it for as long as it lasts
    assert [run.flagged for run in runs] == [1, 0]
    assert [
        (found.customer_id, sorted(found.order_ids), found.is_new) for run in runs for found in run.bought_twice
    ] == [
        ("acct_1", pair, True),
        ("acct_1", pair, False),
    ]
    assert shown(world) == pair
    assert world.available("acct_1") == 1_000_000


def test_scenario_36_two_orders_that_both_renew_are_flagged_by_the_webhook(world: WaffoWorld) -> None:
    pair = sorted(order.id for order in in_two_tabs(world))
    # When
    world.at(world.now + 32 * DAY)
    # Then
    assert flags(world) == ["bought_twice"]
    assert shown(world) == pair
    assert world.reconcile().flagged == 0


def test_the_flag_is_gone_when_one_of_the_orders_ends(world: WaffoWorld) -> None:
    first, _ = in_two_tabs(world)
    world.at(world.now + HOUR + MINUTE)
    assert world.reconcile().flagged == 1
    # When
    world.waffo.subscriptions.cancel(first, world.now, immediately=True)
    # Then
    assert shown(world) == []
    assert world.reconcile().bought_twice == ()


@pytest.mark.parametrize("plan_change", ["new_order", "same_order"])
def test_promise_12_a_plan_change_of_one_of_two_orders_hides_the_other_neither_now_nor_later(
    world: WaffoWorld, plan_change: str
) -> None:
    # Given an order beside the one whose plan is changed, not by a checkout of ours
    world.waffo.state.settings.plan_change = plan_change
    kept = world.subscribe("acct_1")
    world.at(world.now + MINUTE)
    changed = world.subscribe("acct_1")
    world.at(world.now + HOUR + MINUTE)
    assert world.reconcile().flagged == 1
    after = world.waffo.subscriptions.change_now(changed, world.purchase("acct_1", "Pro"), world.now, Decimal("20.00"))
    # When it is looked at after the hour that a change may take, and after both have renewed
    for wait in (2 * HOUR, 32 * DAY):
        world.at(world.now + wait)
        (found,) = world.reconcile().bought_twice
        # Then both are shown as bought twice
        assert sorted(found.order_ids) == shown(world) == sorted((kept.id, after.id))
    # And when the changed one ends, the other gives what it is paid for
    world.waffo.subscriptions.cancel(after, world.now, immediately=True)
    assert (world.plan("acct_1"), shown(world)) == ("starter", [])


@pytest.mark.parametrize("timing", ["immediate", "next_period"])
@pytest.mark.parametrize("plan_change", ["new_order", "same_order"])
@pytest.mark.parametrize("lost", [(), ("subscription.canceled",), ("subscription.plan_changed",)])
def test_a_plan_change_is_never_flagged(
    world: WaffoWorld, monkeypatch: pytest.MonkeyPatch, timing: str, plan_change: str, lost: tuple[str, ...]
) -> None:
    # Given a change by a new order or within the one, of which a webhook may be lost
    world.waffo.state.settings.plan_change = plan_change
    order = world.subscribe("acct_1")
    arrive = world.arrive
    monkeypatch.setattr(world, "arrive", lambda delivery: None if delivery.event_type in lost else arrive(delivery))
    purchase = world.purchase("acct_1", "Pro")
    # When
    world.at(world.now + DAY)
    if timing == "immediate":
        world.waffo.subscriptions.change_now(order, purchase, world.now, purchase.price.total)
    else:
        world.waffo.subscriptions.schedule_change(order, purchase, world.now)
    world.at(world.now + 40 * DAY)
    # Then
    assert (world.reconcile().flagged, world.reconcile().flagged, flags(world), shown(world)) == (0, 0, [], [])
    assert world.plan("acct_1") == "pro"


def test_what_graphql_says_replaces_another_is_not_a_second_one(
    world: WaffoWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a change that Waffo told as a purchase, and whose old order does not end
    first, second = in_two_tabs(world)
    first.superseded_by_order_id = second.id
    world.at(world.now + HOUR + MINUTE)
    # When
    report = world.reconcile()
    # Then
    assert (report.flagged, report.bought_twice) == (0, ())
    world.at(world.now + 40 * DAY)
    assert flags(world) == []


def test_waffo_not_answering_flags_nothing_and_is_asked_again(world: WaffoWorld) -> None:
    in_two_tabs(world)
    world.at(world.now + HOUR + MINUTE)
    world.is_down = True
    assert world.reconcile().flagged == 0
    world.is_down = False
    assert world.reconcile().flagged == 1


def test_facts_of_a_pair_survive_the_store(world: WaffoWorld) -> None:
    first, second = in_two_tabs(world)
    world.at(world.now + HOUR + MINUTE)
    world.reconcile()
    kept = read_subscription(world.table, "acct_1")
    assert kept is not None
    assert bought_twice(kept) == {(second.id, first.id)}
