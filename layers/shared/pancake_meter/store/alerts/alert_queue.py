"""The queue of alerts to send: first in, first out within each group. A message that waits holds up its group alone."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from pancake_meter.store.retrying import Retrier, passing_trouble

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_Answer = TypeVar("_Answer")


class AlertQueue:
    """One SQS FIFO queue."""

    def __init__(self, client: "SQSClient", url: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        """``url`` is the queue's."""
        self._client = client
        self._url = url
        self._retrier = Retrier(sleep=sleep)

    def send(self, message: Mapping[str, str], group: str, deduplication_id: str) -> None:
        """Put a message on the queue; when this returns, it is durable. The same again within five minutes is none.

        Raises:
            StoreBusy, StoreUnavailable: it may not be; sending it again is safe.
        """
        body = json.dumps(message)
        self._call(
            lambda: self._client.send_message(
                QueueUrl=self._url, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=deduplication_id
            )
        )

    def hide(self, receipt_handle: str, delay: timedelta) -> None:
        """Have a message that was received come again after a delay. Its group waits with it.

        Raises:
            StoreBusy, StoreUnavailable: it may come at another time.
        """
        seconds = max(0, round(delay.total_seconds()))
        self._call(
            lambda: self._client.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
            )
        )

    def _call(self, request: Callable[[], _Answer]) -> _Answer:
        def translated() -> _Answer:
            try:
                return request()
            except (BotoCoreError, ClientError) as error:
                raise passing_trouble(error) or error from error

        return self._retrier.call(translated)


def read_message(body: str) -> tuple[str, str]:
    """Return the ids of a message: of the alert, and of the endpoint. Raises ``KeyError``, ``ValueError`` for another."""
    content: Any = json.loads(body)
    return str(content["alert_id"]), str(content["endpoint_id"])
