"""Every history that a small model of Waffo can make, in every order, with every repeat (promise 4).

The default run takes every history of up to three events. ``make histories`` takes longer ones: HISTORY_EVENTS says how
long, HISTORY_SEEDS how many random lives.
"""

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest

from tests.support.permutations import endings
from tests.support.pure_subscription import PureCustomer, Step
from tests.support.waffo_model import BEGAN, Life, histories
from tests.unit.webhooks.test_random_histories import check_life

PLANS = [("starter", "pro"), ("scale", "pro")]
"""A plan with nothing special and one that rolls over and reduces while past due, each with another to change to."""

SHORT_EVENTS_MAX = 3
LONG_EVENTS_MAX = int(os.environ.get("HISTORY_EVENTS", "5"))
SEEDS = int(os.environ.get("HISTORY_SEEDS", "10000"))
SOON = timedelta(hours=1)


def arrivals(life: Life, *, at_once: bool) -> Callable[[Sequence[Step]], datetime]:
    """When events arrive: as soon as they can behind whatever came before them, or all of them only at the end."""
    if at_once:
        return lambda come: max(step.at for step in come)
    return lambda _: life.now + SOON


def newcomer(used: int) -> PureCustomer:
    """A customer of the free plan who has used some of it."""
    customer = PureCustomer(BEGAN, checks_store=False)
    customer.open("tokens")
    if used:
        customer.use(used)
    return customer


def check(life: Life, begin: PureCustomer, steps: Sequence[Step], *, at_once: bool) -> None:
    """Compare every order with the true one."""
    until = life.now + SOON
    truth = begin.copy()
    for step in steps:
        truth.take(step, max(truth.now, step.at))
    truth.pass_to(until)
    for ending in endings(begin, steps, arrivals(life, at_once=at_once), until):
        assert ending.customer.picture() == truth.picture(), (life.names, ending.order)


@pytest.mark.parametrize("used", [0, 14_000], ids=["unused", "used beyond"])
@pytest.mark.parametrize("at_once", [True, False], ids=["as they happen", "all at the end"])
@pytest.mark.parametrize("plans", PLANS, ids=" and ".join)
def test_every_order_of_every_short_history_ends_alike(plans: tuple[str, ...], at_once: bool, used: int) -> None:
    lives = list(histories(SHORT_EVENTS_MAX, plans))
    assert len(lives) > 50
    for life in lives:
        check(life, newcomer(used), life.steps, at_once=at_once)


@pytest.mark.parametrize("plans", PLANS, ids=" and ".join)
def test_what_was_used_counts_alike_in_every_order_of_every_short_history(plans: tuple[str, ...]) -> None:
    for life in histories(SHORT_EVENTS_MAX, plans):
        # Given: a subscriber who has used more than half of it, and then events of one instant of ours
        begin, until = newcomer(0), life.now + SOON
        begin.take(life.steps[0], life.steps[0].at)
        begin.use(60_000)
        truth = begin.copy()
        for step in life.steps[1:]:
            truth.take(step, until)
        # Then
        for ending in endings(begin, life.steps[1:], arrivals(life, at_once=False), until):
            assert ending.customer.picture() == truth.picture(), (life.names, ending.order)


@pytest.mark.load
@pytest.mark.timeout(36_000)
@pytest.mark.parametrize("at_once", [True, False], ids=["as they happen", "all at the end"])
@pytest.mark.parametrize("plans", PLANS, ids=" and ".join)
def test_every_order_of_every_long_history_ends_alike(plans: tuple[str, ...], at_once: bool) -> None:
    for life in histories(LONG_EVENTS_MAX, plans):
        check(life, newcomer(0), life.steps, at_once=at_once)


@pytest.mark.load
@pytest.mark.timeout(36_000)
def test_ten_thousand_random_lives_end_alike() -> None:
    for seed in range(SEEDS):
        check_life(seed)
