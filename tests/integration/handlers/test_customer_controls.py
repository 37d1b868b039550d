"""What the operator does to one customer, event in and answer out (issue 14, point 2)."""

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

import customer_controls
import quota_check
from pancake_meter.catalog import parse_catalog
from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.deps.quota import QuotaDeps
from pancake_meter.domain.balance.adjust import add_grant
from pancake_meter.domain.balance.credit import bought_lot
from pancake_meter.domain.balance.grant import MAX_GRANTS
from pancake_meter.domain.balance.ledger import EventCause
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.balance.balances import read_balance, write_change
from pancake_meter.store.table import Table
from pancake_meter.usecases.access.erase import erase_customer
from pancake_meter.usecases.balance import operate
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.operate import block
from pancake_meter.usecases.selling.offer import Offers
from pancake_meter.usecases.standing.customer_books import CustomerBooks
from tests.integration.handlers.test_nasty_values import NASTY_JSON
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.meters import CUSTOMER, NOW
from tests.support.pure_subscription import step

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CATALOG = parse_catalog("""
    default_plan = "free"
    [checkout]
    currency = "USD"
    session_minutes = 45
    tax_category = "saas"
    success_urls = ["https://app.example.com/"]
    [meters.tokens]
    name = "Tokens"
    unit = "token"
    [meters.runs]
    name = "Runs"
    unit = "run"
    [plans.free]
    name = "Free"
    rank = 0
    [plans.free.allowances.tokens]
    quantity = 1000
    cadence = "month"
    overage = "allowed"
    prices.USD = { model = "per_unit", unit_price = "0.01" }
    [plans.free.allowances.runs]
    quantity = 10
    cadence = "month"
    [usage_product]
    name = "Usage"
    product_id = { test = "PROD_9tUsageOneTime00000001", prod = "PROD_9pUsageOneTime00000001" }
""")
TOKEN = {
    "customer_id": CUSTOMER,
    "scopes": "read buy hold",
    "token_expires_at_ms": "4102444800000",
    "token_id": "t1",
    "key_name": "customer-token",
}


class World:
    """One stack at a moment that moves."""

    def __init__(self, table: Table) -> None:
        self.now = NOW
        self.metering = Metering(table, CATALOG, erasures=Erasures(table, lambda: "a secret of pseudonyms"))
        self.controls = MeteringDeps(self.metering, lambda: self.now)
        offers = Offers(CATALOG, "test", lambda: "a secret of the tests")
        self.quotas = QuotaDeps(self.metering, offers, lambda: self.now)

    def call(self, name: str, body: Any = None, **changed: Any) -> Answer:
        event = api_event(name, body=body, **{key: changed[key] for key in ("path", "query") if key in changed})
        event["headers"] |= changed.get("headers", {})
        if "roles" in changed:
            event["requestContext"]["authorizer"]["lambda"]["roles"] = changed["roles"]
        if changed.get("token"):
            event["requestContext"]["authorizer"]["lambda"] = TOKEN
        return read_answer(customer_controls.handler(event, LambdaContext(), self.controls))

    def hold(self, quantity: int, hold_id: str, meter: str = "tokens") -> Answer:
        event = api_event(
            "holds_place", body={"meter": meter, "quantity": quantity, "id": hold_id, "ttl_seconds": 3600}
        )
        return read_answer(quota_check.handler(event, LambdaContext(), self.quotas))

    def settle(self, quantity: int, hold_id: str) -> Answer:
        event = api_event(
            "holds_settle",
            path=f"/v1/customers/{CUSTOMER}/holds/{hold_id}/settle",
            body={"quantity": quantity, "meter": "tokens"},
        )
        return read_answer(quota_check.handler(event, LambdaContext(), self.quotas))

    def quota(self, meter: str = "tokens") -> Any:
        event = api_event("quota_one_meter", path=f"/v1/customers/{CUSTOMER}/quota/{meter}")
        return read_answer(quota_check.handler(event, LambdaContext(), self.quotas)).body

    def ledger(self, meter: str = "tokens") -> list[Any]:
        event = api_event("ledger_first_page", query={"meter": meter})
        return list(read_answer(quota_check.handler(event, LambdaContext(), self.quotas)).body["entries"])

    def use(self, quantity: int, hold_id: str = "work") -> None:
        assert self.hold(quantity, hold_id).status == HTTPStatus.CREATED
        assert self.settle(quantity, hold_id).status == HTTPStatus.OK


