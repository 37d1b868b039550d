"""``redrive``: the queues of what could not be handled; sent back to where it came from, or emptied."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from pancake_meter_cli import aws
from pancake_meter_cli.api import Json
from pancake_meter_cli.cli import Cli
from pancake_meter_cli.command import command, group
from pancake_meter_cli.commands.options import Yes
from pancake_meter_cli.failures import Failure, refused, usage

app = group("redrive", "Queues of what could not be handled. Needs boto3 and AWS credentials, or the local stack.")

QUEUE: Final = "AWS::SQS::Queue"
ENDINGS: Final = ("FailedQueue", "UndeliveredQueue", "RefusedQueue")
SOURCE_OF: Final = {"UsageFailedQueue": "UsageQueue", "AlertFailedQueue": "AlertQueue"}
"""Queues whose messages can be tried again, and where they came from. The others hold runs, which a later run repeats."""

MOVED_AT_ONCE: Final = 10
ROUNDS_MAX: Final = 10_000
Name = Annotated[str, typer.Argument(help="The queue's name in the template, such as UsageFailedQueue.")]


@command(app, "list", "redrive list", "redrive list --json")
def list_queues(cli: Cli) -> None:
    """List the queues of what could not be handled, with how much waits in each."""
    cli.show_list(
        {"queues": waiting(cli)}, "queues", [("queue", "queue"), ("messages", "messages"), ("what to do", "helps")]
    )


@command(app, "start", "redrive start UsageFailedQueue", "redrive start AlertFailedQueue")
def start(cli: Cli, queue: Name) -> None:
    """Send usage or alerts back to the queue they came from. Each event counts once; an alert that was sent is not again."""
    if queue not in SOURCE_OF:
        raise usage(
            f"the messages of {queue} are not tried again",
            f"only {', '.join(SOURCE_OF)}; empty the others: redrive purge",
        )
    found = queues(cli)
    source, target = found[queue], found[SOURCE_OF[queue]]
    sqs = aws.client(cli, "sqs")
    with cli.progress("sending back"):
        moved = _move(sqs, source, target)
    cli.show({"queue": queue, "moved": moved, "to": SOURCE_OF[queue]})


@command(app, "purge", "redrive purge ReconciliationFailedQueue --yes")
def purge(cli: Cli, queue: Name, *, yes: Yes = False) -> None:
    """Empty a queue of runs, after a later run succeeded. Usage and alerts are never purged."""
    if queue in SOURCE_OF:
        raise usage(f"{queue} holds what is to be tried again", f"pancake-meter redrive start {queue}")
    url = queues(cli).get(queue)
    if url is None:
        raise refused("no_such_queue", f"the stack has no queue {queue}", "pancake-meter redrive list")
    cli.confirm(f"Empty {queue}?", yes=yes)
    try:
        aws.client(cli, "sqs").purge_queue(QueueUrl=url)
    except Exception as error:
        raise aws.trouble(error) from error
    cli.show({"queue": queue, "purged": True})


def waiting(cli: Cli) -> list[Json]:
    """Return each queue of what could not be handled with the number of its messages. Raises ``Failure``."""
    sqs = aws.client(cli, "sqs")
    shown = []
    for name, url in queues(cli).items():
        if not name.endswith(ENDINGS):
            continue
        try:
            attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])[
                "Attributes"
            ]
        except Exception as error:
            raise aws.trouble(error) from error
        count = int(attributes["ApproximateNumberOfMessages"])
        helps = f"redrive start {name}" if name in SOURCE_OF else f"redrive purge {name}, after a run succeeded"
        shown.append({"queue": name, "messages": count, "helps": helps if count else None})
    return shown


def queues(cli: Cli) -> dict[str, str]:
    """Return the URLs of the stack's queues by their names in the template. Raises ``Failure``."""
    found = {
        each.logical_id: each.physical_id for each in aws.resources(cli) if each.kind == QUEUE and each.physical_id
    }
    if not found:
        raise refused("no_queues", "the stack has no queues", "see the profile's stack_name")
    return found


def _move(sqs: Any, source: str, target: str) -> int:
    """Move every message. One that was sent and could not be deleted comes a second time, and counts once."""
    moved = 0
    try:
        for _ in range(ROUNDS_MAX):
            got = sqs.receive_message(
                QueueUrl=source,
                MaxNumberOfMessages=MOVED_AT_ONCE,
                WaitTimeSeconds=1,
                VisibilityTimeout=60,
                MessageSystemAttributeNames=["MessageGroupId"],
            )
            messages = got.get("Messages", ())
            if not messages:
                return moved
            for message in messages:
                sqs.send_message(QueueUrl=target, MessageBody=message["Body"], **_place(message))
                sqs.delete_message(QueueUrl=source, ReceiptHandle=message["ReceiptHandle"])
                moved += 1
    except Failure:
        raise
    except Exception as error:
        raise aws.trouble(error) from error
    return moved


def _place(message: Mapping[str, Any]) -> dict[str, str]:
    """Return where a message of a queue that keeps order belongs; nothing of another queue's."""
    group = message.get("Attributes", {}).get("MessageGroupId")
    return {} if group is None else {"MessageGroupId": group, "MessageDeduplicationId": message["MessageId"]}
