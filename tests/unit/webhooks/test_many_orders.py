"""Issue 11, point 16: however many orders and changes a customer has had, nothing that still counts is forgotten."""

from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

import pytest

from pancake_meter.domain.errors import TooManyOrders
from pancake_meter.domain.standing.held_order import has_place, held_by
from pancake_meter.domain.standing.lifecycle import LifecycleKind
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.domain.standing.paid_period import Charged
from pancake_meter.domain.standing.subscription import MAX_ORDERS, ORDERS_NOT_SOLD
from pancake_meter.value import replace
from tests.support.catalogs import WITH_ADD_ONS
from tests.support.pure_subscription import CATALOG, PLANS, PureCustomer, Step, step
from tests.support.webhook_world import utc

A = "ORD_A"
STARTER, PRO = (CATALOG.plans[key] for key in ("starter", "pro"))
NOW = utc("2026-03-22")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def numbered(number: int, kind: LifecycleKind = "activated", plan: str = "starter") -> Step:
    day = f"2026-03-{number:02d}"
    return step(kind, f"ORD_{number:02d}", f"{day}T12:00:00", day, f"2026-04-{number:02d}", plan=plan)


def days(start: datetime, count: int) -> tuple[str, str]:
    """A period of so many days, as bare days."""
    return f"{start:%Y-%m-%d}", f"{start + count * DAY:%Y-%m-%d}"


def said(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}"


def test_an_order_that_ended_is_reduced_to_its_outline_once_no_period_of_one_that_stands_ran_beside_it() -> None:
    # Given an order that stands, and more that ended beside it than are remembered otherwise
    customer = PureCustomer(utc("2026-03-01"))
    customer.take(numbered(1, plan="pro"), NOW)
    for number in range(2, MAX_ORDERS + 5):
        customer.take(numbered(number), NOW)
        customer.take(numbered(number, "canceled"), NOW)
    # Then all are remembered in full
    assert not [order for order in customer.subscription.orders if order.is_outline]
    # And the first ones that ended no longer, once none of its periods that are remembered ran beside them
    start = utc("2026-05-05")
    for _ in range(13):
        renewed = step("renewed", "ORD_01", said(start), *days(start, 31), plan="pro")
        customer.take(renewed, start)
        start += 31 * DAY
    orders = customer.subscription.orders
    assert len(orders) == MAX_ORDERS + 4
    assert sorted(order.order_id for order in orders if order.is_outline) == [f"ORD_{n:02d}" for n in range(2, 6)]
    # Of those everything is known but what they granted
    second = customer.subscription.order("ORD_02")
    assert second is not None
    assert second.paid is not None
    assert (second.ended_at, second.paid.plan.key, second.paid.plan.allowances) == (
        utc("2026-03-02T12:00:00"),
        "starter",
        {},
    )


def test_an_order_of_which_only_an_outline_is_left_does_not_come_back() -> None:
    # Given an order that ended, and as many after it as are remembered in full
    customer = PureCustomer(utc("2026-01-01"))
    customer.open("tokens")
    old = step("activated", "OLD", "2026-01-01T00:00:00", "2026-01-01", "2026-01-08")
    customer.take(old, old.at)
    customer.take(step("canceled", "OLD", "2026-01-02T00:00:00", "2026-01-01", "2026-01-08"), utc("2026-01-02"))
    at = utc("2026-01-20")
    for number in range(MAX_ORDERS):
        span = days(at, 7)
        customer.take(step("activated", f"ORD_{number}", said(at), *span, plan="pro"), at)
        customer.take(step("canceled", f"ORD_{number}", said(at + HOUR), *span, plan="pro"), at + HOUR)
        at += DAY
    # When its beginning is told again, by a second registration of the webhook
    before = customer.subscription
    customer.take(old, at)
    # Then
    assert customer.subscription == before
    assert held_by(customer.subscription, STARTER, {"tokens"}, at) is None


