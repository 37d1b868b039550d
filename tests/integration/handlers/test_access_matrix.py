"""Promise 15: who may call which route. Every route is asked with every kind of key and token; every cell is asserted.

The expectations are written out here, and not taken from the table of routes.
"""

import warnings
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
import pytest
from aws_lambda_powertools import Logger

import api_key_authorizer
from pancake_meter.deps.authorizer import AuthorizerDeps
from pancake_meter.domain.access.api_key import ApiKey, Mode, api_key_id, generate_api_key
from pancake_meter.domain.access.customer_token import SCOPES, Scope
from pancake_meter.domain.access.role import ROLES, Role
from pancake_meter.http.access.routes import ROUTES
from pancake_meter.store.access.api_keys import write_api_key
from pancake_meter.store.errors import StoreError
from pancake_meter.store.table import Put
from pancake_meter.usecases.access.customer_token import TokenKeys, make_token
from tests.support.api import LambdaContext
from tests.support.key_table import KeyTable
from tests.support.token_keys import CURRENT_KEY, OLD_KEY, STACK, TOKEN_KEYS

NOW: Final = datetime(2026, 3, 10, 12, tzinfo=UTC)
CUSTOMER: Final = "/v1/customers/{customer_id}"
READS_OF_A_BALANCE: Final = {
    f"GET {CUSTOMER}/quota",
    f"GET {CUSTOMER}/quota/{{meter}}",
    f"GET {CUSTOMER}/usage",
    f"GET {CUSTOMER}/ledger",
}
READS_OF_CHECKOUTS: Final = {
    f"GET {CUSTOMER}/checkouts",
    f"GET {CUSTOMER}/checkouts/{{checkout_id}}",
    "GET /v1/plans",
}
READS_OF_GRANTS: Final = {f"GET {CUSTOMER}/grants"}
READS_OF_LIMITS: Final = {f"GET {CUSTOMER}/limits"}
SPENDING: Final = {f"PUT {CUSTOMER}/limits"}
HOLDS: Final = {
    f"POST {CUSTOMER}/holds",
    f"POST {CUSTOMER}/holds/{{hold_id}}/settle",
    f"DELETE {CUSTOMER}/holds/{{hold_id}}",
}
MINTING: Final = {f"POST {CUSTOMER}/tokens"}
OWN_KEY: Final = {"GET /v1/key"}
EXPECTED: Final[Mapping[Role, set[str]]] = {
    "meter": OWN_KEY
    | MINTING
    | READS_OF_A_BALANCE
    | READS_OF_GRANTS
    | READS_OF_LIMITS
    | HOLDS
    | {
        "POST /v1/usage",
        "POST /v1/usage/bulk",
        "POST /v1/usage/litellm",
        "POST /api/v1/events",
    },
    "sell": OWN_KEY | MINTING | READS_OF_CHECKOUTS | SPENDING | {f"POST {CUSTOMER}/checkouts"},
    "report": OWN_KEY
    | {
        "GET /v1/reports/revenue",
        "GET /v1/reports/revenue/customers",
        "GET /v1/reports/usage",
        "GET /v1/reports/live",
        "GET /v1/reports/subscriptions",
    },
    "operate": OWN_KEY
    | MINTING
    | READS_OF_A_BALANCE
    | READS_OF_GRANTS
    | READS_OF_LIMITS
    | READS_OF_CHECKOUTS
    | SPENDING
    | {
        f"POST {CUSTOMER}/grants",
        f"POST {CUSTOMER}/grants/{{grant_id}}/void",
        f"POST {CUSTOMER}/block",
        f"POST {CUSTOMER}/unblock",
        "GET /v1/usage/parked",
        "POST /v1/usage/parked/{parked_id}/replay",
        "POST /v1/usage/parked/{parked_id}/dismiss",
        "POST /v1/usage/healings",
        f"POST {CUSTOMER}/overage/{{meter}}/forgive",
        f"GET {CUSTOMER}/export",
        f"DELETE {CUSTOMER}",
        "GET /v1/customers",
        f"GET {CUSTOMER}",
        "GET /v1/deliveries",
        "GET /v1/deliveries/{delivery_id}",
        "POST /v1/deliveries/{delivery_id}/replay",
        "POST /v1/deliveries/{delivery_id}/assign",
        "POST /v1/deliveries/{delivery_id}/dismiss",
        "GET /v1/alerts",
        "GET /v1/alerts/{alert_id}",
        "POST /v1/alerts/{alert_id}/replay",
        "GET /v1/alert-endpoints",
        "POST /v1/alert-endpoints",
        "GET /v1/alert-endpoints/{endpoint_id}",
        "PATCH /v1/alert-endpoints/{endpoint_id}",
        "DELETE /v1/alert-endpoints/{endpoint_id}",
        "POST /v1/alert-endpoints/{endpoint_id}/rotate",
        "POST /v1/alert-endpoints/{endpoint_id}/test",
        "GET /v1/payments",
        "GET /v1/payments/{payment_id}",
        "POST /v1/payments/{payment_id}/resolve",
        "POST /v1/payments/{payment_id}/refund",
        f"POST {CUSTOMER}/subscriptions/{{order_id}}/cancel",
        f"POST {CUSTOMER}/subscriptions/{{order_id}}/reactivate",
        "POST /v1/reconciliations",
    },
    "admin": OWN_KEY | {"GET /v1/keys", "POST /v1/keys", "POST /v1/keys/{key_id}/rotate", "DELETE /v1/keys/{key_id}"},
}
EXPECTED_OF_TOKENS: Final[Mapping[Scope, set[str]]] = {
    "read": READS_OF_A_BALANCE | READS_OF_LIMITS | READS_OF_CHECKOUTS,
    "buy": SPENDING | {f"POST {CUSTOMER}/checkouts"},
    "hold": HOLDS,
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
    return api_key_authorizer.handler(event, LambdaContext(), AuthorizerDeps(table, mode, TOKEN_KEYS, lambda: NOW))


def token_of(
    scopes: set[Scope] | frozenset[Scope] = frozenset(SCOPES), keys: TokenKeys = TOKEN_KEYS, at: datetime = NOW
) -> str:
    return make_token(keys, "acct_1001", frozenset(scopes), timedelta(minutes=15), at)[0]


def signed(key: str = CURRENT_KEY, kid: str | None = "2", algorithm: str = "HS256", **changed: Any) -> str:
    """Return a token that says something else than we would."""
    issued = int(NOW.timestamp())
    claims: dict[str, Any] = {
        "iss": STACK,
        "aud": STACK,
        "sub": "acct_1001",
        "scope": "read buy hold",
        "iat": issued,
        "exp": issued + 900,
        "jti": "1",
    }
    kept = {name: value for name, value in (claims | changed).items() if value is not None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return jwt.encode(kept, key, algorithm=algorithm, headers={"kid": kid} if kid is not None else {})


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


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("route_key", ROUTE_KEYS)
def test_a_token_with_one_scope_opens_the_routes_of_that_scope_alone_and_costs_no_read(
    table: KeyTable, route_key: str, scope: Scope
) -> None:
    answer = ask(table, route_key, f"Bearer {token_of({scope})}")
    assert answer["isAuthorized"] == (route_key in EXPECTED_OF_TOKENS[scope])
    if answer["isAuthorized"]:
        assert answer["context"].items() >= {"customer_id": "acct_1001", "scopes": scope}.items()
        assert "roles" not in answer["context"]
    assert (table.reads, table.updates) == (0, [])


@pytest.mark.parametrize("route_key", ROUTE_KEYS)
def test_no_token_opens_what_is_for_keys_alone(table: KeyTable, route_key: str) -> None:
    is_for_tokens = route_key in set().union(*EXPECTED_OF_TOKENS.values())
    assert ask(table, route_key, f"Bearer {token_of()}")["isAuthorized"] == is_for_tokens


@pytest.mark.parametrize("route_key", ROUTE_KEYS)
def test_no_token_that_we_did_not_make_opens_any_route(table: KeyTable, route_key: str) -> None:
    issued = int(NOW.timestamp())
    another_stack = TokenKeys("another-stack", TOKEN_KEYS.secret)
    header, claims, _ = token_of().split(".")
    unsigned = jwt.encode({"sub": "acct_1001", "scope": "read"}, "", algorithm="none")
    refused = {
        "expired": token_of(at=NOW - timedelta(minutes=15)),
        "of another stack": token_of(keys=another_stack),
        "another audience": signed(aud="another-stack"),
        "another issuer": signed(iss="another-stack"),
        "another key": signed("a-key-that-nobody-gave-to-this-stack-at-all"),
        "the old kid with the new key": signed(CURRENT_KEY, "1"),
        "an unknown kid": signed(kid="3"),
        "the kid that only names the current one": signed(kid="current"),
        "no kid": signed(kid=None),
        "unsigned": unsigned,
        "no algorithm under our kid": jwt.encode(
            {"sub": "acct_1001", "scope": "read"}, "", algorithm="none", headers={"kid": "2"}
        ),
        "another algorithm": signed(algorithm="HS512"),
        "without a signature": f"{header}.{claims}.",
        "with another's claims": f"{header}.{token_of({'read'}).split('.')[1][::-1]}.{'A' * 43}",
        "no end": signed(exp=None),
        "no customer": signed(sub=None),
        "no scopes": signed(scope=None),
        "no id": signed(jti=None),
        "an end out of every calendar": signed(exp=10**18),
        "an end that is no time": signed(exp="never"),
        "more than an hour": signed(exp=issued + 3601),
        "a customer that is none": signed(sub="a/b"),
        "a customer that is a number": signed(sub=1001),
        "scopes of a later version": signed(scope="own_everything"),
        "two dots": "..",
        "three words": "a.b.c",
        "too long": f"{token_of()}{'A' * 4000}",
    }
    let_in = [name for name, text in refused.items() if ask(table, route_key, f"Bearer {text}")["isAuthorized"]]
    assert let_in == []
    assert table.reads == 0


def test_tokens_of_the_key_before_count_until_it_is_taken_away(table: KeyTable) -> None:
    old = signed(OLD_KEY, "1")
    assert ask(table, f"GET {CUSTOMER}/quota", f"Bearer {old}")["isAuthorized"]
    assert jwt.get_unverified_header(token_of())["kid"] == "2"


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "no json",
        "[]",
        "{}",
        '{"current": "1"}',
        '{"current": "current"}',
        '{"current": "1", "1": "short"}',
        '{"1": 1}',
    ],
)
def test_a_secret_that_is_none_lets_nobody_in_by_a_token_and_makes_none(table: KeyTable, secret: str) -> None:
    event = {"routeKey": f"GET {CUSTOMER}/quota", "headers": {"authorization": f"Bearer {token_of()}"}}
    keys = TokenKeys(STACK, lambda: secret)
    with pytest.raises(StoreError):
        api_key_authorizer.handler(event, LambdaContext(), AuthorizerDeps(table, "test", keys, lambda: NOW))
    with pytest.raises(StoreError):
        token_of(keys=keys)


