from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

import pytest
from moto import mock_aws

import api_key_authorizer
from pancake_meter.domain.access.api_key import api_key_id, generate_api_key
from pancake_meter.store.access.api_keys import write_api_key
from pancake_meter.store.errors import StoreUnavailable
from pancake_meter.store.table import Put, Table
from tests.support.aws import dynamodb_client
from tests.support.table import create_table

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
REFUSED = {"isAuthorized": False}


@pytest.fixture
def keys() -> Iterator[Table]:
    with mock_aws():
        client = dynamodb_client()
        yield Table(client, create_table(client, "keys"))


class NoReads(Table):
    def __init__(self) -> None:
        pass

    def get(self, key: Mapping[str, str]) -> NoReturn:
        raise AssertionError("a malformed key must cost no read")


def asking(authorization: str) -> dict[str, object]:
    return {
        "version": "2.0",
        "type": "REQUEST",
        "routeKey": "POST /v1/usage",
        "headers": {"authorization": authorization},
    }


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_stored_key_may_call_under_its_name(keys: Table, scheme: str) -> None:
    # Given
    key = generate_api_key("test")
    write_api_key(keys, key, "billing worker", NOW)
    # When
    answer = api_key_authorizer.authorize(asking(f"{scheme} {key}"), keys)
    # Then
    assert answer == {"isAuthorized": True, "context": {"key_name": "billing worker"}}


def test_an_unknown_key_is_refused(keys: Table) -> None:
    assert api_key_authorizer.authorize(asking(f"Bearer {generate_api_key('test')}"), keys) == REFUSED


def test_a_revoked_key_is_refused(keys: Table) -> None:
    # Given
    key = generate_api_key("live")
    item = {"PK": f"APIKEY#{api_key_id(key)}", "SK": "APIKEY", "name": "old", "created_at": 1, "status": "revoked"}
    keys.write(Put(item))
    # When / Then
    assert api_key_authorizer.authorize(asking(f"Bearer {key}"), keys) == REFUSED


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic dTpw",
        generate_api_key("test"),
        "Bearer " + "A" * 300,
        "Bearer pm_test_" + "A" * 38,
    ],
    ids=["empty", "no key", "blank key", "other scheme", "no scheme", "too long", "wrong checksum"],
)
def test_a_malformed_header_is_refused_without_a_read(authorization: str) -> None:
    assert api_key_authorizer.authorize(asking(authorization), NoReads()) == REFUSED


@pytest.mark.parametrize("event", [{}, {"headers": None}, {"headers": {}}])
def test_no_header_is_refused(event: dict[str, Any]) -> None:
    assert api_key_authorizer.authorize(event, NoReads()) == REFUSED


def test_trouble_with_the_store_lets_nobody_through() -> None:
    # Given
    class Down(NoReads):
        def get(self, key: Mapping[str, str]) -> NoReturn:
            raise StoreUnavailable

    # When / Then
    with pytest.raises(StoreUnavailable):
        api_key_authorizer.authorize(asking(f"Bearer {generate_api_key('test')}"), Down())
