"""The simulator's own time: runs with the wall clock, and can be moved."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path


def wall_clock() -> datetime:
    """The machine's time, in UTC."""
    return datetime.now(UTC)


class Clock:
    """Business time. What must be true outside of the simulator (signatures, delays) uses the wall clock instead.

    `told_in` is a file that says how the clock stands whenever it was moved: the local stack's functions read it.
    """

    def __init__(self, wall: Callable[[], datetime] = wall_clock, told_in: Path | None = None) -> None:
        self._wall = wall
        self._told_in = told_in
        self._offset = timedelta()
        self._stopped_at: datetime | None = None

    def now(self) -> datetime:
        """The time, in whole milliseconds: what the wire carries."""
        now = self._stopped_at or self._wall() + self._offset
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    @property
    def is_followed(self) -> bool:
        """Whether others go by this clock."""
        return self._told_in is not None

    def set(self, now: datetime, *, stopped: bool = False, told: bool = True) -> None:
        """Go on from `now`, or stand still there; with `told` false those who follow are not told yet."""
        self._offset = now - self._wall()
        self._stopped_at = now if stopped else None
        if told:
            self.tell()

    def reset(self) -> None:
        """Go with the wall clock again."""
        self._offset = timedelta()
        self._stopped_at = None
        self.tell()

    def tell(self) -> None:
        """Write the file in one step: who reads it meanwhile sees the clock as it stood before."""
        if self._told_in is None:
            return
        stopped_at = self._stopped_at.isoformat() if self._stopped_at else None
        told = {"offset_seconds": self._offset.total_seconds(), "stopped_at": stopped_at}
        written = self._told_in.with_suffix(".new")
        written.write_text(json.dumps(told), encoding="ascii")
        written.replace(self._told_in)


def wire(instant: datetime) -> str:
    """An instant as Waffo writes it: 2026-03-10T15:14:33.018Z."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"
