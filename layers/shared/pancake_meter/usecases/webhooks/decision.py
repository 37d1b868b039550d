"""What is decided of an event: its verdict and the writes that go into one transaction with its mark."""

from datetime import datetime
from typing import Final

from pancake_meter.store.table import Write
from pancake_meter.store.webhooks.deliveries import Verdict, order_write
from pancake_meter.usecases.standing.customer_books import CustomerBooks
from pancake_meter.value import Value


class Effects(Value):
    """What is to be made of an event: the verdict, its reason (of ``applied``: the flag, if any), and the writes.

    ``books`` are those that the writes change, where these may be more than one transaction has.
    """

    verdict: Verdict
    reason: str | None = None
    customer_id: str | None = None
    writes: tuple[Write, ...] = ()
    books: CustomerBooks | None = None


class Told(Value):
    """What an event does not say and others do: an operator whose it is, Waffo's GraphQL which payment a refund is of.

    ``by`` names the API key of the operator who has it judged again.
    """

    customer_id: str | None = None
    payment_id: str | None = None
    by: str | None = None


NOTHING_TOLD: Final = Told()


def order_bound(order_id: str, customer_id: str, now: datetime) -> tuple[Write, ...]:
    """Return the write that binds an order to its customer."""
    return (order_write(order_id, customer_id, now),)
