"""Usage events: one fact each, "this customer used q of this meter at t", under an id that the caller made."""

import hashlib
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Self

from pancake_meter.domain.balance.closed_period import TOLD_AFTER_MAX
from pancake_meter.domain.errors import EventTimeOutOfRange, InvalidEventId
from pancake_meter.domain.instant import timestamp
from pancake_meter.domain.quantity import format_quantity
from pancake_meter.value import Value, replace, same_but_for

RETENTION = TOLD_AFTER_MAX
"""How long an id is remembered: a repeat within it counts once."""

AHEAD_MAX = timedelta(minutes=5)
"""How far ahead of our clock an event's own time may be."""

EVENT_ID_LENGTH_MAX = 128

ORIGIN_LENGTH_MAX = 64
"""Characters that are kept of a model's or a source's name."""


class CountedAs(Value):
    """What an id was counted as: the event's fingerprint, which may be empty where no time was stated, and the units.

    ``hold_was_over`` is the event's.
    """

    fingerprint: str
    quantity: Decimal
    hold_was_over: bool = False


@same_but_for("hold_was_over", "model", "source")
class UsageEvent(Value):
    """``quantity`` units of a meter, used at ``used_at``.

    Its identity is (customer, meter, id). ``stated_at`` is the time that the caller gave as part of the event's content,
    ``None`` when it gave none. ``hold_was_over``: it settles a hold that was not there any more. This is kept with the
    event, so that a repeated settlement gets the first answer. ``model`` and ``source`` say what it was made of, where that
    is known. They are no part of its content: two reports of one call may name its model differently.
    """

    id: str
    quantity: Decimal
    used_at: datetime
    stated_at: datetime | None = None
    hold_was_over: bool = False
    model: str | None = None
    source: str | None = None

    def made_of(self, model: object, source: object) -> Self:
        """Return the event with the names of its model and source, as far as they are names."""
        names = origin_name(model), origin_name(source)
        return self if names == (self.model, self.source) else replace(self, model=names[0], source=names[1])

    @property
    def fingerprint(self) -> str:
        """Hash of the content: a repeat of the id with another fingerprint is a conflict, not a retry."""
        stated = timestamp(self.stated_at) if self.stated_at else ""
        return hashlib.sha256(f"{format_quantity(self.quantity)}|{stated}".encode()).hexdigest()

    def is_repeat_of(self, counted: CountedAs) -> bool:
        """Say whether the event is one that was counted under its id.

        Without a time in its content it repeats the same quantity of whatever time: an earlier version of this program may
        have counted it with the time that a source stamped.
        """
        if self.stated_at is None:
            return self.quantity == counted.quantity
        return self.fingerprint == counted.fingerprint


def usage_event(event_id: str, quantity: Decimal, stated_at: datetime | None, now: datetime) -> UsageEvent:
    """Return the event, timed by the caller or, without a time of its own, by our clock.

    Raises:
        InvalidEventId: the id is empty, longer than 128 characters, or has a control character.
        EventTimeOutOfRange: the time is more than 5 minutes ahead, or older than ids are remembered.
    """
    _check(event_id, stated_at or now, now)
    return UsageEvent(event_id, quantity, stated_at or now, stated_at)


def dated_usage_event(event_id: str, quantity: Decimal, used_at: datetime, now: datetime) -> UsageEvent:
    """Return an event whose time is known but no part of its content: sources may tell it with another precision.

    Raises:
        InvalidEventId, EventTimeOutOfRange: as ``usage_event``.
    """
    _check(event_id, used_at, now)
    return UsageEvent(event_id, quantity, used_at)


def origin_name(stated: object) -> str | None:
    """Return what is kept of a model's or a source's name: its first 64 printable characters; ``None`` for no name."""
    if not isinstance(stated, str):
        return None
    printable = "".join(character for character in stated if character.isprintable()).strip()
    return printable[:ORIGIN_LENGTH_MAX].rstrip() or None


def _check(event_id: str, used_at: datetime, now: datetime) -> None:
    if not 1 <= len(event_id) <= EVENT_ID_LENGTH_MAX or not event_id.isprintable():
        raise InvalidEventId(f"an event id is 1 to {EVENT_ID_LENGTH_MAX} printable characters")
    if not now - RETENTION < used_at <= now + AHEAD_MAX:
        raise EventTimeOutOfRange("an event's time is at most 5 minutes ahead and less than 90 days ago")


class CountedUsage(Value):
    """``quantity`` units of a meter that a customer used at ``used_at``, and that were counted at ``counted_at``.

    Its identity is (customer, meter, event id).
    """

    customer_id: str
    meter: str
    event_id: str
    quantity: Decimal
    used_at: datetime
    counted_at: datetime
