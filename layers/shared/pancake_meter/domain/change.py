"""A structure change in the making: the balance as it will be, and what the ledger will say of it."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Self

from pancake_meter.domain.balance import ZERO, Balance, burn
from pancake_meter.domain.ledger import LedgerEntry, Movement, MovementKind, PeriodSummary


@dataclass(frozen=True, slots=True)
class Change:
    """``before`` is the balance as read; ``balance`` what it becomes; nothing is written while the two are the same."""

    before: Balance
    balance: Balance
    movements: tuple[Movement, ...] = ()
    closed: tuple[PeriodSummary, ...] = ()

    @classmethod
    def begin(cls, balance: Balance) -> Self:
        """Return a change that does nothing yet."""
        return cls(balance, balance)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return self.balance == self.before

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

    def entry(self, cause: str, reference: str | None, at: datetime) -> LedgerEntry:
        """Return the ledger entry of this change. ``segment`` is the number of the segment that it opens."""
        return LedgerEntry(
            segment=self.before.segment + 1,
            at=at,
            cause=cause,
            reference=reference,
            movements=self.movements,
            available=self.balance.available,
            overage=self.balance.current_overage,
        )
