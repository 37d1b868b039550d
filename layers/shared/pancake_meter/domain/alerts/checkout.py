"""Alerts of a checkout: it was paid, or a payment of it needs a person to look at it."""

from datetime import datetime

from pancake_meter.domain.alerts.alert import JSON, Alert
from pancake_meter.domain.quantity import format_quantity
from pancake_meter.domain.selling.checkout import Checkout


def checkout_alert(checkout: Checkout, now: datetime) -> Alert | None:
    """Return the alert of a checkout that is paid or flagged; ``None`` of another."""
    data: dict[str, JSON] = {
        "checkout_id": checkout.id,
        "kind": checkout.kind,
        "plan": checkout.plan,
        "quantity": format_quantity(checkout.quantity) if checkout.meter is not None else None,
        "amount": checkout.amount.display,
        "currency": checkout.amount.currency,
        "payment_ids": list(checkout.payment_ids),
    }
    customer_id, meter = checkout.customer_id, checkout.meter
    if checkout.status == "paid":
        return Alert(f"checkout.paid#{checkout.id}", "checkout.paid", customer_id, meter, now, data)
    if checkout.status == "flagged":
        # Another payment of the same checkout is another matter for a person.
        latest = next(reversed(checkout.payment_ids), "")
        meaning = f"checkout.flagged#{checkout.id}#{checkout.flag}#{latest}"
        return Alert(meaning, "checkout.flagged", customer_id, meter, now, {**data, "reason": checkout.flag})
    return None
