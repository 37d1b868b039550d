"""Asking for what an answer can do without: for a short time, and without any harm to the answer."""

import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pancake_meter.deadline import deadline_within

_Result = TypeVar("_Result")


def briefly(work: Callable[[], _Result], seconds: float) -> _Result | None:
    """Return what ``work`` returns, or ``None`` where it fails or takes longer than ``seconds``, or than the time in hand.

    It runs in a thread of its own: a socket that drips cannot be interrupted, but nobody has to wait for it.
    """
    pool = ThreadPoolExecutor(1)
    try:
        with deadline_within(seconds) as deadline:
            asked = pool.submit(contextvars.copy_context().run, work)
            return asked.result(max(0.0, deadline.seconds_left()))
    except Exception:  # noqa: BLE001 - whatever fails here, the answer stands
        return None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
