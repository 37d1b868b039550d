"""Customer ids: what a seller has is kept exactly, what a URL would lose is refused."""

import base64
import sys
import unicodedata

import pytest

from pancake_meter.domain.customer import (
    check_customer_id,
    id_of_key_part,
    is_customer_id,
    key_part,
    written_customer_id,
)
from pancake_meter.domain.errors import InvalidCustomerId

SELLERS_IDS = (
    "acct_1001",
    "auth0|5f7c8ec7c33c6c004bbafe82",
    "google-oauth2|1",
    "user@example.com",
    "a b",
    "a#b",
    "a?b",
    "50%",
    "50%25",
    "a%20b",
    "a+b",
    "aaW",
    'a"b\\c',
    "日本",
    "cafe\u0301",
    "caf\u00e9",
    "👩‍👩‍👧",
    "x" * 128,
    "本" * 128,
    "...",
    "~",
)


UNREADABLE = "has no control characters, line separators or broken UTF-8"


@pytest.mark.parametrize("text", SELLERS_IDS)
def test_scenario_106_an_id_as_sellers_have_it_is_kept_exactly(text: str) -> None:
    assert check_customer_id(text) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "has 1 to 128 characters"),
        ("x" * 129, "has 1 to 128 characters"),
        ("a/b", "has no /"),
        (".", "is neither . nor .."),
        ("..", "is neither . nor .."),
        (" ada", "neither begins nor ends with white space"),
        ("ada\n", "neither begins nor ends with white space"),
        ("\u3000", "neither begins nor ends with white space"),
        ("a\tb", UNREADABLE),
        ("a\x00b", UNREADABLE),
        ("a\x7fb", UNREADABLE),
        ("a\x9bb", UNREADABLE),
        ("a\u2028b", UNREADABLE),
        ("a\u2029b", UNREADABLE),
        ("a\ud800b", UNREADABLE),
        ("~b64.YWRh", "does not begin with ~b64."),
    ],
)
def test_an_id_that_a_url_would_lose_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(InvalidCustomerId) as refused:
        check_customer_id(text)
    assert str(refused.value) == f"a customer id {why}"


def test_no_two_ids_make_one_part_of_a_key() -> None:
    texts = [*SELLERS_IDS, "a%23b", "a%2523b", "a%25b", "a%b", "#", "%", "%23", "a#tokens#b"]
    parts = [key_part(text) for text in texts]
    assert len(set(parts)) == len(texts)
    assert not any("#" in part for part in parts)
    assert [id_of_key_part(part) for part in parts] == texts


def test_an_id_of_the_version_before_has_the_key_that_it_had() -> None:
    before = "abcXYZ019_.:@+=-"
    assert key_part(before) == before


@pytest.mark.parametrize("text", [*SELLERS_IDS, "???>>>~~~"])
@pytest.mark.parametrize("padding", ["", "="])
def test_an_id_may_be_written_in_base64url(text: str, padding: str) -> None:
    encoded = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    assert written_customer_id(f"~b64.{encoded}{padding * (-len(encoded) % 4)}") == text
    assert written_customer_id(text) == text


@pytest.mark.parametrize(
    "text", ["", "~b64.", "~b64.a", "~b64.YQ!", "~b64.YWRh!!!!", "~b64.Y+8", "~b64._w", "~b64.é", "~b64.LwA"]
)
def test_what_is_written_and_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidCustomerId):
        written_customer_id(text)


def test_a_text_can_name_a_customer_or_not() -> None:
    assert is_customer_id("acct_1001")
    assert not is_customer_id("a/b")
    assert not is_customer_id("\ud800")


def test_no_character_that_is_refused_is_printable() -> None:
    """An id is only looked at character by character where it has one that is not printable."""
    everything = map(chr, range(sys.maxunicode + 1))
    refused = [each for each in everything if unicodedata.category(each) in {"Cc", "Cs", "Zl", "Zp"}]
    assert len(refused) > 2_000
    assert not [each for each in refused if each.isprintable()]
    assert not any(is_customer_id(f"a{each}b") for each in refused)
