"""Endpoints of alerts on the wire, and what became of an alert at each."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, Field, StringConstraints
from typing_extensions import TypedDict

from pancake_meter.domain.alerts.alert import ALERT_TYPES, Alert, AlertType
from pancake_meter.domain.alerts.endpoint import (
    DESCRIPTION_LENGTH_MAX,
    ENDPOINT_ID_PATTERN,
    OVERLAP_MAX,
    DisabledBecause,
    Endpoint,
)
from pancake_meter.domain.alerts.sending import Reason, Sending, SendingStatus
from pancake_meter.domain.instant import timestamp
from pancake_meter.domain.selling.loopback import URL_LENGTH_MAX
from pancake_meter.http.alerts.alerts import AlertBody, AlertId, alert_body
from pancake_meter.http.fields import WHOLE, Timestamp, Url, WireModel, items, without_controls
from pancake_meter.usecases.alerts.endpoints import Change, WithSecret

OVERLAP_SECONDS: Final = 24 * 3600

EndpointId = Annotated[str, Field(pattern=ENDPOINT_ID_PATTERN)]
_EndpointUrl = Annotated[
    str, StringConstraints(min_length=1, max_length=URL_LENGTH_MAX), Field(json_schema_extra={"format": "uri"})
]
_Events = Annotated[list[AlertType], *items(0, len(ALERT_TYPES))]
_Description = Annotated[
    str, StringConstraints(max_length=DESCRIPTION_LENGTH_MAX, strip_whitespace=True), AfterValidator(without_controls)
]


class CreateEndpointRequest(WireModel):
    """Body of ``POST /v1/alert-endpoints``: where alerts are sent, and which; without ``events`` all of them."""

    url: _EndpointUrl
    events: _Events = Field(default_factory=list)
    description: _Description = ""


class ChangeEndpointRequest(WireModel):
    """Body of a change: what is not in it stays. An empty list of ``events`` is all of them."""

    url: _EndpointUrl | None = None
    events: _Events | None = None
    description: _Description | None = None
    enabled: Annotated[bool, Field(strict=True)] | None = None

    @property
    def change(self) -> Change:
        """The same for the use case."""
        events = tuple(dict.fromkeys(self.events)) if self.events is not None else None
        return Change(self.url, events, self.description, self.enabled)


class RotateSecretRequest(WireModel):
    """Body of a rotation: for how long the secret before signs too. With 0 every earlier secret ends at once."""

    overlap_seconds: Annotated[int, Field(strict=True, ge=0, le=int(OVERLAP_MAX.total_seconds())), WHOLE] = (
        OVERLAP_SECONDS
    )

    @property
    def overlap(self) -> timedelta:
        """The same as a time."""
        return timedelta(seconds=self.overlap_seconds)


class ReplayAlertRequest(WireModel):
    """Body of a replay: to which endpoint; without one to every enabled endpoint that takes the alert's type."""

    endpoint_id: EndpointId | None = None


class EndpointBody(TypedDict):
    """An endpoint without its secrets. ``events`` is empty where it gets all types.

    ``earlier_secrets_until`` has the ends of earlier secrets that sign too. ``disabled_because`` is ``gone`` where the
    endpoint answered 410. ``changed_by`` names the API key of the latest change, where a key made it.
    """

    endpoint_id: EndpointId
    url: Url
    events: list[AlertType]
    description: str | None
    enabled: bool
    disabled_at: Timestamp | None
    disabled_because: DisabledBecause | None
    created_at: Timestamp
    earlier_secrets_until: list[Timestamp]
    changed_by: str | None


class NewSecretBody(EndpointBody):
    """An endpoint with the secret that was just made, which no later answer has."""

    secret: str


class EndpointList(TypedDict):
    """All endpoints: there are at most 20."""

    endpoints: list[EndpointBody]


class SendingBody(TypedDict):
    """What became of an alert at one endpoint.

    ``attempts`` counts those since it rang, or since its last replay. ``http_status`` and ``reason`` are of the last one;
    ``reason`` is null where it was taken. ``next_at`` is when it is tried again, as soon as earlier alerts of the customer
    have been taken or given up. ``replayed_by`` names the API key that had it sent again, where one did.
    """

    endpoint_id: EndpointId
    status: SendingStatus
    attempts: int
    attempted_at: Timestamp | None
    next_at: Timestamp | None
    http_status: int | None
    reason: Reason | None
    replayed_by: str | None


class SentAlertBody(AlertBody):
    """One alert, and what became of it at each endpoint that it is for."""

    endpoints: list[SendingBody]


class ReplayedAlertBody(TypedDict):
    """An alert that is sent again, under the same ``webhook-id``."""

    alert_id: AlertId
    endpoints: list[SendingBody]


class RungTestBody(TypedDict):
    """A test that was rung: ``GET /v1/alerts/{alert_id}`` shows what becomes of it."""

    alert_id: AlertId
    endpoint_id: EndpointId


def endpoint_body(endpoint: Endpoint, now: datetime) -> EndpointBody:
    """Return an endpoint as it is ``now``."""
    return {
        "endpoint_id": endpoint.id,
        "url": endpoint.url,
        "events": list(endpoint.events),
        "description": endpoint.description,
        "enabled": endpoint.is_enabled,
        "disabled_at": timestamp(endpoint.disabled_at) if endpoint.disabled_at is not None else None,
        "disabled_because": endpoint.disabled_because,
        "created_at": timestamp(endpoint.created_at),
        "earlier_secrets_until": [
            timestamp(each.until) for each in endpoint.secrets if each.until is not None and each.until > now
        ],
        "changed_by": endpoint.changed_by,
    }


def new_secret_body(made: WithSecret, now: datetime) -> NewSecretBody:
    """Return an endpoint with its new secret."""
    return {**endpoint_body(made.endpoint, now), "secret": made.secret}


def endpoint_list(endpoints: Sequence[Endpoint], now: datetime) -> EndpointList:
    """Return all endpoints, in the order in which they were made."""
    return {"endpoints": [endpoint_body(each, now) for each in sorted(endpoints, key=lambda each: each.created_at)]}


def sent_alert_body(alert: Alert, sendings: Sequence[Sending], *, may_sell: bool) -> SentAlertBody:
    """Return an alert with its sendings. See ``alert_body``."""
    return {**alert_body(alert, may_sell=may_sell), "endpoints": [_sending_body(each) for each in sendings]}


def replayed_body(alert: Alert, sendings: Sequence[Sending]) -> ReplayedAlertBody:
    """Return what a replay has begun."""
    return {"alert_id": alert.id, "endpoints": [_sending_body(each) for each in sendings]}


def rung_test_body(alert: Alert, endpoint_id: str) -> RungTestBody:
    """Return a test that was rung."""
    return {"alert_id": alert.id, "endpoint_id": endpoint_id}


def _sending_body(sending: Sending) -> SendingBody:
    return {
        "endpoint_id": sending.endpoint_id,
        "status": sending.status,
        "attempts": sending.attempts,
        "attempted_at": timestamp(sending.attempted_at) if sending.attempted_at is not None else None,
        "next_at": timestamp(sending.next_at) if sending.next_at is not None else None,
        "http_status": sending.http_status,
        "reason": sending.reason,
        "replayed_by": sending.by,
    }
