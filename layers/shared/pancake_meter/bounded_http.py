"""What the clients that use httpx share: timeouts that end before the deadline."""

import httpx

from pancake_meter.deadline import Deadline


def cut_timeout(timeout: httpx.Timeout, limit: Deadline) -> httpx.Timeout:
    """Return ``timeout`` with no part longer than the time that is left."""
    left = max(0.05, limit.seconds_left())
    connect, read, write, pool = (
        left if part is None else min(part, left)
        for part in (timeout.connect, timeout.read, timeout.write, timeout.pool)
    )
    return httpx.Timeout(connect=connect, read=max(0.05, min(read, left - connect)), write=write, pool=pool)
