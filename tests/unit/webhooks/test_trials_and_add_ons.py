"""Issue 11, points 7 and 8: what add-ons and trials grant.

These tests hold the standing core (``domain/standing``) to what the catalog and the events around it state of add-ons
(``Plan.add_on``) and trials (``Plan.trial``, ``LifecycleEvent.is_trial``). They use nothing of the core but a customer's
events and units.

One rule is worth saying: a period is a trial's as soon as any event calls it so, whatever an ``activated`` said of it, and
it is a paid one again where a ``renewed``, ``recovered`` or ``plan_changed`` states that same period and calls it no trial.
A ``canceling`` says nothing of it: Waffo no longer calls a cancelled trial one.
"""

import itertools
from collections.abc import Sequence
from decimal import Decimal

import pytest

from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.bought_twice import bought_twice
from pancake_meter.domain.standing.lifecycle import LifecycleEvent, LifecycleKind, StatedPeriod
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.value import replace
from tests.support.catalogs import WITH_ADD_ONS
from tests.support.pure_subscription import CATALOG, PureCustomer, Step, bound, deliver, refunded, step
from tests.support.webhook_world import utc

A, B, C = "ORD_A", "ORD_B", "ORD_C"
BEGAN, BOUGHT = "2026-03-10T15:00:00", "2026-03-10T15:14:33"
MARCH, TRIAL_END, TRIED_TO, APRIL, MAY = "2026-03-10", "2026-03-24", "2026-04-24", "2026-04-10", "2026-05-10"
STARTER = CATALOG.plans["starter"]
BOOST, TURBO = WITH_ADD_ONS.plans["boost"], WITH_ADD_ONS.plans["turbo"]
QUARTER = replace(STARTER, trial=Decimal("0.25"))
FREE_UNITS, STARTER_UNITS, BOOST_UNITS, TURBO_UNITS, PRO_UNITS = 10_000, 100_000, 50_000, 400_000, 1_000_000


def trial(
    order_id: str = A,
    plan: Plan = QUARTER,
    kind: LifecycleKind = "activated",
    at: str = BOUGHT,
    end: str = TRIAL_END,
    number: int = 0,
) -> Step:
    """An event of a trial that began on 10 March."""
    period = StatedPeriod(bound(MARCH), bound(end), number)
    event = LifecycleEvent(kind, order_id, utc(at), period, plan, is_trial=True, billing_period="monthly")
    return Step(utc(at), OrderFacts.of(event))


def customer_of(*steps: Step, used: int = 0) -> PureCustomer:
    """A customer with a balance of tokens, after these events in this order."""
    customer = PureCustomer(utc(BEGAN))
    customer.open("tokens")
    for each in steps:
        customer.take(each, each.at)
    if used:
        customer.use(used)
    return customer


def activated(order_id: str, plan: Plan | str, at: str = BOUGHT) -> Step:
    return step("activated", order_id, at, MARCH, APRIL, plan=plan)


def assert_same_in_any_order(steps: Sequence[Step], until: str, available: int) -> None:
    """Every order of the events, told at once or late, and each of them told twice, ends with these units."""
    for order in itertools.permutations(steps):
        for at_once in (True, False):
            customer = deliver(
                [*order, *order], began=utc(BEGAN), until=utc(until), at_once=at_once, meters=("tokens",)
            )
            assert customer.available() == available, [(each.facts.order_id, each.at) for each in order]


# --- Trials


@pytest.mark.parametrize(
    ("fraction", "units"), [(None, 100_000), ("1", 100_000), ("0.25", 25_000), ("0.333333", 33_333), ("0", 0)]
)
@pytest.mark.parametrize("number", [0, 1])
def test_point_8_a_trial_grants_what_the_plan_says_and_in_full_where_it_says_nothing(
    fraction: str | None, units: int, number: int
) -> None:
    plan = replace(STARTER, trial=None if fraction is None else Decimal(fraction))
    customer = customer_of(trial(plan=plan, number=number))
    assert (customer.plan(), customer.available()) == ("starter", units)


def test_point_8_a_trial_becomes_the_paid_period_with_a_whole_allowance() -> None:
    # Given
    customer = customer_of(trial(), used=20_000)
    assert customer.available() == 5_000
    # When
    renewed = step("renewed", A, f"{TRIAL_END}T15:14:41", TRIAL_END, TRIED_TO, plan=QUARTER, number=1)
    customer.take(renewed, renewed.at)
    # Then
    assert customer.available() == STARTER_UNITS
    # When it is told again
    customer.use(1_000)
    customer.take(renewed)
    customer.take(trial())
    # Then nothing more is granted
    assert customer.available() == STARTER_UNITS - 1_000


