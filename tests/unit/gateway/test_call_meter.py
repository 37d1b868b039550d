"""A call's life at the gateway, against answers made up here: what is asked, told and answered."""

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from pancake_meter_client.gateway.call_meter import CallMeter
from pancake_meter_client.gateway.outer_call import outer_call_of
from pancake_meter_client.gateway.refusal import GatewayRefusal
from pancake_meter_client.gateway.settings import LoggerSettings

SETTINGS = LoggerSettings("https://api.example.com", "pm_test_x", "tokens", deadline_seconds=0.3)
KEY = SimpleNamespace(metadata={"customer_id": "cust_1"}, end_user_id="cust_1")
REQUEST: dict[str, Any] = {
    "litellm_call_id": "call-1",
    "messages": [{"role": "user", "content": "hi"}],
    "max_tokens": 90,
    "proxy_server_request": {"headers": {"user-agent": "test"}},
}
HANDLE = "tokens~100~call-1"
QUOTA = {
    "customer_id": "cust_1",
    "meter": "tokens",
    "plan": "free",
    "allowance": 10_000,
    "used": 9_950,
    "held": 0,
    "available": 50,
    "overage": 0,
    "resets_at": "2026-04-10T15:14:30.000Z",
    "blocked": None,
}
PLACED = httpx.Response(201, json={
    "hold_id": HANDLE, "id": "call-1", "quantity": 100, "expires_at": "2026-03-10T15:20:00.000Z", "quota": QUOTA,
})  # fmt: skip
RELEASED = httpx.Response(200, json={"id": "call-1", "meter": "tokens", "hold": "released"})
COUNTED = httpx.Response(
    200, json={"counted": 1, "duplicate": 0, "ignored": 0, "parked": 0, "holds_ended": 1, "parked_items": []}
)
PAYLOAD: dict[str, Any] = {
    "litellm_call_id": "call-1",
    "status": "success",
    "endTime": 1795427206.08,
    "messages": [{"role": "user", "content": "a secret"}],
    "response": {"choices": ["a secret"]},
    "metadata": {
        "usage_object": {"prompt_tokens": 10, "completion_tokens": 20, "odd": {"nan": float("nan"), "set": {1}}},
        "user_api_key_end_user_id": "cust_1",
        "requester_ip_address": "203.0.113.9",
    },
}

Handler = Callable[[httpx.Request], httpx.Response | Coroutine[Any, Any, httpx.Response]]


class Api:
    """Answers requests in turn, and keeps them."""

    def __init__(self, *answers: httpx.Response | Exception | float) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.waits: list[float] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            return PLACED
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def asked(self) -> list[str]:
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.requests]

    def body(self, index: int) -> Any:
        return json.loads(self.requests[index].content)

    def meter(self, **settings: Any) -> CallMeter:
        async def sleep(seconds: float) -> None:
            self.waits.append(seconds)
            assert len(self.waits) < 50
            await asyncio.sleep(0)

        transport = httpx.MockTransport(self)
        return CallMeter(replace(SETTINGS, **settings), len, transport=transport, calls_max=3, sleep=sleep)


def life(meter: CallMeter, *steps: Callable[[], Any]) -> list[GatewayRefusal | None]:
    """Take steps in one event loop, and wait for what they left in the background; return what they came to."""

    async def take() -> list[GatewayRefusal | None]:
        results = []
        for step in steps:
            result = step()
            results.append(await result if asyncio.iscoroutine(result) else result)
        await meter.drain()
        return results

    return asyncio.run(take())


def held(meter: CallMeter, **changes: Any) -> GatewayRefusal | None:
    return life(meter, lambda: meter.hold(KEY, {**REQUEST, **changes}, "acompletion"))[0]


