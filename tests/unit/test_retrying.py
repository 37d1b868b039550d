"""One layer of retries: bounded in attempts and time, and never a wrong answer after a lost one."""

from typing import TYPE_CHECKING

import pytest

from pancake_meter.deadline import Deadline, deadline_of
from pancake_meter.store.errors import (
    OutOfTime,
    StoreBusy,
    StoreError,
    StoreThrottled,
    StoreUnavailable,
    WriteRefused,
)
from pancake_meter.store.retrying import ATTEMPTS_MAX, Retrier
from pancake_meter.usecases.side_by_side import side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterator


class Clock:
    """A stopwatch that attempts and pauses move."""

    def __init__(self) -> None:
        self.now = 0.0

    def pass_by(self, seconds: float) -> None:
        self.now += seconds

    def retrier(self, seconds: float = 100.0) -> Retrier:
        deadline = Deadline(seconds, lambda: self.now)
        return Retrier(sleep=self.pass_by, seed=1, deadline=lambda: deadline)


def failing(clock: Clock, seconds: float, *outcomes: Exception) -> "tuple[list[float], object]":
    begun: list[float] = []
    following: Iterator[Exception] = iter(outcomes)

    def request() -> str:
        begun.append(clock.now)
        clock.pass_by(seconds)
        outcome = next(following, None)
        if outcome is not None:
            raise outcome
        return "answer"

    return begun, request


def test_scenario_98_a_throttled_call_makes_at_most_eight_requests() -> None:
    clock = Clock()
    begun, request = failing(clock, 0.01, *[StoreBusy("throttled")] * 20)
    with pytest.raises(StoreBusy):
        clock.retrier().call(request)  # type: ignore[arg-type]
    assert len(begun) == ATTEMPTS_MAX == 8
    assert clock.now < 2


def test_scenario_98_a_hanging_call_ends_within_seven_seconds() -> None:
    clock = Clock()
    begun, request = failing(clock, 3.0, *[StoreUnavailable("ReadTimeoutError")] * 20)
    with pytest.raises(StoreUnavailable):
        clock.retrier().call(request)  # type: ignore[arg-type]
    assert len(begun) == 2
    assert clock.now <= 6.5


def test_scenario_98_no_attempt_starts_shortly_before_the_deadline() -> None:
    clock = Clock()
    begun, request = failing(clock, 1.5)
    with pytest.raises(OutOfTime):
        clock.retrier(0.4).call(request)  # type: ignore[arg-type]
    assert begun == []


@pytest.mark.parametrize("trouble", [StoreBusy("throttled"), StoreUnavailable("InternalServerError")])
def test_trouble_that_passes_is_waited_out(trouble: StoreError) -> None:
    clock = Clock()
    begun, request = failing(clock, 0.01, trouble, trouble)
    assert clock.retrier().call(request) == "answer"  # type: ignore[arg-type]
    assert len(begun) == 3


def test_a_refusal_after_a_lost_answer_says_nothing_and_after_a_throttle_it_does() -> None:
    clock = Clock()
    _, lost = failing(clock, 0.01, StoreUnavailable("ReadTimeoutError"), WriteRefused([{}]))
    with pytest.raises(StoreUnavailable):
        clock.retrier().call(lost)  # type: ignore[arg-type]
    _, throttled = failing(clock, 0.01, StoreBusy("throttled"), WriteRefused([{}]))
    with pytest.raises(WriteRefused):
        clock.retrier().call(throttled)  # type: ignore[arg-type]


def _asked(trouble: StoreError, balances: int) -> int:
    """Return how often a store that answers all with this trouble is asked by one batch over so many balances."""
    asked: list[int] = []
    retrier = Retrier(sleep=lambda _: None, seed=1)

    def request() -> None:
        asked.append(1)
        raise trouble

    with deadline_of(20), pytest.raises(type(trouble)):
        side_by_side(lambda _: retrier.call(request), range(balances))
    return len(asked)


@pytest.mark.parametrize("trouble", [StoreThrottled("ThrottlingException"), StoreUnavailable("InternalServerError")])
def test_scenario_98_a_batch_over_many_balances_does_not_storm_a_store_in_trouble(trouble: StoreError) -> None:
    assert _asked(trouble, 1) == ATTEMPTS_MAX
    assert _asked(trouble, 500) <= 2 * ATTEMPTS_MAX


def test_scenario_58_a_hot_balance_is_no_trouble_of_the_others() -> None:
    assert _asked(StoreBusy("TransactionConflict"), 20) == 20 * ATTEMPTS_MAX


def test_an_answer_ends_the_streak_of_failures() -> None:
    retrier = Retrier(sleep=lambda _: None, seed=1)
    with deadline_of(20) as deadline:
        assert deadline.seconds_left() > 0
        for _ in range(5):
            clock = Clock()
            begun, request = failing(clock, 0.0, *[StoreThrottled("ThrottlingException")] * 6)
            assert retrier.call(request) == "answer"  # type: ignore[arg-type]
            assert len(begun) == 7
