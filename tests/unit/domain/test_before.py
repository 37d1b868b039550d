"""The periods before the one that counts, which a balance that is opened late leaves records of."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from pancake_meter.domain.balance.advance import IdleRun
from pancake_meter.domain.balance.balance import Policy, Term
from pancake_meter.domain.selling.plan import OverageAllowed, Plan
from pancake_meter.domain.standing.before import periods_before
from pancake_meter.domain.standing.standing import Covered, standing_of
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.value import replace
from tests.support.catalogs import WITH_ADD_ONS
from tests.support.pure_subscription import CUSTOMER, PLANS, refunded, step
from tests.support.webhook_world import utc

if TYPE_CHECKING:
    from pancake_meter.domain.selling.plan import Cadence
    from pancake_meter.domain.standing.lifecycle import LifecycleKind

PRO, STARTER, SCALE = PLANS["pro"], PLANS["starter"], PLANS["scale"]
FREE = Policy("free", Decimal(10), "month", OverageAllowed())
NOTHING = Policy(None, Decimal(0), "month", OverageAllowed())


def paid(*periods: tuple[str, str, str, Plan]) -> Subscription:
    """A subscription of these periods, each an order's, from a day to a day."""
    known = Subscription(CUSTOMER)
    seen: set[str] = set()
    for number, (order_id, start, end, plan) in enumerate(periods, start=1):
        kind: LifecycleKind = "renewed" if order_id in seen else "activated"
        seen.add(order_id)
        known = known.learn(step(kind, order_id, start, start, end, plan=plan, number=number).facts)
    return known


def before(subscription: Subscription, now: datetime, default: Policy = NOTHING) -> tuple[IdleRun, ...]:
    standing = standing_of(subscription, "tokens", now)
    assert isinstance(standing, Covered)
    return periods_before(subscription, "tokens", standing, standing.term.start, default, now)


def shown(runs: tuple[IdleRun, ...]) -> list[tuple[str | None, str, bool]]:
    return [(run.policy.plan, f"{run.bounds.start:%m-%d}", run.is_renewed) for run in runs]


def test_a_period_that_was_renewed_under_its_plan_may_roll_over() -> None:
    known = paid(("a", "2026-03-10", "2026-04-10", PRO), ("a", "2026-04-10", "2026-05-10", PRO))
    assert shown(before(known, utc("2026-04-20"))) == [("pro", "03-10", True)]


def test_one_under_another_plan_or_of_another_order_does_not() -> None:
    other_plan = paid(("a", "2026-03-10", "2026-04-10", STARTER), ("a", "2026-04-10", "2026-05-10", PRO))
    assert shown(before(other_plan, utc("2026-04-20"))) == [("starter", "03-10", False)]
    other_order = paid(("a", "2026-03-10", "2026-04-10", PRO), ("b", "2026-04-10", "2026-05-10", PRO))
    assert shown(before(other_order, utc("2026-04-20"))) == [("pro", "03-10", False)]


def test_a_trial_does_not_roll_over_into_the_paid_period() -> None:
    begun = step("activated", "a", "2026-03-10", "2026-03-10", "2026-04-10", plan=PRO, number=1, is_trial=True)
    renewed = step("renewed", "a", "2026-04-10", "2026-04-10", "2026-05-10", plan=PRO, number=2)
    known = Subscription(CUSTOMER).learn(begun.facts).learn(renewed.facts)
    assert shown(before(known, utc("2026-04-20"))) == [("pro", "03-10", False)]


def test_a_period_that_another_order_took_over_while_it_ran_is_no_period_of_its_own() -> None:
    changed = paid(("a", "2026-03-10", "2026-04-10", STARTER), ("b", "2026-03-25", "2026-04-25", PRO))
    assert before(changed, utc("2026-03-28")) == ()
    # One that ended just when the other began is.
    followed = paid(("a", "2026-03-10", "2026-04-10", STARTER), ("b", "2026-04-10", "2026-05-10", PRO))
    assert shown(before(followed, utc("2026-04-20"))) == [("starter", "03-10", False)]


def test_before_the_first_order_the_default_plan_had_its_windows_and_nothing_of_them_rolls_over() -> None:
    known = paid(("a", "2026-05-10", "2026-06-10", PRO))
    expected: list[tuple[Cadence, str, int]] = [
        ("month", "2026-01-10", 4),
        ("billing", "2026-01-10", 4),
        ("day", "2026-02-09", 90),
    ]
    for cadence, first, windows in expected:
        default = replace(FREE, cadence=cadence, rollover_maximum=Decimal(10))
        (run,) = before(known, utc("2026-05-20"), default)
        assert (run.policy, run.term.order_id, run.term.start, run.windows) == (default, None, utc(first), windows)
        assert (run.bounds.start, run.bounds.end, run.until, run.is_renewed) == (
            utc(first),
            utc("2026-05-10"),
            utc("2026-05-10"),
            False,
        )
    assert before(known, utc("2026-05-20")) == ()


