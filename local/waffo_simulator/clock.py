"""The simulator's own time: runs with the wall clock, and can be moved."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def wall_clock() -> datetime:
    """The machine's time, in UTC."""
    return datetime.now(UTC)


class Clock:
    """Business time. What must be true outside of the simulator (signatures, delays) uses the wall clock instead."""

    def __init__(self, wall: Callable[[], datetime] = wall_clock) -> None:
        self._wall = wall
        self._offset = timedelta()
        self._stopped_at: datetime | None = None

    def now(self) -> datetime:
        """The time, in whole milliseconds: what the wire carries."""
        now = self._stopped_at or self._wall() + self._offset
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def set(self, now: datetime, *, stopped: bool = False) -> None:
        """Go on from `now`, or stand still there."""
        self._offset = now - self._wall()
        self._stopped_at = now if stopped else None

    def reset(self) -> None:
        """Go with the wall clock again."""
        self._offset = timedelta()
        self._stopped_at = None


def wire(instant: datetime) -> str:
    """An instant as Waffo writes it: 2026-03-10T15:14:33.018Z."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"
