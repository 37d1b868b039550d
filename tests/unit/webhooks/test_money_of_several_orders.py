"""Promise 12 and issue 11, points 5 and 6: a refund takes its own share and nothing else, also where orders meet.

A plan change makes a new order: what the old one was paid for stands as it would under one order id. Of two orders that
stand beside each other, one whose money went back takes nothing away from the other.
"""

from datetime import timedelta
from decimal import Decimal

import pytest

from pancake_meter.domain.selling.plan import PastDueReduce
from pancake_meter.domain.standing.lifecycle import LifecycleKind
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.domain.standing.paid_period import Charged
from tests.support.catalogs import with_plan
from tests.support.pure_subscription import PLANS, PureCustomer, Step, left_in_any_order, step
from tests.support.webhook_world import utc

A, B, C = "ORD_A", "ORD_B", "ORD_C"
DAY, BEGAN, REFUNDED, NOW = timedelta(days=1), utc("2026-03-10T15:14:00"), utc("2026-03-16T10:00:00"), utc("2026-03-20")
PRICES = {"starter": "9.90", "pro": "27.90", "scale": "199.00"}
FREE_UNITS, STARTER_UNITS, PRO_UNITS = 10_000, 100_000, 1_000_000


def bought(order_id: str, plan: str = "starter", day: int = 10, kind: LifecycleKind = "activated") -> Step:
    start, end = f"2026-03-{day:02}", f"2026-04-{day:02}"
    return step(kind, order_id, f"{start}T15:14:33", start, end, plan=plan, number=1)


def ended(order_id: str, at: str, plan: str = "starter") -> Step:
    return step("canceled", order_id, at, "2026-03-10", "2026-04-10", plan=plan)


def charge(order_id: str, amount: str, day: int = 10, *, back: str = "0", plan: str = "starter") -> Step:
    """An order's payment, less what went back of it, as one fact."""
    paid_at = utc(f"2026-03-{day:02}T15:14:32")
    refunded = Decimal(back)
    money = Charged(
        Decimal(amount),
        refunded,
        paid_at,
        1,
        plan,
        Decimal(PRICES[plan]),
        REFUNDED if refunded else None,
        revision=2 if refunded else 1,
    )
    return Step(paid_at, OrderFacts.of_charge(order_id, f"PAY_{order_id}", money))


# --- A plan change that made a new order

OLD = bought(A)
CHANGED = (ended(A, "2026-03-15T15:14:32"), bought(B, "pro", 15, "plan_changed"))


