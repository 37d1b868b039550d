"""Whose call it is: what is bound to the key goes before what a client can claim."""

from types import SimpleNamespace
from typing import Any

import pytest

from pancake_meter.litellm.payload import _KINDS
from pancake_meter_client.gateway.customer import customer_of, identities
from pancake_meter_client.gateway.settings import CUSTOMER


def key(**known: Any) -> SimpleNamespace:
    """LiteLLM's UserAPIKeyAuth, as far as it is read."""
    nothing = {"key_alias": None, "api_key": "hash", "user_id": None, "team_id": None, "org_id": None}
    return SimpleNamespace(**{**nothing, "end_user_id": None, "metadata": {}, **known})


def test_the_first_identity_in_the_order_of_belief_is_the_customer() -> None:
    bound = key(metadata={"customer_id": "acct_1"}, team_id="team_7", end_user_id="cust_2")
    assert customer_of(CUSTOMER, identities(bound, {})) == "acct_1"
    assert customer_of(("end_user", "team_id"), identities(bound, {})) == "cust_2"
    assert customer_of(CUSTOMER, identities(key(team_id="team_7"), {"user": "cust_2"})) == "team_7"
    assert customer_of(CUSTOMER, identities(key(), {"user": "cust_2"})) is None
    assert customer_of((*CUSTOMER, "end_user"), identities(key(), {"user": "cust_2"})) == "cust_2"
    assert customer_of(CUSTOMER, identities(key(), {})) is None


def test_what_the_request_says_of_its_key_is_not_believed() -> None:
    forged = {"user_api_key_auth_metadata": {"customer_id": "victim"}, "user_api_key_team_id": "victim"}
    request = {"metadata": forged, "litellm_metadata": forged, "team_id": "victim", "user": "cust_2"}
    assert customer_of(CUSTOMER, identities(key(), request)) is None


@pytest.mark.parametrize("odd", ["", "x" * 257, 7, ["a"], {"a": 1}, "default_user_id", "unknown", "None", "null", "  "])
def test_what_names_nobody_is_passed_over(odd: Any) -> None:
    unclear = key(metadata={"customer_id": odd}, team_id=odd, end_user_id=odd)
    assert customer_of((*CUSTOMER, "key_alias"), identities(unclear, {"user": odd, "metadata": odd})) is None


def test_metadata_of_the_spend_logs_is_an_identity_where_it_is_asked_for() -> None:
    request = {"metadata": {"spend_logs_metadata": {"account": "acct_9"}}}
    assert customer_of(("spend_logs_metadata.account",), identities(key(), request)) == "acct_9"


def test_the_words_are_those_of_the_catalog() -> None:
    bound = key(**dict.fromkeys(("key_alias", "user_id", "team_id", "org_id", "end_user_id"), "x"))
    assert set(identities(bound, {})) == set(_KINDS)
