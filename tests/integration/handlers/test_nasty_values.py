"""Values that nobody should send: each costs its own item only, and no handler raises or answers 5xx for any of them."""

import json
import tracemalloc
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import customer_controls
import customers
import payments
import quota_check
import reports
import usage_bulk
import usage_recording
import waffo_actions
from pancake_meter.catalog import load_catalog
from pancake_meter.deps.bulk import BulkDeps
from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.deps.quota import QuotaDeps
from pancake_meter.deps.waffo_actions import WaffoActionsDeps
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.balance.balances import read_balance, read_ledger
from pancake_meter.store.errors import StoreBusy, StoreUnavailable
from pancake_meter.store.table import Table
from pancake_meter.store.usage.usage_queue import QueueRefusedMessages, UsageQueue
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.selling.act_on_order import Acting
from pancake_meter.usecases.selling.offer import Offers
from pancake_meter.usecases.selling.refund_payment import Refunding
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.sqs import MemoryQueue

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CATALOG = load_catalog(Path(__file__).resolve().parents[3] / "layers" / "catalog" / "catalog.toml")
NOW = datetime(2026, 3, 10, 15, 20, tzinfo=UTC)

END_OF_THE_CALENDAR = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
NASTY_JSON = [
    *(json.dumps(text) for text in END_OF_THE_CALENDAR),
    "1e400",
    "1e-400",
    "1e100000000",
    "1e99999999999999999999",
    "-1e100000000",
    "9" * 38 + ".5",
    "9" * 5000,
    "-" + "9" * 5000,
    "NaN",
    "Infinity",
    "-0",
    "-0.0",
    "0.1234567",
    "true",
    "null",
    "[]",
    "{}",
    "[" * 300 + "]" * 300,
    '""',
    '"\\u0000"',
    '"\\ud800"',
    '"\\u0661\\u0662"',
    '"1e3"',
    '"1,000"',
    json.dumps("x" * 3000),
    json.dumps("é" * 128),
    '"2026-W11-2"',
    '"2026-03-10"',
    '"10"',
]


