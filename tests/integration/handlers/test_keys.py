"""API keys over their routes: made, listed, rotated and revoked by id; what a key may do."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

import access
import api_key_authorizer
from pancake_meter.deps.access import AccessDeps
from pancake_meter.domain.access.api_key import (
    ApiKey,
    CallerKeyNotActive,
    Mode,
    api_key_id,
    generate_api_key,
    is_api_key,
    mode_of,
)
from pancake_meter.domain.access.role import ROLES
from pancake_meter.http.access.caller import KeyCaller
from pancake_meter.store.access.api_keys import list_api_keys, read_api_key
from pancake_meter.store.errors import StoreBusy
from pancake_meter.store.table import Put, Table
from pancake_meter.usecases.access.manage_keys import create_key, revoke_key
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.token_keys import NOBODY_ERASED, TOKEN_KEYS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class Stack:
    """The functions `access` and the authorizer of one stack, called as an admin."""

    def __init__(self, table: Table, mode: Mode = "test") -> None:
        self.table = table
        self.now = NOW
        self.deps = AccessDeps(table, mode, TOKEN_KEYS, lambda: self.now, erasures=NOBODY_ERASED)
        self.admin = create_key(table, mode, "admin", frozenset({"admin"}), None, NOW)

    def ask(self, event: str, *, as_key: ApiKey | None = None, **changed: Any) -> Answer:
        request = api_event(event, **changed)
        # What API Gateway remembers of the caller, whatever has become of it since.
        request["requestContext"]["authorizer"]["lambda"] = dict(KeyCaller.of(as_key or self.admin.known).context)
        return read_answer(access.handler(request, LambdaContext(), self.deps))

    def opens(self, key: str, route_key: str = "POST /v1/usage") -> bool:
        event = {"routeKey": route_key, "headers": {"authorization": f"Bearer {key}"}}
        return bool(api_key_authorizer.handler(event, LambdaContext(), self.deps)["isAuthorized"])

    def make(self, **body: Any) -> Any:
        made = self.ask("keys_create", body={"name": "litellm-proxy", "roles": ["meter"], **body})
        assert made.status == 201, made.body
        return made.body

    def known(self, key_id: str) -> ApiKey:
        known = read_api_key(self.table, key_id)
        assert known is not None
        return known

    def another_admin(self, **body: Any) -> ApiKey:
        return self.known(self.make(name="second", roles=["admin"], **body)["key_id"])

    def live_admins(self) -> list[str]:
        keys = list_api_keys(self.table, limit=100).keys
        return [key.id for key in keys if "admin" in key.roles and key.status_at(self.now) == "active"]

    def revoke(self, key_id: str, as_key: ApiKey | None = None) -> Answer:
        return self.ask("keys_revoke", as_key=as_key, path=f"/v1/keys/{key_id}")

    def rotate(self, key_id: str, body: Any = None, as_key: ApiKey | None = None) -> Answer:
        path = f"/v1/keys/{key_id}/rotate"
        return self.ask("keys_rotate", as_key=as_key, path=path, body="" if body is None else body)

    def listed(self) -> list[Any]:
        keys: list[Any] = []
        query = {"limit": "2"}
        while True:
            page = self.ask("keys_list", query=query)
            assert page.status == 200, page.body
            keys += page.body["keys"]
            if page.body["next_cursor"] is None:
                return keys
            query["cursor"] = page.body["next_cursor"]


@pytest.fixture
def stack(dynamodb: "DynamoDBClient", table: str) -> Stack:
    return Stack(Table(dynamodb, table))


def test_a_key_is_made_of_the_stack_s_mode_and_its_text_is_shown_once(
    stack: Stack, dynamodb: "DynamoDBClient", table: str
) -> None:
    made = stack.ask("keys_create")
    assert (made.status, made.headers["Cache-Control"]) == (201, "no-store")
    key = made.body.pop("key")
    assert is_api_key(key)
    assert mode_of(key) == "test"
    assert made.body == {
        "key_id": api_key_id(key),
        "name": "litellm-proxy",
        "roles": ["meter"],
        "status": "active",
        "created_at": "2026-03-10T12:00:00.000Z",
        "expires_at": None,
        "revoked_at": None,
        "last_used_on": None,
        "replaced_by": None,
    }
    assert stack.opens(key)
    assert not stack.opens(key, "GET /v1/keys")
    assert key not in str(dynamodb.scan(TableName=table)["Items"])
    assert "key" not in str([each.keys() for each in stack.listed()]).replace("key_id", "").replace("dict_keys", "")


def test_a_prod_stack_makes_live_keys(dynamodb: "DynamoDBClient", table: str) -> None:
    assert mode_of(Stack(Table(dynamodb, table), "live").make()["key"]) == "live"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"roles": []}, "invalid_request"),
        ({"roles": ["owner"]}, "invalid_request"),
        ({"roles": ["meter"] * 6}, "invalid_request"),
        ({"name": ""}, "invalid_request"),
        ({"name": "a" * 65}, "invalid_request"),
        ({"name": 'a"b'}, "invalid_request"),
        ({"name": "a\nb"}, "invalid_request"),
        ({"name": "a\n"}, "invalid_request"),
        ({"name": "bob.ops@example.com"}, "invalid_api_key"),
        ({"name": "pm_test_" + "A" * 38}, "invalid_api_key"),
        ({"name": "Bearer abc"}, "invalid_api_key"),
        ({"mode": "live"}, "invalid_request"),
        ({"expires_at": "2026-03-10T12:00:00Z"}, "invalid_api_key"),
        ({"expires_at": "2046-03-10T12:00:00Z"}, "invalid_api_key"),
        ({"expires_at": "tomorrow"}, "invalid_request"),
    ],
)
def test_a_key_that_is_not_allowed_is_not_made(stack: Stack, body: dict[str, Any], code: str) -> None:
    refused = stack.ask("keys_create", body={"name": "litellm-proxy", "roles": ["meter"], **body})
    assert (refused.status, refused.body["code"]) == (422, code)
    assert [each["name"] for each in stack.listed()] == ["admin"]


def test_keys_are_listed_in_pages_the_latest_first(stack: Stack) -> None:
    for number in range(5):
        stack.now = NOW + (number + 1) * DAY
        stack.make(name=f"key-{number}")
    assert [each["name"] for each in stack.listed()] == ["key-4", "key-3", "key-2", "key-1", "key-0", "admin"]


def test_a_key_expires(stack: Stack) -> None:
    made = stack.make(expires_at="2026-03-11T12:00:00Z")
    assert stack.opens(made["key"])
    stack.now = NOW + DAY
    assert not stack.opens(made["key"])
    assert [each["status"] for each in stack.listed() if each["key_id"] == made["key_id"]] == ["expired"]


def test_a_key_is_revoked_by_its_id_and_again_changes_nothing(stack: Stack) -> None:
    made = stack.make()
    first = stack.revoke(made["key_id"])
    assert (first.status, first.body["status"], first.body["revoked_at"]) == (
        200,
        "revoked",
        "2026-03-10T12:00:00.000Z",
    )
    assert not stack.opens(made["key"])
    stack.now += DAY
    assert stack.revoke(made["key_id"]).body == first.body


@pytest.mark.parametrize("key_id", ["0" * 64, "nothing", "pm_test_" + "A" * 38, "A" * 64])
def test_what_is_no_key_is_neither_revoked_nor_rotated(stack: Stack, key_id: str) -> None:
    for answered in (stack.revoke(key_id), stack.rotate(key_id)):
        assert (answered.status, answered.body["code"]) == (404, "api_key_not_found")
        assert "pm_test" not in str(answered.body)


def test_a_key_cannot_revoke_itself_so_that_one_admin_remains(stack: Stack) -> None:
    refused = stack.revoke(stack.admin.known.id)
    assert (refused.status, refused.body["code"]) == (409, "own_api_key")
    assert stack.opens(stack.admin.text, "GET /v1/keys")


def test_a_rotated_key_and_its_successor_open_the_same_during_the_overlap(stack: Stack) -> None:
    old = stack.make(roles=["meter", "sell"])
    rotated = stack.rotate(old["key_id"], {"overlap_seconds": 3600})
    assert (rotated.status, rotated.headers["Cache-Control"]) == (201, "no-store")
    assert (rotated.body["name"], rotated.body["roles"]) == ("litellm-proxy", ["meter", "sell"])
    assert stack.opens(old["key"])
    assert stack.opens(rotated.body["key"])
    assert stack.opens(rotated.body["key"], "POST /v1/customers/{customer_id}/checkouts")
    stack.now = NOW + timedelta(hours=1)
    assert not stack.opens(old["key"])
    assert stack.opens(rotated.body["key"])
    (shown,) = [each for each in stack.listed() if each["key_id"] == old["key_id"]]
    assert (shown["status"], shown["replaced_by"]) == ("expired", rotated.body["key_id"])


def test_a_rotation_needs_no_body_and_lasts_a_day_then(stack: Stack) -> None:
    old = stack.make()
    assert stack.rotate(old["key_id"]).status == 201
    stack.now = NOW + DAY - timedelta(milliseconds=1)
    assert stack.opens(old["key"])
    stack.now = NOW + DAY
    assert not stack.opens(old["key"])


def test_the_successor_of_a_key_with_an_end_lives_as_long(stack: Stack) -> None:
    old = stack.make(expires_at="2026-03-20T12:00:00Z")
    stack.now = NOW + 9 * DAY + timedelta(hours=23)
    rotated = stack.rotate(old["key_id"], {"overlap_seconds": 7 * 24 * 3600})
    assert rotated.body["expires_at"] == "2026-03-30T11:00:00.000Z"
    stack.now = NOW + 10 * DAY
    assert not stack.opens(old["key"])


def test_a_key_is_rotated_once_and_not_after_its_end(stack: Stack) -> None:
    rotated, revoked, expired = stack.make(), stack.make(), stack.make(expires_at="2026-03-10T13:00:00Z")
    assert stack.rotate(rotated["key_id"]).status == 201
    stack.revoke(revoked["key_id"])
    stack.now = NOW + timedelta(hours=1)
    for each in (rotated, revoked, expired):
        refused = stack.rotate(each["key_id"])
        assert (refused.status, refused.body["code"]) == (409, "api_key_not_active")


@pytest.mark.parametrize("seconds", [0, 59, 30 * 24 * 3600 + 1, "60", 60.5, None])
def test_an_overlap_has_bounds(stack: Stack, seconds: Any) -> None:
    old = stack.make()
    assert stack.rotate(old["key_id"], {"overlap_seconds": seconds}).status == 422
    assert stack.opens(old["key"])


def test_a_caller_learns_what_its_own_key_may_do(stack: Stack) -> None:
    own = stack.ask("key_own")
    assert own.status == 200
    assert (own.body["name"], own.body["roles"], own.body["mode"]) == ("admin", ["admin"], "test")
    assert own.body["routes"] == [
        "GET /v1/key",
        "GET /v1/keys",
        "POST /v1/keys",
        "POST /v1/keys/{key_id}/rotate",
        "DELETE /v1/keys/{key_id}",
    ]
    assert "key" not in own.body


def test_a_key_of_an_earlier_version_works_and_is_listed_revoked_and_rotated(stack: Stack) -> None:
    # Given a key as the version before stored it
    key = generate_api_key("test")
    item = {"PK": f"APIKEY#{api_key_id(key)}", "SK": "APIKEY", "name": "old", "created_at": 1, "status": "active"}
    stack.table.write(Put(item))
    # When it is used
    assert [each["name"] for each in stack.listed()] == ["admin"]
    assert stack.opens(key)
    # Then it is listed with what it may do
    (shown,) = [each for each in stack.listed() if each["name"] == "old"]
    assert (shown["roles"], shown["last_used_on"], shown["key_id"]) == (list(ROLES), "2026-03-10", api_key_id(key))
    assert stack.rotate(shown["key_id"]).status == 201
    assert stack.revoke(shown["key_id"]).status == 200
    assert not stack.opens(key)


def test_an_ended_key_is_forgotten_after_ninety_days(stack: Stack, dynamodb: "DynamoDBClient", table: str) -> None:
    made = stack.make()
    stack.revoke(made["key_id"])
    (item,) = [
        each for each in dynamodb.scan(TableName=table)["Items"] if each["PK"]["S"] == f"APIKEY#{made['key_id']}"
    ]
    assert int(item["expires_at"]["N"]) == int((NOW + 90 * DAY).timestamp())


def test_the_function_s_log_names_the_key_and_never_shows_one(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    made = stack.make()
    stack.rotate(made["key_id"])
    stack.revoke(made["key_id"])
    lines = str([vars(record) for record in caplog.records])
    assert all(message in lines for message in ("API key made", "API key rotated", "API key revoked", "litellm-proxy"))
    assert "pm_test_" not in lines


def test_two_rotations_at_once_make_one_successor(stack: Stack) -> None:
    made = stack.make()
    stored = read_api_key(stack.table, made["key_id"])
    assert stored is not None
    answers = [stack.rotate(made["key_id"]).status for _ in range(2)]
    assert sorted(answers) == [201, 409]


# One live admin remains: what API Gateway remembers of a caller is held against the table, in the write's own transaction.


def test_a_revoked_admin_makes_rotates_and_revokes_nothing_while_api_gateway_still_remembers_it(stack: Stack) -> None:
    leaked, other = stack.another_admin(), stack.make()["key_id"]
    assert stack.revoke(leaked.id).status == 200
    before = [each["key_id"] for each in stack.listed()]
    tried = [
        stack.ask("keys_create", as_key=leaked, body={"name": "child", "roles": ["admin"]}),
        stack.rotate(other, as_key=leaked),
        stack.rotate(leaked.id, as_key=leaked),
        stack.revoke(other, as_key=leaked),
        stack.revoke(stack.admin.known.id, as_key=leaked),
    ]
    assert [(each.status, each.body["code"]) for each in tried] == [(403, "caller_key_not_active")] * 5
    assert [each["key_id"] for each in stack.listed()] == before


def test_an_expired_admin_and_one_that_is_no_admin_change_no_key(stack: Stack) -> None:
    expired, meter = stack.another_admin(expires_at="2026-03-10T13:00:00Z"), stack.known(stack.make()["key_id"])
    stack.now = NOW + timedelta(hours=1)
    for each in (expired, meter):
        made = stack.ask("keys_create", as_key=each, body={"name": "child", "roles": ["admin"]})
        assert (made.status, made.body["code"]) == (403, "caller_key_not_active")
    rotated = stack.rotate(expired.id, as_key=expired)
    assert (rotated.status, rotated.body["code"]) == (403, "caller_key_not_active")


def test_two_admins_that_revoke_each_other_leave_one(stack: Stack) -> None:
    second = stack.another_admin()
    answers = [stack.revoke(stack.admin.known.id, as_key=second), stack.revoke(second.id)]
    assert [each.status for each in answers] == [200, 403]
    assert stack.live_admins() == [second.id]


def test_two_admins_that_revoke_each_other_at_the_same_moment_leave_one(stack: Stack) -> None:
    second = stack.another_admin()
    first = stack.admin.known

    def revoke(by: ApiKey, key: ApiKey) -> bool:
        try:
            return revoke_key(stack.table, key.id, NOW, by=by.id).is_revoked
        except (CallerKeyNotActive, StoreBusy):
            return False

    with ThreadPoolExecutor() as pool:
        assert sorted(pool.map(revoke, (first, second), (second, first))) == [False, True]
    assert len(stack.live_admins()) == 1


def test_an_admin_that_was_rotated_does_not_revoke_its_successor(stack: Stack) -> None:
    first = stack.admin.known
    successor = stack.rotate(first.id).body["key_id"]
    refused = stack.revoke(successor)
    assert (refused.status, refused.body["code"], refused.body["expires_at"]) == (409, "longer_lived_admin", None)
    # The answer of the rotation may be lost: the successor is rotated, and that one revokes it.
    last = stack.known(stack.rotate(successor).body["key_id"])
    assert stack.revoke(last.id).body["code"] == "longer_lived_admin"
    assert stack.revoke(successor, as_key=last).status == 200
    stack.now = NOW + 2 * DAY
    assert stack.live_admins() == [last.id]


def test_an_admin_with_an_end_does_not_revoke_one_that_lives_longer(stack: Stack) -> None:
    short, long = (
        stack.another_admin(expires_at="2026-03-11T12:00:00Z"),
        stack.another_admin(expires_at="2026-03-12T12:00:00Z"),
    )
    for longer in (stack.admin.known, long):
        assert stack.revoke(longer.id, as_key=short).body["code"] == "longer_lived_admin"
    assert stack.revoke(short.id, as_key=long).status == 200
    # Whoever ends before an admin that must go makes a key that does not, and revokes with that.
    heir = stack.known(stack.ask("keys_create", as_key=long, body={"name": "heir", "roles": ["admin"]}).body["key_id"])
    assert stack.revoke(stack.admin.known.id, as_key=heir).status == 200
    assert set(stack.live_admins()) == {long.id, heir.id}


def test_an_admin_with_an_end_revokes_what_is_no_admin_and_what_has_ended(stack: Stack) -> None:
    short, ended = stack.another_admin(expires_at="2026-03-12T12:00:00Z"), stack.another_admin()
    stack.revoke(ended.id)
    assert stack.revoke(stack.make()["key_id"], as_key=short).status == 200
    assert stack.revoke(ended.id, as_key=short).body["status"] == "revoked"
