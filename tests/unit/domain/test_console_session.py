"""Sessions of the console: how long they last, and what only they can send."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from pancake_meter.domain.access.console_session import (
    IDLE_MAX,
    LIFE,
    SECRET_LENGTH,
    SEEN_STEP,
    ConsoleSession,
    form_token,
    is_form_token,
    new_secret,
    session_id,
)

BEGAN = datetime(2026, 3, 10, 12, tzinfo=UTC)
MICRO = timedelta(microseconds=1)


def session(seen_after: timedelta = timedelta(0)) -> ConsoleSession:
    return ConsoleSession("id", "key", "test", BEGAN, BEGAN + seen_after)


@pytest.mark.parametrize(
    ("seen_after", "ends_after"),
    [
        (timedelta(0), IDLE_MAX),
        (timedelta(minutes=50), timedelta(minutes=110)),
        (LIFE - IDLE_MAX, LIFE),
        (LIFE - timedelta(minutes=1), LIFE),
    ],
)
def test_a_session_ends_an_hour_after_its_last_request_and_after_eight_hours_in_any_case(
    seen_after: timedelta, ends_after: timedelta
) -> None:
    one = session(seen_after)
    assert one.ends_at == BEGAN + ends_after
    assert one.is_live_at(one.ends_at - MICRO)
    assert not one.is_live_at(one.ends_at)


def test_the_time_of_a_request_is_kept_after_five_minutes_and_not_before() -> None:
    one = session(timedelta(minutes=10))
    assert not one.is_to_be_seen_at(one.seen_at + SEEN_STEP - MICRO)
    assert one.is_to_be_seen_at(one.seen_at + SEEN_STEP)


def test_a_secret_has_256_random_bits_and_the_table_knows_its_hash_alone() -> None:
    one, other = new_secret(), new_secret()
    assert {len(one), len(other)} == {SECRET_LENGTH}
    assert one != other
    assert session_id(one) == hashlib.sha256(one.encode()).hexdigest()


def test_a_token_of_forms_is_of_one_session_and_does_not_tell_its_secret() -> None:
    one, other = "a" * SECRET_LENGTH, "b" * SECRET_LENGTH
    made = hmac.new(one.encode(), b"pancake-meter console forms, version 1", hashlib.sha256).hexdigest()
    assert form_token(one) == made
    assert is_form_token(one, made)
    assert not is_form_token(one, form_token(other))
    assert not is_form_token(one, "")
    assert not is_form_token(one, "é")
    assert len({one, session_id(one), form_token(one)}) == 3
