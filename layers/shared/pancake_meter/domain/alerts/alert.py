"""Alerts: what happened to a customer or to the stack that somebody should hear of, each once under its meaning."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from pancake_meter.value import Value, field

if TYPE_CHECKING:
    from decimal import Decimal

AlertType = Literal[
    "quota.threshold_reached",
    "quota.refused",
    "quota.reset",
    "grant.expiring",
    "subscription.trial_ending",
    "overage.due",
    "checkout.paid",
    "checkout.flagged",
    "subscription.past_due",
    "subscription.recovered",
    "subscription.canceled",
    "subscription.bought_twice",
    "delivery.parked",
    "delivery.failed",
    "endpoint.test",
]

ALERT_TYPES: Final[tuple[AlertType, ...]] = get_args(AlertType)

JSON: TypeAlias = "str | int | bool | Decimal | Mapping[str, JSON] | Sequence[JSON] | None"
"""A value of an alert's data. Numbers are exact; ``payload.py`` makes numbers of JSON of them."""

SCHEMA_VERSION: Final = 1
"""Version of the payloads that this code makes. The schemas are in ``docs/alert-schemas``."""

KEPT_FOR: Final = timedelta(days=400)
"""How long an alert is kept, and so does not ring again: longer than any period."""

_PREFIX: Final = "alrt_"
_DIGITS: Final = 40
ALERT_ID_PATTERN: Final = rf"^{_PREFIX}[0-9a-f]{{{_DIGITS}}}$"
_ID: Final = re.compile(ALERT_ID_PATTERN)


class Alert(Value):
    """One alert. Two with the same ``meaning`` are the same alert, whatever else they say: the first one rings.

    ``meaning`` is a text such as ``quota.threshold_reached#acct_1#tokens#2026-03-10T00:00:00.000Z#0.8``; it is never shown.
    ``customer_id`` is ``None`` where no customer is known, as for a parked delivery. ``data`` is ready for a mailer:
    figures, and links to buy.
    """

    meaning: str
    type: AlertType
    customer_id: str | None
    meter: str | None
    occurred_at: datetime
    data: Mapping[str, JSON] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    @property
    def id(self) -> str:
        """The alert's id, and the ``webhook-id`` of every attempt to send it."""
        return alert_id(self.meaning)


def is_alert_id(text: str) -> bool:
    """Return whether a text can be the id of an alert."""
    return _ID.fullmatch(text) is not None


def alert_id(meaning: str) -> str:
    """Return the id of the alert with a meaning: 160 bits of its SHA-256."""
    return f"{_PREFIX}{sha256(meaning.encode()).hexdigest()[:_DIGITS]}"
