"""Samples of Waffo's events, in the shape in which it sends them: for a test stack whose webhook key is given."""

import base64
import json
import secrets
import string
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from pancake_meter_cli.failures import usage

Json = dict[str, Any]

ID_LENGTH: Final = 22
MONTH: Final = timedelta(days=30)
WITHOUT_STATUS: Final = "subscription.payment_succeeded"
STATUS_OF: Final[Mapping[str, str]] = {
    "subscription.canceling": "canceling",
    "subscription.canceled": "canceled",
    "subscription.past_due": "past_due",
    "order.completed": "completed",
}
WITHOUT_NUMBER: Final = frozenset(
    {"subscription.canceling", "subscription.uncanceled", "subscription.plan_change_failed", "order.completed"}
)
BEFORE: Final[Mapping[str, Sequence[str]]] = {
    "subscription.recovered": ("subscription.past_due",),
    "subscription.uncanceled": ("subscription.canceling",),
}
"""What happens to a subscription between its start and the event, where the event makes no sense without it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom and what an event is about."""

    store_id: str
    mode: str
    customer_id: str
    product: str
    plan: str | None
    currency: str
    amount: str
    now: datetime
    order_id: str


def short_id(prefix: str) -> str:
    """Return a new id in Waffo's form."""
    alphabet = string.ascii_letters + string.digits
    return f"{prefix}_{''.join(secrets.choice(alphabet) for _ in range(ID_LENGTH))}"


def story(event_type: str) -> list[str]:
    """Return the events that lead to one of this type, which is the last."""
    if event_type == "order.completed":
        return [event_type]
    start = ["subscription.payment_succeeded", "subscription.activated"]
    if event_type in start:
        return [next(each for each in start if each != event_type), event_type]
    if event_type == "subscription.renewed":
        return [*start, "subscription.payment_succeeded", event_type]
    return [*start, *BEFORE.get(event_type, ()), event_type]


def envelopes(event_type: str, about: Subject) -> list[Json]:
    """Return the story of an event as Waffo would send it. All of it is about one order."""
    made: list[Json] = []
    paid = 0
    for step, each in enumerate(story(event_type)):
        paid += each == WITHOUT_STATUS
        made.append(_envelope(each, about, max(paid, 1), about.now + timedelta(seconds=step)))
    return made


def with_values(envelope: Json, assignments: Sequence[str]) -> Json:
    """Return an envelope with ``path=value`` set; a value is read as JSON where it is some. Raises ``Failure``."""
    changed: Json = json.loads(json.dumps(envelope))
    for assignment in assignments:
        at, is_set, text = assignment.partition("=")
        if not is_set or not at:
            raise usage(f"--set takes path=value, such as data.amount=9.00; not {assignment!r}")
        *above, last = at.split(".")
        place: Any = changed
        for name in above:
            place = place.setdefault(name, {}) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            raise usage(f"{at} leads through something that has no fields")
        place[last] = _value(text)
    return changed


def signed(content: bytes, key: RSAPrivateKey) -> str:
    """Return the value of ``X-Waffo-Signature``, stamped now."""
    stamp_ms = time.time_ns() // 1_000_000
    signature = key.sign(f"{stamp_ms}.".encode() + content, PKCS1v15(), SHA256())
    return f"t={stamp_ms},v1={base64.b64encode(signature).decode('ascii')}"


def _envelope(event_type: str, about: Subject, number: int, at: datetime) -> Json:
    stamp = _wire(at)
    event_id = about.order_id if event_type == "subscription.activated" else f"{about.order_id}-{stamp}"
    return {
        "id": str(uuid.uuid4()),
        "timestamp": stamp,
        "eventType": event_type,
        "eventId": event_id,
        "storeId": about.store_id,
        "storeName": "Sample",
        "mode": about.mode,
        "data": _data(event_type, about, number, at),
    }


def _data(event_type: str, about: Subject, number: int, at: datetime) -> Json:
    price = {"total": about.amount, "subtotal": about.amount, "taxAmount": "0"}
    is_subscription = event_type.startswith("subscription.")
    data: Json = {
        "orderId": about.order_id,
        "buyerEmail": "buyer@example.com",
        "merchantProvidedBuyerIdentity": about.customer_id,
        "currency": about.currency,
        "productName": about.product,
        "amount": about.amount,
        "taxAmount": "0",
    }
    if about.plan:
        data |= {"productMetadata": {"plan": about.plan}, "orderMetadata": {"plan": about.plan}}
    if event_type != WITHOUT_STATUS:
        data["orderStatus"] = STATUS_OF.get(event_type, "active")
    if event_type not in WITHOUT_NUMBER and (is_subscription or event_type.startswith("refund.")):
        data["periodNumber"] = number
    if event_type in {WITHOUT_STATUS, "order.completed"}:
        paid = {
            "paymentId": short_id("PAY"),
            "paymentStatus": "succeeded",
            "paymentMethod": "card",
            "paymentLast4": "4242",
        }
        return {**data, **paid, "paymentDate": f"{at:%Y-%m-%d}", "chargedAmount": about.amount, "listPrice": price}
    if event_type.startswith("refund."):
        refund = {"refundStatus": event_type.removeprefix("refund."), "refundReason": "requested_by_customer"}
        moved = {"refundedAmount": about.amount} if event_type == "refund.succeeded" else {"amount": "0"}
        return {**data, **refund, **moved, "refundCreatedAt": _wire(at), "originalChargedAmount": about.amount}
    start = about.now + MONTH * (number - 1)
    period = {"billingPeriod": "monthly", "currentPeriodStart": _wire(start), "currentPeriodEnd": _wire(start + MONTH)}
    ended = {"canceledAt": _wire(at)} if event_type in {"subscription.canceling", "subscription.canceled"} else {}
    return {**data, "planPrice": price, **period, **ended}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _wire(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
