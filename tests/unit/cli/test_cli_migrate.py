"""``migrate`` goes on until the walk through the table is done, and says what a failed run means. Issue 14, point 7."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from pancake_meter_cli.profiles import Profile
from tests.support.cli_world import FakeWorld, Ran, run


class Account:
    """CloudFormation and Lambda, as far as the command asks them."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)
        self.functions = ["CustomerDataFunction"]

    def __call__(self, _service: str, _profile: Profile) -> "Account":
        return self

    def list_stack_resources(self, StackName: str, NextToken: str | None = None) -> dict[str, Any]:  # noqa: N803
        assert (StackName, NextToken) == ("pancake-meter", None)
        found = [
            {"LogicalResourceId": name, "PhysicalResourceId": f"pm-{name}", "ResourceType": "AWS::Lambda::Function"}
            for name in self.functions
        ]
        return {"StackResourceSummaries": found}

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        assert (FunctionName, Payload) == ("pm-CustomerDataFunction", b"{}")
        body = self.answers.pop(0)
        failed = {"FunctionError": "Unhandled"} if "errorType" in body else {}
        return {"Payload": io.BytesIO(json.dumps(body).encode()), **failed}


def migrate(account: Account, folder: Path) -> Ran:
    return run(FakeWorld(), "migrate", "--json", folder=folder, aws=account)


def ran(items: int, *, is_done: bool) -> dict[str, Any]:
    return {"erased": 0, "backfilled": items, "backfill_complete": is_done}


def test_it_goes_on_until_the_walk_is_done(tmp_path: Path) -> None:
    account = Account(ran(500, is_done=False), ran(0, is_done=False), ran(20, is_done=True), ran(1, is_done=True))
    assert migrate(account, tmp_path).json == {"items": 520, "complete": True}
    assert len(account.answers) == 1


@pytest.mark.parametrize("answer", [{"errorType": "StoreBusy"}, {"erased": 0}])
def test_a_run_that_failed_is_told(tmp_path: Path, answer: dict[str, Any]) -> None:
    failed = migrate(Account(ran(500, is_done=False), answer), tmp_path)
    assert (failed.status, "the same command goes on" in failed.err) == (1, True)


def test_a_stack_without_the_function_is_told(tmp_path: Path) -> None:
    account = Account()
    account.functions = []
    assert migrate(account, tmp_path).status == 1
