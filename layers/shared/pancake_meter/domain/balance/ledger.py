"""The ledger: every movement of a balance with its cause."""

from datetime import datetime
from decimal import Decimal
from typing import Final, Literal, NewType

from pancake_meter.value import Value, replace

MovementKind = Literal[
    "granted",  # units given
    "used",  # units consumed since the entry before
    "expired",  # units of a grant that ended unused
    "restored",  # units of a closed period, expired or rolled over, that late usage of that period still found
    "clawed_back",  # units of a grant taken back: by a refund, by the operator, or by late usage of the period before
    "refund_owed",  # refunded units that were gone already, used or expired: a debt, beside the units that move
    "refund_cleared",  # units of that debt that are owed no more: a purchase paid them, or the refund failed after all
    "overage_closed",  # overage that became due: its period closed, or it is being paid
    "overage_paid",  # due units that a payment settled
    "overage_covered",  # due units that a grant paid for which was bought before their period ended
    "overage_forgiven",  # due units that the seller let go
    "overage_reopened",  # settled units that a refund made due again
    "overage_resumed",  # due units of a period that is open again
    "hold_expired",  # a hold that nobody settled: its units are available again
]

OwnCause = Literal[
    "opened",  # the balance was begun
    "reset",  # a period ended, and the next one began
    "lapsed",  # a paid term ended without a successor
    "grants_changed",  # a grant ended, or began
    "holds_expired",  # holds ended that nobody settled
    "chart_put_away",  # the days of an earlier month went to an item of their own
    "lines_merged",  # due units of several periods became one line
    "late_usage",  # usage of a closed period was told
    "given",  # the operator gave units
    "voided",  # the operator took such units back
    "forgiven",  # the operator let due units go
    "blocked",  # the operator cut off access
    "unblocked",  # the operator opened it
    "limited",  # the operator set a limit
    "limited_by_customer",  # the customer set one
    "reconciliation:orders_confirmed",  # Waffo's orders were read, and nothing was amiss that a webhook should have told
    "payment_resolved",  # the operator said what a payment is
]
"""Causes that are no event of Waffo."""

EventCause = NewType("EventCause", str)
"""A cause that is an event of Waffo: its type, after ``reconciliation:`` where no webhook told of it."""

Cause = OwnCause | EventCause

GIFT_PREFIX: Final = "gift:"
"""Begins the id of a grant that an operator gave; the operator's own id of the gift follows."""

_NAMED_BY_OPERATORS: Final = frozenset({"given", "voided", "forgiven"})
"""Causes whose reference is an id that the operator has made."""


class Movement(Value):
    """``quantity`` units moved; ``reference`` names the grant or the hold, where one is concerned."""

    kind: MovementKind
    quantity: Decimal
    reference: str | None = None


class LedgerEntry(Value):
    """One change of a balance's structure: the segment it closed, and all that moved.

    ``by`` names the API key with which an operator made the change.

    Entries of a balance are numbered without gaps by ``segment``. Summed over all entries of a balance:
    ``granted + restored + overage = used + expired + clawed_back + remaining``, where overage is ``closed - covered -
    resumed`` plus that of the open period. Due units are ``closed + reopened - paid - covered - forgiven - resumed``.
    """

    segment: int
    at: datetime
    cause: str
    reference: str | None
    movements: tuple[Movement, ...]
    available: Decimal
    overage: Decimal
    by: str | None = None

    @property
    def for_customer(self) -> "LedgerEntry":
        """The same without what is between the seller and its operators: who made it, and the ids that they have made."""
        movements = tuple(
            replace(each, reference=None) if each.reference and each.reference.startswith(GIFT_PREFIX) else each
            for each in self.movements
        )
        reference = None if self.cause in _NAMED_BY_OPERATORS else self.reference
        return replace(self, by=None, reference=reference, movements=movements)
