"""The Python client against the local stack: ask, hold, settle, release, record, be refused."""

import asyncio

import pytest

from pancake_meter_client import AsyncClient, Client, QuotaRefused, UsageEvent
from tests.e2e.conftest import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


def test_a_seller_s_backend_asks_holds_settles_and_sells(stack: Stack, customer_id: str) -> None:
    with Client(stack.ready["api_url"], stack.meter_key) as client:
        assert client.quota(customer_id, "tokens").available == 10_000

        # When a call is held, and settled with less
        with client.hold(customer_id, "tokens", 4000, hold_id="call-1") as hold:
            settled = hold.settle(3120)
        assert (settled.was_held, int(settled.quantity)) == (True, 3120)

        # And another fails, and one needs no hold
        with pytest.raises(RuntimeError), client.hold(customer_id, "tokens", 4000):
            raise RuntimeError
        event = UsageEvent(customer_id, "tokens", 880, id="job-7")
        assert [client.record([event]).results[0].status for _ in range(2)] == ["counted", "duplicate"]

        # Then all of it is in the balance
        quota = client.quota(customer_id, "tokens")
        assert [int(units) for units in (quota.used, quota.held, quota.available)] == [4000, 0, 6000]

        # And a refusal sells
        with pytest.raises(QuotaRefused) as raised:
            client.hold(customer_id, "tokens", 6001)
        assert "/buy/" in (raised.value.purchase_url or "")


def test_an_asynchronous_backend_holds_and_settles(stack: Stack, customer_id: str) -> None:
    async def work() -> None:
        async with AsyncClient(stack.ready["api_url"], stack.meter_key) as client:
            async with client.hold(customer_id, "tokens", 100) as hold:
                await hold.settle(60)
            assert (await client.quota(customer_id, "tokens")).used == 60

    asyncio.run(work())
