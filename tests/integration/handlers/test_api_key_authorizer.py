"""The authorizer with a real store: what a key opens is in tests/unit/access."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

import pytest
from moto import mock_aws

import api_key_authorizer
from pancake_meter.deps.authorizer import AuthorizerDeps
from pancake_meter.domain.access.api_key import generate_api_key
from pancake_meter.store.access.api_keys import list_api_keys, revoke_api_key
from pancake_meter.store.errors import StoreUnavailable
from pancake_meter.store.table import Table
from pancake_meter.usecases.access.manage_keys import create_key
from tests.support.api import LambdaContext
from tests.support.aws import dynamodb_client
from tests.support.table import create_table
from tests.support.token_keys import TOKEN_KEYS

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
REFUSED = {"isAuthorized": False}


@pytest.fixture
def keys() -> Iterator[Table]:
    with mock_aws():
        client = dynamodb_client()
        yield Table(client, create_table(client, "keys"))


def ask(table: Table, authorization: str) -> Any:
    event = {
        "version": "2.0",
        "type": "REQUEST",
        "routeKey": "POST /v1/usage",
        "headers": {"authorization": authorization},
    }
    return api_key_authorizer.handler(event, LambdaContext(), AuthorizerDeps(table, "test", TOKEN_KEYS, lambda: NOW))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_stored_key_may_call_under_its_name(keys: Table, scheme: str) -> None:
    # Given
    new = create_key(keys, "test", "billing worker", frozenset({"meter"}), None, NOW)
    # When
    answer = ask(keys, f"{scheme} {new.text}")
    # Then
    context = {"key_id": new.known.id, "key_name": "billing worker", "roles": "meter"}
    assert answer == {"isAuthorized": True, "context": context}


def test_the_day_of_a_key_s_last_use_is_kept(keys: Table) -> None:
    new = create_key(keys, "test", "billing worker", frozenset({"meter"}), None, NOW)
    for _ in range(2):
        ask(keys, f"Bearer {new.text}")
    (listed,) = list_api_keys(keys, limit=10).keys
    assert listed.last_used_on == NOW.date()


def test_a_revoked_key_is_refused(keys: Table) -> None:
    new = create_key(keys, "test", "billing worker", frozenset({"meter"}), None, NOW)
    revoke_api_key(keys, new.known.id, NOW)
    assert ask(keys, f"Bearer {new.text}") == REFUSED


def test_trouble_with_the_store_lets_nobody_through() -> None:
    # Given
    class Down(Table):
        def __init__(self) -> None:
            pass

        def get(self, key: Mapping[str, str]) -> NoReturn:
            raise StoreUnavailable

    # When / Then
    with pytest.raises(StoreUnavailable):
        ask(Down(), f"Bearer {generate_api_key('test')}")


def test_the_log_has_the_key_s_name_and_never_the_key(keys: Table, caplog: pytest.LogCaptureFixture) -> None:
    new = create_key(keys, "test", "billing worker", frozenset({"meter"}), None, NOW)
    ask(keys, f"Bearer {new.text}")
    ask(keys, f"Bearer {generate_api_key('test')}")
    lines = [vars(record) for record in caplog.records]
    assert [(line["message"], line.get("key_name"), line.get("reason")) for line in lines] == [
        ("authorized", "billing worker", None),
        ("refused", None, "unknown"),
    ]
    assert "pm_test_" not in str(lines)
