"""Issue 13, point 5: what a request carries beyond the contract is refused early, clearly, and without an echo."""

import importlib
import json as plain_json
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import pytest
from aws_lambda_powertools.event_handler import Response
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pancake_meter.faults import Fault, faults
from pancake_meter.http import json
from pancake_meter.http.access.customer_data import ExportQuery, read_place
from pancake_meter.http.access.keys import CreateKeyRequest, KeysQuery, RotateKeyRequest
from pancake_meter.http.access.tokens import TokenRequest
from pancake_meter.http.balance.holds import HoldRequest
from pancake_meter.http.balance.readback import LedgerQuery
from pancake_meter.http.cursors import CURSOR_LENGTH_MAX, PageQuery
from pancake_meter.http.fields import DismissRequest, WireModel
from pancake_meter.http.foreign_cursor import ForeignCursor
from pancake_meter.http.json import MalformedJson
from pancake_meter.http.problem import Problem
from pancake_meter.http.reports.reports import CustomersQuery
from pancake_meter.http.request import answer, body
from pancake_meter.http.resolver import Router, http_handler, takes_body, tolerates_query
from pancake_meter.http.selling.checkouts import CheckoutsQuery
from pancake_meter.http.selling.payments import PaymentsQuery
from pancake_meter.http.standing.customers import CustomerListQuery
from pancake_meter.http.usage.batch import UsageItem, batch_body, read_item
from pancake_meter.http.usage.intake import ParkedQuery
from pancake_meter.http.webhooks.deliveries import DeliveriesQuery
from pancake_meter.usecases.selling.purchase_link import (
    TOKEN_LENGTH_MAX,
    InvalidLink,
    LinkKind,
    PurchaseLink,
    make_link,
    read_link,
)
from tests.support.api import LambdaContext, api_event, read_answer

NOW = datetime(2026, 3, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _as_in_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "PancakeMeter")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "test")


class LimitQuery(WireModel):
    limit: int = 5


def routes() -> Router[str]:
    router = Router[str]()

    @router.get("/plain")
    def plain() -> Response[str]:
        return answer(HTTPStatus.OK, {})

    @router.get("/listed")
    def listed(query: LimitQuery) -> Response[str]:
        return answer(HTTPStatus.OK, {"limit": query.limit})

    @router.get("/open")
    @router.post("/open")
    @tolerates_query
    def open_to_all() -> Response[str]:
        return answer(HTTPStatus.OK, {})

    @router.post("/done")
    def done() -> Response[str]:
        return answer(HTTPStatus.OK, {})

    @router.post("/read")
    @takes_body
    def read() -> Response[str]:
        return answer(HTTPStatus.OK, body(router))

    return router


def asked(path: str, query: dict[str, str]) -> Any:
    event = api_event("quota_all_meters", path=path, query=query)
    return read_answer(http_handler("deps", routes())(event, LambdaContext()))


def sent(path: str, text: str) -> Any:
    event = api_event("holds_place", path=path, body=text)
    return read_answer(http_handler("deps", routes())(event, LambdaContext()))


def faults_of(model: type[WireModel], told: object) -> list[Fault]:
    try:
        model.model_validate(told)
    except ValidationError as error:
        return faults(error)
    return []


@pytest.mark.parametrize("path", ["/plain", "/listed"])
def test_an_unknown_parameter_of_a_query_is_refused_by_name_and_without_its_value(path: str) -> None:
    found = asked(path, {"limt": "pm_test_secret"})
    assert (found.status, found.body["code"]) == (422, "invalid_request")
    assert found.body["errors"] == [{"field": "limt", "fault": "is no field that is known here"}]


def test_a_route_gets_its_query_read() -> None:
    assert asked("/listed", {"limit": "7"}).body == {"limit": 7}
    assert asked("/listed", {}).body == {"limit": 5}


def test_links_and_the_formats_of_other_systems_pass_over_unknown_parameters() -> None:
    assert asked("/open", {"utm_source": "mail"}).status == 200


@pytest.mark.parametrize("model", [(HoldRequest, "ttl_seconds"), (RotateKeyRequest, "overlap_seconds")])
def test_a_whole_number_may_be_written_with_a_decimal_part_of_zero(model: tuple[type[WireModel], str]) -> None:
    kind, name = model
    others = {"meter": "tokens", "quantity": 1} if kind is HoldRequest else {}
    assert getattr(kind.model_validate({**others, name: Decimal("60.0")}), name) == 60
    for other in (Decimal("60.5"), "60", True, Decimal("NaN")):
        with pytest.raises(ValidationError):
            kind.model_validate({**others, name: other})