@pytest.fixture
def world(dynamodb: "DynamoDBClient", table: str) -> World:
    return World(Table(dynamodb, table, sleep=lambda _: None))


@pytest.fixture
def every_item(dynamodb: "DynamoDBClient", table: str) -> Callable[[], list[dict[str, Any]]]:
    pages = dynamodb.get_paginator("scan")
    return lambda: [item for page in pages.paginate(TableName=table) for item in page["Items"]]


def test_every_event_file_of_this_function_is_answered(world: World) -> None:
    names = (
        "grant_give",
        "grants_list",
        "grant_void",
        "customer_block",
        "customer_unblock",
        "limits_get",
        "limits_set",
    )
    assert {name: world.call(name).status for name in names} == {
        name: HTTPStatus.CREATED if name == "grant_give" else HTTPStatus.OK for name in names
    }


GRANT = {"id": "sorry-1", "meter": "tokens", "quantity": 250, "reason": "sorry for the outage"}


def test_units_are_given_once_and_a_repeat_is_answered_as_the_first_request_was(world: World) -> None:
    first = world.call("grant_give", GRANT)
    world.use(300)
    world.now += timedelta(hours=1)
    again = world.call("grant_give", GRANT)
    assert (first.status, again.status) == (HTTPStatus.CREATED, HTTPStatus.CREATED)
    assert again.body == first.body
    assert (first.headers.get("Idempotency-Replayed"), again.headers["Idempotency-Replayed"]) == (None, "true")
    assert (first.body["remaining"], first.body["priority"], first.body["by"]) == (250, 30, "seller-backend")
    assert world.quota()["available"] == 950
    for other in ({"quantity": 251}, {"meter": "runs"}, {"kind": "trial"}, {"reason": "another"}, {"priority": 5}):
        assert world.call("grant_give", GRANT | other).body["code"] == "gift_conflict"
    assert world.quota()["available"] == 950


def test_an_idempotency_key_stands_in_the_place_of_the_id(world: World) -> None:
    body = {key: value for key, value in GRANT.items() if key != "id"}
    for header in ("8e03978e-40d5", '"8e03978e-40d5"'):
        assert world.call("grant_give", body, headers={"idempotency-key": header}).body["id"] == "8e03978e-40d5"
    assert world.quota()["available"] == 1250
    for header in ("", "has space", "x" * 65, '"'):
        refused = world.call("grant_give", body, headers={"idempotency-key": header})
        assert (refused.status, refused.body["code"]) == (422, "invalid_idempotency_key")
    differs = world.call("grant_give", GRANT, headers={"idempotency-key": "another"})
    assert (differs.status, differs.body["code"]) == (422, "invalid_idempotency_key")
    # Without both, a repeat gives again
    ids = {world.call("grant_give", body).body["id"] for _ in range(2)}
    assert (len(ids), world.quota()["available"]) == (2, 1750)


def test_a_trial_and_a_promotion_burn_before_the_plan_and_a_priority_says_otherwise(world: World) -> None:
    for kind, extra in (("promotion", {}), ("trial", {}), ("promotion", {"priority": 70, "id": "last"})):
        assert world.call("grant_give", {**GRANT, "id": kind, "kind": kind, **extra}).status == HTTPStatus.CREATED
    world.use(300)
    grants = world.call("grants_list").body["grants"]
    left = [(each["id"], each["kind"], each["remaining"]) for each in grants if each["meter"] == "tokens"]
    assert left[:2] == [("trial", "trial", 0), ("promotion", "promotion", 200)]
    assert left[3] == ("last", "promotion", 250)
    assert [each["status"] for each in grants[:1]] == ["live"]


