"""Deliveries of a customer who was erased: what they say of money stays, under the pseudonym; the person does not."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from pancake_meter.domain.access.pseudonym import is_pseudonym
from pancake_meter.store.webhooks.deliveries import Delivery, Dismissal, dismissed, read_order_customer
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.waffo.redaction import named_customers, redacted

_ERASED: Final = "erased"


def forgotten(delivery: Delivery, pseudonym: str, now: datetime) -> Delivery:
    """Return a delivery as one of the pseudonym: its mark and ids stay, and of its body what is about money.

    A body that cannot be read is gone. There is nothing left to apply, so a delivery that was open is dismissed.
    """
    body = redacted(delivery.body, pseudonym) if delivery.is_whole else None
    dismissal = Dismissal(_ERASED, delivery.dismissal.at) if delivery.dismissal else None
    kept = replace(
        delivery,
        headers={},
        customer_id=pseudonym if delivery.customer_id is not None else None,
        dismissal=dismissal,
        is_redacted=True,
    )
    if body is not None:
        return replace(kept, body=body, body_size=None)
    done = kept.without_body(now)
    return dismissed(done, _ERASED, now) if done.is_open else done


def erased_owner(metering: Metering, delivery: Delivery, *others: str | None) -> str | None:
    """Return the pseudonym under which a delivery belongs to an erased customer, or ``None``.

    ``others`` are customers beside those that its body names. The order tells of a delivery that names nobody.

    Raises:
        StoreBusy: the erasure is under way.
    """
    if metering.erasures is None:
        return None
    for customer_id in dict.fromkeys((*others, *named_customers(delivery.body))):
        pseudonym = metering.erasures.erased_as(customer_id) if customer_id is not None else None
        if pseudonym is not None:
            return pseudonym
    if delivery.order_id is None:
        return None
    owner = read_order_customer(metering.table, delivery.order_id)
    return owner if is_pseudonym(owner) else None
