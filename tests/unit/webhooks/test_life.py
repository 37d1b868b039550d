"""The life of a subscription, event by event: what the customer may use after each."""

import itertools
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from pancake_meter.domain.balance.spend import Refusal, refusal
from pancake_meter.domain.selling.plan import PastDueBlock, PastDueKeep, PastDueReduce, Plan, QuotaChangePolicy
from pancake_meter.value import replace
from tests.support.pure_subscription import CATALOG, PureCustomer, step
from tests.support.webhook_world import utc

if TYPE_CHECKING:
    from pancake_meter.domain.standing.lifecycle import LifecycleKind

A, B = "ORD_A", "ORD_B"
STARTER, PRO = CATALOG.plans["starter"], CATALOG.plans["pro"]


def subscriber(plan: Plan | str = STARTER, used: int = 0) -> PureCustomer:
    """A customer in the first paid period, 10 March to 10 April."""
    customer = PureCustomer(utc("2026-03-10T15:14:33"))
    customer.open("tokens")
    customer.take(step("activated", A, "2026-03-10T15:14:33", "2026-03-10", "2026-04-10", plan=plan))
    if used:
        customer.use(used)
    return customer


def test_scenario_07_twelve_renewals_are_twelve_allowances() -> None:
    # Given
    customer = subscriber()
    months = [f"2026-{month:02d}-10" for month in range(4, 13)] + [
        "2027-01-10",
        "2027-02-10",
        "2027-03-10",
        "2027-04-10",
    ]
    for start, end in itertools.pairwise(months):
        # When
        customer.use(100_000)
        customer.take(step("renewed", A, f"{start}T15:14:41", start, end), utc(f"{start}T15:14:41"))
        # Then
        assert customer.available() == 100_000


def test_a_renewal_that_starts_a_little_ahead_starts_at_once() -> None:
    # Given
    customer = subscriber(used=100_000)
    # When: our clock is behind Waffo's
    customer.take(step("renewed", A, "2026-04-10T00:00:20", "2026-04-10", "2026-05-10"), utc("2026-04-09T23:59:50"))
    # Then
    assert customer.available() == 100_000


def test_scenario_28_a_late_past_due_of_an_older_period_is_ignored() -> None:
    # Given
    customer = subscriber(replace(STARTER, past_due=PastDueReduce(Decimal("0.5"))))
    sold = customer.subscription.orders[0].paid
    assert sold is not None
    customer.take(step("renewed", A, "2026-04-10T15:14:41", "2026-04-10", "2026-05-10", plan=sold.plan))
    # When
    customer.take(step("past_due", A, "2026-04-10T15:15:02", "2026-03-10", "2026-04-10", plan=sold.plan))
    # Then
    assert customer.available() == 100_000


@pytest.mark.parametrize("stated", [("2026-03-10", "2026-04-10"), ("2026-04-10", "2026-04-17")])
def test_scenario_29_30_past_due_keeps_access_and_grants_nothing(stated: tuple[str, str]) -> None:
    # Given
    customer = subscriber(replace(STARTER, past_due=PastDueKeep()), used=60_000)
    # When
    customer.take(step("past_due", A, "2026-04-10T15:15:02", *stated), utc("2026-04-10T15:15:02"))
    # Then: nothing new, and nothing lost long after the leeway
    assert customer.available() == 40_000
    customer.pass_to(utc("2026-04-16T12:00:00"))
    assert (customer.plan(), customer.available()) == ("starter", 40_000)


def test_past_due_keeps_a_fraction() -> None:
    # Given
    customer = subscriber(replace(STARTER, past_due=PastDueReduce(Decimal("0.5"))), used=30_000)
    paid = customer.subscription.orders[0].paid
    assert paid is not None
    # When
    customer.take(step("past_due", A, "2026-04-10T15:15:02", "2026-04-10", "2026-04-17"), utc("2026-04-10T15:15:02"))
    # Then
    assert customer.available() == 20_000
    # When
    recovered = step("recovered", A, "2026-04-12T06:00:09", "2026-04-10", "2026-05-10", plan=paid.plan)
    customer.take(recovered, utc("2026-04-12T06:00:09"))
    # Then
    assert customer.available() == 100_000


def test_past_due_block_ends_access_after_the_grace_and_opens_nothing_until_the_order_ends() -> None:
    # Given
    customer = subscriber(replace(STARTER, past_due=PastDueBlock(timedelta(days=3))), used=60_000)
    # When
    customer.take(step("past_due", A, "2026-04-10T15:15:02", "2026-04-10", "2026-04-17"), utc("2026-04-10T15:15:02"))
    # Then
    customer.pass_to(utc("2026-04-12T23:59:59"))
    assert customer.plan() == "starter"
    customer.pass_to(utc("2026-04-13T00:00:00"))
    assert (customer.plan(), customer.available()) == ("starter", 0)
    assert refusal(customer.balances["tokens"], Decimal(1)) == Refusal("past_due")
    # When the order ends
    customer.take(step("canceled", A, "2026-04-20T15:15:02", "2026-03-10", "2026-04-10"), utc("2026-04-20T15:15:03"))
    # Then
    assert (customer.plan(), customer.available()) == ("free", 10_000)


