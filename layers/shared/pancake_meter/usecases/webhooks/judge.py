"""What becomes of a delivery: effects and mark in one transaction, however often and from wherever it is tried."""

import random
import re
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Final, Literal

from pancake_meter.domain.access.pseudonym import is_pseudonym
from pancake_meter.domain.errors import (
    DeliveryBodyRemoved,
    DeliveryNotFound,
    DeliveryNotOpen,
    DomainError,
    OrderTooLarge,
)
from pancake_meter.store.balance.balances import read_balances
from pancake_meter.store.errors import StoreBusy, StoreError, WriteRefused
from pancake_meter.store.keys import Key
from pancake_meter.store.table import TRANSACTION_WRITES_MAX
from pancake_meter.store.webhooks.deliveries import (
    Delivery,
    Verdict,
    count_duplicate,
    delivery_key,
    delivery_writes,
    dismissed,
    each_of_order,
    read_deliveries,
    read_delivery,
)
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.webhooks.decision import NOTHING_TOLD, Effects, Told
from pancake_meter.usecases.webhooks.effects import effects_of
from pancake_meter.usecases.webhooks.forget import forgotten, name_to_keep, people_of, pseudonym_of_order
from pancake_meter.usecases.webhooks.judged_with import judged_with
from pancake_meter.usecases.webhooks.named import named_keys
from pancake_meter.value import Value, replace
from pancake_meter.waffo.errors import MalformedEvent, WrongMode, WrongStore
from pancake_meter.waffo.events import WaffoEvent, parse_event
from pancake_meter.waffo.pinning import check_pinned

ATTEMPTS_MAX: Final = 8
_BACKOFF_BASE_SECONDS: Final = 0.02
_BACKOFF_CEILING_SECONDS: Final = 0.5
PARKED_PER_ORDER_MAX: Final = 50
"""Parked deliveries that one delivery of their order has tried again."""
_EFFECTS_MAX: Final = TRANSACTION_WRITES_MAX - 2
"""Writes of an event's effects in one transaction, beside the delivery and its place under the order."""

TOO_MANY_WRITES: Final = "too_many_writes"
"""Reason of an event whose effects are more than one transaction writes, and cannot be written in parts."""

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")

OutcomeVerdict = Verdict | Literal["duplicate"]
Pause = Callable[[float], None]
"""The wait between lost races, in seconds."""


class Unread(Value):
    """A body that is no event we can read. ``reason`` is a stable code, ``detail`` says what is wrong, quoting nothing."""

    reason: str
    detail: str


class Outcome(Value):
    """What became of a delivery. ``reason`` is a stable code; ``unparked`` are earlier ones that it allowed to apply, and
    ``unparked_flags`` the flags of these.
    """

    verdict: OutcomeVerdict
    reason: str | None
    digest: str
    event_type: str
    order_id: str | None
    customer_id: str | None = None
    unparked: int = 0
    unparked_flags: tuple[str, ...] = ()

    @property
    def own_flag(self) -> str | None:
        """Why a person has to look at the payment: an applied delivery has no other reason."""
        return self.reason if self.verdict == "applied" else None

    @property
    def flags(self) -> tuple[str, ...]:
        """Every flag that was raised: the delivery's own, and those of the deliveries that it allowed to apply."""
        return (*((self.own_flag,) if self.own_flag is not None else ()), *self.unparked_flags)


