"""Scenario 102: a stack that is away for an hour. All of it is told afterwards, nothing twice."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from pancake_meter_client.aio import AsyncClient
from pancake_meter_client.gateway.call_meter import CallMeter
from pancake_meter_client.gateway.held_calls import HeldCall
from pancake_meter_client.gateway.settings import LoggerSettings

OUTAGE_SECONDS = 3_600.0
CALLS = 1_800
KEY = SimpleNamespace(metadata={"customer_id": "cust_1"}, end_user_id=None)


class World:
    """A stack that counts each call id once, and a clock that only waiting moves. It is away for the first hour."""

    def __init__(self, trouble: str) -> None:
        self.now = 0.0
        self.trouble = trouble
        self.counted: dict[str, int] = {}
        self.told_again = 0
        self.requests = 0
        self.refused: set[str] = set()

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        is_telling = request.url.path.endswith("/litellm")
        if self.now < OUTAGE_SECONDS:
            match self.trouble:
                case "refused":
                    raise httpx.ConnectError("refused")
                case "hangs":
                    self.now += 10 if is_telling else 0
                    raise httpx.ReadTimeout("hangs")
                case "counted, not answered" if is_telling:
                    self.count(request)
                    raise httpx.ReadError("cut")
                case _:
                    return httpx.Response(503, json={"code": "unavailable"})
        return self.count(request) if is_telling else httpx.Response(503, json={"code": "unavailable"})

    def count(self, request: httpx.Request) -> httpx.Response:
        calls = json.loads(request.content)
        assert 1 <= len(calls) <= 100
        if any(call["litellm_call_id"] in self.refused for call in calls):
            return httpx.Response(422, json={"code": "invalid_request"})
        for call in calls:
            self.told_again += call["litellm_call_id"] in self.counted
            self.counted[call["litellm_call_id"]] = call["total_tokens"]
        return httpx.Response(
            200, json={"counted": len(calls), "duplicate": 0, "ignored": 0, "parked": 0, "holds_ended": 0}
        )

    def meter(self, **more: Any) -> CallMeter:
        settings = LoggerSettings("https://api.example.com", "k", "tokens", when_unreachable="open")
        return CallMeter(
            settings, len, transport=httpx.MockTransport(self), sleep=self.sleep, clock=lambda: self.now, **more
        )


def payload(number: int) -> dict[str, Any]:
    return {"litellm_call_id": f"call-{number}", "status": "success", "endTime": 1.0 * number, "total_tokens": number}


@pytest.mark.parametrize("trouble", ["refused", "503", "hangs", "counted, not answered"])
def test_scenario_102_after_an_hour_of_outage_the_totals_are_exact(trouble: str) -> None:
    world = World(trouble)

    async def hour() -> None:
        meter = world.meter()
        for number in range(CALLS, 0, -1):
            meter.tell(payload(number))
        assert meter.waiting == CALLS
        tasks = len(asyncio.all_tasks())
        await meter.drain()
        assert (meter.waiting, meter.untold_total) == (0, 0)
        assert tasks <= 2

    asyncio.run(hour())
    assert world.now >= OUTAGE_SECONDS
    assert world.counted == {f"call-{number}": number for number in range(1, CALLS + 1)}
    # And the stack was not stormed: a try a minute, then a request for each hundred
    assert world.requests < 250


def test_a_call_that_the_stack_refuses_spoils_it_for_no_other(caplog: pytest.LogCaptureFixture) -> None:
    world = World("refused")
    world.now, world.refused = OUTAGE_SECONDS, {"call-7", "call-42"}

    async def work() -> int:
        meter = world.meter()
        for number in range(1, 101):
            meter.tell(payload(number))
        await meter.drain()
        return meter.untold_total

    assert asyncio.run(work()) == 2
    assert set(world.counted) == {f"call-{number}" for number in range(1, 101)} - world.refused
    assert all(f"call {call_id} is refused" in caplog.text for call_id in world.refused)


def test_a_call_that_json_cannot_carry_spoils_it_for_no_other(caplog: pytest.LogCaptureFixture) -> None:
    world = World("refused")
    world.now = OUTAGE_SECONDS

    async def work() -> int:
        meter = world.meter()
        for number in range(1, 101):
            meter.tell(payload(number))
        meter.tell({**payload(101), "total_tokens": 10**5000})
        meter.tell({**payload(102), "end_user": "\ud800"})
        await meter.drain()
        return meter.untold_total

    # Text that is no Unicode goes as JSON's own escape; a number that Python does not write is given up by its id
    assert asyncio.run(work()) == 1
    assert set(world.counted) == {f"call-{number}" for number in [*range(1, 101), 102]}
    assert "call call-101 is refused" in caplog.text


def test_a_fault_of_our_own_stops_neither_the_telling_nor_the_releases(monkeypatch: pytest.MonkeyPatch) -> None:
    world, released, faults = World("refused"), list[str](), ["once"]
    world.now = OUTAGE_SECONDS

    async def release(_: AsyncClient, customer_id: str, handle: str, *, meter: str | None = None) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        released.append(handle)

    tell = AsyncClient.record_llm_calls

    async def faulty(client: AsyncClient, payloads: Any) -> Any:
        if faults:
            faults.clear()
            raise RuntimeError("a bug")
        return await tell(client, payloads)

    monkeypatch.setattr(AsyncClient, "release", release)
    monkeypatch.setattr(AsyncClient, "record_llm_calls", faulty)

    async def work() -> None:
        meter = world.meter()
        meter.tell(payload(1))
        for number in range(20):
            meter._outbox.release(HeldCall("cust_1", "tokens", f"hold-{number}"))
        await meter.drain()

    asyncio.run(work())
    assert world.counted == {"call-1": 1}
    assert released == [f"hold-{number}" for number in range(20)]


def test_the_end_of_the_process_tells_what_it_can_and_names_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    world = World("refused")

    async def ends(at: float) -> int:
        meter = world.meter()
        meter.tell(payload(1))
        await asyncio.sleep(0)
        world.now = at
        await meter.flush(0.05)
        return meter.untold_total

    assert (asyncio.run(ends(OUTAGE_SECONDS)), world.counted) == (0, {"call-1": 1})

    async def hangs(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        raise AssertionError

    async def never() -> int:
        settings = LoggerSettings("https://api.example.com", "k", "tokens")
        meter = CallMeter(settings, len, transport=httpx.MockTransport(hangs))
        meter.tell(payload(2))
        await meter.flush(0.05)
        return meter.untold_total

    assert asyncio.run(never()) == 1
    assert "not told: call-2" in caplog.text


def test_a_release_is_given_up_when_its_hold_is_over() -> None:
    world = World("refused")

    async def work() -> None:
        meter = world.meter()
        request = {"litellm_call_id": "call-1", "messages": []}
        assert await meter.hold(KEY, request, "acompletion") is None
        meter.release(request)
        await meter.drain()
        assert meter.waiting == 0

    asyncio.run(work())
    assert 600 <= world.now < 700


@pytest.mark.parametrize("status", [400, 413, 422])
def test_promise_5_a_proxy_on_the_way_that_refuses_loses_no_call(status: int) -> None:
    # Given something before the stack that answers in its own words, and is mended after an hour
    world = World("503")

    def refused(request: httpx.Request) -> httpx.Response:
        if world.now < OUTAGE_SECONDS:
            return httpx.Response(status, text="<html>plain HTTP sent to HTTPS port</html>")
        return world.count(request)

    async def hour() -> None:
        settings = LoggerSettings("https://api.example.com", "k", "tokens", when_unreachable="open")
        meter = CallMeter(
            settings, len, transport=httpx.MockTransport(refused), sleep=world.sleep, clock=lambda: world.now
        )
        for number in range(1, 21):
            meter.tell(payload(number))
        await meter.drain()
        assert (meter.waiting, meter.untold_total) == (0, 0)

    asyncio.run(hour())
    assert len(world.counted) == 20
