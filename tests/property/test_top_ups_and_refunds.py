"""Issue 11, point 10: usage, top-ups and refunds in any order come to one balance and one debt.

The rule: ``left - debt = bought - refunded - used beyond the plan``, and there is no debt while there are bought units.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pure_subscription import CATALOG, MoneyBack, PureCustomer, TopUp
from tests.support.webhook_world import utc

BEGAN = utc("2026-03-01T00:00:00")
PERIOD_OVER = utc("2026-04-02T00:00:00")
DEFAULT = CATALOG.default_plan
assert DEFAULT is not None
FREE = int(DEFAULT.allowances["tokens"].quantity)


@dataclass(frozen=True)
class Use:
    """Usage beyond the plan's allowance."""

    units: int


Event = Use | TopUp | MoneyBack


def bought(number: int, units: int, day: int) -> TopUp:
    return TopUp(BEGAN + timedelta(days=day), f"PAY_{number}", units)


def back(number: int, share: str, hour: int = 1, *, failed: bool = False) -> MoneyBack:
    return MoneyBack(BEGAN + timedelta(days=20, hours=hour), f"PAY_{number}", f"REF_{number}", share, failed)


def told(events: Sequence[Event], *, used_up: int = FREE, late: bool = False) -> PureCustomer:
    """A customer who used the allowance and then lived this; ``late``: all but usage is told after the period."""
    customer = PureCustomer(BEGAN)
    customer.open("tokens")
    customer.pass_to(BEGAN + timedelta(days=21))
    customer.use(used_up)
    if late:
        for use in (each for each in events if isinstance(each, Use)):
            customer.use(use.units)
        customer.pass_to(PERIOD_OVER)
    for step in events:
        if not isinstance(step, Use):
            customer.take(step)
        elif not late:
            customer.use(step.units)
    customer.pass_to(customer.now + timedelta(minutes=1))
    return customer


def picture(customer: PureCustomer) -> dict[str, Any]:
    seen: dict[str, Any] = customer.picture()["balances"]["tokens"]
    return seen


def in_sum(customer: PureCustomer) -> dict[str, Any]:
    """The picture without which lot is left: a lot that was used up is dropped, and cannot be exchanged any more."""
    seen = picture(customer)
    return {**seen, "grants": sum(left for _, _, left in seen["grants"])}


def in_every_order(events: Sequence[Event], *, late: bool = False) -> Iterator[PureCustomer]:
    for order in permutations(events):
        yield told(order, late=late)


ISSUE: list[Event] = [Use(250), bought(1, 300, 1), bought(2, 300, 2), back(1, "0.5")]


def test_point_10_overage_two_top_ups_and_half_of_the_first_refunded_is_one_balance_in_any_order() -> None:
    for customer in in_every_order(ISSUE):
        balance = customer.balances["tokens"]
        assert [int(each) for each in (balance.available, balance.current_overage, balance.refund_debt)] == [200, 0, 0]
        assert [left for _, _, left in picture(customer)["grants"]] == [200]


HISTORIES: dict[str, list[Event]] = {
    "both refunded in part": [Use(250), bought(1, 300, 1), bought(2, 300, 2), back(1, "0.5"), back(2, "0.25")],
    "more refunded than is left": [Use(250), bought(1, 300, 1), bought(2, 100, 2), back(1, "1"), back(2, "0.5")],
    "all of three refunded": [Use(40), *(bought(n, 30, n) for n in (1, 2, 3)), back(1, "1"), back(2, "1")],
    "a refund that failed after all": [
        Use(250), bought(1, 300, 1), bought(2, 300, 2), back(1, "1", 1), back(1, "1", 2, failed=True),
    ],
    "a refund that failed and then succeeded": [
        Use(250), bought(1, 300, 1), bought(2, 100, 2), back(1, "1", 2), back(1, "1", 1, failed=True),
    ],
    "no usage": [bought(1, 300, 1), bought(2, 300, 2), back(1, "0.5"), back(2, "1")],
}  # fmt: skip


@pytest.mark.exhaustive
@pytest.mark.parametrize("late", [False, True], ids=["open overage", "due overage"])
@pytest.mark.parametrize("name", HISTORIES)
def test_point_10_every_order_of_webhooks_comes_to_one_balance_and_one_debt(name: str, *, late: bool) -> None:
    first, *webhooks = HISTORIES[name]
    use = [first] if isinstance(first, Use) else []
    webhooks = webhooks if use else HISTORIES[name]
    pictures = [picture(told([*use, *order], late=late)) for order in permutations(webhooks)]
    assert all(each == pictures[0] for each in pictures)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", HISTORIES)
def test_point_10_usage_anywhere_comes_to_the_same_units(name: str) -> None:
    # Usage before a refund is told of is a debt and usage after it is overage: their sum does not depend on it.
    balances = [customer.balances["tokens"] for customer in in_every_order(HISTORIES[name])]
    assert len({(balance.available, balance.current_overage + balance.refund_debt) for balance in balances}) == 1


amounts = st.integers(1, 400)


@st.composite
def webhooks(draw: st.DrawFn) -> list[Event]:
    """Two or three top-ups, each perhaps refunded in part or whole, some of the refunds failed after all."""
    events: list[Event] = []
    for number in range(draw(st.integers(2, 3))):
        events.append(bought(number, draw(amounts), number))
        if draw(st.booleans()):
            events.append(back(number, draw(st.sampled_from(["0.25", "0.5", "1"])), draw(st.integers(1, 3))))
            if draw(st.booleans()):
                events.append(back(number, "1", draw(st.integers(1, 3)), failed=True))
    return events


@given(webhooks(), st.integers(0, 600), st.booleans(), st.randoms(use_true_random=False))
def test_point_10_left_less_debt_is_bought_less_refunded_less_used(
    events: list[Event], used: int, late: bool, dice: Any
) -> None:
    customers = []
    for _ in range(4):
        dice.shuffle(events)
        customers.append(told([Use(used), *events], late=late))
    assert all(in_sum(customer) == in_sum(customers[0]) for customer in customers)
    customer = customers[0]
    balance, payments = customer.balances["tokens"], customer.payments.values()
    units = sum((credit.quantity - credit.taken_back for each in payments for credit in each.credits), Decimal(0))
    lots = sum((grant.remaining for grant in balance.grants if grant.is_bought), Decimal(0))
    owed = balance.overage_due + (balance.current_overage if not late else Decimal(0))
    assert lots - balance.refund_debt - owed == units - used
    assert min(lots, balance.refund_debt) == 0
    assert min(lots, owed) == 0
