"""The operator's command for API keys."""

import io
from typing import TYPE_CHECKING, Any, cast

import pytest

from pancake_meter.domain.access.api_key import api_key_id, mode_of
from pancake_meter.domain.access.role import ROLES
from pancake_meter.store.access.api_keys import read_api_key
from pancake_meter.store.table import Table
from tools.api_key import main

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient


class CloudFormation:
    def __init__(self, table: str, environment: str | None) -> None:
        self.table = table
        self.environment = environment

    def describe_stacks(self, **_: str) -> Any:
        parameters = [] if self.environment is None else [("WaffoEnvironment", self.environment)]
        stack = {
            "Outputs": [{"OutputKey": "TableName", "OutputValue": self.table}],
            "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters],
        }
        return {"Stacks": [stack]}


def test_a_key_is_made_shown_once_and_revoked(
    dynamodb: "DynamoDBClient", dynamodb_endpoint: str, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # When a key is made
    command = ["create", "--table", table, "--mode", "test", "--name", "backend"]
    assert main(command, endpoint_url=dynamodb_endpoint) == 0
    key = capsys.readouterr().out.strip()

    # Then it opens, its plain text is nowhere, and it is closed for good when revoked
    stored = read_api_key(Table(dynamodb, table), api_key_id(key))
    assert stored is not None
    assert (stored.name, stored.is_revoked, stored.roles) == ("backend", False, frozenset(ROLES))
    assert key not in str(dynamodb.scan(TableName=table)["Items"])
    assert main(["revoke", "--table", table], io.StringIO(key + "\n"), dynamodb_endpoint) == 0
    closed = read_api_key(Table(dynamodb, table), api_key_id(key))
    assert closed is not None
    assert closed.is_revoked


def test_a_key_has_the_roles_and_the_end_that_were_asked_for_and_is_revoked_by_its_id(
    dynamodb_endpoint: str, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    limited = ["--roles", "meter,sell", "--expires-in-days", "90"]
    command = ["create", "--table", table, "--mode", "test", "--name", "backend", *limited]
    assert main(command, endpoint_url=dynamodb_endpoint) == 0
    key_id = api_key_id(capsys.readouterr().out.strip())
    assert main(["list", "--table", table], endpoint_url=dynamodb_endpoint) == 0
    listed = capsys.readouterr().out.strip().split("\t")
    assert listed[:4] == [key_id, "backend", "meter,sell", "active"]
    assert main(["revoke", "--table", table, "--id", key_id], endpoint_url=dynamodb_endpoint) == 0
    capsys.readouterr()
    assert main(["list", "--table", table], endpoint_url=dynamodb_endpoint) == 0
    assert capsys.readouterr().out.split("\t")[3] == "revoked"


@pytest.mark.parametrize(("environment", "mode"), [("test", "test"), ("prod", "live")])
def test_the_stack_says_the_mode_of_its_keys_and_no_other_is_made(
    dynamodb_endpoint: str, table: str, environment: str, mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(*arguments: str) -> int:
        stack = cast("CloudFormationClient", CloudFormation(table, environment))
        return main(
            ["create", "--stack", "meter", "--name", "backend", *arguments],
            io.StringIO(),
            dynamodb_endpoint,
            lambda: stack,
        )

    assert ask() == 0
    assert mode_of(capsys.readouterr().out.strip()) == mode
    assert ask("--mode", "test" if mode == "live" else "live") == 1
    assert capsys.readouterr().out == ""


def test_a_stack_that_does_not_say_its_mode_gets_no_key(
    dynamodb_endpoint: str, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = cast("CloudFormationClient", CloudFormation(table, None))
    command = ["create", "--stack", "meter", "--name", "backend"]
    assert main(command, io.StringIO(), dynamodb_endpoint, lambda: stack) == 1
    assert main(["create", "--table", table, "--name", "backend"], endpoint_url=dynamodb_endpoint) == 1
    assert capsys.readouterr().out == ""


def test_a_table_that_has_keys_of_one_mode_gets_none_of_the_other(
    dynamodb_endpoint: str, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["create", "--table", table, "--name", "backend", "--mode"]
    assert main([*command, "test"], endpoint_url=dynamodb_endpoint) == 0
    assert main([*command, "live"], endpoint_url=dynamodb_endpoint) == 1


def test_a_key_that_never_was_cannot_be_revoked(dynamodb_endpoint: str, table: str) -> None:
    assert main(["revoke", "--table", table], io.StringIO("pm_test_nothing\n"), dynamodb_endpoint) == 1
    assert main(["revoke", "--table", table, "--id", "nothing"], endpoint_url=dynamodb_endpoint) == 1


@pytest.mark.parametrize("extra", [["--roles", "owner"], ["--roles", ""]])
def test_a_role_that_is_none_is_refused(table: str, extra: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(["create", "--table", table, "--mode", "test", "--name", "backend", *extra])


@pytest.mark.parametrize("days", ["0", "-1", "3651", "99999999"])
def test_an_end_out_of_bounds_is_refused_with_a_message(days: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["create", "--table", "none", "--mode", "test", "--name", "backend", "--expires-in-days", days]
    assert main(command, endpoint_url="http://127.0.0.1:1") == 1
    assert capsys.readouterr().err.strip() == "--expires-in-days is 1 to 3650"


def test_the_help_says_that_a_key_has_every_role_without_roles(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["create", "--help"])
    assert "without it the key has EVERY role" in " ".join(capsys.readouterr().out.split())
