"""Pseudonyms: stable, keyed, and told from any other id."""

import hashlib
import hmac

import pytest

from pancake_meter.domain.access.pseudonym import check_live_customer_id, is_pseudonym, pseudonym_of
from pancake_meter.domain.customer import check_customer_id
from pancake_meter.domain.errors import InvalidCustomerId


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


def test_point_6_a_pseudonym_is_no_id_of_a_live_customer_and_stays_a_customer_id() -> None:
    pseudonym = pseudonym_of("a secret", "jane@example.com")
    assert check_customer_id(pseudonym) == pseudonym
    with pytest.raises(InvalidCustomerId, match="not the pseudonym of an erased customer"):
        check_live_customer_id(pseudonym)
    for other in ("erased-me", pseudonym[:-1], pseudonym.upper(), f"{pseudonym}0"):
        assert check_live_customer_id(other) == other