@pytest.mark.parametrize("told", [CHANGED, CHANGED[1:]], ids=["the old order's end is told", "it is not"])
@pytest.mark.parametrize(
    ("back", "more_back", "units"),
    [
        ("0", "0", PRO_UNITS),
        ("0", "18.00", 1_000_000 * 990 // 2790),
        ("0", "9.00", 1_000_000 * 1890 // 2790),
        ("4.95", "9.00", PRO_UNITS // 2),
        ("9.90", "18.00", 0),
    ],
)
def test_point_5_money_of_a_replaced_order_counts_as_under_one_order_id(
    told: tuple[Step, ...], back: str, more_back: str, units: int
) -> None:
    upgrade = charge(B, "18.00", 15, back=more_back, plan="pro")
    assert left_in_any_order(OLD, charge(A, "9.90", back=back), *told, upgrade) == units


def test_point_5_the_old_orders_refund_takes_nothing_of_an_upgrade_that_stands() -> None:
    """Waffo may give back what is left of the old order and charge the new one by itself."""
    upgrade = charge(B, "18.00", 15, plan="pro")
    assert left_in_any_order(OLD, charge(A, "9.90", back="9.90"), *CHANGED, upgrade) == PRO_UNITS


def test_point_5_a_refunded_upgrade_leaves_at_least_what_the_old_order_bought() -> None:
    dear = charge(B, "990.00", 15, back="990.00", plan="scale")
    change = bought(B, "scale", 15, "plan_changed")
    assert left_in_any_order(OLD, charge(A, "9.90"), change, dear) == STARTER_UNITS


@pytest.mark.exhaustive
def test_point_5_two_changes_in_one_period_keep_what_each_was_paid_for() -> None:
    second, third = bought(B, "pro", 15, "plan_changed"), bought(C, "scale", 17, "plan_changed")
    money = charge(A, "9.90"), charge(B, "18.00", 15, plan="pro"), charge(C, "171.10", 17, back="171.10", plan="scale")
    assert left_in_any_order(OLD, second, third, *money) == 10_000_000 * 2790 // 19900


def test_point_5_what_was_used_under_the_old_order_is_gone_of_what_its_money_keeps() -> None:
    customer = PureCustomer(BEGAN)
    customer.open("tokens")
    for each in (OLD, charge(A, "9.90")):
        customer.take(each, each.at)
    customer.use(30_000)
    for each in (*CHANGED, charge(B, "990.00", 15, back="990.00", plan="pro")):
        customer.take(each, NOW)
    assert customer.available() == STARTER_UNITS - 30_000


def test_point_5_a_change_at_the_end_of_the_period_is_paid_for_by_its_own_money_alone() -> None:
    lower = step("activated", B, "2026-04-10T15:14:41", "2026-04-10", "2026-05-10", plan="starter", number=1)
    changed = step("plan_changed", B, "2026-04-10T15:14:41", "2026-04-10", "2026-05-10", plan="starter", number=1)
    paid_at = utc("2026-04-10T15:14:40")
    money = Charged(Decimal("9.90"), Decimal("9.90"), paid_at, 1, "starter", refunded_at=paid_at + DAY, revision=2)
    refunded = Step(paid_at, OrderFacts.of_charge(B, "PAY_B", money))
    customer = PureCustomer(BEGAN)
    customer.open("tokens")
    for each in (bought(A, "pro"), charge(A, "27.90", plan="pro"), lower, changed, refunded):
        customer.take(each, max(each.at, customer.now))
    assert customer.available() == 0


def test_point_8_a_trial_was_not_paid_for_and_keeps_nothing_of_a_refunded_upgrade() -> None:
    on_trial = step("activated", A, "2026-03-10T15:14:33", "2026-03-10", "2026-04-10", number=0)
    (period,) = on_trial.facts.periods
    sale = period.statements[0].__class__(PLANS["starter"], on_trial.at, is_trial=True)
    trial = Step(on_trial.at, OrderFacts(A, on_trial.facts.began, (period.__class__(period.period, (sale,)),)))
    upgrade = charge(B, "18.00", 15, back="18.00", plan="pro")
    assert left_in_any_order(trial, *CHANGED, upgrade) == 0


# --- Two orders beside each other


@pytest.mark.parametrize("plan", ["starter", "pro"])
@pytest.mark.parametrize("is_newer", [True, False])
def test_point_6_a_refunded_order_takes_nothing_from_another_that_is_paid_for(plan: str, is_newer: bool) -> None:
    days = (12, 10) if is_newer else (10, 12)
    refunded = bought(B, plan, days[0]), charge(B, PRICES[plan], days[0], back=PRICES[plan], plan=plan)
    assert left_in_any_order(bought(A, "starter", days[1]), charge(A, "9.90", days[1]), *refunded) == STARTER_UNITS


@pytest.mark.parametrize(("back", "units"), [("2.79", 900_000), ("25.11", 100_000), ("26.50", STARTER_UNITS)])
def test_point_6_of_two_orders_the_one_that_gives_more_after_its_refund_governs(back: str, units: int) -> None:
    partly = bought(B, "pro", 12), charge(B, "27.90", 12, back=back, plan="pro")
    assert left_in_any_order(OLD, charge(A, "9.90"), *partly) == units


def test_point_6_where_both_orders_are_refunded_nothing_stays() -> None:
    newer = bought(B, "pro", 12), charge(B, "27.90", 12, back="27.90", plan="pro")
    assert left_in_any_order(OLD, charge(A, "9.90", back="9.90"), *newer) == 0


def test_point_6_what_was_used_under_a_refunded_order_is_gone_of_the_one_that_governs_then() -> None:
    customer = PureCustomer(BEGAN)
    customer.open("tokens")
    for each in (OLD, charge(A, "9.90")):
        customer.take(each, each.at)
    customer.use(30_000)
    again, paid = bought(B, "starter", 12), charge(B, "9.90", 12)
    for each in (again, paid):
        customer.take(each, each.at + DAY)
    customer.use(20_000)
    assert customer.available() == STARTER_UNITS - 50_000
    # When the second one is refunded
    customer.take(charge(B, "9.90", 12, back="9.90"), REFUNDED)
    # Then the first one goes on
    assert customer.available() == STARTER_UNITS - 50_000
    # And when the refund fails after all, nothing is given twice
    customer.use(10_000)
    money = Charged(Decimal("9.90"), Decimal(0), paid.at, 1, "starter", Decimal("9.90"), revision=3)
    customer.take(Step(paid.at, OrderFacts.of_charge(B, f"PAY_{B}", money)), NOW)
    assert customer.available() == STARTER_UNITS - 60_000


def test_point_6_an_overdue_order_that_is_cut_takes_nothing_from_another_that_is_paid_for() -> None:
    scale = with_plan("scale", past_due=PastDueReduce(Decimal("0.001"))).plans["scale"]
    older = step("activated", A, "2026-03-10T15:14:33", "2026-03-10", "2026-04-10", plan=scale, number=1)
    overdue = step("past_due", A, "2026-04-10T15:15:00", "2026-04-10", "2026-04-17", plan=scale, number=2)
    beside = step("activated", B, "2026-03-20T10:00:00", "2026-03-20", "2026-04-20", number=1)
    customer = PureCustomer(BEGAN)
    customer.open("tokens")
    for each in (older, beside, overdue):
        customer.take(each, max(each.at, customer.now))
    assert customer.available() == STARTER_UNITS
