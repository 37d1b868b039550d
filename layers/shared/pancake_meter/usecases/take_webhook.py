"""The way of a webhook: verify, keep, apply. Mark and effects are one transaction; a 2xx means that it is durable."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from pancake_meter.store.deliveries import Delivery
from pancake_meter.usecases.judge_delivery import Outcome, Pause, judge_arrival
from pancake_meter.usecases.metering import Metering
from pancake_meter.waffo.errors import BodyTooLarge
from pancake_meter.waffo.events import MAX_BODY_BYTES, WaffoEvent, parse_event
from pancake_meter.waffo.pinning import check_pinned
from pancake_meter.waffo.platform_keys import Mode
from pancake_meter.waffo.webhook_signature import SIGNATURE_HEADER, verify_webhook

_KEPT_HEADERS: Final = (SIGNATURE_HEADER, "x-waffo-event", "user-agent", "content-type")
_HEADER_LENGTH_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class Intake:
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

    Raises:
        WebhookRefused: it is not to be believed, not ours, or not an event. Nothing was kept.
        StoreBusy, StoreUnavailable: passing trouble. Waffo's retry is safe, whatever happened.
    """
    if len(body) > MAX_BODY_BYTES:
        raise BodyTooLarge(f"the body is larger than {MAX_BODY_BYTES} bytes")
    verify_webhook(body, headers.get(SIGNATURE_HEADER), keys=intake.keys, now=wall or now)
    event = parse_event(body)
    check_pinned(event, intake.mode, intake.store_id)
    return judge_arrival(intake.metering, arrived(event, body, headers, now), event, now, intake.pause)


def arrived(event: WaffoEvent, body: bytes, headers: Mapping[str, str], now: datetime) -> Delivery:
    """Return the record of a body that has just come to us, not judged yet."""
    kept = {name: headers[name][:_HEADER_LENGTH_MAX] for name in _KEPT_HEADERS if name in headers}
    return Delivery(
        digest=hashlib.sha256(body).hexdigest(),
        body=body.decode(),
        headers=kept,
        received_at=now,
        event_type=event.event_type,
        event_id=event.event_id,
        waffo_id=event.id,
        occurred_at=event.timestamp,
        order_id=event.order_id,
        verdict="parked",
        judged_at=now,
        told_by=event.told_by,
    )
