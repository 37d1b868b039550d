"""Waiting between attempts."""

import pytest

from pancake_meter.waffo.retry import RetryPolicy


def test_the_delay_is_anything_up_to_a_doubling_ceiling() -> None:
    # Given
    policy = RetryPolicy(base_seconds=0.2, delay_seconds_max=1.0)
    # When
    ceilings = [policy.delay_seconds(attempt, lambda: 1.0) for attempt in (1, 2, 3, 4, 60)]
    # Then
    assert ceilings == [0.2, 0.4, 0.8, 1.0, 1.0]
    assert policy.delay_seconds(3, lambda: 0.0) == 0.0


@pytest.mark.parametrize(
    ("attempt", "elapsed_seconds", "allowed"), [(1, 0.0, True), (2, 12.0, True), (3, 0.0, False), (1, 12.1, False)]
)
def test_attempts_and_time_are_bounded(attempt: int, elapsed_seconds: float, *, allowed: bool) -> None:
    assert RetryPolicy().allows_another(attempt, elapsed_seconds) is allowed