def problem(status: int, code: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
    return httpx.Response(
        status, json={"code": code, "detail": "Because.", "request_id": "r1", **more}, headers=headers
    )


HOLDS = "/v1/customers/cust_1/holds"


def test_a_call_is_held_for_and_its_true_count_settles_the_hold() -> None:
    api = Api(PLACED, COUNTED)
    meter = api.meter()
    refusal, _ = life(meter, lambda: meter.hold(KEY, REQUEST, "acompletion"), lambda: meter.tell(PAYLOAD))

    # Then the hold has the call's id, and the count has the hold
    assert refusal is None
    assert api.asked == [f"POST {HOLDS}", "POST /v1/usage/litellm"]
    assert api.body(0) == {"meter": "tokens", "quantity": "105", "id": "call-1", "ttl_seconds": 600}
    (told,) = api.body(1)
    assert told["pancake_meter_hold"] == {"customer_id": "cust_1", "meter": "tokens", "hold_id": HANDLE}
    assert told["metadata"]["usage_object"]["prompt_tokens"] == 10

    # And nothing that was said, and nothing that is no JSON
    assert "secret" not in json.dumps(told)
    assert "203.0.113.9" not in json.dumps(told)
    assert told["metadata"]["usage_object"]["odd"] == {"nan": None, "set": None}


def test_a_call_that_failed_is_released_and_what_was_streamed_of_it_still_counts() -> None:
    api = Api(PLACED, RELEASED, COUNTED)
    meter = api.meter()
    life(
        meter,
        lambda: meter.hold(KEY, REQUEST, "acompletion"),
        lambda: meter.release(REQUEST),
        meter.drain,
        lambda: meter.tell(PAYLOAD),
    )
    assert api.asked == [
        f"POST {HOLDS}",
        f"DELETE {HOLDS}/tokens~100~call-1?meter=tokens",
        "POST /v1/usage/litellm",
    ]
    assert "pancake_meter_hold" not in api.body(2)[0]


def test_a_hold_is_placed_once_for_an_id_and_ended_once() -> None:
    api = Api(PLACED, RELEASED)
    meter = api.meter()
    life(meter, *[lambda: meter.hold(KEY, REQUEST, "acompletion")] * 3, *[lambda: meter.release(REQUEST)] * 3)
    assert len(api.requests) == 2


@pytest.mark.parametrize(
    "call_type",
    ["amoderation", "list_mcp_tools", "aretrieve_batch", "aget_responses", "avideo_status", "afile_content"],
)
def test_calls_that_are_no_model_calls_pass_unasked(call_type: str) -> None:
    api = Api()
    meter = api.meter()
    assert life(meter, lambda: meter.hold(KEY, REQUEST, call_type)) == [None]


def test_scenario_a_refusal_sells() -> None:
    links: dict[str, Any] = {
        "purchase_url": "https://api.example.com/buy/x",
        "upgrade_url": "https://api.example.com/buy/y",
    }
    answer = problem(
        402, "quota_exhausted", reason="quota_exhausted", resets_at=QUOTA["resets_at"], quota=QUOTA, **links
    )
    api = Api(answer)
    refusal = held(api.meter())
    assert refusal is not None
    assert refusal.status == HTTPStatus.PAYMENT_REQUIRED
    assert refusal.detail == {
        "code": "quota_exhausted",
        "title": "Payment required",
        "detail": "Because.",
        "reason": "quota_exhausted",
        "resets_at": QUOTA["resets_at"],
        "available": "50",
        "request_id": "r1",
        **links,
    }
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("answer", "status", "code", "wait"),
    [
        (problem(429, "too_many_holds", {"Retry-After": "7"}), 429, "too_many_holds", "7"),
        (problem(429, "past_due_throttled"), 429, "past_due_throttled", "1"),
        (problem(409, "hold_conflict"), 409, "hold_conflict", None),
        (problem(422, "invalid_customer_id"), 400, "invalid_customer_id", None),
        (problem(404, "unknown_meter"), 503, "metering_unavailable", "1"),
        (problem(401, "unauthorized"), 503, "metering_unavailable", "1"),
    ],
)
@pytest.mark.parametrize("when_unreachable", ["open", "closed"])
def test_what_is_answered_is_no_outage_and_never_lets_a_call_through(
    answer: httpx.Response, status: int, code: str, wait: str | None, when_unreachable: str
) -> None:
    refusal = held(Api(answer).meter(when_unreachable=when_unreachable))
    assert refusal is not None
    assert (refusal.status, refusal.detail["code"], refusal.headers.get("Retry-After")) == (status, code, wait)


