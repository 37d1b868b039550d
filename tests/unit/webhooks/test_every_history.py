"""Every history that a small model of Waffo can make, in every order, with every repeat (promise 4).

Two worlds. *Orders and money*: subscriptions, changes, second orders and refunds, all histories of up to so many moves. *All
kinds*, mixed: also add-ons, trials, top-ups, several charges of one period, and usage within and beyond what is there. Each
history ends in one state, and that is what the customer is due by a calculation beside the domain
(``tests/support/what_is_due.py``).

The default run takes short ones. ``make histories`` takes longer ones: HISTORY_EVENTS says how long, HISTORY_SEEDS how many
random lives.
"""

import os

import pytest

from tests.support.permutations import Orders
from tests.support.waffo_model import EVERYTHING, ORDERS_AND_MONEY, Life, histories
from tests.support.walking import SOON, Walk, newcomer, random_life, walks
from tests.unit.webhooks.test_random_histories import check_life

pytestmark = pytest.mark.exhaustive

PLANS = [("starter", "pro"), ("hoarder", "pro")]
"""A plan with nothing special and one that rolls over and reduces while past due, each with another to change to."""

MIXED_PLANS = [("starter", "pro"), ("pro", "agent")]
"""Two plans for one meter, and two for different ones, of which one blocks while past due."""

SHORT_MOVES_MAX = 3
MIXED_MOVES_MAX = 2
MIXED_SEEDS = 3
LONG_MOVES_MAX = int(os.environ.get("HISTORY_EVENTS", "6"))
LONG_MIXED_MOVES_MAX = LONG_MOVES_MAX - 2
"""All kinds together have twice the moves: a move less for each doubling, and one for the events of a move."""
SEEDS = int(os.environ.get("HISTORY_SEEDS", "10000"))
LONG_MIXED_SEEDS = SEEDS // 50
"""A mixed life is walked in every order, not in a few."""


def orders_and_money(plans: tuple[str, ...], used: int = 0) -> Walk:
    is_accounted = not used and "hoarder" not in plans
    return Walk.of(Life(plans, ORDERS_AND_MONEY), newcomer("tokens", used=used), with_account=is_accounted)


def mixed(plans: tuple[str, ...], *, receipts: bool = False) -> Walk:
    meters = ("tokens", "agent_runs") if "agent" in plans else ("tokens",)
    return Walk.of(Life(plans, EVERYTHING, receipts), newcomer(*meters))


def check_all(begin: Walk, moves_max: int) -> int:
    """Check every history as it happens; return how many there are."""
    checked = 0
    for walk in walks(begin, moves_max):
        walk.check()
        checked += 1
    return checked


def check_random(plans: tuple[str, ...], seed: int, moves_max: int) -> None:
    """Check a random life at each of its moves, and, told late, at its end."""
    begin = mixed(plans, receipts=seed % 2 == 0)
    lives = random_life(begin.life, seed, moves_max)
    walk = begin
    for life in lives[1:]:
        walk = walk.goes_on(life)
        if life.moving is None:
            walk.check()
    Walk.told_late(walk.life, begin.truth, walk.account).check()


@pytest.mark.parametrize("used", [0, 14_000], ids=["unused", "used beyond"])
@pytest.mark.parametrize("plans", PLANS, ids=" and ".join)
def test_every_order_of_every_short_history_ends_alike(plans: tuple[str, ...], used: int) -> None:
    assert check_all(orders_and_money(plans, used), SHORT_MOVES_MAX) > 50


@pytest.mark.parametrize("used", [0, 14_000], ids=["unused", "used beyond"])
@pytest.mark.parametrize("plans", PLANS, ids=" and ".join)
def test_every_order_of_every_short_history_that_comes_late_ends_alike(plans: tuple[str, ...], used: int) -> None:
    begin = orders_and_money(plans, used)
    for life in histories(begin.life, SHORT_MOVES_MAX):
        Walk.told_late(life, begin.truth).check()


@pytest.mark.parametrize("plans", [("starter", "pro"), ("scale", "pro")], ids=" and ".join)
def test_what_was_used_counts_alike_in_every_order_of_every_short_history(plans: tuple[str, ...]) -> None:
    for life in histories(Life(plans, ORDERS_AND_MONEY), SHORT_MOVES_MAX):
        # Given: a subscriber who has used more than half of it, and then events of one instant of ours
        begin, until = newcomer("tokens"), life.now + SOON
        first, *others = life.told
        begin.take(first, first.at)
        begin.use(60_000)
        truth, orders = begin.copy(), Orders.of_none(begin)
        for told in others:
            truth.take(told, until)
            orders = orders.with_event(told, lambda _, until=until: until)  # type: ignore[misc]
        # Then
        Walk(life, truth, orders, None).check()


@pytest.mark.parametrize("plans", MIXED_PLANS, ids=" and ".join)
def test_every_order_of_every_short_history_of_all_kinds_ends_in_what_is_due(plans: tuple[str, ...]) -> None:
    assert check_all(mixed(plans), MIXED_MOVES_MAX) > 40


@pytest.mark.parametrize("seed", range(MIXED_SEEDS))
@pytest.mark.parametrize("plans", MIXED_PLANS, ids=" and ".join)
def test_every_order_of_a_random_life_of_all_kinds_ends_in_what_is_due(plans: tuple[str, ...], seed: int) -> None:
    check_random(plans, seed, SHORT_MOVES_MAX)


@pytest.mark.load
@pytest.mark.timeout(36_000)
@pytest.mark.parametrize("plans", PLANS, ids=" and ".join)
def test_every_order_of_every_long_history_ends_alike(plans: tuple[str, ...]) -> None:
    print(check_all(orders_and_money(plans), LONG_MOVES_MAX), "histories")  # noqa: T201


@pytest.mark.load
@pytest.mark.timeout(36_000)
@pytest.mark.parametrize("plans", PLANS, ids=" and ".join)
def test_every_order_of_every_long_history_that_comes_late_ends_alike(plans: tuple[str, ...]) -> None:
    begin = orders_and_money(plans)
    for life in histories(begin.life, LONG_MOVES_MAX - 1):
        Walk.told_late(life, begin.truth).check()


@pytest.mark.load
@pytest.mark.timeout(36_000)
@pytest.mark.parametrize("plans", MIXED_PLANS, ids=" and ".join)
def test_every_order_of_every_long_history_of_all_kinds_ends_in_what_is_due(plans: tuple[str, ...]) -> None:
    print(check_all(mixed(plans), LONG_MIXED_MOVES_MAX), "histories")  # noqa: T201


@pytest.mark.load
@pytest.mark.timeout(36_000)
@pytest.mark.parametrize("plans", MIXED_PLANS, ids=" and ".join)
def test_every_order_of_many_random_lives_of_all_kinds_ends_in_what_is_due(plans: tuple[str, ...]) -> None:
    for seed in range(LONG_MIXED_SEEDS):
        check_random(plans, seed, LONG_MOVES_MAX)


@pytest.mark.load
@pytest.mark.timeout(36_000)
def test_ten_thousand_random_lives_end_alike() -> None:
    for seed in range(SEEDS):
        check_life(seed)
