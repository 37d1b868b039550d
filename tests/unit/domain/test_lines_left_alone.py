"""A change leaves a line alone of which it moves no units, although an earlier version kept less of it than there is.

``OverageLine.unkept`` makes a line worth a write by itself. A change has room for few lines: one that pays for nothing of a
line must not bring it along.
"""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from pancake_meter.domain.balance.adjust import (
    add_grant,
    claw_back,
    forgive_overage,
    pay_overage,
    reopen_overage,
    settle_again,
)
from pancake_meter.domain.balance.balance import ZERO
from pancake_meter.domain.balance.credit import bought_lot
from pancake_meter.domain.balance.grant import Grant
from pancake_meter.domain.selling.overage import OverageLine
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
