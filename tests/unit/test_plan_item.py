"""A plan as kept with a subscription reads back as it was sold."""

from decimal import Decimal
from pathlib import Path

import pytest

from pancake_meter.catalog import load_catalog
from pancake_meter.domain.selling.plan import Plan
from pancake_meter.store.selling.plan_item import plan_from_item, plan_item
from pancake_meter.value import replace

PRO = load_catalog(Path(__file__).parents[2] / "layers" / "catalog" / "catalog.toml").plans["pro"]


@pytest.mark.parametrize(
    "plan",
    [PRO, replace(PRO, add_on=True), replace(PRO, trial=Decimal("0.25")), replace(PRO, add_on=True, trial=Decimal(0))],
)
def test_issue_11_points_7_and_8_a_plan_is_kept_with_its_kind_and_its_trial(plan: Plan) -> None:
    # When / Then
    assert plan_from_item(plan_item(plan)) == plan


def test_a_plan_that_earlier_code_kept_is_no_add_on_and_knows_of_no_trial() -> None:
    # Given
    item = plan_item(PRO)
    assert {"add_on", "trial"}.isdisjoint(item)

    # When
    plan = plan_from_item(item)

    # Then
    assert (plan.add_on, plan.trial) == (False, None)
