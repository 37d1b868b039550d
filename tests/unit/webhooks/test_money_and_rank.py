"""Issue 11, points 5, 6, 10, 16, 19 and 20: access follows the money, and each meter its own order."""

from datetime import timedelta
from decimal import Decimal

import pytest

from pancake_meter.domain.balance.spend import Refusal, refusal
from pancake_meter.domain.selling.plan import PastDueBlock
from pancake_meter.domain.standing.bought_twice import bought_twice
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.domain.standing.paid_period import Charged
from pancake_meter.value import replace
from tests.support.pure_subscription import CATALOG, PureCustomer, Step, TopUp, left_in_any_order, step
from tests.support.webhook_world import utc

A, B = "ORD_A", "ORD_B"
DAY = timedelta(days=1)
STARTER, PRO, SCALE = (CATALOG.plans[key] for key in ("starter", "pro", "scale"))
ACTIVATED = step("activated", A, "2026-03-10T15:14:33", "2026-03-10", "2026-04-10", number=1)
UPGRADED = step("plan_changed", A, "2026-03-15T12:00:00", "2026-03-10", "2026-04-10", plan="pro", number=2)
NOW = utc("2026-03-22")


def charge(
    payment_id: str,
    amount: str,
    at: str,
    *,
    number: int | None,
    plan: str | None,
    back: str = "0",
    back_at: str = "2026-03-20T10:00:00",
    price: str | None = None,
) -> Step:
    """A payment for order A, and what went back of it."""
    refunded = Decimal(back)
    money = Charged(
        Decimal(amount),
        refunded,
        utc(at),
        number,
        plan,
        Decimal(price) if price else None,
        utc(back_at) if refunded else None,
        revision=2 if refunded else 1,
    )
    return Step(utc(at), OrderFacts.of_charge(A, payment_id, money))


def first(back: str = "0", back_at: str = "2026-03-20T10:00:00", *, plan: str | None = "starter") -> Step:
    return charge("PAY_1", "9.90", "2026-03-10T15:14:32", number=1, plan=plan, back=back, back_at=back_at)


def second(amount: str = "18.00", back: str = "0", *, plan: str | None = "pro", price: str | None = None) -> Step:
    return charge("PAY_2", amount, "2026-03-15T12:00:01", number=2, plan=plan, back=back, price=price)


@pytest.mark.parametrize("named", [True, False], ids=["charges name their plans", "charges name nothing"])
def test_point_5_half_of_each_of_two_charges_refunded_leaves_half(named: bool) -> None:
    plans = ("starter", "pro") if named else (None, None)
    upgrade = second(back="9.00", plan=plans[1])
    assert left_in_any_order(ACTIVATED, UPGRADED, first("4.95", plan=plans[0]), upgrade) == 500_000


def test_point_5_the_first_charge_refunded_and_the_new_plan_charged_in_full_leaves_it_whole() -> None:
    refunded_before = first("9.90", "2026-03-12T10:00:00")
    assert left_in_any_order(ACTIVATED, UPGRADED, refunded_before, second("29.00")) == 1_000_000


def test_point_5_a_plan_charged_in_full_stays_whole_whenever_the_first_charge_is_refunded() -> None:
    assert left_in_any_order(ACTIVATED, UPGRADED, first("9.90"), second("29.00", price="29.00")) == 1_000_000


def test_point_5_the_first_charge_refunded_takes_its_own_share_of_an_upgrade_that_cost_the_difference() -> None:
    whole = second("18.00", price="29.00")
    assert left_in_any_order(ACTIVATED, UPGRADED, first("9.90"), whole) == 1_000_000 * 1800 // 2790


def test_point_5_only_the_upgrade_refunded_leaves_at_least_what_the_first_charge_bought() -> None:
    assert left_in_any_order(ACTIVATED, UPGRADED, first(), second(back="18.00")) >= 100_000


@pytest.mark.parametrize("named", [True, False], ids=["charges name their plans", "charges name nothing"])
def test_point_5_everything_refunded_leaves_nothing(named: bool) -> None:
    plans = ("starter", "pro") if named else (None, None)
    everything = first("9.90", plan=plans[0]), second(back="18.00", plan=plans[1])
    assert left_in_any_order(ACTIVATED, UPGRADED, *everything) == 0