def test_what_a_change_replaced_stays_as_it_was_when_orders_of_that_time_are_long_over() -> None:
    # Given two orders that stood when a plan change, which does not say so, took the place of one of them
    customer = PureCustomer(utc("2026-01-01"))
    customer.open("tokens", "agent_runs")
    february, march = utc("2026-02-01"), utc("2026-03-01")
    told = [
        step("activated", "AGENT", "2026-01-01T00:00:00", "2026-01-01", "2026-02-01", plan="agent"),
        step("activated", "STARTER", "2026-01-05T00:00:00", "2026-01-05", "2026-02-05"),
        step("plan_changed", "PRO", "2026-01-10T00:00:00", "2026-01-10", "2026-02-10", plan="pro"),
        step("canceled", "STARTER", "2026-01-10T00:01:00", "2026-01-05", "2026-02-05"),
    ]
    for month in (february, march):
        told += [
            step("renewed", "AGENT", said(month), *days(month, 28), plan="agent"),
            step("renewed", "PRO", said(month + 9 * DAY), *days(month + 9 * DAY, 28), plan="pro"),
        ]
    for each in told:
        customer.take(each, each.at)
    runs = customer.available("agent_runs")
    # When many small orders come and go
    boost, at = WITH_ADD_ONS.plans["boost"], utc("2026-03-11")
    for number in range(MAX_ORDERS + 2):
        moves: tuple[tuple[LifecycleKind, int], ...] = (("activated", 0), ("canceled", 5))
        for kind, after in moves:
            moment = at + after * HOUR
            customer.take(step(kind, f"BOOST_{number}", said(moment), *days(at, 7), plan=boost), moment)
        at += 6 * HOUR
        assert customer.available("agent_runs") == runs
    assert customer.subscription.replaced.get("PRO") is None


def crowded(orders: int) -> PureCustomer:
    """A customer with so many orders that ended beside one whose next news has not come yet."""
    customer = PureCustomer(utc("2026-01-01"))
    customer.open("tokens", "agent_runs")
    customer.take(step("activated", "AGENT", "2026-01-01T00:00:00", "2026-01-01", "2026-02-01", plan="agent"))
    at = utc("2026-01-02")
    for number in range(orders):
        customer.take(step("activated", f"ORD_{number}", said(at), *days(at, 31)), at)
        customer.take(step("canceled", f"ORD_{number}", said(at + 3 * HOUR), *days(at, 31)), at + 3 * HOUR)
        at += 12 * HOUR
    return customer


@pytest.mark.parametrize("orders", [5, MAX_ORDERS + 5])
def test_scenario_32_the_end_of_the_newest_order_that_is_told_before_its_beginning_holds(orders: int) -> None:
    customer = crowded(orders)
    span, at = ("2026-03-05", "2026-04-05"), utc("2026-03-05T02:00:00")
    customer.take(step("canceled", "NEW", "2026-03-05T02:00:00", *span, plan="pro"), at)
    customer.take(step("activated", "NEW", "2026-03-05T01:00:00", *span, plan="pro"), at + HOUR)
    assert customer.plan() == CATALOG.default_plan_key


@pytest.mark.parametrize("orders", [5, MAX_ORDERS + 5])
def test_what_was_used_of_the_newest_order_is_gone_of_the_one_that_takes_its_place(orders: int) -> None:
    customer = crowded(orders)
    began, changed = utc("2026-03-05T01:00:00"), utc("2026-03-06T01:00:00")
    customer.take(step("activated", "P1", said(began), *days(began, 31), plan="pro"), began)
    customer.use(900_000)
    customer.take(step("canceled", "P1", said(changed), *days(began, 31), plan="pro"), changed)
    told = step("plan_changed", "P2", said(changed), *days(changed, 31), plan="pro")
    customer.take(Step(told.at, replace(told.facts, replaces=frozenset({"P1"}))), changed + HOUR)
    assert customer.available() == PRO.allowances["tokens"].quantity - 900_000


