"""One order: how its payment stands, when its access ends, and which of its facts hold."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest

from pancake_meter.domain.balance.balance import Term
from pancake_meter.domain.selling.plan import PastDueBlock, PastDueKeep, PastDueReduce, PastDueThrottle, Plan
from pancake_meter.domain.standing.lifecycle import Bound, LifecycleEvent, LifecycleKind, StatedPeriod
from pancake_meter.domain.standing.order import (
    MAX_PERIODS,
    RETRY_WINDOW_MAX,
    OrderFacts,
    PendingChange,
    Status,
)
from pancake_meter.domain.standing.paid_period import CHANGE_MAX, Charged, PaidPeriod, Sale
from pancake_meter.value import replace
from tests.support.pure_subscription import CATALOG, bound
from tests.support.webhook_world import utc

PRO = CATALOG.plans["pro"]
START, END = "2026-03-10T15:00:00", "2026-04-10T15:00:00"
ENDS_AT = utc(END)
DAY, INSTANT = timedelta(days=1), timedelta.resolution


def told(
    kind: LifecycleKind, at: str, start: str = START, end: str = END, plan: Plan = PRO, number: int = 0
) -> OrderFacts:
    return OrderFacts.of(LifecycleEvent(kind, "ORD_1", utc(at), StatedPeriod(bound(start), bound(end), number), plan))


def joined(*facts: OrderFacts) -> OrderFacts:
    first, *rest = facts
    for each in rest:
        first = first.join(each)
    return first


def term(order: OrderFacts) -> Term:
    assert order.paid is not None
    return order.term(order.paid)


# When access ends

ACTIVE = told("activated", "2026-03-10T15:00:05")
OVERDUE = told("past_due", "2026-04-10T15:00:05", END, "2026-04-17T15:00:00")


def with_policy(
    past_due: PastDueKeep | PastDueReduce | PastDueBlock | PastDueThrottle, *facts: OrderFacts
) -> OrderFacts:
    return joined(told("activated", "2026-03-10T15:00:05", plan=replace(PRO, past_due=past_due)), *facts)


@pytest.mark.parametrize(
    ("order", "lapses_at", "is_unpaid_after"),
    [
        (ACTIVE, ENDS_AT + PRO.renewal_leeway, False),
        (joined(ACTIVE, told("canceling", "2026-03-20")), ENDS_AT, False),
        (joined(ACTIVE, told("canceling", "2026-03-20"), told("uncanceled", "2026-03-21")), ENDS_AT + DAY, False),
        # Overdue: until Waffo stops retrying, or else a month
        (joined(ACTIVE, OVERDUE), utc("2026-04-17T15:00:00") + PRO.renewal_leeway, False),
        (
            joined(ACTIVE, told("past_due", "2026-04-10T15:00:05", START, END)),
            ENDS_AT + RETRY_WINDOW_MAX,
            False,
        ),
        (with_policy(PastDueBlock(timedelta(days=3)), OVERDUE), ENDS_AT + timedelta(days=3), True),
        (with_policy(PastDueBlock(timedelta(days=3))), ENDS_AT + DAY, False),
    ],
)
def test_access_ends_by_itself_when_nothing_more_is_heard(
    order: OrderFacts, lapses_at: datetime, *, is_unpaid_after: bool
) -> None:
    assert term(order) == Term("ORD_1", utc(START), ENDS_AT, lapses_at, is_unpaid_after)


def test_a_cancelled_order_whose_end_is_a_bare_day_keeps_its_access_until_that_day_is_over() -> None:
    order = joined(
        told("activated", "2026-03-10T15:00:05", "2026-03-10", "2026-04-10"),
        told("canceling", "2026-03-20", "2026-03-10", "2026-04-10"),
    )
    assert term(order).lapses_at == utc("2026-04-11")


def test_a_plan_without_leeway_lapses_with_its_period_and_never_before() -> None:
    assert term(told("activated", START, plan=replace(PRO, renewal_leeway=timedelta(0)))).lapses_at == ENDS_AT


# What counts while a payment is overdue


@pytest.mark.parametrize(("is_overdue", "share"), [(True, 4), (False, 1)])
def test_while_overdue_a_plan_may_keep_a_fraction(share: int, *, is_overdue: bool) -> None:
    order = with_policy(PastDueReduce(Decimal("0.25")), *([OVERDUE] if is_overdue else []))
    assert order.paid is not None
    assert order.plan(order.paid).allowances["tokens"].quantity == PRO.allowances["tokens"].quantity / share


@pytest.mark.parametrize("is_overdue", [True, False])
def test_while_overdue_a_plan_may_let_so_many_holds_through(*, is_overdue: bool) -> None:
    order = with_policy(PastDueThrottle(7), *([OVERDUE] if is_overdue else []))
    assert order.paid is not None
    assert order.plan(order.paid).holds_per_minute == (7 if is_overdue else None)


# Which facts hold


def test_the_latest_period_decides_how_payment_stands_then_the_latest_event_then_the_graver() -> None:
    march, april = (utc("2026-03-10"), 0), (utc("2026-04-10"), 0)
    noon = utc("2026-03-20T12:00:00")
    in_order = [
        Status("past_due", march, noon),
        Status("active", march, noon + INSTANT),
        Status("canceling", march, noon + INSTANT),
        Status("past_due", march, noon + INSTANT),
        Status("active", april, noon),
    ]
    assert sorted(in_order, key=lambda status: status.order) == in_order


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("activated", "active"),
        ("renewed", "active"),
        ("recovered", "active"),
        ("plan_changed", "active"),
        ("uncanceled", "active"),
        ("canceling", "canceling"),
        ("past_due", "past_due"),
        ("canceled", None),
        ("plan_change_scheduled", None),
        ("plan_change_failed", None),
    ],
)
def test_every_event_says_how_payment_stands_or_nothing(kind: LifecycleKind, status: str | None) -> None:
    at = utc("2026-03-20")
    facts = told(kind, "2026-03-20")
    key = (utc("2026-03-10"), 0)
    until = ENDS_AT if kind == "past_due" else None
    assert facts.status == (Status(status, key, at, until) if status else None)  # type: ignore[arg-type]
    assert facts.ended_at == (at if kind == "canceled" else None)
    assert (facts.is_plan_change, facts.changed_at) == ((True, at) if kind == "plan_changed" else (False, None))
    assert bool(facts.periods) is (kind in {"activated", "renewed", "recovered", "plan_changed"})
    scheduled = kind == "plan_change_scheduled"
    is_word_on_a_change = kind.startswith("plan_change") or kind == "canceled"
    assert facts.pending == (
        PendingChange(at, scheduled, "pro" if scheduled else None) if is_word_on_a_change else None
    )
    assert facts.began == (utc("2026-03-10"), at)


def test_a_paying_event_says_what_was_sold_at_which_price_and_for_how_long() -> None:
    period = StatedPeriod(bound(START), bound(END), 3)
    event = LifecycleEvent("renewed", "ORD_1", utc(START), period, PRO, billing_period="monthly", price=Decimal(29))
    facts = OrderFacts.of(event)
    assert facts.billing_period == "monthly"
    assert facts.periods == (
        PaidPeriod(period, (Sale(PRO, utc(START), is_trial=False, price=Decimal(29)),), frozenset({3})),
    )
    unnumbered = OrderFacts.of(replace(event, period=replace(period, number=0)))
    assert unnumbered.periods[0].numbers == frozenset()


def test_an_event_without_a_period_began_when_it_happened() -> None:
    at = utc("2026-03-20T12:00:00")
    facts = OrderFacts.of(LifecycleEvent("canceled", "ORD_1", at))
    assert (facts.began, facts.periods, facts.ended_at) == ((at, at), (), at)
    assert OrderFacts.of(LifecycleEvent("past_due", "ORD_1", at)).status is not None


@pytest.mark.parametrize("kind", ["renewed", "recovered", "plan_changed"])
def test_point_8_only_an_activated_leaves_open_whether_it_is_a_trial(kind: LifecycleKind) -> None:
    assert told("activated", START).periods[0].statements[0].is_trial is None
    assert told(kind, START).periods[0].statements[0].is_trial is False
    event = LifecycleEvent(kind, "ORD_1", utc(START), StatedPeriod(bound(START), bound(END)), PRO, is_trial=True)
    assert OrderFacts.of(event).periods[0].statements[0].is_trial is True


@pytest.mark.parametrize("kind", ["past_due", "canceled", "plan_change_failed"])
def test_whatever_an_event_says_is_more_than_money(kind: LifecycleKind) -> None:
    assert not OrderFacts.of(LifecycleEvent(kind, "ORD_1", utc("2026-03-20"))).is_only_money


def test_an_order_has_the_currency_that_one_of_its_events_states() -> None:
    stating = OrderFacts.of(LifecycleEvent("canceled", "ORD_1", utc("2026-03-20"), currency="JPY"))
    assert stating.currency == stating.join(ACTIVE).currency == ACTIVE.join(stating).currency == "JPY"
    assert ACTIVE.join(ACTIVE).currency is None


def test_an_order_began_with_its_first_event_and_a_payment_alone_does_not_say_when() -> None:
    early = OrderFacts.of_charge("ORD_1", "PAY_1", Charged(Decimal(10), Decimal(0), utc("2026-01-01")))
    for order in (joined(ACTIVE, early), joined(early, ACTIVE)):
        assert order.began == ACTIVE.began
        assert not order.is_only_money
    assert (early.is_only_money, early.join(early).began) == (True, (utc("2026-01-01"), utc("2026-01-01")))
    later = told("renewed", "2026-04-10T15:00:05", END, "2026-05-10T15:00:00")
    assert joined(later, ACTIVE).began == joined(ACTIVE, later).began == ACTIVE.began


def test_of_what_is_said_twice_the_earliest_end_and_change_and_the_latest_word_hold() -> None:
    early, late = utc("2026-03-20"), utc("2026-03-21")
    one = replace(ACTIVE, ended_at=early, changed_at=late, seen_at=early, replaces=frozenset({"a"}))
    other = replace(
        ACTIVE, ended_at=late, changed_at=early, seen_at=late, replaces=frozenset({"b"}), is_plan_change=True
    )
    for both in (one.join(other), other.join(one)):
        assert (both.ended_at, both.changed_at, both.seen_at) == (early, early, late)
        assert (both.replaces, both.is_plan_change) == ({"a", "b"}, True)
    word = PendingChange(early, is_scheduled=True), PendingChange(early, is_scheduled=False)
    for pair in (word, word[::-1]):
        one, other = (replace(ACTIVE, pending=each) for each in pair)
        assert one.join(other).pending == word[1]
    newer = replace(ACTIVE, pending=PendingChange(late, is_scheduled=True))
    assert one.join(newer).pending == newer.join(one).pending == newer.pending


def days(count: int) -> list[OrderFacts]:
    """So many short periods of one order, one a day from 1 March on."""
    starts = [f"2026-03-{day:02d}" for day in range(1, count + 2)]
    return [told("renewed", start, start, end) for start, end in pairwise(starts)]


def charges(*paid_at: datetime) -> list[OrderFacts]:
    return [
        OrderFacts.of_charge("ORD_1", f"PAY_{number:02d}", Charged(Decimal(1), Decimal(0), at))
        for number, at in enumerate(paid_at)
    ]


def test_the_latest_periods_are_remembered_with_what_was_paid_since_they_began() -> None:
    # A renewal may be charged a day before its period
    oldest = utc("2026-03-02")
    paid = charges(oldest - DAY - INSTANT, oldest - DAY, oldest, oldest + 30 * DAY)
    order = joined(*days(MAX_PERIODS + 1), *paid)
    assert [each.key[0].day for each in order.periods] == list(range(MAX_PERIODS + 1, 1, -1))
    assert set(order.charges) == {"PAY_01", "PAY_02", "PAY_03"}
    assert MAX_PERIODS == 13


def test_no_payment_is_forgotten_while_every_period_is_remembered() -> None:
    paid = charges(*(utc("2020-01-01") + number * DAY for number in range(60)))
    assert len(joined(*days(MAX_PERIODS - 1), *paid).charges) == 60


def test_what_is_forgotten_does_not_depend_on_the_order_of_the_news() -> None:
    news = [*days(MAX_PERIODS + 2), *charges(*(utc("2026-02-20") + number * DAY for number in range(20)))]
    randomly = Random(7)  # noqa: S311
    assert all(joined(*randomly.sample(news, len(news))) == joined(*news) for _ in range(50))


@pytest.mark.parametrize(("hours", "paid_at"), [(24, "2026-03-11T09:00:00"), (72, "2026-03-13T09:00:00")])
def test_point_8_what_a_trial_itself_costs_is_no_charge_for_what_follows_it(hours: int, paid_at: str) -> None:
    start = utc("2026-03-10T10:00:00")
    end = f"{start + timedelta(hours=hours):%Y-%m-%dT%H:%M:%S}"
    trial = LifecycleEvent(
        "activated",
        "ORD_1",
        start,
        StatedPeriod(bound("2026-03-10T10:00:00"), bound(end), 1),
        PRO,
        is_trial=True,
        billing_period="monthly",
    )
    fee = OrderFacts.of_charge("ORD_1", "PAY_0", Charged(Decimal(1), Decimal(0), start + 5 * INSTANT, 1))
    begun = OrderFacts.of(trial).join(fee)
    assert begun.paid is not None
    assert begun.paid.is_trial
    # And the first charge after it is
    paid = begun.join(OrderFacts.of_charge("ORD_1", "PAY_1", Charged(Decimal(29), Decimal(0), utc(paid_at), 2)))
    assert paid.paid is not None
    assert (paid.paid.is_trial, paid.paid.period.start.at) == (False, utc(end))


def test_a_plan_change_made_the_order_if_it_came_within_minutes_of_its_beginning() -> None:
    began = utc("2026-03-10T12:00:00")
    for changed_at, made in (
        (began, True),
        (began + CHANGE_MAX - INSTANT, True),
        (began + CHANGE_MAX, False),
        (None, True),
    ):
        order = replace(ACTIVE, began=(utc("2026-03-10"), began), is_plan_change=True, changed_at=changed_at)
        assert order.came_by_change is made
        assert not replace(order, is_plan_change=False).came_by_change


def test_an_order_stood_until_its_end_give_or_take_a_plan_change() -> None:
    ended_at = utc("2026-03-20")
    ended = replace(ACTIVE, ended_at=ended_at)
    assert ended.stood_at(ended_at + CHANGE_MAX - INSTANT)
    assert not ended.stood_at(ended_at + CHANGE_MAX)
    assert ACTIVE.stood_at(utc("2030-01-01"))
    assert not replace(ACTIVE, periods=()).stood_at(utc(START))
    assert replace(ACTIVE, periods=(), ended_at=ended_at).stood_at(ended_at)


@pytest.fixture
def _far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose own clock is half a day ahead."""
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_far_east")
def test_scenario_64_a_period_known_to_the_instant_is_the_one_of_its_day_in_utc() -> None:
    known = StatedPeriod(bound("2026-03-10T15:14:30.123456"), bound("2026-04-10T15:14:30.123456"))
    assert known.key == StatedPeriod(bound("2026-03-10"), bound("2026-04-10")).key == (utc("2026-03-10"), 0)


