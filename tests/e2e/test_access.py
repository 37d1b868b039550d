"""Who may call what, over HTTP: a sample of the matrix, keys that come and go, a customer's token, a browser's preflight."""

from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

PAGE = "http://localhost:3000"


def ask(stack: Stack, bearer: str | None, method: str, path: str, **request: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {bearer}"} if bearer is not None else {}
    headers |= request.pop("headers", {})
    return httpx.request(method, stack.ready["api_url"] + path, headers=headers, timeout=60, **request)


def make(stack: Stack, *roles: str) -> Any:
    return stack.api.post("/v1/keys", json={"name": "of a test", "roles": roles}).raise_for_status().json()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/customers/ada/overage/tokens/forgive"),
        ("GET", "/v1/deliveries?verdict=parked"),
        ("GET", "/v1/reports/revenue?month=2026-03"),
        ("GET", "/v1/keys"),
        ("POST", "/v1/keys"),
        ("POST", "/v1/reconciliations"),
        ("POST", "/v1/customers/ada/checkouts"),
    ],
)
def test_a_meter_key_is_403_where_money_mail_and_keys_are(stack: Stack, method: str, path: str) -> None:
    refused = ask(stack, stack.meter_key, method, path, json={} if method == "POST" else None)
    assert (refused.status_code, refused.json()) == (403, {"message": "Forbidden"})


def test_no_header_is_401_and_a_key_of_the_other_mode_403(stack: Stack) -> None:
    assert ask(stack, None, "GET", "/v1/key").status_code == 401
    other = stack.ready["api_key"].replace("pm_test_", "pm_live_")
    assert ask(stack, other, "GET", "/v1/key").status_code == 403


def test_a_key_learns_what_it_may_do_is_rotated_and_revoked(stack: Stack) -> None:
    made = make(stack, "report")
    own = ask(stack, made["key"], "GET", "/v1/key").json()
    assert (own["roles"], own["key_id"], own["mode"]) == (["report"], made["key_id"], "test")
    rotated = stack.api.post(f"/v1/keys/{made['key_id']}/rotate", json={"overlap_seconds": 60}).json()
    assert ask(stack, rotated["key"], "GET", "/v1/key").json()["roles"] == ["report"]
    # A route that the key has not asked before: the authorizer's answer for it is nowhere kept.
    assert stack.api.delete(f"/v1/keys/{rotated['key_id']}").json()["status"] == "revoked"
    assert ask(stack, rotated["key"], "GET", "/v1/reports/revenue?month=2026-03").status_code == 403
    listed = {each["key_id"]: each for each in stack.api.get("/v1/keys").json()["keys"]}
    assert listed[made["key_id"]]["replaced_by"] == rotated["key_id"]
    assert listed[rotated["key_id"]]["status"] == "revoked"


def test_a_customer_s_token_reads_and_buys_for_that_customer_alone(stack: Stack, customer_id: str) -> None:
    minted = stack.api.post(f"/v1/customers/{customer_id}/tokens", json={"scopes": ["read", "buy"]}).json()
    token = minted["token"]
    quota = ask(stack, token, "GET", f"/v1/customers/{customer_id}/quota/tokens", headers={"Origin": PAGE})
    assert (quota.status_code, quota.json()["customer_id"]) == (200, customer_id)
    assert quota.headers["access-control-allow-origin"] == PAGE
    bought = ask(stack, token, "POST", f"/v1/customers/{customer_id}/checkouts", json={"plan": "starter"})
    assert (bought.status_code, bought.json()["amount"]) == (201, "9.00")
    on_sale = ask(stack, token, "GET", "/v1/plans").json()["plans"]
    assert {"starter": "9.00"}.items() <= {each["plan"]: each["price"] for each in on_sale}.items()
    for path, code in ((f"{customer_id}-2/quota/tokens", "other_customer"), (f"{customer_id}/tokens", None)):
        refused = ask(stack, token, "GET" if code else "POST", f"/v1/customers/{path}", json=None if code else {})
        assert (refused.status_code, refused.json().get("code")) == (403, code)
    held = ask(stack, token, "POST", f"/v1/customers/{customer_id}/holds", json={"meter": "tokens", "quantity": 1})
    assert held.status_code == 403


def test_a_browser_s_preflight_is_answered_for_the_routes_of_tokens_alone(stack: Stack) -> None:
    def preflight(path: str, origin: str = PAGE) -> httpx.Response:
        asked = {
            "Origin": origin,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization",
        }
        return ask(stack, None, "OPTIONS", path, headers=asked)

    allowed = preflight("/v1/customers/ada/quota/tokens")
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == PAGE
    assert allowed.headers["access-control-allow-methods"] == "GET"
    assert allowed.headers["access-control-allow-headers"] == "Authorization, Content-Type, Idempotency-Key"
    for path in ("/v1/keys", "/v1/deliveries", "/v1/customers/ada/tokens", "/v1/customers/ada/overage/tokens/forgive"):
        assert "access-control-allow-origin" not in preflight(path).headers
    assert "access-control-allow-origin" not in preflight("/v1/plans", "https://evil.example").headers
