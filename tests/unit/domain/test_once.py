"""A request under an Idempotency-Key: the same one is known again, another one is refused."""

import pytest

from pancake_meter.domain.access.once import IdempotencyConflict, Once
from pancake_meter.value import replace

REQUEST = ("POST /keys", "acct_1", "key-1", '{"name": "a"}')
ONCE = Once.of(*REQUEST)


def test_a_request_that_is_told_again_is_the_same_request() -> None:
    assert Once.of(*REQUEST) == ONCE
    ONCE.check(Once.of(*REQUEST).fingerprint)


@pytest.mark.parametrize("part", range(3))
def test_a_key_is_of_one_route_and_one_subject(part: int) -> None:
    route, subject, key, content = ("another" if place == part else text for place, text in enumerate(REQUEST))
    other = Once.of(route, subject, key, content)
    assert other.id != ONCE.id
    assert other.fingerprint == ONCE.fingerprint


def test_text_that_moves_from_one_part_to_the_next_makes_another_request() -> None:
    assert Once.of("a", "bc", "d", "").id != Once.of("ab", "c", "d", "").id


def test_another_request_under_the_same_key_is_refused() -> None:
    other = Once.of(*REQUEST[:3], '{"name": "b"}')
    assert other == replace(ONCE, fingerprint=other.fingerprint)
    with pytest.raises(IdempotencyConflict):
        ONCE.check(other.fingerprint)


def test_nothing_that_a_caller_has_sent_can_be_read() -> None:
    for digest in (ONCE.id, ONCE.fingerprint):
        assert len(digest) == 64
        assert set(digest) <= set("0123456789abcdef")
