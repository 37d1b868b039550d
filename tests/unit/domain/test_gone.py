"""What is gone of a paid period, and what rolls over into it: folds over facts and filed uses."""

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from pancake_meter.domain.balance.balance import window_in
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.selling.plan import Plan, QuotaChangePolicy
from pancake_meter.domain.standing.gone import begins_whole, gone_in, idle, rolled_into
from pancake_meter.domain.standing.lifecycle import LifecycleKind
from pancake_meter.domain.standing.order import MAX_PERIODS, OrderFacts
from pancake_meter.domain.standing.paid_period import Charged, PaidPeriod
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.domain.standing.use import PeriodUse
from pancake_meter.value import replace
from tests.support.catalogs import WITH_ADD_ONS
from tests.support.pure_subscription import CATALOG, CUSTOMER, step
from tests.support.webhook_world import utc

BASE = CATALOG.plans["pro"]
DAY, INSTANT = timedelta(days=1), timedelta.resolution
MARCH, APRIL, MAY, JUNE, JULY = (utc(f"2026-{month:02d}-10") for month in (3, 4, 5, 6, 7))


def plan(key: str = "pro", units: int = 1000, rank: int = 20, quota_change: QuotaChangePolicy = "carry") -> Plan:
    tokens = replace(BASE.allowances["tokens"], quantity=Decimal(units))
    return replace(BASE, key=key, rank=rank, allowances={"tokens": tokens}, quota_change=quota_change)


def told(
    sold: Plan,
    at: str,
    start: datetime = MARCH,
    end: datetime = APRIL,
    order_id: str = "a",
    kind: LifecycleKind = "activated",
) -> OrderFacts:
    return step(kind, order_id, at, f"{start:%Y-%m-%d}", f"{end:%Y-%m-%d}", plan=sold).facts


def of(*facts: OrderFacts) -> Subscription:
    subscription = Subscription(CUSTOMER)
    for each in facts:
        subscription = subscription.learn(each)
    return subscription


def period(subscription: Subscription, order_id: str = "a", start: datetime = MARCH) -> tuple[OrderFacts, PaidPeriod]:
    order = subscription.order(order_id)
    assert order is not None
    return order, next(each for each in order.all_periods if each.key[0] == start)


def used(
    subscription: Subscription,
    units: int,
    *,
    order_id: str = "a",
    start: datetime = MARCH,
    end: datetime = APRIL,
    sold_at: str | None = None,
    until: datetime | None = None,
    rolled: int = 0,
) -> Subscription:
    _, paid = period(subscription, order_id, start)
    place = order_id, paid.key, utc(sold_at) if sold_at else paid.sales[-1].sold_at
    use = PeriodUse(*place, Period(start, end), until or end - DAY, Decimal(units), Decimal(rolled))
    return subscription.file("tokens", use)


def gone(
    subscription: Subscription, order_id: str = "a", window: Period | None = None, start: datetime = MARCH
) -> Decimal:
    order, paid = period(subscription, order_id, start)
    return gone_in(subscription, order, paid, "tokens", window or Period(start, paid.period.ends_at))


# One order


def test_what_is_filed_of_a_period_is_gone_there_and_nowhere_else() -> None:
    twice = of(told(plan(), "2026-03-10"), told(plan(), "2026-04-10", APRIL, MAY, kind="renewed"))
    known = used(used(twice, 300), 20, start=APRIL, end=MAY)
    assert (gone(known), gone(known, start=APRIL)) == (300, 20)
    assert gone(twice) == 0


def test_a_use_counts_in_the_windows_that_it_reaches_into() -> None:
    known = used(of(told(plan(), "2026-03-10", MARCH, JUNE)), 300, end=APRIL)
    assert gone(known, window=Period(APRIL - INSTANT, MAY)) == 300
    assert gone(known, window=Period(APRIL, MAY)) == 0


CHANGED_AT = "2026-03-25"


@pytest.mark.parametrize(("policy", "is_gone"), [("carry", 400), ("reset", 100)])
def test_on_a_change_the_quota_policy_of_the_new_plan_decides_what_stays_gone(
    policy: QuotaChangePolicy, is_gone: int
) -> None:
    known = of(told(plan(), "2026-03-10"), told(plan("max", 3000, 30, policy), CHANGED_AT, kind="plan_changed"))
    assert gone(used(used(known, 300, sold_at="2026-03-10"), 100)) == is_gone