@pytest.mark.parametrize("trouble", [httpx.ConnectError("refused"), problem(503, "unavailable")], ids=["no", "503"])
def test_unreachable_and_closed_refuses_counts_it_and_ends_what_may_have_been_held(
    trouble: httpx.Response | Exception, caplog: pytest.LogCaptureFixture
) -> None:
    api = Api(trouble, trouble, trouble, RELEASED)
    meter = api.meter()
    with caplog.at_level(logging.WARNING):
        refusal = held(meter)
    assert refusal is not None
    assert (refusal.status, refusal.headers) == (HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "1"})
    assert api.asked == [*[f"POST {HOLDS}"] * 3, f"DELETE {HOLDS}/call-1?meter=tokens"]
    assert meter.unreachable_total == 1
    assert "failing closed" in caplog.text


def test_unreachable_and_open_lets_the_call_through_and_its_count_ends_a_hold_that_nobody_heard_of() -> None:
    api = Api(5.0, COUNTED)
    meter = api.meter(when_unreachable="open")
    refusal, _ = life(meter, lambda: meter.hold(KEY, REQUEST, "acompletion"), lambda: meter.tell(PAYLOAD))
    assert (refusal, meter.unreachable_total) == (None, 1)
    assert api.body(1)[0]["pancake_meter_hold"]["hold_id"] == "call-1"


def test_passing_trouble_within_the_deadline_is_not_the_callers() -> None:
    api = Api(problem(503, "unavailable"), PLACED)
    meter = api.meter()
    assert (held(meter), meter.unreachable_total) == (None, 0)
    assert api.body(0) == api.body(1)


def test_a_call_of_nobody_is_refused_or_passes_by_setting() -> None:
    nobody = SimpleNamespace(metadata={})

    def asked(when_customer_unknown: str) -> GatewayRefusal | None:
        meter = Api().meter(when_customer_unknown=when_customer_unknown)
        return life(meter, lambda: meter.hold(nobody, REQUEST, "acompletion"))[0]

    refusal = asked("refuse")
    assert refusal is not None
    assert (refusal.status, refusal.detail["code"]) == (HTTPStatus.FORBIDDEN, "customer_unknown")
    assert asked("pass") is None


def test_an_id_that_the_client_brought_is_refused_unless_ids_are_trusted() -> None:
    brought = {"headers": {"X-LiteLLM-Call-Id": "call-1"}}
    refusal = held(Api().meter(), proxy_server_request=brought)
    assert refusal is not None
    assert (refusal.status, refusal.detail["code"]) == (HTTPStatus.BAD_REQUEST, "call_id_not_accepted")
    assert held(Api(PLACED).meter(client_call_ids="accept"), proxy_server_request=brought) is None


def test_what_cannot_be_told_is_repeated_with_the_same_content_until_it_is_told() -> None:
    busy, wrong_key = problem(503, "unavailable"), problem(401, "unauthorized")
    api = Api(
        busy, problem(429, "throttled"), wrong_key, httpx.ReadError(""), httpx.Response(404, text="<html>"), COUNTED
    )
    meter = api.meter()
    life(meter, lambda: meter.tell(PAYLOAD))
    assert {json.dumps(api.body(index)) for index in range(6)} == {json.dumps(api.body(0))}
    assert (meter.untold_total, meter.waiting, len(api.waits)) == (0, 0, 5)


def test_a_parked_call_is_a_warning_and_its_hold_is_released(caplog: pytest.LogCaptureFixture) -> None:
    item = {"index": 0, "id": "p1", "code": "customer_unknown", "detail": "why"}
    parked = {"counted": 0, "duplicate": 0, "ignored": 0, "parked": 1, "holds_ended": 0, "parked_items": [item]}
    api = Api(PLACED, httpx.Response(200, json=parked), RELEASED)
    meter = api.meter()
    life(meter, lambda: meter.hold(KEY, REQUEST, "acompletion"), lambda: meter.tell(PAYLOAD))
    assert "call-1 is parked: customer_unknown" in caplog.text
    assert api.asked[2].startswith(f"DELETE {HOLDS}/tokens~100~call-1")


