"""Every permutation and duplication of one set of webhooks ends in the same state (promise 4, scenarios 26-36).

Orders that lead to the same state go on as one: see ``tests/support/permutations.py``.
"""

import itertools
from collections.abc import Sequence
from datetime import datetime

import pytest

from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.lifecycle import LifecycleKind
from pancake_meter.value import replace
from tests.support.permutations import Orders
from tests.support.pure_subscription import CATALOG, Happening, PureCustomer, Step, deliver, refunded, step
from tests.support.webhook_world import utc

pytestmark = pytest.mark.exhaustive

BEGAN = utc("2026-03-01")
A, B = "ORD_A", "ORD_B"

ACTIVATED = step("activated", A, "2026-03-10T15:14:33", "2026-03-10", "2026-04-10")
RENEWED = step("renewed", A, "2026-04-10T15:14:41", "2026-04-10", "2026-05-10")
RENEWED_AGAIN = step("renewed", A, "2026-05-10T15:14:41", "2026-05-10", "2026-06-10")
CANCELED = step("canceled", A, "2026-05-20T11:00:06", "2026-05-10", "2026-06-10")


SCALE = CATALOG.plans["scale"]
REDUCING = replace(CATALOG.plans["starter"], past_due=SCALE.past_due)


def of(plan: Plan, kind: LifecycleKind, at: str, start: str, end: str) -> Step:
    return step(kind, A, at, start, end, plan=plan)


