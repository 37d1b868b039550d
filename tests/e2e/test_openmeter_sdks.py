"""OpenMeter's own clients, Python and JavaScript, ingest here with nothing but a base URL and a key."""

import asyncio
import warnings
from datetime import UTC, datetime

import pytest

from tests.e2e.conftest import Stack
from tests.support.node import run_node

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its generated code is its own affair
    from openmeter import Client
    from openmeter.aio import Client as AsyncClient
    from openmeter.models import Event

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


def event(customer_id: str, event_id: str, tokens: object) -> Event:
    return Event(
        id=event_id,
        source="python-app",
        specversion="1.0",
        type="tokens-used",
        subject=customer_id,
        time=datetime.now(UTC),
        data={"tokens": tokens},
    )


def test_the_python_sdk_ingests_one_and_many(stack: Stack, customer_id: str) -> None:
    with Client(endpoint=stack.ready["api_url"], token=stack.meter_key) as client:
        one = event(customer_id, "one", 100)
        client.events.ingest_event(one)
        client.events.ingest_event(one)
        client.events.ingest_events([event(customer_id, "two", "20"), event(customer_id, "three", 3)])
    assert stack.quota(customer_id)["used"] == 123


def test_the_asynchronous_python_sdk_ingests(stack: Stack, customer_id: str) -> None:
    async def ingest() -> None:
        async with AsyncClient(endpoint=stack.ready["api_url"], token=stack.meter_key) as client:
            await client.events.ingest_event(event(customer_id, "one", 7))

    asyncio.run(ingest())
    assert stack.quota(customer_id)["used"] == 7


def test_the_javascript_sdk_ingests_one_and_many(stack: Stack, customer_id: str) -> None:
    def tokens(event_id: str | None, count: int) -> dict[str, object]:
        made: dict[str, object] = {"type": "tokens-used", "subject": customer_id, "data": {"tokens": count}}
        return {**made, "id": event_id, "source": "node-app"} if event_id else made

    calls = [tokens("one", 100), tokens("one", 100), [tokens("two", 20), tokens(None, 3), tokens(None, 3)]]
    ready = stack.ready
    assert run_node(
        "openmeter_sdk_client.mjs", {"baseUrl": ready["api_url"], "apiKey": stack.meter_key, "calls": calls}
    ) == len(calls)
    assert stack.quota(customer_id)["used"] == 126
