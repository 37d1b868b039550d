"""Issue 16, point 5: the local stack's own addresses open pages signed in, and no other machine's page can use them."""

import asyncio
import json
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import parse_qs

import httpx
import pytest

from local.front import Behind, Opened, create_front
from pancake_meter.http.access.routes import ROUTES
from tests.unit.local.test_front import streamed

BEHIND = Behind("http://127.0.0.1:4566", "api1", "https://0123.lambda-url.us-east-1.on.aws/")
OPENED = Opened("pm_test_key", "http://127.0.0.1:8000")
Handler = Callable[[httpx.Request], httpx.Response]


def ask(
    handler: Handler,
    path: str,
    method: str = "GET",
    host: str = "http://127.0.0.1:8000",
    opened: Opened | None = OPENED,
) -> tuple[httpx.Response, list[httpx.Request]]:
    """Send one request to the front; return the answer, and what was asked of the emulator for it."""
    got: list[httpx.Request] = []

    def keep(request: httpx.Request) -> httpx.Response:
        got.append(request)
        return streamed(handler(request))

    async def send() -> httpx.Response:
        front = create_front(BEHIND, lambda: None, httpx.MockTransport(keep), opened=opened)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url=host) as client:
            return await client.request(method, path)

    return asyncio.run(send()), got


def mints(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(HTTPStatus.CREATED, json={"token": "abc.def"})


def signs_in(_request: httpx.Request) -> httpx.Response:
    headers = [("location", "/console"), ("set-cookie", "session=1; HttpOnly"), ("set-cookie", "lang=en")]
    return httpx.Response(HTTPStatus.SEE_OTHER, headers=headers)


def test_the_portal_opens_with_a_token_that_is_made_each_time() -> None:
    answer, (asked,) = ask(mints, "/_local/portal?customer=a%2Fb%20c")
    assert (answer.status_code, answer.headers["location"]) == (303, "/portal/enter/abc.def")
    assert answer.headers["cache-control"] == "no-store"
    assert str(asked.url).endswith("/api1/$default/v1/customers/a%2Fb%20c/tokens")
    assert asked.headers["authorization"] == "Bearer pm_test_key"
    assert json.loads(asked.content) == {"scopes": ["read", "buy", "hold"], "lifetime_seconds": 3600}


def test_the_portal_of_a_demo_customer_opens_where_no_other_is_named() -> None:
    _, (asked,) = ask(mints, "/_local/portal")
    assert "/v1/customers/north-robotics/tokens" in str(asked.url)


def test_a_customer_who_gets_no_token_is_told_why() -> None:
    answer, _ = ask(lambda _: httpx.Response(422, json={"code": "invalid_customer_id"}), "/_local/portal?customer=..")
    assert (answer.status_code, "invalid_customer_id" in answer.text) == (422, True)


def test_the_console_opens_as_by_its_own_form_with_the_cookies_that_it_gives() -> None:
    answer, (asked,) = ask(signs_in, "/_local/console")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console")
    assert answer.headers.get_list("set-cookie") == ["session=1; HttpOnly", "lang=en"]
    assert (asked.method, str(asked.url)[-16:]) == ("POST", "/console/sign-in")
    assert parse_qs(asked.content.decode()) == {"key": ["pm_test_key"]}
    assert asked.headers["origin"] == OPENED.url


def test_a_console_that_does_not_take_the_key_is_told_of() -> None:
    answer, _ = ask(lambda _: httpx.Response(403), "/_local/console")
    assert (answer.status_code, "set-cookie" in answer.headers) == (502, False)


@pytest.mark.parametrize("path", ["/_local/portal", "/_local/console"])
def test_a_page_whose_own_name_leads_here_opens_nothing(path: str) -> None:
    answer, asked = ask(mints, path, host="http://attacker.example:8000")
    assert (answer.status_code, asked) == (421, [])
    assert ask(signs_in if "console" in path else mints, path, host="http://localhost:8000")[0].status_code == 303


def test_an_endpoint_for_alerts_takes_them() -> None:
    answer, asked = ask(mints, "/_local/alerts", "POST")
    assert (answer.status_code, asked) == (204, [])


def test_a_front_without_a_key_has_none_of_these_and_the_stack_itself_never_has() -> None:
    answer, asked = ask(lambda _: httpx.Response(404), "/_local/console", opened=None)
    assert (answer.status_code, len(asked)) == (404, 1)
    assert not [route for route in ROUTES if "_local" in route.path]
