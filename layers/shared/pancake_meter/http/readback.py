"""Reading back: usage by period and day, and the ledger, on the wire."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints

from pancake_meter.domain.balance import ZERO, Balance
from pancake_meter.domain.instant import timestamp
from pancake_meter.domain.ledger import LedgerEntry, PeriodSummary
from pancake_meter.domain.period import Period
from pancake_meter.http.fields import MeterName, WireModel

LEDGER_PAGE_MAX: Final = 100
PERIODS_MAX: Final = 24


def usage_body(balance: Balance, closed: Sequence[PeriodSummary]) -> dict[str, Any]:
    """Return usage of the open period and of closed ones, newest first, each by day (``MMDD``, UTC)."""
    periods = [
        {**_period(balance.period), "open": True, **_usage(balance.used, balance.current_overage, balance.days)},
        *(
            {**_period(summary.period), "open": False, **_usage(summary.used, summary.overage, summary.days)}
            for summary in closed
        ),
    ]
    return {"customer_id": balance.customer_id, "meter": balance.meter, "periods": periods}


def ledger_body(entries: Sequence[LedgerEntry], limit: int) -> dict[str, Any]:
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


def _entry(entry: LedgerEntry) -> dict[str, Any]:
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


def _period(period: Period) -> dict[str, str]:
    return {"start": timestamp(period.start), "end": timestamp(period.end)}


def _usage(used: Decimal, overage: Decimal, days: Mapping[str, Decimal]) -> dict[str, Any]:
    return {"used": used, "overage": overage, "days": {day: days[day] for day in sorted(days) if days[day] != ZERO}}