# A trial that became a paid period by a charge alone

TRIAL = OrderFacts.of(
    LifecycleEvent(
        "activated",
        "ORD_1",
        utc("2026-03-10T15:00:05"),
        StatedPeriod(Bound(utc("2026-03-10"), is_day=True), Bound(utc("2026-03-17"), is_day=True)),
        PRO,
        is_trial=True,
        billing_period="monthly",
    )
)


def money(paid_at: str, amount: int = 29, number: int | None = 1) -> OrderFacts:
    return OrderFacts.of_charge("ORD_1", f"PAY_{paid_at}", Charged(Decimal(amount), Decimal(0), utc(paid_at), number))


@pytest.mark.parametrize(
    ("charges", "sold_at"),
    [
        ([], None),
        ([money("2026-03-16T00:00:00")], "2026-03-16"),
        ([money("2026-03-15T23:59:59")], None),
        ([money("2026-03-17T09:00:00", amount=0)], None),
        ([money("2026-03-17T09:00:00", amount=1)], "2026-03-17T09:00:00"),
        ([money("2026-03-18T09:00:00"), money("2026-03-17T09:00:00")], "2026-03-17T09:00:00"),
    ],
)
def test_point_8_the_first_charge_at_the_end_of_a_trial_makes_the_paid_period(
    charges: list[OrderFacts], sold_at: str | None
) -> None:
    order = joined(TRIAL, *charges)
    assert order.paid is not None
    assert order.paid.is_trial is (sold_at is None)
    assert len(order.all_periods) == (2 if sold_at else 1)
    if sold_at:
        assert order.paid.sold_at == utc(sold_at)
        assert order.paid.period == StatedPeriod(bound("2026-03-17"), bound("2026-04-17"), 1)


