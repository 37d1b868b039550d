"""The Python client, against answers made up here: what it sends, what it repeats, what it raises."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from pancake_meter_client import (
    AsyncClient,
    Client,
    Conflict,
    InvalidRequest,
    PancakeMeterError,
    QuotaRefused,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UsageEvent,
)

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
