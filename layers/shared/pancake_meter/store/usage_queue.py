"""The queue of usage that was accepted and not yet counted."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from pancake_meter.store.errors import StoreUnavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

MESSAGE_BYTES_MAX: Final = 60_000
"""A message with its events: four of them fit into the 256 KB that one request may carry."""

_REQUEST_MESSAGES_MAX = 4
_SERVER_ERROR = 500
_PASSING = ("Throttl", "InternalError", "InternalFailure", "ServiceUnavailable", "RequestLimitExceeded")
"""Parts of the codes of trouble that passes, in either of the forms that SQS gives them."""


def sqs_client(endpoint_url: str | None = None) -> "SQSClient":
    """Return a client that gives up early: a handler must answer its caller before the caller gives up."""
    config = Config(connect_timeout=1, read_timeout=5, retries={"total_max_attempts": 3, "mode": "standard"})
    return boto3.client("sqs", config=config, endpoint_url=endpoint_url)


class QueueRefusedMessages(Exception):
    """SQS says that messages are wrong: a bug, which repeating does not mend."""


class UsageQueue:
    """One SQS queue. Its order does not matter, and a message that comes twice counts once."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        """``url`` is the queue's."""
        self._client = client
        self._url = url

    def send(self, bodies: Sequence[str]) -> None:
        """Put messages of at most 60 KB on the queue; when this returns, all of them are durable.

        Raises:
            StoreUnavailable: some may not be; sending all of them again is safe.
            QueueRefusedMessages, ClientError: a bug, or a stack that is set up wrongly.
        """
        for entries in _requests(bodies):
            failed = self._send(entries)
            if failed:
                raise StoreUnavailable(f"the queue did not take {len(failed)} messages")

    def _send(self, entries: "list[SendMessageBatchRequestEntryTypeDef]") -> Sequence[Any]:
        try:
            answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
        except ParamValidationError:
            raise
        except BotoCoreError as error:
            raise StoreUnavailable("the queue could not be reached") from error
        except ClientError as error:
            if not _is_passing(error):
                raise
            raise StoreUnavailable("the queue does not take messages now") from error
        failed = answer.get("Failed", [])
        faults = [failure.get("Code", "") for failure in failed if failure.get("SenderFault")]
        if faults:
            raise QueueRefusedMessages(f"the queue refused {len(faults)} messages: {faults[0]}")
        return failed


def _is_passing(error: ClientError) -> bool:
    """Whether repeating may help: SQS is throttled or in trouble. Anything else is a fault of ours, or of the stack."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = error.response["Error"]["Code"]
    return status >= _SERVER_ERROR or any(word in code for word in _PASSING)


def _requests(bodies: Sequence[str]) -> "Iterator[list[SendMessageBatchRequestEntryTypeDef]]":
    for first in range(0, len(bodies), _REQUEST_MESSAGES_MAX):
        some = bodies[first : first + _REQUEST_MESSAGES_MAX]
        yield [{"Id": str(index), "MessageBody": body} for index, body in enumerate(some)]
