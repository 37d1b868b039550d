"""Promise 4: refunds of overage and of packs end alike in every order.

What a refunded payment settled is owed again, and a pack may pay for it. If that pack is refunded too, its units are owed
again as the overage that they were, and are no debt: a debt is only what was used of a pack for anything else. At any time
``left - debt - owed = bought - refunded + settled - used beyond the plan``.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.domain.balance.adjust import add_grant
from pancake_meter.domain.balance.advance import advance, open_balance
from pancake_meter.domain.balance.balance import ZERO, Term
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.credit import bought_lot
from pancake_meter.domain.balance.grant import Grant
from pancake_meter.domain.balance.spend import record_usage
from pancake_meter.domain.selling.overage import MAX_CHANGED_LINES, LineKey, OverageLine
from pancake_meter.value import replace
from tests.support.paying_customer import DAY, MONTH, PLAN, START, Back, Customer, Overage, Pack, Told


@dataclass(frozen=True)
class Period:
    """What is used beyond the allowance of a period, and paid for in it."""

    beyond: int
    paid: tuple[Overage, ...]


def lived(periods: Iterable[Period], told: Sequence[Told], *, is_over: bool = False) -> Customer:
    """A customer who lived these periods, and was told of all else in the last one; ``is_over``: in the one after it."""
    customer = Customer()
    for number, period in enumerate(periods):
        customer.now = START + number * MONTH
        customer.write(advance(customer.balance, customer.now, PLAN))
        customer.use(period.beyond)
        for each in period.paid:
            customer.take(each)
    if is_over:
        customer.now += MONTH
        customer.write(advance(customer.balance, customer.now, PLAN))
        customer.use(0)
    else:
        customer.now += 20 * DAY
    for every in told:
        customer.take(every)
    return customer


def figures(customer: Customer) -> tuple[int, int, int]:
    balance = customer.balance
    owed = balance.overage_due + balance.current_overage
    return int(balance.available), int(owed), int(balance.refund_debt)


BACK_O, BACK_P, BACK_Q = Back("O"), Back("P"), Back("Q")
HAND_CASES: dict[str, tuple[int, list[Told], tuple[int, int, int]]] = {
    "the issue's own": (200_000, [Overage("O", 200_000), Pack("P", 200_000), BACK_O, BACK_P], (0, 200_000, 0)),
    "a pack that was used": (300, [Overage("O", 200), Pack("P", 100), BACK_O, BACK_P], (0, 200, 100)),
    "a smaller pack": (200, [Overage("O", 200), Pack("P", 100), BACK_O, BACK_P], (0, 200, 0)),
    "half of the payment": (200, [Overage("O", 200), Pack("P", 300), Back("O", 50), BACK_P], (0, 100, 0)),
    "another pack stands": (200, [Overage("O", 200), Pack("P", 200), Pack("Q", 200), BACK_O, BACK_P], (0, 0, 0)),
    "one pack used and one not": (
        300,
        [Overage("O", 200), Pack("P", 100), Pack("Q", 100), BACK_P, BACK_O],
        (0, 200, 0),
    ),
    "only the payment": (200, [Overage("O", 200), Pack("P", 300), BACK_O], (100, 0, 0)),
    "only the pack": (200, [Overage("O", 200), Pack("P", 300), BACK_P], (0, 0, 0)),
    "the payment's refund fails": (
        200,
        [Overage("O", 200), Pack("P", 200), BACK_O, BACK_P, Back("O", has_failed=True)],
        (0, 0, 0),
    ),
    "the pack's refund fails": (
        200,
        [Overage("O", 200), Pack("P", 200), BACK_O, BACK_P, Back("P", has_failed=True)],
        (0, 0, 0),
    ),
    "both fail": (
        200,
        [Overage("O", 200), Pack("P", 200), BACK_O, BACK_P, Back("O", has_failed=True), Back("P", has_failed=True)],
        (200, 0, 0),
    ),
    "in parts": (
        200,
        [Overage("O", 200), Pack("P", 200), Back("O", 25), Back("P", 50), Back("O", 75, 1), Back("P", 50, 1)],
        (0, 200, 0),
    ),
    "two lots, of which one is used in part, and the payment's refund fails": (
        200,
        [Overage("O", 200), Pack("P", 120), Pack("Q", 130, priority=80), BACK_O, Back("O", has_failed=True)],
        (250, 0, 0),
    ),
    "two payments of one line": (
        200,
        [Overage("O", 50), Overage("Q", 150), Pack("P", 100), BACK_O, BACK_P, BACK_Q],
        (0, 200, 0),
    ),
}


@pytest.mark.parametrize("is_over", [False, True], ids=["open", "closed"])
@pytest.mark.parametrize("name", HAND_CASES)
def test_promise_4_refunds_of_overage_and_packs_end_alike_in_every_order(name: str, *, is_over: bool) -> None:
    beyond, told, expected = HAND_CASES[name]
    paid = tuple(each for each in told if isinstance(each, Overage))
    others = [each for each in told if not isinstance(each, Overage)]
    pictures = []
    for order in permutations(others):
        customer = lived([Period(beyond, paid)], order, is_over=is_over)
        assert figures(customer) == expected, order
        pictures.append(customer.picture)
    assert all(each == pictures[0] for each in pictures)


def test_point_10_a_pack_of_a_later_month_pays_for_nothing_that_an_earlier_one_had_paid_for() -> None:
    # Given overage that is paid for, a pack of its month and one of the next
    paid = Overage("O", 100)
    told: list[Told] = [Pack("P", 60, day=25), Pack("Q", 150, day=31, priority=80), BACK_O, BACK_P]
    # When the overage's payment and the earlier pack are refunded, told in any order
    for order in permutations(told):
        customer = lived([Period(100, (paid,))], order, is_over=True)
        # Then the month owes its units again, and the later pack is whole
        assert figures(customer) == (150, 100, 0), order


BACK = tuple(Back(f"O{number}") for number in range(4))
EARLY, LATE = Pack("P", 10), Pack("Q", 400, day=70)
OF_FOUR_PERIODS: list[list[Told]] = [
    [EARLY, LATE, *BACK],
    [LATE, EARLY, *BACK[::-1]],
    [*BACK, EARLY, LATE],
    [*BACK, LATE, EARLY],
    [LATE, *BACK, EARLY],
    [LATE, *BACK[::-1], EARLY],
    [*BACK[2:], LATE, *BACK[:2], EARLY],
    [*BACK[2:], EARLY, LATE, *BACK[:2]],
]


def test_promise_4_of_several_periods_the_oldest_is_paid_first_in_whatever_order_all_is_told() -> None:
    periods = [Period(units, (Overage(f"O{number}", units),)) for number, units in enumerate((150, 150, 200, 200))]
    for told in OF_FOUR_PERIODS:
        customer = lived(periods, told)
        assert figures(customer) == (0, 290, 0), told
        assert [int(customer.owed(line)) for line in customer.lines.values()] == [0, 0, 90, 200], told


FAILED = Back("O0", has_failed=True)
SEVERAL_PERIODS: dict[str, tuple[list[Period], list[Told], list[int], tuple[int, int, int]]] = {
    # What a pack had paid for pays for the next line, if the refund of the first fails
    "a payment's refund fails": (
        [Period(200, (Overage("O0", 200),)), Period(200, (Overage("O1", 200),)), Period(0, ())],
        [Pack("P", 200), BACK[0], BACK[1], FAILED],
        [0, 0],
        (0, 0, 0),
    ),
    "a pack is bought before the end of the first period": (
        [Period(200, (Overage("O0", 200),)), Period(200, (Overage("O1", 200),)), Period(0, ())],
        [Pack("P", 200, day=30), BACK[0], BACK[1]],
        [0, 200],
        (0, 200, 0),
    ),
    "a pack is bought at the end of the first period": (
        [Period(200, (Overage("O0", 200),)), Period(200, (Overage("O1", 200),)), Period(0, ())],
        [Pack("P", 200, day=31), BACK[0], BACK[1]],
        [200, 0],
        (0, 200, 0),
    ),
}


@pytest.mark.parametrize("name", SEVERAL_PERIODS)
def test_promise_4_refunds_that_reach_several_periods_end_alike_in_every_order(name: str) -> None:
    periods, told, owed, expected = SEVERAL_PERIODS[name]
    for order in permutations(told):
        customer = lived(periods, order)
        assert figures(customer) == expected, order
        assert [int(customer.owed(line)) for line in customer.lines.values()] == owed, order


def test_what_a_pack_paid_for_is_owed_again_beside_what_was_used_meanwhile() -> None:
    customer = lived([Period(200, (Overage("O0", 200),)), Period(0, ())], [Pack("P", 200), BACK[0]])
    customer.balance = record_usage(customer.balance, Decimal(50), customer.now)
    customer.used += 50
    customer.take(Back("P"))
    assert figures(customer) == (0, 250, 0)


def test_units_that_come_back_to_a_pack_pay_at_once_for_what_was_used_meanwhile() -> None:
    customer = lived([Period(200, (Overage("O0", 200),)), Period(0, ())], [Pack("P", 200), BACK[0]])
    customer.balance = record_usage(customer.balance, Decimal(50), customer.now)
    customer.used += 50
    assert figures(customer) == (0, 50, 0)
    customer.take(FAILED)
    assert figures(customer) == (150, 0, 0)


def test_a_gift_that_is_left_pays_for_nothing_of_the_open_period_when_an_earlier_payment_goes_back() -> None:
    # Given two payments, of which a pack has paid for the later one, and a gift that nobody needed
    periods = [Period(200, (Overage("O0", 200),)), Period(200, (Overage("O1", 200),))]
    customer = lived(periods, [Pack("P", 200, day=40), BACK[1]])
    gift = Grant("gift:g", "promotion", Decimal(50), Decimal(50), 30, customer.now)
    customer.write(add_grant(Change.begin(customer.balance), gift, customer.now, customer.due))
    assert figures(customer) == (50, 0, 0)
    # When the earlier payment goes back, and the pack too
    customer.take(BACK[0])
    assert figures(customer) == (50, 200, 0)
    customer.used -= 50
    customer.take(Back("P"))
    # Then the gift has paid for what it can of the open period
    assert figures(customer) == (0, 350, 0)


def test_a_gift_moves_no_line_that_it_pays_nothing_of() -> None:
    customer = lived([Period(200, (Overage("O0", 150),))], [])
    gift = Grant("gift:g", "promotion", Decimal(50), Decimal(50), 30, customer.now)
    change = add_grant(Change.begin(customer.balance), gift, customer.now, customer.lines)
    assert not change.lines
    assert change.balance.current_overage == 0


@pytest.mark.parametrize("more", [0, 1])
def test_a_change_moves_only_as_many_lines_as_it_has_room_for(more: int) -> None:
    # Given more lines than a change has room for: older ones that are owed, and newer ones that a pack has paid for
    many = MAX_CHANGED_LINES + 3
    keys = [LineKey(START + number * MONTH, "pro") for number in range(2 * many)]
    lines = {
        key: OverageLine(
            key,
            key.period_start + MONTH,
            closed=Decimal(number < many),
            reopened=Decimal(1),
            regained=Decimal(number >= many),
        )
        for number, key in enumerate(keys)
    }
    lot = bought_lot("top_up", Decimal(many), 90, START, None)
    balance = replace(
        open_balance("ada", "tokens", PLAN, Term(None, keys[-1].period_start + MONTH), START).after,
        grants=(replace(lot, remaining=ZERO),),
        overage_due=Decimal(many),
        reopened=Decimal(2 * many),
    )
    # When some more is bought
    bought = bought_lot("top_up", Decimal(1 + more), 90, START, None)
    change = add_grant(Change.begin(balance), bought, START, lines)
    # Then the oldest are paid, as many as there is room for, and nothing is lost
    after = change.lines_over(lines).values()
    assert MAX_CHANGED_LINES - 1 <= len(change.lines) <= MAX_CHANGED_LINES
    assert sum(line.due for line in after) == change.balance.overage_due == many - 1 - more
    assert [line.due for line in after][: 1 + more] == [0] * (1 + more)


@st.composite
def refunds(draw: st.DrawFn, name: str) -> list[Told]:
    """At most all of a payment goes back, at once or in two parts; each part may fail after all."""
    first = draw(st.sampled_from([0, 25, 50, 100]))
    parts = [first, draw(st.sampled_from([0, 100 - first]))]
    told: list[Told] = []
    for number, percent in enumerate(parts):
        if percent:
            told.append(Back(name, percent, number))
            if draw(st.integers(0, 3)) == 0:
                told.append(Back(name, percent, number, has_failed=True))
    return told


units = st.integers(1, 50).map(lambda tens: tens * 20)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Period], list[Told], bool]:
    """One or two periods of overage, paid once or twice, or in part; packs; and refunds of all of them."""
    periods, told = [], list[Told]()
    for number in range(draw(st.integers(1, 2))):
        paid = tuple(Overage(f"O{number}{each}", draw(units)) for each in range(draw(st.integers(1, 2))))
        beyond = sum(each.units for each in paid) + draw(st.just(0) | units)
        periods.append(Period(beyond, paid))
    for number in range(draw(st.integers(0, 3))):
        told.append(Pack(f"P{number}", draw(units), draw(st.integers(0, 3))))
    names = [each.name for period in periods for each in period.paid] + [each.name for each in told]
    for name in names:
        told += draw(refunds(name))
    return periods, told, draw(st.booleans())


@given(worlds(), st.randoms(use_true_random=False))
def test_promise_4_any_refunds_of_any_payments_end_alike_in_any_order(
    world: tuple[list[Period], list[Told], bool], dice: random.Random
) -> None:
    periods, told, is_over = world
    first = lived(periods, told, is_over=is_over)
    for _ in range(4):
        shuffled = dice.sample(told, len(told))
        assert lived(periods, shuffled, is_over=is_over).picture == first.picture, shuffled
