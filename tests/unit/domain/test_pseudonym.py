"""Pseudonyms: stable, keyed, and told from any other id."""

import hashlib
import hmac

import pytest

from pancake_meter.domain.access.pseudonym import is_pseudonym, pseudonym_of


def test_a_pseudonym_is_a_keyed_hash_of_the_id() -> None:
    expected = hmac.new("ключ".encode(), "ädä".encode(), hashlib.sha256).hexdigest()[:40]
    assert pseudonym_of("ключ", "ädä") == f"erased-{expected}"
    assert is_pseudonym(pseudonym_of("ключ", "ädä"))


def test_another_key_or_another_id_gives_another_pseudonym() -> None:
    assert len({pseudonym_of(secret, customer) for secret in ("one", "two") for customer in ("ada", "bob")}) == 4


@pytest.mark.parametrize(
    "customer_id", [None, "", "ada", "erased-", f"erased-{'0' * 39}", f"erased-{'0' * 41}", f"erased-{'g' * 40}"]
)
def test_any_other_id_is_no_pseudonym(customer_id: str | None) -> None:
    assert not is_pseudonym(customer_id)
