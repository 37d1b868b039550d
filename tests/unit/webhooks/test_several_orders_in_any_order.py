"""Promises 4 and 12: random customers of up to three orders with their money end alike, whatever the order of the events.

The random histories beside this file walk through one order's life. Here orders meet: plans, add-ons and trials beside each
other, changes of plan with a new order or the same one, charges that are refunded, and refunds that fail after all.
"""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import pytest

from pancake_meter.domain.standing.lifecycle import Bound, LifecycleEvent, LifecycleKind, StatedPeriod
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.domain.standing.paid_period import Charged
from pancake_meter.value import replace
from tests.support.catalogs import WITH_ADD_ONS
from tests.support.pure_subscription import PureCustomer, Step
from tests.support.webhook_world import utc

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
MONTH, TRIAL = 31 * DAY, 14 * DAY
BEGAN: Final = utc("2026-03-10T15:14:33")
PRICES = {key: Decimal(price) for key, price in {"starter": "9.90", "pro": "27.90", "scale": "199.00"}.items()}
PRICES |= {"agent": Decimal("99.00"), "boost": Decimal("5.00"), "turbo": Decimal("25.00"), "tried": Decimal("9.90")}
PLANS = {**WITH_ADD_ONS.plans}
PLANS["tried"] = replace(PLANS["starter"], key="tried", trial=Decimal("0.25"))
UPGRADE = Decimal("18.00")
LIVES, SHUFFLES = 30, 4


class Life:
    """One random customer: ``steps`` are all events, in the order in which they happened to each order."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - chance for tests
        self.steps: list[Step] = []
        for number in range(self.random.randint(1, 3)):
            self.steps += self._order(f"ORD_{number}", BEGAN + self.random.randint(0, 12) * DAY + 3 * number * DAY)

    def _order(self, order_id: str, at: datetime) -> Iterator[Step]:
        plan, fine = self.random.choice(sorted(PRICES)), self.random.random() < 0.3
        is_change = bool(self.steps) and self.random.random() < 0.4
        is_trial = not is_change and plan == "tried" and self.random.random() < 0.7
        end = at + (TRIAL if is_trial else MONTH)

        def event(kind: LifecycleKind, on: datetime, start: datetime, until: datetime, number: int = 1) -> Step:
            period = StatedPeriod(_bound(start, fine=fine), _bound(until, fine=fine), number)
            trial = is_trial and kind == "activated"
            told = LifecycleEvent(kind, order_id, on, period, PLANS[plan], trial, "monthly", PRICES[plan])
            return Step(on, OrderFacts.of(told))

        yield event("plan_changed" if is_change else "activated", at, at, end)
        if is_change and self.random.random() < 0.6:
            old = self.steps[0].facts.order_id
            yield Step(at, OrderFacts.of(LifecycleEvent("canceled", old, at - MINUTE / 60)))
        if not is_trial:
            yield from self._charge(order_id, f"PAY_{order_id}_1", UPGRADE if is_change else PRICES[plan], at, plan, 1)
        if self.random.random() < 0.3:
            changed_at, plan = (
                at + self.random.randint(1, 8) * DAY,
                self.random.choice(["starter", "pro", "scale", "agent"]),
            )
            yield event("plan_changed", changed_at, at, end, 2)
            yield from self._charge(order_id, f"PAY_{order_id}_2", UPGRADE, changed_at, plan, 2)
        if self.random.random() < 0.4:
            yield event("renewed", end + self.random.randint(0, 30) * MINUTE, end, end + MONTH, 3)
        elif is_trial and self.random.random() < 0.5:
            yield from self._charge(order_id, f"PAY_{order_id}_3", PRICES[plan], end + 60 * MINUTE, plan, 1)
        last = self.random.random()
        if last < 0.15:
            yield Step(at + 9 * DAY, OrderFacts.of(LifecycleEvent("canceled", order_id, at + 9 * DAY)))
        elif last < 0.3:
            yield event("canceling", at + 9 * DAY, at, end, 0)
        elif last < 0.4:
            yield event("past_due", end + 40 * MINUTE, end, end + 7 * DAY, 3)

    def _charge(
        self, order_id: str, payment_id: str, amount: Decimal, at: datetime, plan: str, number: int
    ) -> Iterator[Step]:
        backs = [Decimal(0), *self.random.sample([Decimal(0), amount / 2, amount], self.random.randint(0, 2))]
        named = plan if self.random.random() < 0.5 else None
        for revision, back in enumerate(backs, start=1):
            money = Charged(amount, back, at, number, named, PRICES[plan], at + DAY if back else None, revision)
            yield Step(at, OrderFacts.of_charge(order_id, payment_id, money))


def _bound(at: datetime, *, fine: bool) -> Bound:
    return Bound(at) if fine else Bound(at.replace(hour=0, minute=0, second=0), is_day=True)


def ending(steps: list[Step], until: datetime) -> tuple[object, ...]:
    customer = PureCustomer(BEGAN - DAY)
    customer.open("tokens", "agent_runs")
    for each in steps:
        customer.take(each, until)
    picture = customer.picture()
    return tuple(picture[of] for of in ("orders", "standing", "bought_twice", "balances"))


@pytest.mark.parametrize("seed", range(LIVES))
def test_promise_4_orders_and_their_money_end_alike_in_any_order(seed: int) -> None:
    life = Life(seed)
    until = BEGAN + life.random.randint(15, 45) * DAY
    known = [each for each in life.steps if each.at <= until]
    expected = ending(known, until)
    for _ in range(SHUFFLES):
        shuffled = [*known, life.random.choice(known)]
        life.random.shuffle(shuffled)
        assert ending(shuffled, until) == expected, [(each.facts.order_id, each.at) for each in shuffled]
