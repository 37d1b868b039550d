"""Issue 11, points 15 and 17: usage told after its paid period has closed comes to the same as usage told in time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.domain.selling.plan import Plan, QuotaChangePolicy
from pancake_meter.value import replace
from tests.support.pure_subscription import CATALOG, PLANS, PureCustomer, Step, refunded, step
from tests.support.webhook_world import utc

BEGAN = utc("2026-03-10T15:00:00")
MARCH, APRIL = ("2026-03-10", "2026-04-10"), ("2026-04-10", "2026-05-10")
HOUR = timedelta(hours=1)

Usage = tuple[datetime, int, bool]
"""When so many units were used, and whether that is told late."""


def plan(key: str, quota_change: QuotaChangePolicy) -> Plan:
    return replace(PLANS[key], quota_change=quota_change)


def saving(rollover_maximum: int) -> Plan:
    """A plan of 1,000 units a month, of which so many roll over."""
    hoarder = PLANS["hoarder"]
    tokens = replace(hoarder.allowances["tokens"], quantity=Decimal(1_000), rollover_maximum=Decimal(rollover_maximum))
    return replace(hoarder, allowances={**hoarder.allowances, "tokens": tokens})


def said(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}"


def changed(at: datetime, before: str, after: str, *plans: Plan) -> list[Step]:
    """A change of plan: under its order, or by an order that takes its place."""
    told = [step("plan_changed", after, said(at), *MARCH, plan=plans[1])]
    return [step("canceled", before, said(at), *MARCH, plan=plans[0]), *told] if before != after else told


def lived(steps: Sequence[Step], usage: Sequence[Usage], end: datetime, *, is_late: bool) -> PureCustomer:
    """A customer's life up to an end, where usage that is late is told; or in time."""
    customer = PureCustomer(BEGAN)
    customer.take(steps[0])
    customer.open("tokens")
    in_time: list[tuple[datetime, Step | int]] = [(at, units) for at, units, late in usage if not (late and is_late)]
    in_time += [(each.at, each) for each in steps[1:]]
    for at, what in sorted(in_time, key=lambda each: each[0]):
        customer.pass_to(at)
        if isinstance(what, int):
            customer.use(what)
        else:
            customer.take(what, at)
    customer.pass_to(end)
    for at, units, late in usage:
        if late and is_late:
            customer.tell(units, said(at))
    return customer


def left(customer: PureCustomer) -> tuple[Decimal, Decimal]:
    balance = customer.balances["tokens"]
    return balance.available, balance.overage + balance.overage_due


@pytest.mark.parametrize("after", ["ORD_A", "ORD_B"], ids=["under its order", "by another order"])
@pytest.mark.parametrize(("quota_change", "of_before"), [("carry", 150), ("reset", 0)])
def test_what_late_usage_took_before_a_change_of_plan_is_gone_after_it_as_the_plan_says(
    after: str, quota_change: QuotaChangePolicy, of_before: int
) -> None:
    plans = plan("starter", quota_change), plan("pro", quota_change)
    at = utc("2026-03-20T12:00:00")
    steps = [
        step("activated", "ORD_A", said(BEGAN), *MARCH, plan=plans[0]),
        *changed(at, "ORD_A", after, *plans),
    ]
    usage = [(utc("2026-03-15"), 100, False), (utc("2026-03-16"), 50, True), (at + HOUR, 7, False)]
    customer = lived(steps, usage, at + 2 * HOUR, is_late=True)
    assert customer.plan() == "pro"
    assert customer.available() == PLANS["pro"].allowances["tokens"].quantity - of_before - 7
    assert customer.balances["tokens"].used_of_plan == of_before + 7


@given(
    st.lists(st.tuples(st.integers(1, 100), st.booleans()), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(1, 450), st.sampled_from([100, 5_000, 20_000]), st.booleans()), max_size=5),
)
def test_usage_told_late_leaves_what_usage_told_in_time_does_whatever_plans_and_orders_came_between(
    changes: list[tuple[int, bool]], used: list[tuple[int, int, bool]]
) -> None:
    # No more than the smaller plan grants: beyond that it would be owed under the plan of its time
    plans = [plan("starter", "carry"), plan("pro", "carry")]
    steps = [step("activated", "ORD_0", said(BEGAN), *MARCH, plan=plans[0])]
    at, order, now = BEGAN, 0, 0
    for hours, is_new in changes:
        at, was, now = at + hours * HOUR, order, 1 - now
        order += is_new
        steps += changed(at, f"ORD_{was}", f"ORD_{order}", plans[1 - now], plans[now])
    end = at + 2 * HOUR
    # Half past, so that nothing is used at the very instant of a change
    usage = [(BEGAN + hours * HOUR + HOUR / 2, units, late) for hours, units, late in used]
    usage = [each for each in usage if each[0] < end]
    assert left(lived(steps, usage, end, is_late=True)) == left(lived(steps, usage, end, is_late=False))


