"""boto3 clients for tests: dummy credentials, short timeouts, no retries that would hide a fault."""

from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore import UNSIGNED
from botocore.config import Config

from tests.support.plain_endpoint import send_plainly
from tests.support.plain_wire import PlainWire

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

REGION = "us-east-1"
DUMMY_ACCESS_KEY = "testing"
CONNECTIONS_MAX = 64
READ_SECONDS_MAX = 10


def dynamodb_client(endpoint_url: str | None = None, *, attempts_max: int = 1) -> "DynamoDBClient":
    """Return a DynamoDB client for `endpoint_url` (None: the default endpoint, which moto intercepts).

    `attempts_max` counts the first request too: 1 means that botocore never retries.
    """
    client = _session().client(
        "dynamodb",
        endpoint_url=endpoint_url,
        config=Config(
            connect_timeout=2,
            read_timeout=READ_SECONDS_MAX,
            max_pool_connections=CONNECTIONS_MAX,
            retries={"total_max_attempts": attempts_max, "mode": "standard"},
            # Signing and naming itself take botocore a quarter of a request's time.
            signature_version=UNSIGNED,
            user_agent="tests",
        ),
    )
    if endpoint_url is not None:
        vars(client)["_endpoint"].http_session = PlainWire(READ_SECONDS_MAX)
    return client


def plain_dynamodb_client(endpoint_url: str) -> "DynamoDBClient":
    """Return such a client that tries once, and does without most of botocore: `send_plainly`."""
    client = dynamodb_client(endpoint_url)
    send_plainly(client, PlainWire(READ_SECONDS_MAX))
    return client


@cache
def _session() -> boto3.session.Session:
    """Return one session for all clients: it keeps what it has read of botocore's service descriptions, which is much."""
    return boto3.session.Session(
        aws_access_key_id=DUMMY_ACCESS_KEY, aws_secret_access_key=DUMMY_ACCESS_KEY, region_name=REGION
    )
