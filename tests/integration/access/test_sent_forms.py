"""A form of the console is taken in hand by one request, and has done what it asks for once (issue 16, point 3)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pancake_meter.domain.access.once import Once
from pancake_meter.store.access.sent_forms import IN_HAND, SentBefore, Taken, let_go, mark_done, take_form
from pancake_meter.store.table import Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
ONCE = Once.of("console POST /v1/x", "/console/x", "once", "reason=a")

Take = Callable[[timedelta], Taken | SentBefore]


@pytest.fixture
def kept(dynamodb: "DynamoDBClient", table: str) -> Table:
    return Table(dynamodb, table, sleep=lambda _: None)


@pytest.fixture
def take(kept: Table) -> Take:
    return lambda later: take_form(kept, "session", ONCE, NOW + later)


def test_of_many_requests_at_once_one_takes_the_form(take: Take) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: take(timedelta()), range(8)))
    assert sum(isinstance(each, Taken) for each in found) == 1
    assert [each for each in found if isinstance(each, SentBefore)] == [SentBefore(ONCE.fingerprint, None)] * 7


def test_what_is_done_stays_done_with_its_answer(kept: Table, take: Take) -> None:
    taken = take(timedelta())
    assert isinstance(taken, Taken)
    mark_done(kept, taken, {"done": "blocked"}, NOW)
    for later in (timedelta(), IN_HAND, timedelta(hours=7)):
        assert take(later) == SentBefore(ONCE.fingerprint, {"done": "blocked"})


def test_what_was_not_done_or_was_cut_off_may_be_sent_again(kept: Table, take: Take) -> None:
    first = take(timedelta())
    assert isinstance(first, Taken)
    let_go(kept, first)
    second = take(timedelta())
    assert isinstance(second, Taken)
    assert isinstance(take(IN_HAND - timedelta(milliseconds=1)), SentBefore)
    third = take(IN_HAND)
    assert isinstance(third, Taken)
    # Whoever was cut off, and goes on after all, changes nothing of the one that has taken it since.
    let_go(kept, second)
    mark_done(kept, second, {"done": "late"}, NOW)
    assert take(IN_HAND) == SentBefore(ONCE.fingerprint, None)
    mark_done(kept, third, {"done": "blocked"}, NOW)
    assert take(IN_HAND) == SentBefore(ONCE.fingerprint, {"done": "blocked"})
