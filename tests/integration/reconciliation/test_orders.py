"""Orders as Waffo's GraphQL shows them, against orders as we know them: with no delivery left to read."""

from datetime import timedelta

import pytest

from local.waffo_simulator.graphql_rows import Row, Rows
from local.waffo_simulator.model import Delivery, Order
from pancake_meter.domain.balance.period import add_months
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.store.balance.balances import read_ledger
from pancake_meter.store.standing.subscriptions import read_subscription
from pancake_meter.store.webhooks.deliveries import deliveries_by_verdict
from pancake_meter.usecases.webhooks.judge import dismiss_delivery
from tests.support.waffo_world import WaffoWorld
from tests.support.webhook_world import utc

DAY = timedelta(days=1)
NOW = utc("2026-03-10T15:14:30")


@pytest.fixture(autouse=True)
def _deliveries_are_gone(world: WaffoWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is ever sent again, and nothing is kept: a webhook that was not registered."""

    def send(delivery: Delivery) -> None:
        if world.deliverer.lost:
            del world.waffo.state.deliveries[delivery.id]
        else:
            world.arrive(delivery)

    monkeypatch.setattr(world.deliverer, "send", send)


def facts(world: WaffoWorld, order_id: str, customer_id: str = "acct_1") -> OrderFacts:
    subscription = read_subscription(world.table, customer_id)
    assert subscription is not None
    order = subscription.order(order_id)
    assert order is not None
    return order


def test_agreement_changes_nothing(world: WaffoWorld) -> None:
    world.subscribe("acct_1")
    report = world.reconcile()
    assert (report.healed, report.passes["orders"].unchanged) == (0, 1)
    assert len(read_ledger(world.table, "acct_1", "tokens", limit=10)) == 0


def test_a_lost_subscription_is_healed(world: WaffoWorld) -> None:
    world.deliverer.lost = True
    world.subscribe("acct_1")
    assert world.reconcile().healed == 1
    assert (world.plan("acct_1"), world.available("acct_1")) == ("starter", 100_000)


def test_a_dismissed_subscription_of_nobody_stays_dismissed_until_somebody_is_known(world: WaffoWorld) -> None:
    # Given a subscription that names nobody, and an operator who dismissed what came of it
    order = world.subscribe(None)
    parked = deliveries_by_verdict(world.table, "parked", limit=10).deliveries
    assert parked
    for each in parked:
        dismiss_delivery(world.stack.metering, each.digest, "not a customer of ours", NOW)
    # When reconciliation sees the order, in this period and in the next
    for at in (NOW, order.period_end + DAY / 24):
        world.deliverer.lost = True
        world.at(at)
        assert world.reconcile().passes["orders"].parked == 0
    # Then
    assert deliveries_by_verdict(world.table, "parked", limit=10).deliveries == []
    # And once Waffo knows who it is, the order is healed
    order.buyer_identity = "acct_1"
    assert world.reconcile().healed == 1
    assert world.plan("acct_1") == "starter"


def test_a_lost_renewal_is_healed_once_and_its_webhook_says_nothing_new(world: WaffoWorld) -> None:
    # Given
    order = world.subscribe("acct_1")
    world.use("acct_1", 90_000)
    world.deliverer.lost = True
    world.at(order.period_end + DAY / 24)
    # When
    assert [world.reconcile().healed for _ in range(2)] == [1, 0]
    # Then
    assert world.available("acct_1") == 100_000
    (entry, *_) = read_ledger(world.table, "acct_1", "tokens", limit=1)
    assert entry.cause == "reconciliation:subscription.renewed"
    # When the real one comes after all
    world.use("acct_1", 5)
    world.deliverer.lost = False
    world.waffo.notifier.subscription("subscription.renewed", order, order.updated_at)
    # Then
    assert world.available("acct_1") == 99_995
    assert len(facts(world, order.id).periods) == 2


@pytest.mark.parametrize("snapshot_first", [False, True])
def test_scenario_64_a_day_in_the_webhook_and_an_instant_in_graphql_are_one_period(
    world: WaffoWorld, snapshot_first: bool
) -> None:
    # Given webhooks that state days, as Waffo's do, and GraphQL that states instants
    world.waffo.state.settings.period_bounds = "date"
    order = world.subscribe("acct_1")
    world.deliverer.lost = snapshot_first
    world.at(order.period_end)
    # When
    world.reconcile()
    world.use("acct_1", 40_000)
    if snapshot_first:
        world.deliverer.lost = False
        world.waffo.notifier.subscription("subscription.renewed", order, order.updated_at)
    world.reconcile()
    # Then: one period, one grant, and the instant is never overwritten with its midnight
    assert world.available("acct_1") == 60_000
    known = facts(world, order.id)
    assert known.paid is not None
    assert len(known.periods) == 2
    assert known.paid.period.start.is_day is not snapshot_first
    assert known.paid.period.start.at == (order.period_start if snapshot_first else known.paid.period.key[0])


def test_scenario_38_a_lost_cancellation_at_the_periods_end_ends_access_there(world: WaffoWorld) -> None:
    # Given
    order = world.subscribe("acct_1")
    world.deliverer.lost = True
    world.at(world.now + 10 * DAY)
    world.waffo.subscriptions.cancel(order, world.now)
    # When: the cancellation is to come
    world.reconcile()
    assert (world.plan("acct_1"), facts(world, order.id).is_canceling) == ("starter", True)
    # And: it has come
    world.at(order.period_end + DAY / 24)
    world.reconcile()
    # Then
    assert (world.plan("acct_1"), world.available("acct_1")) == ("free", 10_000)
    assert facts(world, order.id).ended_at == order.period_end


def test_scenario_38_both_cancellations_lost_altogether_end_access_at_the_periods_end(world: WaffoWorld) -> None:
    order = world.subscribe("acct_1")
    world.deliverer.lost = True
    world.waffo.subscriptions.cancel(order, world.now + 10 * DAY)
    world.at(order.period_end + DAY / 24)
    assert world.plan("acct_1") == "starter"
    # When
    assert world.reconcile().passes["held_orders"].healed == 1
    # Then
    assert world.plan("acct_1") == "free"


def test_a_lost_cancellation_at_once_ends_access_when_it_happened(world: WaffoWorld) -> None:
    order = world.subscribe("acct_1")
    world.deliverer.lost = True
    world.at(world.now + 10 * DAY)
    world.waffo.subscriptions.cancel(order, world.now, immediately=True)
    world.at(world.now + DAY)
    runs = [world.reconcile() for _ in range(2)]
    assert [run.healed for run in runs] == [1, 0]
    # An order that has ended is not asked about again.
    assert [run.passes["held_orders"].read for run in runs] == [1, 0]
    assert world.plan("acct_1") == "free"
    assert facts(world, order.id).ended_at == world.now - DAY


def test_a_lost_withdrawal_of_a_cancellation_is_healed(world: WaffoWorld) -> None:
    order = world.subscribe("acct_1")
    world.waffo.subscriptions.cancel(order, world.now)
    world.deliverer.lost = True
    world.waffo.subscriptions.uncancel(order, world.now + DAY)
    world.at(world.now + 2 * DAY)
    world.reconcile()
    assert not facts(world, order.id).is_canceling


def test_scenario_30_a_lost_past_due_grants_no_unpaid_grace_and_a_lost_recovery_grants_the_period(
    world: WaffoWorld,
) -> None:
    # Given a renewal whose charge fails, stated with the new period cut to a grace
    order = world.subscribe("acct_1", "Scale")
    world.use("acct_1", 4_000_000)
    world.deliverer.lost = True
    world.at(order.period_end - DAY)
    world.waffo.subscriptions.fail_renewal(order, order.period_end)
    world.at(order.period_start + DAY / 4)
    # When
    world.reconcile()
    # Then: the plan's policy applies to the period that is paid: half of it, less what is gone
    assert (facts(world, order.id).is_past_due, world.available("acct_1")) == (True, 1_000_000)
    # When the retried charge succeeds
    world.waffo.subscriptions.recover(order, world.now)
    assert [world.reconcile().healed for _ in range(2)] == [1, 0]
    # Then
    assert not facts(world, order.id).is_past_due
    assert world.available("acct_1") == 11_000_000


def test_scenario_30_a_cancellation_of_an_unpaid_period_grants_nothing(world: WaffoWorld) -> None:
    # Given: the charge failed, then the buyer canceled; Waffo's order states the unpaid grace as its period
    order = world.subscribe("acct_1")
    world.use("acct_1", 90_000)
    world.deliverer.lost = True
    world.at(order.period_end - DAY)
    world.waffo.subscriptions.fail_renewal(order, order.period_end)
    world.waffo.subscriptions.cancel(order, order.period_start + DAY / 4)
    world.at(order.period_start + DAY / 2)
    # When
    world.reconcile()
    # Then
    assert world.available("acct_1") == 10_000
    assert len(facts(world, order.id).periods) == 1


def test_a_cancellation_of_a_paid_period_brings_the_period_too(world: WaffoWorld) -> None:
    order = world.subscribe("acct_1")
    world.use("acct_1", 90_000)
    world.deliverer.lost = True
    world.at(order.period_end + DAY)
    world.waffo.subscriptions.cancel(order, world.now)
    world.reconcile()
    assert (world.available("acct_1"), facts(world, order.id).is_canceling) == (100_000, True)


@pytest.mark.parametrize("plan_change", ["new_order", "same_order"])
def test_a_lost_plan_change_is_healed(world: WaffoWorld, plan_change: str) -> None:
    # Given
    world.waffo.state.settings.plan_change = plan_change
    order = world.subscribe("acct_1")
    world.use("acct_1", 30_000)
    world.deliverer.lost = True
    world.at(world.now + 5 * DAY)
    purchase = world.purchase("acct_1", "Pro")
    new = world.waffo.subscriptions.change_now(order, purchase, world.now, purchase.price.total)
    # When
    world.reconcile()
    assert world.reconcile().healed == 0
    # Then: what is used counts against the new allowance
    assert (world.plan("acct_1"), world.available("acct_1")) == ("pro", 970_000)
    assert facts(world, new.id).is_plan_change


def test_a_lost_scheduled_change_is_healed_when_it_takes_effect(world: WaffoWorld) -> None:
    order = world.subscribe("acct_1", "Pro")
    world.deliverer.lost = True
    world.waffo.subscriptions.schedule_change(order, world.purchase("acct_1", "Starter"), world.now)
    world.at(order.period_end)
    world.reconcile()
    assert (world.plan("acct_1"), world.available("acct_1")) == ("starter", 100_000)


def test_scenario_24_a_snapshot_older_than_what_we_know_changes_nothing(world: WaffoWorld) -> None:
    # Given a GraphQL that lags behind: it shows the order as it was before the webhooks that we have
    order = world.subscribe("acct_1")
    world.waffo.hold_graphql(hold=True)
    world.at(order.period_end)
    world.waffo.subscriptions.cancel(order, world.now + DAY / 24)
    world.at(world.now + DAY)
    world.use("acct_1", 40_000)
    before = facts(world, order.id)
    # When
    report = world.reconcile()
    # Then: not the period, nor the status, nor the balance goes back, and nothing was taken for an event
    assert report.healed == 0
    assert facts(world, order.id) == before
    assert world.available("acct_1") == 60_000
    assert deliveries_by_verdict(world.table, "ignored", limit=10).deliveries == []


def test_scenario_24_a_canceled_order_is_not_revived_by_a_snapshot_of_its_life(world: WaffoWorld) -> None:
    order = world.subscribe("acct_1")
    world.waffo.hold_graphql(hold=True)
    world.at(world.now + DAY)
    world.waffo.subscriptions.cancel(order, world.now, immediately=True)
    assert world.reconcile().healed == 0
    assert world.plan("acct_1") == "free"


def test_an_order_of_nobody_is_parked_once(world: WaffoWorld) -> None:
    world.deliverer.lost = True
    world.subscribe(None)
    assert [world.reconcile().parked for _ in range(2)] == [1, 0]


def test_a_superseded_order_stays_superseded(world: WaffoWorld) -> None:
    """Its cancellation, lost, never touches the order in its place."""
    order = world.subscribe("acct_1")
    purchase = world.purchase("acct_1", "Pro")
    world.at(world.now + DAY)
    world.waffo.subscriptions.change_now(order, purchase, world.now, purchase.price.total)
    world.reconcile()
    assert world.plan("acct_1") == "pro"


def test_scenario_69_a_yearly_plan_grants_each_month_of_the_paid_year_and_none_after_it(world: WaffoWorld) -> None:
    # Given: its cancellation at the year's end will be lost
    order = world.subscribe("acct_1", "Pro yearly")
    world.waffo.subscriptions.cancel(order, world.now)
    world.deliverer.lost = True
    for month in range(12):
        # When: every month all of it is used
        assert world.available("acct_1") == 1_000_000
        world.use("acct_1", 1_000_000)
        assert world.reconcile().healed == 0
        world.at(add_months(NOW, month + 1) + DAY / 24)
    # Then: the year has ended
    world.reconcile()
    assert (world.plan("acct_1"), world.available("acct_1")) == ("free", 10_000)


@pytest.mark.parametrize("foreign", [{"mode": "prod"}, {"store_id": "STO_0000000000000000000000"}])
def test_an_order_of_another_mode_or_store_changes_nothing(
    world: WaffoWorld, monkeypatch: pytest.MonkeyPatch, foreign: dict[str, str]
) -> None:
    # Given a Waffo that shows us what is not ours: test money in production, or another store of the same merchant
    world.deliverer.lost = True
    order = world.subscribe("acct_1")
    row = Rows.order

    def shown(rows: Rows, shown_order: Order) -> Row:
        told = {"storeId": foreign["store_id"]} if "store_id" in foreign else {"testMode": False}
        return {**row(rows, shown_order), **told}

    monkeypatch.setattr(Rows, "order", shown)
    # When
    report = world.reconcile()
    # Then
    assert (report.healed, report.failed, report.passes["orders"].refused) == (0, 0, 1)
    assert world.plan("acct_1") == "free"
    assert read_subscription(world.table, "acct_1") is None
    assert order.status == "active"
