"""A change leaves a line alone of which it moves no units, although an earlier version kept less of it than there is.

``OverageLine.unkept`` makes a line worth a write by itself. A change has room for few lines: one that pays for nothing of a
line must not bring it along.
"""

from datetime import timedelta
from decimal import Decimal

import pytest

from pancake_meter.domain.balance.adjust import (
    add_grant,
    claw_back,
    forgive_overage,
    pay_overage,
    reopen_overage,
    resume_overage,
    settle_again,
)
from pancake_meter.domain.balance.balance import ZERO
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.credit import bought_lot
from pancake_meter.domain.balance.grant import Grant
from pancake_meter.domain.selling.overage import MAX_CHANGED_LINES, Lines, OverageLine
from pancake_meter.value import replace
from tests.unit.domain.test_overage_lines import END, NOW, OPEN, PRICES, START, kept, key, line, owing, sold

TEN = Decimal(10)


def unkept(of: OverageLine) -> OverageLine:
    """A line as an earlier version kept it: it does not say of its reopened units that bought ones paid for them."""
    return replace(of, reopened=TEN, regained=TEN, unkept=TEN)


def gift(units: int) -> Grant:
    return Grant("gift:g", "promotion", Decimal(units), Decimal(units), 50, START, END)


@pytest.mark.parametrize("grant", [bought_lot("top_up", Decimal(50), 90, NOW, None), gift(50)], ids=["bought", "given"])
@pytest.mark.parametrize(
    "of", [line(1, 0), OverageLine(OPEN, END, prices=PRICES)], ids=["of an earlier period", "of the open one"]
)
def test_units_that_pay_for_nothing_of_a_line(grant: Grant, of: OverageLine) -> None:
    lines = kept(unkept(of))
    assert add_grant(owing(*lines.values()), grant, NOW, lines).lines == {}


def test_gifts_are_not_what_bought_units_have_paid_for() -> None:
    """What bought units paid for comes back when its payment is told of late; what was given does not."""
    lines = kept(line(1, 30))
    early = replace(gift(50), starts_at=START - timedelta(days=5))
    change = add_grant(owing(*lines.values()), early, NOW, lines)
    (paid,) = change.lines.values()
    assert (paid.closed, paid.covered) == (Decimal(-30), ZERO)


def test_forgiveness_that_ends_before_a_line() -> None:
    lines = kept(line(2, 5), unkept(line(1, 5)))
    change, forgiven = forgive_overage(owing(*lines.values()), Decimal(5), lines)
    assert (forgiven, set(change.lines)) == (Decimal(5), {key(2)})


def test_a_refund_that_its_own_lot_can_pay() -> None:
    lines = kept(unkept(line(1, 0)))
    lot = bought_lot("top_up", Decimal(50), 90, NOW, None)
    change = add_grant(owing(*lines.values()), lot, NOW, lines)
    back = claw_back(change, lot.id, Decimal(20), lines)
    assert back.lines == {}
    assert back.balance.refund_debt == ZERO


def test_a_line_of_which_nothing_was_settled_is_not_reopened() -> None:
    lines = kept(unkept(line(1, 5)))
    before = owing(*lines.values())
    assert reopen_overage(before, key(1), TEN, lines).lines == {}
    assert reopen_overage(before, key(9), TEN, lines).lines == {}


def test_nothing_is_settled_again_of_a_line_that_owes_nothing() -> None:
    lines = kept(line(1, 5, 5))
    change, settled = settle_again(owing(*lines.values()), key(1), TEN, lines)
    assert (settled, change.lines) == (ZERO, {})


def test_a_payment_for_units_that_the_line_does_not_have() -> None:
    lines = kept(unkept(line(1, 0)))
    change, units = pay_overage(owing(*lines.values()), [sold(key(1), 20, 30)], lines)
    assert (units, change.lines) == ((), {})


def test_units_that_come_back_pay_for_nothing_of_a_line_that_owes_nothing() -> None:
    # Given units of an earlier line that a pack has paid for, and a later line that owes nothing
    lot = bought_lot("top_up", Decimal(50), 90, START - timedelta(days=40), None)
    paid_for = replace(line(2, 0), covered=Decimal(30))
    lines = kept(paid_for, unkept(line(1, 0)))
    before = owing(*lines.values())
    used = replace(lot, remaining=Decimal(20))
    before = replace(before, balance=replace(before.balance, grants=(*before.balance.grants, used)))
    # When the earlier line is paid after all
    change, units = pay_overage(before, [sold(key(2), 0, 30)], lines)
    # Then the pack has its units again, and the later line is left alone
    assert [each.quantity for each in units] == [Decimal(30)]
    assert set(change.lines) == {key(2)}
    assert next(each.remaining for each in change.balance.grants if each.id == lot.id) == Decimal(50)


