"""Bulk usage over the local stack: the request, the queue, the function behind it, the balance."""

import json
import time
from http import HTTPStatus

import pytest

from tests.e2e.conftest import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

EVENTS = 2000
SECONDS_MAX = 120


def test_promise_1_bulk_events_sent_twice_are_each_counted_once(stack: Stack, customer_id: str) -> None:
    # When many events are sent in bulk, and all of them again
    events = [{"id": f"e{n}", "customer_id": customer_id, "meter": "tokens", "quantity": 1} for n in range(EVENTS)]
    body = "\n".join(map(json.dumps, events))
    for _ in range(2):
        headers = {"Content-Type": "application/x-ndjson"}
        answer = stack.api.post("/v1/usage/bulk", content=body, headers=headers)
        assert (answer.status_code, answer.json()["accepted"]) == (HTTPStatus.ACCEPTED, EVENTS)

    # Then the queue is worked off, and each has counted once
    deadline = time.monotonic() + SECONDS_MAX
    while stack.quota(customer_id)["used"] < EVENTS:
        assert time.monotonic() < deadline, "the queue was not worked off"
        time.sleep(0.5)
    time.sleep(2)
    assert stack.quota(customer_id)["used"] == EVENTS
