"""What an answer can do without never spoils it and never delays it much."""

import threading

import pytest

from pancake_meter.deadline import deadline_in_hand, deadline_of
from pancake_meter.usecases.briefly import briefly


def test_a_result_is_returned_and_its_request_knows_how_long_it_has() -> None:
    with deadline_of(60):
        left = briefly(lambda: deadline_in_hand().seconds_left(), 10.0)
        assert left is not None
        assert 5 < left <= 10
        assert deadline_in_hand().seconds_left() > 50


@pytest.mark.parametrize("failure", [ValueError("a bug"), TimeoutError(), KeyError("x")])
def test_whatever_fails_is_no_result(failure: Exception) -> None:
    def work() -> None:
        raise failure

    assert briefly(work, 1.0) is None


def test_what_takes_long_is_not_waited_for_and_no_longer_than_the_time_in_hand() -> None:
    ends = threading.Event()
    assert briefly(lambda: ends.wait(30), 0.05) is None
    with deadline_of(0.05):
        assert briefly(lambda: ends.wait(30), 60.0) is None
    ends.set()