@pytest.mark.parametrize(
    ("before", "after", "used_before", "is_gone"),
    [
        # Half of the period at 1000 and half at 3000 are 2000 units
        (1000, 3000, 300, 3000 - (2000 - 300)),
        (1000, 3000, 0, 1000),
        (1000, 3000, 2000, 3000),
        (1000, 3000, 2001, 3000),
        # Never more than the new plan grants is left
        (3000, 1000, 0, 0),
        (3000, 1000, 1500, 500),
    ],
)
def test_a_prorated_change_grants_each_plan_s_units_for_its_share_of_the_period(
    before: int, after: int, used_before: int, is_gone: int
) -> None:
    end = MARCH + 30 * DAY
    prorating = plan("max", after, 30, "prorate")
    known = of(
        told(plan("mini", before), "2026-03-10", MARCH, end),
        told(prorating, f"{MARCH + 15 * DAY:%Y-%m-%d}", MARCH, end, kind="plan_changed"),
    )
    known = used(known, used_before, sold_at="2026-03-10", end=end)
    assert gone(known, window=Period(MARCH, end)) == is_gone


def test_a_prorated_change_to_a_plan_that_is_half_refunded_grants_half_of_that_plan_s_share() -> None:
    end = MARCH + 30 * DAY
    money = Charged(Decimal(10), Decimal(5), MARCH + 15 * DAY, refunded_at=MARCH + 16 * DAY)
    known = of(
        told(plan("mini"), "2026-03-10", MARCH, end),
        told(plan("max", 3000, 30, "prorate"), f"{MARCH + 15 * DAY:%Y-%m-%d}", MARCH, end, kind="plan_changed"),
        OrderFacts.of_charge("a", "PAY_1", money),
    )
    known = used(known, 300, sold_at="2026-03-10", end=end)
    # Half of the period at 1000 and half at 1500 are 1250 units
    assert gone(known, window=Period(MARCH, end)) == 1500 - (1250 - 300)


@pytest.mark.parametrize(
    ("policy", "before", "is_whole"),
    [
        ("prorate", MARCH, False),
        ("prorate", MARCH - INSTANT, True),
        ("carry", MARCH - INSTANT, False),
        ("reset", MARCH, True),
    ],
)
def test_a_prorated_change_takes_what_was_used_in_its_own_window_along(
    policy: QuotaChangePolicy, before: datetime, *, is_whole: bool
) -> None:
    assert begins_whole(plan(quota_change=policy), "tokens", before, MARCH) is is_whole


def test_a_prorated_change_counts_from_the_start_of_its_window_to_its_end() -> None:
    prorating = plan("max", 3000, 30, "prorate")
    for sold_at, is_gone in (("2026-03-01", 0), ("2026-05-01", 2000)):
        sales = told(plan(), "2026-02-01"), told(prorating, sold_at, kind="plan_changed")
        assert gone(of(*sales)) == is_gone


def test_nothing_that_was_used_before_a_sale_counts_in_a_window_that_began_after_it() -> None:
    sold = (
        told(plan(), "2026-03-10", MARCH, JUNE),
        told(plan("max", 3000), "2026-03-25", MARCH, JUNE, kind="plan_changed"),
    )
    known = used(used(of(*sold), 300, sold_at="2026-03-10", end=JUNE), 100, end=JUNE)
    changed_at = utc("2026-03-25")
    assert gone(known, window=Period(changed_at - INSTANT, JUNE)) == 400
    assert gone(known, window=Period(changed_at, JUNE)) == 100


def test_a_statement_that_comes_later_splits_the_sale_under_which_a_use_was_filed() -> None:
    reset = plan("max", 3000, 30, "reset")
    known = used(
        of(told(plan(), "2026-03-10"), told(reset, "2026-03-25", kind="plan_changed")), 100, sold_at="2026-03-24"
    )
    assert gone(known) == 0
    assert gone(used(known, 7, sold_at="2026-03-25")) == 7


# Orders before it, and after it


def replaced_order(*, is_known: bool) -> Subscription:
    change = replace(
        told(plan(), "2026-03-20T00:00:00", utc("2026-03-20"), utc("2026-04-20"), "b"), is_plan_change=True
    )
    return of(told(plan(), "2026-03-10"), replace(change, replaces=frozenset({"a"}) if is_known else frozenset()))


@pytest.mark.parametrize("is_known", [True, False])
def test_what_was_used_of_an_order_that_was_replaced_is_gone_of_the_one_in_its_place(*, is_known: bool) -> None:
    known = used(replaced_order(is_known=is_known), 300)
    b = utc("2026-03-20")
    assert gone(known, "b", start=b) == 300
    assert gone(used(known, 50, order_id="b", start=b, end=utc("2026-04-20")), "b", start=b) == 350
    # Only where the order begins: a later window, and a later period, are their own
    assert gone(known, "b", Period(b + INSTANT, utc("2026-04-20")), start=b) == 0
    renewed = known.learn(told(plan(), "2026-04-20", utc("2026-04-20"), utc("2026-05-20"), "b", "renewed"))
    assert gone(renewed, "b", start=utc("2026-04-20")) == 0