def judge_arrival(
    metering: Metering, delivery: Delivery, event: WaffoEvent | Unread, now: datetime, pause: Pause = time.sleep
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
    metering: Metering, digest: str, now: datetime, *, told: Told = NOTHING_TOLD, pause: Pause = time.sleep
) -> Outcome:
    """Apply a kept delivery again, and then what waited for it. A body that could not be read is read again.

    What was applied or ignored is not touched: its outcome is ``duplicate``. Only what was ignored because the catalog calls
    it not ours is judged again, and what was dismissed.

    Raises:
        DeliveryNotFound: no delivery has that digest.
        DeliveryBodyRemoved: it could be judged again, but its body is gone.
        StoreBusy, StoreUnavailable: passing trouble; trying again is safe, whatever happened.
    """
    kept = kept_delivery(metering, digest)
    if kept.body_removed_at is not None and kept.may_be_replayed:
        raise DeliveryBodyRemoved("the body of the delivery has been removed: there is nothing to apply")
    outcome = _judge(metering, kept, kept_event(kept), now, pause, told, reopens=True)
    return _with_unparked(metering, outcome, now, pause, told.by)


def retry_delivery(
    metering: Metering,
    digest: str,
    now: datetime,
    *,
    told: Told = NOTHING_TOLD,
    unparks: bool = True,
    pause: Pause = time.sleep,
) -> Outcome:
    """Apply a delivery again if it is still open, and what waited for it, if it ``unparks``. What was dismissed stays so.

    Raises:
        DeliveryNotFound: no delivery has that digest.
        StoreBusy, StoreUnavailable: passing trouble; trying again is safe, whatever happened.
    """
    kept = kept_delivery(metering, digest)
    outcome = _judge(metering, kept, kept_event(kept), now, pause, told)
    return _with_unparked(metering, outcome, now, pause, told.by) if unparks else outcome


def stays_dismissed(metering: Metering, event: WaffoEvent | Unread, now: datetime) -> bool:
    """Return whether an event would only be parked, and a delivery of its order was dismissed.

    The first 5,000 deliveries of the order are looked at: a query for each hundred.
    """
    if isinstance(event, Unread) or event.order_id is None:
        return False
    if not _would_be_parked(metering, event, NOTHING_TOLD, now):
        return False
    with suppress(OrderTooLarge):
        return any(each.verdict == "dismissed" for each in each_of_order(metering.table, event.order_id))
    return False


def dismiss_delivery(metering: Metering, digest: str, reason: str, now: datetime, *, by: str | None = None) -> Delivery:
    """Take an open delivery off the lists of what is open; return it. Dismissed already, it stays as it is.

    ``by`` names the API key of the operator.

    Raises:
        DeliveryNotFound: no delivery has that digest.
        DeliveryNotOpen: it is applied or ignored.
        StoreBusy, StoreUnavailable: passing trouble; trying again is safe.
    """
    for _ in range(ATTEMPTS_MAX):
        kept = kept_delivery(metering, digest)
        if kept.verdict == "dismissed":
            return kept
        if not kept.is_open:
            raise DeliveryNotOpen(f"the delivery is {kept.verdict}: there is nothing to dismiss")
        done = dismissed(kept, reason, now, by)
        try:
            metering.table.transact(delivery_writes(done, kept))
        except WriteRefused:
            continue
        return done
    raise StoreBusy("the delivery kept changing")


def kept_event(kept: Delivery) -> WaffoEvent | Unread:
    """Return what a kept delivery says. What could not be read when it came is checked now for mode and store."""
    if kept.body_removed_at is not None:
        return Unread("body_removed", kept.detail or "")
    if not kept.is_whole:
        return Unread("body_too_large", kept.detail or "")
    try:
        event = parse_event(kept.body, kept.told_by)
        if kept.pin is not None:
            check_pinned(event, kept.pin.mode, kept.pin.store_id)
    except MalformedEvent as error:
        return Unread("malformed_event", str(error))
    except WrongMode as error:
        return Unread("wrong_mode", str(error))
    except WrongStore as error:
        return Unread("wrong_store", str(error))
    return event


