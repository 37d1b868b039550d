"""A customer's orders together: which governs a meter, which replaced which, and what is filed of them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from pancake_meter.domain.balance.advance import open_balance
from pancake_meter.domain.balance.balance import Policy, Term
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.selling.plan import PastDueBlock
from pancake_meter.domain.standing.bought_twice import PATIENCE, bought_twice, to_confirm
from pancake_meter.domain.standing.lifecycle import Bound, StatedPeriod
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.domain.standing.paid_period import CHANGE_MAX, Charged, Funded, PaidPeriod
from pancake_meter.domain.standing.standing import Covered, Uncovered, place_of, plan_at, standing_of
from pancake_meter.domain.standing.subscription import MAX_ORDERS, Subscription, has_lapsed
from pancake_meter.domain.standing.use import PeriodUse, filed
from pancake_meter.value import replace
from tests.support.catalogs import WITH_ADD_ONS
from tests.support.pure_subscription import CUSTOMER, step
from tests.support.webhook_world import utc

PLANS = WITH_ADD_ONS.plans
BEGAN, ENDS_AT = utc("2026-03-10T15:00:00"), utc("2026-04-10T15:00:00")
NOW = utc("2026-03-20")
DAY, INSTANT = timedelta(days=1), timedelta.resolution


def order(order_id: str, plan: str = "pro", *, minute: int = 0, end: str = "2026-04-10T15:00:00") -> OrderFacts:
    at = f"2026-03-10T15:{minute:02d}:00"
    return step("activated", order_id, at, at, end, plan=PLANS[plan]).facts


def of(*orders: OrderFacts) -> Subscription:
    subscription = Subscription(CUSTOMER)
    for each in orders:
        subscription = subscription.learn(each)
    return subscription


def ids(orders: Iterable[OrderFacts]) -> list[str]:
    return [each.order_id for each in orders]


def test_orders_are_newest_first_and_the_same_fact_twice_is_no_news() -> None:
    known = of(order("a", minute=1), order("c", minute=2), order("b", minute=2))
    assert ids(known.orders) == ["c", "b", "a"]
    assert known.learn(order("a", minute=1)) == known
    assert known.order("a") == order("a", minute=1)
    assert known.order("z") is known.order(None) is None


@pytest.mark.parametrize(
    ("orders", "meter", "governs"),
    [
        ([order("a", "pro"), order("b", "starter", minute=1)], "tokens", "a"),
        ([order("a", "pro"), order("b", "pro", minute=1)], "tokens", "b"),
        ([order("a", "pro"), order("b", "agent", minute=1)], "agent_runs", "b"),
        ([order("a", "agent"), order("b", "pro", minute=1)], "tokens", "b"),
        ([order("a", "pro"), order("b", "boost", minute=1)], "tokens", "a"),
        ([order("b", "boost")], "tokens", None),
        ([replace(order("a", "pro"), ended_at=NOW), order("b", "starter")], "tokens", "b"),
        ([order("a", "pro", end="2026-03-15T15:00:00"), order("b", "starter")], "tokens", "b"),
        ([order("a", "pro"), replace(order("b", "starter", minute=1), replaces=frozenset({"a"}))], "tokens", "b"),
        ([], "tokens", None),
    ],
)
def test_point_6_of_the_orders_that_count_the_one_governs_whose_plan_grants_the_meter_then_the_best_then_the_newest(
    orders: list[OrderFacts], meter: str, governs: str | None
) -> None:
    subscription = of(*orders)
    found = subscription.governing(meter, NOW)
    assert (found.order_id if found else None) == governs
    plan = plan_at(subscription, meter, NOW)
    assert (plan.key if plan else None) == (found.paid.plan.key if found and found.paid else None)
    assert isinstance(standing_of(subscription, meter, NOW), Covered) is (governs is not None)


def test_nobody_without_a_subscription_is_covered() -> None:
    assert standing_of(None, "tokens", NOW) == standing_of(of(), "tokens", NOW) == Uncovered()
    assert plan_at(None, "tokens", NOW) is None


def test_a_balance_of_no_paid_period_is_uncovered_since_its_term_began() -> None:
    balance = open_balance(CUSTOMER, "tokens", Policy("free"), Term(None, BEGAN), NOW).balance
    assert place_of(balance, None, of(order("a"))) == Uncovered(BEGAN)


def test_an_order_lapses_at_its_very_instant_and_not_before() -> None:
    lapses_at = ENDS_AT + PLANS["pro"].renewal_leeway
    assert not has_lapsed(order("a"), lapses_at - INSTANT)
    assert has_lapsed(order("a"), lapses_at)
    assert has_lapsed(replace(order("a"), periods=()), NOW)


# Which order a plan change replaced


def change(order_id: str, minute: int, **more: object) -> OrderFacts:
    facts = replace(
        order(order_id, minute=minute), is_plan_change=True, changed_at=BEGAN + minute * timedelta(minutes=1)
    )
    return replace(facts, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("orders", "replaced"),
    [
        ([order("a"), change("b", 1)], {"b": {"a"}}),
        # Nobody can tell which of two
        ([order("a"), order("b", minute=1), change("c", 2)], {}),
        ([order("a"), order("b", minute=1), change("c", 2, replaces=frozenset({"a"}))], {"c": {"a"}}),
        # One is known to have gone, so it is the other
        (
            [order("a"), order("b", minute=1), change("c", 2, replaces=frozenset({"a"})), change("d", 3)],
            {"c": {"a"}},
        ),
        ([order("a"), change("b", 1), change("c", 2)], {"b": {"a"}, "c": {"b"}}),
        # Add-ons stand beside it, and an order that had ended was not replaced
        ([order("x", "boost"), order("a"), change("b", 1)], {"b": {"a"}}),
        ([replace(order("a"), ended_at=BEGAN - DAY), change("b", 1)], {}),
        ([order("b", "boost", minute=1), change("a", 2)], {}),
        # A plan that was changed under its own id replaced nothing
        ([order("a"), change("b", 1, changed_at=NOW)], {}),
        ([change("a", 1)], {}),
        ([replace(order("a"), replaces=frozenset({"z"}), periods=())], {}),
    ],
)
def test_a_plan_change_replaced_the_one_order_that_stood_before_it(
    orders: list[OrderFacts], replaced: dict[str, set[str]]
) -> None:
    subscription = of(*orders)
    assert subscription.replaced == replaced
    assert subscription.superseded == {each for gone in replaced.values() for each in gone}
    assert {each.order_id for each in subscription.live_orders} == {
        each.order_id for each in orders if each.paid and not each.ended_at
    } - subscription.superseded


def test_live_orders_are_plans_and_add_ons() -> None:
    known = of(order("a"), order("x", "boost", minute=1), replace(order("gone", minute=2), ended_at=NOW))
    assert (ids(known.live_orders), ids(known.live_plans), ids(known.live_add_ons)) == (["x", "a"], ["a"], ["x"])


# The money of the orders whose place one took


def latest(facts: OrderFacts) -> PaidPeriod:
    assert facts.paid is not None
    return facts.paid


def money_of(*orders: OrderFacts, of_order: str) -> list[str]:
    """The plans of the periods whose money counts with that of an order's latest period."""
    known = of(*orders)
    asked = known.order(of_order)
    assert asked is not None
    return [funded.paid.plan.key for funded in known.replaced_by(asked, latest(asked))]