def test_bought_twice_gives_one_allowance() -> None:
    both = of(told(plan(), "2026-03-10"), told(plan(), "2026-03-20", utc("2026-03-20"), utc("2026-04-20"), "b"))
    assert gone(used(both, 300), "b", start=utc("2026-03-20")) == 300


def test_an_order_that_had_ended_before_gives_nothing_to_mind() -> None:
    ended = replace(told(plan(), "2026-03-10"), ended_at=utc("2026-03-15"))
    both = of(ended, told(plan(), "2026-03-20", utc("2026-03-20"), utc("2026-04-20"), "b"))
    assert gone(used(both, 300), "b", start=utc("2026-03-20")) == 0


def test_an_add_on_is_no_order_before_it_nor_after_it() -> None:
    boost = WITH_ADD_ONS.plans["boost"]
    both = of(
        told(boost, "2026-03-10", order_id="x"),
        told(plan(), "2026-03-11", order_id="a"),
        told(boost, "2026-03-12", order_id="y"),
    )
    known = used(used(both, 300, order_id="x"), 300, order_id="y")
    assert gone(known) == 0


def test_what_was_used_of_a_later_order_that_came_and_went_is_gone_of_the_one_that_stood() -> None:
    late = replace(told(plan(), "2026-03-20", utc("2026-03-20"), utc("2026-04-20"), "b"), ended_at=utc("2026-03-25"))
    known = used(
        of(told(plan(), "2026-03-10"), late), 70, order_id="b", start=utc("2026-03-20"), until=utc("2026-03-25")
    )
    assert gone(known) == 70
    assert gone(known, window=Period(utc("2026-03-25") - INSTANT, APRIL)) == 70
    assert gone(known, window=Period(utc("2026-03-25"), APRIL)) == 0


def test_two_orders_that_began_at_the_same_instant_give_one_allowance() -> None:
    ended = replace(told(plan(), "2026-03-10", order_id="b"), ended_at=utc("2026-03-15"))
    assert gone(used(of(told(plan(), "2026-03-10"), ended), 70, order_id="b")) == 70


def test_an_add_on_that_a_plan_took_the_place_of_is_gone_of_no_plan() -> None:
    boost = told(WITH_ADD_ONS.plans["boost"], "2026-03-10", order_id="x")
    changed = replace(told(plan(), "2026-03-11", order_id="b"), replaces=frozenset({"x"}))
    assert gone(used(of(boost, changed), 300, order_id="x"), "b") == 0


def test_an_order_of_which_only_the_end_is_known_hides_none_before_it() -> None:
    # Given three orders, each in the place of the one before, and of the second nothing but its end
    first = told(plan(), "2026-03-10")
    second = replace(told(plan(), "2026-03-12", order_id="b", kind="canceled"), replaces=frozenset({"a"}))
    third = replace(told(plan(), "2026-03-14", order_id="c"), replaces=frozenset({"b"}))
    known = used(used(of(first, second, third), 30), 4, order_id="c")
    # Then what was used of the others is gone of the third, as it is when all is known
    assert gone(known, "c") == 34
    learned = known.learn(replace(told(plan(), "2026-03-12", order_id="b"), replaces=frozenset({"a"})))
    assert gone(learned, "c") == 34


def test_of_the_order_before_it_is_the_period_that_had_begun_by_then() -> None:
    first = of(told(plan(), "2026-03-10"), told(plan(), "2026-04-10", APRIL, MAY, kind="renewed"))
    known = used(used(first, 300), 20, start=APRIL, end=MAY)
    both = known.learn(told(plan(), "2026-04-20", utc("2026-04-20"), utc("2026-05-20"), "b"))
    assert gone(both, "b", start=utc("2026-04-20")) == 20
    at_once = known.learn(told(plan(), "2026-04-10", APRIL, MAY, "b"))
    assert gone(at_once, "b", start=APRIL) == 20
    # Where none had begun, its first: news of an order may come before its period
    b = "2026-03-11T01:00:00", utc("2026-03-11"), utc("2026-04-11"), "b"
    early = used(first, 300).learn(told(plan(), *b)).learn(told(plan(), "2026-03-09", *b[1:], kind="canceling"))
    assert gone(early, "b", start=utc("2026-03-11")) == 300