def _judge(
    metering: Metering,
    delivery: Delivery,
    event: WaffoEvent | Unread,
    now: datetime,
    pause: Pause,
    told: Told = NOTHING_TOLD,
    *,
    reopens: bool = False,
) -> Outcome:
    """Apply the event and keep the delivery with its verdict, all in one transaction.

    One that has been parked is looked at once more. What it waits for may have been applied while it was judged: that one
    looked for what waits before this mark was there, and did not find it.

    Nothing is written of a customer who was erased: the transaction demands it of everybody whom the event names. Where it
    is refused for that, the event becomes the pseudonym's, with what it says of money.
    """
    name: str | None = None
    for attempt in range(ATTEMPTS_MAX):
        reading = _reading_once(metering, event, told, delivery_key(delivery.digest))
        known = read_delivery(reading.table, delivery.digest)
        if known is not None and not (known.may_be_replayed if reopens else known.is_open):
            return _outcome(known, "duplicate", known.verdict)
        kept, event, told = _under(name, known or delivery, event, told, now)
        effects = _effects(reading, event, now, told)
        if name is None and (name := _pseudonym(reading, kept, effects)) is not None:
            continue
        owner = effects.customer_id
        demands = metering.unless_erased(*people_of(kept, owner, told.customer_id))
        if len(effects.writes) + len(demands) > _EFFECTS_MAX:
            if _write_ahead(metering, event, effects, now):
                continue
            effects = Effects("failed", TOO_MANY_WRITES, effects.customer_id)
        attempts = kept.attempts if known is None else known.attempts + 1
        judged = replace(_judged(kept, event, effects, metering, now), attempts=attempts)
        if told.by is not None:
            judged = replace(judged, decided_by=told.by)
        try:
            metering.table.transact([*delivery_writes(judged, known), *effects.writes, *demands])
        except WriteRefused:
            # The same delivery won on another Lambda, something it rests on has changed, or somebody was erased: look again.
            name = name or name_to_keep(metering, kept, owner, told.customer_id)
            pause(_backoff(attempt))
            continue
        if judged.verdict == "parked" and not _would_be_parked(metering, event, told, now):
            continue
        return _outcome(judged, judged.verdict, judged.reason)
    raise StoreBusy("the customer's books kept changing")


def _would_be_parked(metering: Metering, event: WaffoEvent | Unread, told: Told, now: datetime) -> bool:
    return _effects(_reading_once(metering, event, told), event, now, told).verdict == "parked"


def _reading_once(metering: Metering, event: WaffoEvent | Unread, told: Told, *keys: Key) -> Metering:
    """Return the collaborators of one judgement: what the event names and the items of ``keys`` are read, in one request."""
    named = named_keys(event, told) if not isinstance(event, Unread) else []
    return replace(metering, table=metering.table.reading_once([*keys, *named]))


def _under(
    name: str | None, kept: Delivery, event: WaffoEvent | Unread, told: Told, now: datetime
) -> tuple[Delivery, WaffoEvent | Unread, Told]:
    """Return the delivery, the event and what was told of it as they are kept under a name, where there is one."""
    if name is not None:
        told = replace(told, customer_id=name) if told.customer_id is not None else told
        kept = kept if kept.is_redacted else forgotten(kept, name, now)
    return kept, kept_event(kept) if kept.is_redacted and not isinstance(event, Unread) else event, told


def _pseudonym(metering: Metering, kept: Delivery, effects: Effects) -> str | None:
    """Return the pseudonym that an event belongs to by its order, though it may name nobody; ``None`` where to none.

    ``None`` too of a delivery that is kept under a name already.
    """
    if kept.is_redacted:
        return None
    if effects.customer_id is not None:
        return effects.customer_id if is_pseudonym(effects.customer_id) else None
    return pseudonym_of_order(metering, kept) if metering.erasures is not None else None


def _effects(metering: Metering, event: WaffoEvent | Unread, now: datetime, told: Told) -> Effects:
    if isinstance(event, Unread):
        return Effects("failed", event.reason)
    try:
        return effects_of(metering, event, now, told)
    except DomainError as error:
        return Effects("failed", error.code)


