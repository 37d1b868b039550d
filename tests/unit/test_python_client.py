"""The Python client, against answers made up here: what it sends, what it repeats, what it raises."""

import asyncio
import contextlib
import copy
import inspect
import json
import pickle
from base64 import b64decode
from collections.abc import Callable, Coroutine
from decimal import Decimal
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

import pancake_meter_client
from pancake_meter_client import (
    AsyncClient,
    BadConfiguration,
    Client,
    Conflict,
    EventResult,
    InvalidRequest,
    PancakeMeterError,
    Period,
    QuotaRefused,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    UsageEvent,
    UsageReceipt,
    UsageRefused,
    calls,
)
from pancake_meter_client.retrying import DEADLINE_SECONDS

Answer = httpx.Response | httpx.TransportError
QUOTA = {
    "customer_id": "acct_1001",
    "meter": "tokens",
    "plan": "starter",
    "allowance": 100_000,
    "used": "12345678901234567.25",
    "held": 0,
    "available": 100_000,
    "overage": 0,
    "resets_at": "2026-04-10T15:14:30.000Z",
    "blocked": None,
}
HOLD = {
    "hold_id": "tokens~75~h 1",
    "id": "h 1",
    "quantity": 75,
    "expires_at": "2026-03-10T15:20:00.000Z",
    "quota": QUOTA,
}
SETTLED = {"id": "h 1", "meter": "tokens", "quantity": 60, "hold": "settled", "replayed": False}
RELEASED = {"id": "h 1", "meter": "tokens", "hold": "released"}


