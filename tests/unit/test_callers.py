"""What a function holds its caller to, after the authorizer: the token's customer, its end, and the browser's origin."""

import json
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest
from aws_lambda_powertools.event_handler import Response

from pancake_meter.domain.access.customer_token import CustomerToken, Scope
from pancake_meter.domain.instant import floor_ms
from pancake_meter.http.access.caller import token_context
from pancake_meter.http.access.routes import ROUTES, browser_methods
from pancake_meter.http.request import answer
from pancake_meter.http.resolver import Router, http_handler
from pancake_meter.store.errors import StoreUnavailable
from tests.support.api import Answer, LambdaContext, api_event, read_answer

APP = "https://app.example.com"
ORIGINS = (APP, "http://localhost:3000")
CUSTOMER = "/v1/customers/{customer_id}"


@pytest.fixture(autouse=True)
def _as_in_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "PancakeMeter")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "test")


def routes() -> Router[str]:
    router = Router[str]()

    @router.get("/v1/customers/<customer_id>/quota/<meter>")
    def get_quota(customer_id: str, meter: str) -> Response[str]:
        if meter == "trouble":
            raise StoreUnavailable("gone")
        token = router.token
        return answer(HTTPStatus.OK, {"customer": customer_id, "token": token.id if token else None})

    @router.get("/v1/deliveries")
    def get_deliveries() -> Response[str]:
        return answer(HTTPStatus.OK, {"deliveries": []})

    return router


HANDLER = http_handler("deps", routes(), browser_origins=ORIGINS)


def context_of(
    customer_id: str = "acct_1001",
    scopes: frozenset[Scope] = frozenset({"read"}),
    life: timedelta = timedelta(minutes=5),
) -> dict[str, str]:
    return dict(token_context(CustomerToken(customer_id, scopes, floor_ms(datetime.now(UTC) + life), "token-1")))


def event_of(
    context: dict[str, str] | None, path: str = "acct_1001/quota/tokens", origin: str | None = None
) -> dict[str, Any]:
    event = api_event("quota_one_meter", path=f"/v1/customers/{path}")
    event["requestContext"]["authorizer"] = {"lambda": context} if context is not None else None
    if origin is not None:
        event["headers"]["origin"] = origin
    return event


def ask(event: dict[str, Any]) -> Answer:
    return read_answer(HANDLER(event, LambdaContext()))


@pytest.mark.parametrize(
    ("customer_id", "written"),
    [("acct_1001", "acct_1001"), ("auth0|5f7c", "auth0%7C5f7c"), ("50%", "~b64.NTAl"), ("日本", "%E6%97%A5%E6%9C%AC")],
)
def test_a_token_reads_its_own_customer_however_the_path_writes_it(customer_id: str, written: str) -> None:
    found = ask(event_of(context_of(customer_id), f"{written}/quota/tokens"))
    assert (found.status, found.body) == (200, {"customer": customer_id, "token": "token-1"})


@pytest.mark.parametrize(
    "path", ["acct_1002", "ACCT_1001", "acct_1001%20", "acct_100", "~b64.YWNjdF8xMDAy", "%61cct_1002"]
)
def test_promise_15_a_token_reads_no_other_customer(path: str) -> None:
    found = ask(event_of(context_of(), f"{path}/quota/tokens"))
    assert (found.status, found.body["code"]) in {(403, "other_customer"), (422, "invalid_customer_id")}
    assert "acct_1001" not in json.dumps(found.body)


def test_a_token_that_ended_within_the_cached_minute_is_refused() -> None:
    found = ask(event_of(context_of(life=timedelta(seconds=-1))))
    assert (found.status, found.body["code"]) == (401, "token_expired")


def test_a_token_without_the_scope_of_the_route_is_refused() -> None:
    found = ask(event_of(context_of(scopes=frozenset({"buy", "hold"}))))
    assert (found.status, found.body["code"]) == (403, "not_authorized")


def test_a_token_reads_nothing_that_the_table_does_not_open_to_tokens() -> None:
    event = api_event("deliveries_parked")
    event["requestContext"]["authorizer"] = {"lambda": context_of(scopes=frozenset({"read", "buy", "hold"}))}
    assert ask(event).status == 403


