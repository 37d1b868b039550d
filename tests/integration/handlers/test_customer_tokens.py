"""Customer tokens over their route: a key gives no more than it may do itself."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import access
import api_key_authorizer
from pancake_meter.deps.access import AccessDeps
from pancake_meter.domain.access.role import ROLES, Role
from pancake_meter.http.access.caller import KeyCaller
from pancake_meter.http.access.routes import scopes_of
from pancake_meter.store.errors import StoreUnavailable
from pancake_meter.store.table import Put
from pancake_meter.usecases.access.customer_token import TokenKeys
from pancake_meter.usecases.access.manage_keys import create_key
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.key_table import KeyTable
from tests.support.token_keys import NOBODY_ERASED, STACK, TOKEN_KEYS

NOW = datetime(2026, 3, 10, 12, 0, 0, 250_000, tzinfo=UTC)
DEPS = AccessDeps(KeyTable(), "test", TOKEN_KEYS, lambda: NOW, erasures=NOBODY_ERASED)
QUOTA = "GET /v1/customers/{customer_id}/quota"


def mint(
    roles: set[Role], body: Any, customer: str = "acct_1001", deps: AccessDeps = DEPS, *, is_revoked: bool = False
) -> Answer:
    event = api_event("tokens_create", path=f"/v1/customers/{customer}/tokens", body="" if body is None else body)
    key = create_key(deps.table, "test", "backend", frozenset(roles), None, NOW).known
    event["requestContext"]["authorizer"]["lambda"] = dict(KeyCaller.of(key).context)
    if is_revoked:
        deps.table.write(Put({**(deps.table.get({"PK": f"APIKEY#{key.id}"}) or {}), "status": "revoked"}))
    return read_answer(access.handler(event, LambdaContext(), deps))


def authorized(token: str, route_key: str = QUOTA, at: datetime = NOW) -> Any:
    event = {"routeKey": route_key, "headers": {"authorization": f"Bearer {token}"}}
    deps = AccessDeps(KeyTable(), "test", TOKEN_KEYS, lambda: at, erasures=NOBODY_ERASED)
    return api_key_authorizer.handler(event, LambdaContext(), deps)


def test_a_token_is_made_for_one_customer_and_opens_what_was_asked_for() -> None:
    made = mint({"meter", "sell"}, {"scopes": ["buy", "read"], "lifetime_seconds": 60})
    assert (made.status, made.headers["Cache-Control"]) == (201, "no-store")
    token = made.body.pop("token")
    assert made.body == {
        "token_type": "Bearer",
        "customer_id": "acct_1001",
        "scopes": ["read", "buy"],
        "expires_at": "2026-03-10T12:01:00.000Z",
        "expires_in_seconds": 60,
    }
    assert authorized(token)["context"]["customer_id"] == "acct_1001"
    assert authorized(token, "POST /v1/customers/{customer_id}/checkouts")["isAuthorized"]
    assert not authorized(token, "POST /v1/customers/{customer_id}/holds")["isAuthorized"]
    assert not authorized(token, at=NOW + timedelta(minutes=1))["isAuthorized"]


def test_a_revoked_key_makes_no_token_while_api_gateway_still_remembers_it() -> None:
    refused = mint({"operate"}, None, is_revoked=True)
    assert (refused.status, refused.body["code"]) == (403, "caller_key_not_active")


def test_without_a_body_a_token_reads_for_fifteen_minutes() -> None:
    made = mint({"operate"}, None)
    assert (made.body["scopes"], made.body["expires_at"]) == (["read"], "2026-03-10T12:15:00.000Z")


@pytest.mark.parametrize("customer_id", ["50%", "auth0|5f7c", "日本", "😀" * 128])
def test_any_customer_may_have_one(customer_id: str) -> None:
    written = "~b64." + urlsafe_b64encode(customer_id.encode()).decode().rstrip("=")
    made = mint({"operate"}, None, written)
    assert authorized(made.body["token"])["context"]["customer_id"] == customer_id


@pytest.mark.parametrize(
    ("roles", "scopes"),
    [
        ({"meter"}, {"hold"}),
        ({"sell"}, {"buy"}),
        ({"operate"}, {"read"}),
        ({"report"}, set()),
        ({"admin"}, set()),
        ({"meter", "sell"}, {"read", "buy", "hold"}),
        (set(ROLES), {"read", "buy", "hold"}),
    ],
)
def test_a_key_gives_no_more_than_it_may_do_itself(roles: set[Role], scopes: set[str]) -> None:
    assert scopes_of(frozenset(roles)) == scopes
    for scope in ("read", "buy", "hold"):
        made = mint(roles, {"scopes": [scope]})
        assert made.status == (201 if scope in scopes else 403)
        if made.status == 403:
            assert made.body["code"] == "scope_not_allowed"
            assert set(made.body["allowed"]) == scopes


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": []},
        {"scopes": ["own"]},
        {"scopes": ["read"] * 4},
        {"lifetime_seconds": 59},
        {"lifetime_seconds": 3601},
        {"lifetime_seconds": "60"},
        {"customer_id": "acct_1002"},
    ],
)
def test_what_is_not_allowed_is_422(body: Any) -> None:
    assert mint(set(ROLES), body).status == 422


def test_a_token_s_customer_is_an_id() -> None:
    assert mint(set(ROLES), None, "~b64.!").body["code"] == "invalid_customer_id"


def test_without_its_secret_no_token_is_made_and_the_answer_is_503() -> None:
    def gone() -> str:
        raise StoreUnavailable("gone")

    made = mint(
        set(ROLES),
        None,
        deps=AccessDeps(KeyTable(), "test", TokenKeys(STACK, gone), lambda: NOW, erasures=NOBODY_ERASED),
    )
    assert (made.status, made.body["code"]) == (503, "unavailable")


def test_no_token_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    made = mint(set(ROLES), None)
    lines = str([vars(record) for record in caplog.records])
    assert "customer token made" in lines
    assert made.body["token"] not in lines
    assert made.body["token"].split(".")[1] not in lines
