"""Time and terms on one balance, step by step."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pancake_meter.domain.balance.advance import IdleRun, advance, leave_record, open_balance, start_term
from pancake_meter.domain.balance.balance import NEVER, Balance, Lapse, Policy, Term
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.closed_period import ClosedPeriod, Windows
from pancake_meter.domain.balance.grant import Grant
from pancake_meter.domain.balance.hold import Hold
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.balance.spend import place_hold, record_usage, settle_hold
from pancake_meter.domain.selling.overage import LineKey, OverageLine
from pancake_meter.domain.selling.plan import OverageAllowed
from pancake_meter.domain.selling.pricing import PerUnit
from pancake_meter.value import replace

START = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)
END = datetime(2026, 4, 10, 15, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SOLD = Policy("starter", Decimal(1000), "billing")
FREE = Policy("free", Decimal(10), "month")
PAID = Term("ORD_1", START, END, END + DAY)


def opened(policy: Policy = SOLD, term: Term = PAID) -> Balance:
    return open_balance("acct_1001", "tokens", policy, term, START).after


def used(balance: Balance, quantity: int, at: datetime = START) -> Balance:
    return record_usage(balance, Decimal(quantity), at)


def units(*quantities: Decimal) -> list[int]:
    """Whole quantities, easy to read."""
    assert all(quantity == int(quantity) for quantity in quantities)
    return [int(quantity) for quantity in quantities]


def test_a_paid_period_starts_with_a_payment_not_with_a_clock() -> None:
    # Given a balance whose paid period is over, its renewal not yet heard of
    balance = used(opened(), 400)
    waiting = advance(balance, END + DAY - timedelta(seconds=1), FREE)

    # Then nothing is given out, and what is left stays usable
    assert waiting.is_empty
    assert waiting.balance.available == Decimal(600)

    # And a renewal, late as it is, closes the period and starts the next from its own beginning
    term = Term("ORD_1", END, END + 30 * DAY, END + 31 * DAY)
    renewed = start_term(Change.begin(balance), SOLD, term, END + timedelta(hours=3))
    assert units(renewed.balance.used, renewed.balance.available) == [0, 1000]
    assert renewed.balance.period.start == END
    (closed,) = renewed.closed
    assert units(closed.gone, closed.left) == [400, 600]
    assert (closed.period.start, closed.period.end) == (START, END)


def test_scenario_30_a_period_never_renewed_lapses_to_the_default_plan() -> None:
    lapsed = advance(used(opened(), 400), END + DAY, FREE)
    assert (lapsed.balance.policy, lapsed.balance.available) == (FREE, Decimal(10))
    assert lapsed.balance.term == Term(None, END + DAY)
    assert [(m.kind, int(m.quantity)) for m in lapsed.movements] == [("used", 400), ("expired", 600), ("granted", 10)]


def test_scenario_66_three_missed_months_are_one_grant() -> None:
    balance = used(opened(FREE, Term(None, START)), 4)
    reset = advance(balance, datetime(2026, 7, 1, tzinfo=UTC), FREE)
    assert [(m.kind, int(m.quantity)) for m in reset.movements] == [("used", 4), ("expired", 6), ("granted", 10)]
    assert reset.balance.period.start == datetime(2026, 6, 10, 15, 0, tzinfo=UTC)
    assert [(closed.windows, int(closed.gone), int(closed.left)) for closed in reset.closed] == [(1, 4, 6), (2, 0, 20)]


@pytest.mark.parametrize(("months", "rolled"), [(1, 6), (2, 16), (3, 25), (9, 25)])
def test_unused_units_roll_over_up_to_the_maximum_however_late(months: int, rolled: int) -> None:
    policy = replace(FREE, rollover_maximum=Decimal(25))
    balance = used(opened(policy, Term(None, START)), 4)
    later = advance(balance, datetime(2026, 3 + months, 10, 15, 0, tzinfo=UTC), FREE).balance
    assert later.available == Decimal(10 + rolled)


def test_scenario_52_a_hold_over_a_reset_is_charged_to_the_period_it_is_settled_in() -> None:
    held = place_hold(used(opened(FREE, Term(None, START)), 2), "h1", Hold(Decimal(5), END + DAY))
    assert isinstance(held, Balance)
    reset = advance(held, END, FREE)
    assert units(reset.balance.held, reset.balance.available) == [5, 5]
    settled = settle_hold(reset.balance, "h1", Decimal(3), END)
    assert units(settled.used, settled.held, settled.available) == [3, 0, 7]
    assert reset.closed[0].gone == Decimal(2)


def test_overage_of_a_closed_period_is_due_and_the_next_period_starts_whole() -> None:
    reset = advance(used(opened(FREE, Term(None, START)), 25), END, FREE).balance
    assert units(reset.overage_due, reset.current_overage, reset.available) == [15, 0, 10]


def test_scenario_67_a_reset_that_has_happened_does_not_happen_again() -> None:
    once = advance(used(opened(FREE, Term(None, START)), 4), END, FREE).after
    assert advance(once, END, FREE).is_empty
    assert advance(once, END + timedelta(hours=5), FREE).is_empty


# What a boundary is


def test_the_next_boundary_is_the_soonest_thing_that_happens_by_itself() -> None:
    balance = opened()
    assert (balance.period_ends_at, balance.valid_until) == (END + DAY, END + DAY)
    grants = {
        "starts": Grant("starts", "top_up", Decimal(1), Decimal(1), 90, START + 3 * DAY),
        "ends": Grant("ends", "top_up", Decimal(1), Decimal(1), 90, START, START + 2 * DAY),
        "has started": Grant("has started", "top_up", Decimal(1), Decimal(1), 90, START),
    }
    assert replace(balance, grants=tuple(grants.values())).valid_until == START + 2 * DAY
    assert replace(balance, grants=(grants["starts"],)).valid_until == START + 3 * DAY
    assert replace(balance, grants=(grants["has started"],)).valid_until == END + DAY


def test_a_window_inside_a_term_ends_with_itself_and_the_last_with_the_lapse() -> None:
    weekly = opened(replace(SOLD, cadence="week"))
    assert weekly.valid_until == START + 7 * DAY
    last = advance(weekly, START + 28 * DAY, FREE).balance
    assert (last.period.end, last.valid_until) == (END, END + DAY)


def test_a_balance_that_nothing_ends_never_changes_by_itself() -> None:
    assert opened(FREE, Term(None, START)).valid_until == END
    endless = replace(opened(), period=Period(START, NEVER), term=Term(None, START), charts=10**4)
    assert replace(endless, charts=0).next_chart_at == END
    last = replace(endless, period=Period(NEVER - 31 * DAY, NEVER), charts=0)
    assert last.valid_until == NEVER
    assert advance(last, NEVER, FREE).is_empty


def test_a_long_period_puts_its_charts_away_one_by_one() -> None:
    year = Term("ORD_1", START, START + 365 * DAY, START + 366 * DAY)
    balance = used(opened(SOLD, year), 7)
    assert balance.valid_until == END
    change = advance(balance, END, FREE)
    assert (change.balance.charts, change.balance.days, change.balance.used) == (1, {}, Decimal(7))
    assert [(chart.span, chart.closed_at, int(chart.used), chart.plan) for chart in change.charts] == [
        (Period(START, END), END, 7, SOLD.plan)
    ]
    assert (change.closed, change.after.valid_until) == ((), datetime(2026, 5, 10, 15, 0, tzinfo=UTC))
    # A chart with nothing on it is not kept
    assert advance(opened(SOLD, year), END, FREE).charts == ()


# Closed periods


def test_a_period_leaves_a_record_of_all_that_it_came_to() -> None:
    policy = replace(SOLD, overage=OverageAllowed(), rollover_maximum=Decimal(100))
    renewed = start_term(
        Change.begin(used(opened(policy), 930)), policy, Term("ORD_1", END, END + 30 * DAY, END + 31 * DAY), END
    )
    (first,) = renewed.closed
    assert first == ClosedPeriod(
        period=Period(START, END),
        since=None,
        until=END,
        closed_at=END,
        segment=2,
        order_id="ORD_1",
        line=LineKey(START, "starter"),
        allowance=Decimal(1000),
        rolled=Decimal(0),
        gone=Decimal(930),
        left=Decimal(0),
        passed=Decimal(70),
        overage=Decimal(0),
    )
    later = used(renewed.after, 1100, END)
    (second,) = start_term(
        Change.begin(later), policy, Term("ORD_1", END + 30 * DAY, END + 60 * DAY, END + 61 * DAY), END + 30 * DAY
    ).closed
    assert (second.since, second.until, second.segment) == (END, END + 30 * DAY, 3)
    assert units(second.rolled, second.gone, second.left, second.passed, second.overage) == [70, 1070, 0, 0, 30]


def test_a_closed_period_leaves_its_overage_due_and_its_chart() -> None:
    policy = replace(SOLD, overage=OverageAllowed(), prices={"USD": PerUnit(Decimal("0.01"))})
    term = Term("ORD_1", END, END + 30 * DAY, END + 31 * DAY)
    change = start_term(Change.begin(used(opened(policy), 1200)), policy, term, END + timedelta(hours=3))
    assert change.lines == {
        LineKey(START, "starter"): OverageLine(
            LineKey(START, "starter"), END + timedelta(hours=3), Decimal(200), prices=policy.prices
        )
    }
    (chart,) = change.charts
    assert (chart.span, chart.segment, chart.days, chart.overage) == (
        Period(START, END),
        2,
        {"0310": Decimal(1200)},
        Decimal(200),
    )
    after = change.balance
    assert units(after.used, after.burned, after.used_before, after.gone_before) == [0, 0, 0, 0]
    assert (after.charts, after.days, after.closed_until, after.as_of, after.line_start) == (
        0,
        {},
        END,
        END + timedelta(hours=3),
        None,
    )


def test_a_period_that_is_entered_early_counts_from_then() -> None:
    early = END - timedelta(hours=2)
    change = start_term(Change.begin(opened()), SOLD, Term("ORD_1", END, END + 30 * DAY, END + 31 * DAY), early)
    assert (change.balance.closed_until, change.closed[0].until) == (early, early)


def test_scenario_66_idle_windows_share_one_record_and_split_apart() -> None:
    policy = replace(FREE, rollover_maximum=Decimal(25))
    change = advance(used(opened(policy, Term(None, START)), 4), datetime(2026, 8, 10, 15, 0, tzinfo=UTC), policy)
    first, idle = change.closed
    months = [datetime(2026, month, 10, 15, 0, tzinfo=UTC) for month in range(3, 9)]
    assert (first.period, idle.period, idle.since, idle.until) == (
        Period(*months[:2]),
        Period(months[1], months[5]),
        END,
        months[5],
    )
    assert (idle.closed_at, idle.segment, idle.order_id, idle.line) == (months[5], 2, None, LineKey(END, "free"))
    assert idle.idle == Windows("month", START, 4)
    assert units(idle.rolled, idle.gone, idle.left, idle.passed, idle.overage) == [6, 0, 21, 25, 0]

    # Of the second window, which had 16 units come over, 10 of its own, and 25 that went on
    middle = months[2] + DAY
    before, window, after = idle.split(middle)
    assert window == idle.window(middle)
    assert (window.period, window.since, window.until, window.closed_at) == (
        Period(months[2], months[3]),
        months[2],
        months[3],
        months[3],
    )
    assert (window.line, window.idle, window.windows) == (LineKey(months[2], "free"), None, 1)
    assert units(window.rolled, window.left, window.passed) == [16, 1, 25]
    assert (before.idle, before.since, before.until, before.closed_at) == (None, END, months[2], months[2])
    assert units(before.rolled, before.left, before.passed) == [6, 0, 16]
    assert (after.windows, after.since, after.until, after.closed_at) == (2, months[3], months[5], months[5])
    assert units(after.rolled, after.left, after.passed) == [25, 20, 25]
    # At either end it splits in two, and what has no such windows is one
    assert [part.windows for part in idle.split(months[1])] == [1, 3]
    assert [part.windows for part in idle.split(months[5] - timedelta.resolution)] == [3, 1]
    assert [part.windows for part in idle.split(months[5] + 9 * DAY)] == [3, 1]
    assert [part.windows for part in idle.split(START)] == [1, 3]
    assert first.split(START) == (first,)


def test_two_idle_windows_are_a_run_and_one_is_none() -> None:
    later = [advance(used(opened(FREE, Term(None, START)), 4), END + days * DAY, FREE) for days in (29, 30, 61)]
    assert [[period.windows for period in change.closed] for change in later] == [[1], [1, 1], [1, 2]]
    assert [change.closed[-1].idle for change in later] == [None, None, Windows("month", START, 2)]
    late = open_balance("acct_1001", "tokens", replace(SOLD, cadence="week"), PAID, START + 8 * DAY)
    assert [period.idle for period in late.closed] == [None]


def test_a_closed_period_counts_from_the_end_of_the_one_before_it_to_its_own() -> None:
    first, second = advance(used(opened(FREE, Term(None, START)), 4), END + 30 * DAY, FREE).closed
    assert (first.counts(START - 99 * DAY), first.counts(END - timedelta.resolution), first.counts(END)) == (
        True,
        True,
        False,
    )
    assert [second.counts(at) for at in (END - timedelta.resolution, END, second.until)] == [False, True, False]
    assert (first.counts_from, second.counts_from, first.plan) == (START, END, "free")


def test_a_balance_that_opens_late_in_a_term_has_idle_windows_behind_it() -> None:
    policy = replace(SOLD, cadence="week", rollover_maximum=Decimal(1500))
    change = open_balance("acct_1001", "tokens", policy, PAID, START + 15 * DAY)
    assert (change.balance.period, change.balance.closed_until) == (
        Period(START + 14 * DAY, START + 21 * DAY),
        START + 14 * DAY,
    )
    (idle,) = change.closed
    assert (idle.period, idle.since, idle.windows, idle.order_id) == (Period(START, START + 14 * DAY), None, 2, "ORD_1")
    assert units(idle.rolled, idle.left, idle.passed, change.balance.available) == [0, 500, 1500, 2500]
    assert [part.since for part in idle.split(START)] == [None, START + 7 * DAY]
    at_once = open_balance("acct_1001", "tokens", policy, PAID, START)
    assert (at_once.closed, at_once.balance.closed_until, at_once.after.segment) == ((), None, 1)


# A lapse


def test_a_lapse_is_kept_until_the_subscription_has_filed_it() -> None:
    policy = replace(SOLD, rollover_maximum=Decimal(50))
    renewed = start_term(
        Change.begin(opened(policy)), policy, Term("ORD_1", END, END + 30 * DAY, END + 31 * DAY), END
    ).after
    over = END + 31 * DAY
    lapsed = advance(used(renewed, 120, END), over, FREE).balance
    assert lapsed.lapsed == Lapse("ORD_1", END, Period(END, END + 30 * DAY), over, Decimal(120), Decimal(50))
    assert (lapsed.policy, lapsed.term) == (FREE, Term(None, over))


def test_point_20_an_unpaid_term_lapses_to_nothing() -> None:
    unpaid = replace(PAID, is_unpaid_after=True)
    lapsed = advance(opened(SOLD, unpaid), END + DAY, FREE).balance
    assert (lapsed.policy, lapsed.available) == (Policy.unpaid("starter"), Decimal(0))


def test_nothing_rolls_over_through_a_lapse_to_another_plan() -> None:
    policy = replace(SOLD, rollover_maximum=Decimal(50))
    assert advance(opened(policy), END + DAY, replace(FREE, rollover_maximum=Decimal(50))).balance.available == Decimal(
        10
    )


# Grants and boundaries in one step


def test_grants_that_start_or_end_inside_idle_windows_are_not_lost() -> None:
    policy = replace(FREE, overage=OverageAllowed())
    future = Grant("future", "top_up", Decimal(5), Decimal(5), 90, END + 3 * DAY, END + 40 * DAY)
    balance = replace(
        used(opened(policy, Term(None, START)), 4), grants=(*opened(policy, Term(None, START)).grants, future)
    )
    late = advance(balance, END + 35 * DAY, policy)
    assert (late.balance.available, late.balance.as_of) == (Decimal(15), END + 30 * DAY)
    over = advance(balance, END + 45 * DAY, policy)
    assert [(move.kind, int(move.quantity)) for move in over.movements if move.reference == "future"] == [
        ("expired", 5)
    ]


def test_what_ends_with_a_period_says_what_it_was_and_the_next_begins_with_nothing_gone() -> None:
    balance = replace(used(opened(), 400), gone_before=Decimal(50), line_start=START - DAY)
    term = Term("ORD_1", END, END + 30 * DAY, END + 31 * DAY)
    renewed = start_term(Change.begin(balance), SOLD, term, END)
    assert [(each.kind, each.reference) for each in renewed.movements] == [
        ("used", None),
        ("expired", "plan:2026-03-10T15:00:00.000Z"),
        ("granted", "plan:2026-04-10T15:00:00.000Z"),
    ]
    assert (renewed.balance.gone_before, renewed.balance.line_start) == (Decimal(0), None)


def test_only_what_is_renewed_rolls_over_out_of_windows_that_nobody_used() -> None:
    policy = replace(FREE, rollover_maximum=Decimal(25))
    idle = IdleRun(policy, Term(None, START - 60 * DAY), Period(START - 60 * DAY, START), START, 2, is_renewed=False)
    for run, rolled in ((idle, 0), (replace(idle, is_renewed=True), 20)):
        change = open_balance("acct_1001", "tokens", policy, Term(None, START), START, [run])
        assert units(change.balance.available, change.closed[0].left, change.closed[0].passed) == [
            10 + rolled,
            20 - rolled,
            rolled,
        ]


def test_a_record_of_the_open_period_is_left_once_for_each_instant() -> None:
    left = leave_record(Change.begin(used(opened(), 400)), START + DAY, START + DAY)
    assert [(each.until, int(each.gone)) for each in left.closed] == [(START + DAY, 400)]
    assert leave_record(left, START + DAY, START + DAY).closed == left.closed
    assert leave_record(left, START + DAY, START + DAY / 2).closed == left.closed
    assert [each.until for each in leave_record(left, START + 2 * DAY, START + 2 * DAY).closed] == [
        START + DAY,
        START + 2 * DAY,
    ]


def test_the_ledger_names_who_made_a_change() -> None:
    change = replace(Change.begin(opened()), by="support desk")
    assert change.entry("blocked", None, START).by == "support desk"
    assert Change.begin(opened()).entry("reset", None, START).by is None