def test_the_list_has_live_future_and_spent_grants_with_what_is_left(world: World) -> None:
    start, end = (NOW + timedelta(days=days) for days in (1, 2))
    later = {"id": "later", "starts_at": start.isoformat(), "expires_at": end.isoformat()}
    for each in (GRANT, GRANT | later):
        world.call("grant_give", each)
    world.use(300)
    grants = {each["id"]: each for each in world.call("grants_list", query={"meter": "tokens"}).body["grants"]}
    assert {name: (each["status"], each["remaining"]) for name, each in grants.items()} == {
        "sorry-1": ("spent", 0),
        "plan:2026-03-10T15:20:00.000Z": ("live", 950),
        "later": ("future", 250),
    }
    assert grants["sorry-1"]["reason"] == "sorry for the outage"
    assert [each["voidable"] for each in grants.values()] == [True, False, True]
    assert world.quota()["available"] == 950
    world.now = start
    assert world.quota()["available"] == 1200
    world.now = end
    assert world.quota()["available"] == 950


def test_voiding_takes_the_unused_rest_once_and_never_what_was_used(world: World) -> None:
    world.call("grant_give", GRANT)
    world.use(100)
    path = f"/v1/customers/{CUSTOMER}/grants/sorry-1/void"
    first = world.call("grant_void", path=path)
    assert (first.body["voided"], first.body["replayed"]) == (150, False)
    assert (world.quota()["available"], world.quota()["used"]) == (1000, 100)
    world.now += timedelta(minutes=5)
    again = world.call("grant_void", path=path)
    assert again.body == first.body | {"replayed": True}
    entry = world.ledger()[0]
    assert (entry["cause"], entry["reference"], entry["by"]) == ("voided", "sorry-1", "seller-backend")
    assert {"kind": "clawed_back", "quantity": 150, "reference": "gift:sorry-1"} in entry["movements"]
    # What was voided is not given again by a repeat of the request that gave it
    assert world.call("grant_give", GRANT).status == HTTPStatus.CREATED
    assert world.quota()["available"] == 1000


def test_what_a_plan_gave_is_not_voided_and_an_unknown_grant_is_not_found(world: World) -> None:
    world.use(1)
    (of_plan,) = [each["id"] for each in world.call("grants_list", query={"meter": "tokens"}).body["grants"]]
    path = f"/v1/customers/{CUSTOMER}/grants/{of_plan}/void"
    assert (world.call("grant_void", path=path).status, world.call("grant_void", path=path).body["code"]) == (
        HTTPStatus.CONFLICT,
        "grant_not_voidable",
    )
    for unknown in ("welcome-42", "%23", "日本", "x" * 64, "x" * 65, "x" * 3000, "lot:top_up:90:never"):
        refused = world.call("grant_void", path=f"/v1/customers/{CUSTOMER}/grants/{unknown}/void")
        assert (refused.status, refused.body["code"]) == (HTTPStatus.NOT_FOUND, "grant_not_found")
    assert world.quota()["available"] == 999


def test_what_was_paid_for_is_not_voided(world: World) -> None:
    world.use(1)
    begun = world.metering.begin_change(CUSTOMER, "tokens", world.now)
    lot = bought_lot("top_up", Decimal(500), 90, world.now, None)
    assert write_change(
        world.metering.table, add_grant(begun.change, lot, world.now), EventCause("payment"), "PAY_1", world.now
    )
    listed = {each["id"]: each["voidable"] for each in world.call("grants_list").body["grants"]}
    assert listed[lot.id] is False
    refused = world.call("grant_void", path=f"/v1/customers/{CUSTOMER}/grants/{lot.id}/void")
    assert (refused.status, refused.body["code"]) == (HTTPStatus.CONFLICT, "grant_not_voidable")
    assert world.quota()["available"] == 1499