def test_point_5_what_an_order_bought_stays_in_the_one_that_took_its_place() -> None:
    bought, change_ = order("a", "starter"), replace(order("b", minute=30), replaces=frozenset({"a"}))
    paid = OrderFacts.of_charge("a", "PAY_a", Charged(Decimal(1), Decimal(0), BEGAN))
    back = OrderFacts.of_charge("b", "PAY_b", Charged(Decimal(99), Decimal(99), BEGAN + timedelta(minutes=30)))
    known = of(bought, change_, paid, back)
    asked = known.order("b")
    assert asked is not None
    starter = PLANS["starter"].allowances["tokens"].quantity
    assert known.granted(asked, latest(asked), "tokens") == starter
    assert known.plan(asked, latest(asked)).allowances["tokens"].quantity == starter
    assert known.replaced_by(asked, latest(asked)) == (Funded(latest(bought), (paid.charges["PAY_a"],)),)


def test_point_5_orders_that_began_at_once_have_none_of_each_other_s_money() -> None:
    pair = [replace(order(one), replaces=frozenset({other})) for one, other in ("ab", "ba")]
    assert [money_of(*pair, of_order=each) for each in "ab"] == [[], []]


def test_point_5_an_order_without_money_does_not_hide_that_of_another_that_was_replaced() -> None:
    unheard_of = replace(order("c", minute=30), replaces=frozenset({"a", "b"}))
    assert money_of(order("b", "starter"), unheard_of, of_order="c") == ["starter"]


