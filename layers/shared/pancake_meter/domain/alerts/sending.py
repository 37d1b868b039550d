"""Sendings: what became of one alert at one endpoint, and when it is tried again."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Literal, Self

from pancake_meter.domain.alerts.alert import Alert
from pancake_meter.value import Value, replace

DELAYS: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=10),
)
"""Between the attempts: eight of them, over more than a day. None is longer than SQS can hide a message (12 hours)."""

GIVEN_UP_AFTER: Final = sum(DELAYS, timedelta())
"""An alert that has waited so long behind others gets one attempt: else a dead endpoint's queue would grow for weeks."""

SendingStatus = Literal["pending", "sent", "failed"]

Reason = Literal[
    "answered",
    "timeout",
    "no_connection",
    "address_refused",
    "endpoint_disabled",
    "endpoint_deleted",
    "alert_deleted",
]
"""What the last attempt met. ``answered``: the endpoint did, with a status that is no 2xx."""


class Sending(Value):
    """One alert at one endpoint. ``round`` counts how often it was begun: replays begin it anew.

    ``by`` names the API key that had it begun, where one did.
    """

    alert_id: str
    endpoint_id: str
    status: SendingStatus
    since: datetime
    round: int = 1
    attempts: int = 0
    attempted_at: datetime | None = None
    next_at: datetime | None = None
    http_status: int | None = None
    reason: Reason | None = None
    by: str | None = None

    @property
    def deduplication_id(self) -> str:
        """What makes a message for it one message."""
        return sha256(f"{self.alert_id}#{self.endpoint_id}#{self.round}".encode()).hexdigest()

    def again(self, now: datetime, by: str | None = None) -> Self:
        """Return the sending as it begins anew."""
        return replace(
            self,
            status="pending",
            since=now,
            round=self.round + 1,
            attempts=0,
            next_at=None,
            reason=None,
            http_status=None,
            by=by,
        )

    def sent(self, now: datetime, http_status: int) -> Self:
        """Return the sending that the endpoint has taken."""
        return self._attempted(now, "sent", http_status, None)

    def missed(self, now: datetime, http_status: int | None, reason: Reason) -> Self:
        """Return the sending after an attempt that failed: pending until the next one, or failed after the last."""
        tried = self._attempted(now, "pending", http_status, reason)
        waited = now - self.since
        if self.attempts >= len(DELAYS) or waited >= GIVEN_UP_AFTER:
            return replace(tried, status="failed")
        return replace(tried, next_at=now + DELAYS[self.attempts])

    def refused(self, now: datetime, http_status: int) -> Self:
        """Return the sending after an answer that says never to try again."""
        return self._attempted(now, "failed", http_status, "answered")

    def ended(self, now: datetime, reason: Reason) -> Self:
        """Return the sending that is not tried any more, and was not now."""
        return replace(self, status="failed", attempted_at=now, next_at=None, reason=reason, http_status=None)

    def _attempted(self, now: datetime, status: SendingStatus, http_status: int | None, reason: Reason | None) -> Self:
        return replace(
            self,
            status=status,
            attempts=self.attempts + 1,
            attempted_at=now,
            next_at=None,
            http_status=http_status,
            reason=reason,
        )


def group_of(alert: Alert, endpoint_id: str) -> str:
    """Return the group of the queue: the alerts of one customer reach one endpoint in order, and hold up nobody else's.

    Those of no known customer have no order among them.
    """
    subject = ["customer", alert.customer_id] if alert.customer_id is not None else ["alert", alert.id]
    return sha256(repr([endpoint_id, *subject]).encode()).hexdigest()


def message_of(sending: Sending) -> Mapping[str, str]:
    """Return what a message says: the two ids. All else is read when it is sent."""
    return {"alert_id": sending.alert_id, "endpoint_id": sending.endpoint_id}
