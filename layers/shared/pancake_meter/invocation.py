"""One invocation of a Lambda function: its logger, its metrics, and the deadline that everything in it obeys."""

import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from typing import Any, Final, NoReturn

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from pancake_meter import cold_start
from pancake_meter.deadline import deadline_of
from pancake_meter.domain.access.masking import masked
from pancake_meter.store.errors import OutOfTime, StoreError

ANSWER_SECONDS: Final = 1.5
"""Between the deadline and the function's own timeout: for the answer, which leaves at least a second before it."""

GATEWAY_SECONDS: Final = 29.0
"""An HTTP API hangs up after 30 seconds, however long the function may run."""

RESERVE: Final = timedelta(seconds=8)
"""Enough for the transaction in hand with all its repeats, and for the answer."""

_GRACE_SECONDS: Final = 0.2
"""Code that obeys the deadline has this long to raise ``OutOfTime`` itself before the alarm does."""

Handler = Callable[..., Any]
OnTrouble = Callable[[Any, LambdaContext, StoreError], Any]


def time_left(context: LambdaContext, reserve: timedelta = RESERVE) -> Callable[[], bool]:
    """Return a predicate: true while more than ``reserve`` of the Lambda's time is left."""
    return lambda: timedelta(milliseconds=context.get_remaining_time_in_millis()) > reserve


def lambda_handler(on_trouble: OnTrouble | None = None) -> Callable[[Handler], Handler]:
    """Decorate the handler of a function: it logs with the request's ids, writes its metrics, and ends ``in_time``.

    No line of its log shows an e-mail address, a key or a token.
    """
    mask_log()
    # An invocation that counts nothing is normal here, and not worth a warning.
    warnings.filterwarnings("ignore", message="No application metrics to publish")

    def decorate(handler: Handler) -> Handler:
        counted: Handler = Metrics().log_metrics(in_time(on_trouble)(handler))
        decorated: Handler = Logger().inject_lambda_context(clear_state=True)(counted)
        return decorated

    return decorate


class _Masked:
    """A serialiser of log lines that masks what they may not show."""

    def __init__(self, serialize: Callable[[dict[str, Any]], str]) -> None:
        """Wrap ``serialize``."""
        self._serialize = serialize

    def __call__(self, line: dict[str, Any]) -> str:
        """Return the line as JSON."""
        return masked(self._serialize(line))


def mask_log() -> None:
    """Mask every line of the function's log, once: all its loggers share a formatter of Powertools."""
    formatter: Any = Logger().registered_formatter
    if not isinstance(formatter.json_serializer, _Masked):
        formatter.json_serializer = _Masked(formatter.json_serializer)


def in_time(on_trouble: OnTrouble | None = None) -> Callable[[Handler], Handler]:
    """Decorate a handler: it ends before its function's timeout.

    ``on_trouble`` makes the answer where passing trouble, such as the end of the time, is raised by the handler itself.
    Without it the error is raised, and the caller of the function repeats the event. The cold start ends with it.
    """

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        def timed(event: Any, context: LambdaContext, *arguments: Any, **named: Any) -> Any:
            seconds = _seconds_to_answer(event, context)
            try:
                with deadline_of(seconds), _alarm_after(seconds + _GRACE_SECONDS):
                    return handler(event, context, *arguments, **named)
            except StoreError as trouble:
                if on_trouble is None:
                    raise
                Logger().warning("passing trouble", extra={"trouble": type(trouble).__name__, "reason": str(trouble)})
                return on_trouble(event, context, trouble)

        cold_start.end()
        return timed

    return decorate


def is_http(event: Any) -> bool:
    """Return whether the event is a request of API Gateway or a function URL."""
    return isinstance(event, dict) and "requestContext" in event


def _seconds_to_answer(event: Any, context: LambdaContext) -> float:
    seconds = context.get_remaining_time_in_millis() / 1000
    return max(0.0, (min(seconds, GATEWAY_SECONDS) if is_http(event) else seconds) - ANSWER_SECONDS)


@contextmanager
def _alarm_after(seconds: float) -> Iterator[None]:
    """Raise ``OutOfTime`` in the main thread after ``seconds``: the last resort against a server that sends byte by byte.

    A socket's timeout begins anew with each byte. Only the main thread can be interrupted; other threads have no alarm.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler_before = signal.signal(signal.SIGALRM, _ring)
    started = time.monotonic()
    left_before, interval_before = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler_before)
        if left_before:
            left = max(0.001, left_before - (time.monotonic() - started))
            signal.setitimer(signal.ITIMER_REAL, left, interval_before)


def _ring(_signal: int, _frame: object) -> NoReturn:
    raise OutOfTime("the function's time is over")