@pytest.mark.parametrize("number", [0, 1])
def test_point_8_trial_and_conversion_come_to_the_same_in_any_order(number: int) -> None:
    renewed = step("renewed", A, f"{TRIAL_END}T15:14:41", TRIAL_END, TRIED_TO, plan=QUARTER, number=number + 1)
    again = step("renewed", A, f"{TRIED_TO}T15:14:41", TRIED_TO, "2026-05-24", plan=QUARTER, number=number + 2)
    assert_same_in_any_order([trial(number=number), renewed], "2026-03-25", STARTER_UNITS)
    assert_same_in_any_order([trial(number=number), renewed, again], "2026-04-25", STARTER_UNITS)


def test_point_8_a_trial_whose_own_period_is_paid_after_all_is_that_period_and_grants_the_rest() -> None:
    # Given
    customer = customer_of(trial(end=APRIL), used=20_000)
    # When the same period is told as a paid one
    customer.take(step("renewed", A, "2026-03-11T09:00:00", MARCH, APRIL, plan=QUARTER, number=1))
    # Then it is the whole allowance, less what is gone of it
    assert customer.available() == STARTER_UNITS - 20_000


def test_point_8_a_paid_period_that_was_told_as_a_trial_too_is_paid_in_any_order() -> None:
    paid = step("renewed", A, "2026-03-11T09:00:00", MARCH, APRIL, plan=QUARTER, number=1)
    assert_same_in_any_order([trial(end=APRIL), paid], "2026-03-12", STARTER_UNITS)


def test_point_8_an_active_order_that_graphql_calls_a_trial_is_one() -> None:
    # Given a webhook that called it active, and told the same period as if it were paid
    told = step("activated", A, BOUGHT, MARCH, APRIL, plan=QUARTER, number=1)
    # When
    seen = trial(at="2026-03-10T00:00:00", end=APRIL, number=1)
    # Then
    assert_same_in_any_order([told, seen], "2026-03-12", 25_000)


def test_point_8_a_cancelled_trial_stays_a_trial_to_its_end() -> None:
    # Given: Waffo no longer calls it a trial
    customer = customer_of(
        trial(), step("canceling", A, "2026-03-12T09:00:00", MARCH, TRIAL_END, plan=QUARTER), used=5_000
    )
    assert (customer.plan(), customer.available()) == ("starter", 20_000)
    # When
    customer.pass_to(utc("2026-03-26T00:00:00"))
    # Then
    assert (customer.plan(), customer.available()) == ("free", FREE_UNITS)


def test_point_8_a_trial_that_is_not_paid_is_overdue_and_grants_nothing_new_until_it_recovers() -> None:
    # Given
    customer = customer_of(trial(), used=20_000)
    due = f"{TRIAL_END}T15:14:41"
    customer.take(step("past_due", A, due, TRIAL_END, "2026-03-31", plan=QUARTER, number=1), utc(due))
    assert customer.available() <= 5_000
    # When
    recovered = step("recovered", A, "2026-03-25T06:00:00", TRIAL_END, TRIED_TO, plan=QUARTER, number=1)
    customer.take(recovered, recovered.at)
    # Then
    assert customer.available() == STARTER_UNITS


def test_point_8_a_plan_change_ends_the_trial() -> None:
    # When
    changed = step("plan_changed", B, "2026-03-12T09:00:00", "2026-03-12", "2026-04-12", plan="pro", number=1)
    customer = customer_of(trial(), changed)
    # Then
    assert (customer.plan(), customer.available()) == ("pro", PRO_UNITS)


def test_point_8_a_trial_beside_the_customers_paid_plan_does_not_replace_a_better_one() -> None:
    customer = customer_of(activated(A, "pro"), trial(B, at="2026-03-10T16:00:00"))
    assert (customer.plan(), customer.available()) == ("pro", PRO_UNITS)


# --- Add-ons


