"""Forwarding over a local stack that has it switched on: each event once, under our ids, whatever OpenMeter does meanwhile.

A stack of its own, and so no part of `make test`: the others run as most do, with forwarding off.
"""

import json
import time
from collections.abc import Callable
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path

import boto3
import pytest

from local.stack import DUMMY_CREDENTIAL, REGION
from tests.e2e.conftest import Stack, started_stack
from tests.support.fake_openmeter import API_KEY, FakeOpenMeter

pytestmark = [pytest.mark.load, pytest.mark.timeout(600)]

SECONDS_MAX = 60


def test_usage_reaches_an_openmeter_after_an_outage_and_what_it_refuses_is_set_aside(tmp_path: Path) -> None:
    openmeter = FakeOpenMeter()
    with (
        openmeter.served() as base_url,
        started_stack(tmp_path, OPENMETER_BASE_URL=base_url, OPENMETER_API_KEY=API_KEY) as stack,
    ):
        # When a customer uses something while all is well
        record(stack, "ada", 100)
        held = stack.api.post("/v1/customers/ada/holds", json={"meter": "tokens", "quantity": 100, "id": "h"}).json()
        settle = f"/v1/customers/ada/holds/{held['hold_id']}/settle"
        assert stack.api.post(settle, json={"quantity": "42.5"}).status_code == HTTPStatus.OK
        wait_until(lambda: len(of(openmeter, "ada")) == 101)

        # And another while OpenMeter is down, and loses answers when it comes back
        openmeter.lose_answers = 1
        openmeter.trouble = [503] * 3
        record(stack, "bob", 100)
        wait_until(lambda: len(of(openmeter, "bob")) == 100)
        assert openmeter.trouble == []

        # And a third of whom it refuses one event
        openmeter.refuses = lambda event: event["id"] == "eve#tokens#e7"
        record(stack, "eve", 100)
        wait_until(lambda: len(of(openmeter, "eve")) == 99)

        # Then the sums are ours, and the one that was refused is set aside
        assert of(openmeter, "ada")["ada#tokens#h"] == Decimal("42.5")
        for customer_id in ("ada", "bob"):
            assert sum(of(openmeter, customer_id).values()) == Decimal(str(stack.quota(customer_id)["used"]))
        wait_until(lambda: bool(set_aside(stack)))


def record(stack: Stack, customer_id: str, count: int) -> None:
    events = [
        {"id": f"e{n}", "customer_id": customer_id, "meter": "tokens", "quantity": f"{n}.25"} for n in range(count)
    ]
    assert stack.api.post("/v1/usage", json={"events": events}).status_code == HTTPStatus.OK


def of(openmeter: FakeOpenMeter, customer_id: str) -> dict[str, Decimal]:
    """Quantities of a customer's events, by id."""
    events = list(openmeter.taken.values())
    return {each["id"]: Decimal(each["data"]["quantity"]) for each in events if each["subject"] == customer_id}


def set_aside(stack: Stack) -> list[str]:
    """Ids of the events in the queue of what was refused."""
    session = boto3.session.Session(
        aws_access_key_id=DUMMY_CREDENTIAL, aws_secret_access_key=DUMMY_CREDENTIAL, region_name=REGION
    )
    sqs = session.client("sqs", endpoint_url=stack.ready["aws_endpoint_url"])
    (url,) = [url for url in sqs.list_queues()["QueueUrls"] if "ForwardingRefused" in url]
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
    ids = [json.loads(message["Body"])["event"]["id"] for message in messages]
    assert set(ids) <= {"eve#tokens#e7"}
    return ids


def wait_until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not reached():
        assert time.monotonic() < deadline, "forwarding did not get there"
        time.sleep(0.2)
