"""The one layer of retries for AWS: botocore's own are off, and each call ends within the invocation's deadline."""

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ChecksumError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own
    CredentialRetrievalError,
    HTTPClientError,
    ResponseStreamingError,
)

from pancake_meter.deadline import Deadline, deadline_in_hand, streak_in_hand
from pancake_meter.store.errors import (
    NewerFormat,
    OutOfTime,
    StoreError,
    StoreThrottled,
    StoreUnavailable,
    WriteDoubtful,
    WriteRefused,
)

ATTEMPTS_MAX: Final = 8
CALL_SECONDS_MAX: Final = 6.5
"""A call with all its attempts: a caller waits no longer for a table that hangs."""

_CONNECT_SECONDS: Final = 1.0
_READ_SECONDS: Final = 3.0
_ATTEMPT_SECONDS: Final = _READ_SECONDS
"""What an attempt may take: where the store can be reached at all, connecting takes a moment."""

_LEAST_SECONDS: Final = 0.5
"""With less until the deadline no attempt is worth its start. With more it mostly ends in time, or the alarm ends it."""

_BACKOFF_BASE_SECONDS: Final = 0.01
_BACKOFF_CEILING_SECONDS: Final = 0.25

_THROTTLES: Final = frozenset(
    {
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
    }
)
_OUTAGES: Final = frozenset({"InternalError", "InternalFailure", "InternalServerError", "ServiceUnavailable"})
_PASSING = (HTTPClientError, ConnectionError, ResponseStreamingError, ChecksumError, CredentialRetrievalError)
_TOO_MANY_REQUESTS: Final = 429
_SERVER_ERROR: Final = 500

CLIENT_CONFIG: Final = Config(
    connect_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS, retries={"total_max_attempts": 1, "mode": "standard"}
)
"""Of every AWS client: it makes one attempt and gives up early."""

_Answer = TypeVar("_Answer")


class Retrier:
    """Repeats what meets passing trouble: at most 8 attempts and 6.5 seconds, and never beyond the deadline in hand."""

    def __init__(
        self,
        *,
        attempts_max: int = ATTEMPTS_MAX,
        sleep: Callable[[float], None] = time.sleep,
        seed: int | None = None,
        deadline: Callable[[], Deadline] = deadline_in_hand,
    ) -> None:
        """``sleep`` and ``seed`` make the jittered pauses testable."""
        self._attempts_max = attempts_max
        self._sleep = sleep
        self._deadline = deadline
        # Jitter only spreads retries; it protects nothing.
        self._random = random.Random(seed)  # noqa: S311

    def call(self, request: Callable[[], _Answer], *, is_recognised: bool = False) -> _Answer:
        """Return what ``request`` returns, repeated while it raises ``StoreError``.

        No attempt starts shortly before the deadline. A store that has failed eight times in a row in this invocation gets
        one attempt from each further call: a batch over many balances does not storm it.

        A condition that fails after an attempt whose answer was lost says nothing: that attempt may have made it fail. It is
        raised as passing trouble with what stood in the way, from which the writer can often tell.
        A request that ``is_recognised`` carries a token: the store answers its repeat as it answered the first.

        Raises:
            WriteRefused: the condition did not hold.
            WriteDoubtful: the condition did not hold, perhaps because of an earlier attempt.
        StoreError: passing trouble, the last that was met.
            OutOfTime: there was no time for a first attempt.
            NewerFormat: an item is of a later version; repeating cannot help.
        """
        deadline, streak = self._deadline(), streak_in_hand()
        limit = Deadline(stopwatch=deadline.stopwatch).within(CALL_SECONDS_MAX)
        trouble: StoreError = OutOfTime("there is no time left for another request")
        is_doubtful = False
        for attempt in range(self._attempts_max):
            if not (limit.allows(_ATTEMPT_SECONDS) and deadline.allows(_LEAST_SECONDS)):
                break
            try:
                answer = request()
            except (OutOfTime, NewerFormat):
                raise
            except StoreError as error:
                trouble = error
                is_doubtful = is_doubtful or isinstance(error, StoreUnavailable)
                # Writers that get in each other's way are no trouble of the store.
                streak.failures += isinstance(error, StoreUnavailable | StoreThrottled)
            except WriteRefused as refusal:
                streak.failures = 0
                if is_doubtful and not is_recognised:
                    raise WriteDoubtful(refusal.refusals) from refusal
                raise
            else:
                streak.failures = 0
                return answer
            wait = self._random.uniform(0, min(_BACKOFF_CEILING_SECONDS, _BACKOFF_BASE_SECONDS * 2**attempt))
            if attempt + 1 < self._attempts_max and limit.allows(wait + _ATTEMPT_SECONDS):
                self._sleep(wait)
            # Another thread may have failed meanwhile.
            if streak.failures >= ATTEMPTS_MAX:
                break
        raise trouble


def passing_trouble(error: ClientError | BotoCoreError) -> StoreError | None:
    """Return the passing trouble that an AWS client met, or ``None`` where repeating cannot help: a bug, or a setting."""
    if isinstance(error, BotoCoreError):
        return StoreUnavailable(type(error).__name__) if isinstance(error, _PASSING) else None
    code = error.response["Error"].get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    # AWS has many names for it: ThrottlingException, RequestThrottled, KmsThrottled ...
    if code in _THROTTLES or "Throttl" in code or status == _TOO_MANY_REQUESTS:
        return StoreThrottled(code)
    if code in _OUTAGES or status >= _SERVER_ERROR:
        return StoreUnavailable(code)
    return None