@pytest.mark.parametrize("first", ["plan", "add-on"])
def test_point_7_an_add_on_grants_on_top_of_the_plan(first: str) -> None:
    steps = [activated(A, "starter"), activated(B, BOOST, "2026-03-10T15:16:00")]
    if first == "add-on":
        steps = [activated(B, BOOST), activated(A, "starter", "2026-03-10T15:16:00")]
    customer = customer_of(*steps)
    assert (customer.plan(), customer.available()) == ("starter", STARTER_UNITS + BOOST_UNITS)
    assert bought_twice(customer.subscription) == frozenset()
    assert_same_in_any_order(steps, "2026-03-11", STARTER_UNITS + BOOST_UNITS)


def test_point_7_an_add_on_alone_is_on_top_of_the_default_plan() -> None:
    customer = customer_of(activated(B, BOOST))
    assert (customer.plan(), customer.available()) == ("free", FREE_UNITS + BOOST_UNITS)


def test_point_7_two_add_ons_both_grant() -> None:
    steps = [activated(A, "starter"), activated(B, BOOST), activated(C, TURBO)]
    assert_same_in_any_order(steps, "2026-03-11", STARTER_UNITS + BOOST_UNITS + TURBO_UNITS)


def test_point_7_an_add_on_grants_a_meter_that_no_plan_of_the_customer_has() -> None:
    customer = customer_of(activated(A, "starter"))
    customer.open("agent_runs")
    assert customer.available("agent_runs") == 0
    customer.take(activated(C, TURBO))
    assert customer.available("agent_runs") == 100
    assert (customer.plan(), customer.available()) == ("starter", STARTER_UNITS + TURBO_UNITS)


def test_point_7_a_balance_that_is_opened_later_has_the_add_on_too() -> None:
    customer = customer_of(activated(A, "starter"), activated(C, TURBO))
    customer.open("agent_runs")
    assert customer.available("agent_runs") == 100


def test_point_7_an_add_on_grants_once_a_period_and_what_is_left_ends_with_it() -> None:
    # Given
    customer = customer_of(activated(A, "pro"), activated(B, BOOST, "2026-03-10T15:16:00"))
    for _ in range(2):
        customer.take(activated(B, BOOST, "2026-03-10T15:16:00"))
    assert customer.available() == PRO_UNITS + BOOST_UNITS
    # When both renew
    for order_id, plan in ((A, "pro"), (B, BOOST)):
        renewed = step("renewed", order_id, f"{APRIL}T15:16:09", APRIL, MAY, plan=plan, number=2)
        customer.take(renewed, renewed.at)
    # Then
    assert customer.available() == PRO_UNITS + BOOST_UNITS


@pytest.mark.parametrize("used", [0, 30_000])
def test_point_7_an_add_on_that_is_cancelled_ends_with_its_period_and_leaves_the_plan(used: int) -> None:
    # Given a plan that is paid for a year
    year = step("activated", A, BOUGHT, MARCH, "2027-03-10", plan="starter")
    customer = customer_of(year, activated(B, BOOST, "2026-03-10T15:16:00"), used=used)
    # When
    canceling = step("canceling", B, "2026-03-20T09:00:00", MARCH, APRIL, plan=BOOST)
    customer.take(canceling, canceling.at)
    # Then
    assert customer.available() == STARTER_UNITS + BOOST_UNITS - used
    # When
    canceled = step("canceled", B, f"{APRIL}T15:14:33", MARCH, APRIL, plan=BOOST)
    customer.take(canceled, canceled.at)
    customer.pass_to(utc("2026-04-12T00:00:00"))
    # Then: which of the two burned first is the burn order's to say
    assert customer.plan() == "starter"
    assert customer.available() in (STARTER_UNITS - used, STARTER_UNITS)


def test_point_7_a_plan_that_ends_leaves_the_add_on() -> None:
    # Given an add-on that is paid for a year
    year = step("activated", B, BOUGHT, MARCH, "2027-03-10", plan=BOOST)
    customer = customer_of(activated(A, "starter"), year)
    # When
    canceled = step("canceled", A, "2026-03-20T09:00:00", MARCH, APRIL, plan="starter")
    customer.take(canceled, canceled.at)
    # Then
    assert (customer.plan(), customer.available()) == ("free", FREE_UNITS + BOOST_UNITS)


