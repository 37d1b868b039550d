"""What a customer owes of a meter, line by line, and what a checkout can sell of it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from pancake_meter.domain.balance.adjust import merge_lines
from pancake_meter.domain.balance.balance import ZERO, Balance
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.selling.overage import (
    MAX_CHANGED_LINES,
    MAX_SOLD_LINES,
    LineKey,
    Lines,
    OverageLine,
    PricedLine,
    SoldLine,
    exact_sum,
    price_due,
    sale_of,
    worth_most,
)
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.store.balance.balances import write_change
from pancake_meter.store.errors import StoreBusy
from pancake_meter.store.selling.overage_lines import read_due_lines, read_remainder
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.value import Value, replace

_MERGES_MAX: Final = 12
"""Transactions of one request that merge lines, each of 70: the same request goes on where they were not enough."""


class Owed(Value):
    """``lines`` with units owed, oldest first, and the ``remainder`` of earlier sales in one currency."""

    lines: tuple[OverageLine, ...]
    currency: str
    remainder: Decimal

    @property
    def period_ends(self) -> Mapping[LineKey, datetime]:
        """When the period of each line ended, or will."""
        return {line.key: line.ends_at for line in self.lines}

    @property
    def priced(self) -> tuple[PricedLine, ...]:
        """The lines that have a price in the currency, and what they cost. One without is not sold in it."""
        prices = ((line, (line.prices or {}).get(self.currency)) for line in self.lines)
        return tuple(price_due(line, price) for line, price in prices if price is not None)

    def sold(self, up_to: Decimal | None = None) -> tuple[SoldLine, ...]:
        """What one checkout sells: all lines, or those worth most where there are more than it can hold.

        ``up_to`` leaves the newest units for later, where there are more than so many.
        """
        return sale_of(self._cut(worth_most(self.priced), up_to), self.remainder, self.currency)

    @property
    def total(self) -> Decimal:
        """The exact price of all of it."""
        return exact_sum(self.remainder, *(each.price for each in self.priced))

    def _cut(self, priced: Sequence[PricedLine], up_to: Decimal | None) -> Sequence[PricedLine]:
        """Return the lines without the newest units above ``up_to``, each at the price of what is left of it."""
        left = sum((each.line.due for each in priced), ZERO) if up_to is None else up_to
        kept: list[PricedLine] = []
        for each in priced:
            quantity = min(each.line.due, left)
            left -= quantity
            if quantity == each.line.due:
                kept.append(each)
            elif quantity > ZERO:
                line = replace(each.line, closed=each.line.settled + quantity)
                kept.append(price_due(line, (line.prices or {})[self.currency]))
        return kept


def read_owed(metering: Metering, customer_id: str, meter: str, currency: str, now: datetime) -> Owed:
    """Return what is owed, as if the open period's overage were due already.

    One read each of the balance, the subscription and the remainder, and one request for lines: a query for each hundred
    where units are due, else the open period's by its key.
    """
    begun = metering.begin_change(customer_id, meter, now)
    change, balance = begun.change, begun.change.balance
    besides = {balance.line, *change.lines}
    stored = read_due_lines(metering.table, customer_id, meter, begun.due, besides=besides)
    lines = lines_owed(metering, change, begun.subscription, stored)
    remainder = read_remainder(metering.table, customer_id, meter, currency) if lines else ZERO
    return Owed(lines, currency, remainder)


def due_lines(table: Table, balance: Balance) -> Collection[OverageLine]:
    """Return the lines of what a balance owes of closed periods: a query for each 100 lines, none where nothing is due."""
    return read_due_lines(table, balance.customer_id, balance.meter, balance.overage_due).values()


def lines_owed(
    metering: Metering, change: Change, subscription: Subscription | None, stored: Lines
) -> tuple[OverageLine, ...]:
    """Return the lines with units owed, oldest first, as if the open period's overage were due already.

    ``stored`` are the lines that have units due, that of the open period, and those that ``change`` adds to.
    """
    balance = change.balance
    if balance.current_overage:
        open_line = OverageLine(balance.line, balance.period.end, balance.current_overage, prices=balance.policy.prices)
        change = change.line_moved(open_line)
    return _due(metering, change, subscription, stored)


def merge_owed(metering: Metering, customer_id: str, meter: str, currency: str, now: datetime) -> None:
    """Merge lines of closed periods, the oldest first, until one checkout can hold all that are priced in the currency.

    Lines are merged by plan and currencies; what they cost does not change.

    Raises:
        StoreBusy: there are more lines than one request merges; the same request goes on.
    """
    for _ in range(_MERGES_MAX):
        begun = metering.begin_change(customer_id, meter, now)
        stored = read_due_lines(metering.table, customer_id, meter, begun.due)
        lines = _due(metering, begun.change, begun.subscription, stored)
        closed = [line for line in lines if line.key != begun.change.balance.line and currency in (line.prices or {})]
        alike = max(_alike(closed), key=len, default=[])
        has_twins = len(alike) > 1
        if len(closed) < MAX_SOLD_LINES or not has_twins:
            return
        merged = merge_lines(begun.change, alike[:MAX_CHANGED_LINES])
        write_change(metering.table, merged, "lines_merged", None, now, demands=begun.demands)
    raise StoreBusy("the customer owes more lines than one request can merge")


def _due(
    metering: Metering, change: Change, subscription: Subscription | None, stored: Lines
) -> tuple[OverageLine, ...]:
    """Return the lines with units due, with prices: a line of earlier code may have none, and has its plan's of today."""
    meter = change.balance.meter
    return tuple(
        replace(line, prices=line.prices or metering.prices(subscription, line.key.plan, meter))
        for line in change.lines_over(stored).values()
        if line.due > ZERO
    )


def _alike(lines: Iterable[OverageLine]) -> list[list[OverageLine]]:
    """Return the lines by plan and currencies, each group in the order given."""
    groups: dict[tuple[str | None, frozenset[str]], list[OverageLine]] = {}
    for line in lines:
        groups.setdefault((line.key.plan, frozenset(line.prices or {})), []).append(line)
    return list(groups.values())
