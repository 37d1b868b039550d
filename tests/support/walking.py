"""Walks over histories: every order of a life's events, with every repeat, and what the customer is due at each end."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pancake_meter.domain.balance.balance import burn
from tests.support.permutations import Orders
from tests.support.pure_subscription import Happening, PureCustomer
from tests.support.waffo_model import BEGAN, Life, Use
from tests.support.what_is_due import Account, Due

SOON = timedelta(hours=1)
EVENTS_MAX = 6
"""In one stretch of a random life: every event more doubles the sets of events."""


def newcomer(*meters: str, used: int = 0) -> PureCustomer:
    """A customer of the free plan who has used some of it."""
    customer = PureCustomer(BEGAN, checks_store=False)
    customer.open(*meters)
    if used:
        customer.use(used)
    return customer


def as_they_happen(come: Sequence[Happening]) -> datetime:
    """As soon as an event can arrive behind whatever came before it."""
    return max(told.at for told in come)


@dataclass(frozen=True)
class Walk:
    """A life, lived in its true order, in every other one, and on paper; ``account`` is ``None`` where nobody keeps it."""

    life: Life
    truth: PureCustomer
    orders: Orders
    account: Account | None

    @classmethod
    def of(cls, life: Life, begin: PureCustomer, *, with_account: bool = True) -> "Walk":
        """Return the walk before anything happened."""
        return cls(life, begin, Orders.of_none(begin), Account() if with_account else None)

    def goes_on(self, following: Life) -> "Walk":
        """Return the walk after one move more, whose events come as they happen."""
        truth, orders = self.truth.copy(), self.orders
        for told in following.sent:
            if isinstance(told, Use):
                use = partial(_use, use=told)
                use(truth)
                orders = orders.then(use)
            else:
                truth.take(told, max(truth.now, told.at))
                orders = orders.with_event(told, as_they_happen)
        account = self.account.lives(self.life, following) if self.account else None
        return Walk(following, truth, orders, account)

    @classmethod
    def told_late(cls, life: Life, begin: PureCustomer, account: Account | None = None) -> "Walk":
        """Return the walk of a whole life whose events come all at once, each stretch at its end."""
        truth, orders, stretch = begin.copy(), Orders.of_none(begin), list[Happening]()
        for each in (*life.steps, None):
            if isinstance(each, Use | None):
                end = each.at if each else life.now + SOON
                for told in stretch:
                    truth.take(told, max(truth.now, told.at))
                    orders = orders.with_event(told, lambda _, end=end: end)  # type: ignore[misc]
                stretch = []
            if isinstance(each, Use):
                use = partial(_use, use=each)
                use(truth)
                orders = orders.then(use)
            elif each:
                stretch.append(each)
        return cls(life, truth, orders, account)

    def check(self) -> None:
        """Compare every order with the true one, and the true one with what is due."""
        until, true_end = self.life.now + SOON, self.truth.copy()
        true_end.pass_to(until)
        if self.account is not None:
            assert seen(true_end) == self.account.due(self.life, until), self.life.names
        picture = self._picture()
        expected = picture(true_end)
        for ending in self.orders.endings(until):
            assert picture(ending.customer) == expected, (self.life.names, ending.order)

    def _picture(self) -> Callable[[PureCustomer], dict[str, Any]]:
        """Return what is to be alike in every order: all, unless units on top paid for overage.

        Which of them paid, and for which period's, depends on what was heard first (decision 5). How many there are in all,
        less what is owed, does not; but for an add-on that was changed after it had paid (``Account.is_open``).
        """
        if self.account is None or not (self.account.beyond and self.life.has_more):
            return PureCustomer.picture
        return standing if self.account.is_open else in_sum


def _use(customer: PureCustomer, use: Use) -> None:
    customer.pass_to(max(customer.now, use.at))
    customer.use(use.units)


def walks(walk: Walk, moves_max: int) -> Iterator[Walk]:
    """Every history that goes on from a walk; histories share what they begin with."""
    for following in walk.life.moves():
        longer = walk.goes_on(following)
        if following.moving is None:
            yield longer
        if len(following.names) < moves_max:
            yield from walks(longer, moves_max)


def random_life(life: Life, seed: int, moves_max: int) -> list[Life]:
    """A life of random moves, step by step; no stretch of it has more than ``EVENTS_MAX`` events."""
    dice = random.Random(seed)  # noqa: S311
    lives, stretch = [life], 0
    while len(lives) <= moves_max or lives[-1].moving is not None:
        following = dice.choice(list(lives[-1].moves()))
        is_use = any(isinstance(told, Use) for told in following.sent)
        stretch = 0 if is_use else stretch + len(following.sent)
        if stretch > EVENTS_MAX and lives[-1].moving is None:
            break
        lives.append(following)
    return lives


def seen(customer: PureCustomer) -> Due:
    """What there is to see of a customer's tokens, and of the agent's runs where there is a balance of them."""
    balance = customer.balances["tokens"]
    left: dict[str, int] = {}
    for grant in burn(balance).grants:
        left[grant.kind] = left.get(grant.kind, 0) + int(grant.remaining)
    owed = {(key.period_start, key.plan): int(line.due) for key, line in customer.lines["tokens"].items() if line.due}
    if balance.current_overage:
        owed[balance.line.period_start, balance.line.plan] = int(balance.current_overage)
    runs = customer.available("agent_runs") if "agent_runs" in customer.balances else 0
    bought = left.get("top_up", 0)
    return Due(
        balance.policy.plan, left.get("plan", 0), left.get("add_on", 0), bought, owed, int(balance.refund_debt), runs
    )


def standing(customer: PureCustomer) -> dict[str, Any]:
    """The picture without units."""
    picture = customer.picture()
    return {name: picture[name] for name in ("orders", "standing", "bought_twice")}


def in_sum(customer: PureCustomer) -> dict[str, Any]:
    """The picture without which units paid for overage: only what is left, less what is owed."""
    return {**standing(customer), "due": seen(customer).in_sum}
