"""What becomes of a delivery: effects and mark in one transaction, however often and from wherever it is tried."""

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from pancake_meter.domain.errors import DeliveryNotFound, DomainError
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
from pancake_meter.waffo.events import WaffoEvent, parse_event

ATTEMPTS_MAX: Final = 8
_BACKOFF_BASE_SECONDS: Final = 0.02
_BACKOFF_CEILING_SECONDS: Final = 0.5
_PARKED_PER_ORDER_MAX: Final = 50
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")

OutcomeVerdict = Verdict | Literal["duplicate"]
Pause = Callable[[float], None]
"""The wait between lost races, in seconds."""


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


def judge_arrival(
    metering: Metering, delivery: Delivery, event: WaffoEvent, now: datetime, pause: Pause = time.sleep
) -> Outcome:
    """Apply what has just arrived, and then what waited for it. One that is known to be done is counted as a duplicate.

    Raises:
        StoreBusy, StoreUnavailable: passing trouble; trying again is safe, whatever happened.
    """
    outcome = _judge(metering, delivery, event, now, pause)
    if outcome.verdict == "duplicate":
        count_duplicate(metering.table, outcome.digest, now)
    return _with_unparked(metering, outcome, now, pause)


def kept_delivery(metering: Metering, digest: str) -> Delivery:
    """Return a delivery: one read; raise ``DeliveryNotFound`` when there is none."""
    kept = read_delivery(metering.table, digest) if _DIGEST.fullmatch(digest) else None
    if kept is None:
        raise DeliveryNotFound("no delivery has that id")
    return kept


def replay_delivery(
    metering: Metering, digest: str, now: datetime, *, customer_id: str | None = None, pause: Pause = time.sleep
) -> Outcome:
    """Apply a kept delivery again, and then what waited for it.

    What was applied or ignored is not touched: its outcome is ``duplicate``. ``customer_id`` assigns the delivery: an
    operator's word on whose event it is.

    Raises:
        DeliveryNotFound: no delivery has that digest.
        StoreBusy, StoreUnavailable: passing trouble; trying again is safe, whatever happened.
    """
    kept = kept_delivery(metering, digest)
    outcome = _judge(metering, kept, parse_event(kept.body.encode(), kept.told_by), now, pause, customer_id)
    return _with_unparked(metering, outcome, now, pause)


def _judge(
    metering: Metering,
    delivery: Delivery,
    event: WaffoEvent,
    now: datetime,
    pause: Pause,
    customer_id: str | None = None,
) -> Outcome:
    """Apply the event and keep the delivery with its verdict, all in one transaction."""
    for attempt in range(ATTEMPTS_MAX):
        known = read_delivery(metering.table, delivery.digest)
        if known is not None and known.is_done:
            return _outcome(known, "duplicate", known.verdict)
        effects = _effects(metering, event, now, customer_id)
        judged = _judged(known or delivery, effects, now, attempts=known.attempts + 1 if known else 1)
        try:
            metering.table.transact([*delivery_writes(judged), *effects.writes])
        except WriteRefused:
            # Either the same delivery won on another Lambda, or something it rests on has changed: look again.
            pause(_backoff(attempt))
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


def _with_unparked(metering: Metering, outcome: Outcome, now: datetime, pause: Pause) -> Outcome:
    """Try what waits for this order: what has just been learned may be what it waited for."""
    if outcome.order_id is None or outcome.verdict in ("parked", "failed"):
        return outcome
    unparked = 0
    for digest, verdict in digests_of_order(metering.table, outcome.order_id, limit=_PARKED_PER_ORDER_MAX):
        parked = read_delivery(metering.table, digest) if verdict == "parked" and digest != outcome.digest else None
        if parked is not None:
            again = _judge(metering, parked, parse_event(parked.body.encode(), parked.told_by), now, pause)
            unparked += again.verdict == "applied"
    return replace(outcome, unparked=unparked)


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
