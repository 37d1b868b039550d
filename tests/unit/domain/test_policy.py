"""What a plan allows on one meter."""

from decimal import Decimal

from pancake_meter.domain.balance.balance import Policy
from pancake_meter.domain.selling.plan import OverageCapped
from pancake_meter.value import replace
from tests.support.pure_subscription import PLANS


def test_a_policy_is_all_that_the_plan_says_of_the_meter() -> None:
    pro = replace(PLANS["pro"], holds_per_minute=7)
    tokens = replace(pro.allowances["tokens"], rollover_maximum=Decimal(5), alert_thresholds=(Decimal("0.8"),))
    plan = replace(pro, allowances={"tokens": tokens})
    assert Policy.of(plan, "tokens") == Policy(
        plan="pro",
        allowance=tokens.quantity,
        cadence=tokens.cadence,
        overage=tokens.overage,
        rollover_maximum=Decimal(5),
        alert_thresholds=(Decimal("0.8"),),
        holds_per_minute=7,
        prices=tokens.prices,
    )
    assert Policy.of(plan, "tokens").prices == tokens.prices != {}
    assert isinstance(tokens.overage, OverageCapped)


def test_a_plan_that_is_silent_on_a_meter_allows_nothing_and_without_a_plan_nothing_is_allowed() -> None:
    assert Policy.of(replace(PLANS["pro"], holds_per_minute=7), "agent_runs") == Policy("pro", holds_per_minute=7)
    assert Policy.of(None, "tokens") == Policy(None)
