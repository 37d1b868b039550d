"""Time and terms on one balance, step by step."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pancake_meter.domain.balance.advance import advance, open_balance, start_term
from pancake_meter.domain.balance.balance import Balance, Policy, Term
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.hold import Hold
from pancake_meter.domain.balance.spend import place_hold, record_usage, settle_hold

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