@pytest.mark.parametrize("text", ["1.0", " 1", "1 ", "+1", "1_0", "01", "", "1e1", "\u0661", "x"])
def test_a_number_in_a_query_is_what_its_schema_says(text: str) -> None:
    (fault,) = faults_of(KeysQuery, {"limit": text})
    assert fault == {"field": "limit", "fault": "must be a whole number in plain digits"}


@pytest.mark.parametrize(
    ("text", "bound"), [("9" * 5000, "at most 100"), ("-" + "9" * 5000, "at least 1"), ("0", "at least 1")]
)
def test_a_number_beyond_its_bound_is_told_the_bound_however_long_it_is(text: str, bound: str) -> None:
    assert faults_of(KeysQuery, {"limit": text}) == [{"field": "limit", "fault": f"must be {bound}"}]


@pytest.mark.parametrize("number", ["9" * 5000, "1e5000", "1e999999999999"])
def test_a_number_in_a_body_is_told_its_bound_however_long_it_is(number: str) -> None:
    (fault,) = faults_of(TokenRequest, json.loads(f'{{"lifetime_seconds":{number}}}'))
    assert fault["fault"] in {"must be at most 3,600", "must be a whole number"}
    assert fault["fault"] != "must be a whole number" or number == "1e999999999999"
    (fault,) = faults_of(UsageItem, json.loads(f'{{"id":"a","customer_id":"c","meter":"tokens","quantity":{number}}}'))
    assert "1000000000000000" in fault["fault"] or number == "1e999999999999"


@pytest.mark.parametrize(
    ("scopes", "told"),
    [
        (["x"], [{"field": "scopes.0", "fault": "must be 'read', 'buy' or 'hold'"}]),
        (["x"] * 6, [{"field": "scopes", "fault": "must have at most 3 items"}]),
        ([], [{"field": "scopes", "fault": "must have at least 1 item"}]),
        ("read", [{"field": "scopes", "fault": "must be a list"}]),
    ],
)
def test_a_list_is_told_its_length_and_its_items_each_their_own_fault(scopes: object, told: list[Fault]) -> None:
    assert faults_of(TokenRequest, {"scopes": scopes}) == told


def test_the_roles_of_a_key_are_told_the_same() -> None:
    told = faults_of(CreateKeyRequest, {"name": "a", "roles": ["x"] * 6})
    assert told == [{"field": "roles", "fault": "must have at most 5 items"}]
    (one,) = faults_of(CreateKeyRequest, {"name": "a", "roles": ["x"]})
    assert one["field"] == "roles.0"


@pytest.mark.parametrize("time", ["2026-03-10T00:00:00." + "0" * 5000 + "Z", "soon", 5, None])
def test_a_time_is_told_its_bound(time: object) -> None:
    told = faults_of(UsageItem, {"id": "a", "customer_id": "c", "meter": "tokens", "quantity": 1, "time": time})
    assert told == (
        [] if time is None else [{"field": "time", "fault": "a time is an RFC 3339 string of at most 64 characters"}]
    )


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("pm_test_0123456789abcdef", "pm_test_***"),
        ("jane.doe@example.com", "j***@example.com"),
        ("x" * 5000, "x" * 128),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjIn0.c2ln", "eyJ***"),
    ],
)
def test_an_unknown_field_is_named_without_a_secret_and_within_a_bound(name: str, shown: str) -> None:
    told = {"field": shown, "fault": "is no field that is known here"}
    assert faults_of(DismissRequest, {"reason": "a", name: 1}) == [told]
    assert asked("/plain", {name: "1"}).body["errors"] == [told]


# --- Bodies that nobody reads ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["", "{}", " {} ", "null"])
def test_a_route_without_a_body_takes_an_empty_one(body: str) -> None:
    assert sent("/done", body).status == 200


@pytest.mark.parametrize(
    ("body", "code", "errors"),
    [
        ('{"bogus":1}', "invalid_request", [{"field": "bogus", "fault": "is no field that is known here"}]),
        ("[]", "invalid_request", [{"field": "", "fault": "must be an object"}]),
        ("0", "invalid_request", [{"field": "", "fault": "must be an object"}]),
        ("false", "invalid_request", [{"field": "", "fault": "must be an object"}]),
        ('""', "invalid_request", [{"field": "", "fault": "must be an object"}]),
        ("{", "malformed_json", None),
    ],
)
def test_a_route_without_a_body_refuses_one_that_says_something(
    body: str, code: str, errors: list[Fault] | None
) -> None:
    found = sent("/done", body)
    assert (found.status, found.body["code"]) == (422 if errors else 400, code)
    assert found.body.get("errors") == errors