class World:
    """Every handler that takes values of callers, on one table."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self.metering = Metering(Table(dynamodb, table), CATALOG)
        self.queue = MemoryQueue()
        self.counts = MeteringDeps(self.metering, lambda: NOW)
        offers = Offers(CATALOG, "test", lambda: "secret", "https://pay.example.com")
        self.quota = QuotaDeps(self.metering, offers, lambda: NOW)
        self.bulk = BulkDeps(self.metering, self.queue.queue, lambda: NOW)
        erasures = Erasures(self.metering.table, lambda: "a key of the tests")
        # A Waffo that knows no order: nothing reaches it that is not in order.
        waffo: Any = SimpleNamespace(subscription_order=lambda _: None)
        self.actions = WaffoActionsDeps(
            Refunding(self.metering.table, erasures, waffo),
            Acting(self.metering.table, erasures, waffo, "test", "STO_7hQ2mVb9KxT4cLr8WnZ3aE"),
            lambda: NOW,
        )

    def call(
        self,
        handler: str,
        name: str,
        body: str | None = None,
        *,
        path: str | None = None,
        query: dict[str, str] | None = None,
        content_type: str = "application/json",
        in_base64: bool = False,
    ) -> Answer:
        """Return the answer, which is one of ours in any case."""
        event = api_event(name, path=path, query=query)
        if body is not None:
            event["body"] = b64encode(body.encode()).decode() if in_base64 else body
            event["isBase64Encoded"] = in_base64
            event["headers"]["content-type"] = content_type
        context: Any = LambdaContext()
        match handler:
            case "usage":
                answer = read_answer(usage_recording.handler(event, context, self.counts))
            case "bulk":
                answer = read_answer(usage_bulk.handler(event, context, self.bulk))
            case "quota":
                answer = read_answer(quota_check.handler(event, context, self.quota))
            case "controls":
                answer = read_answer(customer_controls.handler(event, context, self.counts))
            case "customers":
                answer = read_answer(customers.handler(event, context, self.counts))
            case "payments":
                answer = read_answer(payments.handler(event, context, self.counts))
            case "actions":
                answer = read_answer(waffo_actions.handler(event, context, self.actions))
            case _:
                answer = read_answer(reports.handler(event, context, self.counts))
        assert answer.status < HTTPStatus.INTERNAL_SERVER_ERROR, (answer.status, answer.body)
        # Strict parsers refuse half of a surrogate pair
        json.dumps(answer.body, ensure_ascii=False).encode()
        if (
            answer.status >= HTTPStatus.BAD_REQUEST
            and answer.body.get("results") is None
            and "refused" not in answer.body
        ):
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.body["code"]
        return answer

    def used(self, customer_id: str) -> int:
        balance = read_balance(self.metering.table, customer_id, "tokens")
        return int(balance.used) if balance else 0


@pytest.fixture
def world(dynamodb: "DynamoDBClient", table: str) -> World:
    return World(dynamodb, table)


def usage(event_id: str, **more: object) -> dict[str, object]:
    return {"id": event_id, "customer_id": "good", "meter": "tokens", "quantity": 10, **more}


def with_value(item: dict[str, object], name: str, value: str) -> str:
    """Return an item as JSON, with a field of raw JSON."""
    return json.dumps({**item, name: "PLACE"}).replace('"PLACE"', value)


# --- One bad value, and its neighbours ----------------------------------------------------------------------------


def test_scenarios_55_56_61_97_a_bad_value_of_usage_costs_its_own_item_only(world: World) -> None:
    neighbours = 0
    for name in ("quantity", "time", "id", "customer_id", "meter"):
        for value in NASTY_JSON[::2] if name == "id" else NASTY_JSON:
            bad = with_value(usage("bad", customer_id="bad"), name, value)
            good = json.dumps(usage(f"g{neighbours}"))
            answer = world.call("usage", "usage_batch", f'{{"events": [{bad}, {good}]}}')
            assert answer.body["results"][1]["status"] == "counted", (name, value)
            neighbours += 1
    assert world.used("good") == neighbours * 10


@pytest.mark.parametrize("at", END_OF_THE_CALENDAR)
def test_scenario_97_a_time_at_the_end_of_the_calendar_is_422_of_its_item(world: World, at: str) -> None:
    # Usage
    answer = world.call("usage", "usage_batch", json.dumps({"events": [usage("b", time=at), usage("g")]}))
    assert [result.get("code") for result in answer.body["results"]] == ["event_time_out_of_range", None]

    # Bulk
    answer = world.call("bulk", "usage_bulk", json.dumps([usage("b", time=at), usage("g")]))
    assert (answer.body["accepted"], answer.body["refused_items"][0]["code"]) == (1, "event_time_out_of_range")

    # CloudEvents
    event = {"specversion": "1.0", "type": "tokens-used", "source": "a", "subject": "ce", "data": {"tokens": 7}}
    batch = json.dumps([{**event, "id": "1", "time": at}, {**event, "id": "2"}])
    assert world.call("usage", "usage_cloudevents", batch).status == HTTPStatus.NO_CONTENT
    assert world.used("ce") == 7
    (parked,) = world.call("usage", "usage_parked", query={}).body["parked"]
    assert parked["code"] == "event_time_out_of_range"

    # Settling
    path = "/v1/customers/good/holds/h1/settle"
    answer = world.call("quota", "holds_settle", json.dumps({"quantity": 1, "meter": "tokens", "time": at}), path=path)
    assert (answer.status, answer.body["code"]) == (422, "event_time_out_of_range")

    # The cursor of parked usage
    assert world.call("usage", "usage_parked", query={"cursor": f"{at}~{'a' * 64}"}).status in {200, 422}


def test_scenario_61_a_bad_value_of_a_call_costs_its_own_item_only(world: World) -> None:
    call: dict[str, object] = {
        "litellm_call_id": "bad",
        "status": "success",
        "endTime": int(NOW.timestamp()),
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "metadata": {"user_api_key_auth_metadata": {"customer_id": "bad"}},
    }
    good = {**call, "metadata": {"user_api_key_auth_metadata": {"customer_id": "good"}}}
    for name in ("prompt_tokens", "endTime", "litellm_call_id", "status", "metadata", "model"):
        bad = ",".join(with_value(call, name, value) for value in NASTY_JSON)
        answer = world.call("usage", "usage_litellm", f"[{bad}, {json.dumps({**good, 'litellm_call_id': name})}]")
        assert answer.status == HTTPStatus.OK
    assert world.used("good") == 6 * 30


# --- Parameters ---------------------------------------------------------------------------------------------------


def test_no_periods_are_answered_when_none_are_asked_for(world: World) -> None:
    answer = world.call("quota", "usage_report", query={"meter": "tokens", "periods": "0"})
    assert answer.status == HTTPStatus.OK
    assert [period for period in answer.body["periods"] if not period["open"]] == []


TEXTS = st.one_of(
    st.sampled_from(
        [*END_OF_THE_CALENDAR, "0", "-1", "1e9", "9" * 5000, "٣", "NaN", "true", "a,b", "\0", "~", "s0", "s9999999999"]
    ),
    st.sampled_from(
        [f"{END_OF_THE_CALENDAR[0]}~{'a' * 64}", "2026-03-10~" + "٣" * 64, "2026-13", "2099-12", "x" * 3000]
    ),
    st.text(max_size=40).filter(lambda text: text.isprintable()),
)
GETS = [
    ("quota", "quota_with_amount", ["amount"]),
    ("quota", "usage_report", ["meter", "periods"]),
    ("quota", "ledger_first_page", ["meter", "limit", "cursor"]),
    ("usage", "usage_parked", ["limit", "cursor"]),
    ("reports", "report_revenue_months", ["from", "to", "month"]),
    ("reports", "report_customers", ["month", "limit", "cursor", "customer_id"]),
    ("reports", "report_usage", ["from", "to", "month", "meter"]),
    ("reports", "report_live", ["days", "meter"]),
    ("reports", "report_subscriptions", ["months"]),
    ("customers", "customers_list", ["plan", "status", "prefix", "limit", "cursor"]),
    ("payments", "payments_flagged", ["status", "limit", "cursor"]),
    ("controls", "grants_list", ["meter"]),
    ("controls", "limits_get", ["meter"]),
]
FUZZED = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@FUZZED
@given(route=st.sampled_from(GETS), values=st.lists(TEXTS, min_size=5, max_size=5))
def test_no_query_makes_a_handler_fail(world: World, route: tuple[str, str, list[str]], values: list[str]) -> None:
    handler, name, parameters = route
    query: dict[str, str] = api_event(name).get("queryStringParameters") or {}
    for parameter, value in zip(parameters, values, strict=False):
        world.call(handler, name, query={**query, parameter: value})
    world.call(handler, name, query=dict(zip(parameters, values, strict=False)))


# --- Bodies -------------------------------------------------------------------------------------------------------

OPERATORS_POSTS = [
    ("controls", "grant_give"),
    ("controls", "customer_block"),
    ("controls", "customer_unblock"),
    ("controls", "limits_set"),
    ("payments", "payment_resolve_units"),
    ("payments", "payment_resolve_checkout"),
    ("actions", "payment_refund"),
    ("actions", "subscription_cancel"),
    ("actions", "subscription_reactivate"),
]


@pytest.mark.parametrize(("handler", "name"), OPERATORS_POSTS)
def test_no_value_of_an_operator_s_request_makes_a_handler_fail(world: World, handler: str, name: str) -> None:
    """Issue 14, section A: each field of each body, and the body itself."""
    sound = json.loads(api_event(name).get("body") or "{}")
    fields = {"meter", "reason", "id", "expires_at", "starts_at", "priority", *sound}
    for value in NASTY_JSON:
        world.call(handler, name, value)
        for field in fields:
            world.call(handler, name, with_value(sound, field, value))


@pytest.mark.parametrize("text", ["\0", "٣", "x" * 3000, "a#b", "a%2Fb", "é" * 200, "~", "erased_" + "0" * 32])
def test_no_id_in_an_operator_s_path_makes_a_handler_fail(world: World, text: str) -> None:
    part = quote(text, safe="")
    for handler, name, path in (
        ("customers", "customer_read", f"/v1/customers/{part}"),
        ("controls", "grant_give", f"/v1/customers/{part}/grants"),
        ("controls", "grant_void", f"/v1/customers/a/grants/{part}/void"),
        ("controls", "customer_block", f"/v1/customers/{part}/block"),
        ("controls", "limits_set", f"/v1/customers/{part}/limits"),
        ("payments", "payment_read", f"/v1/payments/{part}"),
        ("payments", "payment_resolve_units", f"/v1/payments/{part}/resolve"),
        ("actions", "payment_refund", f"/v1/payments/{part}/refund"),
        ("actions", "subscription_cancel", f"/v1/customers/{part}/subscriptions/ORD_1/cancel"),
        ("actions", "subscription_cancel", f"/v1/customers/a/subscriptions/{part}/cancel"),
    ):
        world.call(handler, name, path=path)


VALUES = st.recursive(
    st.one_of(st.sampled_from(NASTY_JSON), st.text(max_size=10).map(json.dumps), st.integers().map(str)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]"),
        st.dictionaries(
            st.sampled_from(
                ["id", "customer_id", "meter", "quantity", "time", "events", "data", "subject", "ttl_seconds"]
            ),
            inner,
            max_size=5,
        ).map(lambda fields: "{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}"),
    ),
    max_leaves=8,
)
POSTS = [
    ("usage", "usage_batch"),
    ("usage", "usage_litellm"),
    ("usage", "usage_cloudevents"),
    ("bulk", "usage_bulk"),
    ("quota", "holds_place"),
    ("quota", "holds_settle"),
]


@FUZZED
@given(route=st.sampled_from(POSTS), body=VALUES, in_base64=st.booleans())
@example(
    route=("quota", "holds_place"), body='{"meter":"tokens","quantity":1,"ttl_seconds":1e100000000}', in_base64=False
)
@example(route=("usage", "usage_cloudevents"), body='{"source":"\\ud800"}', in_base64=False)
def test_no_body_makes_a_handler_fail(world: World, route: tuple[str, str], body: str, in_base64: bool) -> None:
    world.call(*route, body, in_base64=in_base64)
    world.call(*route, f"[{body},{body}]", in_base64=in_base64)
    world.call(*route, f'{{"events":[{body}]}}', in_base64=in_base64)


def test_no_value_of_a_cloud_event_is_a_bug(world: World) -> None:
    event: dict[str, object] = {"specversion": "1.0", "type": "tokens-used", "source": "a", "id": "1", "subject": "ce"}
    for field in ("id", "source", "type", "subject", "time", "data"):
        for value in NASTY_JSON:
            world.call("usage", "usage_cloudevents", with_value({**event, "data": {"tokens": 7}}, field, value))


def test_no_path_is_a_bug(world: World) -> None:
    for text in ("\0", "a\x7f", "é" * 200, "..", "x" * 5000, "%"):
        for path in (f"/v1/customers/{quote(text, safe='')}/quota", f"/v1/customers/a/quota/{quote(text, safe='')}"):
            world.call("quota", "quota_one_meter", path=path)


# --- What our own formats refuse, and those of other systems take ---------------------------------------------------


@pytest.mark.parametrize("form", ["lines", "array"])
def test_point_5_a_refused_event_of_bulk_usage_is_told_its_fields_and_their_bounds(world: World, form: str) -> None:
    bad = usage("x" * 300, customer_id="", quantity=-1, time="9" * 70, pm_test_0123456789=1)
    events = [json.dumps(usage("ok")), json.dumps(bad)]
    body = "\n".join(events) if form == "lines" else f"[{','.join(events)}]"
    kind = "application/x-ndjson" if form == "lines" else "application/json"
    (refused,) = world.call("bulk", "usage_bulk", body, content_type=kind).body["refused_items"]
    assert (refused["index"], refused["code"]) == (1, "invalid_request")
    told = {fault["field"]: fault["fault"] for fault in refused["errors"]}
    assert told == {
        "id": "must have at most 128 characters",
        "customer_id": "a customer id has 1 to 128 characters",
        "quantity": "a quantity is from 0 to 1000000000000000",
        "time": "a time is an RFC 3339 string of at most 64 characters",
        "pm_test_***": "is no field that is known here",
    }
    (other,) = world.call("usage", "usage_batch", json.dumps({"events": [bad]})).body["results"]
    assert other["errors"] == refused["errors"]


def test_point_5_half_of_a_surrogate_pair_costs_its_own_event_and_is_not_repeated(world: World) -> None:
    halves = [
        usage("\ud800"),
        usage("a", customer_id="\ud800"),
        usage("b", meter="\ud800"),
        usage("c", **{"\ud800": 1}),
    ]
    answer = world.call("usage", "usage_batch", json.dumps({"events": [*halves, usage("good")]}))
    assert (answer.status, answer.body["counted"], answer.body["refused"]) == (207, 1, 4)
    assert "id" not in answer.body["results"][0]
    bulk = world.call("bulk", "usage_bulk", json.dumps([*halves, usage("good2")]))
    assert (bulk.status, bulk.body["accepted"], bulk.body["refused"]) == (202, 1, 4)


def test_point_5_half_of_a_surrogate_pair_in_another_systems_format_is_not_repeated(world: World) -> None:
    call = {"litellm_call_id": "\ud800", "status": "success", "endTime": int(NOW.timestamp()), "prompt_tokens": 1}
    named = {**call, "litellm_call_id": "1", "metadata": {"user_api_key_auth_metadata": {"customer_id": "\ud800"}}}
    answer = world.call("usage", "usage_litellm", json.dumps([call, named]))
    assert (answer.status, answer.body["parked"]) == (200, 2)
    event = {"specversion": "1.0", "type": "tokens-used", "source": "a", "id": "1", "data": {"tokens": 7}}
    for field in ("id", "source", "type", "subject"):
        world.call("usage", "usage_cloudevents", json.dumps({"subject": "ce", **event, field: "\ud800"}))
    assert len(world.call("usage", "usage_parked", query={}).body["parked"]) >= 2


def test_point_5_a_key_that_is_there_twice_is_refused_in_our_formats_alone(world: World) -> None:
    twice = json.dumps(usage("twice"))[:-1] + ',"quantity":99}'
    for handler, name, body in (
        ("usage", "usage_batch", f'{{"events":[{twice}]}}'),
        ("bulk", "usage_bulk", f"[{twice}]"),
        ("bulk", "usage_bulk", f"[\n{twice}\n]"),
        ("quota", "holds_place", '{"meter":"tokens","quantity":1,"quantity":2}'),
    ):
        answer = world.call(handler, name, body)
        assert (answer.status, answer.body["code"]) == (400, "malformed_json")
        assert answer.body["detail"] == 'the key "quantity" is there twice'
    assert world.used("good") == 0

    # A line is an item of its own
    lines = f"{json.dumps(usage('ok'))}\n{twice}"
    answer = world.call("bulk", "usage_bulk", lines, content_type="application/x-ndjson")
    assert (answer.status, answer.body["accepted"], answer.body["refused"]) == (202, 1, 1)
    assert answer.body["refused_items"][0]["errors"] == [{"field": "", "fault": 'the key "quantity" is there twice'}]

    # Other systems' senders may do so
    auth = '"metadata":{"user_api_key_auth_metadata":{"customer_id":"good"}}'
    ended = f'"endTime":{int(NOW.timestamp())}'
    call = f'{{"litellm_call_id":"1","status":"failure","status":"success",{ended},"prompt_tokens":1,{auth}}}'
    assert world.call("usage", "usage_litellm", f"[{call}]").body["counted"] == 1
    event = (
        '{"specversion":"1.0","type":"x","type":"tokens-used","source":"a","subject":"ce","id":"1","data":{"tokens":7}}'
    )
    assert world.call("usage", "usage_cloudevents", event).status == HTTPStatus.NO_CONTENT
    assert world.used("ce") == 7


PSEUDONYM = f"erased-{'0' * 40}"


def test_point_6_nothing_counts_under_the_pseudonym_of_an_erased_customer(world: World) -> None:
    fault = {"field": "customer_id", "fault": "a customer id is not the pseudonym of an erased customer"}
    event = usage("e", customer_id=PSEUDONYM)
    answer = world.call("usage", "usage_batch", json.dumps({"events": [event]}))
    assert (answer.status, answer.body["results"][0]["errors"]) == (422, [fault])
    bulk = world.call("bulk", "usage_bulk", json.dumps([event]))
    assert (bulk.status, bulk.body["refused_items"][0]["errors"], world.queue.bodies) == (422, [fault], [])

    # The formats of other systems park it
    call = {"litellm_call_id": "1", "status": "success", "endTime": int(NOW.timestamp()), "prompt_tokens": 1}
    call["metadata"] = {"user_api_key_auth_metadata": {"customer_id": PSEUDONYM}}
    assert (
        world.call("usage", "usage_litellm", json.dumps([call])).body["parked_items"][0]["code"]
        == "invalid_customer_id"
    )
    cloud = {"specversion": "1.0", "type": "tokens-used", "source": "a", "id": "1", "subject": PSEUDONYM}
    sent = world.call("usage", "usage_cloudevents", json.dumps({**cloud, "data": {"tokens": 7}}))
    assert sent.status == HTTPStatus.NO_CONTENT
    assert len(world.call("usage", "usage_parked", query={}).body["parked"]) == 2

    # Neither are units held, nor is a hold settled
    path = f"/v1/customers/{PSEUDONYM}/holds"
    for name, place, body in (
        ("holds_place", path, {"meter": "tokens", "quantity": 1}),
        ("holds_settle", f"{path}/h/settle", {"meter": "tokens", "quantity": 1}),
    ):
        refused = world.call("quota", name, json.dumps(body), path=place)
        assert (refused.status, refused.body["code"]) == (422, "invalid_customer_id")
    assert world.used(PSEUDONYM) == 0

    # What is kept under it may be looked at
    assert world.call("quota", "quota_all_meters", path=f"/v1/customers/{PSEUDONYM}/quota").status == HTTPStatus.OK


def test_point_5_a_refused_hold_of_a_customer_whom_nobody_knows_changes_nothing(world: World) -> None:
    path = "/v1/customers/nobody/holds"
    refused = world.call("quota", "holds_place", json.dumps({"meter": "tokens", "quantity": 10**12}), path=path)
    assert (refused.status, refused.body["code"]) == (402, "quota_exhausted")
    assert read_balance(world.metering.table, "nobody", "tokens") is None
    assert read_ledger(world.metering.table, "nobody", "tokens", limit=10) == []
    placed = world.call("quota", "holds_place", json.dumps({"meter": "tokens", "quantity": 1}), path=path)
    assert placed.status == HTTPStatus.CREATED


# --- Size ---------------------------------------------------------------------------------------------------------


def test_promise_14_a_body_above_the_bound_is_413_in_our_words(world: World) -> None:
    for route in POSTS[:4]:
        for in_base64 in (False, True):
            answer = world.call(*route, " " * 4_500_001, in_base64=in_base64)
            assert (answer.status, answer.body["code"], answer.body["maximum"]) == (413, "body_too_large", 4_500_000)
        assert world.call(*route, " " * 4_500_000).status != 413


@pytest.mark.parametrize("form", ["lines", "array"])
def test_promise_14_bulk_garbage_is_answered_with_its_first_100_refusals_and_a_count(world: World, form: str) -> None:
    for item in (
        "1",
        "{}",
        '{"a":1,"b":2,"c":3,"d":4}',
        '"nonsense"',
        '{"id":0,"customer_id":0,"meter":0,"quantity":""}',
    ):
        # Given a body of much garbage, and one event in its midst
        count = 1_000_000 // (len(item) + 1)
        items = [item] * count
        items[count // 2] = json.dumps(usage("good"))
        body = "\n".join(items) if form == "lines" else f"[{','.join(items)}]"

        # Then the event is accepted, and the answer is small
        kind = "application/x-ndjson" if form == "lines" else "application/json"
        answer = world.call("bulk", "usage_bulk", body, content_type=kind)
        assert (answer.status, answer.body["accepted"], answer.body["refused"]) == (202, 1, count - 1)
        assert [refused["index"] for refused in answer.body["refused_items"]] == list(range(100))


def test_promise_14_an_answer_echoes_no_more_than_an_id_can_have(world: World) -> None:
    item = {"id": "é" * 1_000_000, **{f"{'f' * 1000}{number}": 1 for number in range(1000)}}
    answer = world.call("usage", "usage_batch", json.dumps({"events": [item]}, ensure_ascii=False))
    assert answer.status == 422
    assert len(json.dumps(answer.body)) < 10_000


def test_promise_14_an_object_with_a_fault_in_each_of_its_many_fields_costs_no_memory_for_each(world: World) -> None:
    item = json.dumps({f"f{number}": 1 for number in range(20_000)})
    for name, route, body in [
        ("usage", "usage_batch", item),
        ("bulk", "usage_bulk", item),
        ("quota", "holds_place", item),
    ]:
        tracemalloc.start()
        answer = world.call(name, route, body)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert answer.status == 422
        assert peak < 50 * len(item), "a fault for each field takes far more"


def test_a_batch_of_more_items_than_any_gateway_sends_is_413(world: World) -> None:
    answer = world.call("usage", "usage_litellm", "1\n" * 10_001, content_type="application/x-ndjson")
    assert (answer.status, answer.body["code"], answer.body["maximum"]) == (413, "too_many_events", 10_000)


def test_a_line_ends_at_a_line_feed_only(world: World) -> None:
    line = json.dumps(usage("a\u2028b"[:1], customer_id="good"), ensure_ascii=False)
    body = f"{line}\r\n" + json.dumps(usage("e2", note="x\u2028y\u0085"), ensure_ascii=False)
    answer = world.call("bulk", "usage_bulk", body, content_type="application/x-ndjson")
    assert (answer.body["accepted"], answer.body["refused"]) == (1, 1)


# --- Bugs are no passing trouble ----------------------------------------------------------------------------------


def _queue(answer: Callable[[], Any]) -> UsageQueue:
    class Client:
        def send_message_batch(self, **_: object) -> Any:
            return answer()

    return UsageQueue(Client(), "https://sqs.example.com/queue")  # type: ignore[arg-type]


def _fails(code: str, status: int) -> Callable[[], Any]:
    def fail() -> Any:
        response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(response, "SendMessageBatch")

    return fail


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("RequestThrottled", 400, StoreBusy),
        ("ThrottlingException", 400, StoreBusy),
        ("InternalError", 500, StoreUnavailable),
        ("AWS.SimpleQueueService.NonExistentQueue", 400, ClientError),
        ("InvalidMessageContents", 400, ClientError),
        ("AccessDenied", 403, ClientError),
    ],
)
def test_promise_5_only_trouble_of_the_queue_that_passes_is_called_so(
    code: str, status: int, error: type[Exception]
) -> None:
    with pytest.raises(error):
        _queue(_fails(code, status)).send(["[]"])


def test_a_message_that_the_queue_calls_wrong_is_a_bug() -> None:
    failed = {"Failed": [{"Id": "0", "SenderFault": True, "Code": "InvalidMessageContents"}]}
    with pytest.raises(QueueRefusedMessages):
        _queue(lambda: failed).send(["[]"])
