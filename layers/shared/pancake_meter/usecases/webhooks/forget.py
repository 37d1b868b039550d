"""Deliveries of a customer who was erased: what they say of money stays, under the pseudonym; the person does not."""

from datetime import datetime
from typing import Final

from pancake_meter.domain.access.pseudonym import is_pseudonym
from pancake_meter.store.webhooks.deliveries import Delivery, Dismissal, dismissed, read_order_customer
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.value import replace
from pancake_meter.waffo.redaction import named_customers, redacted

_ERASED: Final = "erased"


def forgotten(delivery: Delivery, name: str, now: datetime) -> Delivery:
    """Return a delivery as one of ``name``, a pseudonym: its mark and ids stay, and of its body what is about money.

    A body that cannot be read is gone. There is nothing left to apply, so a delivery that was open is dismissed.
    """
    body = redacted(delivery.body, name) if delivery.is_whole else None
    dismissal = Dismissal(_ERASED, delivery.dismissal.at) if delivery.dismissal else None
    kept = replace(
        delivery,
        headers={},
        customer_id=name if delivery.customer_id is not None else None,
        dismissal=dismissal,
        is_redacted=True,
    )
    if body is not None:
        return replace(kept, body=body, body_size=None)
    done = kept.without_body(now)
    return dismissed(done, _ERASED, now) if done.is_open else done


def name_to_keep(metering: Metering, delivery: Delivery, owner: str | None, told: str | None) -> str | None:
    """Return the customer id under which a delivery is kept because it names somebody who was erased; ``None``: nobody.

    That is the pseudonym, or the ``owner`` of the event where only others whom it names were erased. ``told`` is a customer
    to whom an operator assigns it.

    Raises:
        StoreBusy: the erasure is under way.
    """
    erased = {
        customer_id: pseudonym
        for customer_id in people_of(delivery, owner, told)
        if metering.erasures is not None and (pseudonym := metering.erasures.erased_as(customer_id)) is not None
    }
    if owner is not None and erased:
        return erased.get(owner, owner)
    return next(iter(erased.values()), None)


def people_of(delivery: Delivery, *others: str | None) -> list[str]:
    """Return the customers of whom a delivery would keep something: those that its body names, and ``others``.

    Pseudonyms are nobody.
    """
    named = dict.fromkeys((*others, *named_customers(delivery.body)))
    return [customer_id for customer_id in named if customer_id is not None and not is_pseudonym(customer_id)]


def pseudonym_of_order(metering: Metering, delivery: Delivery) -> str | None:
    """Return the pseudonym that the delivery's order belongs to, ``None`` where to none: one read."""
    owner = read_order_customer(metering.table, delivery.order_id) if delivery.order_id is not None else None
    return owner if is_pseudonym(owner) else None