@pytest.mark.parametrize("missing", ["scopes", "token_expires_at_ms", "token_id"])
def test_a_context_that_lacks_a_part_lets_nobody_in(missing: str) -> None:
    context = context_of()
    del context[missing]
    assert ask(event_of(context)).status == 403


@pytest.mark.parametrize("ends", ["", "soon", "1e400"])
def test_a_context_with_an_end_that_is_none_lets_nobody_in(ends: str) -> None:
    assert ask(event_of({**context_of(), "token_expires_at_ms": ends})).status == 403


@pytest.mark.parametrize("context", [None, {}])
def test_a_route_that_is_not_open_needs_the_authorizer_s_word(context: dict[str, str] | None) -> None:
    assert ask(event_of(context)).status == 403


def test_an_api_key_reads_every_customer() -> None:
    found = ask(event_of({"key_id": "0", "key_name": "backend", "roles": "meter"}, "acct_7/quota/tokens"))
    assert (found.status, found.body) == (200, {"customer": "acct_7", "token": None})


@pytest.mark.parametrize("path", ["acct_1001/quota/tokens", "acct_1002/quota/tokens", "acct_1001/quota/trouble"])
@pytest.mark.parametrize("origin", ORIGINS)
def test_a_page_of_an_allowed_origin_may_read_answers_and_problems(origin: str, path: str) -> None:
    found = ask(event_of(context_of(), path, origin))
    assert found.headers["Access-Control-Allow-Origin"] == origin
    assert found.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in found.headers


@pytest.mark.parametrize(
    "origin", [None, "https://evil.example", "null", "https://app.example.com.evil.example", f"{APP}/"]
)
def test_no_other_page_may_read_anything(origin: str | None) -> None:
    found = ask(event_of(context_of(), origin=origin))
    assert found.status == 200
    assert not [name for name in found.headers if name.startswith("Access-Control")]


def test_no_page_may_read_what_is_for_keys_alone() -> None:
    event = {**api_event("deliveries_parked"), "rawQueryString": "", "queryStringParameters": None}
    event["headers"]["origin"] = APP
    found = ask(event)
    assert found.status == 200
    assert not [name for name in found.headers if name.startswith("Access-Control")]


def preflight(path: str, origin: str = APP) -> Answer:
    event = api_event("browser_preflight", path=path)
    event["headers"]["origin"] = origin
    return ask(event)


def test_a_preflight_is_told_the_methods_that_tokens_have_there() -> None:
    found = preflight("/v1/customers/acct_1001/checkouts")
    assert found.status == 204
    assert found.headers["Access-Control-Allow-Methods"] == "POST, GET"
    assert found.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type, Idempotency-Key"
    assert found.headers["Access-Control-Allow-Origin"] == APP


@pytest.mark.parametrize("route", [route for route in ROUTES if route.method != "OPTIONS"], ids=lambda route: route.key)
def test_a_preflight_is_allowed_for_exactly_the_routes_of_tokens(route: Any) -> None:
    path = route.path
    for name in ("customer_id", "meter", "hold_id", "checkout_id", "parked_id", "delivery_id", "key_id", "token"):
        path = path.replace(f"{{{name}}}", f"x-{name}")
    allowed = preflight(path).headers.get("Access-Control-Allow-Methods", "").split(", ")
    assert (route.method in allowed) == (route.scope is not None)


@pytest.mark.parametrize(
    "path", ["/v1/customers//quota", "/v1/customers/a/quota/", "/v1/keys", "/", "/v1/customers/a/tokens"]
)
def test_nothing_else_is_a_browser_s(path: str) -> None:
    assert browser_methods(path) == ()
    assert not [name for name in preflight(path).headers if name.startswith("Access-Control")]


def test_a_preflight_of_another_origin_is_told_nothing() -> None:
    found = preflight("/v1/customers/acct_1001/quota", "https://evil.example")
    assert not [name for name in found.headers if name.startswith("Access-Control")]
