"""Issue 14, point 10: a refusal rings once for each period, at next to no cost; alerts are listed and read."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import alerts
import quota_check
from pancake_meter.catalog import load_catalog
from pancake_meter.deps.alert_endpoints import AlertsDeps
from pancake_meter.deps.quota import QuotaDeps
from pancake_meter.domain.alerts.alert import Alert
from pancake_meter.domain.balance.hold import MAX_HOLDS
from pancake_meter.domain.balance.spend import refusal
from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.store.access.erasures import Erasure, Erasures
from pancake_meter.store.alerts.alerts import list_alerts
from pancake_meter.store.errors import StoreUnavailable
from pancake_meter.store.stream.changes import change_of_item
from pancake_meter.store.table import Table
from pancake_meter.usecases.alerts.endpoints import Addresses, Endpoints
from pancake_meter.usecases.alerts.refused import RefusalBell
from pancake_meter.usecases.alerts.ring import Ringer
from pancake_meter.usecases.alerts.ringing import Bell
from pancake_meter.usecases.alerts.signing import SigningKeys
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.operate import block_customer
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.selling.offer import Offers
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.fifo import FakeFifo
from tests.support.metered_dynamodb import metered

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CATALOG = load_catalog(Path(__file__).resolve().parents[3] / "layers" / "catalog" / "catalog.toml")
NOW = datetime(2026, 3, 10, 15, 20, tzinfo=UTC)
CUSTOMER = "acct_1001"
PK = f"CUSTOMER#{CUSTOMER}"
BASE_URL = "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"
OFFERS = Offers(CATALOG, "test", lambda: "a secret of the tests, of 32 characters or more")

Ask = Callable[..., Answer]


@pytest.fixture
def deps(dynamodb: "DynamoDBClient", table: str) -> QuotaDeps:
    return deps_of(Table(dynamodb, table))


def deps_of(table: Table, at: datetime = NOW) -> QuotaDeps:
    erasures = Erasures(table, lambda: "pseudonyms")
    bell = RefusalBell(Bell(table, erasures, OFFERS, None, lambda: at))
    return QuotaDeps(Metering(table, CATALOG, erasures=erasures), OFFERS, lambda: at, bell)


def hold(deps: QuotaDeps, quantity: int, hold_id: str = "h") -> Answer:
    event = api_event("holds_place", body={"meter": "tokens", "quantity": quantity, "id": hold_id})
    return read_answer(quota_check.handler(event, LambdaContext(), deps))


def check(deps: QuotaDeps, amount: int) -> Answer:
    event = api_event("quota_with_amount", query={"amount": str(amount)})
    return read_answer(quota_check.handler(event, LambdaContext(), deps))


def follow(deps: QuotaDeps) -> None:
    """Give the refusals of the customer to the stream reader's follower."""
    assert deps.refusals is not None
    kept = deps.metering.table.query("PK = :pk AND begins_with(SK, :sk)", {":pk": PK, ":sk": "REFUSED#"}, limit=100)[0]
    assert Ringer(deps.refusals.bell).follow([change_of_item(item, NOW) for item in kept]) == []


def rung(deps: QuotaDeps) -> list[Alert]:
    follow(deps)
    return list_alerts(deps.metering.table, limit=100)[0]


def test_a_refusal_rings_once_a_period_whoever_is_refused_and_however_often(deps: QuotaDeps) -> None:
    # When 8 processes keep a refusal at once, none of which knows of the others; and checks and holds are refused
    balance, wanted = deps.metering.current_balance(CUSTOMER, "tokens", NOW), Decimal(10_002)
    refused = refusal(balance, wanted)
    assert refused is not None
    others = [deps_of(deps.metering.table) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda other: other.tell_refused(balance, refused, wanted, BASE_URL), others))
    for other in (*others, deps):
        assert hold(other, 10_001).status == HTTPStatus.PAYMENT_REQUIRED
        assert check(other, 10_002).status == HTTPStatus.PAYMENT_REQUIRED
    # Then
    (alert,) = rung(deps)
    assert (alert.type, alert.customer_id, alert.meter) == ("quota.refused", CUSTOMER, "tokens")
    assert alert.data["reason"] == "quota_exhausted"
    assert alert.data["wanted"] in (10_001, 10_002)
    assert str(alert.data["purchase_url"]).startswith(f"{BASE_URL}/buy/")
    # And in the next period again
    later = deps_of(deps.metering.table, NOW + timedelta(days=40))
    assert check(later, 10_001).status == HTTPStatus.PAYMENT_REQUIRED
    assert len(rung(later)) == 2


