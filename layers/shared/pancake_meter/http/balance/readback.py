"""Reading back: usage by period and day, and the ledger, on the wire."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Final, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from pancake_meter.domain.balance.balance import ZERO, Balance
from pancake_meter.domain.balance.closed_period import Chart, ClosedPeriod
from pancake_meter.domain.balance.ledger import LedgerEntry, MovementKind
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.instant import timestamp
from pancake_meter.domain.usage.made_of import MadeOf
from pancake_meter.http.balance.made_of import MadeOfBody, made_of_body
from pancake_meter.http.cursors import PageQuery, Pages
from pancake_meter.http.fields import COUNT, Day, MeterName, Timestamp, Units, WireModel
from pancake_meter.usecases.reports.usage_made_of import DatedChart, dated_charts

LEDGER_PAGE_MAX: Final = 100
PERIODS_MAX: Final = 24


class PeriodUsage(TypedDict):
    """Usage of one period; ``days`` is by day, an ISO date (``2026-03-10``, UTC).

    ``made_of``, where it is asked for, says which models and sources the usage was made of, as far as that is known.
    """

    start: Timestamp
    end: Timestamp
    open: bool
    used: Units
    overage: Units
    days: dict[Day, Units]
    made_of: NotRequired[MadeOfBody]


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


def usage_body(
    balance: Balance,
    charts: Sequence[Chart],
    closed: Sequence[ClosedPeriod],
    made_of: Sequence[Mapping[date, MadeOf]] | None = None,
) -> UsageReport:
    """Return usage of the open period and of closed ones, newest first, each by day (UTC).

    ``made_of`` is what the open chart and the others were made of, where it is asked for.
    """
    dated = dated_charts(balance, charts)
    used = sum(balance.days.values(), ZERO)
    opened = _period_usage(balance.chart, used, balance.current_overage, dated[0], is_open=True)
    shown = (
        _period_usage(chart.span, chart.used, chart.overage, days, is_open=False)
        for chart, days in zip(charts, dated[1:], strict=True)
    )
    periods = [opened, *shown]
    for period, days, parts in zip(periods, dated, made_of or (), strict=made_of is not None):
        period["made_of"] = made_of_body(_used(days), parts)
    return {
        "customer_id": balance.customer_id,
        "meter": balance.meter,
        "periods": periods,
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
    """Query of ``GET .../usage``: the meter, and how many closed periods to show.

    ``made_of=true`` asks for the models and sources of the usage too.
    """

    meter: MeterName
    periods: Annotated[int, Field(ge=0, le=PERIODS_MAX), COUNT] = PERIODS_MAX
    made_of: Literal["true", "false"] = "false"


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


def _period_usage(period: Period, used: Decimal, overage: Decimal, chart: DatedChart, *, is_open: bool) -> PeriodUsage:
    return {
        "start": timestamp(period.start),
        "end": timestamp(period.end),
        "open": is_open,
        "used": used,
        "overage": overage,
        "days": {day.isoformat(): units for day, units in _used(chart).items()},
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


def _used(chart: DatedChart) -> dict[date, Decimal]:
    """Return the days on which something was used, oldest first: those of two years are not in the order of their keys."""
    return {day: units for day, units in sorted(chart.days.items()) if units != ZERO}