@pytest.mark.parametrize(("back", "kept"), [("7.25", 50_000), ("14.50", 0), ("0", 100_000)])
def test_point_5_a_discounted_charge_counts_by_what_was_charged(back: str, kept: int) -> None:
    discounted = charge("PAY_1", "14.50", "2026-03-10T15:14:32", number=1, plan="starter", back=back, price="29.00")
    assert left_in_any_order(ACTIVATED, discounted) == kept


def test_point_5_a_refund_that_failed_after_all_gives_the_allowance_back() -> None:
    # Given a refund of everything
    refunded, failed = first("9.90"), first()
    again = OrderFacts.of_charge(A, "PAY_1", replace(failed.facts.charges["PAY_1"], revision=3))
    customer = PureCustomer(utc("2026-03-01"))
    customer.open("tokens")
    customer.take(ACTIVATED, ACTIVATED.at)
    customer.use(30_000)
    customer.take(refunded, NOW)
    assert customer.available() == 0
    # When
    customer.take(Step(NOW, again), NOW)
    # Then
    assert customer.available() == 70_000


def two_orders(older: str, newer: str) -> PureCustomer:
    customer = PureCustomer(utc("2026-03-10T15:14:00"))
    customer.open(*CATALOG.meters)
    customer.take(step("activated", A, "2026-03-10T15:14:33", "2026-03-10", "2026-04-10", plan=older))
    customer.take(step("activated", B, "2026-03-12T09:00:00", "2026-03-12", "2026-04-12", plan=newer), NOW)
    return customer


@pytest.mark.parametrize("plans", [("pro", "agent"), ("agent", "pro")])
def test_point_6_two_orders_for_other_meters_give_both(plans: tuple[str, str]) -> None:
    customer = two_orders(*plans)
    assert (customer.available("tokens"), customer.available("agent_runs")) == (1_000_000, 500)
    assert not bought_twice(customer.subscription)


@pytest.mark.parametrize("plans", [("pro", "starter"), ("starter", "pro")])
def test_point_6_of_two_orders_for_one_meter_the_better_governs_and_then_the_other(plans: tuple[str, str]) -> None:
    # Given
    customer = two_orders(*plans)
    assert (customer.plan(), customer.available()) == ("pro", 1_000_000)
    # When the better one ends
    better, start = (A, "2026-03-10") if plans[0] == "pro" else (B, "2026-03-12")
    customer.take(step("canceled", better, "2026-03-25T09:00:00", start, "2026-04-12", plan="pro"), NOW + 4 * DAY)
    # Then
    assert (customer.plan(), customer.available()) == ("starter", 100_000)


def test_point_6_an_order_whose_term_has_run_out_does_not_govern() -> None:
    # Given a better plan whose renewal never came
    customer = two_orders("pro", "starter")
    customer.take(step("renewed", B, "2026-04-12T09:00:00", "2026-04-12", "2026-05-12"), utc("2026-04-12T09:00:01"))
    # Then the one that is paid for governs
    assert (customer.plan(), customer.available()) == ("starter", 100_000)


def test_point_10_usage_between_the_end_of_the_old_order_and_the_start_of_the_new_one_counts_under_the_new() -> None:
    ends = step("canceled", A, "2026-03-20T11:00:06", "2026-03-10", "2026-04-10")
    changes = step("plan_changed", B, "2026-03-20T11:00:05", "2026-03-20", "2026-04-20", plan="pro")

    def live(*order: Step) -> int:
        customer = PureCustomer(utc("2026-03-10T15:14:33"))
        customer.open("tokens")
        customer.take(ACTIVATED, ACTIVATED.at)
        customer.use(60_000)
        customer.take(order[0], utc("2026-03-20T11:00:07"))
        customer.use(12_000)
        customer.take(order[1], utc("2026-03-20T11:05:00"))
        return customer.available()

    assert live(ends, changes) == live(changes, ends) == 1_000_000 - 72_000


