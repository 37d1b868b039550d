"""API keys: their form, their life, and what a new one may be."""

import hashlib
import hmac
import itertools
from datetime import UTC, datetime, timedelta

import pytest

from pancake_meter.domain.access.api_key import (
    LIFE_MAX,
    ApiKey,
    InvalidApiKey,
    Mode,
    api_key_id,
    check_new_key,
    derived_api_key,
    generate_api_key,
    is_api_key,
    mode_of,
    mode_of_environment,
    refusal_of,
)
from pancake_meter.domain.access.role import Role
from pancake_meter.value import replace

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
A_MOMENT = timedelta.resolution
KEY = ApiKey("id", "litellm proxy", frozenset({"meter", "sell"}), NOW)
METER = frozenset[Role]({"meter"})

KNOWN = "pm_test_" + "A" * 32
KNOWN_CRC32 = 1_665_282_060  # of KNOWN, by `gzip` and by zlib


def counting(alphabet: str) -> str:
    return alphabet[10]


@pytest.mark.parametrize("mode", ["test", "live"])
def test_a_new_key_has_mode_random_part_and_checksum(mode: Mode) -> None:
    # When
    key = generate_api_key(mode)
    # Then
    assert key.startswith(f"pm_{mode}_")
    assert len(key) == len(f"pm_{mode}_") + 32 + 6
    assert is_api_key(key)


def test_the_checksum_is_crc32_in_base62_padded() -> None:
    # When
    key = generate_api_key("test", choice=counting)
    # Then
    assert key.startswith(KNOWN)
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    value = 0
    for character in key[-6:]:
        value = value * 62 + digits.index(character)
    assert value == KNOWN_CRC32


def test_two_keys_differ() -> None:
    assert generate_api_key("test") != generate_api_key("test")


def test_every_single_changed_character_is_noticed() -> None:
    # Given
    key = generate_api_key("live")
    # When
    changed = [
        key[:place] + other + key[place + 1 :]
        for place, other in itertools.product(range(len("pm_live_"), len(key)), "aZ5")
        if key[place] != other
    ]
    # Then
    assert not [wrong for wrong in changed if is_api_key(wrong)]


@pytest.mark.parametrize(
    "text",
    ["", "pm_test_", KNOWN, KNOWN + "AAAAAA", "sk_test_" + "A" * 38, "pm_prod_" + "A" * 38, "pm_test_" + "é" * 38],
)
def test_what_is_not_a_key_is_refused(text: str) -> None:
    assert not is_api_key(text)


def test_a_key_with_anything_around_it_is_refused() -> None:
    key = generate_api_key("test")
    assert not is_api_key(key + "\n")
    assert not is_api_key(" " + key)


def test_a_key_is_kept_under_its_sha256() -> None:
    assert api_key_id("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("mode", ["test", "live"])
def test_a_key_tells_its_mode(mode: Mode) -> None:
    assert mode_of(generate_api_key(mode)) == mode


def test_a_production_stack_takes_live_keys_and_a_test_stack_test_keys() -> None:
    assert (mode_of_environment("prod"), mode_of_environment("test")) == ("live", "test")


def test_a_key_is_active_to_the_moment_before_its_end() -> None:
    assert KEY.status_at(NOW) == "active"
    ends = replace(KEY, expires_at=NOW)
    assert (ends.status_at(NOW - A_MOMENT), ends.status_at(NOW)) == ("active", "expired")
    assert replace(ends, is_revoked=True).status_at(NOW - A_MOMENT) == "revoked"
    assert replace(ends, is_revoked=True).status_at(NOW) == "revoked"


def test_a_key_opens_the_routes_of_any_of_its_roles() -> None:
    assert refusal_of(KEY, METER, NOW) is None
    assert refusal_of(KEY, frozenset({"operate", "sell"}), NOW) is None
    assert refusal_of(KEY, frozenset({"operate"}), NOW) == "no_role"
    assert refusal_of(KEY, frozenset(), NOW) == "no_role"
    assert refusal_of(None, METER, NOW) == "unknown"
    assert refusal_of(replace(KEY, expires_at=NOW), METER, NOW) == "expired"
    assert refusal_of(replace(KEY, is_revoked=True), METER, NOW) == "revoked"


@pytest.mark.parametrize("name", ["a", "9 lives", "a" * 64, "ci/deploy._@:+-"])
def test_a_name_that_needs_no_escape_is_allowed(name: str) -> None:
    check_new_key(name, METER, None, NOW)
    assert replace(KEY, name=name).plain_name == name


@pytest.mark.parametrize("name", ["", " a", "-a", "a" * 65, 'a"b', "a\n", "é"])
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidApiKey):
        check_new_key(name, METER, None, NOW)


def test_a_name_of_an_earlier_version_is_shown_without_what_needs_an_escape() -> None:
    assert replace(KEY, name='a "b"\né').plain_name == "a _b___"
    assert replace(KEY, name="x" * 70).plain_name == "x" * 64


def test_a_key_has_a_role_and_ends_after_now_and_within_ten_years() -> None:
    for ends in (None, NOW + A_MOMENT, NOW + LIFE_MAX):
        check_new_key("a", METER, ends, NOW)
    for ends in (NOW, NOW - A_MOMENT, NOW + LIFE_MAX + A_MOMENT):
        with pytest.raises(InvalidApiKey):
            check_new_key("a", METER, ends, NOW)
    with pytest.raises(InvalidApiKey):
        check_new_key("a", frozenset(), None, NOW)


def test_a_derived_key_is_always_the_same_and_each_of_its_parts_makes_another() -> None:
    key = derived_api_key("test", "secret", "salt")
    assert is_api_key(key)
    assert key.startswith("pm_test_")
    assert derived_api_key("test", "secret", "salt") == key
    others = {derived_api_key("test", "other", "salt"), derived_api_key("test", "secret", "other")}
    assert len({key, *others, derived_api_key("live", "secret", "salt")}) == 4
    assert derived_api_key("live", "secret", "salt").removeprefix("pm_live_")[:32] != key.removeprefix("pm_test_")[:32]


def test_a_derived_key_stays_what_it_was_when_it_was_first_shown() -> None:
    # 32 digits in base 62, the lowest first, of an HMAC-SHA-512 that any other tool computes as well
    digest = hmac.new(b"secret", b"api-key:test:salt", hashlib.sha512).hexdigest()
    number, digits = int(digest, 16), ""
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    for _ in range(32):
        number, digit = divmod(number, 62)
        digits += alphabet[digit]
    assert derived_api_key("test", "secret", "salt")[len("pm_test_") : -6] == digits