def ending(subscription: Subscription, order_id: str, at: str) -> Subscription:
    """The same, with the end of an order."""
    order = subscription.order(order_id)
    assert order is not None
    return subscription.learn(replace(order, ended_at=utc(at)))


def test_no_period_is_older_than_usage_may_be_told() -> None:
    known = paid(("a", "2026-02-08", "2026-03-10", PRO), ("b", "2026-03-10", "2026-07-10", PRO))
    told_after_max = timedelta(days=90)
    assert before(known, utc("2026-03-10") + told_after_max, FREE) == ()
    assert shown(before(known, utc("2026-03-10") + told_after_max - timedelta.resolution, FREE)) == [
        ("pro", "02-08", False)
    ]
    first = paid(("b", "2026-03-10", "2026-07-10", PRO))
    assert before(first, utc("2026-03-10") + told_after_max, FREE) == ()
    recent = paid(("a", "2026-03-10", "2026-04-10", PRO), ("b", "2026-04-10", "2026-07-10", PRO))
    assert shown(before(recent, utc("2026-03-10") + told_after_max, FREE)) == [("pro", "03-10", False)]


def test_a_period_leads_up_to_one_that_begins_within_a_day_of_its_end() -> None:
    for start, is_before in (("2026-04-11T00:00:00", True), ("2026-04-11T00:00:01", False)):
        known = paid(("a", "2026-03-10", "2026-04-10", PRO), ("b", start, "2026-05-10", PRO))
        assert bool(before(known, utc("2026-04-20"))) is is_before


def test_of_two_periods_at_once_it_is_the_one_of_the_better_plan() -> None:
    for plans in ((STARTER, PRO), (PRO, STARTER)):
        twice = [(name, "2026-03-10", "2026-04-10", plan) for name, plan in zip("ab", plans, strict=True)]
        known = paid(*twice, ("c", "2026-04-10", "2026-05-10", PRO))
        assert shown(before(known, utc("2026-04-20"))) == [("pro", "03-10", False)]


def test_an_add_on_leads_up_to_nothing() -> None:
    boost = WITH_ADD_ONS.plans["boost"]
    known = paid(("x", "2026-03-10", "2026-04-10", boost), ("a", "2026-04-10", "2026-05-10", PRO))
    assert before(known, utc("2026-04-20")) == ()


WHOLE = replace(PRO, quota_change="reset")


def test_an_order_that_ended_as_it_began_had_no_period() -> None:
    known = paid(("a", "2026-03-10", "2026-04-10", STARTER), ("b", "2026-03-10T12:00:00", "2026-04-10", WHOLE))
    assert shown(before(ending(known, "a", "2026-03-10T00:00:01"), utc("2026-03-20"))) == [("starter", "03-10", False)]
    assert before(ending(known, "a", "2026-03-10"), utc("2026-03-20")) == ()


def test_a_year_that_ended_with_one_of_its_months_leaves_that_month_as_the_last() -> None:
    monthly = replace(PRO, allowances={"tokens": replace(PRO.allowances["tokens"], cadence="month")})
    known = paid(("a", "2026-01-10", "2027-01-10", monthly), ("b", "2026-03-10", "2026-04-10", WHOLE))
    (run,) = before(ending(known, "a", "2026-03-10"), utc("2026-03-20"))
    assert (run.windows, run.bounds.end) == (2, utc("2026-03-10"))


def test_of_two_periods_at_once_it_is_the_one_whose_plan_grants_the_meter() -> None:
    agent = replace(WITH_ADD_ONS.plans["agent"], rank=PRO.rank + 1)
    twice = [(name, "2026-03-10", "2026-04-10", plan) for name, plan in (("a", PRO), ("b", agent))]
    known = paid(*twice, ("c", "2026-04-10", "2026-05-10", PRO))
    assert "tokens" not in agent.allowances
    assert shown(before(known, utc("2026-04-20"))) == [("pro", "03-10", False)]


def test_a_paid_period_before_is_its_order_s_and_grants_what_its_money_keeps() -> None:
    known = paid(("a", "2026-03-10", "2026-04-10", PRO), ("b", "2026-04-10", "2026-05-10", PRO))
    known = known.learn(refunded("a", "PAY_1", "2026-03-12", "2026-03-10", "0.25").facts)
    (run,) = before(known, utc("2026-04-20"))
    assert run.term == Term("a", utc("2026-03-10"), utc("2026-04-10"), utc("2026-04-10"))
    assert run.policy.allowance == PRO.allowances["tokens"].quantity * Decimal("0.75")
