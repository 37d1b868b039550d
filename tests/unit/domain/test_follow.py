"""How one balance follows the facts: what goes on, what closes, and what it counts afterwards."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from pancake_meter.domain.balance.advance import advance
from pancake_meter.domain.balance.balance import Balance, Policy, Term
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.grant import Grant
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.balance.spend import record_usage
from pancake_meter.domain.selling.overage import LineKey
from pancake_meter.domain.selling.plan import OverageAllowed, PastDueBlock, Plan
from pancake_meter.domain.standing.add_ons import add_on_grant_id
from pancake_meter.domain.standing.follow import follow, give_anew, open_following
from pancake_meter.domain.standing.lifecycle import LifecycleKind
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.domain.standing.paid_period import Charged
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.domain.standing.use import PeriodUse
from pancake_meter.value import replace
from tests.support.catalogs import WITH_ADD_ONS
from tests.support.pure_subscription import CUSTOMER, step
from tests.support.webhook_world import utc

PLANS = WITH_ADD_ONS.plans
PRO, STARTER, BOOST = PLANS["pro"], PLANS["starter"], PLANS["boost"]
START, END = "2026-03-10T15:00:00", "2026-04-10T15:00:00"
STARTS_AT, ENDS_AT = utc(START), utc(END)
LAPSES_AT = ENDS_AT + PRO.renewal_leeway
FREE = Policy("free", Decimal(10), "month", OverageAllowed())
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def units(plan: Plan) -> Decimal:
    return plan.allowances["tokens"].quantity


def learn(
    known: Subscription | None,
    kind: LifecycleKind,
    at: str,
    start: str = START,
    end: str = END,
    *,
    plan: Plan = PRO,
    order_id: str = "a",
) -> Subscription:
    return (known or Subscription(CUSTOMER)).learn(step(kind, order_id, at, start, end, plan=plan).facts)


def opened(known: Subscription | None, at: datetime = STARTS_AT) -> Balance:
    return open_following(CUSTOMER, "tokens", known, FREE, STARTS_AT, at).after


def used(balance: Balance, quantity: int, at: datetime) -> Balance:
    return record_usage(advance(balance, at, FREE).balance, Decimal(quantity), at)


def following(
    balance: Balance, known: Subscription | None, learned: Subscription, now: datetime
) -> tuple[Change, Subscription]:
    return follow(advance(balance, now, FREE), known, learned, FREE, {}, now)


# Bounds that become better known


def test_scenario_64_bounds_that_are_better_known_move_the_period_and_give_nothing() -> None:
    known = learn(None, "activated", START, "2026-03-10", "2026-04-10")
    pack = Grant("pack", "top_up", Decimal(5), Decimal(5), 90, STARTS_AT)
    balance = replace(used(opened(known), 40, STARTS_AT), lapsed=None)
    balance = replace(balance, grants=(*balance.grants, pack))
    change, filed = following(balance, known, learn(known, "renewed", START), STARTS_AT + HOUR)

    moved = change.balance
    assert (moved.period, moved.term.start, moved.term.end) == (Period(STARTS_AT, ENDS_AT), STARTS_AT, ENDS_AT)
    assert [(each.id, each.starts_at) for each in moved.grants] == [
        ("plan:2026-03-10T15:00:00.000Z", STARTS_AT),
        ("pack", STARTS_AT),
    ]
    assert moved.available == units(PRO) - 40 + 5
    assert (moved.line, change.closed, filed.uses) == (LineKey(utc("2026-03-10"), "pro"), (), {})
    # Known as well as this already, they stay
    again, _ = following(change.after, learn(known, "renewed", START), learn(known, "renewed", START), STARTS_AT + HOUR)
    assert again.is_empty


def half_refunded(known: Subscription) -> Subscription:
    charge = Charged(Decimal(10), Decimal(5), STARTS_AT + HOUR, refunded_at=STARTS_AT + HOUR)
    return known.learn(OrderFacts.of_charge("a", "PAY_1", charge))


def test_an_end_that_is_better_known_leaves_the_line_its_name() -> None:
    known = learn(None, "activated", START, START, "2026-04-10")
    change, _ = following(opened(known), known, learn(known, "renewed", START), STARTS_AT + HOUR)
    assert (change.balance.period, change.balance.line_start) == (Period(STARTS_AT, ENDS_AT), None)


def test_scenario_69_a_window_in_the_middle_of_a_year_stays_that_window() -> None:
    monthly = replace(PRO, allowances={"tokens": replace(PRO.allowances["tokens"], cadence="month")})
    known = learn(None, "activated", START, "2026-03-10", "2027-03-10", plan=monthly)
    balance = advance(opened(known), utc("2026-06-20"), FREE).after
    assert balance.period.start == utc("2026-06-10")
    learned = learn(known, "renewed", START, START, "2027-03-10T15:00:00", plan=monthly)
    change, _ = following(balance, known, learned, utc("2026-06-20"))
    assert change.balance.period == Period(utc("2026-06-10T15:00:00"), utc("2026-07-10T15:00:00"))


def test_point_5_a_refund_takes_its_share_of_the_open_period_and_nothing_else_moves() -> None:
    known = learn(None, "activated", START)
    change, _ = following(used(opened(known), 40, STARTS_AT), known, half_refunded(known), STARTS_AT + 2 * HOUR)
    assert change.balance.available == units(PRO) / 2 - 40
    assert [(each.kind, int(each.quantity), each.reference) for each in change.movements] == [
        ("used", 40, None),
        ("clawed_back", int(units(PRO) / 2), "plan:2026-03-10T15:00:00.000Z"),
    ]
    assert (change.balance.as_of, change.balance.line_start) == (STARTS_AT + 2 * HOUR, None)


@pytest.mark.parametrize(("sold_before", "line_start"), [(PRO, utc("2026-03-10")), (STARTER, None)])
def test_a_line_goes_on_under_its_first_start_for_as_long_as_its_plan_does(
    sold_before: Plan, line_start: datetime | None
) -> None:
    known = learn(None, "activated", START, "2026-03-10", "2026-04-10", plan=sold_before)
    learned = half_refunded(learn(known, "plan_changed", "2026-03-10T15:30:00"))
    change, _ = following(opened(known), known, learned, STARTS_AT + 2 * HOUR)
    assert (change.balance.period.start, change.balance.line_start) == (STARTS_AT, line_start)


# Falling back


@pytest.mark.parametrize(
    ("ended_at", "closes"), [(END, True), ("2026-04-10T14:59:59", False), ("2026-03-20T00:00:00", False)]
)
def test_an_order_that_ends_with_its_period_closes_it_and_one_that_ends_inside_goes_on(
    ended_at: str, *, closes: bool
) -> None:
    known = learn(None, "activated", START)
    balance = used(opened(known), 40, STARTS_AT)
    change, filed = following(balance, known, learn(known, "canceled", ended_at), ENDS_AT + HOUR)
    # Either way a record is left, which usage from before the end counts to
    assert [(int(each.gone), each.until) for each in change.closed] == [(40, utc(ended_at))]
    after = change.balance
    assert (after.policy, after.term, after.available) == (FREE, Term(None, utc(ended_at)), 10)
    assert (after.used, after.used_of_plan) == (0 if closes else 40, 0)
    (use,) = filed.uses_of("tokens")
    assert (use.gone, use.order_id, use.window, use.until) == (40, "a", Period(STARTS_AT, ENDS_AT), ENDS_AT + HOUR)


def test_an_end_that_is_known_better_moves_the_default_plan_s_period_and_gives_nothing() -> None:
    known = learn(None, "activated", START)
    balance = used(opened(known), 15, LAPSES_AT + HOUR)
    assert balance.term == Term(None, LAPSES_AT)
    change, _ = following(balance, known, learn(known, "canceled", END), LAPSES_AT + 2 * HOUR)
    after = change.balance
    assert (after.term, after.available, after.overage) == (Term(None, ENDS_AT), 0, 5)
    assert (after.used, after.used_of_plan, change.closed) == (15, 15, ())


def blocking() -> tuple[Subscription, Balance, datetime]:
    """A customer whose unpaid order has been cut off after its grace."""
    plan = replace(PRO, past_due=PastDueBlock(timedelta(days=3)))
    known = learn(None, "activated", START, plan=plan)
    known = learn(known, "past_due", "2026-04-10T15:00:05", END, "2026-04-17T15:00:00", plan=plan)
    cut_off_at = ENDS_AT + timedelta(days=3)
    balance = advance(opened(known), cut_off_at, FREE).after
    assert balance.policy == Policy.unpaid("pro")
    return known, balance, cut_off_at


@pytest.mark.parametrize("before", [timedelta(0), DAY])
def test_point_20_an_unpaid_order_that_ends_leaves_the_default_plan_whole(before: timedelta) -> None:
    known, balance, cut_off_at = blocking()
    balance = record_usage(balance, Decimal(3), cut_off_at)
    ended = learn(known, "canceled", f"{cut_off_at - before:%Y-%m-%dT%H:%M:%S}")
    change, _ = following(balance, known, ended, cut_off_at + HOUR)
    after = change.balance
    assert (after.policy, after.available, after.used_of_plan) == (FREE, 10, 0)
    assert (after.term.start, change.closed) == (cut_off_at - before, ())


def test_point_20_an_order_that_turns_out_unpaid_takes_the_default_plan_away() -> None:
    plan = replace(PRO, past_due=PastDueBlock(timedelta(0)))
    known = learn(None, "activated", START, plan=plan)
    balance = used(opened(known), 3, LAPSES_AT + HOUR)
    assert balance.policy == FREE
    overdue = learn(known, "past_due", "2026-04-10T15:00:05", END, "2026-04-17T15:00:00", plan=plan)
    change, _ = following(balance, known, overdue, LAPSES_AT + 2 * HOUR)
    assert (change.balance.policy, change.balance.term) == (Policy.unpaid("pro"), Term(None, ENDS_AT))
    assert (change.balance.available, change.balance.used, change.balance.used_of_plan) == (0, 3, 0)


def test_point_20_an_order_that_is_cut_off_stays_so_until_something_is_heard() -> None:
    known, balance, cut_off_at = blocking()
    change, filed = following(replace(balance, lapsed=None), known, known, cut_off_at + HOUR)
    assert (change.balance.policy, change.is_empty, filed.uses) == (Policy.unpaid("pro"), True, {})


def test_coverage_that_came_and_went_unheard_of_begins_the_default_plan_afresh() -> None:
    balance = used(opened(None), 7, STARTS_AT + HOUR)
    gone = learn(
        learn(None, "activated", "2026-03-12T00:00:00", "2026-03-12T00:00:00", "2026-04-12T00:00:00"),
        "canceled",
        "2026-03-15",
    )
    change, _ = following(balance, None, gone, utc("2026-03-20"))
    after = change.balance
    assert (after.term, after.available, after.used) == (Term(None, utc("2026-03-15")), 10, 0)
    assert [int(each.gone) for each in change.closed] == [7]


def test_coverage_that_came_and_went_goes_on_where_a_period_still_ran_that_was_used() -> None:
    first = learn(learn(None, "activated", START), "canceled", "2026-03-12")
    second = learn(first, "activated", "2026-03-13", "2026-03-13", "2026-04-13", plan=STARTER, order_id="b")
    second = learn(second, "canceled", "2026-03-15", "2026-03-13", "2026-04-13", plan=STARTER, order_id="b")
    began = utc("2026-03-12")
    balance = open_following(CUSTOMER, "tokens", first, FREE, began, began + HOUR).after
    place = ("a", (utc("2026-03-10"), 0), STARTS_AT)
    used_of_a = PeriodUse(*place, Period(STARTS_AT, ENDS_AT), began, Decimal(40))
    assert balance.term.start == began
    change, _ = following(balance, first, second.file("tokens", used_of_a), utc("2026-03-20"))
    assert (change.balance.term.start, change.closed) == (utc("2026-03-15"), ())
    change, _ = following(balance, first, second, utc("2026-03-20"))
    assert (change.balance.term.start, len(change.closed)) == (utc("2026-03-15"), 1)


def test_what_was_used_of_a_period_that_lapsed_by_itself_is_filed_once_more_is_heard() -> None:
    known = learn(learn(None, "activated", "2026-02-10", "2026-02-10", "2026-03-10"), "renewed", START)
    balance = advance(used(opened(known), 40, STARTS_AT), LAPSES_AT + HOUR, FREE).after
    assert balance.lapsed is not None
    balance = replace(balance, lapsed=replace(balance.lapsed, rolled=Decimal(9)))
    renewed = learn(known, "renewed", END, END, "2026-05-10T15:00:00")
    change, filed = following(balance, known, renewed, LAPSES_AT + 2 * HOUR)
    (use,) = filed.uses_of("tokens")
    assert use == PeriodUse(
        "a", (utc("2026-03-10"), 0), STARTS_AT, Period(STARTS_AT, ENDS_AT), LAPSES_AT, Decimal(40), Decimal(9)
    )
    assert (change.balance.lapsed, change.balance.available) == (None, units(PRO))


# Entering


def test_a_renewal_closes_the_period_before_it_and_grants_once() -> None:
    known = learn(None, "activated", START)
    balance = used(opened(known), 40, STARTS_AT)
    renewed = learn(known, "renewed", END, END, "2026-05-10T15:00:00")
    change, filed = following(balance, known, renewed, ENDS_AT + HOUR)
    assert (change.balance.available, change.balance.used, change.balance.period.start) == (units(PRO), 0, ENDS_AT)
    assert [(int(each.gone), int(each.left)) for each in change.closed] == [(40, int(units(PRO)) - 40)]
    again, _ = following(change.after, filed, filed, ENDS_AT + 2 * HOUR)
    assert again.is_empty


def test_a_plan_changed_under_the_same_order_goes_on_in_its_period() -> None:
    known = learn(None, "activated", START, plan=STARTER)
    balance = used(opened(known), 40, STARTS_AT)
    change, filed = following(balance, known, learn(known, "plan_changed", "2026-03-15"), utc("2026-03-15T01:00:00"))
    assert (change.balance.available, change.closed) == (units(PRO) - 40, ())
    assert (change.balance.used, change.balance.used_of_plan, change.balance.gone_before) == (40, 40, 40)
    assert [(use.sold_at, int(use.gone)) for use in filed.uses_of("tokens")] == [(STARTS_AT, 40)]
    moved = {each.kind: (int(each.quantity), each.reference) for each in change.movements}
    assert moved["used"] == (40, None)
    assert moved["granted"][1] == moved["clawed_back"][1] == "plan:2026-03-10T15:00:00.000Z"


def test_overage_under_another_plan_is_due_as_it_stands() -> None:
    known = learn(None, "activated", START, plan=STARTER)
    over = int(units(STARTER)) + 30
    balance = used(opened(known), over, STARTS_AT)
    change, _ = following(balance, known, learn(known, "plan_changed", "2026-03-15"), utc("2026-03-15T01:00:00"))
    assert (change.balance.overage, change.balance.overage_due) == (0, 30)
    assert list(change.lines) == [LineKey(STARTS_AT, "starter")]
    assert change.balance.available == units(PRO) - units(STARTER)


def test_a_first_order_ends_the_default_plan_s_period_and_takes_none_of_its_units_along() -> None:
    balance = used(opened(None), 4, STARTS_AT)
    began = "2026-03-20T00:00:00"
    learned = learn(None, "activated", began, began, "2026-04-20T00:00:00")
    change, filed = following(balance, None, learned, utc(began) + HOUR)
    assert (change.balance.available, change.balance.used) == (units(PRO), 0)
    assert [(int(each.gone), each.plan) for each in change.closed] == [(4, "free")]
    assert filed.uses == {}
    assert ("clawed_back", 6) in [(each.kind, int(each.quantity)) for each in change.movements]


@pytest.mark.parametrize(
    ("began", "is_change", "is_used"),
    [
        ("2026-03-20T12:00:30", True, True),
        ("2026-03-20T12:05:00", True, True),
        ("2026-03-20T12:05:01", True, False),
        ("2026-03-20T12:00:30", False, False),
    ],
)
def test_point_10_what_was_used_between_two_orders_of_a_change_is_used_of_the_one_that_had_begun(
    began: str, *, is_change: bool, is_used: bool
) -> None:
    old = learn(None, "activated", START)
    balance, filed = following(
        opened(old), old, learn(old, "canceled", "2026-03-20T12:00:00"), utc("2026-03-20T12:00:00")
    )
    in_between = record_usage(balance.after, Decimal(6), utc("2026-03-20T12:00:20"))
    new = step("activated", "b", began, "2026-03-20", "2026-04-20", plan=STARTER).facts
    new = replace(new, replaces=frozenset({"a"} if is_change else ()))
    change, _ = following(in_between, filed, filed.learn(new), utc("2026-03-20T12:06:00"))
    assert change.balance.policy.plan == "starter"
    assert change.balance.available == units(STARTER) - (6 if is_used else 0)


YEAR_ENDS = "2027-03-10T15:00:00"


def yearly(rollover: int = 0) -> Plan:
    """The plan pro, sold by the year, with an allowance for each month of which so many units roll over."""
    monthly = replace(PRO.allowances["tokens"], cadence="month", rollover_maximum=Decimal(rollover))
    return replace(PRO, allowances={"tokens": monthly}, quota_change="reset")


@pytest.mark.parametrize(("unused", "rolled"), [(0, 0), (7, 7), (50, 20)])
def test_point_5_a_refund_gives_nothing_anew_of_what_the_months_before_have_used(unused: int, rolled: int) -> None:
    # Given a year of which the first month is used, up to so many units
    plan = yearly(rollover=20)
    known = learn(None, "activated", START, START, YEAR_ENDS, plan=plan)
    balance = used(opened(known), int(units(plan)) - unused, STARTS_AT)
    balance = used(advance(balance, ENDS_AT + HOUR, FREE).after, 5, ENDS_AT + HOUR)
    assert balance.available == units(plan) + rolled - 5
    # Then it stays as it is while there is no news
    again, filed = following(balance, known, known, ENDS_AT + HOUR)
    assert (again.is_empty, filed.uses) == (True, {})
    # And when half of the year is refunded, half of the month's allowance goes, and what came over stays as it is
    change, filed = following(balance, known, half_refunded(known), ENDS_AT + HOUR)
    assert change.balance.available == units(plan) / 2 + rolled - 5
    assert change.closed == ()
    assert [int(use.rolled) for use in filed.uses_of("tokens")] == [rolled]


def test_point_5_a_refund_of_a_plan_whose_quota_is_reset_by_a_change_resets_nothing() -> None:
    plan = replace(PRO, quota_change="reset")
    known = learn(learn(None, "activated", START, plan=plan), "recovered", "2026-03-12", plan=plan)
    balance = used(opened(known), 40, STARTS_AT)
    change, _ = following(balance, known, half_refunded(known), utc("2026-03-13"))
    assert (change.balance.available, change.balance.used_of_plan) == (units(PRO) / 2 - 40, 40)
    assert (change.closed, change.balance.closed_until) == ((), balance.closed_until)


def test_what_an_unrelated_order_finds_owed_under_the_default_plan_is_due_as_it_stands() -> None:
    # Given an order that ended inside its period, and 5 units beyond the default plan since
    known = learn(None, "activated", START)
    ended = learn(known, "canceled", "2026-03-12")
    change, ended = following(used(opened(known), 40, STARTS_AT), known, ended, utc("2026-03-12T01:00:00"))
    balance = used(change.after, 15, utc("2026-03-12T02:00:00"))
    # When another order begins while the old one's period still runs
    bought = learn(ended, "activated", "2026-03-13", "2026-03-13", "2026-04-13", order_id="b")
    change, _ = following(balance, ended, bought, utc("2026-03-13T01:00:00"))
    assert (change.balance.policy.plan, change.balance.overage_due, change.balance.overage) == ("pro", 5, 0)
    assert [(key.plan, line.due) for key, line in change.lines.items()] == [("free", 5)]


def test_an_end_that_is_known_better_gives_another_default_plan_whole() -> None:
    known = learn(None, "activated", START)
    balance = used(opened(known), 4, LAPSES_AT + HOUR)
    other = replace(FREE, plan="basic", allowance=Decimal(20))
    change, _ = follow(Change.begin(balance), known, learn(known, "canceled", END), other, {}, LAPSES_AT + 2 * HOUR)
    after = change.balance
    assert (after.term, after.available, after.used_of_plan) == (Term(None, ENDS_AT), 20, 0)


def test_what_is_left_of_the_default_plan_does_not_roll_over_into_a_default_plan_that_begins_afresh() -> None:
    saving = replace(FREE, rollover_maximum=Decimal(100))
    balance = open_following(CUSTOMER, "tokens", None, saving, STARTS_AT, STARTS_AT).after
    came = learn(None, "activated", "2026-03-12T00:00:00", "2026-03-12T00:00:00", "2026-04-12T00:00:00")
    went = learn(came, "canceled", "2026-03-15")
    change, _ = follow(Change.begin(balance), None, went, saving, {}, utc("2026-03-20"))
    assert (change.balance.available, change.balance.period.start) == (10, utc("2026-03-15"))
    assert [(each.kind, int(each.quantity)) for each in change.movements] == [("clawed_back", 10), ("granted", 10)]


def test_a_plan_change_ends_what_the_old_plan_gave_and_leaves_what_was_bought() -> None:
    plan = replace(STARTER, allowances={"tokens": replace(STARTER.allowances["tokens"], rollover_maximum=Decimal(9))})
    known = learn(
        learn(None, "activated", "2026-02-10", "2026-02-10", "2026-03-10", plan=plan), "renewed", START, plan=plan
    )
    balance = opened(known)
    pack = Grant("pack", "top_up", Decimal(5), Decimal(5), 90, STARTS_AT)
    balance = replace(balance, grants=(*balance.grants, pack))
    assert balance.available == units(STARTER) + 9 + 5
    change, _ = following(balance, known, learn(known, "plan_changed", "2026-03-15"), utc("2026-03-15T01:00:00"))
    assert [(each.id, each.remaining) for each in change.balance.grants if not each.is_periodic] == [("pack", 5)]
    assert change.balance.available == units(PRO) + 5
    start = "2026-03-10T15:00:00.000Z"
    assert [(each.kind, int(each.quantity), each.reference) for each in change.movements] == [
        ("expired", 9, f"rollover:{start}"),
        ("clawed_back", int(units(STARTER)), f"plan:{start}"),
        ("granted", int(units(PRO)), f"plan:{start}"),
    ]


def test_a_default_plan_goes_on_when_nothing_but_an_add_on_is_bought() -> None:
    balance = used(opened(None), 4, STARTS_AT)
    nobody = Subscription(CUSTOMER)
    again, _ = following(balance, nobody, nobody, STARTS_AT + HOUR)
    assert again.is_empty
    bought = learn(nobody, "activated", START, plan=BOOST, order_id="x")
    change, _ = following(balance, nobody, bought, STARTS_AT + HOUR)
    assert (change.balance.available, change.balance.used_of_plan, change.closed) == (6 + units(BOOST), 4, ())


def test_point_10_what_was_owed_between_two_orders_of_a_change_is_used_of_the_one_that_had_begun() -> None:
    old = learn(None, "activated", START)
    change, filed = following(
        opened(old), old, learn(old, "canceled", "2026-03-20T12:00:00"), utc("2026-03-20T12:00:00")
    )
    owing = record_usage(change.after, Decimal(15), utc("2026-03-20T12:00:20"))
    assert owing.current_overage == 5
    new = step("activated", "b", "2026-03-20T12:00:30", "2026-03-20", "2026-04-20", plan=STARTER).facts
    new = replace(new, replaces=frozenset({"a"}))
    change, _ = following(owing, filed, filed.learn(new), utc("2026-03-20T12:06:00"))
    assert (change.balance.available, change.balance.used_of_plan) == (units(STARTER) - 15, 15)
    assert (change.balance.overage, change.balance.overage_due) == (0, 0)


def test_point_21_a_refund_of_a_prorated_plan_changes_nothing_of_what_was_used_of_it() -> None:
    prorated = replace(PRO, quota_change="prorate")
    known = learn(None, "activated", START, plan=STARTER)
    changed = learn(known, "plan_changed", "2026-03-25T15:00:00", plan=prorated)
    change, changed = following(used(opened(known), 40, STARTS_AT), known, changed, utc("2026-03-25T15:00:00"))
    balance = used(change.after, 60, utc("2026-03-25T16:00:00"))
    before = balance.used_of_plan
    change, _ = following(balance, changed, half_refunded(changed), utc("2026-03-25T17:00:00"))
    assert change.balance.used_of_plan == before


# Opening


@pytest.mark.parametrize(
    ("since", "starts_at"),
    [
        ("2026-03-12", "2026-03-12"),
        ("2026-03-15", "2026-03-15"),
        ("2026-03-18", "2026-03-15"),
        ("2026-03-30", "2026-03-15"),
    ],
)
def test_a_default_plan_begins_where_coverage_ended_or_earlier_where_usage_is_older(since: str, starts_at: str) -> None:
    gone = learn(learn(None, "activated", START), "canceled", "2026-03-15")
    now = utc("2026-03-20")
    assert open_following(CUSTOMER, "tokens", gone, FREE, utc(since), now).after.term == Term(None, utc(starts_at))


@pytest.mark.parametrize(("since", "starts_at"), [("2026-03-18", "2026-03-18"), ("2026-03-30", "2026-03-20")])
def test_a_default_plan_never_begins_later_than_now(since: str, starts_at: str) -> None:
    now = utc("2026-03-20")
    assert open_following(CUSTOMER, "tokens", None, FREE, utc(since), now).after.term == Term(None, utc(starts_at))


# Add-ons


def with_add_on() -> Subscription:
    return learn(learn(None, "activated", START), "activated", START, plan=BOOST, order_id="x")


def add_on_of(balance: Balance) -> Grant:
    (grant,) = (each for each in balance.grants if each.kind == "add_on")
    return grant


def test_point_7_an_add_on_that_changes_grants_less_what_was_used_of_it() -> None:
    known = with_add_on()
    balance = opened(known)
    assert add_on_of(balance).quantity == units(BOOST)
    balance = used(balance, int(units(PRO)) + 30, STARTS_AT)
    more = replace(BOOST, allowances={"tokens": replace(BOOST.allowances["tokens"], quantity=units(BOOST) + 500)})
    changed = learn(known, "plan_changed", "2026-03-15", plan=more, order_id="x")
    change, filed = following(balance, known, changed, utc("2026-03-15T01:00:00"))

    left = units(BOOST) + 500 - 30
    grant = add_on_of(change.balance)
    assert (grant.quantity, grant.remaining, grant.priority) == (left, left, 60)
    assert (grant.starts_at, grant.expires_at) == (STARTS_AT, ENDS_AT + BOOST.renewal_leeway)
    assert [(use.order_id, int(use.gone), use.window.start) for use in filed.uses_of("tokens")] == [
        ("x", 30, STARTS_AT)
    ]
    assert [(each.kind, int(each.quantity)) for each in change.movements if each.reference == grant.id] == [
        ("granted", 500)
    ]
    assert [use.sold_at for use in filed.uses_of("tokens")] == [utc("2026-03-15")]
    again, _ = following(change.after, filed, filed, utc("2026-03-15T02:00:00"))
    assert again.is_empty


def test_point_7_an_add_on_that_is_half_refunded_keeps_what_was_used_of_it() -> None:
    charge = Charged(Decimal(10), Decimal(0), STARTS_AT)
    known = with_add_on().learn(OrderFacts.of_charge("x", "PAY_1", charge))
    balance = used(opened(known), int(units(PRO)) + 30, STARTS_AT)
    refunded = OrderFacts.of_charge("x", "PAY_1", replace(charge, refunded=Decimal(5), revision=2))
    change, filed = following(balance, known, known.learn(refunded), STARTS_AT + HOUR)
    assert add_on_of(change.balance).quantity == units(BOOST) / 2 - 30
    assert [(use.sold_at, int(use.gone)) for use in filed.uses_of("tokens")] == [(STARTS_AT, 30)]


def overused(known: Subscription, units_over: int) -> Balance:
    """A balance that has used all of its plan and its add-on, and more."""
    return used(opened(known), int(units(PRO) + units(BOOST)) + units_over, STARTS_AT)


def half_refunded_add_on(known: Subscription) -> Subscription:
    charge = Charged(Decimal(10), Decimal(5), STARTS_AT, refunded_at=STARTS_AT + HOUR)
    return known.learn(OrderFacts.of_charge("x", "PAY_1", charge))


def told_late(known: Subscription, order_id: str, start: str = START, end: str = END) -> Subscription:
    """What is known, with an add-on that is told of only now, when half of it was refunded."""
    bought = learn(known, "activated", start, start, end, plan=BOOST, order_id=order_id)
    charge = Charged(Decimal(10), Decimal(5), utc(start), refunded_at=utc(start) + HOUR)
    return bought.learn(OrderFacts.of_charge(order_id, f"PAY_{order_id}", charge))


def test_point_7_an_add_on_told_of_when_it_is_half_refunded_pays_as_it_was_bought() -> None:
    plain = learn(None, "activated", START)
    over = used(opened(plain), int(units(PRO)) + 30, STARTS_AT)
    change, filed = following(over, plain, told_late(plain, "x"), STARTS_AT + 2 * HOUR)
    assert (change.balance.current_overage, [int(use.gone) for use in filed.uses_of("tokens")]) == (0, [30])
    moved = [
        (each.kind, int(each.quantity)) for each in change.movements if each.reference == add_on_of(change.balance).id
    ]
    assert moved == [("granted", 30), ("granted", int(units(BOOST)) // 2 - 30)]


def test_point_7_two_add_ons_told_of_late_each_pay_as_they_were_bought() -> None:
    plain = learn(None, "activated", START)
    over = used(opened(plain), int(units(PRO) + units(BOOST)) + 30, STARTS_AT)
    learned = told_late(told_late(plain, "x"), "y")
    change, filed = following(over, plain, learned, STARTS_AT + 2 * HOUR)
    assert change.balance.current_overage == 0
    assert sorted(int(use.gone) for use in filed.uses_of("tokens")) == [30, int(units(BOOST))]


@pytest.mark.parametrize(("start", "pays"), [("2026-03-10T17:00:00", True), ("2026-03-10T17:00:01", False)])
def test_point_7_an_add_on_pays_for_overage_once_it_has_begun(start: str, *, pays: bool) -> None:
    plain = learn(None, "activated", START)
    over = used(opened(plain), int(units(PRO) + units(BOOST)), STARTS_AT)
    change, _ = following(over, plain, told_late(plain, "x", start), STARTS_AT + 2 * HOUR)
    assert change.balance.current_overage == (0 if pays else units(BOOST))


@pytest.mark.parametrize(("ended_at", "pays"), [(START, False), ("2026-03-10T15:00:01", True)])
def test_point_7_an_add_on_that_was_over_before_the_period_pays_for_none_of_its_overage(
    ended_at: str, *, pays: bool
) -> None:
    plain = learn(None, "activated", START)
    over = used(opened(plain), int(units(PRO)) + 30, STARTS_AT)
    began, end = "2026-02-20T15:00:00", "2026-03-20T15:00:00"
    bought = learn(plain, "activated", began, began, end, plan=BOOST, order_id="x")
    learned = learn(bought, "canceled", ended_at, began, end, plan=BOOST, order_id="x")
    change, _ = following(over, plain, learned, STARTS_AT + 2 * HOUR)
    assert change.balance.current_overage == (0 if pays else 30)


def test_point_7_an_add_on_that_ended_unused_pays_for_nothing_afterwards() -> None:
    # Given an add-on that was known in time and ended before anything was used
    known = learn(learn(None, "activated", START), "activated", START, START, "2026-03-12", plan=BOOST, order_id="x")
    ended = learn(known, "canceled", "2026-03-12", START, "2026-03-12", plan=BOOST, order_id="x")
    change, ended = following(opened(known), known, ended, utc("2026-03-12T01:00:00"))
    assert [each.kind for each in change.balance.grants] == ["plan"]
    # When more is used than the plan has, and something else is heard
    over = used(change.after, int(units(PRO)) + 30, utc("2026-03-13"))
    change, _ = following(over, ended, learn(ended, "canceling", "2026-03-14"), utc("2026-03-14"))
    assert change.balance.current_overage == 30


def test_point_7_a_period_of_an_add_on_that_is_told_of_after_its_renewal_pays_as_it_was_bought() -> None:
    # Given a plan from 20 March on, and an add-on of which only the renewal of 10 April is known
    start, end = "2026-03-20T15:00:00", "2026-04-20T15:00:00"
    plain = learn(None, "activated", start, start, end)
    over = used(opened(plain, utc(start)), int(units(PRO) + units(BOOST)) + 30, utc("2026-04-01"))
    renewed = learn(plain, "renewed", END, END, "2026-05-10T15:00:00", plan=BOOST, order_id="x")
    change, filed = following(over, plain, renewed, ENDS_AT + HOUR)
    assert change.balance.current_overage == 30
    # When its first period becomes known
    learned = learn(filed, "activated", START, plan=BOOST, order_id="x")
    change, _ = following(change.after, filed, learned, ENDS_AT + 2 * HOUR)
    assert change.balance.current_overage == 0


def test_point_7_an_add_on_that_stands_whole_pays_with_its_grant_alone() -> None:
    plain = learn(None, "activated", START)
    over = used(opened(plain), int(units(PRO)) + 30, STARTS_AT)
    bought = learn(plain, "activated", START, plan=BOOST, order_id="x")
    change, filed = following(over, plain, bought, STARTS_AT + 2 * HOUR)
    assert (change.balance.current_overage, filed.uses) == (0, {})
    assert add_on_of(change.balance).remaining == units(BOOST) - 30


def test_point_7_an_add_on_that_was_known_pays_no_second_time() -> None:
    # All of it went back before anything was used: it gives nothing, and what is used then is overage.
    charge = Charged(Decimal(10), Decimal(10), STARTS_AT, refunded_at=STARTS_AT + HOUR)
    known = with_add_on().learn(OrderFacts.of_charge("x", "PAY_1", charge))
    over = used(opened(known), int(units(PRO)) + 30, STARTS_AT)
    canceling = learn(known, "canceling", "2026-03-12")
    change, filed = following(over, known, canceling, STARTS_AT + 3 * DAY)
    assert (change.balance.current_overage, filed.uses) == (30, {})


def test_point_7_an_add_on_that_gave_its_units_pays_no_second_time_for_overage() -> None:
    known = with_add_on()
    over = used(opened(known), int(units(PRO) + units(BOOST)) + 30, STARTS_AT)
    charge = Charged(Decimal(10), Decimal(5), STARTS_AT, refunded_at=STARTS_AT + HOUR)
    refunded = known.learn(OrderFacts.of_charge("x", "PAY_1", charge))
    # The balance has its grant, though the facts that it follows are not known.
    change, filed = following(over, None, refunded, STARTS_AT + 2 * HOUR)
    assert change.balance.current_overage == 30
    # Or what was used of it is filed, and its grant is gone.
    bare = replace(change.after, grants=tuple(each for each in change.after.grants if each.kind != "add_on"))
    again, _ = following(bare, None, filed, STARTS_AT + 3 * HOUR)
    assert again.balance.current_overage == 30


def test_point_7_an_add_on_of_another_meter_does_not_hide_those_after_it() -> None:
    runs = replace(BOOST, key="runs", allowances={"agent_runs": BOOST.allowances["tokens"]})
    known = learn(learn(None, "activated", START), "activated", START, plan=runs, order_id="z")
    known = learn(known, "activated", START, plan=BOOST, order_id="x")
    assert add_on_of(opened(known)).quantity == units(BOOST)


def test_point_7_an_add_on_that_ends_takes_what_is_left_of_it_along() -> None:
    known = with_add_on()
    ended = learn(known, "canceled", "2026-03-15", plan=BOOST, order_id="x")
    change, filed = following(opened(known), known, ended, utc("2026-03-15T01:00:00"))
    assert [each.kind for each in change.balance.grants] == ["plan"]
    assert [(each.kind, each.quantity, each.reference) for each in change.movements] == [
        ("clawed_back", units(BOOST), add_on_of(opened(known)).id)
    ]
    assert filed.uses == {}


def test_point_7_an_add_on_s_grant_is_named_for_its_order_and_period() -> None:
    key = utc("2026-03-10")
    assert add_on_grant_id("ORD_1", (key, 0)) == "add_on:ORD_1:2026-03-10T000000"
    assert add_on_grant_id("ORD_1", (key, 3)) == "add_on:ORD_1:2026-03-10T000000:3"


def test_a_balance_that_is_opened_while_the_customer_is_cut_off_is_cut_off() -> None:
    for reason in ("fraud", None):
        known = replace(Subscription(CUSTOMER), blocked=reason)
        assert open_following(CUSTOMER, "tokens", known, FREE, STARTS_AT, STARTS_AT).after.blocked == reason


# What late usage took of an earlier period


def through_a_month(known: Subscription) -> Change:
    """A balance in the second month of a year, of whose first month 40 units were used; the rest came over."""
    balance = used(opened(known), 40, STARTS_AT + HOUR)
    return advance(balance, utc("2026-04-20"), FREE)


SAVES = replace(PRO.allowances["tokens"], cadence="month", rollover_maximum=Decimal(10_000_000))
YEARLY = replace(PRO, allowances={"tokens": SAVES}, quota_change="carry")


def test_an_allowance_is_not_given_anew_where_nothing_more_is_gone_of_it() -> None:
    known = learn(None, "activated", START, "2026-03-10", "2027-03-10", plan=YEARLY)
    change = through_a_month(known)
    assert change.balance.available == 2 * units(YEARLY) - 40
    assert give_anew(change, known, utc("2026-04-20")) == (change, known)


def test_an_allowance_that_is_given_anew_has_what_came_over_into_it() -> None:
    known = learn(None, "activated", START, "2026-03-10", "2027-03-10", plan=YEARLY)
    change = through_a_month(known)
    place = ("a", (utc("2026-03-10"), 0), STARTS_AT)
    more = known.file("tokens", PeriodUse(*place, change.balance.period, change.balance.period.start, Decimal(5)))
    anew, _ = give_anew(change, more, utc("2026-04-20"))
    assert anew.balance.available == 2 * units(YEARLY) - 40 - 5


@pytest.mark.parametrize(
    "event", [("renewed", END, END, "2026-05-10T15:00:00", PRO), ("plan_changed", "2026-03-15", START, END, STARTER)]
)
def test_an_allowance_is_not_given_anew_before_the_balance_has_followed(
    event: tuple[LifecycleKind, str, str, str, Plan],
) -> None:
    kind, at, start, end, sold = event
    known = learn(None, "activated", START)
    learned = learn(known, kind, at, start, end, plan=sold)
    now = max(utc(at), STARTS_AT) + HOUR
    change = advance(used(opened(known), 40, STARTS_AT), now, FREE)
    assert give_anew(change, learned, now) == (change, learned)


def test_another_order_that_begins_while_a_period_still_runs_that_was_used_goes_on_in_it() -> None:
    first = learn(learn(None, "activated", START), "canceled", "2026-03-12")
    began = utc("2026-03-12")
    balance = open_following(CUSTOMER, "tokens", first, FREE, began, began + HOUR).after
    place = ("a", (utc("2026-03-10"), 0), STARTS_AT)
    used_of_a = PeriodUse(*place, Period(STARTS_AT, ENDS_AT), began, Decimal(40))
    second = learn(first, "activated", "2026-03-13", "2026-03-13", "2026-04-13", plan=STARTER, order_id="b")
    change, _ = following(balance, first, second.file("tokens", used_of_a), utc("2026-03-13T01:00:00"))
    assert change.closed == ()
    change, _ = following(balance, first, second, utc("2026-03-13T01:00:00"))
    assert [each.order_id for each in change.closed] == [None]
