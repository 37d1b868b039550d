"""Sending an alert again, as an operator asks for it: under the same ``webhook-id``."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Final

from pancake_meter.domain.alerts.alert import Alert
from pancake_meter.domain.alerts.endpoint import Endpoint, EndpointDisabled
from pancake_meter.domain.alerts.sending import Sending, message_of
from pancake_meter.domain.errors import DomainError
from pancake_meter.store.alerts.alert_queue import AlertQueue
from pancake_meter.store.alerts.endpoints import list_endpoints
from pancake_meter.store.alerts.sendings import begin_sending, change_sending
from pancake_meter.store.errors import StoreBusy
from pancake_meter.store.table import Table
from pancake_meter.usecases.alerts.endpoints import find_endpoint

_TRIES_MAX: Final = 3


class NoEndpoint(DomainError):
    """No enabled endpoint takes the alert."""

    code: ClassVar[str] = "no_endpoint"


def replay_alert(
    table: Table, queue: AlertQueue, alert: Alert, endpoint_id: str | None, now: datetime, *, by: str | None = None
) -> Sequence[Sending]:
    """Begin the sendings of an alert anew: at one endpoint, whatever its filter, or at all enabled ones that take it.

    ``by`` names the API key of the operator.

    Raises:
        EndpointNotFound, EndpointDisabled, NoEndpoint
        StoreBusy, StoreUnavailable: passing trouble; asking again is safe.
    """
    sendings = []
    for endpoint in _targets(table, alert, endpoint_id):
        sending = _begun_anew(table, Sending(alert.id, endpoint.id, "pending", now, by=by), now)
        # In a group of its own: what waits for its next attempt would hold it up for hours.
        queue.send(message_of(sending), sending.deduplication_id, sending.deduplication_id)
        sendings.append(sending)
    return sendings


def _targets(table: Table, alert: Alert, endpoint_id: str | None) -> Sequence[Endpoint]:
    if endpoint_id is not None:
        endpoint = find_endpoint(table, endpoint_id)
        if not endpoint.is_enabled:
            raise EndpointDisabled("the endpoint is disabled: enable it first")
        return [endpoint]
    targets = [each for each in list_endpoints(table) if each.is_enabled and each.takes(alert)]
    if not targets:
        raise NoEndpoint("no enabled endpoint takes alerts of this type")
    return targets


def _begun_anew(table: Table, fresh: Sending, now: datetime) -> Sending:
    for _ in range(_TRIES_MAX):
        kept = begin_sending(table, fresh)
        if kept == fresh:
            return kept
        again = kept.again(now, fresh.by)
        if change_sending(table, kept, again):
            return again
    raise StoreBusy("the alert is being sent")
