"""The queue of usage that was accepted and not yet counted."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from pancake_meter.store.aws_session import aws_session
from pancake_meter.store.errors import StoreUnavailable
from pancake_meter.store.retrying import CLIENT_CONFIG, Retrier, passing_trouble

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

MESSAGE_BYTES_MAX: Final = 60_000
"""A message with its events: four of them fit into the 256 KB that one request may carry."""

_REQUEST_MESSAGES_MAX = 4


def sqs_client(endpoint_url: str | None = None) -> "SQSClient":
    """Return a client that gives up early: a handler must answer its caller before the caller gives up."""
    return aws_session().client("sqs", config=CLIENT_CONFIG, endpoint_url=endpoint_url)


class QueueRefusedMessages(Exception):
    """SQS says that messages are wrong: a bug, which repeating does not mend."""


class UsageQueue:
    """One SQS queue. Its order does not matter, and a message that comes twice counts once."""

    def __init__(self, client: "SQSClient", url: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        """``url`` is the queue's."""
        self._client = client
        self._url = url
        self._retrier = Retrier(sleep=sleep)

    def send(self, bodies: Sequence[str]) -> None:
        """Put messages of at most 60 KB on the queue; when this returns, all of them are durable.

        Raises:
            StoreBusy, StoreUnavailable: some may not be; sending all of them again is safe.
            QueueRefusedMessages, ClientError: a bug, or a stack that is set up wrongly.
        """
        for entries in _requests(bodies):
            self._retrier.call(partial(self._send, entries))

    def _send(self, entries: "list[SendMessageBatchRequestEntryTypeDef]") -> None:
        try:
            answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
        except (BotoCoreError, ClientError) as error:
            raise passing_trouble(error) or error from error
        failed = answer.get("Failed", [])
        faults = [failure.get("Code", "") for failure in failed if failure.get("SenderFault")]
        if faults:
            raise QueueRefusedMessages(f"the queue refused {len(faults)} messages: {faults[0]}")
        if failed:
            raise StoreUnavailable(f"the queue did not take {len(failed)} messages")


def _requests(bodies: Sequence[str]) -> "Iterator[list[SendMessageBatchRequestEntryTypeDef]]":
    for first in range(0, len(bodies), _REQUEST_MESSAGES_MAX):
        some = bodies[first : first + _REQUEST_MESSAGES_MAX]
        yield [{"Id": str(index), "MessageBody": body} for index, body in enumerate(some)]