def test_who_has_used_nothing_yet_is_refused_at_many_instants_and_rings_once_a_month(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given nothing in the table: the period that is shown begins with each request
    at = (NOW, NOW + timedelta(milliseconds=1), NOW + timedelta(days=3), NOW + timedelta(days=40))
    for now in at:
        asked = deps_of(Table(dynamodb, table), now)
        assert [check(asked, 20_000).status, hold(asked, 20_000).status] == [HTTPStatus.PAYMENT_REQUIRED] * 2
        follow(asked)
    assert [alert.occurred_at.date() for alert in rung(asked)] == [at[3].date(), at[0].date()]


def test_a_refusal_that_is_known_to_have_rung_costs_nothing_and_another_process_pays_one_read(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    deps = deps_of(Table(dynamodb, table))
    record_events(deps.metering, CUSTOMER, "tokens", [usage_event("e", Decimal(10_000), None, NOW)], NOW)
    check(deps, 1)
    with metered(dynamodb) as again:
        check(deps, 1)
    with metered(dynamodb) as elsewhere:
        check(deps_of(Table(dynamodb, table)), 1)
    assert (again.operations, again.write_units_of_aws) == (["GetItem"], 0)
    assert (elsewhere.operations, elsewhere.write_units_of_aws) == (["GetItem", "GetItem"], 0)


@pytest.mark.parametrize("trouble", [StoreUnavailable("gone"), RuntimeError("a bug")])
def test_trouble_with_the_alert_never_changes_the_refusal_and_the_next_one_tries_again(
    deps: QuotaDeps, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise trouble

    with monkeypatch.context() as patch:
        patch.setattr(Table, "transact", refuse)
        assert check(deps, 10_001).body["code"] == "quota_exhausted"
    assert rung(deps) == []
    check(deps, 10_001)
    assert len(rung(deps)) == 1


def test_a_refusal_that_passes_by_itself_does_not_ring(deps: QuotaDeps) -> None:
    for number in range(MAX_HOLDS):
        assert hold(deps, 1, f"h{number}").status == HTTPStatus.CREATED
    assert hold(deps, 1, "one-more").status == HTTPStatus.TOO_MANY_REQUESTS
    assert rung(deps) == []


def test_who_is_blocked_rings_with_the_reason(deps: QuotaDeps) -> None:
    deps.metering.open(CUSTOMER, "tokens", NOW)
    block_customer(deps.metering, CUSTOMER, "abuse", NOW)
    check(deps, 1)
    (alert,) = rung(deps)
    assert (alert.data["reason"], alert.data["detail"]) == ("blocked", "abuse")


def test_no_refusal_of_an_erased_customer_rings(deps: QuotaDeps) -> None:
    deps.metering.open(CUSTOMER, "tokens", NOW)
    erasures = Erasures(deps.metering.table, lambda: "pseudonyms")
    erasures.write(Erasure(erasures.pseudonym(CUSTOMER), NOW, CUSTOMER))
    assert check(deps, 10_001).status == HTTPStatus.PAYMENT_REQUIRED
    assert rung(deps) == []


@pytest.fixture
def ask(deps: QuotaDeps) -> Ask:
    def asked(name: str, query: dict[str, str] | None = None, path: str | None = None) -> Answer:
        event = api_event(name, path=path, query=query)
        table, keys = deps.metering.table, SigningKeys(lambda: json.dumps({"current": "1", "1": "k" * 64}))
        its = AlertsDeps(Endpoints(table, keys, Addresses()), FakeFifo(lambda: NOW).queue, lambda: NOW)
        return read_answer(alerts.handler(event, LambdaContext(), its))

    return asked


def test_an_operator_lists_alerts_in_pages_and_reads_one(deps: QuotaDeps, ask: Ask) -> None:
    for day in range(0, 240, 40):
        later = deps_of(deps.metering.table, NOW + timedelta(days=day))
        check(later, 10_001)
        follow(later)
    for query in ({}, {"customer_id": CUSTOMER}, {"type": "quota.refused"}):
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = ask("alerts_list", {"limit": "2", **query, **cursor})
            assert page.status == HTTPStatus.OK
            seen += [alert["timestamp"] for alert in page.body["alerts"]]
            if page.body["next_cursor"] is None:
                break
            cursor = {"cursor": page.body["next_cursor"]}
        assert seen == sorted(seen, reverse=True)
        assert len(seen) == 6
    assert ask("alerts_of_customer", {"customer_id": "nobody"}).body == {"alerts": [], "next_cursor": None}
    (newest, *_) = ask("alerts_list", {}).body["alerts"]
    read = ask("alert_read", path=f"/v1/alerts/{newest['id']}")
    assert (read.status, {name: read.body[name] for name in newest}) == (HTTPStatus.OK, newest)
    assert read.body["endpoints"] == []
    assert newest["data"]["quota"]["used"] == 0


@pytest.mark.parametrize("alert_id", ["alrt_" + "0" * 40, "alrt_1", "ALERT#1", "x" * 3000])
def test_an_alert_that_is_not_there_is_not_found(ask: Ask, alert_id: str) -> None:
    answer = ask("alert_read", path=f"/v1/alerts/{alert_id}")
    assert (answer.status, answer.body["code"]) == (HTTPStatus.NOT_FOUND, "alert_not_found")


def test_a_cursor_of_another_list_and_an_unknown_type_are_refused(deps: QuotaDeps, ask: Ask) -> None:
    for day in (0, 40):
        later = deps_of(deps.metering.table, NOW + timedelta(days=day))
        check(later, 10_001)
        follow(later)
    cursor = ask("alerts_list", {"limit": "1"}).body["next_cursor"]
    assert cursor is not None
    assert ask("alerts_list", {"type": "quota.refused", "cursor": cursor}).status == HTTPStatus.UNPROCESSABLE_ENTITY
    assert ask("alerts_list", {"type": "quota.nothing"}).status == HTTPStatus.UNPROCESSABLE_ENTITY


@pytest.mark.parametrize(("roles", "links"), [("operate", 0), ("sell operate", 2)])
def test_a_key_that_may_not_sell_reads_no_link_that_buys(deps: QuotaDeps, roles: str, links: int) -> None:
    check(deps, 10_001)
    (alert,) = rung(deps)
    endpoints = Endpoints(deps.metering.table, SigningKeys(lambda: "{}"), Addresses(is_local=True))
    with_queue = AlertsDeps(endpoints, FakeFifo(lambda: NOW).queue, lambda: NOW)
    for name, path in (("alerts_list", None), ("alert_read", f"/v1/alerts/{alert.id}")):
        event = api_event(name, path=path, query={} if path is None else None)
        event["requestContext"]["authorizer"]["lambda"]["roles"] = roles
        answer = read_answer(alerts.handler(event, LambdaContext(), with_queue))
        assert (answer.status, json.dumps(answer.body).count("/buy/")) == (HTTPStatus.OK, links), name
