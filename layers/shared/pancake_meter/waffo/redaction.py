"""What an event says of money and orders, without the person: for the events of a customer who was erased.

Nothing is kept but what is on the list, so a field that Waffo adds one day is left out.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from pancake_meter.domain.customer import is_customer_id
from pancake_meter.value import Value
from pancake_meter.waffo.bounded_json import UnreadableJson, is_object, read_json_object
from pancake_meter.waffo.fields import Fields

IDENTITY: Final = "merchantProvidedBuyerIdentity"
METADATA: Final = "orderMetadata"
_EMAIL: Final = "buyerEmail"
CUSTOMER_METADATA: Final = ("customer_id", "customerId", "accountId", "account_id")
"""Names under which the seller may have put our customer id into a checkout's metadata."""

_ENVELOPE: Final = ("id", "timestamp", "eventType", "eventId", "storeId", "mode")
_METADATA: Final = ("checkout_id", "checkoutId", "kind", "plan", "meter", "quantity")
"""What we put into the metadata of our own checkouts, but the customer id."""

_DATA: Final = (
    "orderId",
    "orderStatus",
    "orderMerchantExternalId",
    "currency",
    "productName",
    "productMetadata",
    "amount",
    "subtotal",
    "total",
    "taxAmount",
    "taxName",
    "chargedAmount",
    "listPrice",
    "planPrice",
    "originalPayment",
    "originalChargedAmount",
    "paymentId",
    "paymentStatus",
    "paymentDate",
    "billingPeriod",
    "currentPeriodStart",
    "currentPeriodEnd",
    "canceledAt",
    "periodNumber",
    "isInTrial",
    "refundStatus",
    "refundCreatedAt",
    "refundedAmount",
    "refundTicketMerchantExternalId",
)


def named_customers(body: bytes) -> tuple[str, ...]:
    """Return the customer ids that an event names: the buyer's identity, and those in the checkout's metadata."""
    data = _data(_document(body))
    metadata = Fields(data).text_map(METADATA)
    texts = [data.get(IDENTITY), *(metadata.get(name) for name in CUSTOMER_METADATA)]
    return tuple(dict.fromkeys(text for text in texts if isinstance(text, str) and is_customer_id(text)))


class Buyer(Value):
    """Whom an event is about, as it says itself: the buyer's identity and address, and customer ids that it names."""

    identity: str | None
    email: str | None
    customer_ids: tuple[str, ...]


def buyer_of(body: bytes) -> Buyer:
    """Return whom an event is about; of a body that cannot be read, nobody."""
    data = _data(_document(body))
    identity, email = data.get(IDENTITY), data.get(_EMAIL)
    return Buyer(
        identity if isinstance(identity, str) else None,
        email if isinstance(email, str) else None,
        named_customers(body),
    )


def redacted(body: bytes, pseudonym: str) -> bytes | None:
    """Return the event as that of a pseudonym, and of no person; ``None`` where the body is not an event."""
    document = _document(body)
    data = _data(document)
    if not data:
        return None
    kept = {name: data[name] for name in _DATA if name in data}
    metadata = Fields(data).text_map(METADATA)
    if metadata:
        kept[METADATA] = {name: metadata[name] for name in _METADATA if name in metadata}
    if not _is_checkout_id(kept.get("orderMerchantExternalId")):
        kept.pop("orderMerchantExternalId", None)
    envelope = {name: document[name] for name in _ENVELOPE if name in document}
    anonymous = {**envelope, "data": {**kept, IDENTITY: pseudonym}}
    return json.dumps(anonymous, ensure_ascii=False, separators=(",", ":"), default=str).encode()


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        return read_json_object(body)
    except UnreadableJson:
        return {}


def _data(document: Mapping[str, Any]) -> Mapping[str, Any]:
    data = document.get("data")
    return data if is_object(data) else {}


def _is_checkout_id(text: object) -> bool:
    """Whether an external id is one of our checkouts: any other may be the seller's word for the person."""
    return isinstance(text, str) and text.startswith("chk_")
