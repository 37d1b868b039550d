"""Idempotency keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.waffo.idempotency import idempotency_key, is_idempotency_key

PARTS = st.lists(st.text(max_size=300), min_size=1, max_size=4)


@given(PARTS)
def test_any_ids_become_a_key_that_waffo_takes(parts: list[str]) -> None:
    assert is_idempotency_key(idempotency_key(*parts))


@given(PARTS, PARTS)
def test_keys_are_equal_exactly_when_their_parts_are(one: list[str], other: list[str]) -> None:
    assert (idempotency_key(*one) == idempotency_key(*other)) == (one == other)


def test_the_key_begins_with_what_is_readable() -> None:
    assert idempotency_key("ovg:acct_1001:2026-03-10", "7").startswith("ovg-acct_1001-2026-03-10_7_")


def test_a_key_never_changes_between_releases() -> None:
    # A deployment between a request and its retry must not make a second session.
    assert idempotency_key("checkout", "chk_1") == (
        "checkout_chk_1_" + "83581aafc7d3a17aaa1dfafdc7c515aa30ea04a602b2f7f13c8ef41ec7112574"
    )


def test_a_key_of_nothing_is_a_bug() -> None:
    with pytest.raises(ValueError, match="at least one part"):
        idempotency_key()


@pytest.mark.parametrize("text", ["", "a" * 257, "a:b", "a b", "ä", "a\n"])
def test_what_waffo_answers_400_to_is_not_a_key(text: str) -> None:
    assert not is_idempotency_key(text)
