"""The way of a webhook: verify, keep, apply. Mark and effects are one transaction; a 2xx means that it is durable."""

import hashlib
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from pancake_meter.domain.errors import DomainError
from pancake_meter.store.deliveries import (
    Delivery,
    Verdict,
    count_duplicate,
    delivery_writes,
    digests_of_order,
    read_delivery,
)
from pancake_meter.store.errors import StoreBusy, WriteRefused
from pancake_meter.store.table import TRANSACTION_WRITES_MAX
from pancake_meter.usecases.metering import Metering
from pancake_meter.usecases.webhook_effects import Effects, effects_of
from pancake_meter.waffo.errors import BodyTooLarge
from pancake_meter.waffo.events import MAX_BODY_BYTES, WaffoEvent, parse_event
from pancake_meter.waffo.pinning import check_pinned
from pancake_meter.waffo.platform_keys import Mode
from pancake_meter.waffo.webhook_signature import SIGNATURE_HEADER, verify_webhook

ATTEMPTS_MAX: Final = 8
_BACKOFF_BASE_SECONDS: Final = 0.02
_BACKOFF_CEILING_SECONDS: Final = 0.5
_PARKED_PER_ORDER_MAX: Final = 50
_KEPT_HEADERS: Final = (SIGNATURE_HEADER, "x-waffo-event", "user-agent", "content-type")
_HEADER_LENGTH_MAX: Final = 4096

OutcomeVerdict = Verdict | Literal["duplicate"]


@dataclass(frozen=True, slots=True)
class Intake:
    """The collaborators: one mode, one store, the keys of that mode. ``pause`` is the wait between lost races."""

    metering: Metering
    mode: Mode
    store_id: str
    keys: Sequence[RSAPublicKey]
    pause: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a delivery. ``reason`` is a stable code; ``unparked`` are earlier ones that it allowed to apply."""

    verdict: OutcomeVerdict
    reason: str | None
    digest: str
    event_type: str
    order_id: str | None
    customer_id: str | None = None
    unparked: int = 0


def take_webhook(intake: Intake, body: bytes, headers: Mapping[str, str], now: datetime) -> Outcome:
    """Take one webhook request. ``headers`` have lower-case names, ``body`` is raw.

    Raises:
        WebhookRefused: it is not to be believed, not ours, or not an event. Nothing was kept.
        StoreBusy, StoreUnavailable: passing trouble. Waffo's retry is safe, whatever happened.
    """
    if len(body) > MAX_BODY_BYTES:
        raise BodyTooLarge(f"the body is larger than {MAX_BODY_BYTES} bytes")
    verify_webhook(body, headers.get(SIGNATURE_HEADER), keys=intake.keys, now=now)
    event = parse_event(body)
    check_pinned(event, intake.mode, intake.store_id)
    outcome = _judge(intake, _delivery(event, body, headers, now), event, now)
    if outcome.order_id is None or outcome.verdict in ("parked", "failed"):
        return outcome
    return replace(outcome, unparked=_replay_parked(intake, outcome.order_id, outcome.digest, now))


def replay_delivery(intake: Intake, digest: str, now: datetime, *, customer_id: str | None = None) -> Outcome | None:
    """Apply a kept delivery again; ``None`` when there is none. What was applied or ignored is not touched.

    ``customer_id`` assigns it: an operator's word on whose event it is.
    """
    kept = read_delivery(intake.metering.table, digest)
    if kept is None:
        return None
    event = parse_event(kept.body.encode())
    return _judge(intake, kept, event, now, customer_id=customer_id)


def _judge(
    intake: Intake, delivery: Delivery, event: WaffoEvent, now: datetime, *, customer_id: str | None = None
) -> Outcome:
    """Apply the event and keep the delivery with its verdict, all in one transaction."""
    table = intake.metering.table
    for attempt in range(ATTEMPTS_MAX):
        known = read_delivery(table, delivery.digest)
        if known is not None and known.is_done:
            count_duplicate(table, delivery.digest, now)
            return _outcome(known, "duplicate", known.verdict)
        effects = _effects(intake.metering, event, now, customer_id)
        judged = _judged(known or delivery, effects, now, attempts=known.attempts + 1 if known else 1)
        try:
            table.transact([*delivery_writes(judged), *effects.writes])
        except WriteRefused:
            # Either the same delivery won on another Lambda, or something it rests on has changed: look again.
            intake.pause(_backoff(attempt))
            continue
        return _outcome(judged, judged.verdict, judged.reason)
    raise StoreBusy("the customer's books kept changing")


def _effects(metering: Metering, event: WaffoEvent, now: datetime, customer_id: str | None) -> Effects:
    try:
        effects = effects_of(metering, event, now, customer_id=customer_id)
    except DomainError as error:
        return Effects("failed", error.code)
    if len(effects.writes) > TRANSACTION_WRITES_MAX - 2:
        return Effects("failed", "too_many_writes", effects.customer_id)
    return effects


def _replay_parked(intake: Intake, order_id: str, digest: str, now: datetime) -> int:
    """Try what waits for this order: what has just been learned may be what it waited for."""
    unparked = 0
    for parked, verdict in digests_of_order(intake.metering.table, order_id, limit=_PARKED_PER_ORDER_MAX):
        if verdict == "parked" and parked != digest:
            outcome = replay_delivery(intake, parked, now)
            unparked += outcome is not None and outcome.verdict == "applied"
    return unparked


def _delivery(event: WaffoEvent, body: bytes, headers: Mapping[str, str], now: datetime) -> Delivery:
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
    )


def _judged(delivery: Delivery, effects: Effects, now: datetime, *, attempts: int) -> Delivery:
    return replace(
        delivery,
        verdict=effects.verdict,
        reason=effects.reason,
        customer_id=effects.customer_id,
        judged_at=now,
        attempts=attempts,
    )


def _outcome(delivery: Delivery, verdict: OutcomeVerdict, reason: str | None) -> Outcome:
    return Outcome(verdict, reason, delivery.digest, delivery.event_type, delivery.order_id, delivery.customer_id)


def _backoff(attempt: int) -> float:
    ceiling = min(_BACKOFF_CEILING_SECONDS, _BACKOFF_BASE_SECONDS * 2**attempt)
    # Jitter only spreads retries; it protects nothing.
    return random.uniform(0, ceiling)  # noqa: S311
