"""Refunds that the operator asks Waffo for: each is one ticket, and Waffo's webhook says when the money went back."""

from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Final, Literal

from pancake_meter.value import Value

RefundState = Literal["requested", "approved", "succeeded", "failed"]
"""``requested``: Waffo may not know of it yet, or has not decided. ``approved``: Waffo has it, and the money is on its way.
``succeeded`` and ``failed`` are what Waffo's webhook says; ``failed`` is also what Waffo refuses.
"""

TicketState = Literal["requested", "approved", "failed"]

MAX_REQUESTS: Final = 50
"""Refunds of one payment that may be asked for: its item must hold them."""

_FAILED: Final = frozenset({"rejected", "returned", "failed", "cancelled", "canceled"})
_WAITING: Final = frozenset({"pending", "under_review"})
_ID_DIGITS: Final = 40


class RefundRequest(Value):
    """One refund that was asked for. ``id`` is the caller's, ``by`` names the API key.

    ``reference`` is our id of it at Waffo, which comes back with the refund. ``ticket_id`` is Waffo's; ``None`` while it is
    not known whether Waffo has a ticket. ``refusal`` is why Waffo refused it. ``is_rest``: all that was left was asked for,
    and no amount named.
    """

    id: str
    amount: Decimal
    reason: str
    at: datetime
    reference: str
    by: str | None = None
    ticket_id: str | None = None
    state: TicketState = "requested"
    refusal: str | None = None
    is_rest: bool = False

    def asks_for(self, amount: Decimal | None) -> bool:
        """Whether a repeat with this amount, or with none, asks for the same."""
        return self.is_rest if amount is None else amount == self.amount

    @property
    def is_answered(self) -> bool:
        """Whether Waffo is known to have the ticket, or to have refused it."""
        return self.ticket_id is not None or self.state == "failed"


def ticket_reference(payment_id: str, request_id: str) -> str:
    """Return our id of a new ticket at Waffo."""
    return f"rfd_{sha256(f'{payment_id}#{request_id}'.encode()).hexdigest()[:_ID_DIGITS]}"


def ticket_state(status: str) -> TicketState:
    """Return what a ticket's status at Waffo means. A ticket that ``succeeded`` is approved: the webhook decides."""
    if status in _FAILED:
        return "failed"
    return "requested" if status in _WAITING else "approved"
