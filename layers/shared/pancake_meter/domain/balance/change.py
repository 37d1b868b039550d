"""A structure change in the making: the balance as it will be, and what the ledger will say of it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Self

from pancake_meter.domain.balance.balance import ZERO, Balance, burn
from pancake_meter.domain.balance.closed_period import Chart, ClosedPeriod
from pancake_meter.domain.balance.ledger import Cause, LedgerEntry, Movement, MovementKind
from pancake_meter.domain.selling.overage import LineKey, Lines, OverageLine
from pancake_meter.domain.selling.pricing import Price
from pancake_meter.value import Value, field, replace


class Change(Value):
    """``before`` is the balance as read; ``balance`` what it becomes; nothing is written while the two are the same.

    ``closed`` are the periods that it closes, ``charts`` those that it puts away, ``lines`` has what is added to overage
    lines: all of them are written beside the balance. ``by`` names the API key of an operator who makes the change.
    """

    before: Balance
    balance: Balance
    movements: tuple[Movement, ...] = ()
    closed: tuple[ClosedPeriod, ...] = ()
    charts: tuple[Chart, ...] = ()
    lines: Mapping[LineKey, OverageLine] = field(default_factory=dict)
    by: str | None = None

    @classmethod
    def begin(cls, balance: Balance) -> Self:
        """Return a change that does nothing yet."""
        return cls(balance, balance)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return self.balance == self.before and not self.lines

    @property
    def after(self) -> Balance:
        """The balance in the segment that this change opens."""
        return replace(self.balance, segment=self.before.segment + 1)

    def burn(self) -> Self:
        """Settle the open segment: its consumption leaves the grants, and the ledger says how much it was."""
        consumed = self.balance.used - self.balance.burned
        return replace(self, balance=burn(self.balance)).moved("used", consumed)

    def moved(self, kind: MovementKind, quantity: Decimal, reference: str | None = None) -> Self:
        """Return the change with one more movement; nothing moved is no movement."""
        if quantity == ZERO:
            return self
        return replace(self, movements=(*self.movements, Movement(kind, quantity, reference)))

    def line_moved(self, more: OverageLine) -> Self:
        """Return the change with differences added to a line. Units of the open period's line are spent.

        Differences that come to nothing are no longer there: no line is written for them.
        """
        known = self.lines.get(more.key)
        whole = known.plus(more) if known else more
        others = {key: line for key, line in self.lines.items() if key != more.key}
        is_open = more.key == self.balance.line
        spent = max(ZERO, self.balance.spent + more.closed) if is_open else self.balance.spent
        balance = replace(self.balance, spent=spent, reopened=self.balance.reopened + more.reopened)
        return replace(self, balance=balance, lines={**others, more.key: whole} if whole.moves else others)

    def at_prices(self, prices_of: Callable[[str | None], Mapping[str, Price]]) -> Self:
        """Return the change with the prices fixed of the lines whose units it makes due without any, by the line's plan."""
        priced = {
            key: more if more.prices else replace(more, prices=prices_of(key.plan) or None)
            for key, more in self.lines.items()
        }
        return replace(self, lines=priced)

    def lines_over(self, stored: Lines) -> dict[LineKey, OverageLine]:
        """Return the lines as they will be, oldest first: those ``stored``, with what this change adds so far."""
        lines = dict(stored)
        for key, more in self.lines.items():
            lines[key] = lines[key].plus(more) if key in lines else more
        return dict(sorted(lines.items(), key=lambda item: item[0].order))

    def entry(self, cause: Cause, reference: str | None, at: datetime) -> LedgerEntry:
        """Return the ledger entry of this change. ``segment`` is the number of the segment that it opens."""
        return LedgerEntry(
            segment=self.before.segment + 1,
            at=at,
            cause=cause,
            reference=reference,
            movements=self.movements,
            available=self.balance.available,
            overage=self.balance.current_overage,
            by=self.by,
        )
