"""Live totals: what each stored item adds to the figures of all customers together.

A *source* is one item: a balance, a chart that was put away, or an order. Its *share* follows from the item alone. So the
totals are exact however often, in whatever portions and in whatever order the changes of items become known: a share
replaces the one before it, and an older share never replaces a newer one. What replaces what is known from the item itself
(``Share.version``), not from the place in the stream that told of it.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from pancake_meter.domain.balance.balance import ZERO, Balance, dated_days
from pancake_meter.domain.balance.closed_period import Chart
from pancake_meter.domain.instant import month_of
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.value import Value, field

ALL_METERS: Final = "*"
WHOLE_MONTH: Final = "month"
_DAYS: Final = "DAYS"
NO_CURRENCY: Final = "-"
"""Stands where an order's price or currency is not known: stored before it was kept, or never stated."""

State = Literal["active", "trialing", "past_due", "canceling"]
STATES: Final[tuple[State, ...]] = ("active", "trialing", "past_due", "canceling")
"""How a subscription that stands stands. One that is on trial and past due is past due."""


class Cell(NamedTuple):
    """One figure of the totals: a report, a row of it, and the name of the figure in the row."""

    report: str
    row: str
    figure: str


Cells = Mapping[Cell, Decimal]


class Source(Value):
    """An item that adds to totals: of a customer, by the sort key of the item, of an order by ``ORDER#`` and its id."""

    customer_id: str
    name: str


class Share(Value):
    """What a source adds. Of two shares of one source the one of the higher ``version`` is newer."""

    version: tuple[Decimal, ...]
    cells: Cells = field(default_factory=dict)

    @property
    def used_on(self) -> frozenset[tuple[date, str]]:
        """Days on which the source says that a meter was used. Of a customer they only become more."""
        days = ((cell, cell.report.split("#")) for cell, used in self.cells.items() if used > ZERO)
        return frozenset(
            (date.fromisoformat(f"{parts[2]}-{cell.figure}"), parts[1]) for cell, parts in days if parts[0] == _DAYS
        )

    def beyond(self, before: "Share | None") -> dict[Cell, Decimal]:
        """Return what has to be added to the totals, which have ``before``."""
        known = before.cells if before is not None else {}
        cells = known.keys() | self.cells.keys()
        differences = {cell: self.cells.get(cell, ZERO) - known.get(cell, ZERO) for cell in sorted(cells)}
        return {cell: difference for cell, difference in differences.items() if difference}


def share_of_balance(balance: Balance) -> Share:
    """Return what a balance adds: its open period, and the days of its open chart.

    Every structure change opens a segment, and inside a segment usage only grows: so the two order all states of a balance.
    """
    plan, meter = balance.policy.plan or "", balance.meter
    cells = {
        Cell(open_report(meter), plan, "used"): balance.used,
        Cell(open_report(meter), plan, "overage"): balance.current_overage,
        Cell(open_report(meter), plan, "customers"): Decimal(balance.used > ZERO),
    }
    days = _dated(balance.days, balance.chart_closes_at)
    for day, quantity in days.items():
        month = Cell(open_months_report(meter), f"{day:%Y-%m}", "used")
        cells[month] = cells.get(month, ZERO) + quantity
    version = Decimal(balance.segment), balance.used
    return Share(version, _without_nothing(cells | _by_day(meter, plan, days)))


def share_of_chart(meter: str, chart: Chart) -> Share:
    """Return what a chart that was put away adds: its days. Only late usage changes it, which adds to it."""
    days = _dated(chart.days, chart.closed_at)
    return Share((chart.used,), _without_nothing(_by_day(meter, chart.plan or "", days)))


def shares_of_orders(subscription: Subscription) -> dict[str, Share]:
    """Return by order id what a customer's orders add. An order that is no longer remembered keeps what it had added."""
    live = {order.order_id for order in subscription.live_orders}
    superseded = subscription.superseded
    version = (Decimal(subscription.version),)
    return {
        order.order_id: Share(
            version, _order_cells(order, is_live=order.order_id in live, is_superseded=order.order_id in superseded)
        )
        for order in subscription.orders
        if order.paid is not None
    }


