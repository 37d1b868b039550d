"""Issue 11, point 3: a line's prices are fixed when its units become due, in one place, and no later price changes them."""

import ast
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pancake_meter.usecases
from pancake_meter.domain.balance.adjust import pay_overage
from pancake_meter.domain.balance.advance import advance, open_balance, start_term
from pancake_meter.domain.balance.balance import Balance, Policy, Term
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.spend import record_usage
from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.selling.overage import LineKey, OverageLine, SoldLine
from pancake_meter.domain.selling.plan import OverageAllowed
from pancake_meter.domain.selling.pricing import PerUnit, Price
from tests.support.webhook_world import utc

START = utc("2026-03-10T15:20:00")
DAY = timedelta(days=1)
CHEAP: dict[str, Price] = {"USD": PerUnit(Decimal("0.01"))}
DEAR: dict[str, Price] = {"USD": PerUnit(Decimal("0.05"))}


def policy(prices: dict[str, Price], plan: str = "pro") -> Policy:
    return Policy(plan, Decimal(10), "day", OverageAllowed(), prices=prices)


def over(prices: dict[str, Price], units: int = 5) -> Balance:
    opened = open_balance("acct_1001", "tokens", policy(prices), Term(None, START), START).after
    return record_usage(opened, Decimal(10 + units), START)


def test_a_period_that_closes_by_time_has_the_prices_of_its_plan() -> None:
    change = advance(over(CHEAP), START + DAY, policy(DEAR, "free"))
    assert [(line.closed, line.prices) for line in change.lines.values()] == [(Decimal(5), CHEAP)]


def test_a_period_that_a_renewal_at_another_price_closes_has_the_prices_before_it() -> None:
    renewed = start_term(Change.begin(over(CHEAP)), policy(DEAR), Term(None, START + DAY), START + DAY)
    assert [line.prices for line in renewed.lines.values()] == [CHEAP]

    # And the next one has the new ones
    used = record_usage(renewed.after, Decimal(12), START + DAY)
    later = advance(used, START + 2 * DAY, policy(DEAR))
    assert [line.prices for line in later.lines.values()] == [DEAR]


def test_units_that_become_due_because_they_are_paid_have_the_prices_of_the_plan() -> None:
    balance = over(CHEAP)
    sold = SoldLine(balance.line, Decimal(0), Decimal(5), Money(Decimal("0.05"), "USD"), Decimal("0.05"))
    change, _ = pay_overage(Change.begin(balance), [sold], {})
    assert [line.prices for line in change.lines.values()] == [CHEAP]


def test_the_first_prices_of_a_line_stay() -> None:
    line = OverageLine(LineKey(START, "pro"), START, Decimal(1), prices=CHEAP)
    assert line.plus(OverageLine(line.key, START, Decimal(1), prices=DEAR)).prices == CHEAP


def test_every_use_case_that_changes_a_stored_balance_gets_its_prices_from_metering() -> None:
    """``Metering.advanced`` puts the prices on; ``record_late`` fixes those of the closed period's own plan."""
    sources = {path.name: path.read_text() for path in Path(*pancake_meter.usecases.__path__).rglob("*.py")}
    advancing = {
        name
        for name, source in sources.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and any(each.name == "advance" for each in node.names)
    }
    assert advancing == {"metering.py"}
    assert {name for name, source in sources.items() if "Change.begin(" in source} == {"record_late.py"}