def test_point_7_a_plan_change_beside_an_add_on_replaces_the_plan_alone() -> None:
    # Given: which order the change replaces is not told
    changed = step("plan_changed", C, "2026-03-12T09:00:00", "2026-03-12", "2026-04-12", plan="pro")
    steps = [activated(A, "starter"), activated(B, BOOST, "2026-03-10T15:16:00"), changed]
    # Then
    customer = customer_of(*steps)
    assert [order.order_id for order in customer.subscription.live_orders] == [C, B]
    assert (customer.plan(), customer.available()) == ("pro", PRO_UNITS + BOOST_UNITS)
    assert_same_in_any_order(steps, "2026-03-13", PRO_UNITS + BOOST_UNITS)


def test_point_7_a_refund_of_an_add_on_takes_of_its_own_units_and_one_of_the_plan_of_the_plans() -> None:
    steps = [activated(A, "starter"), activated(B, BOOST, "2026-03-10T15:16:00")]
    half_of_boost = refunded(B, "PAY_B", "2026-03-15", "2026-03-10T15:16:00", "0.5")
    assert_same_in_any_order([*steps, half_of_boost], "2026-03-16", STARTER_UNITS + BOOST_UNITS // 2)
    all_of_the_plan = refunded(A, "PAY_A", "2026-03-15", BOUGHT, "1")
    assert_same_in_any_order([*steps, all_of_the_plan], "2026-03-16", BOOST_UNITS)


@pytest.mark.parametrize("change", ["refunded", "canceled"])
def test_point_7_an_add_on_pays_for_open_overage_in_any_order_of_its_events(change: str) -> None:
    # Given 60,000 units beyond the plan
    changed = {
        "refunded": refunded(B, "PAY_B", "2026-03-16T10:00:00", "2026-03-15T15:16:00", "0.5"),
        "canceled": step("canceled", B, "2026-03-16T10:00:00", "2026-03-15", "2026-04-15", plan=BOOST),
    }[change]
    bought = step("activated", B, "2026-03-15T15:16:00", "2026-03-15", "2026-04-15", plan=BOOST)
    for order in itertools.permutations([bought, changed, bought]):
        customer = customer_of(activated(A, "starter"), used=STARTER_UNITS + 60_000)
        # When
        for told in order:
            customer.take(told, utc("2026-03-17"))
        # Then what the add-on has paid for stays paid
        balance = customer.balances["tokens"]
        assert (int(balance.current_overage), customer.available()) == (10_000, 0)


def test_point_7_an_overdue_add_on_grants_no_new_period_and_leaves_the_plan() -> None:
    # Given
    customer = customer_of(activated(A, "starter"), activated(B, BOOST, "2026-03-10T15:16:00"))
    renewed = step("renewed", A, f"{APRIL}T15:14:41", APRIL, MAY, plan="starter", number=2)
    customer.take(renewed, renewed.at)
    # When
    overdue = step("past_due", B, f"{APRIL}T15:16:09", APRIL, "2026-04-17", plan=BOOST, number=2)
    customer.take(overdue, overdue.at)
    customer.pass_to(utc("2026-04-19T00:00:00"))
    # Then
    assert (customer.plan(), customer.available()) == ("starter", STARTER_UNITS)
    # When it is paid
    recovered = step("recovered", B, "2026-04-19T06:00:00", APRIL, MAY, plan=BOOST, number=2)
    customer.take(recovered, recovered.at)
    # Then
    assert customer.available() == STARTER_UNITS + BOOST_UNITS


@pytest.mark.parametrize("at", ["2026-04-11T15:16:09", "2026-04-16T00:00:00"])
def test_point_7_what_is_left_of_an_overdue_add_on_ends_with_its_own_period(at: str) -> None:
    """However long the payment of the next period is retried: a period's units are no longer than it."""
    customer = customer_of(activated(B, BOOST))
    overdue = step("past_due", B, f"{APRIL}T15:16:09", APRIL, "2026-04-17", plan=BOOST, number=2)
    customer.take(overdue, overdue.at)
    customer.pass_to(max(customer.now, utc(at)))
    assert customer.available() == FREE_UNITS


def test_points_7_and_8_an_add_on_may_have_a_trial() -> None:
    tried = replace(BOOST, trial=Decimal("0.5"))
    customer = customer_of(activated(A, "starter"), trial(B, tried, at="2026-03-10T15:16:00"))
    assert customer.available() == STARTER_UNITS + BOOST_UNITS // 2
    renewed = step("renewed", B, f"{TRIAL_END}T15:16:09", TRIAL_END, TRIED_TO, plan=tried, number=1)
    customer.take(renewed, renewed.at)
    assert customer.available() == STARTER_UNITS + BOOST_UNITS