def test_scenario_31_no_reset_gives_an_unpaid_period() -> None:
    # Given: months without a word
    customer = subscriber(used=100_000)
    # When
    customer.pass_to(utc("2026-04-10T12:00:00"))
    # Then: the paid period stays open for the leeway, and then the free plan begins
    assert (customer.plan(), customer.available()) == ("starter", 0)
    customer.pass_to(utc("2026-07-01"))
    assert (customer.plan(), customer.available()) == ("free", 10_000)


def test_scenario_32_a_late_activated_does_not_revive_a_canceled_order() -> None:
    # Given
    customer = PureCustomer(utc("2026-03-12"))
    customer.open("tokens")
    customer.take(step("canceled", A, "2026-03-11T11:00:00", "2026-03-10", "2026-04-10"))
    # When
    customer.take(step("activated", A, "2026-03-10T15:14:33", "2026-03-10", "2026-04-10"))
    # Then
    assert (customer.plan(), customer.available()) == ("free", 10_000)


def test_scenario_33_34_events_of_the_old_order_never_touch_its_successor() -> None:
    # Given
    customer = subscriber(used=60_000)
    customer.take(step("plan_changed", B, "2026-03-20T11:00:05", "2026-03-20", "2026-04-20", plan="pro"))
    assert customer.available() == 940_000
    # When
    customer.take(step("canceled", A, "2026-03-20T11:00:06", "2026-03-10", "2026-04-10"))
    customer.take(step("renewed", A, "2026-04-10T15:14:41", "2026-04-10", "2026-05-10"))
    customer.take(step("past_due", A, "2026-04-10T15:14:42", "2026-04-10", "2026-05-10"))
    # Then
    assert (customer.plan(), customer.available()) == ("pro", 940_000)


def test_scenario_35_a_scheduled_change_is_shown_and_a_failed_one_falls_away() -> None:
    # Given
    customer = subscriber(used=10_000)
    # When
    customer.take(step("plan_change_scheduled", A, "2026-03-20T08:30:00", "2026-03-10", "2026-04-10", plan="pro"))
    # Then
    pending = customer.subscription.orders[0].pending
    assert pending is not None
    assert (pending.is_scheduled, pending.plan_key, customer.plan()) == (True, "pro", "starter")
    # When
    customer.take(step("plan_change_failed", A, "2026-03-21T08:30:00", "2026-03-10", "2026-04-10"))
    # Then
    pending = customer.subscription.orders[0].pending
    assert pending is not None
    assert not pending.is_scheduled
    assert customer.available() == 90_000


def test_scenario_36_bought_twice_does_not_add_up() -> None:
    # Given
    customer = subscriber(used=60_000)
    # When
    customer.take(step("activated", B, "2026-03-10T15:16:00", "2026-03-10", "2026-04-10"))
    # Then
    assert len(customer.subscription.live_orders) == 2
    assert customer.available() == 40_000


def test_scenario_38_a_lost_canceled_ends_access_with_the_period() -> None:
    # Given: it was said that the subscription will end; the word that it has is lost
    customer = subscriber(used=10_000)
    customer.take(step("activated", A, "2026-03-10T15:14:33", "2026-03-10T15:14:30", "2026-04-10T15:14:30"))
    customer.take(step("canceling", A, "2026-03-20T02:03:04", "2026-03-10", "2026-04-10"))
    assert customer.available() == 90_000
    # When
    customer.pass_to(utc("2026-04-10T15:14:29"))
    assert customer.plan() == "starter"
    customer.pass_to(utc("2026-04-10T15:14:30"))
    # Then
    assert customer.plan() == "free"


def test_canceled_falls_to_the_free_plan_and_keeps_what_was_used() -> None:
    # Given
    customer = subscriber(used=60_000)
    # When
    customer.take(step("canceled", A, "2026-03-20T11:00:00", "2026-03-10", "2026-04-10"), utc("2026-03-20T11:00:01"))
    # Then
    assert (customer.plan(), customer.available()) == ("free", 10_000)
    assert customer.balances["tokens"].used == Decimal(60_000)


@pytest.mark.parametrize(
    ("policy", "available"),
    [("carry", 940_000), ("reset", 1_000_000), ("prorate", 490_000)],
)
def test_the_quota_policy_of_the_new_plan_decides_on_a_change(policy: QuotaChangePolicy, available: int) -> None:
    # Given: 60,000 of 100,000 used, half of the period over
    customer = subscriber(used=60_000)
    pro = replace(PRO, quota_change=policy)
    # When
    customer.take(step("plan_changed", A, "2026-03-25T12:00:00", "2026-03-10", "2026-04-10", plan=pro))
    # Then
    assert customer.available() == available


