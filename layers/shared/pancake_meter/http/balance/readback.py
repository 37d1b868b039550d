"""Reading back: usage by period and day, and the ledger, on the wire."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final

from pydantic import Field, StringConstraints
from typing_extensions import TypedDict

from pancake_meter.domain.balance.balance import ZERO, Balance, day_of
from pancake_meter.domain.balance.ledger import LedgerEntry, MovementKind, PeriodSummary
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.instant import timestamp
from pancake_meter.http.fields import MeterName, WireModel

LEDGER_PAGE_MAX: Final = 100
PERIODS_MAX: Final = 24


class PeriodUsage(TypedDict):
    """Usage of one period; ``days`` is by day, an ISO date (``2026-03-10``, UTC)."""

    start: str
    end: str
    open: bool
    used: Decimal
    overage: Decimal
    days: dict[str, Decimal]


class UsageReport(TypedDict):
    """Usage of one meter: the open period first, then closed ones in which something was used, newest first.

    A period of more than a month and a half comes month by month.
    """

    customer_id: str
    meter: str
    periods: list[PeriodUsage]


class MovementBody(TypedDict):
    """Units that moved; ``reference`` names the grant or the hold, where one is concerned."""

    kind: MovementKind
    quantity: Decimal
    reference: str | None


class EntryBody(TypedDict):
    """One ledger entry; ``available`` and ``overage`` are what it left."""

    segment: int
    at: str
    cause: str
    reference: str | None
    movements: list[MovementBody]
    available: Decimal
    overage: Decimal


class LedgerPage(TypedDict):
    """A page of the ledger, newest first; ``next_cursor`` goes on from it, and is null at the end."""

    entries: list[EntryBody]
    next_cursor: str | None


def usage_body(balance: Balance, closed: Sequence[PeriodSummary]) -> UsageReport:
    """Return usage of the open period and of closed ones, newest first, each by day (UTC)."""
    days = _dated(balance.days, balance.chart.end)
    used = sum(balance.days.values(), ZERO)
    opened = _period_usage(balance.chart, used, balance.current_overage, days, is_open=True)
    return {
        "customer_id": balance.customer_id,
        "meter": balance.meter,
        "periods": [
            opened,
            *(
                _period_usage(
                    summary.chart, summary.used, summary.overage, _dated(summary.days, summary.closed_at), is_open=False
                )
                for summary in closed
            ),
        ],
    }


def latest(written: Sequence[PeriodSummary], closing: Sequence[PeriodSummary], limit: int) -> Sequence[PeriodSummary]:
    """Return the latest closed periods, newest first: those ``written``, and those ``closing`` that are not written yet."""
    every = {(each.period.start, each.chart.start): each for each in (*closing, *written)}
    return [every[key] for key in sorted(every, reverse=True)[:limit]]


def ledger_body(entries: Sequence[LedgerEntry], limit: int) -> LedgerPage:
    """Return a page of the ledger, newest first; ``next_cursor`` goes on from it, and is null at the end."""
    is_last = len(entries) < limit or entries[-1].segment == 1
    return {
        "entries": [_entry(entry) for entry in entries],
        "next_cursor": None if is_last else f"s{entries[-1].segment}",
    }


class UsageQuery(WireModel):
    """Query of ``GET .../usage``: the meter, and how many closed periods to show."""

    meter: MeterName
    periods: Annotated[int, Field(ge=0, le=PERIODS_MAX)] = PERIODS_MAX


class LedgerQuery(WireModel):
    """Query of ``GET .../ledger``: the meter, the page's size, and the cursor that the page before answered."""

    meter: MeterName
    limit: Annotated[int, Field(ge=1, le=LEDGER_PAGE_MAX)] = LEDGER_PAGE_MAX
    cursor: Annotated[str, StringConstraints(pattern=r"^s[0-9]{1,10}$")] | None = None

    @property
    def before_segment(self) -> int | None:
        """The segment before which the page starts."""
        return int(self.cursor[1:]) if self.cursor is not None else None


def _entry(entry: LedgerEntry) -> EntryBody:
    return {
        "segment": entry.segment,
        "at": timestamp(entry.at),
        "cause": entry.cause,
        "reference": entry.reference,
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


def _dated(days: Mapping[str, Decimal], chart_end: datetime) -> dict[str, Decimal]:
    """Return a chart by date, oldest first. A chart with days of two years is not in the order of its keys."""
    dated = {day_of(day, chart_end).isoformat(): quantity for day, quantity in days.items() if quantity != ZERO}
    return dict(sorted(dated.items()))