@pytest.mark.parametrize("is_end_told_first", [False, True])
def test_point_10_a_top_up_pays_for_overage_of_a_period_that_another_plan_took_over(is_end_told_first: bool) -> None:
    # Given an order that ended at once, and then usage beyond the free plan
    canceled = step("canceled", A, "2026-03-10T15:14:42", "2026-03-10", "2026-04-10")
    customer = PureCustomer(utc("2026-03-01"))
    customer.open("tokens")
    for told in [canceled, ACTIVATED] if is_end_told_first else [ACTIVATED, canceled]:
        customer.take(told, canceled.at)
    customer.use(70_000)
    # When another plan takes over, and then a top-up is bought
    changed = step("activated", B, "2026-03-12T15:14:42", "2026-03-12", "2026-04-12", plan="agent")
    customer.take(changed, changed.at)
    customer.take(TopUp(utc("2026-03-13"), "PAY_9", 100_000), utc("2026-03-13"))
    # Then
    assert (int(customer.balances["tokens"].overage_due), customer.available()) == (0, 40_000)


def test_point_19_usage_stays_in_its_month_when_a_yearly_order_is_partly_refunded() -> None:
    # Given a yearly quota in its third month
    year = replace(STARTER, key="year", allowances={"tokens": replace(STARTER.allowances["tokens"], cadence="billing")})
    customer = PureCustomer(utc("2026-03-10T15:14:33"))
    customer.open("tokens")
    customer.take(step("activated", A, "2026-03-10T15:14:33", "2026-03-10", "2027-03-10", plan=year))
    for month in ("04-20", "05-20"):
        customer.pass_to(utc(f"2026-{month}"))
        customer.use(1_000)
    chart = customer.balances["tokens"].chart
    # When
    customer.take(charge("PAY_1", "100.00", "2026-03-10T15:14:32", number=None, plan="year", back="50.00"))
    # Then
    balance = customer.balances["tokens"]
    assert (balance.chart, int(balance.available)) == (chart, 48_000)


def test_point_20_an_unpaid_order_keeps_bought_units_and_opens_no_others() -> None:
    # Given a plan that blocks, and a pack
    blocking = replace(STARTER, past_due=PastDueBlock(timedelta(days=3)))
    customer = PureCustomer(utc("2026-03-10T15:14:33"))
    customer.open("tokens")
    customer.take(step("activated", A, "2026-03-10T15:14:33", "2026-03-10", "2026-04-10", plan=blocking))
    customer.take(TopUp(utc("2026-03-11"), "PAY_9", 5_000))
    customer.take(step("past_due", A, "2026-04-10T15:15:02", "2026-04-10", "2026-04-17"), utc("2026-04-10T15:15:02"))
    # When the grace is over, by itself
    customer.pass_to(utc("2026-04-20"))
    # Then
    assert customer.available() == 5_000
    assert refusal(customer.balances["tokens"], Decimal(5_001)) == Refusal("past_due")
    # And a payment brings all back
    recovered = step("recovered", A, "2026-04-21T06:00:09", "2026-04-10", "2026-05-10", plan=blocking)
    customer.take(recovered, utc("2026-04-21T06:00:10"))
    assert customer.available() == 105_000


def test_what_was_used_is_told_as_it_was_after_a_refund_in_a_plan_that_took_over() -> None:
    # Given 100 units used before an upgrade, and 50 after it
    customer = PureCustomer(utc("2026-03-10T15:14:33"))
    customer.open("tokens")
    customer.take(ACTIVATED)
    customer.use(100)
    customer.take(UPGRADED, UPGRADED.at)
    customer.use(50)
    assert customer.balances["tokens"].used_of_plan == 150
    # When half of its money goes back
    customer.take(first(), NOW)
    customer.take(second(back="9.00"), NOW)
    assert customer.balances["tokens"].used_of_plan == 150
    assert customer.available() < PRO.allowances["tokens"].quantity - 150


def test_point_16_the_first_of_fifty_payments_in_one_period_counts() -> None:
    # Given a plan for 51.00, and 49 payments of 1.00 beside it
    customer = PureCustomer(utc("2026-03-10T15:14:33"))
    customer.open("tokens")
    customer.take(step("activated", A, "2026-03-10T15:14:33", "2026-03-10", "2026-04-10", plan="pro", number=1))
    customer.take(charge("PAY_00", "51.00", "2026-03-10T15:14:33", number=1, plan="pro", back="51.00"), NOW)
    for number in range(1, 50):
        day, hour = divmod(number, 24)
        at = f"2026-03-{11 + day:02d}T{hour:02d}:00:00"
        customer.take(charge(f"PAY_{number:02d}", "1.00", at, number=None, plan="pro", price="51.00"), NOW)
    # Then 49 of 100 are left
    assert customer.available() == PRO.allowances["tokens"].quantity * Decimal("0.49")