def test_point_8_without_a_billing_period_or_once_an_event_states_it_a_charge_makes_none() -> None:
    paid = money("2026-03-17T09:00:00", number=None)
    assert len(joined(replace(TRIAL, billing_period=None), paid).all_periods) == 1
    renewed = told("renewed", "2026-03-17T09:00:05", "2026-03-17", "2026-04-17", number=1)
    assert len(joined(TRIAL, paid, renewed).all_periods) == 2
    (made, _) = joined(TRIAL, paid).all_periods
    assert (made.period.number, made.numbers) == (0, frozenset())


# A refund that belongs nowhere


@pytest.mark.parametrize(
    ("order", "misses"),
    [
        (joined(ACTIVE, money("2026-03-10T15:00:00", number=None)), False),
        (joined(ACTIVE, money("2026-01-10T15:00:00", number=None)), True),
        (money("2026-01-10T15:00:00"), False),
        (ACTIVE, False),
    ],
)
def test_a_refund_of_no_period_that_is_known_takes_nothing(order: OrderFacts, *, misses: bool) -> None:
    refunded = {key: replace(each, refunded=Decimal(1)) for key, each in order.charges.items()}
    payment_id = next(iter(refunded), "PAY_unknown")
    assert replace(order, charges=refunded).misses_period_of(payment_id) is misses
    assert not order.misses_period_of(payment_id)