def lot(remaining: int, *, quantity: int = 50, days_ago: int = 90) -> Grant:
    """A pack that was bought before the periods of the lines, of which some units are left."""
    bought = bought_lot("top_up", Decimal(quantity), 90, START - timedelta(days=days_ago), None)
    return replace(bought, remaining=Decimal(remaining))


def holding(change: Change, *grants: Grant) -> Change:
    return replace(change, balance=replace(change.balance, grants=(*change.balance.grants, *grants)))


def reopened(months_ago: int, reopened: int, regained: int) -> OverageLine:
    """A line of which so many units were refunded; the ones that a pack has not paid for are due."""
    due = reopened - regained
    return replace(line(months_ago, due), reopened=Decimal(reopened), regained=Decimal(regained))


def in_rank(change: Change, lines: Lines) -> Change:
    """The change after nothing was settled again of a line that is not there."""
    after, settled = settle_again(change, key(9), TEN, lines)
    assert settled == ZERO
    return after


def with_reopened(*lines: OverageLine) -> Change:
    change = holding(owing(*lines), lot(0))
    return replace(change, balance=replace(change.balance, reopened=sum((each.reopened for each in lines), ZERO)))


def test_an_open_line_of_which_nothing_is_due_is_not_taken_up_again() -> None:
    before = owing()
    assert resume_overage(before, kept(unkept(OverageLine(OPEN, END, prices=PRICES)))) == before


def test_units_of_a_line_do_not_pay_for_the_line_itself() -> None:
    lines = kept(reopened(2, 20, 10))
    after = in_rank(with_reopened(*lines.values()), lines)
    assert (after.lines, after.movements) == ({}, ())


def test_a_newer_line_of_which_nothing_was_paid_leaves_the_older_one_alone() -> None:
    older = replace(reopened(2, 20, 10), unkept=TEN)
    lines = kept(older, reopened(1, 10, 0))
    after = in_rank(with_reopened(*lines.values()), lines)
    assert (after.lines, after.movements) == ({}, ())


def test_units_that_paid_for_a_newer_line_pay_for_the_older_one() -> None:
    lines = kept(reopened(2, 10, 0), reopened(1, 30, 30))
    after = in_rank(with_reopened(*lines.values()), lines).lines_over(lines)
    assert [(int(each.regained), int(each.due)) for each in after.values()] == [(10, 0), (20, 10)]


def test_units_that_come_back_pay_for_a_line_that_ended_at_the_same_time() -> None:
    # Given two plans of one period: a pack has paid for what was used beyond the one
    paid_for, other = replace(line(2, 0), covered=Decimal(30)), line(2, 20, plan="starter")
    lines = kept(other, paid_for)
    # When that is paid after all
    change, _ = pay_overage(holding(owing(*lines.values()), lot(0)), [sold(key(2), 0, 30)], lines)
    # Then
    after = change.lines_over(lines)
    assert (after[other.key].due, after[other.key].covered) == (ZERO, Decimal(20))
    assert change.balance.grants[-1].remaining == TEN


def test_units_that_come_back_pay_for_refunded_ones_last() -> None:
    lines = kept(replace(line(2, 0), covered=Decimal(30)), reopened(1, 40, 10))
    before = holding(owing(*lines.values()), lot(0))
    before = replace(before, balance=replace(before.balance, reopened=Decimal(40)))
    change, _ = pay_overage(before, [sold(key(2), 0, 30)], lines)
    after = change.lines_over(lines)[key(1)]
    assert (after.covered, after.regained, after.due) == (ZERO, Decimal(40), ZERO)


def test_units_that_come_back_pay_for_no_more_lines_than_a_change_has_room_for() -> None:
    later = [line(1, 1, plan=f"p{number:02d}") for number in range(MAX_CHANGED_LINES + 5)]
    lines = kept(replace(line(2, 0), covered=Decimal(90)), *later)
    change, _ = pay_overage(holding(owing(*lines.values()), lot(0, quantity=90)), [sold(key(2), 0, 90)], lines)
    assert len(change.lines) == MAX_CHANGED_LINES
    assert change.balance.grants[-1].remaining == 90 - (MAX_CHANGED_LINES - 1)


def test_units_that_come_back_were_bought_and_go_where_bought_ones_have_a_place() -> None:
    # Given a pack that has place for 10 units, and a gift of which 30 are used
    lines = kept(replace(line(2, 0), covered=Decimal(30)))
    before = holding(owing(*lines.values()), replace(gift(50), remaining=Decimal(20)), lot(40))
    # When 30 units are paid that the pack had paid for
    change, units = pay_overage(before, [sold(key(2), 0, 30)], lines)
    # Then those come back that the pack has place for
    assert {grant.id: int(grant.remaining) for grant in change.balance.grants if grant.kind != "plan"} == {
        "gift:g": 20,
        lot(0).id: 50,
    }
    assert [each.quantity for each in units] == [TEN]