def test_what_waits_is_bounded_and_what_is_beyond_it_is_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    api = Api(COUNTED)
    meter = api.meter()
    life(meter, *[lambda: meter.tell(PAYLOAD)] * 5)
    assert (len(api.body(0)), meter.untold_total) == (3, 2)
    assert caplog.text.count("call-1 is dropped") == 2


PASSED = {"litellm_logging_obj": SimpleNamespace(litellm_call_id="call-1"), "messages": [], "max_tokens": 90}


def test_scenario_103_a_call_that_is_passed_through_is_held_for_by_the_id_of_its_log() -> None:
    api = Api(PLACED, RELEASED)
    meter = api.meter()
    life(
        meter, lambda: meter.hold(KEY, PASSED, "pass_through_endpoint"), lambda: meter.release({**PASSED, "model": ""})
    )
    assert (api.body(0)["id"], api.asked[1][:6]) == ("call-1", "DELETE")


@pytest.mark.parametrize(
    "call_type",
    [
        "_arealtime",
        "_aresponses_websocket",
        "arealtime_calls",
        "acreate_realtime_client_secret",
        "acreate_batch",
        "avideo_generation",
        "avideo_remix",
        "acreate_fine_tuning_job",
        "acreate_interaction",
        "arun_thread",
        "acreate_run",
        "a_new_one",
    ],
)
def test_scenario_103_other_calls_are_checked_refused_or_passed_by_setting(call_type: str) -> None:
    def asked(api: Api, key: object = KEY, **settings: str) -> GatewayRefusal | None:
        meter = api.meter(**settings)
        return life(meter, lambda: meter.hold(key, REQUEST, call_type))[0]

    # By default with a look at the quota, which reserves nothing
    api = Api(httpx.Response(200, json=QUOTA))
    assert asked(api) is None
    assert api.asked == ["GET /v1/customers/cust_1/quota/tokens?amount=1"]

    # So what is exhausted, or nobody's, or cannot be asked is refused
    for refusal, status in [
        (asked(Api(problem(402, "quota_exhausted"))), HTTPStatus.PAYMENT_REQUIRED),
        (asked(Api(), key=SimpleNamespace(metadata={})), HTTPStatus.FORBIDDEN),
        (asked(Api(*[problem(503, "unavailable")] * 3)), HTTPStatus.SERVICE_UNAVAILABLE),
        (asked(Api(), other_calls="refuse"), HTTPStatus.FORBIDDEN),
    ]:
        assert refusal is not None
        assert refusal.status == status
    assert asked(Api(), other_calls="pass") is None


def test_scenario_103_the_call_within_a_call_ends_the_outer_hold_once() -> None:
    # Given a call that LiteLLM makes as another, under an id of its own
    api = Api(PLACED, COUNTED, RELEASED, COUNTED)
    meter = api.meter()
    request: dict[str, Any] = {**REQUEST, "metadata": {}}
    inner = {**PAYLOAD, "litellm_call_id": "call-2"}

    def logged() -> None:
        meter.tell(inner, outer_call_of({"litellm_params": {"metadata": request["metadata"]}}))

    life(meter, lambda: meter.hold(KEY, request, "agenerate_content"), logged, meter.drain, logged)

    # Then it counts under its own id, and the outer hold is released, once
    assert api.asked == [
        f"POST {HOLDS}",
        "POST /v1/usage/litellm",
        f"DELETE {HOLDS}/tokens~100~call-1?meter=tokens",
        "POST /v1/usage/litellm",
    ]
    assert "pancake_meter_hold" not in api.body(1)[0]


def test_a_mark_that_a_client_made_up_names_no_call() -> None:
    forged = {"pancake_meter_outer_call": {"id": "call-1", "signature": "00"}}
    assert outer_call_of({"litellm_params": {"metadata": forged}}) is None


def test_promise_15_a_customer_whose_id_would_name_another_in_a_path_makes_no_call() -> None:
    api = Api()
    key = SimpleNamespace(metadata={"customer_id": "~b64.YWRh"}, end_user_id=None)
    refusal = life(meter := api.meter(when_unreachable="open"), lambda: meter.hold(key, REQUEST, "acompletion"))[0]
    assert (refusal is not None, api.requests) == (True, [])
