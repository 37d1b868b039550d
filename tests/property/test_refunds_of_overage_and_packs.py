"""Promise 4: refunds of overage and of packs end alike in every order.

What a refunded payment settled is owed again, and a pack may pay for it. If that pack is refunded too, its units are owed
again as the overage that they were, and are no debt: a debt is only what was used of a pack for anything else. At any time
``left - debt - owed = bought - refunded + settled - used beyond the plan``.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.domain.balance.advance import advance
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


shares = st.sampled_from([25, 50, 100])


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
