"""The clock of the functions on the local stack: the wall clock, moved as the Waffo simulator's clock is moved.

`local/moved_clock.py` puts this file in the place of `pancake_meter/clock.py` in what the local stack has built. It is
in no other build, and it refuses to start anywhere but on an emulator of this machine.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

CLOCK_FILE = "LOCAL_CLOCK_FILE"
"""Environment variable that names the file in which the simulator says how its clock stands."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")

if urlsplit(os.environ.get("AWS_ENDPOINT_URL", "")).hostname not in _LOOPBACK:
    raise RuntimeError("a movable clock is for the local stack alone")


def now() -> datetime:
    """Return the present instant in UTC, as the simulator has it; without a simulator, the wall clock's."""
    wall = datetime.now(UTC)
    try:
        told = json.loads(Path(os.environ[CLOCK_FILE]).read_text(encoding="ascii"))
    except (KeyError, FileNotFoundError):
        return wall
    stopped_at = told["stopped_at"]
    return datetime.fromisoformat(stopped_at) if stopped_at else wall + timedelta(seconds=told["offset_seconds"])