def test_routes_that_read_a_body_get_it() -> None:
    assert sent("/read", '{"a":1}').body == {"a": 1}
    assert sent("/open", "whatever").status == 200


# --- Keys that are there twice, and half pairs ----------------------------------------------------------------------


@pytest.mark.parametrize("body", ['{"a":1,"a":2}', '{"b":[{"a":1,"c":2,"a":1}]}'])
def test_a_key_that_is_there_twice_is_refused_by_name(body: str) -> None:
    found = sent("/read", body)
    assert (found.status, found.body["code"]) == (400, "malformed_json")
    assert found.body["detail"] == 'the key "a" is there twice'
    with pytest.raises(MalformedJson, match='the key "a" is there twice'):
        json.loads_batch(body)
    assert json.loads_foreign('{"a":1,"a":2}') == {"a": 2}


def test_a_key_that_is_there_twice_is_named_without_a_secret_and_within_a_bound() -> None:
    for key, shown in (("pm_test_0123456789abcdef", "pm_test_***"), ("x" * 5000, "x" * 128)):
        found = sent("/read", f'{{"{key}":1,"{key}":2}}')
        assert found.body["detail"] == f'the key "{shown}" is there twice'


@pytest.mark.parametrize("text", ["\\ud800", "\\uDFFF", "a\\ude00\\ud83d", "\\ud83d\\ud83d\\ude00"])
def test_half_of_a_surrogate_pair_is_refused(text: str) -> None:
    for written in (f'{{"a":"{text}"}}', f'{{"a":[{{"{text}":1}}]}}'):
        found = sent("/read", written)
        assert (found.status, found.body["code"]) == (400, "malformed_json")
        assert found.body["detail"] == "a text of the body has half of a surrogate pair"


def test_whole_pairs_and_escaped_backslashes_are_taken() -> None:
    assert sent("/read", '{"a":"\\ud83d\\ude00","b":"\\\\ud800"}').body == {"a": "\U0001f600", "b": "\\ud800"}


@given(
    st.recursive(
        st.text(st.characters()), lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner)
    )
)
def test_no_answer_has_half_of_a_surrogate_pair(value: object) -> None:
    written = json.dumps(value)
    written.encode()
    plain_json.dumps(plain_json.loads(written), ensure_ascii=False).encode()


def test_an_answer_to_usage_echoes_no_half_of_a_pair() -> None:
    for more, field in (({}, "id"), ({"\ud801": 1}, "")):
        raw = {"id": "\ud800", "customer_id": "c", "meter": "tokens", "quantity": 1, **more}
        refused = read_item(raw, NOW)
        assert isinstance(refused, Problem)
        (result,) = batch_body([raw], [refused])["results"]
        told = [{"field": field, "fault": "has half of a surrogate pair"}]
        assert result == {"status": "refused", "code": "invalid_request", "detail": refused.detail, "errors": told}


# --- Cursors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "customer", "other", "other_customer"),
    [
        (ExportQuery(), "a", ExportQuery(), "b"),
        (CheckoutsQuery(), "a", CheckoutsQuery(), "b"),
        (LedgerQuery(meter="tokens"), "a", LedgerQuery(meter="tokens"), "b"),
        (LedgerQuery(meter="tokens"), "a", LedgerQuery(meter="images"), "a"),
        (KeysQuery(), None, DeliveriesQuery(verdict="parked"), None),
        (KeysQuery(), None, ParkedQuery(), None),
        (DeliveriesQuery(verdict="applied"), None, DeliveriesQuery(verdict="parked"), None),
        (DeliveriesQuery(order_id="applied"), None, DeliveriesQuery(verdict="applied"), None),
        (DeliveriesQuery(order_id="ORD_1"), None, DeliveriesQuery(order_id="ORD_2"), None),
        (ParkedQuery(), None, ParkedQuery(status="dismissed"), None),
        (PaymentsQuery(), None, PaymentsQuery(status="flagged"), None),
        (CustomerListQuery(), None, CustomerListQuery(status="owing"), None),
        (CustomerListQuery(plan="pro"), None, CustomerListQuery(plan="starter"), None),
        (CustomerListQuery(prefix="a"), None, CustomerListQuery(prefix="b"), None),
        (DeliveriesQuery(), None, DeliveriesQuery(verdict="parked"), None),
        (CustomersQuery(month="2026-03"), None, CustomersQuery(month="2026-04"), None),
        (CustomersQuery(month="2026-03"), None, CustomersQuery(month="2026-03", customer_id="c"), None),
    ],
)
def test_a_cursor_is_of_its_own_list_alone(
    query: PageQuery, customer: str | None, other: PageQuery, other_customer: str | None
) -> None:
    place = ("table", "USAGE#someone#\u00fc", "~%/+?")
    cursor = query.pages(customer).cursor(place)
    assert cursor is not None
    assert query.pages(customer).place(cursor, lambda *texts: texts) == place
    with pytest.raises(ForeignCursor):
        other.pages(other_customer).place(cursor, lambda *texts: texts)