# What rolls over

SAVES = Decimal(1500)


def months(count: int, sold: Plan | None = None) -> Subscription:
    starts = (MARCH, APRIL, MAY, JUNE, JULY)
    return of(
        *(
            told(sold or plan(), f"{start:%Y-%m-%d}", start, end, kind="renewed" if number else "activated")
            for number, (start, end) in enumerate(pairwise(starts[: count + 1]))
        )
    )


def rolled(subscription: Subscription, start: datetime, maximum: Decimal = SAVES) -> Decimal:
    return rolled_into(subscription, *period(subscription, start=start), "tokens", maximum)


def test_periods_that_nobody_used_roll_over_whole_up_to_the_maximum() -> None:
    assert [rolled(months(4), start) for start in (MARCH, APRIL, MAY, JUNE)] == [0, 1000, 1500, 1500]
    assert rolled(months(4), JUNE, Decimal(0)) == 0
    assert [idle(Decimal(3), windows, Decimal(25), Decimal(10)) for windows in (0, 1, 2, 3)] == [3, 13, 23, 25]


def test_what_was_used_does_not_roll_over() -> None:
    assert rolled(used(months(2), 300), APRIL) == 700
    assert rolled(used(months(2), 1300), APRIL) == 0
    # What had come over was there to be used too
    known = used(used(months(3), 300), 1100, start=APRIL, end=MAY, rolled=700)
    assert rolled(known, MAY) == 600
    assert rolled(used(months(3), 1300), MAY) == 1000


@pytest.mark.parametrize(("gap", "rolls"), [(timedelta(0), 1000), (DAY, 1000), (2 * DAY, 0)])
def test_a_period_rolls_over_into_the_one_that_follows_it_within_a_day(gap: timedelta, rolls: int) -> None:
    start = APRIL + gap
    known = of(told(plan(), "2026-03-10"), told(plan(), "2026-04-12", start, start + 30 * DAY, kind="renewed"))
    order = known.order("a")
    assert order is not None
    assert rolled_into(known, order, order.all_periods[0], "tokens", SAVES) == rolls


def test_nothing_rolls_over_from_another_plan_nor_out_of_a_trial() -> None:
    other = of(told(plan("max"), "2026-03-10"), told(plan(), "2026-04-10", APRIL, MAY, kind="plan_changed"))
    assert rolled(other, APRIL) == 0
    trial = months(2)
    (latest, first) = trial.orders[0].periods
    on_trial = replace(first, statements=(replace(first.statements[0], is_trial=True),))
    assert rolled(of(replace(trial.orders[0], periods=(latest, on_trial))), APRIL) == 0


def test_each_window_of_a_period_rolls_over_into_the_next() -> None:
    monthly = replace(plan(), allowances={"tokens": replace(plan().allowances["tokens"], cadence="month")})
    quarter = of(
        told(monthly, "2026-03-10", MARCH, JUNE), told(monthly, "2026-06-10", JUNE, JUNE + 92 * DAY, kind="renewed")
    )
    assert rolled(quarter, JUNE, Decimal(9000)) == 3000
    # Of a period whose last window was used, what had come over into that is known from the balance
    last = used(quarter, 0, start=MARCH)
    use = replace(last.uses_of("tokens")[0], window=Period(MAY, JUNE), gone=Decimal(400), rolled=Decimal(1700))
    assert rolled(replace(quarter, uses={"tokens": (use,)}), JUNE, Decimal(9000)) == 2300
    order, paid = period(quarter)
    assert window_in(order.term(paid), "month", JUNE - INSTANT)[0] == 2


def test_where_older_periods_may_be_forgotten_what_came_over_is_known_from_the_balance_alone() -> None:
    starts = [MARCH + number * 30 * DAY for number in range(MAX_PERIODS + 1)]
    many = of(
        *(
            told(plan(), f"{start:%Y-%m-%d}", start, start + 30 * DAY, kind="renewed" if number else "activated")
            for number, start in enumerate(starts[:MAX_PERIODS])
        )
    )
    oldest, newest = starts[0], starts[MAX_PERIODS - 1]
    known = used(many, 1000, start=oldest, end=oldest + 30 * DAY, rolled=800)
    for start in starts[1 : MAX_PERIODS - 1]:
        known = used(known, 1000, start=start, end=start + 30 * DAY)
    assert rolled(known, newest) == 800
    # With one less nothing can have been forgotten: the first period had nothing come over
    assert rolled(known, starts[MAX_PERIODS - 2]) == 0
