"""What the suite finds: figures beside their floors, each in one part of the suite."""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: of ours and of what it is compared with, both in ``unit``. ``beside`` is ``None`` where nothing is."""

    name: str
    ours: float
    beside: float | None
    unit: str
    ratio: float | None = None
    note: str = ""

    @classmethod
    def of_times(cls, name: str, ours: Sequence[float], beside: Sequence[float], note: str = "") -> "Figure":
        """Return medians, in milliseconds of CPU time, of seconds that were measured in turn."""
        mine, other = statistics.median(ours) * 1000, statistics.median(beside) * 1000
        return cls(name, round(mine, 3), round(other, 3), "ms CPU", round(mine / other, 3), note)


@dataclass(frozen=True, slots=True)
class Part:
    """The figures of one part of the suite, on which machine and when they were measured."""

    name: str
    machine: str
    measured_on: str
    figures: tuple[Figure, ...]

    @classmethod
    def measured(cls, name: str, figures: Sequence[Figure]) -> "Part":
        """Return a part that was measured here, just now."""
        return cls(name, machine(), f"{datetime.now(UTC):%Y-%m-%d}", tuple(figures))

    def to_json(self) -> dict[str, Any]:
        """Return the part as it is kept in docs/performance.json."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "Part":
        """Return a part as it was kept."""
        return cls(**{**kept, "figures": tuple(Figure(**each) for each in kept["figures"])})


def machine() -> str:
    """Return in a line what the machine is, and how busy it was."""
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} processors, load {load}"
