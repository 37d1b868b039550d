"""Two live orders for one meter are flagged once both have stood an hour, and only then (scenarios 36, 37, 89)."""

import itertools
from collections.abc import Sequence
from datetime import timedelta

import pytest

from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.bought_twice import bought_twice, to_confirm
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.value import replace
from tests.support.catalogs import WITH_ADD_ONS
from tests.support.pure_subscription import CATALOG, CUSTOMER, Step, step
from tests.support.webhook_world import utc

A, B, C = "ORD_A", "ORD_B", "ORD_C"
BEGAN = "2026-03-10T15:14:33"
TWICE = frozenset({(B, A)})
NOTHING: frozenset[tuple[str, str]] = frozenset()
AGENT = replace(
    CATALOG.plans["starter"],
    key="agent",
    allowances={"agent_runs": replace(CATALOG.plans["starter"].allowances["tokens"], meter="agent_runs")},
)
BOOST, TURBO = WITH_ADD_ONS.plans["boost"], WITH_ADD_ONS.plans["turbo"]

BOUGHT = step("activated", A, BEGAN, "2026-03-10", "2026-04-10")
BOUGHT_AGAIN = step("activated", B, "2026-03-10T15:16:00", "2026-03-10", "2026-04-10", plan="pro")
RENEWED = step("renewed", A, "2026-04-10T15:14:41", "2026-04-10", "2026-05-10")
RENEWED_AGAIN = step("renewed", B, "2026-04-10T15:16:09", "2026-04-10", "2026-05-10", plan="pro")


def activated(order: str, at: str, plan: str | Plan) -> Step:
    return step("activated", order, at, "2026-03-10", "2026-04-10", plan=plan)


def seen(of: Step, at: str) -> Step:
    """GraphQL showed the order alive."""
    return replace(of, facts=OrderFacts(of.facts.order_id, of.facts.began, seen_at=utc(at)))


def replacing(of: Step, order: str) -> Step:
    """Our checkout, or GraphQL, names the order that this one replaces."""
    return replace(of, facts=replace(of.facts, replaces=frozenset({order})))


