"""Issue 11, point 15: late usage takes of the plan that was in force when it happened, and of no other."""

from dataclasses import replace

import pytest

from pancake_meter.domain.selling.plan import Plan
from tests.support.pure_subscription import CATALOG, PLANS, PureCustomer, Step, step
from tests.support.webhook_world import utc

FREE, STARTER, PRO = (int(CATALOG.plans[key].allowances["tokens"].quantity) for key in ("free", "starter", "pro"))
BEGAN = utc("2026-01-20T12:00:00")
BOUGHT = step("activated", "ORD_A", "2026-02-01T12:00:00", "2026-02-01T12:00:00", "2026-03-01T12:00:00", number=1)
RENEWED = step("renewed", "ORD_A", "2026-03-01T12:00:00", "2026-03-01T12:00:00", "2026-04-01T12:00:00", number=2)
CANCELED = step("canceled", "ORD_A", "2026-02-10T12:00:00", "2026-02-01T12:00:00", "2026-03-01T12:00:00", number=1)
OVER = step("canceled", "ORD_A", "2026-03-01T12:00:00", "2026-02-01T12:00:00", "2026-03-01T12:00:00", number=1)


def fresh(plan: str) -> Plan:
    """Return a plan that begins whole after a change to it."""
    return replace(PLANS[plan], quota_change="reset")


def changed(plan: str | Plan) -> Step:
    """A change of plan on 15 February, as a new order."""
    return step("plan_changed", "ORD_B", "2026-02-15T12:00:00", "2026-02-15T12:00:00", "2026-03-15T12:00:00", plan, 1)


def customer(*steps: Step, meters: tuple[str, ...] = ("tokens",)) -> PureCustomer:
    """A customer who has a balance from the beginning, or none at all."""
    made = PureCustomer(BEGAN)
    made.open(*meters)
    for each in steps:
        made.take(each, each.at)
    return made


def told_at(made: PureCustomer, now: str, units: int, used_at: str) -> PureCustomer:
    made.pass_to(utc(now))
    made.tell(units, used_at)
    return made


def figures(made: PureCustomer) -> list[tuple[str | None, int, int, int]]:
    """Plan, units gone, left and due of each closed period, newest first."""
    return [(c.plan, int(c.gone), int(c.left), int(c.overage)) for c in made.closed["tokens"]]


@pytest.mark.parametrize("meters", [("tokens",), ()], ids=["a balance", "no balance"])
def test_the_first_usage_of_february_told_in_march_takes_nothing_of_march(meters: tuple[str, ...]) -> None:
    made = told_at(customer(BOUGHT, RENEWED, meters=meters), "2026-03-01T13:00:00", 400, "2026-02-28T12:00:00")
    assert made.available() == STARTER
    assert figures(made)[0] == ("starter", 400, STARTER - 400, 0)


@pytest.mark.parametrize("meters", [("tokens",), ()], ids=["a balance", "no balance"])
def test_usage_of_the_last_paid_period_told_after_its_end_takes_nothing_of_the_free_plan(
    meters: tuple[str, ...],
) -> None:
    made = told_at(customer(BOUGHT, OVER, meters=meters), "2026-03-01T13:00:00", 400, "2026-02-28T12:00:00")
    assert (made.plan(), made.available()) == ("free", FREE)
    assert figures(made)[0] == ("starter", 400, STARTER - 400, 0)


@pytest.mark.parametrize("meters", [("tokens",), ()], ids=["a balance", "no balance"])
def test_usage_from_before_a_cancellation_told_after_it_takes_nothing_of_the_free_plan(meters: tuple[str, ...]) -> None:
    made = told_at(customer(BOUGHT, CANCELED, meters=meters), "2026-02-10T13:00:00", 400, "2026-02-10T11:00:00")
    assert (made.plan(), made.available()) == ("free", FREE)
    assert figures(made)[0] == ("starter", 400, STARTER - 400, 0)
    # And usage from after it takes nothing of what was paid for
    made.tell(30, "2026-02-10T12:30:00")
    assert made.available() == FREE - 30


def test_usage_from_before_the_first_order_told_after_it_takes_nothing_of_what_was_bought() -> None:
    made = told_at(customer(BOUGHT), "2026-02-01T13:00:00", 400, "2026-02-01T11:00:00")
    assert made.available() == STARTER
    assert figures(made) == [("free", 400, FREE - 400, 0)]


@pytest.mark.parametrize("meters", [("tokens",), ()], ids=["a balance", "no balance"])
def test_usage_from_before_a_change_to_a_plan_that_begins_whole_takes_nothing_of_it(meters: tuple[str, ...]) -> None:
    made = customer(BOUGHT, changed(fresh("pro")), meters=meters)
    told_at(made, "2026-02-15T13:00:00", 400, "2026-02-15T11:00:00")
    assert made.available() == PRO
    assert figures(made)[0] == ("starter", 400, STARTER - 400, 0)


@pytest.mark.parametrize("meters", [("tokens",), ()], ids=["a balance", "no balance"])
def test_usage_from_before_a_change_that_carries_it_counts_as_if_told_in_time(meters: tuple[str, ...]) -> None:
    in_time = customer(BOUGHT)
    in_time.use(400)
    in_time.take(changed("pro"), changed("pro").at)
    made = told_at(customer(BOUGHT, changed("pro"), meters=meters), "2026-02-15T13:00:00", 400, "2026-02-15T11:00:00")
    assert made.available() == in_time.available() == PRO - 400


def test_usage_of_the_day_between_two_orders_takes_nothing_of_the_second() -> None:
    bought_anew = step(
        "activated", "ORD_B", "2026-03-03T12:00:00", "2026-03-03T12:00:00", "2026-04-03T12:00:00", "pro", 1
    )
    made = told_at(customer(BOUGHT, OVER, bought_anew), "2026-03-03T13:00:00", 400, "2026-03-02T12:00:00")
    assert made.available() == PRO
    assert figures(made)[0] == ("free", 400, FREE - 400, 0)


def test_a_period_that_is_entered_again_has_its_usage_itself() -> None:
    # Given a better plan that was bought beside, began whole, and is over again
    span = ("2026-02-10T12:00:00", "2026-03-10T12:00:00", fresh("scale"), 1)
    beside = step("activated", "ORD_B", "2026-02-10T12:00:00", *span)
    over = step("canceled", "ORD_B", "2026-02-12T12:00:00", *span)
    made = customer(BOUGHT, beside)
    assert figures(made)[0][0] == "starter"
    made.take(over, over.at)
    assert (made.plan(), made.available()) == ("starter", STARTER)
    # When usage from before it is told
    told_at(made, "2026-02-12T13:00:00", 400, "2026-02-10T11:00:00")
    # Then it is of the period that is open again
    assert made.available() == STARTER - 400


def test_what_was_idle_before_a_balance_was_opened_rolls_over_alike() -> None:
    spans = (("2026-02-01T12:00:00", "2026-03-01T12:00:00"), ("2026-03-01T12:00:00", "2026-04-01T12:00:00"))
    activated = step("activated", "ORD_A", spans[0][0], *spans[0], "hoarder", 1)
    renewed = step("renewed", "ORD_A", spans[1][0], *spans[1], "hoarder", 2)
    one, other = customer(activated, renewed), customer(activated, renewed, meters=())
    for made in (one, other):
        told_at(made, "2026-03-01T13:00:00", 400, "2026-02-28T12:00:00")
    assert one.available() == other.available()
    assert figures(one)[0] == figures(other)[0]