@pytest.mark.exhaustive
@pytest.mark.parametrize("orders", [2, MAX_ORDERS, MAX_ORDERS + 5])
def test_used_units_do_not_roll_over_however_many_orders_took_each_other_s_place_before(orders: int) -> None:
    customer, start = PureCustomer(utc("2026-01-01")), utc("2026-01-01")
    customer.open("tokens")
    for number in range(orders):
        at, name = start + number * DAY, f"ORD_{number:02d}"
        kind: LifecycleKind = "plan_changed" if number else "activated"
        customer.take(step(kind, name, said(at + HOUR), *days(at, 31), plan="hoarder"), at + HOUR)
        if number:
            last = f"ORD_{number - 1:02d}"
            customer.take(step("canceled", last, said(at + HOUR), *days(at - DAY, 31), plan="hoarder"), at + HOUR)
        else:
            customer.use(9_000_000)
    left = customer.available()
    assert left == 1_000_000
    end = start + (orders - 1) * DAY + 31 * DAY
    renewed = step("renewed", f"ORD_{orders - 1:02d}", said(end), *days(end, 28), plan="hoarder")
    customer.take(renewed, end)
    assert customer.available() == left + PLANS["hoarder"].allowances["tokens"].quantity


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(4))
def test_promise_4_more_orders_than_are_remembered_in_full_stand_alike_whatever_the_order_of_their_news(
    seed: int,
) -> None:
    # Given orders that took each other's place, told as it happened or shuffled
    randomly, at, told = Random(seed), utc("2026-01-01"), list[Step]()  # noqa: S311
    for number in range(randomly.randint(MAX_ORDERS + 2, MAX_ORDERS + 8)):
        name, plan = f"ORD_{number:02d}", randomly.choice(["starter", "pro", "scale"])
        began = step("plan_changed" if number else "activated", name, said(at), *days(at, 31), plan=plan)
        replaced = frozenset({f"ORD_{number - 1:02d}"} if number else ())
        told.append(Step(began.at, replace(began.facts, replaces=replaced)))
        refund = Decimal(randomly.choice([0, 0, 5, 10]))
        paid = Charged(Decimal(10), refund, at, 1, plan, Decimal(10), at + HOUR if refund else None)
        told.append(Step(at, OrderFacts.of_charge(name, f"PAY_{number}", paid)))
        gap = timedelta(hours=randomly.choice([6, 12, 24]))
        told.append(step("canceled", name, said(at + gap), *days(at, 31), plan=plan))
        at += gap
    told = told[:-1]
    pictures = []
    for news in (told, randomly.sample(told, len(told)), told[::-1]):
        customer = PureCustomer(at)
        customer.open("tokens")
        customer.take_all(news)
        pictures.append((customer.plan(), customer.available(), customer.subscription.replaced))
    assert pictures[0] == pictures[1] == pictures[2]


def test_point_16_a_payment_that_is_told_of_before_its_order_is_kept_among_many_orders() -> None:
    # Given orders that ended beside the one that stands, as many as are remembered otherwise
    customer = PureCustomer(utc("2026-03-01"))
    for number in range(1, MAX_ORDERS + 1):
        customer.take(numbered(number), NOW)
        if number > 1:
            customer.take(numbered(number, "canceled"), NOW)
    # When money comes for another one
    paid = Charged(Decimal("9.90"), Decimal(0), NOW)
    customer.take(Step(NOW, OrderFacts.of_charge("ORD_99", "PAY_99", paid)), NOW)
    # Then it is known when the order is
    order = customer.subscription.order("ORD_99")
    assert order is not None
    assert order.charges == {"PAY_99": paid}


CARRYING = [replace(plan, quota_change="carry") for plan in (STARTER, PRO)]


