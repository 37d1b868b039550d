"""Endpoints for operators: make, change, rotate, test, delete."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from pancake_meter.domain.access.once import REMEMBERED, Once
from pancake_meter.domain.alerts.alert import Alert, AlertType
from pancake_meter.domain.alerts.endpoint import (
    ENDPOINTS_MAX,
    TEST,
    Endpoint,
    EndpointDisabled,
    EndpointNotFound,
    InvalidEndpointUrl,
    SigningSecret,
    TooManyEndpoints,
    check_endpoint_url,
)
from pancake_meter.standard_webhooks.addresses import (
    AddressRefused,
    HostUnknown,
    Resolve,
    in_time,
    public_address,
    resolved,
)
from pancake_meter.store.access.once import done_write, read_done
from pancake_meter.store.alerts.alerts import put_alert, read_alert
from pancake_meter.store.alerts.endpoints import (
    change_endpoint,
    delete_endpoint,
    endpoint_from_item,
    endpoint_item,
    list_endpoints,
    put_endpoint,
    read_endpoint,
)
from pancake_meter.store.errors import StoreBusy, WriteRefused
from pancake_meter.store.table import Put, Table
from pancake_meter.usecases.alerts.signing import SigningKeys
from pancake_meter.value import Value, replace

_TRIES_MAX: Final = 3
_LOOKUP_SECONDS_MAX: Final = 3.0
_HTTPS: Final = 443


class Addresses(Value):
    """Which URLs may be endpoints: plain http ones of this machine too, where the stack ``is_local``."""

    is_local: bool = False
    resolve: Resolve = resolved

    def check(self, url: str) -> None:
        """Look a URL up. It is looked up again whenever something is sent to it.

        Raises:
            InvalidEndpointUrl: nothing may be sent to it.
        """
        parts = check_endpoint_url(url, is_local=self.is_local)
        host = parts.hostname or ""
        if parts.scheme != "https":
            return
        try:
            in_time(_LOOKUP_SECONDS_MAX, lambda: public_address(host, parts.port or _HTTPS, self.resolve))
        except AddressRefused as error:
            raise InvalidEndpointUrl("the host is not on the public internet: nothing is sent to it") from error
        except (HostUnknown, TimeoutError) as error:
            raise InvalidEndpointUrl("DNS knows no address of the host") from error


class Endpoints(Value):
    """The endpoints of a stack."""

    table: Table
    keys: SigningKeys
    addresses: Addresses


class WithSecret(Value):
    """An endpoint, and the text of its new secret, which no later answer has. ``is_replay``: an earlier request made it."""

    endpoint: Endpoint
    secret: str
    is_replay: bool = False


class Change(Value):
    """What is to become of an endpoint: ``None`` leaves a thing as it is, an empty description takes it away."""

    url: str | None = None
    events: tuple[AlertType, ...] | None = None
    description: str | None = None
    is_enabled: bool | None = None


def find_endpoint(table: Table, endpoint_id: str) -> Endpoint:
    """Return an endpoint. Raises ``EndpointNotFound``."""
    found = read_endpoint(table, endpoint_id)
    if found is None:
        raise EndpointNotFound("no endpoint of alerts has that id")
    return found


def create_endpoint(
    endpoints: Endpoints,
    url: str,
    events: tuple[AlertType, ...],
    description: str | None,
    now: datetime,
    once: Once | None = None,
    *,
    by: str | None = None,
) -> WithSecret:
    """Make an endpoint; with ``once``, a repeat of the request gets the same one again. ``by`` names the operator's API key.

    Raises:
        IdempotencyConflict: the request's key was used for another request.
        InvalidEndpointUrl: nothing may be sent to the URL.
        TooManyEndpoints: there are as many as there can be.
        StoreBusy, StoreUnavailable: passing trouble.
    """
    table = endpoints.table
    for _ in range(_TRIES_MAX):
        if (before := _done_before(endpoints, once, now)) is not None:
            return before
        endpoints.addresses.check(url)
        if len(list_endpoints(table)) >= ENDPOINTS_MAX:
            raise TooManyEndpoints(f"a stack has at most {ENDPOINTS_MAX} endpoints of alerts", maximum=ENDPOINTS_MAX)
        secret = endpoints.keys.new()
        name = f"aep_{uuid4().hex[:24]}"
        endpoint = Endpoint(name, url, events, description or None, (secret,), now, changed_by=by)
        made = WithSecret(endpoint, endpoints.keys.text(endpoint.id, secret))
        try:
            put_endpoint(table, endpoint, _done(once, endpoint, now))
        except WriteRefused:
            continue
        return made
    raise StoreBusy("the same request is being answered")


def alter_endpoint(
    endpoints: Endpoints, endpoint_id: str, change: Change, now: datetime, *, by: str | None = None
) -> Endpoint:
    """Change an endpoint; return it. ``by`` names the API key of the operator.

    Raises:
        EndpointNotFound, InvalidEndpointUrl
        StoreBusy, StoreUnavailable: passing trouble.
    """
    if change.url is not None:
        endpoints.addresses.check(change.url)
    return _changed(endpoints.table, endpoint_id, lambda endpoint: _altered(endpoint, change, now), by)


def rotate_secret(
    endpoints: Endpoints,
    endpoint_id: str,
    overlap: timedelta,
    now: datetime,
    once: Once | None = None,
    *,
    by: str | None = None,
) -> WithSecret:
    """Give an endpoint a new secret. The one before signs too until the overlap is over.

    ``by`` names the API key of the operator.

    Raises:
        EndpointNotFound, TooManySecrets, IdempotencyConflict
        StoreBusy, StoreUnavailable: passing trouble.
    """
    for _ in range(_TRIES_MAX):
        if (before := _done_before(endpoints, once, now)) is not None:
            return before
        endpoint = find_endpoint(endpoints.table, endpoint_id)
        secret = endpoints.keys.new()
        text = endpoints.keys.text(endpoint_id, secret)
        rotated = replace(endpoint.rotated(secret, now, overlap), version=endpoint.version + 1, changed_by=by)
        if change_endpoint(endpoints.table, rotated, endpoint.version, _done(once, rotated, now)):
            return WithSecret(rotated, text)
    raise StoreBusy("the endpoint kept changing")


def remove_endpoint(table: Table, endpoint_id: str) -> None:
    """Take an endpoint away. What waits for it is not sent. Raises ``EndpointNotFound``."""
    find_endpoint(table, endpoint_id)
    delete_endpoint(table, endpoint_id)


def disable_gone(table: Table, endpoint_id: str, now: datetime) -> None:
    """Disable an endpoint that said of itself that it is gone (410)."""
    try:
        _changed(table, endpoint_id, lambda endpoint: endpoint.disabled(now, "gone"))
    except EndpointNotFound:
        return


def ring_test(table: Table, endpoint_id: str, key: str | None, now: datetime) -> Alert:
    """Ring a test for one endpoint: it goes the way of every alert. One ``key`` rings once.

    Raises:
        EndpointNotFound, EndpointDisabled
        StoreBusy, StoreUnavailable: passing trouble.
    """
    meaning = f"{TEST}#{endpoint_id}#{key or uuid4().hex}"
    alert = Alert(meaning, TEST, None, None, now, {"endpoint_id": endpoint_id})
    if key is not None and read_alert(table, alert.id) is not None:
        return alert
    if not find_endpoint(table, endpoint_id).is_enabled:
        raise EndpointDisabled("the endpoint is disabled: enable it first")
    put_alert(table, alert)
    return alert


def _altered(endpoint: Endpoint, change: Change, now: datetime) -> Endpoint:
    altered = replace(
        endpoint,
        url=endpoint.url if change.url is None else change.url,
        events=endpoint.events if change.events is None else change.events,
        description=endpoint.description if change.description is None else change.description or None,
    )
    if change.is_enabled is None:
        return altered
    return altered.enabled() if change.is_enabled else altered.disabled(now, "operator")


def _changed(table: Table, endpoint_id: str, change: Callable[[Endpoint], Endpoint], by: str | None = None) -> Endpoint:
    for _ in range(_TRIES_MAX):
        endpoint = find_endpoint(table, endpoint_id)
        changed = change(endpoint)
        if changed == endpoint:
            return endpoint
        changed = replace(changed, version=endpoint.version + 1, changed_by=by)
        if change_endpoint(table, changed, endpoint.version):
            return changed
    raise StoreBusy("the endpoint kept changing")


def _done(once: Once | None, endpoint: Endpoint, now: datetime) -> Put | None:
    return done_write(once, {"endpoint": endpoint_item(endpoint)}, now + REMEMBERED, now) if once is not None else None


def _done_before(endpoints: Endpoints, once: Once | None, now: datetime) -> WithSecret | None:
    """Return what an earlier request like this one was answered: the endpoint as it was then, whatever became of it."""
    facts = read_done(endpoints.table, once, now) if once is not None else None
    if facts is None:
        return None
    if "endpoint" in facts:
        endpoint = endpoint_from_item(facts["endpoint"])
        return WithSecret(endpoint, endpoints.keys.text(endpoint.id, endpoint.secrets[0]), is_replay=True)
    # What an earlier version has kept: the secret alone.
    endpoint = find_endpoint(endpoints.table, facts["endpoint_id"])
    text = endpoints.keys.text(endpoint.id, SigningSecret(facts["kid"], facts["salt"]))
    return WithSecret(endpoint, text, is_replay=True)
