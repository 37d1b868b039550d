"""A FIFO queue in memory, in the shape of boto3's client, with a clock that tests move, and a poller like Lambda's.

It keeps SQS's rules: a group has one message in flight at a time, a message that is hidden holds up its group, the same
deduplication id within five minutes is no new message, and what was received too often goes to the dead-letter queue.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import EndpointConnectionError

from pancake_meter.store.alerts.alert_queue import AlertQueue
from tests.support.api import LambdaContext
from tools.cfn_template import load_template

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

PROPERTIES = load_template()["Resources"]["AlertQueue"]["Properties"]
DEDUPLICATED_FOR = timedelta(minutes=5)
HIDDEN_MAX = timedelta(hours=12)

Handler = Callable[..., Any]


@dataclass
class Message:
    """A message, visible from ``visible_at`` on."""

    body: str
    group: str
    deduplication_id: str
    sent_at: datetime
    visible_at: datetime
    number: int
    received: int = 0
    first_received_at: datetime | None = None


@dataclass
class FakeFifo:
    """One queue. ``fails`` is how many of the next requests meet no server."""

    clock: Callable[[], datetime]
    dead: "FakeFifo | None" = None
    messages: list[Message] = field(default_factory=list)
    known: dict[str, datetime] = field(default_factory=dict)
    sent: int = 0
    fails: int = 0

    @property
    def queue(self) -> AlertQueue:
        """The queue as the code under test sees it."""
        return AlertQueue(cast("SQSClient", self), "https://sqs.example.com/alerts.fifo", sleep=lambda _: None)

    def send_message(
        self,
        *,
        QueueUrl: str,  # noqa: N803 - boto3's names, here and below
        MessageBody: str,  # noqa: N803
        MessageGroupId: str,  # noqa: N803
        MessageDeduplicationId: str,  # noqa: N803
    ) -> dict[str, Any]:
        """Take a message as SQS does."""
        assert len(MessageGroupId) <= 128 >= len(MessageDeduplicationId)
        if self.fails:
            self.fails -= 1
            raise EndpointConnectionError(endpoint_url=QueueUrl)
        now, key = self.clock(), f"{MessageGroupId}#{MessageDeduplicationId}"
        if now - self.known.get(key, datetime.min.replace(tzinfo=now.tzinfo)) >= DEDUPLICATED_FOR:
            self.known[key] = now
            self.sent += 1
            self.messages.append(Message(MessageBody, MessageGroupId, MessageDeduplicationId, now, now, self.sent))
        return {"MessageId": str(self.sent)}

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:  # noqa: N803
        """Hide a message that was received, for at most 12 hours in all."""
        assert QueueUrl
        message = next(each for each in self.messages if str(each.number) == ReceiptHandle)
        assert message.first_received_at is not None
        assert timedelta(seconds=VisibilityTimeout) <= HIDDEN_MAX
        message.visible_at = self.clock() + timedelta(seconds=VisibilityTimeout)

    def receive(self) -> Message | None:
        """Return the first message that may be received, and hide it."""
        now = self.clock()
        hidden = {message.group for message in self.messages if message.visible_at > now}
        message = next((message for message in self.messages if message.group not in hidden), None)
        if message is None:
            return None
        if message.received >= PROPERTIES["RedrivePolicy"]["maxReceiveCount"]:
            self.messages.remove(message)
            assert self.dead is not None
            self.dead.messages.append(message)
            return self.receive()
        message.received += 1
        message.first_received_at = message.first_received_at or now
        message.visible_at = now + timedelta(seconds=PROPERTIES["VisibilityTimeout"])
        return message

    def next_at(self) -> datetime | None:
        """Return when there is something to receive next: a message that is hidden holds up its group."""
        groups: dict[str, datetime] = {}
        for message in self.messages:
            groups[message.group] = max(message.visible_at, groups.get(message.group, message.visible_at))
        return min(groups.values(), default=None)

    def poll(self, handler: Handler, deps: object) -> int:
        """Call the function with every message that may be received now; return how many calls that were."""
        calls = 0
        while (message := self.receive()) is not None:
            calls += 1
            # What fails stays hidden until its timeout, or until the function has it come again.
            answer = handler(sqs_fifo_event(message), LambdaContext(), deps)
            if str(message.number) not in {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}:
                self.messages.remove(message)
        return calls

    def move_back(self, target: "FakeFifo") -> None:
        """Move every message back, as an operator's redrive does."""
        for message in self.messages:
            target.send_message(
                QueueUrl="target",
                MessageBody=message.body,
                MessageGroupId=message.group,
                MessageDeduplicationId=f"redrive-{message.number}-{message.deduplication_id}",
            )
        self.messages.clear()


def sqs_fifo_event(message: Message) -> dict[str, Any]:
    """Return the Lambda event of one message."""
    return {
        "Records": [
            {
                "messageId": str(message.number),
                "receiptHandle": str(message.number),
                "body": message.body,
                "attributes": {
                    "ApproximateReceiveCount": str(message.received),
                    "MessageGroupId": message.group,
                    "MessageDeduplicationId": message.deduplication_id,
                },
                "messageAttributes": {},
                "md5OfBody": "",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:alerts.fifo",
                "awsRegion": "eu-west-1",
            }
        ]
    }