def test_the_log_has_a_token_s_id_and_never_the_token_or_its_customer(
    table: KeyTable, caplog: pytest.LogCaptureFixture
) -> None:
    token = token_of()
    ask(table, f"GET {CUSTOMER}/quota", f"Bearer {token}")
    lines = str([vars(record) for record in caplog.records])
    assert "token_id" in lines
    assert not [part for part in (*token.split("."), "acct_1001") if part in lines]


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_token_that_begins_later_is_refused_but_for_a_minute_between_two_clocks(table: KeyTable, claim: str) -> None:
    for seconds, is_taken in ((60, True), (61, False), (-30, True)):
        at = int(NOW.timestamp()) + seconds
        bearer = signed(**dict[str, Any]({claim: at, "exp": at + 600}))
        answer = ask(table, f"GET {CUSTOMER}/quota", f"Bearer {bearer}")
        assert answer["isAuthorized"] == is_taken, seconds


def test_a_refusal_in_the_log_names_the_key_that_is_known(table: KeyTable, caplog: pytest.LogCaptureFixture) -> None:
    text = key_of(table, {"meter"})
    assert not ask(table, "GET /v1/keys", f"Bearer {text}")["isAuthorized"]
    (line,) = [vars(record) for record in caplog.records if record.message == "refused"]
    assert (line["reason"], line["key_name"], line["key_id"]) == ("no_role", "backend", api_key_id(text))


def test_the_authorizer_s_log_masks_what_the_name_of_an_older_key_shows() -> None:
    formatter: Any = Logger().registered_formatter
    assert "bob.ops@example.com" not in formatter.json_serializer({"key_name": "bob.ops@example.com"})