@pytest.mark.parametrize(("more", "counts"), [(timedelta(0), False), (timedelta(seconds=1), True)])
def test_point_5_a_change_that_waited_for_the_end_of_a_period_has_none_of_its_money(
    more: timedelta, *, counts: bool
) -> None:
    end = BEGAN + timedelta(minutes=30) + CHANGE_MAX + DAY + more
    change_ = step("activated", "b", f"{end - CHANGE_MAX - more:%FT%T}", "2026-03-11", "2026-04-11", plan=PLANS["pro"])
    orders = order("a", "starter", end=f"{end:%FT%T}"), replace(change_.facts, replaces=frozenset({"a"}))
    assert money_of(*orders, of_order="b") == (["starter"] if counts else [])


def test_point_5_an_order_whose_first_day_is_told_the_evening_before_has_the_money_all_the_same() -> None:
    early = step("activated", "b", "2026-03-11T23:59:50", "2026-03-12", "2026-04-12", plan=PLANS["pro"]).facts
    early = replace(early, replaces=frozenset({"a"}))
    assert money_of(order("a", "starter"), early, of_order="b") == ["starter"]
    renewed = step("renewed", "b", "2026-04-12T00:00:10", "2026-04-12", "2026-05-12", plan=PLANS["pro"]).facts
    assert money_of(order("a", "starter"), early, renewed, of_order="b") == []


# When coverage ended


@pytest.mark.parametrize(
    ("orders", "since"),
    [
        ([], None),
        ([order("x", "boost")], None),
        ([order("a")], ENDS_AT + DAY),
        ([replace(order("a"), ended_at=NOW)], NOW),
        ([replace(order("a"), ended_at=ENDS_AT + 9 * DAY)], ENDS_AT + DAY),
        ([replace(order("a"), ended_at=NOW), replace(order("b"), ended_at=NOW - DAY)], NOW),
        (
            [order("a", end="2026-05-10T15:00:00"), replace(order("b", minute=1), replaces=frozenset({"a"}))],
            ENDS_AT + DAY,
        ),
    ],
)
def test_coverage_ended_with_the_last_order_that_was_not_replaced(
    orders: list[OrderFacts], since: datetime | None
) -> None:
    assert of(*orders).uncovered_since == since


def unpaid() -> OrderFacts:
    blocking = replace(PLANS["pro"], past_due=PastDueBlock(timedelta(days=3)))
    facts = step(
        "activated", "a", "2026-03-10T15:00:00", "2026-03-10T15:00:00", "2026-04-10T15:00:00", plan=blocking
    ).facts
    overdue = step("past_due", "a", "2026-04-10T15:00:05", "2026-04-10T15:00:00", "2026-04-17T15:00:00", plan=blocking)
    return facts.join(overdue.facts)


def test_point_20_an_unpaid_order_cuts_access_off_at_the_end_of_the_grace_where_no_other_covers() -> None:
    grace_over = ENDS_AT + timedelta(days=3)
    alone = of(unpaid())
    assert alone.cut_off(grace_over - INSTANT) is None
    (paid,) = unpaid().periods
    assert standing_of(alone, "tokens", grace_over) == Uncovered(grace_over, paid.plan)
    assert of(unpaid(), order("b", "starter", end="2026-06-10T15:00:00")).cut_off(grace_over) is None
    assert of(order("c")).cut_off(ENDS_AT + 9 * DAY) is None
    assert ids(each for each in [of(unpaid(), order("c", minute=1)).cut_off(ENDS_AT + 9 * DAY)] if each) == ["a"]


