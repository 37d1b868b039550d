"""Reading back: usage by period and day, and the ledger, on the wire."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final

from pydantic import Field
from typing_extensions import TypedDict

from pancake_meter.domain.balance.balance import ZERO, Balance, day_of
from pancake_meter.domain.balance.closed_period import Chart, ClosedPeriod
from pancake_meter.domain.balance.ledger import LedgerEntry, MovementKind
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.instant import timestamp
from pancake_meter.http.cursors import PageQuery, Pages
from pancake_meter.http.fields import COUNT, Day, MeterName, Timestamp, Units, WireModel

LEDGER_PAGE_MAX: Final = 100
PERIODS_MAX: Final = 24


class PeriodUsage(TypedDict):
    """Usage of one period; ``days`` is by day, an ISO date (``2026-03-10``, UTC)."""

    start: Timestamp
    end: Timestamp
    open: bool
    used: Units
    overage: Units
    days: dict[Day, Units]


class ClosedPeriodBody(TypedDict):
    """What a closed period came to.

    Of the units that the plan gave in it and of those that ``rolled`` over into it, ``gone`` were used, ``passed`` rolled
    over into the next period, and ``left`` expired. ``allowance`` is what the plan grants for one period. ``overage`` units
    became due. ``windows`` is more than 1 where several periods in a row passed without any usage: the figures, except the
    allowance, are those of all of them together. ``order_id`` is null where no order paid for the period.
    """

    start: Timestamp
    end: Timestamp
    windows: int
    closed_at: Timestamp
    order_id: str | None
    plan: str | None
    allowance: Units
    rolled: Units
    gone: Units
    passed: Units
    left: Units
    overage: Units


class UsageReport(TypedDict):
    """Usage of one meter: the open period first, then closed ones in which something was used, newest first.

    A period of more than a month and a half comes month by month. ``closed`` has every closed period, newest first, also
    those in which nothing was used, and says what its plan's units came to.
    """

    customer_id: str
    meter: str
    periods: list[PeriodUsage]
    closed: list[ClosedPeriodBody]


class MovementBody(TypedDict):
    """Units that moved; ``reference`` names the grant or the hold, where one is concerned."""

    kind: MovementKind
    quantity: Units
    reference: str | None


class EntryBody(TypedDict):
    """One ledger entry; ``available`` and ``overage`` are what it left.

    ``by`` names the API key with which an operator made the change, and is null for every other cause. A customer token is
    shown neither it nor what the seller has named: references of gifts and of forgiven overage are null.
    """

    segment: int
    at: Timestamp
    cause: str
    reference: str | None
    by: str | None
    movements: list[MovementBody]
    available: Units
    overage: Units


class LedgerPage(TypedDict):
    """A page of the ledger, newest first; ``next_cursor`` goes on from it, and is null at the end."""

    entries: list[EntryBody]
    next_cursor: str | None


def usage_body(balance: Balance, charts: Sequence[Chart], closed: Sequence[ClosedPeriod]) -> UsageReport:
    """Return usage of the open period and of closed ones, newest first, each by day (UTC)."""
    days = _dated(balance.days, balance.chart_closes_at)
    used = sum(balance.days.values(), ZERO)
    opened = _period_usage(balance.chart, used, balance.current_overage, days, is_open=True)
    shown = (
        _period_usage(chart.span, chart.used, chart.overage, _dated(chart.days, chart.closed_at), is_open=False)
        for chart in charts
    )
    return {
        "customer_id": balance.customer_id,
        "meter": balance.meter,
        "periods": [opened, *shown],
        "closed": [_closed_period(period) for period in closed],
    }


def ledger_body(
    entries: Sequence[LedgerEntry], limit: int, pages: Pages, *, is_for_customer: bool = False
) -> LedgerPage:
    """Return a page of the ledger, newest first; ``next_cursor`` goes on from it, and is null at the end.

    ``is_for_customer`` leaves out what is between the seller and its operators.
    """
    is_last = len(entries) < limit or entries[-1].segment == 1
    return {
        "entries": [_entry(entry.for_customer if is_for_customer else entry) for entry in entries],
        "next_cursor": pages.cursor(None if is_last else (str(entries[-1].segment),)),
    }


class UsageQuery(WireModel):
    """Query of ``GET .../usage``: the meter, and how many closed periods to show."""

    meter: MeterName
    periods: Annotated[int, Field(ge=0, le=PERIODS_MAX), COUNT] = PERIODS_MAX


class LedgerQuery(PageQuery):
    """Query of ``GET .../ledger``: the meter, the page's size, and the cursor that the page before answered."""

    meter: MeterName
    limit: Annotated[int, Field(ge=1, le=LEDGER_PAGE_MAX), COUNT] = LEDGER_PAGE_MAX


def _entry(entry: LedgerEntry) -> EntryBody:
    return {
        "segment": entry.segment,
        "at": timestamp(entry.at),
        "cause": entry.cause,
        "reference": entry.reference,
        "by": entry.by,
        "movements": [
            {"kind": movement.kind, "quantity": movement.quantity, "reference": movement.reference}
            for movement in entry.movements
        ],
        "available": entry.available,
        "overage": entry.overage,
    }


def _period_usage(
    period: Period, used: Decimal, overage: Decimal, days: dict[str, Decimal], *, is_open: bool
) -> PeriodUsage:
    return {
        "start": timestamp(period.start),
        "end": timestamp(period.end),
        "open": is_open,
        "used": used,
        "overage": overage,
        "days": days,
    }


def _closed_period(closed: ClosedPeriod) -> ClosedPeriodBody:
    return {
        "start": timestamp(closed.period.start),
        "end": timestamp(closed.period.end),
        "windows": closed.windows,
        "closed_at": timestamp(closed.closed_at),
        "order_id": closed.order_id,
        "plan": closed.plan,
        "allowance": closed.allowance,
        "rolled": closed.rolled,
        "gone": closed.gone,
        "passed": closed.passed,
        "left": closed.left,
        "overage": closed.overage,
    }


def _dated(days: Mapping[str, Decimal], chart_end: datetime) -> dict[str, Decimal]:
    """Return a chart by date, oldest first. A chart with days of two years is not in the order of its keys."""
    dated = {day_of(day, chart_end).isoformat(): quantity for day, quantity in days.items() if quantity != ZERO}
    return dict(sorted(dated.items()))