HISTORIES: dict[str, tuple[str, list[Step]]] = {
    "scenario 07, 26, 27: twelve months in short": ("2026-05-15", [ACTIVATED, RENEWED, RENEWED_AGAIN]),
    "scenario 32: canceled early": ("2026-05-25", [ACTIVATED, RENEWED, RENEWED_AGAIN, CANCELED]),
    "scenario 01: doubled": ("2026-05-25", [ACTIVATED, ACTIVATED, RENEWED, RENEWED, CANCELED]),
    "scenario 01: lapsed long ago": ("2026-09-01", [ACTIVATED, RENEWED, CANCELED]),
    "scenario 06: canceling, uncanceled, canceling": (
        "2026-05-09",
        [
            ACTIVATED,
            RENEWED,
            step("canceling", A, "2026-04-20T10:00:00", "2026-04-10", "2026-05-10"),
            step("uncanceled", A, "2026-04-21T10:00:00", "2026-04-10", "2026-05-10"),
            step("canceling", A, "2026-04-22T10:00:00", "2026-04-10", "2026-05-10"),
        ],
    ),
    "scenario 28, 30, 31: past due and recovered": (
        "2026-05-13",
        [
            ACTIVATED,
            RENEWED,
            step("past_due", A, "2026-05-10T15:15:02", "2026-05-10", "2026-05-17"),
            step("recovered", A, "2026-05-12T06:00:09", "2026-05-10", "2026-06-10"),
        ],
    ),
    "scenario 29: past due, not recovered": (
        "2026-05-12",
        [ACTIVATED, RENEWED, step("past_due", A, "2026-05-10T15:15:02", "2026-05-10", "2026-05-17")],
    ),
    "past due on a plan that reduces": (
        "2026-05-12",
        [
            of(REDUCING, "activated", "2026-03-10T15:14:33", "2026-03-10", "2026-04-10"),
            of(REDUCING, "renewed", "2026-04-10T15:14:41", "2026-04-10", "2026-05-10"),
            of(REDUCING, "past_due", "2026-05-10T15:15:02", "2026-04-10", "2026-05-10"),
        ],
    ),
    "rollover": (
        "2026-06-12",
        [
            of(SCALE, "activated", "2026-03-10T15:14:33", "2026-03-10", "2026-04-10"),
            of(SCALE, "renewed", "2026-04-10T15:14:41", "2026-04-10", "2026-05-10"),
            of(SCALE, "renewed", "2026-05-10T15:14:41", "2026-05-10", "2026-06-10"),
            of(SCALE, "renewed", "2026-06-10T15:14:41", "2026-06-10", "2026-07-10"),
        ],
    ),
    "plan change on the same order": (
        "2026-04-15",
        [
            ACTIVATED,
            step("plan_changed", A, "2026-03-20T11:00:05", "2026-03-10", "2026-04-10", plan="pro"),
            step("renewed", A, "2026-04-10T15:14:41", "2026-04-10", "2026-05-10", plan="pro"),
        ],
    ),
    "scenario 33, 34: plan change as a new order": (
        "2026-06-12",
        [
            ACTIVATED,
            RENEWED_AGAIN,
            step("plan_changed", B, "2026-05-20T11:00:05", "2026-05-20", "2026-06-20", plan="scale"),
            CANCELED,
            step("renewed", A, "2026-06-10T15:14:41", "2026-06-10", "2026-07-10"),
        ],
    ),
    "scenario 35: plan change scheduled, then failed": (
        "2026-05-25",
        [
            ACTIVATED,
            RENEWED_AGAIN,
            step("plan_change_scheduled", A, "2026-05-22T08:30:00", "2026-05-10", "2026-06-10", plan="scale"),
            step("plan_change_failed", A, "2026-05-23T08:30:00", "2026-05-10", "2026-06-10"),
        ],
    ),
    "scenario 36: bought twice, one canceled": (
        "2026-03-20",
        [
            ACTIVATED,
            step("activated", B, "2026-03-10T15:16:00", "2026-03-10", "2026-04-10"),
            step("canceled", B, "2026-03-11T09:00:00", "2026-03-10", "2026-04-10"),
        ],
    ),
    "scenario 64: days and instants": (
        "2026-04-12",
        [
            ACTIVATED,
            step("activated", A, "2026-03-10T15:14:33", "2026-03-10T15:14:30", "2026-04-10T15:14:30"),
            RENEWED,
            step("renewed", A, "2026-04-10T15:14:41", "2026-04-10T15:14:30", "2026-05-10T15:14:30"),
        ],
    ),
    "scenario 70: thirteen minutes": (
        "2026-04-10T16:00:00",
        [
            step("activated", A, "2026-04-10T15:14:30", "2026-04-10", "2026-04-10", number=1),
            step("renewed", A, "2026-04-10T15:27:30", "2026-04-10", "2026-04-10", number=2),
            step("renewed", A, "2026-04-10T15:40:30", "2026-04-10", "2026-04-10", number=3),
        ],
    ),
    "scenario 78: refunds of the period's payment": (
        "2026-04-25",
        [
            ACTIVATED,
            RENEWED,
            refunded(A, "PAY_1", "2026-04-12T10:00:00", "2026-03-10T15:14:32", "1"),
            refunded(A, "PAY_2", "2026-04-20T10:00:00", "2026-04-10T15:14:40", "0.25"),
            refunded(A, "PAY_2", "2026-04-21T10:00:00", "2026-04-10T15:14:40", "0.75"),
        ],
    ),
    "canceled, then bought anew": (
        "2026-05-28",
        [
            ACTIVATED,
            RENEWED_AGAIN,
            CANCELED,
            step("activated", B, "2026-05-25T09:00:00", "2026-05-25", "2026-06-25", plan="pro"),
        ],
    ),
    "access ends with a plan of other meters": (
        "2026-04-15",
        [
            step("activated", A, "2026-03-10T15:14:33", "2026-03-10", "2026-04-10", plan="agent"),
            step("plan_changed", A, "2026-03-20T15:14:33", "2026-03-10", "2026-04-10", plan="pro"),
            step("past_due", A, "2026-04-10T15:15:02", "2026-03-10", "2026-04-10", plan="pro"),
        ],
    ),
}
METERS = tuple(CATALOG.meters)


@pytest.mark.parametrize("used", [0, 4_000, 14_000], ids=["unused", "used", "used beyond"])
@pytest.mark.parametrize("at_once", [True, False], ids=["as they happen", "all at the end"])
@pytest.mark.parametrize("name", HISTORIES)
def test_every_order_of_a_history_ends_in_the_same_state(name: str, at_once: bool, used: int) -> None:
    # Given: a customer of the free plan, who may have used some of it
    end, history = utc(HISTORIES[name][0]), HISTORIES[name][1]
    customer = PureCustomer(BEGAN)
    customer.open(*METERS)
    if used:
        customer.use(used)
    truth = deliver(history, began=BEGAN, until=end, at_once=True, meters=METERS, used=used).picture()

    def arrives(come: Sequence[Happening]) -> datetime:
        return max(each.at for each in come) if at_once else end

    # When: the events come in every order, each of them again at every point
    orders = Orders.of_none(customer)
    for each in history:
        orders = orders.with_event(each, arrives)
    # Then
    for ending in orders.endings(end):
        assert ending.customer.picture() == truth, [history[index].facts for index in ending.order]