HISTORIES: dict[str, tuple[list[Step], frozenset[tuple[str, str]]]] = {
    "scenario 36: in two tabs, not yet an hour ago": ([BOUGHT, BOUGHT_AGAIN], NOTHING),
    "scenario 36: both renew": ([BOUGHT, BOUGHT_AGAIN, RENEWED, RENEWED_AGAIN], TWICE),
    "scenario 36: one alone is known to stand after an hour": ([BOUGHT, BOUGHT_AGAIN, RENEWED], NOTHING),
    "scenario 36: GraphQL shows both after an hour": (
        [BOUGHT, BOUGHT_AGAIN, seen(BOUGHT, "2026-03-10T16:20:00"), seen(BOUGHT_AGAIN, "2026-03-10T16:20:00")],
        TWICE,
    ),
    "scenario 36: one of them ends": (
        [
            BOUGHT,
            BOUGHT_AGAIN,
            RENEWED,
            RENEWED_AGAIN,
            step("canceled", B, "2026-04-11T09:00:00", "2026-04-10", "2026-05-10", plan="pro"),
        ],
        NOTHING,
    ),
    "scenario 37: a late payment of an abandoned order": (
        [BOUGHT, activated(B, "2026-03-12T10:00:00", "starter"), RENEWED, RENEWED_AGAIN],
        TWICE,
    ),
    "scenario 89: on two meters": (
        [
            BOUGHT,
            activated(B, "2026-03-10T15:16:00", AGENT),
            RENEWED,
            step("renewed", B, "2026-04-10T15:16:09", "2026-04-10", "2026-05-10", plan=AGENT),
        ],
        NOTHING,
    ),
    "issue 11, point 7: an add-on beside a plan": (
        [
            BOUGHT,
            activated(B, "2026-03-10T15:16:00", BOOST),
            RENEWED,
            step("renewed", B, "2026-04-10T15:16:09", "2026-04-10", "2026-05-10", plan=BOOST),
        ],
        NOTHING,
    ),
    "issue 11, point 7: two different add-ons": (
        [
            activated(A, BEGAN, TURBO),
            activated(B, "2026-03-10T15:16:00", BOOST),
            step("renewed", A, "2026-04-10T15:14:41", "2026-04-10", "2026-05-10", plan=TURBO),
            step("renewed", B, "2026-04-10T15:16:09", "2026-04-10", "2026-05-10", plan=BOOST),
        ],
        NOTHING,
    ),
    "issue 11, point 7: one add-on twice": (
        [
            activated(A, BEGAN, BOOST),
            activated(B, "2026-03-10T15:16:00", BOOST),
            step("renewed", A, "2026-04-10T15:14:41", "2026-04-10", "2026-05-10", plan=BOOST),
            step("renewed", B, "2026-04-10T15:16:09", "2026-04-10", "2026-05-10", plan=BOOST),
        ],
        TWICE,
    ),
    "scenario 33: a plan change by a new order": (
        [
            BOUGHT,
            step("plan_changed", B, "2026-03-20T11:00:05", "2026-03-20", "2026-04-20", plan="pro"),
            RENEWED,
            step("renewed", B, "2026-04-20T11:00:05", "2026-04-20", "2026-05-20", plan="pro"),
        ],
        NOTHING,
    ),
    "a plan change that says activated, known from our checkout": (
        [BOUGHT, replacing(BOUGHT_AGAIN, A), RENEWED, replacing(RENEWED_AGAIN, A)],
        NOTHING,
    ),
    "a plan change of one of two orders leaves the other": (
        [
            BOUGHT,
            BOUGHT_AGAIN,
            replacing(step("plan_changed", C, "2026-03-20T11:00:05", "2026-03-20", "2026-04-20", plan="scale"), B),
            RENEWED,
            step("renewed", C, "2026-04-20T11:00:05", "2026-04-20", "2026-05-20", plan="scale"),
        ],
        frozenset({(C, A)}),
    ),
    "a plan change of one of two orders leaves the other, also where nobody says which": (
        [
            BOUGHT,
            BOUGHT_AGAIN,
            step("plan_changed", C, "2026-03-20T11:00:05", "2026-03-20", "2026-04-20", plan="scale"),
            step("canceled", B, "2026-03-20T11:00:06", "2026-03-10", "2026-04-10", plan="pro"),
            RENEWED,
            step("renewed", C, "2026-04-20T11:00:05", "2026-04-20", "2026-05-20", plan="scale"),
        ],
        frozenset({(C, A)}),
    ),
    "a plan change within an order replaces no other": (
        [
            BOUGHT,
            BOUGHT_AGAIN,
            step("plan_changed", B, "2026-03-20T11:00:05", "2026-03-20", "2026-04-20", plan="scale"),
            RENEWED,
            step("renewed", B, "2026-04-20T11:00:05", "2026-04-20", "2026-05-20", plan="scale"),
        ],
        TWICE,
    ),
    "a plan change after another: each in the place of the one before": (
        [
            BOUGHT,
            step("plan_changed", B, "2026-03-20T11:00:05", "2026-03-20", "2026-04-20", plan="pro"),
            step("plan_changed", C, "2026-03-25T11:00:05", "2026-03-25", "2026-04-25", plan="scale"),
            step("renewed", C, "2026-04-25T11:00:05", "2026-04-25", "2026-05-25", plan="scale"),
        ],
        NOTHING,
    ),
}


def learned(steps: Sequence[Step]) -> Subscription:
    subscription = Subscription(CUSTOMER)
    for each in steps:
        subscription = subscription.learn(each.facts)
    return subscription


@pytest.mark.parametrize("name", HISTORIES)
def test_the_flag_is_the_same_whatever_the_order_of_the_events(name: str) -> None:
    history, flagged = HISTORIES[name]
    for order in itertools.permutations(history):
        assert bought_twice(learned(order)) == flagged
        assert bought_twice(learned([*order, *order])) == flagged


def test_a_pair_is_asked_about_after_an_hour_and_until_it_is_flagged() -> None:
    bought = learned([BOUGHT, BOUGHT_AGAIN])
    hour = utc("2026-03-10T16:16:00")
    assert to_confirm(bought, hour - timedelta(milliseconds=1)) == NOTHING
    assert to_confirm(bought, hour) == TWICE
    assert to_confirm(learned(HISTORIES["scenario 36: both renew"][0]), hour) == NOTHING