def test_a_balance_carries_so_many_gifts_and_no_more(world: World) -> None:
    answers = [world.call("grant_give", GRANT | {"id": f"g{number}"}) for number in range(MAX_GRANTS)]
    assert [answer.status for answer in answers] == [HTTPStatus.CREATED] * (MAX_GRANTS - 1) + [HTTPStatus.CONFLICT]
    assert answers[-1].body["code"] == "too_many_grants"


def test_a_customer_is_cut_off_from_all_meters_also_those_that_are_opened_later(world: World) -> None:
    world.use(10)
    world.hold(20, "in-flight")
    blocked = world.call("customer_block", {"reason": "chargeback"})
    assert blocked.body == {
        "customer_id": CUSTOMER,
        "meter": None,
        "blocked": "chargeback",
        "balances": [{"meter": "tokens", "blocked": "chargeback"}],
    }
    for meter in ("tokens", "runs"):
        refused = world.hold(1, f"no-{meter}", meter)
        assert (refused.status, refused.body["code"], refused.body["reason"]) == (402, "blocked", "chargeback")
        assert world.quota(meter)["blocked"] == "chargeback"
    # A hold in flight settles, and its usage counts
    assert world.settle(20, "in-flight").body["hold"] == "settled"
    assert world.quota()["used"] == 30
    assert world.ledger()[0]["by"] == "seller-backend"
    # Opened again, both are
    assert [each["blocked"] for each in world.call("customer_unblock", {}).body["balances"]] == [None]
    assert [world.hold(1, f"yes-{meter}", meter).status for meter in ("tokens", "runs")] == [201, 201]