@pytest.mark.parametrize(
    ("query", "place"),
    [
        (CustomerListQuery(), ("a/b", "a/b")),
        (CustomerListQuery(prefix="b"), ("ada", "ada")),
        (CustomerListQuery(status="active"), ("ada", "ada")),
    ],
)
def test_a_place_that_is_not_in_the_list_of_customers_is_none(query: CustomerListQuery, place: tuple[str, str]) -> None:
    with pytest.raises(ForeignCursor):
        query.pages().place(query.pages().cursor(place), query.read_place)


def test_another_size_of_the_pages_is_the_same_list() -> None:
    cursor = KeysQuery(limit=1).pages().cursor(("a",))
    assert KeysQuery(limit=50).pages().place(cursor, str) == "a"


@given(st.integers(min_value=0), st.characters())
def test_a_changed_cursor_is_none(at: int, other: str) -> None:
    pages = ExportQuery().pages("a")
    cursor = pages.cursor(("table", "USAGE#a", "USAGE")) or ""
    at %= len(cursor)
    changed = f"{cursor[:at]}{other}{cursor[at + 1 :]}"
    if changed != cursor:
        with pytest.raises(ForeignCursor):
            pages.place(changed, lambda *texts: texts)


@pytest.mark.parametrize("cursor", ["x", "W10=", "WyJvd24iLCJhIl0=", "s12", "\ud800", "=" * 50, "A" * 5999])
def test_a_text_that_no_page_gave_is_no_cursor(cursor: str) -> None:
    with pytest.raises(ForeignCursor, match="must be the next_cursor of the page before"):
        ExportQuery().pages("a").place(cursor, read_place)


def test_a_cursor_has_a_bound_that_is_told_and_that_the_longest_keys_are_within() -> None:
    fault = "must be the next_cursor of the page before, of at most 6,000 characters"
    assert faults_of(ExportQuery, {"cursor": "x" * 6001}) == [{"field": "cursor", "fault": fault}]
    longest = ExportQuery().pages("\U0001f600" * 128).cursor(("table", "\U0001f600" * 512, '"' * 1024))
    assert len(longest or "") <= CURSOR_LENGTH_MAX


def test_every_list_in_pages_has_a_name_of_its_own() -> None:
    names = [query.__name__ for query in PageQuery.__subclasses__()]
    assert len(names) == len(set(names)) >= 7


def test_a_token_of_a_link_is_bounded_and_every_link_that_is_made_is_within_the_bound() -> None:
    kind: LinkKind = "overage"
    url = make_link("secret" * 6, "https://x", PurchaseLink("\U0001f600" * 128, kind, "m" * 32), NOW)
    token = url.removeprefix("https://x/buy/")
    assert len(token) <= TOKEN_LENGTH_MAX
    assert read_link("secret" * 6, token, NOW).meter == "m" * 32
    with pytest.raises(InvalidLink):
        read_link("secret" * 6, "a" * (TOKEN_LENGTH_MAX + 1), NOW)


def test_an_unknown_meter_is_not_repeated() -> None:
    metering = importlib.import_module("pancake_meter.usecases.balance.metering")
    errors = importlib.import_module("pancake_meter.domain.errors")
    catalog = type("Catalog", (), {"meters": {"tokens": None}})()
    books = type("Books", (), {"catalog": catalog})()
    with pytest.raises(errors.UnknownMeter) as refused:
        metering.Metering.check_meter(books, "pm_test_" + "x" * 8000)
    assert str(refused.value) == "the catalog has no such meter"
    assert refused.value.details == {"meters": ["tokens"]}
