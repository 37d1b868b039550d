"""Periods: half-open UTC spans, and the anchored cadences that produce them.

An anchored cadence is a fixed instant plus whole days, weeks or calendar months. Window ``k`` is always computed from the
anchor, never from window ``k - 1``: an anchor on the 31st gives 28 February and then 31 March again.
"""

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from typing import Literal

from pancake_meter.value import Value

AnchoredCadence = Literal["month", "week", "day"]

_DAYS_OF_EVERY_MONTH = 28
_FIXED_LENGTH = {"day": timedelta(days=1), "week": timedelta(weeks=1)}


class Period(Value):
    """The span ``[start, end)``: two aware UTC instants, ``start < end``."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Refuse a naive or empty span: both are bugs in the caller, never data."""
        if self.start.tzinfo is not UTC or self.end.tzinfo is not UTC:
            raise ValueError("a period is made of UTC instants")
        if self.start >= self.end:
            raise ValueError("a period ends after it starts")

    def contains(self, instant: datetime) -> bool:
        """Whether ``instant`` lies in the span; its end does not."""
        return self.start <= instant < self.end


def add_months(instant: datetime, months: int) -> datetime:
    """``instant`` moved by whole calendar months, on the last day of a month that is too short."""
    year, month_index = divmod(instant.year * 12 + instant.month - 1 + months, 12)
    day = instant.day if instant.day <= _DAYS_OF_EVERY_MONTH else min(instant.day, monthrange(year, month_index + 1)[1])
    return instant.replace(year=year, month=month_index + 1, day=day)


def window_start(cadence: AnchoredCadence, anchor: datetime, index: int) -> datetime:
    """Start of window ``index``; window 0 starts at the anchor."""
    if cadence == "month":
        return add_months(anchor, index)
    return anchor + index * _FIXED_LENGTH[cadence]


def window_index(cadence: AnchoredCadence, anchor: datetime, instant: datetime) -> int:
    """Index of the window that holds ``instant`` (negative before the anchor)."""
    if cadence != "month":
        return (instant - anchor) // _FIXED_LENGTH[cadence]
    index = (instant.year - anchor.year) * 12 + instant.month - anchor.month
    return index if add_months(anchor, index) <= instant else index - 1


def window(cadence: AnchoredCadence, anchor: datetime, index: int) -> Period:
    """Window ``index`` of the cadence."""
    return Period(window_start(cadence, anchor, index), window_start(cadence, anchor, index + 1))
