"""Hold ids and handles: what names a hold, and what cannot."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from pancake_meter.domain.balance.advance import open_balance
from pancake_meter.domain.balance.balance import Policy, Term
from pancake_meter.domain.balance.hold import (
    PLAIN_NAME_MAX,
    SHORT_NAME_LENGTH,
    Hold,
    HoldHandle,
    check_hold_id,
    hold_name,
    is_short_name,
)
from pancake_meter.domain.errors import InvalidHoldId
from pancake_meter.domain.quantity import SMALLEST_QUANTITY, InvalidQuantity
from pancake_meter.value import replace


@pytest.mark.parametrize("hold_id", ["a", "x" * 64, "AZaz09_.:-"])
def test_a_hold_id_has_1_to_64_url_safe_characters(hold_id: str) -> None:
    assert check_hold_id(hold_id) == hold_id


@pytest.mark.parametrize("hold_id", ["", "x" * 65, "a b", "a/b", "a~b", "a\n", "ä"])
def test_any_other_hold_id_is_refused(hold_id: str) -> None:
    with pytest.raises(InvalidHoldId):
        check_hold_id(hold_id)


def test_a_handle_reads_as_it_was_written() -> None:
    handle = HoldHandle("tokens_2", Decimal("1500.250000"), "job:7")
    assert str(handle) == "tokens_2~1500.25~job:7"
    assert HoldHandle.parse(str(handle)) == handle
    assert HoldHandle.named(str(handle), "other") == handle


@pytest.mark.parametrize("text", ["job:7", "tokens~job:7", "Tokens~5~job:7", "~5~job:7", "tokens~~job:7", "tokens~5~"])
def test_what_has_another_form_is_no_handle(text: str) -> None:
    assert HoldHandle.parse(text) is None


def test_a_bare_id_means_the_hold_of_the_meter_whose_quantity_is_not_known_yet() -> None:
    assert HoldHandle.named("job:7", "tokens") == HoldHandle("tokens", SMALLEST_QUANTITY, "job:7")
    with pytest.raises(InvalidHoldId):
        HoldHandle.named("a b", "tokens")


@pytest.mark.parametrize(
    ("text", "error"),
    [("tokens~5~a b", InvalidHoldId), ("tokens~5..5~job", InvalidQuantity), ("tokens~.5~job", InvalidQuantity)],
)
def test_a_handle_whose_parts_cannot_be_is_refused(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        HoldHandle.parse(text)


def test_an_id_of_up_to_16_characters_is_its_own_name_and_a_longer_one_has_a_short_name() -> None:
    longest = "x" * PLAIN_NAME_MAX
    assert hold_name(longest) == longest
    short = hold_name(longest + "x")
    assert len(short) == 1 + SHORT_NAME_LENGTH
    assert is_short_name(short)
    assert hold_name(short) == short
    assert hold_name(longest + "y") not in {short, longest}


@pytest.mark.parametrize("text", ["job:7", "~", "~1234567", "~123456789", "12345678", "~1234 678", "~12345678\n"])
def test_what_is_no_mark_and_eight_characters_is_no_short_name(text: str) -> None:
    assert not is_short_name(text)


def test_a_balance_finds_a_hold_by_its_id_and_by_its_short_name() -> None:
    at = datetime(2026, 3, 10, 15, tzinfo=UTC)
    short, long = Hold(Decimal(1), at), Hold(Decimal(2), at)
    opened = open_balance("acct_1001", "tokens", Policy("free", Decimal(10), "month"), Term(None, at), at).after
    balance = replace(opened, holds={"job:7": short, hold_name("x" * 36): long})
    assert balance.hold("job:7") is short
    assert balance.hold("x" * 36) is balance.hold(hold_name("x" * 36)) is long
    assert balance.hold("y" * 36) is None
