"""A queue in memory, in the shape of boto3's client, and the Lambda events that it becomes."""

from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import EndpointConnectionError

from pancake_meter.store.usage.usage_queue import UsageQueue

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

REQUEST_BYTES_MAX = 262_144
REQUEST_MESSAGES_MAX = 10


class MemoryQueue:
    """Keeps what is sent, within SQS's limits. ``fails`` is ``None``, ``"some"`` or ``"all"`` of the next requests."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.fails: str | None = None

    @property
    def queue(self) -> UsageQueue:
        """The queue as the code under test sees it."""
        return UsageQueue(cast("SQSClient", self), "https://sqs.example.com/queue")

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        """Take messages as SQS does: within its limits, some of them or all."""
        assert 0 < len(Entries) <= REQUEST_MESSAGES_MAX
        assert sum(len(entry["MessageBody"].encode()) for entry in Entries) <= REQUEST_BYTES_MAX
        assert len({entry["Id"] for entry in Entries}) == len(Entries)
        if self.fails == "all":
            raise EndpointConnectionError(endpoint_url=QueueUrl)
        taken, failed = (Entries[1:], Entries[:1]) if self.fails == "some" else (Entries, [])
        self.bodies += [entry["MessageBody"] for entry in taken]
        return {"Successful": [{"Id": entry["Id"]} for entry in taken], "Failed": [{"Id": e["Id"]} for e in failed]}


def sqs_event(bodies: list[str]) -> dict[str, Any]:
    """Return the Lambda event of some messages; the id of each is its index."""
    return {
        "Records": [
            {
                "messageId": str(index),
                "receiptHandle": "handle",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "md5OfBody": "",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:usage",
                "awsRegion": "eu-west-1",
            }
            for index, body in enumerate(bodies)
        ]
    }