def test_two_who_cut_off_and_open_at_once_leave_all_meters_alike(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for meter in ("runs", "tokens"):
        world.hold(1, f"first-{meter}", meter)
    others = iter([None, "somebody else was faster"])

    def interrupted(*arguments: Any, **options: Any) -> Any:
        # Between the first meter and the second, the other request does all of its own.
        if next(others, None) is not None:
            monkeypatch.setattr(operate, "block", block)
            world.call("customer_unblock", {})
        return block(*arguments, **options)

    monkeypatch.setattr(operate, "block", interrupted)
    world.call("customer_block", {"reason": "chargeback"})
    assert [world.quota(meter)["blocked"] for meter in ("runs", "tokens")] == [None, None]


def test_one_meter_is_cut_off_alone_and_a_repeat_writes_nothing(world: World) -> None:
    for _ in range(3):
        world.call("customer_block", {"reason": "abuse", "meter": "runs"})
    assert [world.hold(1, meter, meter).status for meter in ("tokens", "runs")] == [201, 402]
    assert [entry["cause"] for entry in world.ledger("runs")] == ["blocked"]
    assert world.call("customer_unblock", {"meter": "runs"}).body["balances"] == [{"meter": "runs", "blocked": None}]
    assert world.hold(1, "again", "runs").status == HTTPStatus.CREATED


def test_a_block_survives_a_subscription_that_starts_meanwhile(world: World) -> None:
    world.call("customer_block", {"reason": "chargeback"})
    started = step("activated", "ORD_A", "2026-03-10T12:00:00", "2026-03-10T12:00:00", "2026-04-10T12:00:00", "pro", 1)
    books = CustomerBooks.read(world.metering, CUSTOMER, world.now).learn(started.facts)
    world.metering.table.transact(books.writes(EventCause("order"), "ORD_A"))
    assert world.hold(1, "h").body["code"] == "blocked"
    assert world.quota()["plan"] == "pro"


@pytest.mark.parametrize("reason", ["", "  ", "x" * 201, "bell\x07"])
def test_a_reason_is_one_that_people_can_read(world: World, reason: str) -> None:
    assert world.call("customer_block", {"reason": reason}).status == 422


def limit(world: World, **limits: Any) -> Answer:
    roles = {"token": True} if set(limits) == {"spend_cap"} else {}
    return world.call("limits_set", {"meter": "tokens", **limits}, **roles)


def test_the_lower_of_two_caps_holds_and_null_removes_one(world: World) -> None:
    assert world.quota()["overage_limit"] is None
    assert limit(world, overage_cap=500).body["overage_limit"] == 500
    assert limit(world, spend_cap={"units": 200}).body["overage_limit"] == 200
    shown = world.quota()
    assert (shown["overage_limit"], shown["limits"]) == (
        200,
        {
            "allowance_cap": None,
            "overage_cap": 500,
            "spend_cap": {"units": 200, "amount": None, "currency": None, "spent": 0},
        },
    )
    assert [world.hold(quantity, f"h{quantity}").status for quantity in (1201, 1200)] == [402, 201]
    assert world.hold(1, "more").body["code"] == "overage_cap_reached"
    assert limit(world, spend_cap=None).body["overage_limit"] == 500
    assert world.hold(300, "then").status == HTTPStatus.CREATED
    assert limit(world, overage_cap=None).body["overage_limit"] is None
    assert "limits" not in world.quota()
    assert world.hold(10_000, "free").status == HTTPStatus.CREATED


def test_money_is_the_units_that_it_pays_for(world: World) -> None:
    body = limit(world, spend_cap={"amount": "1.50", "currency": "USD"}).body
    assert (body["spend_cap"]["units"], body["spend_cap"]["amount"], body["overage_limit"]) == (150, "1.50", 150)
    refused = limit(world, spend_cap={"amount": "1.50", "currency": "EUR"})
    assert (refused.status, refused.body["code"]) == (409, "not_for_sale")
    for wrong in ({}, {"units": 1, "amount": "1", "currency": "USD"}, {"amount": "1"}, {"currency": "USD"}):
        assert limit(world, spend_cap=wrong).status == 422
    assert limit(world, spend_cap={"amount": "1.505", "currency": "USD"}).body["code"] == "invalid_money"


def test_an_allowance_cap_takes_what_is_unused_and_never_what_was_used(world: World) -> None:
    world.use(300)
    assert (limit(world, allowance_cap=200).body["allowance"], world.quota()["available"]) == (200, 0)
    assert (world.quota()["overage"], world.quota()["used"]) == (0, 300)
    assert (limit(world, allowance_cap=500).body["allowance"], world.quota()["available"]) == (500, 200)
    assert (limit(world, allowance_cap=None).body["allowance"], world.quota()["available"]) == (1000, 700)


def test_what_is_held_when_an_allowance_is_capped_settles_within_the_plan(world: World) -> None:
    world.use(100)
    world.hold(600, "in-flight")
    assert limit(world, allowance_cap=200).body["allowance"] == 200
    assert world.quota()["available"] == 0
    world.settle(600, "in-flight")
    assert (world.quota()["used"], world.quota()["overage"], world.quota()["available"]) == (700, 0, 0)


def test_limits_survive_a_reset_and_a_change_of_plan(world: World) -> None:
    limit(world, allowance_cap=400, overage_cap=50)
    limit(world, spend_cap={"units": 20})
    world.now += timedelta(days=40)
    assert [world.quota()[name] for name in ("available", "overage_limit")] == [400, 20]
    started = step("activated", "ORD_A", "2026-04-19T12:00:00", "2026-04-19T12:00:00", "2026-05-19T12:00:00", "pro", 1)
    books = CustomerBooks.read(world.metering, CUSTOMER, world.now).learn(started.facts)
    world.metering.table.transact(books.writes(EventCause("order"), "ORD_A"))
    quota = world.quota()
    assert (quota["plan"], quota["allowance"], quota["available"], quota["overage_limit"]) == ("pro", 400, 400, 20)
    # Once that has lapsed, the default plan counts again, under the same limits
    world.now += timedelta(days=60)
    quota = world.quota()
    assert (quota["plan"], quota["available"], quota["overage_limit"]) == ("free", 400, 20)
    assert read_balance(world.metering.table, CUSTOMER, "tokens") is not None


@pytest.mark.parametrize(("limits", "who"), [({"overage_cap": 1}, "token"), ({"allowance_cap": None}, "sell")])
def test_the_operator_s_caps_are_not_the_customer_s_to_set(world: World, limits: dict[str, Any], who: str) -> None:
    by: dict[str, Any] = {"token": True} if who == "token" else {"roles": "sell"}
    refused = world.call("limits_set", {"meter": "tokens", **limits}, **by)
    assert (refused.status, refused.body["code"]) == (403, "limit_not_allowed")
    assert world.call("limits_set", {"meter": "tokens", "spend_cap": {"units": 5}}, **by).status == HTTPStatus.OK


def test_the_ledger_says_who_set_a_limit(world: World) -> None:
    limit(world, overage_cap=5)
    limit(world, spend_cap={"units": 3})
    assert [(entry["cause"], entry["by"]) for entry in world.ledger()] == [
        ("limited_by_customer", None),
        ("limited", "seller-backend"),
    ]


@pytest.mark.parametrize("value", [*NASTY_JSON, '"0001-01-01T00:00:00Z"', '"9999-12-31T23:59:59.999Z"', "0", "1001"])
def test_no_value_that_nobody_should_send_is_a_bug(world: World, value: str) -> None:
    asked = {
        "grant_give": ("meter", "quantity", "kind", "starts_at", "expires_at", "priority", "reason", "id"),
        "customer_block": ("reason", "meter"),
        "customer_unblock": ("meter",),
        "limits_set": ("meter", "allowance_cap", "overage_cap", "spend_cap"),
    }
    usual: dict[str, dict[str, Any]] = {
        "grant_give": {"meter": "tokens", "quantity": 1},
        "customer_block": {"reason": "r"},
        "customer_unblock": {},
        "limits_set": {"meter": "tokens"},
    }
    for name, fields in asked.items():
        for field in fields:
            body = json.dumps({**usual[name], field: "@"}).replace('"@"', value)
            assert world.call(name, body).status < HTTPStatus.INTERNAL_SERVER_ERROR, (name, body)
    for field in ("units", "amount", "currency"):
        cap = {"meter": "tokens", "spend_cap": {"amount": "1", "currency": "USD"} | {field: "@"}}
        assert world.call("limits_set", json.dumps(cap).replace('"@"', value)).status < HTTPStatus.INTERNAL_SERVER_ERROR
    assert world.quota()["limits" if "limits" in world.quota() else "used"] is not None


def test_nothing_is_done_to_a_customer_who_was_erased_and_nothing_personal_is_left(
    world: World, every_item: Callable[[], list[dict[str, Any]]]
) -> None:
    secret = "a reason about Ada"
    world.call("customer_block", {"reason": secret})
    world.call("customer_unblock", {"meter": "tokens"})
    world.call("grant_give", GRANT | {"reason": secret, "id": "Ada"})
    limit(world, overage_cap=5)
    assert world.metering.erasures is not None
    erase_customer(world.metering.erasures, CUSTOMER, world.now, may_go_on=lambda: True)
    items = json.dumps(every_item(), default=str)
    assert (secret in items, "Ada" in items, CUSTOMER in items) == (False, False, False)
    for name in ("grant_give", "customer_block", "limits_set"):
        assert world.call(name).body["code"] == "customer_erased", name
    # Nor where there is nothing to change
    for body in ({}, {"meter": "tokens"}):
        assert world.call("customer_unblock", body).body["code"] == "customer_erased", body
    assert limit(world, overage_cap=None).body["code"] == "customer_erased"
