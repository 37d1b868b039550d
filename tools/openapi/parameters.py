"""The parameters of paths, with their forms and bounds, and what the parameters of queries mean."""

from collections.abc import Mapping
from typing import Any, Final

from pancake_meter.domain.alerts.endpoint import ENDPOINT_ID_PATTERN
from pancake_meter.domain.customer import CUSTOMER_ID_LENGTH_MAX
from pancake_meter.http.fields import CUSTOMER_ID_IN_PATH_PATTERN, METER_PATTERN
from pancake_meter.usecases.selling.purchase_link import TOKEN_LENGTH_MAX
from pancake_meter.waffo.fields import MAX_ID_LENGTH

_DIGEST: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_ENCODED_LENGTH_MAX: Final = CUSTOMER_ID_LENGTH_MAX * 4 * 4 // 3 + 4
"""An id has at most four bytes a character, and base64 makes four characters of three bytes."""

PATH_PARAMETERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "customer_id": {
        "schema": {"type": "string", "pattern": CUSTOMER_ID_IN_PATH_PATTERN, "maxLength": _ENCODED_LENGTH_MAX},
        "description": (
            f"The seller's own id, percent-encoded: 1 to {CUSTOMER_ID_LENGTH_MAX} characters, no / and no control"
            " characters. Or ~b64. and the id in base64url, which an id with % or ? needs on API Gateway."
        ),
    },
    "meter": {"schema": {"type": "string", "pattern": METER_PATTERN}, "description": "A meter of the catalog."},
    "hold_id": {
        "schema": {
            "type": "string",
            "pattern": r"^(~[A-Za-z0-9_-]{8}"
            r"|([a-z][a-z0-9_]{0,31}~[0-9]{1,15}(\.[0-9]{1,6})?~)?[A-Za-z0-9_:-][A-Za-z0-9_.:-]{0,63})$",
            "maxLength": 120,
        },
        "description": "hold_id of the answer that placed the hold; or the caller's own id, then give the meter too."
        " The short name that a customer's balances show of a hold releases it, and settles nothing.",
    },
    "grant_id": {
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_.:~-]+$", "maxLength": 300},
        "description": "A grant, by the id that the list has.",
    },
    "checkout_id": {"schema": {"type": "string", "pattern": "^chk_[0-9a-f]{32}$"}, "description": "A checkout."},
    "payment_id": {
        "schema": {"type": "string", "pattern": "^[^/%]+$", "maxLength": MAX_ID_LENGTH},
        "description": "A payment: Waffo's id of it.",
    },
    "order_id": {
        "schema": {"type": "string", "pattern": "^ORD_[0-9A-Za-z]{22}$"},
        "description": "A subscription order: Waffo's id of it.",
    },
    "delivery_id": {"schema": _DIGEST, "description": "A delivery: the SHA-256 of its raw body."},
    "alert_id": {
        "schema": {"type": "string", "pattern": "^alrt_[0-9a-f]{40}$"},
        "description": "An alert: the webhook-id of its message.",
    },
    "endpoint_id": {
        "schema": {"type": "string", "pattern": ENDPOINT_ID_PATTERN},
        "description": "An endpoint of alerts.",
    },
    "parked_id": {"schema": _DIGEST, "description": "Parked usage."},
    "key_id": {"schema": _DIGEST, "description": "An API key: the SHA-256 of its text."},
    "token": {
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-][A-Za-z0-9_.-]*$", "maxLength": TOKEN_LENGTH_MAX},
        "description": "What the stack sealed. It is part of the links that quotas and refusals carry.",
    },
}

QUERY_PARAMETERS: Final[Mapping[str, str]] = {
    "amount": "Units that the customer would like to spend.",
    "cursor": "next_cursor of the page before, unchanged; a text of another origin is refused with invalid_request.",
    "currency": "In place of the customer's own.",
    "customer_id": "Only this customer.",
    "days": "The most days, today among them.",
    "dry_run": "true: say what would be done, and change nothing.",
    "from": "The first month.",
    "limit": "The most entries of a page.",
    "made_of": "true: also say which models and sources the usage was made of, as far as that is known.",
    "meter": "A meter of the catalog.",
    "month": "One month (UTC), such as 2026-03.",
    "months": "The most months, this one among them.",
    "order_id": "Deliveries of this order.",
    "periods": "The most closed periods.",
    "plan": "Customers under this plan.",
    "prefix": "Customers whose ids begin so.",
    "status": "Whether to list what is open, or what was dismissed.",
    "to": "The last month.",
    "type": "Alerts of this type.",
    "verdict": "Deliveries with this verdict.",
}
