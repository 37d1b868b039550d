"""A month in which more was sold than one page holds: a report has all of it, or says that it has not."""

from decimal import Decimal

import pytest

from pancake_meter.domain.errors import ReportTooLarge
from pancake_meter.domain.reports.revenue import RevenueFact
from pancake_meter.store.reports import revenue
from pancake_meter.store.reports.revenue import read_sold, revenue_writes
from tests.support.webhook_world import CUSTOMER, World

MONTH = "2026-03"
PLANS = 23


def sell_many_plans(world: World) -> None:
    """One payment of a dollar for each of many plans."""
    for number in range(PLANS):
        fact = RevenueFact(
            kind="payment",
            id=f"PAY_{number}",
            payment_id=f"PAY_{number}",
            order_id=f"ORD_{number}",
            customer_id=CUSTOMER,
            sold="subscription",
            plan=f"plan-{number}",
            currency="USD",
            amount=Decimal(1),
            tax=Decimal(0),
            at=world.now,
        )
        world.table.transact(revenue_writes([fact]))


def test_no_money_is_missing_where_a_page_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: pages that end within the totals, and one that ends with them
    sell_many_plans(world)
    for page in (1, 5, PLANS):
        monkeypatch.setattr(revenue, "_TOTALS_PAGE", page)
        # When
        sold = read_sold(world.table, MONTH)
        # Then
        assert {row.plan for row in sold} == {f"plan-{number}" for number in range(PLANS)}
        assert sum(row.total.received for row in sold) == PLANS


def test_a_report_that_cannot_have_all_the_money_is_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    sell_many_plans(world)
    monkeypatch.setattr(revenue, "_TOTALS_PAGE", 5)
    monkeypatch.setattr(revenue, "_TOTALS_PAGES_MAX", 4)
    # Then
    with pytest.raises(ReportTooLarge):
        read_sold(world.table, MONTH)