class Api:
    """Answers requests in turn, and keeps them."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.waits: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, httpx.TransportError):
            raise answer
        return answer

    @property
    def sent(self) -> list[tuple[str, str, Any]]:
        """Method, path and body of each request."""
        return [
            (r.method, r.url.raw_path.decode(), json.loads(r.content) if r.content else None) for r in self.requests
        ]

    def client(self) -> Client:
        return Client(
            "https://api.example.com", "pm_test_k", transport=httpx.MockTransport(self), sleep=self.waits.append
        )

    def async_client(self) -> AsyncClient:
        async def sleep(seconds: float) -> None:
            self.waits.append(seconds)

        return AsyncClient("https://api.example.com", "pm_test_k", transport=httpx.MockTransport(self), sleep=sleep)


def ok(body: object, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=body)


def problem(status: int, code: str, **more: object) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "detail": "why", "request_id": "r1", **more})


def test_a_hold_is_placed_and_settled_by_its_handle() -> None:
    api = Api(ok(HOLD, 201), ok(SETTLED))
    with api.client() as client, client.hold("acct 1", "tokens", 75, hold_id="h 1", ttl_seconds=60) as hold:
        settled = hold.settle(Decimal("60.5"))
    assert api.sent == [
        ("POST", "/v1/customers/acct%201/holds", {"meter": "tokens", "quantity": "75", "id": "h 1", "ttl_seconds": 60}),
        ("POST", "/v1/customers/acct%201/holds/tokens~75~h%201/settle", {"quantity": "60.5"}),
    ]
    assert (settled.quantity, settled.was_held) == (Decimal(60), True)
    assert api.requests[0].headers["Authorization"] == "Bearer pm_test_k"


def test_usage_and_settlements_may_say_what_they_are_made_of() -> None:
    api = Api(ok(HOLD, 201), ok(SETTLED), ok({"results": [{"id": "1", "status": "counted"}]}))
    with api.client() as client:
        client.hold("acct_1001", "tokens", 75).settle(60, model="gpt-4o", source="my-app")
        client.record([UsageEvent("acct_1001", "tokens", 5, id="1", model="gpt-4o")])
    assert api.sent[1][2] == {"quantity": "60", "model": "gpt-4o", "source": "my-app"}
    event = {"id": "1", "customer_id": "acct_1001", "meter": "tokens", "quantity": "5", "model": "gpt-4o"}
    assert api.sent[2][2] == {"events": [event]}


def test_promise_3_work_that_fails_releases_its_hold() -> None:
    api = Api(ok(HOLD, 201), ok(RELEASED))
    with api.client() as client, pytest.raises(ZeroDivisionError), client.hold("acct_1001", "tokens", 75):
        _ = 1 / 0
    assert api.sent[1] == ("DELETE", "/v1/customers/acct_1001/holds/tokens~75~h%201", None)


def test_a_block_that_is_left_without_settling_releases_too() -> None:
    api = Api(ok(HOLD, 201), ok(RELEASED))
    with api.client() as client, client.hold("acct_1001", "tokens", 75):
        pass
    assert len(api.requests) == 2


def test_a_settlement_that_nobody_answered_is_not_given_back() -> None:
    # Given a settlement that may have happened, or not
    silence = [httpx.ReadTimeout("late")] * 4
    api = Api(ok(HOLD, 201), *silence, ok(SETTLED))
    with api.client() as client, client.hold("acct_1001", "tokens", 75) as hold:
        with pytest.raises(Unavailable):
            hold.settle(60)
        # Then it can be tried again, and the block releases nothing
        assert hold.settle(60).was_held
    assert [method for method, _, _ in api.sent] == ["POST"] * 6


def test_a_release_that_fails_leaves_the_work_s_own_error(caplog: pytest.LogCaptureFixture) -> None:
    api = Api(ok(HOLD, 201), *[ok({}, 503)] * 4)
    with api.client() as client, pytest.raises(KeyError), client.hold("acct_1001", "tokens", 75):
        raise KeyError
    assert "will expire" in caplog.text


def test_promise_1_a_retry_carries_the_same_id() -> None:
    api = Api(httpx.ConnectError("refused"), problem(503, "unavailable"), ok(HOLD, 201), ok(RELEASED))
    with api.client() as client, client.hold("acct_1001", "tokens", 75):
        pass
    ids = [body["id"] for _, _, body in api.sent[:3]]
    assert len(set(ids)) == 1
    assert len(api.waits) == 2


def test_the_api_says_how_long_to_wait_within_reason() -> None:
    after = {"Retry-After": "2"}, {"Retry-After": "86400"}
    api = Api(*(httpx.Response(429, json={}, headers=headers) for headers in after), ok(QUOTA))
    api.client().quota("acct_1001", "tokens")
    assert api.waits == [2.0, 5.0]


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 422])
def test_what_cannot_pass_is_not_repeated(status: int) -> None:
    api = Api(problem(status, "some_code"))
    with pytest.raises(PancakeMeterError) as raised:
        api.client().quota("acct_1001", "tokens")
    assert (raised.value.status, raised.value.code, raised.value.request_id) == (status, "some_code", "r1")
    assert api.waits == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, Unauthorized),
        (403, Unauthorized),
        (404, InvalidRequest),
        (409, Conflict),
        (422, InvalidRequest),
        (429, TooManyRequests),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
def test_each_error_is_what_one_would_do_about_it(status: int, kind: type[PancakeMeterError]) -> None:
    api = Api(*[httpx.Response(status, text="<html>")] * 4)
    with pytest.raises(kind) as raised:
        api.client().quota("acct_1001", "tokens")
    assert type(raised.value) is kind
    assert len(api.requests) == (4 if status in {429, 500, 503} else 1)


def test_promise_9_a_refusal_has_everything_to_sell_with() -> None:
    links = {"purchase_url": "https://api.example.com/buy/a", "upgrade_url": "https://api.example.com/buy/b"}
    api = Api(problem(402, "quota_exhausted", quota=QUOTA, resets_at=QUOTA["resets_at"], **links))
    with api.client() as client, pytest.raises(QuotaRefused) as raised:
        client.hold("acct_1001", "tokens", 75)
    refused = raised.value
    assert (refused.code, refused.purchase_url, refused.upgrade_url) == ("quota_exhausted", *links.values())
    assert refused.quota is not None
    assert refused.quota.used == Decimal("12345678901234567.25")


def test_usage_is_sent_in_batches_of_100_and_every_event_has_its_result() -> None:
    sizes: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        events = json.loads(request.content)["events"]
        sizes.append(len(events))
        results = [{"id": event["id"], "status": "counted"} for event in events]
        results[0] = {"id": events[0]["id"], "status": "refused", "code": "unknown_meter", "detail": "why"}
        return httpx.Response(207, json={"results": results})

    client = Client("https://api.example.com", "k", transport=httpx.MockTransport(answer))
    receipt = client.record(UsageEvent("acct_1001", "tokens", 1, id=f"e{number}") for number in range(250))
    assert sizes == [100, 100, 50]
    assert len(receipt.results) == 250
    assert [(result.id, result.code) for result in receipt.refused] == [
        ("e0", "unknown_meter"),
        ("e100", "unknown_meter"),
        ("e200", "unknown_meter"),
    ]


def test_a_batch_of_which_nothing_counts_is_results_and_no_error() -> None:
    refused = {"id": "e1", "status": "refused", "code": "event_conflict", "detail": "why"}
    api = Api(ok({"counted": 0, "results": [refused]}, HTTPStatus.CONFLICT), problem(422, "invalid_request"))
    client = api.client()
    assert client.record([UsageEvent("acct_1001", "tokens", 1, id="e1")]).refused[0].code == "event_conflict"
    with pytest.raises(InvalidRequest):
        client.record([UsageEvent("acct_1001", "tokens", 1, id="e1")])


def test_a_checkout_is_asked_for() -> None:
    body = {"checkout_id": "chk_1", "kind": "top_up", "quantity": 100_000, "amount": "3.00", "currency": "USD"}
    api = Api(ok({**body, "status": "open", "url": "https://pay.example.com/s#token=t"}, 201))
    checkout = api.client().open_checkout("acct_1001", meter="tokens", quantity=100_000)
    assert (checkout.id, checkout.amount, checkout.url) == ("chk_1", "3.00", "https://pay.example.com/s#token=t")
    assert api.sent[0][2] == {"meter": "tokens", "quantity": 100_000}


# --- The asynchronous client does the same ------------------------------------------------------------------------


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(work())


def test_an_asynchronous_hold_is_placed_and_settled() -> None:
    api = Api(httpx.ConnectError("refused"), ok(HOLD, 201), ok(SETTLED))

    async def work() -> None:
        async with api.async_client() as client, client.hold("acct_1001", "tokens", 75, hold_id="h 1") as hold:
            assert (await hold.settle(60)).was_held

    run(work)
    assert [method for method, _, _ in api.sent] == ["POST", "POST", "POST"]


def test_a_task_that_is_cancelled_gives_its_units_back() -> None:
    api = Api(ok(HOLD, 201), ok(RELEASED))

    async def work() -> None:
        async with api.async_client() as client:
            entered = asyncio.Event()

            async def model_call() -> None:
                async with client.hold("acct_1001", "tokens", 75):
                    entered.set()
                    await asyncio.sleep(60)

            task = asyncio.create_task(model_call())
            await entered.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(work)
    assert api.sent[1][0] == "DELETE"


def test_asynchronous_calls_raise_and_read_the_same() -> None:
    api = Api(
        problem(402, "quota_exhausted", purchase_url="https://api.example.com/buy/a"),
        ok({"results": [{"id": "e1", "status": "counted"}]}),
        ok(QUOTA),
        *[httpx.ReadError("cut")] * 4,
    )

    async def work() -> None:
        async with api.async_client() as client:
            with pytest.raises(QuotaRefused):
                await client.place_hold("acct_1001", "tokens", 75)
            assert not (await client.record([UsageEvent("acct_1001", "tokens", 1, id="e1")])).refused
            assert (await client.quota("acct_1001", "tokens")).available == 100_000
            with pytest.raises(Unavailable):
                await client.release("acct_1001", "tokens~75~h")

    run(work)


# --- Nothing stays held when the caller goes ------------------------------------------------------------------------


class Slow:
    """Places and releases holds by id, and takes its time: what is held at the end is what leaked."""

    def __init__(self, *, before: float = 0.0, after: float = 0.0) -> None:
        self.before, self.after = before, after
        self.held: set[str] = set()
        self.placed = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE":
            self.held.discard(request.url.path.rsplit("/", 1)[1])
            return ok(RELEASED)
        await asyncio.sleep(self.before)
        self.placed += 1
        name = json.loads(request.content)["id"]
        self.held.add(name)
        await asyncio.sleep(self.after)
        return ok({**HOLD, "id": name, "hold_id": name}, 201)


@pytest.mark.parametrize("own_id", ["job-7", None])
@pytest.mark.parametrize("cancel_after", [None, 0.0, 0.01, 0.03, 0.05])
@pytest.mark.parametrize("way", ["place_hold", "hold", "timeout"])
def test_scenario_104_a_task_cancelled_while_its_hold_is_placed_leaves_nothing_held(
    own_id: str | None, cancel_after: float | None, way: str
) -> None:
    api = Slow(before=0.02, after=0.02)

    async def work() -> None:
        async with AsyncClient("https://api.example.com", "k", transport=httpx.MockTransport(api)) as client:

            async def model_call() -> None:
                if way == "place_hold":
                    await client.place_hold("acct_1001", "tokens", 75, hold_id=own_id)
                    return
                async with client.hold("acct_1001", "tokens", 75, hold_id=own_id):
                    await asyncio.sleep(60)

            if way == "timeout":
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(model_call(), cancel_after or 0.001)
                return
            task = asyncio.create_task(model_call())
            if cancel_after is not None:
                await asyncio.sleep(cancel_after)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    run(work)
    if way == "place_hold" and api.placed and cancel_after == 0.05:
        return  # it may have been placed and answered before: then it is the caller's
    assert api.held == set()


@pytest.mark.parametrize("own_id", ["job-7", None])
def test_scenario_104_an_interrupt_while_a_hold_is_placed_releases_it(own_id: str | None) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.path}")
        if request.method == "POST":
            raise KeyboardInterrupt
        return ok(RELEASED)

    client = Client("https://api.example.com", "k", transport=httpx.MockTransport(answer))
    with pytest.raises(KeyboardInterrupt):
        client.hold("acct_1001", "tokens", 75, hold_id=own_id)
    assert asked[1].startswith(f"DELETE /v1/customers/acct_1001/holds/{own_id or ''}")


def test_scenario_54_a_block_that_is_interrupted_releases_its_hold() -> None:
    api = Api(ok(HOLD, 201), ok(RELEASED))
    with api.client() as client, pytest.raises(KeyboardInterrupt), client.hold("acct_1001", "tokens", 75):
        raise KeyboardInterrupt
    assert api.sent[1][0] == "DELETE"


def test_scenario_60_a_hold_without_an_answer_is_released_unless_its_id_is_the_caller_s_to_repeat() -> None:
    silence = [httpx.ReadTimeout("late")] * 4
    minted, named = Api(*silence, ok(RELEASED)), Api(*silence)
    with pytest.raises(Unavailable):
        minted.client().hold("acct_1001", "tokens", 75)
    with pytest.raises(Unavailable):
        named.client().hold("acct_1001", "tokens", 75, hold_id="job-7")
    assert ([method for method, _, _ in minted.sent][-1], len(named.requests)) == ("DELETE", 4)


# --- In time --------------------------------------------------------------------------------------------------------


def test_promise_13_a_call_has_one_deadline_for_all_its_attempts() -> None:
    now = [0.0]

    def hangs(request: httpx.Request) -> httpx.Response:
        timeout = request.extensions["timeout"]
        now[0] += timeout["read"] + timeout["connect"] + timeout["pool"]
        raise httpx.ReadTimeout("late")

    def wait(seconds: float) -> None:
        now[0] += seconds

    def made(seconds: float = DEADLINE_SECONDS) -> Client:
        return Client(
            "https://api.example.com",
            "k",
            deadline_seconds=seconds,
            transport=httpx.MockTransport(hangs),
            sleep=wait,
            clock=lambda: now[0],
        )

    for client, seconds in [(made(), 10.0), (made(2.0), 2.0)]:
        for call in (lambda: client.quota("a", "tokens"), lambda: client.hold("a", "tokens", 1)):  # noqa: B023
            now[0] = 0.0
            with pytest.raises(Unavailable, match="no answer from https://api"):
                call()
            assert 0 < now[0] <= seconds + 0.1


def test_promise_13_an_asynchronous_call_has_the_same_deadline() -> None:
    api = Slow(before=60)

    async def work() -> None:
        transport = httpx.MockTransport(api)
        async with AsyncClient("https://api.example.com", "k", deadline_seconds=0.05, transport=transport) as client:
            with pytest.raises(Unavailable):
                await client.place_hold("acct_1001", "tokens", 75)

    run(work)


# --- What is sent ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "sent"),
    [(Decimal("1E+3"), "1000"), (Decimal("1.50"), "1.50"), (Decimal("1E-6"), "0.000001"), (10**20, "1" + "0" * 20)],
)
def test_a_quantity_is_sent_in_plain_digits(quantity: Decimal | int, sent: str) -> None:
    counted = ok({"results": [{"id": "e", "status": "counted"}]})
    api = Api(ok(QUOTA), ok(HOLD, 201), ok(SETTLED), counted)
    client = api.client()
    client.check("acct_1001", "tokens", quantity)
    client.hold("acct_1001", "tokens", quantity).settle(quantity)
    client.record([UsageEvent("acct_1001", "tokens", quantity)])
    assert api.requests[0].url.params["amount"] == sent
    assert [body["quantity"] for _, _, body in api.sent[1:3]] == [sent, sent]
    assert api.sent[3][2]["events"][0]["quantity"] == sent


@pytest.mark.parametrize("number", ["1E+1000000000", "1E-1000000000", "NaN", "Infinity"])
def test_a_quantity_that_nobody_means_is_refused_before_anything_is_sent(number: str) -> None:
    api = Api()
    events = [UsageEvent("acct_1001", "tokens", 1) for _ in range(100)]
    for call in (
        lambda: api.client().hold("acct_1001", "tokens", Decimal(number)),
        lambda: api.client().record([*events, UsageEvent("acct_1001", "tokens", Decimal(number))]),
    ):
        with pytest.raises(InvalidRequest, match="invalid_quantity"):
            call()


@pytest.mark.parametrize(
    "customer_id", ["auth0|5f", "a b", "a#b", "50%", "%2F", "日本", "user@example.com", "a?b", "a+b", "??>>~~%日本"]
)
def test_scenario_106_a_customer_s_id_reaches_the_api_exactly(customer_id: str) -> None:
    api = Api(ok(QUOTA), ok(HOLD, 201), ok(RELEASED))
    client = api.client()
    client.quota(customer_id, "tokens")
    client.hold(customer_id, "tokens", 1).release()
    sent = [path.split("/")[3] for _, path, _ in api.sent]
    assert {_customer_of(segment) for segment in sent} == {customer_id}
    # API Gateway decodes a path twice, and cuts it off at a question mark
    assert all(unquote(unquote(segment)) == unquote(segment) and "?" not in unquote(segment) for segment in sent)


def _customer_of(segment: str) -> str:
    plain = unquote(segment)
    encoded = plain.removeprefix("~b64.")
    return plain if encoded == plain else b64decode(f"{encoded}===", altchars=b"-_").decode()


@pytest.mark.parametrize("customer_id", ["", ".", "..", "a/b", "a\nb", "\x00", "\ud800", "%\ud800"])
def test_scenario_106_an_id_that_no_path_carries_is_refused_clearly(customer_id: str) -> None:
    with pytest.raises(InvalidRequest):
        Api().client().quota(customer_id, "tokens")


# --- Clear words ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base_url", "api_key", "words"),
    [
        ("", "k", "PANCAKE_METER_URL"),
        (None, "k", "PANCAKE_METER_URL"),
        ("https://api.example.com", "", "PANCAKE_METER_API_KEY"),
        ("https://api.example.com", " ", "PANCAKE_METER_API_KEY"),
        ("https://api.example.com", "k\u2026", "character"),
        ("api.example.com", "k", "https://"),
        ("ftp://api.example.com", "k", "https://"),
        ("https://", "k", "host"),
        ("https://api.example.com?x=1", "k", "query"),
    ],
)
def test_an_address_or_a_key_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, base_url: str | None, api_key: str, words: str
) -> None:
    monkeypatch.delenv("PANCAKE_METER_URL", raising=False)
    for kind in (Client, AsyncClient):
        with pytest.raises(BadConfiguration, match=words):
            kind(base_url, api_key)


def test_the_environment_says_where_and_with_which_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANCAKE_METER_URL", "https://api.example.com/prod/")
    monkeypatch.setenv("PANCAKE_METER_API_KEY", "pm_live_x")
    api = Api(ok(QUOTA))
    Client(transport=httpx.MockTransport(api)).quota("acct_1001", "tokens")
    request = api.requests[0]
    assert str(request.url) == "https://api.example.com/prod/v1/customers/acct_1001/quota/tokens"
    assert request.headers["Authorization"] == "Bearer pm_live_x"
    assert request.headers["User-Agent"] == f"pancake-meter-python/{pancake_meter_client.__version__}"


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (httpx.Response(200, text="<html>", headers={"Content-Type": "text/html"}), UnexpectedAnswer, "text/html"),
        (ok({"hello": "world"}), UnexpectedAnswer, "base_url"),
        (ok([]), UnexpectedAnswer, "base_url"),
        (ok({"code": "pay_the_proxy", "quota": {"left": 0}}, 402), QuotaRefused, "pay_the_proxy"),
        (ok({"code": "pay_the_proxy", "quota": [1]}, 402), QuotaRefused, "pay_the_proxy"),
        (httpx.Response(301, headers={"Location": "https://elsewhere.example.com/"}), UnexpectedAnswer, "elsewhere"),
        (ok({"message": "Unauthorized"}, 401), Unauthorized, "the API key is missing"),
        (ok({"message": "Forbidden"}, 403), Unauthorized, "revoked"),
        (ok({"message": "Not Found"}, 404), InvalidRequest, "base_url"),
        (ok({"message": "Request Entity Too Large"}, 413), InvalidRequest, "larger"),
        (ok({"message": "Too Many Requests"}, 429), TooManyRequests, "throttled"),
        (ok({"message": "Service Unavailable"}, 503), Unavailable, "gateway_error"),
    ],
)
def test_what_is_not_the_api_s_answer_is_explained(
    answer: httpx.Response, kind: type[PancakeMeterError], words: str
) -> None:
    api = Api(*[answer] * 4)
    with pytest.raises(kind, match=words):
        api.client().quota("acct_1001", "tokens")
    assert {request.url.host for request in api.requests} == {"api.example.com"}


def test_text_that_is_no_unicode_costs_its_own_event_only() -> None:
    counted = {"counted": 1, "refused": 1, "results": [{"status": "counted"}, {"status": "refused", "code": "c"}]}
    api = Api(ok(counted, 207), ok(counted, 207))
    events = [UsageEvent("acct_1001", "tokens", 1, id="e1"), UsageEvent("acct_1001", "tokens", 1, id="e\ud800")]
    assert [each.status for each in api.client().record(events).results] == ["counted", "refused"]
    assert [event["id"] for event in api.sent[0][2]["events"]] == ["e1", "e\ud800"]
    assert api.requests[0].headers["Content-Type"] == "application/json"

    async def work() -> None:
        async with api.async_client() as client:
            assert len((await client.record(events)).refused) == 1
            with pytest.raises(InvalidRequest, match="JSON cannot carry"):
                await client.record_llm_calls([{"x": object()}])

    run(work)


def test_every_error_survives_pickling_and_copying() -> None:
    receipt = UsageReceipt((EventResult("refused", "e1", "unknown_meter", "why"),))
    with pytest.raises(UsageRefused) as raised:
        receipt.raise_for_refused()
    problem_body = {"code": "c", "detail": "d", "request_id": "r", "quota": QUOTA, "purchase_url": "https://buy"}
    kinds = [value for value in vars(pancake_meter_client).values() if isinstance(value, type)]
    errors: list[PancakeMeterError] = [raised.value]
    errors += [kind(402, problem_body) for kind in kinds if issubclass(kind, PancakeMeterError)]
    throttled = TooManyRequests(429, problem_body)
    throttled.retry_after_seconds = 7
    for error in [*errors, throttled]:
        for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301
            assert type(again) is type(error)
            assert (str(again), vars(again)) == (str(error), vars(error))


def test_usage_that_was_refused_can_be_raised() -> None:
    counted = EventResult("counted", "e0")
    assert UsageReceipt((counted,)).raise_for_refused().results == (counted,)
    refused = EventResult("refused", "e1", "unknown_meter", "why")
    with pytest.raises(UsageRefused, match="1 of 2 events were not counted, the first: unknown_meter: why") as raised:
        UsageReceipt((counted, refused)).raise_for_refused()
    assert raised.value.refused == (refused,)


# --- All that can be read -------------------------------------------------------------------------------------------


def test_a_quota_has_all_that_the_api_says_of_it() -> None:
    period = {"start": "2026-03-10T00:00:00Z", "end": "2026-04-10T00:00:00Z"}
    more = {"overage_due": 5, "overage_limit": None, "refund_debt": "0.5", "period": period, "holds_per_minute": 6}
    quota = Api(ok({**QUOTA, **more, "alert": 0.8, "past_due": True})).client().quota("acct_1001", "tokens")
    assert (quota.alert, quota.overage_due) == (Decimal("0.8"), Decimal(5))
    assert quota.overage_limit is None
    assert (quota.refund_debt, quota.holds_per_minute, quota.past_due) == (Decimal("0.5"), 6, True)
    assert quota.period == Period(period["start"], period["end"])


def test_a_settlement_has_the_quota_where_the_stack_answers_it() -> None:
    api = Api(ok(SETTLED), ok({**SETTLED, "quota": {**QUOTA, "alert": 0.8}}))
    older, newer = (api.client().settle("acct_1001", "h", 60) for _ in range(2))
    assert older.quota is None
    assert newer.quota is not None
    assert newer.quota.alert == Decimal("0.8")


def test_both_clients_have_the_same_calls_with_the_same_arguments() -> None:
    def offered(kind: type) -> dict[str, list[str]]:
        names = {name for name in vars(kind) if not name.startswith("_")}
        names -= {"close", "aclose", "in_background", "place_hold"}
        return {name: list(inspect.signature(getattr(kind, name)).parameters) for name in names}

    assert offered(Client) == offered(AsyncClient)
    assert {"quotas", "usage", "ledger", "checkouts", "check", "record_bulk", "record", "hold"} <= set(offered(Client))


def test_what_the_api_lists_is_read_by_both_clients() -> None:
    days = {"2026-03-10": 7, "2026-03-11": "0.5"}
    report = {"periods": [{"start": "a", "end": "b", "open": True, "used": 7.5, "overage": 0, "days": days}]}
    movement = {"kind": "grant", "quantity": 100, "reference": None}
    entry = {"segment": 1, "at": "t", "cause": "plan", "reference": "r", "movements": [movement]}
    entry |= {"available": 100, "overage": 0}
    checkout = {
        "checkout_id": "c",
        "kind": "top_up",
        "quantity": 1,
        "amount": "3.00",
        "currency": "USD",
        "status": "open",
    }
    bodies: list[dict[str, Any]] = [
        {"customer_id": "acct_1001", "quotas": [QUOTA]},
        report,
        {"entries": [entry], "next_cursor": "n"},
        {"checkouts": [checkout], "next_cursor": None},
        QUOTA,
    ]
    api = Api(*(ok(body) for body in (*bodies, *bodies)))

    def facts(*read: Any) -> tuple[Any, ...]:
        quotas, usage, ledger, checkouts, checked = read
        moved = ledger.entries[0].movements[0].quantity
        used = (usage[0].is_open, usage[0].days["2026-03-11"])
        return len(quotas), used, moved, ledger.next_cursor, checkouts.checkouts[0].id, checked.meter

    client = api.client()
    expected = (1, (True, Decimal("0.5")), 100, "n", "c", "tokens")
    read = [client.quotas("a b"), client.usage("a b", "tokens", periods=2), client.ledger("a b", "tokens", limit=1)]
    assert facts(*read, client.checkouts("a b", cursor="x"), client.check("a b", "tokens", 5)) == expected

    async def work() -> None:
        async with api.async_client() as client:
            first = [await client.quotas("a b"), await client.usage("a b", "tokens", periods=2)]
            then = [await client.ledger("a b", "tokens", limit=1), await client.checkouts("a b", cursor="x")]
            assert facts(*first, *then, await client.check("a b", "tokens", 5)) == expected

    run(work)
    paths = [path for _, path, _ in api.sent]
    assert paths[:5] == paths[5:]
    assert paths[1:4] == [
        "/v1/customers/a%20b/usage?meter=tokens&periods=2",
        "/v1/customers/a%20b/ledger?meter=tokens&limit=1",
        "/v1/customers/a%20b/checkouts?cursor=x",
    ]


def test_bulk_usage_is_split_and_refusals_keep_their_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "BULK_EVENTS_MAX", 50)
    sizes: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sizes.append(len(json.loads(request.content)))
        items = [{"index": 1, "code": "unknown_meter", "detail": "why"}]
        return ok({"accepted": sizes[-1] - 1, "refused": 1, "refused_items": items}, 202)

    client = Client("https://api.example.com", "k", transport=httpx.MockTransport(answer))
    receipt = client.record_bulk(UsageEvent("acct_1001", "tokens", 1) for _ in range(60))
    assert sizes == [50, 10]
    assert (receipt.accepted, receipt.refused) == (58, 2)
    assert [item.index for item in receipt.refused_items] == [1, 51]


def test_an_app_of_a_few_lines_sees_a_nudge_before_the_refusal() -> None:
    """Calls of 3,000 on 10,000: the answer to the third hold, or to its settlement, nudges; the fourth call is refused."""
    used, held = 0, 0

    def quota() -> dict[str, Any]:
        share = (used + held) / 10_000
        alert = max((threshold for threshold in (0.8, 1.0) if share >= threshold), default=None)
        numbers = {"allowance": 10_000, "used": used, "held": held, "available": 10_000 - used - held}
        return {**QUOTA, **numbers, "alert": alert, "upgrade_url": "https://api.example.com/buy/up"}

    def api(request: httpx.Request) -> httpx.Response:
        nonlocal used, held
        units = int(json.loads(request.content)["quantity"])
        if request.url.path.endswith("/settle"):
            used, held = used + units, 0
            return ok({**SETTLED, "quantity": units, "quota": quota()})
        if used + units > 10_000:
            return problem(402, "quota_exhausted", quota=quota())
        held = units
        return ok({**HOLD, "quantity": units, "quota": quota()}, 201)

    # The app
    seen = []
    client = Client("https://api.example.com", "k", transport=httpx.MockTransport(api))
    for _ in range(4):
        try:
            with client.hold("acct_1001", "tokens", 3_000) as hold:
                settled = hold.settle(3_000)
        except QuotaRefused:
            seen.append("refused")
            break
        alert = hold.placed.quota.alert or (settled.quota.alert if settled.quota else None)
        seen.append(f"used {alert:.0%}" if alert else "fine")

    assert seen == ["fine", "fine", "used 80%", "refused"]


@pytest.mark.parametrize("customer_id", ["~b64.YWRh", "~b64.", 5, None])
def test_promise_15_an_id_that_would_name_another_customer_in_a_path_is_not_sent(customer_id: Any) -> None:
    api = Api()
    with Client("https://api.example.com", "k", transport=httpx.MockTransport(api)) as client:
        for ask in (lambda: client.quota(customer_id, "tokens"), lambda: client.hold(customer_id, "tokens", 7)):
            with pytest.raises(InvalidRequest) as refused:
                ask()
            assert refused.value.code == "invalid_customer_id"
    assert api.requests == []


def test_events_in_bulk_that_are_all_refused_are_told_one_by_one() -> None:
    def answers(request: httpx.Request) -> httpx.Response:
        count = len(json.loads(request.content))
        items = [{"index": 0, "code": "invalid_event_id", "detail": "too long"}]
        if count == calls.BULK_EVENTS_MAX:
            return httpx.Response(202, json={"accepted": count, "refused": 0, "refused_items": []})
        return httpx.Response(422, json={"accepted": 0, "refused": 1, "refused_items": items})

    events = [UsageEvent("acct_1", "tokens", 1, id=f"e{number}") for number in range(calls.BULK_EVENTS_MAX + 1)]
    with Client("https://api.example.com", "k", transport=httpx.MockTransport(answers)) as client:
        receipt = client.record_bulk(events)
    assert (receipt.accepted, receipt.refused) == (calls.BULK_EVENTS_MAX, 1)
    assert [(item.index, item.code) for item in receipt.refused_items] == [(calls.BULK_EVENTS_MAX, "invalid_event_id")]


def test_no_event_in_bulk_is_sent_where_one_cannot_be() -> None:
    api = Api()
    events = [UsageEvent("acct_1", "tokens", 1, id=f"e{number}") for number in range(calls.BULK_EVENTS_MAX)]
    unsendable: Any = object()
    with (
        Client("https://api.example.com", "k", transport=httpx.MockTransport(api)) as client,
        pytest.raises(InvalidRequest),
    ):
        client.record_bulk([*events, UsageEvent("acct_1", "tokens", 1, id=unsendable)])
    assert api.requests == []


def test_promise_3_a_hold_whose_answer_cannot_be_read_is_released() -> None:
    api = Api(httpx.Response(200, text="<html>"), httpx.Response(200, json=RELEASED))
    with (
        Client("https://api.example.com", "k", transport=httpx.MockTransport(api)) as client,
        pytest.raises(UnexpectedAnswer),
    ):
        client.hold("acct_1001", "tokens", 75)
    assert [request.method for request in api.requests] == ["POST", "DELETE"]


def test_processes_that_a_client_was_forked_into_do_not_share_its_connections() -> None:
    # Given a client that has a connection, and two processes of it
    with Client("https://api.example.com", "k", transport=httpx.MockTransport(Api())) as client:
        before = client._connections()
        assert client._connections() is before
        client._pid -= 1  # as in a child
        # Then the child's first request makes its own
        assert client._connections() is not before