def test_a_downgrade_below_what_is_used_stops_at_nothing_and_owes_nothing() -> None:
    # Given
    customer = subscriber(PRO, used=400_000)
    # When
    customer.take(step("plan_changed", A, "2026-03-25T12:00:00", "2026-03-10", "2026-04-10"))
    # Then
    balance = customer.balances["tokens"]
    assert (balance.available, balance.current_overage, balance.overage_due) == (Decimal(0), Decimal(0), Decimal(0))


def test_scenario_64_a_day_never_overwrites_an_instant_of_that_day() -> None:
    # Given
    customer = PureCustomer(utc("2026-03-10T15:15:00"))
    customer.open("tokens")
    customer.take(step("activated", A, "2026-03-10T15:14:33", "2026-03-10T15:14:30", "2026-04-10T15:14:30"))
    term = customer.balances["tokens"].term
    # When
    customer.take(step("activated", A, "2026-03-10T15:14:34", "2026-03-10", "2026-04-10"))
    # Then
    assert customer.balances["tokens"].term == term
    assert term.end == utc("2026-04-10T15:14:30")


def test_scenario_67_a_renewal_after_the_sweep_grants_once() -> None:
    # Given: the sweep has been there before the webhook
    customer = subscriber(used=100_000)
    customer.pass_to(utc("2026-04-10T00:00:00"))
    assert customer.available() == 0
    # When
    for _ in range(2):
        customer.take(step("renewed", A, "2026-04-10T15:14:41", "2026-04-10", "2026-05-10"), utc("2026-04-10T15:14:42"))
    # Then
    assert customer.available() == 100_000


def test_scenario_69_a_yearly_plan_grants_monthly_inside_the_paid_year() -> None:
    # Given
    customer = PureCustomer(utc("2026-01-31T10:00:00"))
    customer.open("tokens")
    customer.take(step("activated", A, "2026-01-31T10:00:00", "2026-01-31", "2027-01-31", plan="pro"))
    granted = 0
    for month in ("02-28", "03-31", "04-30", "05-31", "06-30", "07-31", "08-31", "09-30", "10-31", "11-30", "12-31"):
        # When
        customer.use(1_000_000)
        assert customer.available() == 0
        customer.pass_to(utc(f"2026-{month}"))
        granted += customer.available()
    # Then: eleven more months, and none beyond the year
    assert granted == 11_000_000
    customer.use(1_000_000)
    customer.pass_to(utc("2027-01-31T12:00:00"))
    assert customer.available() == 0


def test_a_yearly_quota_with_charts_put_away_can_become_a_monthly_plan() -> None:
    # Given a plan whose quantity is for the paid year, used for five months
    year = replace(STARTER, key="year", allowances={"tokens": replace(STARTER.allowances["tokens"], cadence="billing")})
    customer = PureCustomer(utc("2026-03-10T15:14:33"))
    customer.open("tokens")
    customer.take(step("activated", A, "2026-03-10T15:14:33", "2026-03-10", "2027-03-10", plan=year))
    for month in range(4, 9):
        customer.pass_to(utc(f"2026-{month:02d}-20T00:00:00"))
        customer.use(1000)
    assert customer.balances["tokens"].charts == 5

    # When they move to a plan by the month
    customer.take(step("plan_changed", A, "2026-08-21T00:00:00", "2026-03-10", "2027-03-10", plan=PRO))

    # Then what was used counts against the new plan, and the month ends as months do
    assert customer.available() == 1_000_000 - 5000
    customer.pass_to(utc("2026-09-11T00:00:00"))
    assert customer.available() == 1_000_000


def test_scenario_70_thirteen_minute_periods_each_grant_once() -> None:
    # Given
    customer = PureCustomer(utc("2026-04-10T15:14:30"))
    customer.open("tokens")
    for number, at in enumerate(("15:14:30", "15:27:30", "15:40:30"), start=1):
        # When
        happened = f"2026-04-10T{at}"
        kind: LifecycleKind = "activated" if number == 1 else "renewed"
        event = step(kind, A, happened, "2026-04-10", "2026-04-10", number=number)
        customer.take(event, utc(happened))
        customer.take(event)
        # Then
        assert customer.available() == 100_000
        customer.use(100_000)


def test_meters_that_the_new_plan_lacks_have_no_allowance() -> None:
    # Given
    customer = PureCustomer(utc("2026-03-10T15:14:33"))
    customer.open("tokens", "agent_runs")
    customer.take(step("activated", A, "2026-03-10T15:14:33", "2026-03-10", "2026-04-10", plan="agent"))
    assert (customer.available("tokens"), customer.available("agent_runs")) == (0, 500)
    # When
    customer.take(step("plan_changed", A, "2026-03-20T15:14:33", "2026-03-10", "2026-04-10", plan="pro"))
    # Then
    assert (customer.available("tokens"), customer.available("agent_runs")) == (1_000_000, 0)
