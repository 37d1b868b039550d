"""Issue 14, point 5: what an item adds to the live totals follows from the item alone, and a newer state replaces it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.domain.balance.balance import ZERO, Balance, Policy, Term
from pancake_meter.domain.balance.closed_period import Chart
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.reports.live_totals import (
    Cell,
    Cells,
    Share,
    activity_cells,
    share_of_balance,
    share_of_chart,
    shares_of_orders,
    state_of,
)
from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.lifecycle import Bound, StatedPeriod
from pancake_meter.domain.standing.order import OrderFacts, Status
from pancake_meter.domain.standing.paid_period import Charged, PaidPeriod, Sale
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.value import replace
from tests.support.pure_subscription import step
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
    assert set(first.values()) == {1}


def test_usage_without_a_plan_is_in_a_row_of_no_name() -> None:
    silent = replace(BALANCE, policy=Policy(None))
    assert {cell.row for cell in share_of_balance(silent).cells if not cell.report.startswith("OPENMONTHS")} == {""}
    chart = Chart(Period(START, END), END, 5, days={"0302": Decimal(5)})
    assert {cell.row for cell in share_of_chart("tokens", chart).cells} == {""}


def test_a_meter_was_used_on_the_days_of_its_chart_on_which_there_was_usage() -> None:
    days = {"02": Decimal(5), "03": Decimal(0), "04": Decimal(-1)}
    share = Share((Decimal(1),), {Cell("DAYS#tokens#2026-03", "pro", day): used for day, used in days.items()})
    assert share.used_on == {(utc("2026-03-02T00:00:00").date(), "tokens")}


def pro(*kinds: str, order_id: str = "A", **said: Any) -> OrderFacts:
    """An order of the plan pro for March, told of by events; it is sold by the month for US dollars at 29.00."""
    terms = {"billing_period": "monthly", "currency": "USD", "price": Decimal(29), **said}
    order: OrderFacts | None = None
    for hour, kind in enumerate(kinds):
        at = f"2026-03-05T{hour:02d}:00:00"
        facts = step(kind, order_id, at, "2026-03-01", "2026-04-01", "pro", **terms).facts  # type: ignore[arg-type]
        order = order.join(facts) if order else facts
    assert order is not None
    return order


def cells(*orders: OrderFacts) -> Cells:
    """What the last of the orders adds."""
    subscription = Subscription("ada", version=7)
    for each in orders:
        subscription = subscription.learn(each)
    share = shares_of_orders(subscription)[orders[-1].order_id]
    assert share.version == (Decimal(7),)
    return share.cells


def recurring(amount: int, row: str = "USD#monthly#pro", *, by_charge: bool = False) -> dict[Cell, Decimal]:
    figures = {"amount": Decimal(amount), "count": Decimal(1), "by_charge": Decimal(by_charge)}
    return {Cell("RECURRING", row, figure): value for figure, value in figures.items() if value}


NEW = {Cell("CHURN", "2026-03#pro", "new"): Decimal(1)}


def stands(state: str) -> dict[Cell, Decimal]:
    return {Cell("SUBSCRIPTIONS", "pro", state): Decimal(1)}


@pytest.mark.parametrize(
    ("order", "state"),
    [
        (pro("activated"), "active"),
        (pro("activated", is_trial=True), "trialing"),
        (pro("activated", "canceling"), "canceling"),
        (pro("activated", "past_due"), "past_due"),
        (pro("activated", "past_due", is_trial=True), "past_due"),
        (pro("activated", "canceling", is_trial=True), "canceling"),
        (OrderFacts("A", (START, START)), "active"),
    ],
)
def test_a_subscription_stands_in_one_of_four_ways(order: OrderFacts, state: str) -> None:
    assert state_of(order) == state


@pytest.mark.parametrize("kind", ["canceling", "past_due"])
def test_an_order_adds_its_state_its_beginning_and_its_price(kind: str) -> None:
    assert cells(pro("activated")) == {**NEW, **stands("active"), **recurring(29)}
    assert cells(pro("activated", kind)) == {**NEW, **stands(kind), **recurring(29)}


def test_a_trial_pays_nothing_yet() -> None:
    assert cells(pro("activated", is_trial=True)) == {**NEW, **stands("trialing")}


def test_an_order_that_ended_is_lost_in_the_month_of_its_end() -> None:
    ended = replace(pro("activated"), ended_at=utc("2026-05-02T00:00:00"))
    assert cells(ended) == {**NEW, Cell("CHURN", "2026-05#pro", "lost"): Decimal(1)}


def test_a_plan_change_is_neither_a_new_customer_nor_a_lost_one() -> None:
    old = replace(pro("activated"), ended_at=utc("2026-03-05T05:00:00"))
    changed = replace(pro("plan_changed", order_id="B"), replaces=frozenset({"A"}))
    assert cells(old, changed) == {**stands("active"), **recurring(29)}
    assert cells(changed, old) == NEW


def test_an_order_that_is_replaced_before_its_end_is_known_does_not_stand() -> None:
    changed = replace(pro("plan_changed", order_id="B"), replaces=frozenset({"A"}))
    assert cells(changed, pro("activated")) == NEW


def test_an_order_of_which_only_money_is_known_adds_nothing() -> None:
    assert shares_of_orders(Subscription("ada", (OrderFacts("A", (START, START)),))) == {}


def test_a_price_that_no_sale_states_is_that_of_the_latest_charge() -> None:
    def charged(day: int, price: str | None, amount: str = "20") -> Charged:
        return Charged(
            Decimal(amount), Decimal(0), START + timedelta(days=day), price=Decimal(price) if price else None
        )

    silent = pro("activated", price=None)
    told = {"P3": charged(3, "25"), "P1": charged(1, "99"), "P2": charged(2, "24"), "P5": charged(5, None)}
    told["P4"] = charged(4, "77", amount="0")
    assert cells(replace(silent, charges=told)) == {**NEW, **stands("active"), **recurring(25, by_charge=True)}
    # What the sale says holds, whatever the charges say
    assert cells(replace(pro("activated"), charges=told)) == {**NEW, **stands("active"), **recurring(29)}


def test_without_a_price_or_a_currency_or_a_billing_period_an_order_only_counts() -> None:
    assert cells(pro("activated", price=None)) == {**NEW, **stands("active"), **recurring(0, "-#monthly#pro")}
    assert cells(pro("activated", currency=None)) == {**NEW, **stands("active"), **recurring(0, "-#monthly#pro")}
    assert cells(pro("activated", billing_period=None)) == {**NEW, **stands("active"), **recurring(29, "USD#-#pro")}


def test_a_price_of_nothing_is_a_price() -> None:
    assert cells(pro("activated", price=Decimal(0))) == {**NEW, **stands("active"), **recurring(0)}


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
    added = shares_of_orders(Subscription("ada", (order,)))["ORD_1"].cells
    recurring = {(cell.row, cell.figure): value for cell, value in added.items() if cell.report == "RECURRING"}
    row = f"{'USD' if amount else '-'}#monthly#pro"
    expected = {(row, "count"): 1, (row, "amount"): Decimal(amount or 0), (row, "by_charge"): by_charge}
    assert recurring == {cell: value for cell, value in expected.items() if value}


def test_a_new_customer_is_of_the_month_in_which_the_order_began() -> None:
    began = (utc("2026-02-27T00:00:00"), utc("2026-03-05T00:00:00"))
    assert Cell("CHURN", "2026-02#pro", "new") in cells(replace(pro("activated"), began=began))


def test_of_two_charges_at_one_moment_the_one_that_is_told_of_first_says_the_price() -> None:
    told = {
        "P1": Charged(Decimal(20), Decimal(0), START, price=Decimal(24)),
        "P2": Charged(Decimal(20), Decimal(0), START, price=Decimal(25)),
    }
    found = cells(replace(pro("activated", price=None), charges=told))
    assert found == {**NEW, **stands("active"), **recurring(24, by_charge=True)}