def test_nobody_knows_of_a_refund_where_the_oldest_periods_are_no_longer_kept() -> None:
    for count, misses in ((MAX_PERIODS - 1, True), (MAX_PERIODS, False)):
        days = range(1, count + 1)
        order = joined(
            *(told("renewed", f"2026-03-{day:02d}", f"2026-03-{day:02d}", f"2026-03-{day + 1:02d}") for day in days)
        )
        charge = Charged(Decimal(10), Decimal(1), utc("2026-01-01"))
        assert replace(order, charges={"PAY_1": charge}).misses_period_of("PAY_1") is misses


def test_the_outline_of_an_order_has_no_money_and_grants_nothing() -> None:
    paid_at = utc("2026-03-10T15:00:05")
    money = OrderFacts.of_charge("ORD_1", "PAY_1", Charged(Decimal(10), Decimal(0), paid_at))
    ended = joined(told("activated", START), told("canceled", "2026-03-12"), money)
    never_paid = joined(told("canceled", "2026-03-12"), money)
    assert (ended.charges, never_paid.paid) == ({"PAY_1": money.charges["PAY_1"]}, None)
    for order in (ended, never_paid):
        outline = order.outline()
        assert (outline.charges, outline.ended_at, outline.began) == ({}, order.ended_at, order.began)
        assert outline.is_outline
        assert not order.is_outline
    paid = ended.outline().paid
    assert paid is not None
    assert paid.plan == replace(PRO, allowances={})