# Prices as sold


def test_promise_7_the_prices_are_those_of_the_plan_as_it_was_last_sold() -> None:
    dearer = replace(PLANS["pro"].allowances["tokens"], prices={})
    newest = replace(PLANS["pro"], allowances={"tokens": dearer})
    known = of(order("a"), step("activated", "b", "2026-03-11", "2026-03-11", "2026-04-11", plan=newest).facts)
    assert known.prices_sold("pro", "tokens") == {}
    assert of(order("a")).prices_sold("pro", "tokens") == PLANS["pro"].allowances["tokens"].prices != {}
    for plan, meter in (("starter", "tokens"), ("pro", "unheard_of"), (None, "tokens")):
        assert of(order("a")).prices_sold(plan, meter) is None


# Bought twice


def test_two_orders_are_bought_twice_once_both_stood_an_hour_after_the_newer_one_began() -> None:
    one, other = order("a"), order("b", minute=30)
    waits_until = BEGAN + timedelta(minutes=30) + PATIENCE
    for seen_at, is_twice in ((waits_until - INSTANT, False), (waits_until, True)):
        told = of(*(replace(each, seen_at=seen_at) for each in (one, other)))
        assert bought_twice(told) == ({("b", "a")} if is_twice else frozenset())
        assert bought_twice(of(replace(one, seen_at=seen_at), other)) == frozenset()
    assert to_confirm(of(one, other), waits_until - INSTANT) == frozenset()
    assert to_confirm(of(one, other), waits_until) == {("b", "a")}
    assert to_confirm(told, waits_until) == frozenset()


def test_an_order_stood_when_it_was_last_heard_of_or_paid_or_seen() -> None:
    waits_until = BEGAN + PATIENCE
    quiet = order("a")
    assert quiet.status is not None
    heard_of = replace(quiet, status=replace(quiet.status, at=waits_until))
    later = replace(quiet.periods[0].statements[0], sold_at=waits_until)
    paid = replace(quiet, periods=(replace(quiet.periods[0], statements=(later,)),))
    seen = replace(quiet, seen_at=waits_until)
    for known in (heard_of, paid, seen):
        assert bought_twice(of(known, replace(known, order_id="b"))) == {("b", "a")}
        assert bought_twice(of(quiet, replace(known, order_id="b"))) == frozenset()


@pytest.mark.parametrize(
    ("plans", "are_rivals"),
    [
        (("pro", "starter"), True),
        (("pro", "agent"), False),
        (("pro", "boost"), False),
        (("boost", "turbo"), False),
        (("boost", "boost"), True),
    ],
)
def test_only_orders_that_grant_one_meter_alike_are_bought_twice(plans: tuple[str, str], *, are_rivals: bool) -> None:
    pair = of(*(replace(order(name, plan), seen_at=NOW) for name, plan in zip("ab", plans, strict=True)))
    assert bool(bought_twice(pair)) is are_rivals


# What is filed of periods


def use(order_id: str = "a", gone: int = 5, *, month: int = 3, day: int = 1) -> PeriodUse:
    window = Period(
        datetime(2026, month, day, tzinfo=BEGAN.tzinfo), datetime(2026, month + 1, day, tzinfo=BEGAN.tzinfo)
    )
    return PeriodUse(order_id, (BEGAN, 0), BEGAN, window, window.end, Decimal(gone), Decimal(gone))


def test_uses_of_one_sale_add_up_in_one_window_and_of_two_windows_the_later_stands() -> None:
    assert use().then(use(gone=7)).gone == 12
    assert use().then(use(gone=7, day=28)).gone == 12
    assert use().then(use(gone=7, month=4)) == use(gone=7, month=4)
    assert use().then(use(gone=7)).rolled == 7


def test_a_use_reaches_to_the_very_end_of_its_window() -> None:
    end = use().window.end
    assert use().reaches(end - INSTANT)
    assert not use().reaches(end)


