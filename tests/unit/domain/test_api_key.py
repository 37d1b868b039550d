import itertools

import pytest

from pancake_meter.domain.access.api_key import Mode, api_key_id, generate_api_key, is_api_key

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
