"""Overage lines: the overage of one period under one plan, unit by unit, and how far it has been billed.

The units of a line are numbered in the order in which they were used. Up to ``settled`` they are paid, from there to
``closed`` they are due, and in the line of the open period those above ``closed`` are the balance's own ``overage``, not yet
due. A price always counts from the start of the line, so a line that is sold in parts costs what it costs at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from pancake_meter.domain.instant import timestamp
from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.selling.pricing import Price

_ZERO = Decimal(0)

MAX_SOLD_LINES = 20
"""Lines of one checkout, the oldest first: settling it is one transaction."""


@dataclass(frozen=True, slots=True)
class LineKey:
    """Names a line: when its period began, as first known, and the plan that governed it."""

    period_start: datetime
    plan: str | None

    @property
    def order(self) -> tuple[datetime, str]:
        """Sort key: oldest first."""
        return self.period_start, self.plan or ""

    def __str__(self) -> str:
        """Return the name of the line in keys and in the ledger; it sorts as ``order`` does."""
        return f"{timestamp(self.period_start)}#{self.plan or ''}"


@dataclass(frozen=True, slots=True)
class OverageLine:
    """One line, or what a change adds to one: there the quantities are differences, and may be negative.

    ``forgiven`` units no longer count as overage; the number is kept to be seen. ``ends_at`` is when the period ended, or
    will: what was bought before then still pays for what is due here. ``prices``, by currency, are those of the plan when
    units of the line first became due, and stay. Only a line of earlier code, or of a plan without a price, has none.
    """

    key: LineKey
    ends_at: datetime
    closed: Decimal = _ZERO
    settled: Decimal = _ZERO
    forgiven: Decimal = _ZERO
    prices: Mapping[str, Price] | None = None

    @property
    def due(self) -> Decimal:
        """Units of the line that are due and not paid."""
        return self.closed - self.settled

    def plus(self, more: "OverageLine") -> "OverageLine":
        """Return the line with the differences added; the newer word on its end stands, and the older one on its prices."""
        return replace(
            self,
            ends_at=more.ends_at,
            closed=self.closed + more.closed,
            settled=self.settled + more.settled,
            forgiven=self.forgiven + more.forgiven,
            prices=self.prices or more.prices,
        )


Lines = Mapping[LineKey, OverageLine]
NO_LINES: Final[Lines] = {}


@dataclass(frozen=True, slots=True)
class SoldLine:
    """What a checkout sells of a line: the units above ``start``, up to and with ``end``, for ``amount``."""

    key: LineKey
    start: Decimal
    end: Decimal
    amount: Money

    @property
    def quantity(self) -> Decimal:
        """Units sold."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class SettledUnits:
    """``quantity`` units of a line that a payment settled."""

    key: LineKey
    quantity: Decimal
