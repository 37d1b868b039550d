"""Throttling: while a payment is overdue, a plan may let only so many holds through each minute."""

from datetime import datetime

from pancake_meter.domain.instant import to_ms
from pancake_meter.value import Value

_MINUTE_MS = 60_000
_SECOND_MS = 1_000


class Throttle(Value):
    """At most ``per_minute`` holds in one minute of the clock. ``placed`` were, in ``minute`` (since the epoch)."""

    per_minute: int
    minute: int = 0
    placed: int = 0

    def is_full(self, now: datetime) -> bool:
        """Whether this minute has had its holds. A minute still to come, by another machine's clock, counts as this one."""
        return self.minute >= minute_of(now) and self.placed >= self.per_minute


def minute_of(instant: datetime) -> int:
    """Return the minute of the clock, since the epoch."""
    return to_ms(instant) // _MINUTE_MS


def seconds_to_next_minute(now: datetime) -> int:
    """Return whole seconds, 1 to 60, after which the next minute has begun."""
    return -(-(_MINUTE_MS - to_ms(now) % _MINUTE_MS) // _SECOND_MS)
