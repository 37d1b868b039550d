"""Overage lines: what is paid, forgiven, reopened and merged, unit by unit, and never more than is there."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pancake_meter.domain.balance.adjust import (
    add_grant,
    claw_back,
    forgive_overage,
    give_back,
    merge_lines,
    pay_overage,
    reopen_overage,
    resume_overage,
    set_blocked,
    settle_again,
)
from pancake_meter.domain.balance.advance import make_due, open_balance
from pancake_meter.domain.balance.balance import ZERO, Policy, Term
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.credit import bought_lot
from pancake_meter.domain.balance.grant import Grant
from pancake_meter.domain.balance.ledger import EventCause
from pancake_meter.domain.balance.spend import record_usage
from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.selling.overage import (
    MAX_CHANGED_LINES,
    LineKey,
    Lines,
    OverageLine,
    SettledUnits,
    SoldLine,
    exact_sum,
    merged_line,
    price_due,
    sale_of,
)
from pancake_meter.domain.selling.plan import OverageAllowed
from pancake_meter.domain.selling.pricing import Graduated, PerUnit, Tier
from pancake_meter.value import replace

START = datetime(2026, 3, 10, tzinfo=UTC)
END = datetime(2026, 4, 10, tzinfo=UTC)
NOW = START + timedelta(days=3)
DAY, MONTH = timedelta(days=1), timedelta(days=31)
PRICES = {"USD": PerUnit(Decimal("0.01"))}
PLAN = Policy("pro", Decimal(100), "month", OverageAllowed(), prices=PRICES)
OPEN = LineKey(START, "pro")


def key(months_ago: int, plan: str = "pro") -> LineKey:
    return LineKey(START - months_ago * MONTH, plan)


def line(months_ago: int, closed: int, settled: int = 0, forgiven: int = 0, *, plan: str = "pro") -> OverageLine:
    """A line of an earlier period, which ended a month after it began."""
    of = key(months_ago, plan)
    return OverageLine(of, of.period_start + MONTH, Decimal(closed), Decimal(settled), Decimal(forgiven), PRICES)


def kept(*lines: OverageLine) -> dict[LineKey, OverageLine]:
    return {each.key: each for each in lines}


def owing(*lines: OverageLine, used: int = 0) -> Change:
    """A change of a balance that owes what is due in the lines, and what was used beyond 100."""
    opened = open_balance("ada", "tokens", PLAN, Term(None, START), START).after
    due = sum((each.due for each in lines), ZERO)
    return Change.begin(record_usage(replace(opened, overage_due=due), Decimal(used), START))


def sold(of: LineKey, start: int, end: int) -> SoldLine:
    return SoldLine(of, Decimal(start), Decimal(end), Money(ZERO, "USD"), ZERO)


def picture(change: Change, lines: Lines) -> dict[LineKey, tuple[int, int, int]]:
    """Of each line what is closed, settled and forgiven after the change."""
    after = change.lines_over(lines)
    assert change.balance.overage_due == sum((each.due for each in after.values()), ZERO)
    return {of: (int(each.closed), int(each.settled), int(each.forgiven)) for of, each in after.items()}


def moved(change: Change, kind: str) -> list[tuple[int, str | None]]:
    return [(int(each.quantity), each.reference) for each in change.movements if each.kind == kind]


# Paying


@pytest.mark.parametrize(
    ("closed", "already", "start", "end", "settled"),
    [
        (50, 0, 0, 50, 50),
        (50, 0, 0, 30, 30),
        (50, 0, 0, 60, 50),
        (50, 20, 0, 50, 30),
        (50, 20, 20, 50, 30),
        (50, 20, 30, 50, 20),
        (50, 50, 0, 50, 0),
        (50, 20, 0, 20, 0),
    ],
)
def test_promise_8_a_payment_settles_the_units_that_it_sold_and_that_are_still_owed(
    closed: int, already: int, start: int, end: int, settled: int
) -> None:
    lines = kept(line(1, closed, already, forgiven=3))
    change, units = pay_overage(owing(*lines.values()), [sold(key(1), start, end)], lines)
    assert units == ((SettledUnits(key(1), Decimal(settled)),) if settled else ())
    assert picture(change, lines) == {key(1): (closed, already + settled, 3)}
    assert moved(change, "overage_paid") == ([(settled, str(key(1)))] if settled else [])


def test_a_payment_for_units_of_a_line_that_nobody_knows_settles_nothing() -> None:
    change, units = pay_overage(owing(), [sold(key(5), 0, 10)], {})
    assert (units, dict(change.lines), change.balance.overage_due) == ((), {}, ZERO)


@pytest.mark.parametrize(
    ("used", "end", "settled", "still_open"), [(130, 30, 30, 0), (130, 20, 20, 10), (115, 30, 15, 0), (100, 30, 0, 0)]
)
def test_open_overage_becomes_due_as_far_as_it_is_paid(used: int, end: int, settled: int, still_open: int) -> None:
    change, _ = pay_overage(owing(used=used), [sold(OPEN, 0, end)], {})
    assert change.balance.overage == still_open
    assert picture(change, {}) == ({OPEN: (settled, settled, 0)} if settled else {})
    if settled:
        assert (change.lines[OPEN].ends_at, change.lines[OPEN].prices) == (END, PRICES)


def test_a_payment_settles_due_units_of_the_open_line_before_it_makes_more_due() -> None:
    lines = kept(OverageLine(OPEN, END, Decimal(10), Decimal(4), prices=PRICES))
    change, units = pay_overage(owing(*lines.values(), used=120), [sold(OPEN, 4, 30)], lines)
    assert [int(each.quantity) for each in units] == [26]
    assert picture(change, lines) == {OPEN: (30, 30, 0)}
    assert moved(change, "overage_closed") == [(20, None)]


def test_a_line_of_which_nothing_is_owed_does_not_keep_the_next_from_being_paid() -> None:
    lines = kept(line(2, 10, 10), line(1, 20))
    change, units = pay_overage(owing(*lines.values()), [sold(key(2), 0, 10), sold(key(1), 0, 20)], lines)
    assert [(each.key, int(each.quantity)) for each in units] == [(key(1), 20)]
    assert picture(change, lines)[key(1)] == (20, 20, 0)


def test_open_overage_is_of_its_own_line_alone() -> None:
    lines = kept(line(1, 50))
    change, _ = pay_overage(owing(*lines.values(), used=130), [sold(key(1), 0, 60)], lines)
    assert (picture(change, lines), change.balance.overage) == ({key(1): (50, 50, 0)}, 30)


def test_several_lines_are_paid_each_for_itself() -> None:
    lines = kept(line(2, 10), line(1, 20))
    change, units = pay_overage(owing(*lines.values()), [sold(key(2), 0, 10), sold(key(1), 0, 5)], lines)
    assert [(each.key, int(each.quantity)) for each in units] == [(key(2), 10), (key(1), 5)]
    assert picture(change, lines) == {key(2): (10, 10, 0), key(1): (20, 5, 0)}


# Paying for what bought units have paid for


def spent(*lines: OverageLine, debt: int = 0, used: int = 0, of: int = 100) -> Change:
    """A change of a balance whose bought lot is used up."""
    lot = replace(bought_lot("top_up", Decimal(of), 90, START - 99 * MONTH, None), remaining=ZERO)
    change = owing(*lines, used=used)
    total = sum((each.reopened for each in lines), ZERO)
    grants = (*change.balance.grants, lot)
    balance = replace(change.balance, grants=grants, as_of=NOW, refund_debt=Decimal(debt), reopened=total)
    return Change.begin(balance)


def figures(change: Change, lines: Lines) -> dict[LineKey, tuple[int, ...]]:
    """Of each line what is closed, settled, reopened, regained and covered after the change."""
    after = change.lines_over(lines)
    assert change.balance.overage_due == sum((each.due for each in after.values()), ZERO)
    names = ("closed", "settled", "reopened", "regained", "covered")
    return {of: tuple(int(getattr(each, name)) for name in names) for of, each in after.items()}


def bought_left(change: Change) -> int:
    return sum(int(each.remaining) for each in change.balance.grants if each.is_bought)


@pytest.mark.parametrize(
    ("end", "after", "left", "settled"),
    [
        (5, (10, 5, 8, 3, 20), 0, 5),
        (9, (10, 9, 8, 7, 16), 0, 9),
        (25, (25, 25, 8, 8, 0), 15, 25),
        (27, (27, 27, 6, 6, 0), 17, 27),
        (32, (32, 32, 1, 1, 0), 22, 32),
        (33, (33, 33, 0, 0, 0), 23, 33),
        (40, (33, 33, 0, 0, 0), 23, 33),
    ],
)
def test_promise_4_a_payment_settles_what_bought_units_have_paid_for_and_they_come_back(
    end: int, after: tuple[int, ...], left: int, settled: int
) -> None:
    # Given a line that owes 10 units, 5 of them reopened; bought units have paid for 3 more such ones, and for 20 others
    known = replace(line(1, 10), reopened=Decimal(8), regained=Decimal(3), covered=Decimal(20))
    change, units = pay_overage(spent(known), [sold(key(1), 0, end)], kept(known))
    assert [int(each.quantity) for each in units] == [settled]
    # Bought units that are there again pay for reopened ones, which are settled last
    assert (figures(change, kept(known)), bought_left(change)) == ({key(1): after}, left)
    assert moved(change, "overage_paid") == [(settled, str(key(1)))]


@pytest.mark.parametrize(
    ("paid", "other", "opened", "debt", "left"), [(6, 4, 30, 9, 0), (35, 0, 5, 9, 0), (60, 0, 0, 0, 11)]
)
def test_promise_4_units_that_come_back_pay_for_later_months_then_for_the_open_one_and_then_for_refunds(
    paid: int, other: int, opened: int, debt: int, left: int
) -> None:
    # Given older and younger lines that owe 7 and 10 units, 30 of open overage, and a debt of 9
    lines = kept(line(3, 7), replace(line(2, 0), covered=Decimal(60)), line(1, 10))
    change, units = pay_overage(spent(*lines.values(), debt=9, used=130), [sold(key(2), 0, paid)], lines)
    assert units == (SettledUnits(key(2), Decimal(paid)),)
    after = figures(change, lines)
    assert (after[key(3)], after[key(2)]) == ((7, 0, 0, 0, 0), (paid, paid, 0, 0, 60 - paid))
    assert after[key(1)] == (other, 0, 0, 0, 10 - other)
    assert after.get(OPEN, (0,) * 5)[4] == 30 - opened
    assert (change.balance.overage, change.balance.refund_debt, bought_left(change)) == (opened, debt, left)
    assert sum(number for number, _ in moved(change, "refund_cleared")) == 9 - debt
    assert sum(number for number, _ in moved(change, "clawed_back")) == 9 - debt
    assert sum(number for number, _ in moved(change, "overage_closed")) == paid


@pytest.mark.parametrize(("of", "settled"), [(12, 12), (0, 0)])
def test_bought_units_that_have_no_place_any_more_do_not_come_back(of: int, settled: int) -> None:
    known = replace(line(1, 0), covered=Decimal(20))
    change, units = pay_overage(spent(known, of=of), [sold(key(1), 0, 20)], kept(known))
    assert [int(each.quantity) for each in units] == ([settled] if settled else [])
    assert figures(change, kept(known)) == {key(1): (settled, settled, 0, 0, 20 - settled)}


def test_promise_4_a_line_says_how_many_units_a_pack_has_paid_for_and_how_many_of_them_were_reopened() -> None:
    lines = kept(again(1, 25, 0, 10))
    lot = bought_lot("top_up", Decimal(18), 90, START - 99 * MONTH, None)
    change = add_grant(spent(*lines.values()), lot, NOW, lines)
    assert figures(change, lines) == {key(1): (7, 0, 10, 3, 15)}
    # And in the open month
    lines = kept(OverageLine(OPEN, END, prices=PRICES, reopened=Decimal(10)))
    change = add_grant(spent(*lines.values(), used=125), lot, NOW, lines)
    assert (figures(change, lines), change.balance.overage) == ({OPEN: (0, 0, 10, 3, 15)}, 7)
    change = add_grant(owing(used=125), lot, NOW, {})
    assert figures(change, {}) == {OPEN: (0, 0, 0, 0, 18)}
    assert change.lines[OPEN].ends_at == END


# A refund of the payment, and one that failed


@pytest.mark.parametrize(("quantity", "reopened"), [(10, 10), (30, 30), (40, 30), (0, 0)])
def test_settled_units_are_due_again_once_their_payment_is_refunded(quantity: int, reopened: int) -> None:
    lines = kept(line(1, 50, 30, forgiven=3))
    change = reopen_overage(owing(*lines.values()), key(1), Decimal(quantity), lines)
    assert picture(change, lines) == {key(1): (50, 30 - reopened, 3)}
    assert bool(change.lines) is bool(reopened)
    assert moved(change, "overage_reopened") == ([(reopened, str(key(1)))] if reopened else [])


def test_what_this_change_has_settled_can_be_reopened_by_it() -> None:
    change, _ = pay_overage(owing(used=130), [sold(OPEN, 0, 30)], {})
    change = reopen_overage(change, OPEN, Decimal(10), {})
    assert picture(change, {}) == {OPEN: (20, 20, 0)}
    assert change.balance.overage == 10


def test_a_line_that_nobody_knows_is_not_reopened() -> None:
    change = reopen_overage(owing(line(1, 50, 30)), key(2), Decimal(10), kept(line(1, 50, 30)))
    assert (dict(change.lines), change.movements) == ({}, ())


def test_units_of_the_open_period_are_open_overage_again() -> None:
    lines = kept(OverageLine(OPEN, END, Decimal(30), Decimal(30), prices=PRICES))
    change = reopen_overage(owing(), OPEN, Decimal(12), lines)
    assert picture(change, lines) == {OPEN: (18, 18, 0)}
    # The plan's 100 units that are left pay for them, as they would have
    assert (change.balance.overage, change.balance.available) == (ZERO, Decimal(88))
    assert moved(change, "overage_resumed") == [(12, None)]


@pytest.mark.parametrize(("bought_at", "covers"), [(START - timedelta(days=9), True), (START, False), (NOW, False)])
def test_what_was_bought_before_the_period_ended_pays_for_reopened_units(bought_at: datetime, *, covers: bool) -> None:
    lines = kept(line(1, 50, 50))
    assert lines[key(1)].ends_at == START
    pack = bought_lot("top_up", Decimal(20), 90, bought_at, None)
    change = owing(*lines.values())
    change = replace(change, balance=replace(change.balance, grants=(*change.balance.grants, pack), as_of=NOW))
    change = reopen_overage(change, key(1), Decimal(8), lines)
    assert picture(change, lines) == {key(1): (42 if covers else 50, 42, 0)}
    left = {each.id: int(each.remaining) for each in change.balance.grants}
    assert left[pack.id] == (12 if covers else 20)
    assert moved(change, "overage_covered") == ([(8, pack.id)] if covers else [])


def test_promise_4_a_refund_makes_bought_units_pay_for_nothing_but_what_it_reopened() -> None:
    # Given units of a line that the lot's pack did not pay for, since it was bought after the period, beside older ones
    lines = kept(line(1, 50, 30, forgiven=3))
    lot = bought_lot("top_up", Decimal(21), 90, START - timedelta(days=9), None)
    change = owing(*lines.values())
    change = replace(change, balance=replace(change.balance, grants=(lot,), as_of=NOW))

    # When others of them are reopened, then the lot pays for those alone
    change = reopen_overage(change, key(1), Decimal(8), lines)
    assert picture(change, lines) == {key(1): (42, 22, 3)}
    assert (change.lines[key(1)].regained, change.lines[key(1)].covered) == (8, 0)


@pytest.mark.parametrize(("quantity", "settled"), [(10, 10), (20, 20), (30, 20)])
def test_point_9_owed_units_are_settled_again_once_the_refund_has_failed(quantity: int, settled: int) -> None:
    lines = kept(line(1, 50, 30, forgiven=3))
    change, units = settle_again(owing(*lines.values()), key(1), Decimal(quantity), lines)
    assert units == settled
    assert picture(change, lines) == {key(1): (50, 30 + settled, 3)}
    assert moved(change, "overage_paid") == [(settled, str(key(1)))]


@pytest.mark.parametrize("lines", [{}, kept(line(1, 30, 30))], ids=["no such line", "nothing due"])
def test_point_9_what_is_not_owed_any_more_is_not_settled_again(lines: Lines) -> None:
    change, units = settle_again(owing(), key(1), Decimal(10), lines)
    assert (units, dict(change.lines), change.movements) == (ZERO, {}, ())


@pytest.mark.parametrize(("used", "quantity", "settled"), [(130, 12, 12), (130, 30, 30), (130, 50, 30), (100, 50, 0)])
def test_point_9_units_of_the_open_period_are_settled_again_as_far_as_they_are_overage(
    used: int, quantity: int, settled: int
) -> None:
    change, units = settle_again(owing(used=used), OPEN, Decimal(quantity), {})
    assert (units, change.balance.overage) == (settled, used - 100 - settled)
    assert picture(change, {}) == ({OPEN: (settled, settled, 0)} if settled else {})


def test_due_units_of_the_open_line_are_resumed_and_those_of_others_are_not() -> None:
    lines = kept(line(1, 7), OverageLine(OPEN, END, Decimal(20), Decimal(5), Decimal(3), PRICES))
    change = resume_overage(owing(*lines.values(), used=110), lines)
    assert picture(change, lines) == {key(1): (7, 0, 0), OPEN: (5, 5, 3)}
    assert change.balance.overage == 25
    settled = kept(OverageLine(OPEN, END, Decimal(5), Decimal(5)))
    assert resume_overage(owing(), settled).is_empty


# Reopened units and bought ones


def again(months: int, closed: int, settled: int, reopened: int) -> OverageLine:
    """A line of an earlier period in which bought units have paid for those reopened units that it does not owe."""
    regained = max(0, reopened - (closed - settled))
    return replace(line(months, closed, settled), reopened=Decimal(reopened), regained=Decimal(regained))


def reopening(*lines: OverageLine, left: int = 0, debt: int = 0, used: int = 0) -> Change:
    """A change of a balance with reopened units, and a lot bought before all lines ended, of which so much is left."""
    change = owing(*lines, used=used)
    total = sum((each.reopened for each in lines), ZERO)
    lot = replace(bought_lot("top_up", Decimal(100), 90, START - 99 * MONTH, None), remaining=Decimal(left))
    grants = (*change.balance.grants, lot)
    balance = replace(change.balance, reopened=total, refund_debt=Decimal(debt), grants=grants, as_of=NOW)
    return Change.begin(balance)


def reopened_in(change: Change, lines: Lines) -> dict[LineKey, int]:
    after = change.lines_over(lines)
    assert change.balance.reopened == sum((each.reopened for each in after.values()), ZERO)
    return {of: int(each.reopened) for of, each in after.items()}


@pytest.mark.parametrize(
    ("quantity", "due", "debt"),
    [(5, {2: 0, 1: 5}, 0), (12, {2: 2, 1: 10}, 0), (20, {2: 10, 1: 10}, 0), (23, {2: 10, 1: 10}, 3)],
)
def test_promise_4_units_of_a_refunded_pack_that_paid_reopened_ones_are_owed_and_no_debt(
    quantity: int, due: dict[int, int], debt: int
) -> None:
    lines = kept(again(2, 0, 0, 10), again(1, 0, 0, 10))
    change = claw_back(reopening(*lines.values()), "a", Decimal(quantity), lines)
    assert {of: closed for of, (closed, _, _) in picture(change, lines).items()} == {
        key(of): each for of, each in due.items()
    }
    assert reopened_in(change, lines) == {key(2): 10, key(1): 10}
    assert change.balance.refund_debt == debt
    assert sum(number for number, _ in moved(change, "clawed_back")) == quantity - debt


def test_promise_4_units_of_a_refunded_pack_that_paid_for_the_open_period_are_open_overage() -> None:
    regained = OverageLine(OPEN, END, prices=PRICES, reopened=Decimal(10), regained=Decimal(10))
    lines = kept(regained)
    change = claw_back(reopening(*lines.values(), used=100), "a", Decimal(8), lines)
    assert (change.balance.overage, change.balance.overage_due, change.balance.refund_debt) == (8, 0, 0)
    # What the plan has left pays for it, and then it is reopened no more
    change = claw_back(reopening(*lines.values(), used=97), "a", Decimal(8), lines)
    assert (change.balance.overage, change.balance.refund_debt, reopened_in(change, lines)) == (5, 0, {OPEN: 7})


def test_promise_4_what_is_bought_pays_a_refund_before_reopened_units_and_those_after_others() -> None:
    lines = kept(again(2, 10, 0, 10), again(1, 15, 0, 5))
    lot = bought_lot("top_up", Decimal(18), 90, START - 99 * MONTH, None)
    change = add_grant(reopening(*lines.values(), debt=6), lot, NOW, lines)
    # 10 that are owed otherwise, 6 of the debt, and 2 of the older line
    assert {of: closed for of, (closed, _, _) in picture(change, lines).items()} == {key(2): 8, key(1): 5}
    assert change.balance.refund_debt == 0


def test_promise_4_bought_units_pay_for_the_older_of_two_reopened_lines() -> None:
    lines = kept(line(2, 10, 10), again(1, 0, 0, 10))
    change = reopen_overage(reopening(*lines.values()), key(2), Decimal(6), lines)
    assert picture(change, lines) == {key(2): (4, 4, 0), key(1): (6, 0, 0)}


@pytest.mark.parametrize(("quantity", "settled", "back"), [(3, 3, 0), (4, 4, 0), (9, 9, 5), (10, 10, 6), (11, 10, 6)])
def test_point_9_a_refund_that_failed_settles_what_is_owed_and_brings_bought_units_back(
    quantity: int, settled: int, back: int
) -> None:
    lines = kept(again(1, 4, 0, 10))
    change, units = settle_again(reopening(*lines.values()), key(1), Decimal(quantity), lines)
    assert units == settled
    owed = max(0, 4 - settled)
    assert picture(change, lines) == {key(1): (owed + settled, settled, 0)}
    assert reopened_in(change, lines) == {key(1): 10 - settled}
    assert [int(each.remaining) for each in change.balance.grants if each.is_bought] == [back]


def test_point_9_bought_units_that_have_no_lot_any_more_do_not_come_back() -> None:
    lines = kept(again(1, 0, 0, 10))
    change = reopening(*lines.values())
    gone = replace(change, balance=replace(change.balance, grants=()))
    assert settle_again(gone, key(1), Decimal(10), lines)[1] == ZERO


@pytest.mark.parametrize(("quantity", "reopened"), [(10, 10), (15, 10), (18, 7), (25, 0)])
def test_another_payment_and_grace_settle_reopened_units_last(quantity: int, reopened: int) -> None:
    lines = kept(again(1, 25, 0, 10))
    paid, _ = pay_overage(reopening(*lines.values()), [sold(key(1), 0, quantity)], lines)
    forgiven, _ = forgive_overage(reopening(*lines.values()), Decimal(quantity), lines)
    given, _ = gift_of(quantity, lines)
    for change in (paid, forgiven, given):
        assert reopened_in(change, lines) == {key(1): reopened}


def gift_of(quantity: int, lines: Lines) -> tuple[Change, Grant]:
    gift = Grant("gift", "promotion", Decimal(quantity), Decimal(quantity), 30, START - 99 * MONTH)
    return add_grant(reopening(*lines.values()), gift, NOW, lines), gift


def test_a_gift_pays_for_reopened_units_of_the_open_period_for_good() -> None:
    lines = kept(replace(OverageLine(OPEN, END, Decimal(0), Decimal(0), prices=PRICES), reopened=Decimal(10)))
    gift = Grant("gift", "promotion", Decimal(18), Decimal(18), 30, START)
    change = add_grant(reopening(*lines.values(), used=120), gift, NOW, lines)
    assert (change.balance.overage, reopened_in(change, lines)) == (2, {OPEN: 2})
    forgiven, _ = forgive_overage(reopening(*lines.values(), used=120), Decimal(18), lines)
    assert (forgiven.balance.overage, reopened_in(forgiven, lines)) == (2, {OPEN: 2})


def test_point_11_a_refund_makes_as_many_lines_owed_again_as_a_change_has_room_for() -> None:
    lines = kept(*(again(months, 0, 0, 1) for months in range(1, MAX_CHANGED_LINES + 6)))
    change = claw_back(reopening(*lines.values()), "a", Decimal(MAX_CHANGED_LINES + 5), lines)
    assert (len(change.lines), change.balance.overage_due, change.balance.refund_debt) == (
        MAX_CHANGED_LINES,
        MAX_CHANGED_LINES,
        5,
    )
    # What was left as a debt is owed again with the next change
    lines = change.lines_over(lines)
    change = add_grant(Change.begin(change.after), bought_lot("top_up", Decimal(1), 90, NOW, None), NOW, lines)
    assert (change.balance.overage_due, change.balance.refund_debt) == (MAX_CHANGED_LINES + 4, 0)


def test_reopened_units_that_are_owed_go_with_a_merged_line() -> None:
    lines = [again(3, 10, 4, 8), again(2, 5, 0, 2)]
    change = merge_lines(reopening(*lines), lines)
    merged = LineKey(key(3).period_start, "pro", change.before.segment + 1)
    assert reopened_in(change, kept(*lines)) == {key(3): 2, key(2): 0, merged: 8}


# Forgiving


@pytest.mark.parametrize(
    ("quantity", "forgiven", "after"),
    [
        (5, 5, {2: (5, 0, 5), 1: (20, 0, 0)}),
        (10, 10, {2: (0, 0, 10), 1: (20, 0, 0)}),
        (25, 25, {2: (0, 0, 10), 1: (5, 0, 15)}),
        (30, 30, {2: (0, 0, 10), 1: (0, 0, 20)}),
        (99, 40, {2: (0, 0, 10), 1: (0, 0, 20), 0: (0, 0, 10)}),
    ],
)
def test_promise_8_owed_units_are_let_go_the_oldest_first_and_the_open_ones_last(
    quantity: int, forgiven: int, after: dict[int, tuple[int, int, int]]
) -> None:
    lines = kept(line(1, 20), line(2, 10))
    change, units = forgive_overage(owing(*lines.values(), used=110), Decimal(quantity), lines)
    assert units == forgiven
    assert picture(change, lines) == {key(months) if months else OPEN: each for months, each in after.items()}
    assert {OPEN if months == 0 else key(months) for months, each in after.items() if each[2]} == set(change.lines)
    assert sum(number for number, _ in moved(change, "overage_forgiven")) == forgiven
    assert change.balance.overage == (0 if 0 in after else 10)


def test_forgiven_units_name_their_line() -> None:
    lines = kept(line(1, 20, 4, forgiven=3))
    change, units = forgive_overage(owing(*lines.values()), Decimal(99), lines)
    assert (units, moved(change, "overage_forgiven")) == (16, [(16, str(key(1)))])
    assert picture(change, lines) == {key(1): (4, 4, 19)}


@pytest.mark.parametrize(
    ("count", "forgiven"), [(MAX_CHANGED_LINES, MAX_CHANGED_LINES + 10), (MAX_CHANGED_LINES + 1, MAX_CHANGED_LINES)]
)
def test_point_11_one_change_forgives_as_many_lines_as_it_has_room_for_and_the_rest_is_for_another(
    count: int, forgiven: int
) -> None:
    lines = kept(*(line(months, 1) for months in range(1, count + 1)))
    change, units = forgive_overage(owing(*lines.values(), used=110), Decimal(999), lines)
    assert (units, len(change.lines)) == (forgiven, min(count, MAX_CHANGED_LINES) + (forgiven > count))


def test_point_11_lines_that_are_paid_take_no_room_of_those_that_are_due() -> None:
    paid = [line(months, 5, 5) for months in range(2, MAX_CHANGED_LINES + 3)]
    lines = kept(*paid, line(1, 7))
    change, units = forgive_overage(owing(*lines.values(), used=110), Decimal(99), lines)
    assert (units, set(change.lines)) == (17, {key(1), OPEN})


# A grant pays for what is due


def test_units_of_a_failed_refund_pay_for_what_is_due() -> None:
    lines = kept(line(1, 7))
    change = give_back(owing(*lines.values()), pack("a", 10, 10, started=START - DAY), NOW, lines)
    assert picture(change, lines) == {key(1): (0, 0, 0)}


def test_a_grant_pays_for_due_units_of_periods_that_ended_after_it_started_the_oldest_first() -> None:
    lines = kept(line(3, 5), line(2, 10), line(1, 20))
    started = key(2).period_start + MONTH - timedelta.resolution
    pack = bought_lot("top_up", Decimal(18), 90, started, None)
    change = add_grant(owing(*lines.values()), pack, NOW, lines)
    assert picture(change, lines) == {key(3): (5, 0, 0), key(2): (0, 0, 0), key(1): (12, 0, 0)}
    assert set(change.lines) == {key(2), key(1)}
    assert moved(change, "overage_covered") == [(10, pack.id), (8, pack.id)]
    assert [int(each.remaining) for each in change.balance.grants if each.id == pack.id] == [0]


def test_point_11_a_grant_pays_for_as_many_lines_as_a_change_has_room_for_and_keeps_the_rest() -> None:
    lines = kept(*(line(months, 1) for months in range(1, MAX_CHANGED_LINES + 6)))
    pack = bought_lot("top_up", Decimal(200), 90, START - 99 * MONTH, None)
    change = add_grant(owing(*lines.values()), pack, NOW, lines)
    assert len(change.lines) == MAX_CHANGED_LINES
    assert change.balance.overage_due == 5
    assert change.balance.available == 100 + 200 - MAX_CHANGED_LINES
    # Lines that the change has touched already take no further room
    assert add_grant(change, replace(pack, id="lot:other"), NOW, lines).balance.overage_due == 5


def test_a_grant_that_comes_later_pays_for_open_overage_at_once() -> None:
    change = add_grant(owing(used=130), bought_lot("top_up", Decimal(50), 90, START, None), NOW)
    assert (change.balance.overage, change.balance.available, change.balance.as_of) == (ZERO, Decimal(20), NOW)


def test_a_grant_never_takes_a_balance_back_in_time() -> None:
    ahead = owing()
    ahead = replace(ahead, balance=replace(ahead.balance, as_of=END))
    assert add_grant(ahead, bought_lot("top_up", Decimal(1), 90, START, None), NOW).balance.as_of == END


# Refunds of what was bought


def pack(name: str, quantity: int, remaining: int, *, started: datetime = START, priority: int = 90) -> Grant:
    return Grant(name, "top_up", Decimal(quantity), Decimal(remaining), priority, started)


def holding(*packs: Grant, debt: int = 0) -> Change:
    change = owing(used=100)
    return replace(change, balance=replace(change.balance, grants=packs, refund_debt=Decimal(debt), used=ZERO))


@pytest.mark.parametrize(
    ("packs", "quantity", "left", "debt"),
    [
        ([pack("a", 30, 30)], 10, {"a": 20}, 0),
        ([pack("a", 30, 10)], 10, {"a": 0}, 0),
        ([pack("a", 30, 10)], 12, {"a": 0}, 2),
        ([pack("a", 30, 10), pack("b", 30, 30)], 15, {"a": 0, "b": 25}, 0),
        ([pack("a", 30, 0), pack("b", 5, 5)], 30, {"a": 0, "b": 0}, 25),
        ([pack("b", 30, 30)], 10, {"b": 20}, 0),
        ([], 10, {}, 10),
    ],
)
def test_refunded_units_are_taken_of_their_lot_then_of_what_else_was_bought_and_the_rest_is_a_debt(
    packs: list[Grant], quantity: int, left: dict[str, int], debt: int
) -> None:
    change = claw_back(holding(*packs), "a", Decimal(quantity))
    assert {each.id: int(each.remaining) for each in change.balance.grants} == left
    assert change.balance.refund_debt == debt
    taken = [(int(each.remaining) - left[each.id], each.id) for each in packs if int(each.remaining) > left[each.id]]
    assert moved(change, "clawed_back") == taken
    assert sum(number for number, _ in taken) == quantity - debt
    assert moved(change, "refund_owed") == ([(debt, "a")] if debt else [])
    own = next((each for each in change.balance.grants if each.id == "a"), None)
    assert own is None or own.quantity == max(0, 30 - quantity)


def test_a_refund_takes_nothing_of_what_was_given() -> None:
    gift = Grant("gift", "promotion", Decimal(50), Decimal(50), 30, START)
    change = claw_back(holding(gift), "a", Decimal(10))
    assert (change.balance.refund_debt, change.balance.available) == (10, 50)


@pytest.mark.parametrize(("debt", "still_owed", "left"), [(0, 0, 20), (5, 0, 15), (20, 0, 0), (30, 10, 0)])
def test_what_is_bought_next_pays_the_debt_of_a_refund(debt: int, still_owed: int, left: int) -> None:
    change = add_grant(holding(debt=debt), pack("new", 20, 20), NOW)
    assert (change.balance.refund_debt, change.balance.available) == (still_owed, left)
    assert sum(number for number, _ in moved(change, "refund_cleared")) == debt - still_owed


@pytest.mark.parametrize(
    ("later_started", "left"),
    [
        (START - timedelta(days=1), {"a": 10, "b": 0}),
        (START, {"a": 0, "b": 10}),
        (START + timedelta(days=1), {"a": 0, "b": 10}),
    ],
)
def test_bought_units_are_used_in_their_turn_in_whatever_order_they_become_known(
    later_started: datetime, left: dict[str, int]
) -> None:
    # Of two lots the second was used, before the first one was known
    used = holding(pack("b", 30, 0, started=later_started, priority=91))
    change = add_grant(used, pack("a", 10, 10), NOW)
    known = {each.id: int(each.remaining) for each in change.balance.grants}
    assert {name: known.get(name, 0) for name in left} == left


# Merging


def test_point_11_many_small_lines_of_a_plan_become_one_with_as_much_due_at_the_same_price() -> None:
    lines = [line(3, 10, 4, forgiven=3), line(2, 5), line(1, 7)]
    dear = replace(lines[2], prices={"USD": PerUnit(Decimal("0.05")), "EUR": PerUnit(Decimal(1))})
    change = merge_lines(owing(*lines), [*lines[:2], dear])
    merged = LineKey(key(3).period_start, "pro", change.before.segment + 1)
    assert picture(change, kept(*lines)) == {
        key(3): (4, 4, 3),
        key(2): (0, 0, 0),
        key(1): (0, 0, 0),
        merged: (18, 0, 0),
    }
    one = change.lines[merged]
    assert (one.ends_at, sorted(one.prices or {})) == (START, ["USD"])
    assert price_due(one, (one.prices or {})["USD"]).price == Decimal("0.46")


def test_promise_10_exact_prices_are_added_up_exactly() -> None:
    huge, tiny = Decimal(999999999999999999999999), Decimal("0.000000000000000001")
    assert exact_sum(huge, tiny, -huge) == tiny


def test_point_17_units_cost_what_they_add_to_those_that_are_settled() -> None:
    tiers = Graduated((Tier(Decimal(10), Decimal(1)), Tier(None, Decimal(3))))
    assert price_due(line(1, 12, 8), tiers).price == 2 * 1 + 2 * 3


def test_lines_without_a_price_in_common_are_merged_without_one() -> None:
    merged = merged_line([replace(line(2, 5), prices=None), line(1, 7)], 9)
    assert (merged.key, merged.closed, merged.prices) == (LineKey(key(2).period_start, "pro", 9), 12, {})


# A line and its name


def test_lines_are_sorted_by_period_then_plan_then_what_was_merged() -> None:
    assert LineKey(START, None).order < LineKey(START, "0").order
    keys = [LineKey(START, None), LineKey(START, "a"), LineKey(START, "a", 3), LineKey(START, "b"), LineKey(END, None)]
    assert sorted(keys, key=lambda each: each.order) == keys
    assert [str(each) for each in keys[:3]] == [
        "2026-03-10T00:00:00.000Z#",
        "2026-03-10T00:00:00.000Z#a",
        "2026-03-10T00:00:00.000Z#a#3",
    ]


def test_a_line_grows_by_differences_and_keeps_its_first_prices() -> None:
    grown = line(1, 10, 2).plus(
        OverageLine(key(1), END, Decimal(5), Decimal(3), Decimal(1), {"USD": PerUnit(Decimal(9))})
    )
    assert grown == OverageLine(key(1), END, Decimal(15), Decimal(5), Decimal(1), PRICES)
    assert (grown.due, replace(line(1, 1), prices=None).plus(line(1, 1)).prices) == (10, PRICES)


def test_a_part_of_a_sale_is_the_units_above_its_start() -> None:
    assert sold(key(1), 4, 10).quantity == 6


def test_point_17_a_sale_carries_what_rounding_left_out_and_is_never_below_nothing() -> None:
    priced = [price_due(line(2, 3), PerUnit(Decimal("0.004"))), price_due(line(1, 3), PerUnit(Decimal("0.004")))]
    parts = sale_of(priced, Decimal("0.002"), "USD")
    assert [each.amount.display for each in parts] == ["0.01", "0.02"]
    assert [(each.key, each.start, each.end, each.price) for each in parts] == [
        (key(2), 0, 3, Decimal("0.012")),
        (key(1), 0, 3, Decimal("0.012")),
    ]
    owed = sale_of(priced, Decimal("-0.013"), "USD")
    assert [each.amount.display for each in owed] == ["0.00", "0.01"]


# What becomes due, and when its price is fixed


def test_promise_7_a_line_has_the_prices_of_the_moment_in_which_its_units_became_due() -> None:
    due = make_due(owing(used=130).burn(), Decimal(12), NOW)
    assert (due.balance.overage, due.balance.overage_due) == (18, 12)
    assert due.lines[OPEN] == OverageLine(OPEN, NOW, Decimal(12), prices=PRICES)
    assert make_due(owing(used=130), ZERO, NOW) == owing(used=130)
    unpriced = replace(
        owing(used=130).burn(), balance=replace(owing(used=130).burn().balance, policy=replace(PLAN, prices={}))
    )
    assert make_due(unpriced, Decimal(12), NOW).lines[OPEN].prices is None


def test_lines_that_became_due_without_a_price_get_that_of_their_plan() -> None:
    other = {"EUR": PerUnit(Decimal(2))}
    change = (
        owing().line_moved(replace(line(1, 5), prices=None)).line_moved(line(2, 5)).line_moved(line(3, 5, plan="free"))
    )
    change = change.line_moved(replace(line(4, 5, plan="free"), prices=None))
    priced = change.at_prices(lambda plan: other if plan == "pro" else {})
    assert [priced.lines[of].prices for of in (key(1), key(2), key(3, "free"), key(4, "free"))] == [
        other,
        PRICES,
        PRICES,
        None,
    ]


def test_the_ledger_entry_says_what_moved_and_what_is_left() -> None:
    change = owing(used=130).burn()
    entry = change.entry(EventCause("usage"), "e1", NOW)
    assert (entry.segment, entry.at, entry.cause, entry.reference) == (change.before.segment + 1, NOW, "usage", "e1")
    assert (entry.movements, entry.available, entry.overage) == (change.movements, ZERO, 30)


@pytest.mark.parametrize("reason", ["abuse", None])
def test_access_is_cut_off_with_a_reason_and_opened_again(reason: str | None) -> None:
    blocked = set_blocked(owing(used=30), "chargeback")
    assert (blocked.balance.blocked, blocked.balance.available) == ("chargeback", 70)
    again = set_blocked(Change.begin(blocked.after), reason)
    assert (again.balance.blocked, again.is_empty) == (reason, False)
    assert set_blocked(again, reason) is again
