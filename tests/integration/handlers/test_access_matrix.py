"""Promise 15: who may call which route. Every route is asked with every kind of key, and every cell is asserted.

The expectations are written out here, and not taken from the table of routes.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

import api_key_authorizer
from pancake_meter.deps.access import AccessDeps
from pancake_meter.domain.access.api_key import ApiKey, Mode, api_key_id, generate_api_key
from pancake_meter.domain.access.role import ROLES, Role
from pancake_meter.http.access.routes import ROUTES
from pancake_meter.store.access.api_keys import write_api_key
from pancake_meter.store.table import Put
from tests.support.api import LambdaContext
from tests.support.key_table import KeyTable

NOW: Final = datetime(2026, 3, 10, 12, tzinfo=UTC)
CUSTOMER: Final = "/v1/customers/{customer_id}"
READS_OF_A_BALANCE: Final = {
    f"GET {CUSTOMER}/quota",
    f"GET {CUSTOMER}/quota/{{meter}}",
    f"GET {CUSTOMER}/usage",
    f"GET {CUSTOMER}/ledger",
}
READS_OF_CHECKOUTS: Final = {f"GET {CUSTOMER}/checkouts", f"GET {CUSTOMER}/checkouts/{{checkout_id}}"}
OWN_KEY: Final = {"GET /v1/key"}
EXPECTED: Final[Mapping[Role, set[str]]] = {
    "meter": OWN_KEY
    | READS_OF_A_BALANCE
    | {
        f"POST {CUSTOMER}/holds",
        f"POST {CUSTOMER}/holds/{{hold_id}}/settle",
        f"DELETE {CUSTOMER}/holds/{{hold_id}}",
        "POST /v1/usage",
        "POST /v1/usage/bulk",
        "POST /v1/usage/litellm",
        "POST /api/v1/events",
    },
    "sell": OWN_KEY | READS_OF_CHECKOUTS | {f"POST {CUSTOMER}/checkouts"},
    "report": OWN_KEY | {"GET /v1/reports/revenue", "GET /v1/reports/revenue/customers", "GET /v1/reports/usage"},
    "operate": OWN_KEY
    | READS_OF_A_BALANCE
    | READS_OF_CHECKOUTS
    | {
        "GET /v1/usage/parked",
        "POST /v1/usage/parked/{parked_id}/replay",
        "POST /v1/usage/parked/{parked_id}/dismiss",
        "POST /v1/usage/healings",
        f"POST {CUSTOMER}/overage/{{meter}}/forgive",
        "GET /v1/deliveries",
        "GET /v1/deliveries/{delivery_id}",
        "POST /v1/deliveries/{delivery_id}/replay",
        "POST /v1/deliveries/{delivery_id}/assign",
        "POST /v1/deliveries/{delivery_id}/dismiss",
        "POST /v1/reconciliations",
    },
    "admin": OWN_KEY | {"GET /v1/keys", "POST /v1/keys", "POST /v1/keys/{key_id}/rotate", "DELETE /v1/keys/{key_id}"},
}
ROUTE_KEYS: Final = [route.key for route in ROUTES if not route.is_open]


def key_of(
    table: KeyTable, roles: frozenset[Role] | set[Role], mode: Mode = "test", expires_at: datetime | None = None
) -> str:
    text = generate_api_key(mode)
    write_api_key(table, text, ApiKey(api_key_id(text), "backend", frozenset(roles), NOW, expires_at))
    return text


def stored(table: KeyTable, text: str, **changed: Any) -> str:
    item = {**table.items[f"APIKEY#{api_key_id(text)}"], **changed}
    table.write(Put({name: value for name, value in item.items() if value is not None}))
    return text


def ask(table: KeyTable, route_key: str, authorization: str | None, mode: Mode = "test") -> Any:
    event: dict[str, Any] = {"version": "2.0", "type": "REQUEST", "routeKey": route_key, "headers": {}}
    if authorization is not None:
        event["headers"]["authorization"] = authorization
    return api_key_authorizer.handler(event, LambdaContext(), AccessDeps(table, mode, lambda: NOW))


@pytest.fixture
def table() -> KeyTable:
    return KeyTable()


def test_every_route_behind_the_authorizer_is_in_the_matrix() -> None:
    assert set(ROUTE_KEYS) == set().union(*EXPECTED.values())


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("route_key", ROUTE_KEYS)
def test_a_key_with_one_role_opens_the_routes_of_that_role_alone(table: KeyTable, route_key: str, role: Role) -> None:
    answer = ask(table, route_key, f"Bearer {key_of(table, {role})}")
    assert answer["isAuthorized"] == (route_key in EXPECTED[role])
    assert ("context" in answer) == answer["isAuthorized"]


@pytest.mark.parametrize("route_key", ROUTE_KEYS)
def test_a_key_with_every_role_opens_every_route(table: KeyTable, route_key: str) -> None:
    answer = ask(table, route_key, f"Bearer {key_of(table, frozenset(ROLES))}")
    assert answer["isAuthorized"] is True


@pytest.mark.parametrize("route_key", ROUTE_KEYS)
def test_no_other_bearer_opens_any_route(table: KeyTable, route_key: str) -> None:
    every = frozenset(ROLES)
    refused = {
        "no header": None,
        "empty": "",
        "no key": "Bearer ",
        "another scheme": "Basic dTpw",
        "no scheme": key_of(table, every),
        "malformed": "Bearer pm_test_" + "A" * 38,
        "too long": "Bearer " + "A" * 3000,
        "unknown": f"Bearer {generate_api_key('test')}",
        "wrong mode": f"Bearer {key_of(table, every, 'live')}",
        "expired": f"Bearer {key_of(table, every, expires_at=NOW)}",
        "revoked": f"Bearer {stored(table, key_of(table, every), status='revoked')}",
        "without a role": f"Bearer {key_of(table, set())}",
        "with a role of a later version": f"Bearer {stored(table, key_of(table, set()), roles=['own_everything'])}",
    }
    let_in = [name for name, header in refused.items() if ask(table, route_key, header) != {"isAuthorized": False}]
    assert let_in == []


@pytest.mark.parametrize("route_key", [None, "", "$default", "GET /v1/nothing", "GET /buy/{token}"])
def test_a_route_that_is_not_in_the_table_is_refused_whatever_the_key(table: KeyTable, route_key: str) -> None:
    assert ask(table, route_key, f"Bearer {key_of(table, frozenset(ROLES))}") == {"isAuthorized": False}


@pytest.mark.parametrize("mode", ["test", "live"])
def test_a_stack_takes_keys_of_its_own_mode_and_no_read_is_made_for_the_other(table: KeyTable, mode: Mode) -> None:
    other: Mode = "live" if mode == "test" else "test"
    assert ask(table, "POST /v1/usage", f"Bearer {key_of(table, {'meter'}, mode)}", mode)["isAuthorized"]
    table.reads = 0
    assert not ask(table, "POST /v1/usage", f"Bearer {key_of(table, {'meter'}, other)}", mode)["isAuthorized"]
    assert table.reads == 0


def test_a_meter_key_is_refused_where_money_mail_and_keys_are() -> None:
    refused = {
        f"POST {CUSTOMER}/overage/{{meter}}/forgive",
        "GET /v1/deliveries",
        "GET /v1/reports/revenue",
        "GET /v1/keys",
        "POST /v1/keys",
    }
    assert not refused & EXPECTED["meter"]


@pytest.mark.parametrize("route_key", ROUTE_KEYS)
def test_a_key_that_an_earlier_version_stored_has_every_role(table: KeyTable, route_key: str) -> None:
    text = generate_api_key("test")
    table.write(
        Put(
            {
                "PK": f"APIKEY#{api_key_id(text)}",
                "SK": "APIKEY",
                "name": 'the "old" one',
                "created_at": 1,
                "status": "active",
            }
        )
    )
    answer = ask(table, route_key, f"Bearer {text}")
    assert answer == {
        "isAuthorized": True,
        # No character that a log format would have to escape.
        "context": {
            "key_id": api_key_id(text),
            "key_name": "the _old_ one",
            "roles": "meter sell report operate admin",
        },
    }


def test_the_last_use_is_noted_once_a_day_and_lists_a_key_of_an_earlier_version(table: KeyTable) -> None:
    bearer = f"Bearer {stored(table, key_of(table, {'meter'}), listing=None, listed_at=None, mode=None)}"
    for _ in range(3):
        assert ask(table, "POST /v1/usage", bearer)["isAuthorized"]
    (update,) = table.updates
    assert (update.values[":today"], update.values[":listing"], update.values[":mode"]) == (
        "2026-03-10",
        "APIKEYS",
        "test",
    )


def test_a_use_that_cannot_be_noted_fails_no_call() -> None:
    class Unwritable(KeyTable):
        def write(self, write: Any) -> Any:
            if isinstance(write, Put):
                return super().write(write)
            raise RuntimeError("no policy allows it")

    table = Unwritable()
    assert ask(table, "POST /v1/usage", f"Bearer {key_of(table, {'meter'})}")["isAuthorized"]


def test_a_key_that_ends_opens_until_then(table: KeyTable) -> None:
    bearer = f"Bearer {key_of(table, {'meter'}, expires_at=NOW + timedelta(milliseconds=1))}"
    assert ask(table, "POST /v1/usage", bearer)["isAuthorized"]
