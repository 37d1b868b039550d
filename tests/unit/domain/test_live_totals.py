"""Issue 14, point 5: what an item adds to the live totals follows from the item alone, and a newer state replaces it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.domain.balance.balance import ZERO, Balance, Policy, Term
from pancake_meter.domain.balance.closed_period import Chart
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.reports.live_totals import (
    Cell,
    Share,
    activity_cells,
    share_of_balance,
    share_of_chart,
    shares_of_orders,
)
from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.lifecycle import Bound, StatedPeriod
from pancake_meter.domain.standing.order import OrderFacts, Status
from pancake_meter.domain.standing.paid_period import Charged, PaidPeriod, Sale
from pancake_meter.domain.standing.subscription import Subscription
from tests.support.webhook_world import utc

START, END = utc("2026-03-01T00:00:00"), utc("2026-04-01T00:00:00")
BALANCE = Balance(
    "ada",
    "tokens",
    Policy("pro", allowance=Decimal(10)),
    Term("ORD_1", START, END, END + timedelta(days=20)),
    Period(START, END),
    START,
    segment=4,
    used=Decimal(12),
    days={"0302": Decimal(5), "0405": Decimal(7), "0306": Decimal(0)},
)


def test_a_balance_adds_its_open_period_its_days_and_their_months() -> None:
    share = share_of_balance(BALANCE)
    assert share.version == (Decimal(4), Decimal(12))
    assert share.cells == {
        Cell("OPEN#tokens", "pro", "used"): 12,
        Cell("OPEN#tokens", "pro", "overage"): 12,
        Cell("OPEN#tokens", "pro", "customers"): 1,
        Cell("DAYS#tokens#2026-03", "pro", "02"): 5,
        # Used while the renewal was awaited: a day after the period's end, of this year.
        Cell("DAYS#tokens#2026-04", "pro", "05"): 7,
        Cell("OPENMONTHS#tokens", "2026-03", "used"): 5,
        Cell("OPENMONTHS#tokens", "2026-04", "used"): 7,
    }
    assert {f"{day}" for day, _ in share.used_on} == {"2026-03-02", "2026-04-05"}


def test_a_balance_of_which_nothing_was_used_adds_nothing() -> None:
    assert share_of_balance(replace(BALANCE, used=Decimal(0), days={})).cells == {}


def test_a_chart_adds_its_days_under_the_plan_that_governed() -> None:
    chart = Chart(Period(START, END), END, 5, days={"0302": Decimal(5)}, plan="pro")
    assert share_of_chart("tokens", chart) == Share(
        (Decimal(5),), {Cell("DAYS#tokens#2026-03", "pro", "02"): Decimal(5)}
    )


@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(-5, 5), max_size=3), min_size=1, max_size=6),
    st.randoms(),
)
def test_shares_told_in_any_order_and_repeated_come_to_the_newest(states: list[dict[str, int]], chance: object) -> None:
    shares = [
        Share((Decimal(n),), {Cell("r", name, "f"): Decimal(units) for name, units in state.items() if units})
        for n, state in enumerate(states)
    ]
    told = [*shares, *shares]
    chance.shuffle(told)  # type: ignore[attr-defined]
    totals: dict[Cell, Decimal] = {}
    known: Share | None = None
    for share in told:
        if known is None or share.version > known.version:
            for cell, more in share.beyond(known).items():
                totals[cell] = totals.get(cell, Decimal(0)) + more
            known = share
    assert {cell: total for cell, total in totals.items() if total} == shares[-1].cells


def test_a_customer_is_active_once_a_day_and_once_a_month_however_many_meters() -> None:
    day = START.date()
    first = activity_cells({(day, "tokens")}, ())
    assert set(first) == {Cell("ACTIVE#2026-03", row, figure) for row in ("*", "tokens") for figure in ("01", "month")}
    assert set(activity_cells({(day, "requests")}, {(day, "tokens")})) == {
        Cell("ACTIVE#2026-03", "requests", "01"),
        Cell("ACTIVE#2026-03", "requests", "month"),
    }
    assert activity_cells({(day, "tokens")}, {(day, "tokens")}) == {}


@pytest.mark.parametrize(
    ("stated", "charges", "amount", "by_charge"),
    [
        ("29.00", {"P1": ("19.00", "19.00")}, "29.00", 0),
        (None, {"P1": ("29.00", "29.00")}, "29.00", 1),
        # The latest charge that says a price, whatever came in.
        (None, {"P1": ("29.00", "29.00"), "P2": ("5.00", "39.00")}, "39.00", 1),
        (None, {"P1": ("29.00", "29.00"), "P2": ("5.00", None)}, "29.00", 1),
        # A card check is no charge.
        (None, {"P1": ("0.00", "29.00")}, None, 0),
        (None, {}, None, 0),
    ],
)
def test_where_no_event_states_the_price_of_a_subscription_its_latest_charge_does(
    stated: str | None, charges: dict[str, tuple[str, str | None]], amount: str | None, by_charge: int
) -> None:
    sale = Sale(Plan("pro", "Pro", 1, {}), START, price=Decimal(stated) if stated else None)
    order = OrderFacts(
        "ORD_1",
        (START, START),
        periods=(PaidPeriod.of(StatedPeriod(Bound(START), Bound(END), 1), sale),),
        status=Status("active", (START, 1), START),
        charges={
            name: Charged(
                Decimal(charged), ZERO, START + timedelta(hours=n), 1, "pro", Decimal(price) if price else None
            )
            for n, (name, (charged, price)) in enumerate(charges.items())
        },
        billing_period="monthly",
        currency="USD",
    )
    cells = shares_of_orders(Subscription("ada", (order,)))["ORD_1"].cells
    recurring = {(cell.row, cell.figure): value for cell, value in cells.items() if cell.report == "RECURRING"}
    row = f"{'USD' if amount else '-'}#monthly#pro"
    expected = {(row, "count"): 1, (row, "amount"): Decimal(amount or 0), (row, "by_charge"): by_charge}
    assert recurring == {cell: value for cell, value in expected.items() if value}
