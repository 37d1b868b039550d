"""One layer of retries: bounded in attempts and time, and never a wrong answer after a lost one."""

from typing import TYPE_CHECKING

import pytest

from pancake_meter.deadline import Deadline
from pancake_meter.store.errors import OutOfTime, StoreBusy, StoreError, StoreUnavailable, WriteRefused
from pancake_meter.store.retrying import ATTEMPTS_MAX, Retrier

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


def test_scenario_98_a_hanging_call_ends_within_four_seconds() -> None:
    clock = Clock()
    begun, request = failing(clock, 1.5, *[StoreUnavailable("ReadTimeoutError")] * 20)
    with pytest.raises(StoreUnavailable):
        clock.retrier().call(request)  # type: ignore[arg-type]
    assert len(begun) == 2
    assert clock.now <= 4


def test_scenario_98_no_attempt_starts_that_could_not_end_before_the_deadline() -> None:
    clock = Clock()
    begun, request = failing(clock, 1.5)
    with pytest.raises(OutOfTime):
        clock.retrier(2.4).call(request)  # type: ignore[arg-type]
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