def test_the_uses_of_one_sale_are_filed_once_the_newest_first() -> None:
    uses: tuple[PeriodUse, ...] = ()
    for number in range(3):
        uses = filed(uses, use(f"o{number}"))
    assert [each.order_id for each in uses] == ["o2", "o1", "o0"]
    again = filed(uses, use("o1"))
    assert [each.order_id for each in again] == ["o1", "o2", "o0"]
    assert again[0] == replace(use("o1"), gone=Decimal(10))


def in_month(order_id: str, month: int) -> OrderFacts:
    at = f"2026-{month:02d}-10T15:00:00"
    return step("renewed", order_id, at, at, f"2026-{month + 1:02d}-10T15:00:00").facts


def used(order_id: str, month: int, *, until: datetime | None = None) -> PeriodUse:
    """Use of the period of an order that begins in a month, at its last day unless said otherwise."""
    (paid,) = in_month(order_id, month).periods
    window = Period(paid.period.start.at, paid.period.ends_at)
    return PeriodUse(order_id, paid.key, window.start, window, until or window.end - DAY, Decimal(1))


def filed_in_turn(subscription: Subscription, *uses: PeriodUse) -> list[PeriodUse]:
    for each in uses:
        subscription = subscription.file("tokens", each)
    return list(subscription.uses_of("tokens"))


def test_however_many_uses_of_open_periods_are_filed_none_is_forgotten() -> None:
    known = of(*(in_month(f"o{number:02d}", 3) for number in range(20)))
    uses = [replace(used(f"o{number:02d}", 3), sold_at=BEGAN + sale * DAY) for sale in range(3) for number in range(20)]
    assert filed_in_turn(known, *uses) == uses[::-1]


def test_a_use_is_forgotten_once_its_period_is_and_no_order_beside_it_had_one_then() -> None:
    # Given an order of months and another of March alone, of which a use is filed with the next one
    march, april, later = used("a", 3), used("a", 4), used("b", 5)
    both = of(in_month("a", 4), in_month("b", 5))
    # Then what is of no period that is known, and was in none, is forgotten
    assert filed_in_turn(both, march, april, later) == [later, april]
    # But what was used up to the bounds of another's period counts
    starts_at, ends_at = utc("2026-04-10"), utc("2026-05-10T15:00:00")
    for until, is_kept in (
        (starts_at, True),
        (starts_at - INSTANT, False),
        (ends_at, True),
        (ends_at + INSTANT, False),
    ):
        unknown = used("c", 3, until=until)
        kept = filed_in_turn(of(in_month("a", 4)), unknown, april)
        assert kept == ([april, unknown] if is_kept else [april])


def test_uses_are_filed_by_meter() -> None:
    known = of(order("a")).file("tokens", use()).file("images", use(gone=1)).file("tokens", use(gone=2))
    assert [[int(each.gone) for each in known.uses_of(meter)] for meter in ("tokens", "images", "none")] == [
        [7],
        [1],
        [],
    ]


# Bounds of periods


def test_a_regular_period_ends_a_billing_period_later_and_stays_as_exact_as_its_start() -> None:
    for is_day in (True, False):
        start = Bound(utc("2026-01-31"), is_day)
        ends = {name: start.after(name) for name in ("weekly", "monthly", "quarterly", "yearly")}
        assert ends == {
            "weekly": Bound(utc("2026-02-07"), is_day),
            "monthly": Bound(utc("2026-02-28"), is_day),
            "quarterly": Bound(utc("2026-04-30"), is_day),
            "yearly": Bound(utc("2027-01-31"), is_day),
        }


@pytest.mark.parametrize(
    ("lasts", "is_short", "is_regular"),
    [
        (DAY - INSTANT, True, True),
        (DAY, False, False),
        (timedelta(days=31) - timedelta(days=31) / 8, False, True),
        (timedelta(days=31) - timedelta(days=31) / 8 - INSTANT, False, False),
        (timedelta(days=31) + timedelta(days=31) / 8, False, True),
        (timedelta(days=31) + timedelta(days=31) / 8 + INSTANT, False, False),
    ],
)
def test_a_period_is_regular_give_or_take_an_eighth(lasts: timedelta, *, is_short: bool, is_regular: bool) -> None:
    told = StatedPeriod(Bound(BEGAN), Bound(BEGAN + lasts))
    assert (told.is_short, told.is_regular("monthly")) == (is_short, is_regular)
    assert told.is_regular(None)


