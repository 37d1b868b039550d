"""The operator's command for API keys."""

import io
from typing import TYPE_CHECKING

import pytest

from pancake_meter.store.access.api_keys import read_api_key
from pancake_meter.store.table import Table
from tools.api_key import main

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def test_a_key_is_made_shown_once_and_revoked(
    dynamodb: "DynamoDBClient", dynoxide_endpoint: str, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # When a key is made
    command = ["create", "--table", table, "--mode", "test", "--name", "backend"]
    assert main(command, endpoint_url=dynoxide_endpoint) == 0
    key = capsys.readouterr().out.strip()

    # Then it opens, its plain text is nowhere, and it is closed for good when revoked
    stored = read_api_key(Table(dynamodb, table), key)
    assert stored is not None
    assert (stored.name, stored.is_active) == ("backend", True)
    assert key not in str(dynamodb.scan(TableName=table)["Items"])
    assert main(["revoke", "--table", table], io.StringIO(key + "\n"), dynoxide_endpoint) == 0
    closed = read_api_key(Table(dynamodb, table), key)
    assert closed is not None
    assert not closed.is_active


def test_a_key_that_never_was_cannot_be_revoked(dynoxide_endpoint: str, table: str) -> None:
    assert main(["revoke", "--table", table], io.StringIO("pm_test_nothing\n"), dynoxide_endpoint) == 1
