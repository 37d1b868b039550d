"""When and how long to wait before a call is made again."""

from collections.abc import Callable

from pancake_meter.value import Value


class RetryPolicy(Value):
    """Exponential backoff with full jitter, bounded in attempts and in time.

    ``attempts_max`` counts the first one. A call with all its attempts ends within ``total_seconds_max``, and earlier where
    the invocation in hand has less time left.
    """

    attempts_max: int = 3
    base_seconds: float = 0.2
    delay_seconds_max: float = 2.0
    total_seconds_max: float = 12.0

    def delay_seconds(self, attempt: int, random: Callable[[], float]) -> float:
        """How long to wait after attempt number ``attempt`` (1 is the first): anything between 0 and the doubling
        ceiling.
        """
        return random() * min(self.delay_seconds_max, self.base_seconds * 2.0 ** (attempt - 1))

    def allows_another(self, attempt: int, elapsed_seconds: float) -> bool:
        """Whether one more attempt may start after ``attempt`` of them and this much time, the wait included."""
        return attempt < self.attempts_max and elapsed_seconds <= self.total_seconds_max
