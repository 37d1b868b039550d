"""Bulk usage at volume over the local stack: 100,000 events of one customer from several clients, exact to the unit.

Run it with `make bulk`. The rate is told beside that of the stack's DynamoDB alone, and never asserted: it is the machine's.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING

import boto3
import pytest

from local.stack import DUMMY_CREDENTIAL, REGION
from tests.e2e.conftest import Stack
from tests.support.aws import dynamodb_client
from tests.support.bare_store import bare_events_per_second
from tests.support.bulk_volume import EVENTS, firehose

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

pytestmark = [pytest.mark.stack, pytest.mark.load, pytest.mark.timeout(3600)]

CLIENTS = 4
SECONDS_MAX = 1800


def test_promise_1_a_hundred_thousand_bulk_events_of_one_customer_are_each_counted_once(
    stack: Stack, customer_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # When four clients post 100,000 events, some of them twice
    hose = firehose(customer_id)
    started = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as clients:
        assert sum(clients.map(lambda body: post(stack, body), hose.bodies)) == hose.posted
    accepted = time.perf_counter()

    # Then the queue is worked off, and each has counted once
    deadline = time.monotonic() + SECONDS_MAX
    while stack.quota(customer_id)["used"] < hose.total:
        assert time.monotonic() < deadline, "the queue was not worked off"
        time.sleep(0.5)
    counted = time.perf_counter()
    while waiting(stack) > 0:
        assert time.monotonic() < deadline, "the queue did not become empty"
        time.sleep(0.5)
    assert stack.quota(customer_id)["used"] == hose.total

    store = dynamodb_client(stack.ready["dynamodb_url"])
    bare = bare_events_per_second(store, stack.ready["table"], customer_id, 50)
    rate = EVENTS / (counted - started)
    with capsys.disabled():
        print(  # noqa: T201 - what the run is for
            f"\nover the local stack: {hose.posted:,} events posted, {EVENTS:,} distinct; used {hose.total:,}"
            f"\n  accepted after {accepted - started:.1f} s, counted after {counted - started:.1f} s: {rate:,.0f} events/s;"
            f" the stack's DynamoDB alone {bare:,.0f} events/s: ratio {rate / bare:.2f}"
        )


def post(stack: Stack, body: str) -> int:
    """Post a body; how many of its events were accepted."""
    answer = stack.api.post("/v1/usage/bulk", content=body, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == HTTPStatus.ACCEPTED, answer.text
    accepted: int = answer.json()["accepted"]
    return accepted


def waiting(stack: Stack) -> int:
    """How many messages the queue still has, in flight or not. Fails where one was set aside."""
    session = boto3.session.Session(
        aws_access_key_id=DUMMY_CREDENTIAL, aws_secret_access_key=DUMMY_CREDENTIAL, region_name=REGION
    )
    sqs = session.client("sqs", endpoint_url=stack.ready["aws_endpoint_url"])
    assert _messages(sqs, "UsageFailedQueue") == 0
    return _messages(sqs, "UsageQueue")


def _messages(sqs: "SQSClient", name: str) -> int:
    (url,) = [url for url in sqs.list_queues()["QueueUrls"] if f"-{name}-" in url]
    attributes = sqs.get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    )["Attributes"]
    return sum(map(int, attributes.values()))
