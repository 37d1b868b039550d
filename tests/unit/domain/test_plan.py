"""Plans: what holds where the seller says nothing."""

from datetime import timedelta
from decimal import Decimal

import pytest

from pancake_meter.domain.selling.plan import MeterAllowance, OverageBlocked, PastDueKeep, Plan


def test_an_allowance_is_a_hard_limit_unless_it_says_otherwise() -> None:
    # Given
    allowance = MeterAllowance("tokens", Decimal(1000))

    # When / Then
    assert allowance.overage == OverageBlocked()
    assert allowance.cadence == "billing"
    assert allowance.rollover_maximum == 0
    assert allowance.alert_thresholds == (Decimal("0.8"), Decimal(1))
    assert not allowance.prices


def test_scenario_29_past_due_keeps_access_unless_the_plan_says_otherwise() -> None:
    # Given
    plan = Plan("pro", "Pro", rank=1, allowances={})

    # When / Then
    assert plan.past_due == PastDueKeep()
    assert plan.renewal_leeway == timedelta(days=1)


def test_a_plan_does_not_change() -> None:
    # Given
    plan = Plan("pro", "Pro", rank=1, allowances={})

    # When / Then
    with pytest.raises(AttributeError):
        plan.rank = 2  # type: ignore[misc]
