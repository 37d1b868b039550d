"""The month: from day to day, what happens and what is used."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from local.demo.acts import LAST_DAY, Act
from local.demo.buying import BUYING, subscribe
from local.demo.operating import OPERATING
from local.demo.standing import STANDING, live_until
from local.demo.trouble import TROUBLE
from local.demo.usage import use, use_before
from local.demo.world import World

ACTS = (*OPERATING, *BUYING, *STANDING, *TROUBLE)
Say = Callable[[str], None]


def begins_by(now: datetime) -> datetime:
    """Return when a month begins whose last day's acts happen within the hour before `now`."""
    return now.replace(minute=0, second=0, microsecond=0) - timedelta(days=LAST_DAY, hours=9)


@dataclass(slots=True)
class Journal:
    """What has happened already, in a file beside the stack's data: a run that was cut off goes on where it was."""

    file: Path
    begins: datetime
    done: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, file: Path, now: datetime) -> "Journal":
        """Return the journal of a month that has begun, or of one that begins now."""
        if not file.exists():
            return cls(file, begins_by(now))
        kept = json.loads(file.read_text(encoding="utf-8"))
        return cls(file, datetime.fromisoformat(kept["begins"]), kept["done"])

    def once(self, name: str, do: Callable[[], object]) -> object:
        """Do something unless it was done before."""
        if name in self.done:
            return None
        result = do()
        self.done.append(name)
        self.file.write_text(json.dumps({"begins": self.begins.isoformat(), "done": self.done}), encoding="utf-8")
        return result


def live(world: World, journal: Journal, say: Say) -> None:
    """Live through the month. At its end, and if it is cut off, the clock is right again."""
    if f"day {LAST_DAY}" in journal.done:
        say("the demo month is there already")
        return
    started = time.monotonic()
    try:
        journal.once("clock", lambda: world.move_clock(world.at(0)))
        for day in range(LAST_DAY + 1):
            journal.once(f"day {day}", lambda day=day: _live_day(world, journal, day, say))  # type: ignore[misc]
    finally:
        world.move_clock(datetime.now(UTC))
    world.post("/v1/reconciliations", {})
    say(f"the month is over, after {time.monotonic() - started:.0f} s")


def _live_day(world: World, journal: Journal, day: int, say: Say) -> None:
    live_until(world, world.at(day))
    if day == 0:
        say(f"{journal.once('subscribe', lambda: subscribe(world)) or 0} customers have subscribed before the month")
        use_before(world)
    count = use(world, day)
    say(f"{world.at(day):%d %b}: {count} usage events")
    for act in _acts_of(world, day):
        journal.once(f"{day} {act.says}", lambda act=act: act.do(world))  # type: ignore[misc]
        say(f"  {act.says}")


def _acts_of(world: World, day: int) -> list[Act]:
    return [act for act in ACTS if act.day == day and act.takes_place(world)]