def test_what_late_usage_took_of_what_rolled_over_stays_taken_after_a_refund() -> None:
    # Given a month of which more was left than rolls over
    hoarder = saving(500)
    steps = [
        step("activated", "ORD_A", said(BEGAN), *MARCH, plan=hoarder, number=1),
        step("renewed", "ORD_A", "2026-04-10T12:00:00", *APRIL, plan=hoarder, number=2),
    ]
    usage = [(utc("2026-03-11"), 100, False), (utc("2026-03-12"), 300, True)]
    customers = [lived(steps, usage, utc("2026-04-12"), is_late=is_late) for is_late in (True, False)]
    assert [customer.available() for customer in customers] == [1_500, 1_500]
    # When half of the first payment goes back
    for customer in customers:
        customer.take(refunded("ORD_A", "PAY_1", "2026-04-13", said(BEGAN), "0.5"), utc("2026-04-13"))
    # Then 500 less 400 have rolled over
    assert [customer.available() for customer in customers] == [1_100, 1_100]


def test_what_late_usage_took_of_a_term_that_time_alone_has_ended_is_gone_when_it_goes_on() -> None:
    # Given an order that was cancelled and has ended, and after that usage of its last days
    carrying = plan("pro", "carry")
    steps = [
        step("activated", "ORD_A", said(BEGAN), *MARCH, plan=carrying),
        step("canceling", "ORD_A", "2026-03-20T12:00:00", *MARCH, plan=carrying),
    ]
    usage = [(utc("2026-03-11"), 100, False), (utc("2026-04-09"), 40, True)]
    customers = [lived(steps, usage, utc("2026-04-12"), is_late=is_late) for is_late in (True, False)]
    assert [customer.plan() for customer in customers] == [CATALOG.default_plan_key] * 2
    # When it turns out that the period went on for longer
    uncanceled = step("renewed", "ORD_A", "2026-04-12T12:00:00", "2026-03-10", "2026-04-20", plan=carrying)
    for customer in customers:
        customer.take(uncanceled, utc("2026-04-12T12:00:00"))
    # Then
    whole = carrying.allowances["tokens"].quantity
    assert [customer.available() for customer in customers] == [whole - 140, whole - 140]


def filed(customer: PureCustomer) -> dict[tuple[str, int], tuple[int, int]]:
    """By plan change and month what is filed as gone, and as rolled over into it."""
    uses = customer.subscription.uses_of("tokens")
    return {(said(use.sold_at), use.window.start.month): (int(use.gone), int(use.rolled)) for use in uses}


def test_late_usage_is_filed_under_the_sale_of_its_time() -> None:
    # Given a change of plan that began whole, and the month after it
    plans = plan("starter", "reset"), plan("pro", "reset")
    at = utc("2026-03-20T12:00:00")
    steps = [
        step("activated", "ORD_A", said(BEGAN), *MARCH, plan=plans[0]),
        *changed(at, "ORD_A", "ORD_A", *plans),
        step("renewed", "ORD_A", "2026-04-10T12:00:00", *APRIL, plan=plans[1]),
    ]
    usage = [(utc("2026-03-15"), 50, True), (at + HOUR, 7, True)]
    customer = lived(steps, usage, utc("2026-04-12"), is_late=True)
    assert filed(customer) == {(said(BEGAN), 3): (50, 0), (said(at), 3): (7, 0)}


def test_what_late_usage_took_back_of_later_periods_did_not_come_over_into_them() -> None:
    # Given 1,000 a month, of which all that is left rolls over
    hoarder = saving(5_000)
    steps = [
        step("activated", "ORD_A", said(BEGAN), *MARCH, plan=hoarder),
        step("renewed", "ORD_A", "2026-04-10T12:00:00", *APRIL, plan=hoarder),
        step("canceled", "ORD_A", "2026-04-20T12:00:00", *APRIL, plan=hoarder),
    ]
    usage = [(utc("2026-03-15"), 300, True), (utc("2026-04-15"), 20, False)]
    customers = [lived(steps, usage, utc("2026-04-21"), is_late=is_late) for is_late in (True, False)]
    assert [[pair for _, pair in sorted(filed(each).items())] for each in customers] == [[(300, 0), (20, 700)]] * 2


def test_what_rolled_over_into_a_term_that_time_alone_has_ended_is_less_after_late_usage_of_the_month_before() -> None:
    hoarder = saving(5_000)
    steps = [
        step("activated", "ORD_A", said(BEGAN), *MARCH, plan=hoarder),
        step("renewed", "ORD_A", "2026-04-10T12:00:00", *APRIL, plan=hoarder),
        step("canceling", "ORD_A", "2026-04-20T12:00:00", *APRIL, plan=hoarder),
    ]
    usage = [(utc("2026-03-15"), 300, True), (utc("2026-04-15"), 20, False)]
    for is_late in (True, False):
        lapsed = lived(steps, usage, utc("2026-05-13"), is_late=is_late).balances["tokens"].lapsed
        assert lapsed is not None
        assert [lapsed.gone, lapsed.rolled] == [20, 700]
