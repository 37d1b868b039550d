"""The quota check handler, event in and answer out, on a DynamoDB that is right under concurrency."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.catalog import load_catalog
from pancake_meter.deps.quota import QuotaDeps
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.selling.offer import Offers
from pancake_meter.value import replace
from quota_check import handler
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.faulty_dynamodb import FaultyDynamoDB

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CATALOG = load_catalog(Path(__file__).resolve().parents[3] / "layers" / "catalog" / "catalog.toml")
NOW = datetime(2026, 3, 10, 15, 20, tzinfo=UTC)
CUSTOMER = "/v1/customers/acct_1001"

Call = Callable[[dict[str, Any]], Answer]


@pytest.fixture
def deps(dynamodb: "DynamoDBClient", table: str) -> QuotaDeps:
    offers = Offers(CATALOG, "test", lambda: "a secret of the tests, of 32 characters or more")
    return QuotaDeps(Metering(Table(dynamodb, table), CATALOG), offers, lambda: NOW)


@pytest.fixture
def call(deps: QuotaDeps) -> Call:
    return calling(deps)


def calling(deps: QuotaDeps) -> Call:
    return lambda event: read_answer(handler(event, LambdaContext(), deps))


def calling_at(deps: QuotaDeps, at: datetime) -> Call:
    return calling(replace(deps, clock=lambda: at))


def hold(quantity: object, hold_id: str = "call-1") -> dict[str, Any]:
    return api_event("holds_place", body={"meter": "tokens", "quantity": quantity, "id": hold_id})


def test_an_idempotency_key_stands_in_the_place_of_a_hold_s_id(call: Call) -> None:
    event = api_event("holds_place", body={"meter": "tokens", "quantity": 100})
    event["headers"]["Idempotency-Key"] = '"call-7"'
    first, again = call(event), call(event)
    assert (first.status, again.status) == (HTTPStatus.CREATED, HTTPStatus.OK)
    assert again.body == first.body | {"replayed": True}
    event["body"] = event["body"].replace("100", "101")
    assert call(event).body["code"] == "hold_conflict"
    assert call(api_event("quota_one_meter")).body["held"] == 100


def test_every_event_file_of_this_function_is_answered(call: Call) -> None:
    answers = {
        name: call(api_event(name)).status
        for name in ("quota_all_meters", "quota_one_meter", "quota_with_amount", "holds_place", "holds_settle")
    }
    assert answers == {
        "quota_all_meters": HTTPStatus.OK,
        "quota_one_meter": HTTPStatus.OK,
        "quota_with_amount": HTTPStatus.OK,
        "holds_place": HTTPStatus.CREATED,
        "holds_settle": HTTPStatus.OK,
    }
    report = call(api_event("usage_report"))
    assert report.status == HTTPStatus.OK
    assert (report.body["periods"][0]["used"], report.body["periods"][0]["days"]) == (3120, {"2026-03-10": 3120})
    ledger = call(api_event("ledger_first_page"))
    assert [entry["cause"] for entry in ledger.body["entries"]] == ["opened"]
    assert call(api_event("holds_release")).body == {"id": "call-7f3a", "meter": "tokens", "hold": "not_held"}


def test_a_customer_never_seen_has_the_default_plan_and_costs_no_write(
    call: Call, dynamodb: "DynamoDBClient", table: str
) -> None:
    quota = call(api_event("quota_one_meter")).body
    assert (quota["plan"], quota["allowance"], quota["available"], quota["used"]) == ("free", 10_000, 10_000, 0)
    assert dynamodb.scan(TableName=table)["Count"] == 0


def test_quota_answers_carry_rate_limit_fields(call: Call) -> None:
    headers = call(api_event("quota_one_meter")).headers
    month = 31 * 24 * 3600
    assert headers["RateLimit-Policy"] == f'"tokens";q=10000;w={month}'
    assert headers["RateLimit"] == f'"tokens";r=10000;t={month}'


def test_promise_9_a_refusal_has_reason_balance_reset_time_and_links(call: Call) -> None:
    # Given a customer with 1,000 units left
    assert call(hold(9000)).status == HTTPStatus.CREATED

    # When more is asked
    refused = call(hold(1001, "call-2"))

    # Then one answer says all there is to say
    assert refused.status == HTTPStatus.PAYMENT_REQUIRED
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.body["code"] == "quota_exhausted"
    assert refused.body["quota"]["available"] == 1000
    assert refused.body["resets_at"] == "2026-04-10T15:20:00.000Z"
    base = "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/buy/"
    assert refused.body["purchase_url"].startswith(base)
    assert refused.body["upgrade_url"].startswith(base)
    assert refused.body["request_id"] == "JKJaXmPLvHcESHA="


def test_a_check_with_an_amount_that_does_not_fit_is_402(call: Call) -> None:
    assert call(api_event("quota_with_amount", query={"amount": "10000"})).status == HTTPStatus.OK
    assert call(api_event("quota_with_amount", query={"amount": "10000.000001"})).status == HTTPStatus.PAYMENT_REQUIRED


def test_links_come_with_the_first_alert_not_before(call: Call) -> None:
    below = call(hold(7999)).body
    call(api_event("holds_settle", path=f"{CUSTOMER}/holds/{below['hold_id']}/settle", body={"quantity": 7999}))
    assert "purchase_url" not in call(api_event("quota_one_meter")).body
    call(api_event("holds_settle", path=f"{CUSTOMER}/holds/x/settle", body={"quantity": 1, "meter": "tokens"}))
    warned = call(api_event("quota_one_meter")).body
    assert (warned["alert"], warned["used"]) == (0.8, 8000)
    assert "/buy/" in warned["purchase_url"]


def test_a_hold_repeated_is_the_same_hold_and_another_quantity_a_conflict(call: Call) -> None:
    first, again, other = call(hold(4000)), call(hold(4000)), call(hold(4001))
    assert (first.status, again.status, other.status) == (201, 200, 409)
    assert again.body["hold_id"] == first.body["hold_id"]
    assert again.body["replayed"]
    assert other.body["code"] == "hold_conflict"
    assert call(api_event("quota_one_meter")).body["held"] == 4000


def test_scenario_49_a_hold_settled_for_less_gives_the_rest_back_once(call: Call) -> None:
    handle = call(hold(4000)).body["hold_id"]
    settle = api_event("holds_settle", path=f"{CUSTOMER}/holds/{handle}/settle", body={"quantity": 3120})
    first, again = call(settle).body, call(settle).body
    assert (first["hold"], first["replayed"], again["replayed"]) == ("settled", False, True)
    quota = call(api_event("quota_one_meter")).body
    assert (quota["used"], quota["held"], quota["available"]) == (3120, 0, 6880)


def test_scenario_50_settling_again_with_another_quantity_is_a_conflict(call: Call) -> None:
    handle = call(hold(4000)).body["hold_id"]
    path = f"{CUSTOMER}/holds/{handle}/settle"
    assert call(api_event("holds_settle", path=path, body={"quantity": 3120})).status == HTTPStatus.OK
    conflict = call(api_event("holds_settle", path=path, body={"quantity": 3121}))
    assert (conflict.status, conflict.body["code"]) == (HTTPStatus.CONFLICT, "event_conflict")
    assert call(api_event("quota_one_meter")).body["used"] == 3120


def test_scenario_50_settling_after_expiry_still_counts(deps: QuotaDeps) -> None:
    handle = calling(deps)(hold(4000)).body["hold_id"]
    later = calling(replace(deps, clock=lambda: NOW + timedelta(hours=1)))
    assert later(hold(9000, "call-2")).status == HTTPStatus.CREATED  # the expired hold is given back
    settled = later(api_event("holds_settle", path=f"{CUSTOMER}/holds/{handle}/settle", body={"quantity": 3120})).body
    assert settled["hold"] == "not_held"
    quota = later(api_event("quota_one_meter")).body
    assert (quota["used"], quota["held"], quota["available"], quota["overage"]) == (3120, 9000, 0, 0)


def test_a_hold_is_settled_by_the_callers_own_id_while_it_is_live(call: Call) -> None:
    call(hold(4000, "litellm-7"))
    settled = call(api_event("holds_settle", path=f"{CUSTOMER}/holds/litellm-7/settle", body={"quantity": 10}))
    assert settled.body["hold"] == "settled"
    unknown = call(api_event("holds_settle", path=f"{CUSTOMER}/holds/litellm-7/settle", body={"quantity": 10}))
    assert (unknown.status, unknown.body["code"]) == (HTTPStatus.NOT_FOUND, "hold_not_found")
    named = {"quantity": 10, "meter": "tokens"}
    replayed = call(api_event("holds_settle", path=f"{CUSTOMER}/holds/litellm-7/settle", body=named))
    assert replayed.body["replayed"]


def test_a_released_hold_gives_everything_back(call: Call) -> None:
    handle = call(hold(4000)).body["hold_id"]
    released = call(api_event("holds_release", path=f"{CUSTOMER}/holds/{handle}")).body
    assert released["hold"] == "released"
    assert call(api_event("quota_one_meter")).body["available"] == 10_000


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("not json", 400, "malformed_json"),
        ('{"meter": "tokens", "quantity": NaN}', 400, "malformed_json"),
        ({"meter": "tokens", "quantity": 0}, 422, "invalid_request"),
        ({"meter": "tokens", "quantity": -1}, 422, "invalid_request"),
        ('{"meter": "tokens", "quantity": 1e400}', 422, "invalid_request"),
        ({"meter": "tokens", "quantity": "1,000"}, 422, "invalid_request"),
        ({"meter": "tokens", "quantity": 1, "surprise": 1}, 422, "invalid_request"),
        ({"meter": "tokens", "quantity": 1, "id": "a b"}, 422, "invalid_request"),
        ({"meter": "tokens", "quantity": 1, "ttl_seconds": 0}, 422, "invalid_request"),
        ({"meter": "nonsense", "quantity": 1}, 404, "unknown_meter"),
        ([], 422, "invalid_request"),
    ],
)
def test_scenario_55_bad_input_gets_a_problem_and_changes_nothing(
    call: Call, dynamodb: "DynamoDBClient", table: str, body: object, status: int, code: str
) -> None:
    refused = call(api_event("holds_place", body=body))
    assert (refused.status, refused.body["code"]) == (status, code)
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert dynamodb.scan(TableName=table)["Count"] == 0


def test_a_customer_id_that_cannot_be_one_is_422(call: Call) -> None:
    refused = call(api_event("quota_one_meter", path="/v1/customers/a\tb/quota/tokens"))
    assert (refused.status, refused.body["code"]) == (422, "invalid_customer_id")


def test_an_unknown_route_is_a_problem_too(call: Call) -> None:
    assert call(api_event("quota_one_meter", path="/v1/nothing")).body["code"] == "no_such_route"


@pytest.mark.parametrize("name", ["quota_all_meters", "quota_one_meter", "quota_with_amount", "holds_place"])
def test_scenario_59_a_check_that_the_store_does_not_answer_is_closed_and_says_when_to_ask_again(
    deps: QuotaDeps, dynamodb: "DynamoDBClient", table: str, name: str
) -> None:
    # Given a store that does not answer
    silent: Any = FaultyDynamoDB(dynamodb, 1, "before")
    deaf = replace(deps, metering=Metering(Table(silent, table, sleep=lambda _: None), CATALOG))

    # Then nobody is let through, nobody is told that their quota is used up, and nothing is held
    answer = calling(deaf)(api_event(name))
    assert (answer.status, answer.headers["Retry-After"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "1")
    assert dynamodb.scan(TableName=table)["Count"] == 0


def test_a_chart_over_the_new_year_is_by_date_oldest_first(deps: QuotaDeps) -> None:
    # Given a free customer whose month began on 20 December, and usage before and after the new year
    for day in ("2026-12-20", "2026-12-31", "2027-01-02"):
        at = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=UTC)
        call = calling_at(deps, at)
        settle = {"meter": "tokens", "quantity": 5}
        call(api_event("holds_settle", path=f"{CUSTOMER}/holds/{day}/settle", body=settle))

    # Then the days are dates, in the order of the calendar
    days = call(api_event("usage_report")).body["periods"][0]["days"]
    assert list(days.items()) == [("2026-12-20", 5), ("2026-12-31", 5), ("2027-01-02", 5)]


def test_a_period_that_has_just_closed_is_shown_before_anything_writes(deps: QuotaDeps) -> None:
    # Given usage of a month, and a look at it after the month and before the sweep
    call = calling(deps)
    call(hold(777))
    call(api_event("holds_settle", path=f"{CUSTOMER}/holds/tokens~777~call-1/settle", body={"quantity": 777}))
    report = calling_at(deps, NOW + timedelta(days=32))(api_event("usage_report")).body
    # Then the new period is open and the old one is there, with what it came to
    assert [(period["open"], period["used"]) for period in report["periods"]] == [(True, 0), (False, 777)]
    figures = ("plan", "order_id", "allowance", "rolled", "gone", "passed", "left", "overage", "windows")
    (closed,) = report["closed"]
    assert [closed[name] for name in figures] == ["free", None, 10_000, 0, 777, 0, 9223, 0, 1]
    assert closed["closed_at"] == closed["end"] == report["periods"][0]["start"]
    # And so it stays once it is written
    later = replace(deps, clock=lambda: NOW + timedelta(days=32))
    calling(later)(hold(1, "call-2"))
    assert calling(later)(api_event("usage_report")).body == report
