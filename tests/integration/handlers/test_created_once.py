"""A request that creates something is answered once for each Idempotency-Key (issue 14, point 6): keys and tokens."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

import access
import api_key_authorizer
from pancake_meter.deps.access import AccessDeps
from pancake_meter.domain.access.once import Once
from pancake_meter.domain.access.role import ROLES
from pancake_meter.http.access.caller import KeyCaller
from pancake_meter.store.errors import StoreBusy
from pancake_meter.store.table import Table
from pancake_meter.usecases.access.customer_token import make_token_once
from pancake_meter.usecases.access.manage_keys import MadeOnce, create_key, revoke_key
from pancake_meter.value import replace
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.token_keys import NOBODY_ERASED, TOKEN_KEYS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
CUSTOMER = "acct_1001"
KEY = {"name": "litellm-proxy", "roles": ["meter"]}


class Stack:
    """The function `access` of one stack, at a moment that moves."""

    def __init__(self, table: Table) -> None:
        self.deps = AccessDeps(table, "test", TOKEN_KEYS, lambda: NOW, erasures=NOBODY_ERASED)
        self.caller = create_key(table, "test", "backend", frozenset(ROLES), None, NOW).known

    def at(self, later: timedelta) -> None:
        self.deps = replace(self.deps, clock=lambda: NOW + later)

    def ask(self, name: str, once: str | None, body: Any, path: str | None = None) -> Answer:
        event = api_event(name, body="" if body is None else body, path=path)
        if once is not None:
            event["headers"]["idempotency-key"] = once
        # What API Gateway remembers of the caller, whatever has become of it since.
        event["requestContext"]["authorizer"]["lambda"] = dict(KeyCaller.of(self.caller).context)
        return read_answer(access.handler(event, LambdaContext(), self.deps))

    def opens(self, key: str) -> bool:
        event = {"routeKey": "POST /v1/usage", "headers": {"authorization": f"Bearer {key}"}}
        return bool(api_key_authorizer.handler(event, LambdaContext(), self.deps)["isAuthorized"])


@pytest.fixture
def stack(dynamodb: "DynamoDBClient", table: str) -> Stack:
    return Stack(Table(dynamodb, table, sleep=lambda _: None))


@pytest.fixture
def stored(dynamodb: "DynamoDBClient", table: str) -> Callable[[], str]:
    pages = dynamodb.get_paginator("scan")
    return lambda: str([item for page in pages.paginate(TableName=table) for item in page["Items"]])


def rotate(stack: Stack, key_id: str, once: str | None) -> Answer:
    return stack.ask("keys_rotate", once, None, f"/v1/keys/{key_id}/rotate")


def test_a_key_is_made_once_and_a_repeat_has_its_text_again_which_is_nowhere_kept(
    stack: Stack, stored: Callable[[], str]
) -> None:
    first = stack.ask("keys_create", "make-1", KEY)
    stack.at(timedelta(hours=1))
    again = stack.ask("keys_create", "make-1", KEY)
    assert (first.status, again.status, again.body) == (201, 201, first.body)
    assert (first.headers.get("Idempotency-Replayed"), again.headers["Idempotency-Replayed"]) == (None, "true")
    assert stack.opens(first.body["key"])
    assert first.body["key"] not in stored()
    # Another content is a conflict, another key another request
    other = stack.ask("keys_create", "make-1", KEY | {"roles": ["sell"]})
    assert (other.status, other.body["code"]) == (409, "idempotency_conflict")
    assert stack.ask("keys_create", "make-2", KEY).body["key"] != first.body["key"]
    assert stack.ask("keys_create", None, KEY).body["key"] != stack.ask("keys_create", None, KEY).body["key"]


def test_a_key_is_rotated_once(stack: Stack) -> None:
    old = stack.ask("keys_create", None, KEY).body["key_id"]
    first = rotate(stack, old, "rotate-1")
    again = rotate(stack, old, "rotate-1")
    assert (first.status, again.body) == (201, first.body)
    assert rotate(stack, old, "rotate-2").body["code"] == "api_key_not_active"
    assert stack.opens(first.body["key"])
    # The same Idempotency-Key for another key is another request
    assert rotate(stack, first.body["key_id"], "rotate-1").body["key"] != first.body["key"]


def test_a_key_that_was_revoked_meanwhile_gets_no_text_again_and_makes_no_mark(stack: Stack) -> None:
    old = stack.ask("keys_create", None, KEY).body["key_id"]
    assert stack.ask("keys_create", "make-1", KEY).status == 201
    assert rotate(stack, old, "rotate-1").status == 201
    revoke_key(stack.deps.table, stack.caller.id, NOW)
    for once in ("make-1", "make-2"):
        refused = stack.ask("keys_create", once, KEY)
        assert (refused.status, refused.body["code"]) == (403, "caller_key_not_active")
    assert rotate(stack, old, "rotate-1").body["code"] == "caller_key_not_active"
    # Another admin finds the request that was refused undone
    stack.caller = create_key(stack.deps.table, "test", "second", frozenset(ROLES), None, NOW).known
    made = stack.ask("keys_create", "make-2", KEY)
    assert (made.status, made.headers.get("Idempotency-Replayed")) == (201, None)


@pytest.mark.parametrize("what", ["keys", "tokens"])
def test_of_many_at_once_one_is_made(stack: Stack, what: str) -> None:
    once = Once.of("POST", CUSTOMER, "at-once", "{}")

    def make(_: int) -> str | None:
        table, tokens = stack.deps.table, stack.deps.tokens
        try:
            if what == "tokens":
                return make_token_once(table, tokens, once, CUSTOMER, frozenset({"read"}), timedelta(hours=1), NOW).text
            by, made_once = stack.caller.id, MadeOnce(once, tokens.by_kid)
            return create_key(table, "test", "proxy", frozenset({"meter"}), None, NOW, by=by, made_once=made_once).text
        except StoreBusy:
            return None

    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(make, range(8)))
    assert len({text for text in texts if text is not None}) == 1


def test_after_a_day_the_idempotency_key_is_forgotten(stack: Stack) -> None:
    first = stack.ask("keys_create", "make-1", KEY).body["key"]
    stack.at(timedelta(hours=24))
    assert stack.ask("keys_create", "make-1", KEY).body["key"] != first


def test_a_token_is_made_once_as_long_as_it_lives_and_is_nowhere_kept(stack: Stack, stored: Callable[[], str]) -> None:
    body = {"scopes": ["read", "buy"], "lifetime_seconds": 600}
    first = stack.ask("tokens_create", "token-1", body)
    stack.at(timedelta(minutes=9))
    again = stack.ask("tokens_create", "token-1", body)
    assert (first.status, again.status, again.body) == (201, 201, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert [secret in stored() for secret in (first.body["token"], "acct_1001")] == [False, False]
    assert stack.ask("tokens_create", "token-1", body | {"scopes": ["read"]}).body["code"] == "idempotency_conflict"
    # Another customer under the same Idempotency-Key is another request
    assert stack.ask("tokens_create", "token-1", body, "/v1/customers/bob/tokens").body["customer_id"] == "bob"
    stack.at(timedelta(minutes=10))
    assert stack.ask("tokens_create", "token-1", body).body["token"] != first.body["token"]
