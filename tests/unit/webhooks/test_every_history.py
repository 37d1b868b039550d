"""Every history that a small model of Waffo can make, in every order, with every repeat (promise 4).

The default run takes every history of up to three events. ``make histories`` takes longer ones: HISTORY_EVENTS says how
long, HISTORY_SEEDS how many random lives.
"""

import os
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import pytest

from tests.support.permutations import Clock, Orders
from tests.support.pure_subscription import PureCustomer, Step
from tests.support.waffo_model import BEGAN, Life, histories
from tests.unit.webhooks.test_random_histories import check_life

pytestmark = pytest.mark.exhaustive

PLANS = [("starter", "pro"), ("hoarder", "pro")]
"""A plan with nothing special and one that rolls over and reduces while past due, each with another to change to."""

SHORT_EVENTS_MAX = 3
LONG_EVENTS_MAX = int(os.environ.get("HISTORY_EVENTS", "6"))
SEEDS = int(os.environ.get("HISTORY_SEEDS", "10000"))
SOON = timedelta(hours=1)


def as_they_happen(come: Sequence[Step]) -> datetime:
    """As soon as an event can arrive behind whatever came before it."""
    return max(step.at for step in come)


def all_at(instant: datetime) -> Clock:
    """All of them only then."""
    return lambda _: instant


def newcomer(used: int) -> PureCustomer:
    """A customer of the free plan who has used some of it."""
    customer = PureCustomer(BEGAN, checks_store=False)
    customer.open("tokens")
    if used:
        customer.use(used)
    return customer


def check(life: Life, truth: PureCustomer, orders: Orders) -> None:
    """Compare every order with the true one."""
    until, true_end = life.now + SOON, truth.copy()
    true_end.pass_to(until)
    for ending in orders.endings(until):
        assert ending.customer.picture() == true_end.picture(), (life.names, ending.order)


def check_as_they_happen(life: Life, truth: PureCustomer, orders: Orders, events_max: int) -> Iterator[Life]:
    """Check every history that goes on from ``life``; histories share what they begin with."""
    for following in life.moves():
        step = following.steps[-1]
        after, longer = truth.copy(), orders.with_event(step, as_they_happen)
        after.take(step, max(after.now, step.at))
        if following.moving is None:
            check(following, after, longer)
            yield following
        if len(following.steps) < events_max:
            yield from check_as_they_happen(following, after, longer, events_max)


def check_all_at_the_end(life: Life, begin: PureCustomer) -> None:
    """Check a history whose events all arrive when it is over."""
    truth, orders = begin.copy(), Orders.of_none(begin)
    for step in life.steps:
        truth.take(step, max(truth.now, step.at))
        orders = orders.with_event(step, all_at(life.now + SOON))
    check(life, truth, orders)


@pytest.mark.parametrize("used", [0, 14_000], ids=["unused", "used beyond"])
@pytest.mark.parametrize("plans", PLANS, ids=" and ".join)
def test_every_order_of_every_short_history_ends_alike(plans: tuple[str, ...], used: int) -> None:
    begin = newcomer(used)
    checked = list(check_as_they_happen(Life(plans), begin, Orders.of_none(begin), SHORT_EVENTS_MAX))
    assert len(checked) > 50


@pytest.mark.parametrize("used", [0, 14_000], ids=["unused", "used beyond"])
@pytest.mark.parametrize("plans", PLANS, ids=" and ".join)
def test_every_order_of_every_short_history_that_comes_late_ends_alike(plans: tuple[str, ...], used: int) -> None:
    for life in histories(SHORT_EVENTS_MAX, plans):
        check_all_at_the_end(life, newcomer(used))


@pytest.mark.parametrize("plans", [("starter", "pro"), ("scale", "pro")], ids=" and ".join)
def test_what_was_used_counts_alike_in_every_order_of_every_short_history(plans: tuple[str, ...]) -> None:
    for life in histories(SHORT_EVENTS_MAX, plans):
        # Given: a subscriber who has used more than half of it, and then events of one instant of ours
        begin, until = newcomer(0), life.now + SOON
        begin.take(life.steps[0], life.steps[0].at)
        begin.use(60_000)
        truth, orders = begin.copy(), Orders.of_none(begin)
        for step in life.steps[1:]:
            truth.take(step, until)
            orders = orders.with_event(step, all_at(until))
        # Then
        check(life, truth, orders)


@pytest.mark.load
@pytest.mark.timeout(36_000)
@pytest.mark.parametrize("plans", PLANS, ids=" and ".join)
def test_every_order_of_every_long_history_ends_alike(plans: tuple[str, ...]) -> None:
    begin = newcomer(0)
    checked = list(check_as_they_happen(Life(plans), begin, Orders.of_none(begin), LONG_EVENTS_MAX))
    print(len(checked), "histories")  # noqa: T201


@pytest.mark.load
@pytest.mark.timeout(36_000)
@pytest.mark.parametrize("plans", PLANS, ids=" and ".join)
def test_every_order_of_every_long_history_that_comes_late_ends_alike(plans: tuple[str, ...]) -> None:
    for life in histories(LONG_EVENTS_MAX, plans):
        check_all_at_the_end(life, newcomer(0))


@pytest.mark.load
@pytest.mark.timeout(36_000)
def test_ten_thousand_random_lives_end_alike() -> None:
    for seed in range(SEEDS):
        check_life(seed)