def test_a_week_is_regular_give_or_take_a_day() -> None:
    assert StatedPeriod(Bound(BEGAN), Bound(BEGAN + 8 * DAY)).is_regular("weekly")
    assert not StatedPeriod(Bound(BEGAN), Bound(BEGAN + 8 * DAY + INSTANT)).is_regular("weekly")


def test_a_period_is_known_by_its_day_and_a_short_one_by_its_instant_or_number() -> None:
    day = utc("2026-03-10")
    assert StatedPeriod(Bound(BEGAN), Bound(BEGAN + DAY), 3).key == (day, 0)
    assert StatedPeriod(Bound(BEGAN), Bound(BEGAN + DAY - INSTANT), 3).key == (BEGAN, 0)
    same_day = StatedPeriod(Bound(day, is_day=True), Bound(day, is_day=True), 3)
    assert (same_day.key, same_day.ends_at) == ((day, 3), day + DAY)
    assert StatedPeriod(Bound(BEGAN), Bound(BEGAN + INSTANT)).ends_at == BEGAN + INSTANT


@pytest.mark.parametrize(
    ("start", "end", "told_at", "is_in_full"),
    [
        ("2026-03-01", "2026-03-31", "2026-03-01T12:00:00", True),
        ("2026-02-10", "2026-03-10", "2026-02-10T12:00:00", True),
        ("2026-02-09", "2026-03-09T23:59:59", "2026-02-09T12:00:00", False),
        ("2026-04-10", "2026-05-10", "2026-04-10T12:00:00", True),
        ("2026-04-11", "2026-05-11", "2026-04-11T12:00:00", False),
        ("2026-04-09", "2026-05-09", "2026-05-01T12:00:00", True),
    ],
    ids=[
        "in the middle",
        "until it begins",
        "until just before it begins",
        "from its end",
        "from the day after its end",
        "told of after its end",
    ],
)
def test_point_16_of_orders_that_ended_beside_one_that_stands_none_is_reduced_to_its_outline(
    start: str, end: str, told_at: str, *, is_in_full: bool
) -> None:
    stands = step("activated", "stands", "2026-03-10T15:00:00", "2026-03-10", "2026-04-10", plan=PLANS["pro"])
    known = of(stands.facts)
    for number in range(MAX_ORDERS):
        beside = ("2026-03-11", "2026-04-11")
        order_id = f"beside_{number}"
        known = known.learn(step("activated", order_id, "2026-03-11T12:00:00", *beside, plan=PLANS["starter"]).facts)
        known = known.learn(step("canceled", order_id, "2026-03-12T12:00:00", *beside, plan=PLANS["starter"]).facts)
    known = known.learn(step("activated", "other", told_at, start, end, plan=PLANS["starter"]).facts)
    known = known.learn(step("canceled", "other", told_at, start, end, plan=PLANS["starter"]).facts)
    outlined = [each.order_id for each in known.orders if each.is_outline]
    assert outlined == ([] if is_in_full else ["other"])


def test_point_16_where_no_order_stands_those_are_kept_in_full_that_ran_beside_the_newest() -> None:
    spans = {f"beside_{number}": ("2026-01-01", "2026-06-01") for number in range(MAX_ORDERS)}
    spans |= {"long over": ("2026-02-01", "2026-03-01"), "over too": ("2026-02-05", "2026-03-05")}
    spans["newest"] = ("2026-04-01", "2026-05-01")
    known = Subscription(CUSTOMER)
    for order_id, (start, end) in spans.items():
        began = step("activated", order_id, f"{start}T12:00:00", start, end, plan=PLANS["starter"]).facts
        ended = step("canceled", order_id, f"{start}T13:00:00", start, end, plan=PLANS["starter"]).facts
        # At once, so that none of them is ever known to stand
        known = known.learn(began.join(ended))
    assert ids(each for each in known.orders if each.is_outline) == ["over too", "long over"]
