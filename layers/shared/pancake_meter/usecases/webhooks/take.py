"""The way of a webhook: verify, keep, apply. Mark and effects are one transaction; a 2xx means that it is durable.

What Waffo signed is never dropped: a body that cannot be read is kept as ``failed``, and read again when it is replayed.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from pancake_meter.domain.standing.lifecycle import ToldBy
from pancake_meter.store.webhooks.deliveries import Delivery, Pin
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.webhooks.judge import Outcome, Pause, Unread, judge_arrival
from pancake_meter.value import Value
from pancake_meter.waffo.errors import BodyTooLarge, MalformedEvent, WebhookRefused
from pancake_meter.waffo.events import MAX_BODY_BYTES, WaffoEvent, parse_event
from pancake_meter.waffo.loose_envelope import LooseEnvelope, read_loosely
from pancake_meter.waffo.pinning import check_loosely_pinned, check_pinned
from pancake_meter.waffo.platform_keys import Mode
from pancake_meter.waffo.webhook_signature import SIGNATURE_HEADER, verify_webhook

UNREADABLE_TYPE: Final = "unreadable"
"""The event type of a delivery that does not say its own."""

_KEPT_HEADERS: Final = (SIGNATURE_HEADER, "x-waffo-event", "user-agent", "content-type")
_HEADER_LENGTH_MAX: Final = 4096


class Intake(Value):
    """The collaborators: one mode, one store, the keys of that mode. ``pause`` is the wait between lost races."""

    metering: Metering
    mode: Mode
    store_id: str
    keys: Sequence[RSAPublicKey]
    pause: Pause = time.sleep


def take_webhook(
    intake: Intake, body: bytes, headers: Mapping[str, str], now: datetime, *, wall: datetime | None = None
) -> Outcome:
    """Take one webhook request. ``headers`` have lower-case names, ``body`` is raw.

    ``wall`` is the time by which a signature is fresh, where it is another than ``now``: on a local stack whose clock was
    moved, the sender's was not.

    A signed body that is no event, or is larger than 256 KB, is kept as ``failed``; of the large one only its beginning.

    Raises:
        WebhookRefused: it is not to be believed, or not ours. Nothing was kept.
        StoreBusy, StoreUnavailable: passing trouble. Waffo's retry is safe, whatever happened.
    """
    _verify(intake, body, headers, wall or now)
    delivery, event = read_arrival(body, headers, Pin(intake.mode, intake.store_id), now)
    return judge_arrival(intake.metering, delivery, event, now, intake.pause)


def _verify(intake: Intake, body: bytes, headers: Mapping[str, str], wall: datetime) -> None:
    try:
        verify_webhook(body, headers.get(SIGNATURE_HEADER), keys=intake.keys, now=wall)
    except WebhookRefused:
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge(f"the body is larger than {MAX_BODY_BYTES} bytes, and not signed") from None
        raise


def read_arrival(
    body: bytes, headers: Mapping[str, str], pin: Pin, now: datetime, told_by: ToldBy = "webhook"
) -> tuple[Delivery, WaffoEvent | Unread]:
    """Return a believed body as a delivery that is not judged yet, and what it says.

    Raises:
        WrongMode, WrongStore: it names another mode or store than ``pin``.
    """
    try:
        event = parse_event(body, told_by)
    except BodyTooLarge as error:
        return _unread(body, headers, pin, now, told_by), Unread("body_too_large", str(error))
    except MalformedEvent as error:
        return _unread(body, headers, pin, now, told_by), Unread("malformed_event", str(error))
    check_pinned(event, pin.mode, pin.store_id)
    return _delivery(body, headers, now, told_by, event), event


def _unread(body: bytes, headers: Mapping[str, str], pin: Pin, now: datetime, told_by: ToldBy) -> Delivery:
    envelope = read_loosely(body)
    check_loosely_pinned(envelope, pin.mode, pin.store_id)
    return _delivery(body, headers, now, told_by, envelope, pin)


def _delivery(
    body: bytes,
    headers: Mapping[str, str],
    now: datetime,
    told_by: ToldBy,
    said: WaffoEvent | LooseEnvelope,
    pin: Pin | None = None,
) -> Delivery:
    kept = {name: headers[name][:_HEADER_LENGTH_MAX] for name in _KEPT_HEADERS if name in headers}
    return Delivery(
        digest=hashlib.sha256(body).hexdigest(),
        body=body[:MAX_BODY_BYTES],
        headers=kept,
        received_at=now,
        event_type=said.event_type or UNREADABLE_TYPE,
        event_id=said.event_id or "",
        waffo_id=said.id or "",
        occurred_at=said.timestamp or now,
        order_id=said.order_id,
        verdict="parked",
        judged_at=now,
        told_by=told_by,
        body_size=len(body) if len(body) > MAX_BODY_BYTES else None,
        pin=pin,
    )
