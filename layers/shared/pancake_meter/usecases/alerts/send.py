"""Sending one alert to one endpoint: once, as far as the endpoint says that it has it, and again over a day until it does.

An attempt whose outcome could not be kept is made again, under the same ``webhook-id``: receivers know a repeat by it.
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from pancake_meter.domain.alerts.alert import Alert
from pancake_meter.domain.alerts.endpoint import Endpoint, InvalidEndpointUrl, check_endpoint_url
from pancake_meter.domain.alerts.payload import payload_of
from pancake_meter.domain.alerts.sending import Sending, group_of, message_of
from pancake_meter.standard_webhooks.client import Answered, NotAnswered, WebhookClient, signed_headers
from pancake_meter.store.alerts.alert_queue import AlertQueue
from pancake_meter.store.alerts.alerts import read_alert
from pancake_meter.store.alerts.endpoints import read_endpoint
from pancake_meter.store.alerts.sendings import change_sending, read_sending
from pancake_meter.store.table import Table
from pancake_meter.usecases.alerts.endpoints import disable_gone
from pancake_meter.usecases.alerts.signing import SigningKeys
from pancake_meter.value import Value

_GONE: Final = 410
_TAKEN: Final = range(200, 300)
_EARLY: Final = timedelta(seconds=2)
"""What a message may come before its time: SQS counts in whole seconds."""

LONGEST_WAIT: Final = timedelta(hours=11)
"""SQS hides a message for at most 12 hours in all."""


class Sender(Value):
    """The table, the keys of secrets, the client, and the queue of what was given up.

    ``true_time`` is what requests are signed with, since receivers compare it with their own clocks. A local stack's clock
    may have been moved.
    """

    table: Table
    keys: SigningKeys
    client: WebhookClient
    failed: AlertQueue
    true_time: Callable[[], datetime]
    is_local: bool = False


class Done(Value):
    """Nothing is left to do for a message. ``sending`` is how it ended, ``None`` where there is none."""

    sending: Sending | None


class Later(Value):
    """The message has to come again after a while."""

    wait: timedelta


def send_alert(sender: Sender, alert_id: str, endpoint_id: str, now: datetime) -> Done | Later:
    """Send an alert to an endpoint, unless that was done before or its time has not come.

    Raises:
        StoreBusy, StoreUnavailable: passing trouble; the same message may come again.
    """
    table = sender.table
    found = read_sending(table, alert_id, endpoint_id)
    if found is None or found.status == "sent":
        return Done(found)
    # A message of one that was given up comes when an operator moves it back from the queue of those.
    sending = found if found.status == "pending" else found.again(now)
    if sending.next_at is not None and sending.next_at - now > _EARLY:
        return Later(min(sending.next_at - now, LONGEST_WAIT))
    endpoint, alert = read_endpoint(table, endpoint_id), read_alert(table, alert_id)
    if endpoint is None or not endpoint.is_enabled:
        return _kept(
            table, found, sending.ended(now, "endpoint_disabled" if endpoint is not None else "endpoint_deleted")
        )
    if alert is None:
        return _kept(table, found, sending.ended(now, "alert_deleted"))
    return _kept(table, found, _attempted(sender, endpoint, alert, sending, now))


def _attempted(sender: Sender, endpoint: Endpoint, alert: Alert, sending: Sending, now: datetime) -> Sending:
    """Make one attempt; return what the sending becomes by it."""
    answer = _post(sender, endpoint, alert, now)
    if not isinstance(answer, Answered):
        missed = sending.missed(now, None, answer)
    elif answer.status in _TAKEN:
        return sending.sent(now, answer.status)
    elif answer.status == _GONE:
        disable_gone(sender.table, endpoint.id, now)
        return sending.refused(now, answer.status)
    else:
        missed = sending.missed(now, answer.status, "answered")
    if missed.status == "failed":
        # Put aside before it is noted: if this ends in between, there is one attempt more, and not one alert less.
        sender.failed.send(message_of(missed), group_of(alert, endpoint.id), missed.deduplication_id)
    return missed


def _kept(table: Table, before: Sending, after: Sending) -> Done | Later:
    if change_sending(table, before, after) and after.next_at is not None and after.attempted_at is not None:
        return Later(after.next_at - after.attempted_at)
    # Where it became something else meanwhile, a replay began it anew, which has a message of its own.
    return Done(after)


def _post(sender: Sender, endpoint: Endpoint, alert: Alert, now: datetime) -> Answered | NotAnswered:
    try:
        url = check_endpoint_url(endpoint.url, is_local=sender.is_local)
    except InvalidEndpointUrl:
        return "address_refused"
    body = json.dumps(payload_of(alert), ensure_ascii=False, separators=(",", ":"))
    secrets = [sender.keys.text(endpoint.id, secret) for secret in endpoint.signing_at(now)]
    return sender.client.post(url, body, signed_headers(alert.id, body, secrets, sender.true_time()))