def test_point_16_forty_changes_of_plan_in_one_period_forget_no_usage() -> None:
    customer = PureCustomer(utc("2026-03-10T15:14:33"))
    customer.open("tokens")
    customer.take(step("activated", A, "2026-03-10T15:14:33", "2026-03-10", "2026-04-10", plan=CARRYING[0]))
    for hour in range(1, 40):
        customer.use(100)
        at = utc("2026-03-11") + timedelta(hours=hour)
        changed = step(
            "plan_changed", A, f"{at:%Y-%m-%dT%H}:00:00", "2026-03-10", "2026-04-10", plan=CARRYING[hour % 2]
        )
        customer.take(changed, at)
    assert customer.plan() == "pro"
    assert customer.available() == PRO.allowances["tokens"].quantity - 3_900


def test_point_16_forty_orders_that_replace_each_other_in_one_period_forget_no_usage() -> None:
    customer = PureCustomer(utc("2026-03-10T15:14:33"))
    customer.open("tokens")
    customer.take(step("activated", "ORD_00", "2026-03-10T15:14:33", "2026-03-10", "2026-04-10", plan=CARRYING[0]))
    for hour in range(1, 40):
        customer.use(100)
        at = utc("2026-03-11") + timedelta(hours=hour)
        said = f"{at:%Y-%m-%dT%H}:00:00", "2026-03-10", "2026-04-10"
        customer.take(step("canceled", f"ORD_{hour - 1:02d}", *said, plan=CARRYING[(hour - 1) % 2]), at)
        customer.take(step("plan_changed", f"ORD_{hour:02d}", *said, plan=CARRYING[hour % 2]), at)
    assert customer.plan() == "pro"
    assert customer.available() == PRO.allowances["tokens"].quantity - 3_900


def test_point_16_an_order_more_than_can_be_remembered_is_refused_loudly() -> None:
    customer = PureCustomer(utc("2026-03-01"))
    for number in range(1, MAX_ORDERS + 1):
        customer.take(numbered(number), NOW)
    with pytest.raises(TooManyOrders):
        customer.take(numbered(MAX_ORDERS + 1), NOW)
    # And fits once another has ended
    customer.take(numbered(3, "canceled"), NOW)
    customer.take(numbered(MAX_ORDERS + 1), NOW)
    assert len(customer.subscription.live_orders) == MAX_ORDERS


def test_point_14_an_order_is_sold_while_more_places_are_free_than_are_never_sold() -> None:
    # Given
    customer = PureCustomer(utc("2026-03-01"))
    customer.open("tokens")
    assert has_place(None, None)
    for number in range(1, MAX_ORDERS - ORDERS_NOT_SOLD + 1):
        assert has_place(customer.subscription, None)
        customer.take(numbered(number), NOW)
    # When as many stand as are sold, then only the place of one of them is
    held = held_by(customer.subscription, PRO, {"tokens"}, NOW)
    assert held is not None
    assert (has_place(customer.subscription, held), has_place(customer.subscription, None)) == (True, False)
    # And one that ends frees its place, as does one whose place another takes
    customer.take(numbered(3, "canceled"), NOW)
    assert has_place(customer.subscription, None)
    customer.take(numbered(20), NOW)
    assert not has_place(customer.subscription, None)
    changed = numbered(21, "plan_changed", "pro")
    customer.take(replace(changed, facts=replace(changed.facts, replaces=frozenset({"ORD_05"}))), NOW)
    assert not has_place(customer.subscription, None)
    assert len(customer.subscription.live_orders) == MAX_ORDERS - ORDERS_NOT_SOLD


def test_point_14_as_many_places_are_never_sold_as_payments_come_that_nobody_asked_about() -> None:
    customer = PureCustomer(utc("2026-03-01"))
    for number in range(1, MAX_ORDERS + 1):
        customer.take(numbered(number), NOW)
        assert customer.subscription.can_carry_another is (number < MAX_ORDERS - ORDERS_NOT_SOLD)