def state_of(order: OrderFacts) -> State:
    """Return how a subscription that stands stands."""
    if order.is_past_due:
        return "past_due"
    if order.is_canceling:
        return "canceling"
    return "trialing" if order.paid is not None and order.paid.is_trial else "active"


def activity_cells(days: Iterable[tuple[date, str]], known: Iterable[tuple[date, str]]) -> dict[Cell, Decimal]:
    """Return what a customer's days of use add to the counts of active customers, beyond the ``known`` ones."""
    before, after = _active(known), _active((*known, *days))
    return {cell: Decimal(1) for cell in sorted(after - before)}


def open_report(meter: str) -> str:
    """Name of the report of open periods: a row for each plan."""
    return f"OPEN#{meter}"


def open_months_report(meter: str) -> str:
    """Name of the report of what open periods used in calendar months: a row for each month."""
    return f"OPENMONTHS#{meter}"


def days_report(meter: str, month: str) -> str:
    """Name of the report of usage by day: a row for each plan, a figure for each day (``10``)."""
    return f"{_DAYS}#{meter}#{month}"


def active_report(month: str) -> str:
    """Name of the report of active customers: a row for each meter and one for all, a figure for each day and the month."""
    return f"ACTIVE#{month}"


SUBSCRIPTIONS_REPORT: Final = "SUBSCRIPTIONS"
"""A row for each plan, a figure for each state."""

CHURN_REPORT: Final = "CHURN"
"""A row for each month and plan: what was new, and what was lost."""

RECURRING_REPORT: Final = "RECURRING"
"""A row for each currency, billing period and plan: the sum of the prices of those that pay, how many they are, and of how
many of them the price is known by their charge alone."""


def _order_cells(order: OrderFacts, *, is_live: bool, is_superseded: bool) -> Cells:
    plan = order.paid.plan.key if order.paid is not None else ""
    cells: dict[Cell, Decimal] = {}
    if not order.came_by_change:
        cells[Cell(CHURN_REPORT, f"{month_of(order.began[0])}#{plan}", "new")] = Decimal(1)
    if order.ended_at is not None and not is_superseded:
        cells[Cell(CHURN_REPORT, f"{month_of(order.ended_at)}#{plan}", "lost")] = Decimal(1)
    if is_live:
        state = state_of(order)
        cells[Cell(SUBSCRIPTIONS_REPORT, plan, state)] = Decimal(1)
        if state != "trialing":
            sold = order.paid.list_price if order.paid is not None else None
            price = sold if sold is not None else _price_charged(order)
            currency = order.currency if price is not None else None
            row = f"{currency or NO_CURRENCY}#{order.billing_period or NO_CURRENCY}#{plan}"
            cells |= {
                Cell(RECURRING_REPORT, row, "amount"): price if currency is not None and price is not None else ZERO,
                Cell(RECURRING_REPORT, row, "count"): Decimal(1),
                Cell(RECURRING_REPORT, row, "by_charge"): Decimal(sold is None and currency is not None),
            }
    return _without_nothing(cells)


def _price_charged(order: OrderFacts) -> Decimal | None:
    """Return the list price that the latest charge of the paid period states; ``None`` where none does."""
    charges = order.charges_of(order.paid) if order.paid is not None else []
    priced = [
        (charge.paid_at, charge.price) for charge in charges if charge.price is not None and charge.charged > ZERO
    ]
    return max(priced, key=lambda each: each[0])[1] if priced else None


def _by_day(meter: str, plan: str, days: Mapping[date, Decimal]) -> dict[Cell, Decimal]:
    return {Cell(days_report(meter, f"{day:%Y-%m}"), plan, f"{day:%d}"): used for day, used in days.items()}


def _dated(days: Mapping[str, Decimal], end: datetime) -> dict[date, Decimal]:
    return {day: quantity for day, quantity in dated_days(days, end).items() if quantity}


def _active(days: Iterable[tuple[date, str]]) -> frozenset[Cell]:
    return frozenset(
        Cell(active_report(f"{day:%Y-%m}"), row, figure)
        for day, meter in days
        for row in (ALL_METERS, meter)
        for figure in (f"{day:%d}", WHOLE_MONTH)
    )


def _without_nothing(cells: Cells) -> Cells:
    return {cell: quantity for cell, quantity in cells.items() if quantity}
