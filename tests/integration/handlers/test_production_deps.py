"""What the functions are made of in AWS: secrets come from Secrets Manager, by reference, when they are first needed."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import boto3
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from moto import mock_aws

from pancake_meter.deps import secret
from pancake_meter.deps.checkout import checkout_deps
from pancake_meter.deps.forwarding import forwarding_deps
from pancake_meter.deps.metering import stack_metering
from pancake_meter.deps.quota import quota_deps
from pancake_meter.deps.reconciliation import reconciliation_deps
from pancake_meter.deps.secret import SecretUnavailable
from pancake_meter.domain.balance.advance import open_balance
from pancake_meter.domain.balance.balance import Policy, Term
from pancake_meter.usecases.selling.purchase_link import read_link
from pancake_meter.waffo.client import WaffoClient

NOW = datetime(2026, 3, 10, 15, 20, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _secrets_manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty Secrets Manager, and no memory of secrets or clients from before."""
    monkeypatch.setenv("WAFFO_PRIVATE_KEY_SECRET_ID", "waffo-private-key")
    monkeypatch.setenv("PURCHASE_LINK_SECRET_ID", "purchase-link")
    with mock_aws():
        yield
    secret._production_client.cache_clear()


def keep(name: str, value: str) -> None:
    boto3.client("secretsmanager").create_secret(Name=name, SecretString=value)


def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_both_functions_sign_and_read_purchase_links_with_one_secret() -> None:
    # Given the secrets of a stack
    keep("waffo-private-key", private_key())
    keep("purchase-link", "made by the template, of sixty-four characters in AWS")

    # When the quota check makes a link
    policy = Policy("free", cadence="month")
    balance = open_balance("acct_1001", "tokens", policy, Term(None, NOW), NOW).after
    links = quota_deps().offers.links(balance, "https://api.example.com", NOW)

    # Then the checkout function can read it
    token = links["purchase_url"].removeprefix("https://api.example.com/buy/")
    assert read_link(checkout_deps().link_secret(), token, NOW).customer_id == "acct_1001"


def test_no_secret_is_fetched_before_there_is_something_to_sign() -> None:
    deps = quota_deps()
    balance = open_balance("acct_1001", "tokens", Policy("free"), Term(None, NOW), NOW).after
    with pytest.raises(SecretUnavailable):
        deps.offers.secret()
    # Scenario 99: the gate answers without links.
    assert deps.offers.links(balance, "https://api.example.com", NOW) == {}


@pytest.mark.parametrize(
    "waffo", [lambda: checkout_deps().selling.waffo, lambda: reconciliation_deps().reconciling.waffo]
)
def test_a_private_key_that_cannot_be_read_is_named_and_never_shown(waffo: Callable[[], WaffoClient]) -> None:
    keep("waffo-private-key", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0IHN0dWZm\n-----END PRIVATE KEY-----")
    with pytest.raises(SecretUnavailable, match="waffo-private-key") as refused:
        waffo().payments_by_external_id("chk_1")
    assert "c2VjcmV0IHN0dWZm" not in str(refused.value)


def test_reconciliation_is_pinned_to_the_mode_and_the_store_of_its_stack() -> None:
    keep("waffo-private-key", private_key())
    reconciling = reconciliation_deps().reconciling
    assert (reconciling.mode, reconciling.store_id) == ("test", "STO_7hQ2mVb9KxT4cLr8WnZ3aE")


def test_the_catalog_and_the_table_are_made_once() -> None:
    assert stack_metering() is stack_metering()


def test_forwarding_sends_its_key_from_the_secret_to_the_openmeter_it_was_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given a stack that forwards
    keep("openmeter-key", "om_secret\n")
    monkeypatch.setenv("OPENMETER_KEY_SECRET_ID", "openmeter-key")
    monkeypatch.setenv("OPENMETER_BASE_URL", "https://openmeter.example.com/")
    asked: list[httpx.Request] = []

    def answer(_: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(204)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", answer)

    # When it sends
    forwarding_deps().openmeter.ingest([{"id": "e1"}])

    # Then with that key, there
    (request,) = asked
    assert str(request.url) == "https://openmeter.example.com/api/v1/events"
    assert request.headers["Authorization"] == "Bearer om_secret"
    assert json.loads(request.content) == [{"id": "e1"}]
