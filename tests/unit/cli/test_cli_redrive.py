"""``redrive``: usage goes back to its queue, runs are purged, and never the other way round. Issue 14, point 7."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pancake_meter_cli.profiles import Profile
from tests.support.cli_world import FakeWorld, Ran, run

Command = Callable[..., Ran]


class Queues:
    """CloudFormation and SQS, as far as the command asks them."""

    def __init__(self) -> None:
        self.messages: dict[str, list[str]] = {
            "https://sqs/usage": [],
            "https://sqs/usage-failed": ["a", "b", "c"],
            "https://sqs/sweep-failed": ["run"],
            "https://sqs/sweep-undelivered": [],
            "https://sqs/alerts.fifo": [],
            "https://sqs/alerts-failed.fifo": ["late"],
        }
        self.places: list[dict[str, str]] = []
        self.error: Exception | None = None

    def __call__(self, _service: str, _profile: Profile) -> "Queues":
        return self

    def list_stack_resources(self, StackName: str, NextToken: str | None = None) -> dict[str, Any]:  # noqa: N803
        assert StackName == "pancake-meter"
        names = [
            "UsageQueue",
            "UsageFailedQueue",
            "SweepFailedQueue",
            "SweepUndeliveredQueue",
            "AlertQueue",
            "AlertFailedQueue",
        ]
        found = [
            {"LogicalResourceId": name, "PhysicalResourceId": url, "ResourceType": "AWS::SQS::Queue"}
            for name, url in zip(names, self.messages, strict=True)
        ]
        return (
            {"StackResourceSummaries": found[2:]}
            if NextToken
            else {"StackResourceSummaries": found[:2], "NextToken": "2"}
        )

    def get_queue_attributes(self, QueueUrl: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        return {"Attributes": {"ApproximateNumberOfMessages": str(len(self.messages[QueueUrl]))}}

    def receive_message(self, QueueUrl: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        if self.error is not None:
            raise self.error
        order = {"Attributes": {"MessageGroupId": "group"}} if "alert" in QueueUrl else {}
        messages = self.messages[QueueUrl][:2]
        return {
            "Messages": [{"Body": body, "MessageId": f"id-{body}", "ReceiptHandle": body, **order} for body in messages]
        }

    def send_message(self, QueueUrl: str, MessageBody: str, **place: str) -> None:  # noqa: N803
        self.messages[QueueUrl].append(MessageBody)
        self.places.append(place)

    def delete_message(self, QueueUrl: str, ReceiptHandle: str) -> None:  # noqa: N803
        self.messages[QueueUrl].remove(ReceiptHandle)

    def purge_queue(self, QueueUrl: str) -> None:  # noqa: N803
        self.messages[QueueUrl].clear()


@pytest.fixture
def account() -> Queues:
    return Queues()


@pytest.fixture
def command(account: Queues, tmp_path: Path) -> Command:
    def call(*arguments: str, **fields: Any) -> Ran:
        return run(FakeWorld(), "redrive", *arguments, folder=tmp_path, **{"aws": account, **fields})

    return call


def test_issue_14_7_queues_are_listed_with_what_waits_and_what_to_do(command: Command) -> None:
    listed = command("list", "--json").json["queues"]
    assert [(each["queue"], each["messages"]) for each in listed] == [
        ("UsageFailedQueue", 3),
        ("SweepFailedQueue", 1),
        ("SweepUndeliveredQueue", 0),
        ("AlertFailedQueue", 1),
    ]
    assert listed[0]["helps"] == "redrive start UsageFailedQueue"


def test_issue_14_7_failed_usage_goes_back_to_its_queue(command: Command, account: Queues) -> None:
    assert command("start", "UsageFailedQueue", "--json").json["moved"] == 3
    assert account.messages["https://sqs/usage"] == ["a", "b", "c"]
    assert account.messages["https://sqs/usage-failed"] == []


def test_issue_14_7_runs_are_purged_and_usage_never(command: Command, account: Queues) -> None:
    assert command("purge", "SweepFailedQueue").status == 2
    assert command("purge", "SweepFailedQueue", "--yes").status == 0
    assert account.messages["https://sqs/sweep-failed"] == []
    assert command("purge", "UsageFailedQueue", "--yes").status == 2
    assert command("start", "SweepFailedQueue").status == 2
    assert command("purge", "NoQueue", "--yes").status == 1
    assert len(account.messages["https://sqs/usage-failed"]) == 3


def test_issue_14_7_trouble_in_aws_is_told_without_credentials(command: Command, account: Queues) -> None:
    account.error = RuntimeError("AKIASECRET")
    ran = command("start", "UsageFailedQueue")
    assert (ran.status, "AKIASECRET" in ran.err) == (3, False)
    assert ran.err.startswith("aws_unreachable")


def test_issue_14_10_alerts_that_were_given_up_go_back_to_their_queue_in_their_group(
    account: Queues, command: Command
) -> None:
    ran = command("start", "AlertFailedQueue", "--json")
    assert ran.status == 0, ran.err
    assert account.messages["https://sqs/alerts.fifo"] == ["late"]
    assert account.messages["https://sqs/alerts-failed.fifo"] == []
    assert account.places == [{"MessageGroupId": "group", "MessageDeduplicationId": "id-late"}]