AFTER_USE: dict[str, tuple[str, list[Step]]] = {
    "scenario 33: plan change as a new order": (
        "2026-03-22",
        [
            step("plan_changed", B, "2026-03-20T11:00:05", "2026-03-20", "2026-04-20", plan="pro"),
            step("canceled", A, "2026-03-20T11:00:06", "2026-03-10", "2026-04-10"),
        ],
    ),
    "new order, activated and changed": (
        "2026-03-22",
        [
            step("activated", B, "2026-03-20T11:00:04", "2026-03-20", "2026-04-20", plan="pro"),
            step("plan_changed", B, "2026-03-20T11:00:05", "2026-03-20", "2026-04-20", plan="pro"),
            step("canceled", A, "2026-03-20T11:00:06", "2026-03-10", "2026-04-10"),
            step("canceling", A, "2026-03-15T11:00:06", "2026-03-10", "2026-04-10"),
        ],
    ),
    "canceled, then bought anew": (
        "2026-03-26",
        [
            step("canceled", A, "2026-03-20T11:00:06", "2026-03-10", "2026-04-10"),
            step("activated", B, "2026-03-25T11:00:05", "2026-03-25", "2026-04-25", plan="pro"),
        ],
    ),
    "scenario 36: bought twice, the second given back": (
        "2026-03-22",
        [
            step("activated", B, "2026-03-20T11:00:05", "2026-03-20", "2026-04-20"),
            step("canceled", B, "2026-03-21T11:00:06", "2026-03-20", "2026-04-20"),
        ],
    ),
    "changed twice on one order": (
        "2026-03-22",
        [
            step("plan_changed", A, "2026-03-20T11:00:05", "2026-03-10", "2026-04-10", plan="pro"),
            step("plan_changed", A, "2026-03-21T11:00:05", "2026-03-10", "2026-04-10", plan="scale"),
        ],
    ),
    "scenario 78: two refunds": (
        "2026-03-22",
        [
            refunded(A, "PAY_1", "2026-03-20T10:00:00", "2026-03-10T15:14:32", "0.25"),
            refunded(A, "PAY_1", "2026-03-21T10:00:00", "2026-03-10T15:14:32", "0.5"),
        ],
    ),
    "scenario 28: past due, recovered": (
        "2026-03-22",
        [
            step("past_due", A, "2026-03-20T10:00:00", "2026-03-10", "2026-04-10", plan="scale"),
            step("recovered", A, "2026-03-21T10:00:00", "2026-03-10", "2026-04-10"),
            step("canceling", A, "2026-03-21T12:00:00", "2026-03-10", "2026-04-10"),
        ],
    ),
}


CARRIED = list(itertools.product(AFTER_USE, ("starter", "scale", "pro"), (60_000, 130_000)))


@pytest.mark.parametrize(("name", "plan", "used"), CARRIED)
def test_what_was_used_is_carried_alike_in_every_order(name: str, plan: str, used: int) -> None:
    # Given: a paid period in which units were used, and then events of one instant of ours
    until, history = AFTER_USE[name]
    first = step("activated", A, "2026-03-10T15:14:33", "2026-03-10", "2026-04-10", plan=plan)

    def live(order: tuple[Step, ...]) -> dict[str, object]:
        customer = PureCustomer(BEGAN)
        customer.open(*METERS)
        customer.take(first, first.at)
        customer.use(used)
        for each in order:
            customer.take(each, utc(until))
        return customer.picture()

    truth = live(tuple(history))
    # When
    for order in itertools.permutations(history):
        # Then
        assert live(order) == truth, [each.facts for each in order]