def _write_ahead(metering: Metering, event: WaffoEvent | Unread, effects: Effects, now: datetime) -> bool:
    """Write part of an event's effects, so that the rest fits into one transaction; return whether there was any.

    First what time alone has changed in each balance, then balances that follow the customer's orders.
    """
    if _bring_current(metering, effects.customer_id, now):
        return True
    if effects.books is None or isinstance(event, Unread):
        return False
    return effects.books.write_ahead(event.cause, event.order_id)


def _bring_current(metering: Metering, customer_id: str | None, now: datetime) -> bool:
    """Write what time alone has changed in each balance by itself; return whether there was anything."""
    balances = read_balances(metering.table, customer_id) if customer_id is not None else []
    written = [metering.keep_current(balance, now) for balance in balances]
    return any(written)


def retry_order(
    metering: Metering, order_id: str, now: datetime, *, by: str | None = None, pause: Pause = time.sleep
) -> None:
    """Try the parked deliveries of an order of which something was learned otherwise than by a delivery.

    Trouble is left to the schedule, which tries them too. ``by`` names the operator whose act it follows.
    """
    with suppress(StoreError):
        for parked in read_deliveries(metering.table, _waiting(metering, order_id, besides="")):
            _judge(metering, parked, kept_event(parked), now, pause, Told(by=by))


def _with_unparked(metering: Metering, outcome: Outcome, now: datetime, pause: Pause, by: str | None = None) -> Outcome:
    """Try what waits for this order: what has just been learned may be what it waited for.

    At most 50 are tried, the oldest events first, of those among the order's first 5,000 deliveries. The schedule finds the
    others by their verdict, and tries each that was judged before the order's last news. It does so after trouble too: the
    outcome of the delivery and its flag are answered all the same. ``by`` names the operator whose act it follows.
    """
    if outcome.order_id is None or outcome.verdict in ("parked", "failed"):
        return outcome
    applied: list[Outcome] = []
    with suppress(StoreError):
        for parked in read_deliveries(metering.table, _waiting(metering, outcome.order_id, outcome.digest)):
            judged = _judge(metering, parked, kept_event(parked), now, pause, Told(by=by))
            if judged.verdict == "applied":
                applied.append(judged)
    return replace(
        outcome, unparked=len(applied), unparked_flags=tuple(flag for each in applied for flag in each.flags)
    )


def _waiting(metering: Metering, order_id: str, besides: str) -> list[str]:
    waiting: list[str] = []
    with suppress(OrderTooLarge):
        for each in each_of_order(metering.table, order_id):
            if each.verdict == "parked" and each.digest != besides:
                waiting.append(each.digest)
            if len(waiting) == PARKED_PER_ORDER_MAX:
                break
    return waiting


def _judged(
    delivery: Delivery, event: WaffoEvent | Unread, effects: Effects, metering: Metering, now: datetime
) -> Delivery:
    """Return the delivery as judged. One that has become readable gets its envelope; its place under the order stays."""
    judged = replace(
        delivery,
        verdict=effects.verdict,
        reason=effects.reason,
        customer_id=effects.customer_id,
        judged_at=now,
        judged_with=judged_with(metering.catalog),
        dismissal=None,
    )
    if isinstance(event, Unread):
        return replace(judged, detail=event.detail)
    return replace(
        judged,
        pin=None,
        detail=None,
        event_type=event.event_type,
        event_id=event.event_id,
        waffo_id=event.id,
        order_id=event.order_id,
    )


def _outcome(delivery: Delivery, verdict: OutcomeVerdict, reason: str | None) -> Outcome:
    return Outcome(verdict, reason, delivery.digest, delivery.event_type, delivery.order_id, delivery.customer_id)


def _backoff(attempt: int) -> float:
    ceiling = min(_BACKOFF_CEILING_SECONDS, _BACKOFF_BASE_SECONDS * 2**attempt)
    # Jitter only spreads retries; it protects nothing.
    return random.uniform(0, ceiling)  # noqa: S311
