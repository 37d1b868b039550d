"""Issue 16, point 2: each way in may say what usage was made of, and the API answers it by period and day."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import quota_check
import usage_recording
from pancake_meter.catalog import load_catalog
from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.deps.quota import QuotaDeps
from pancake_meter.domain.usage.usage_event import CountedAs
from pancake_meter.http.usage.bulk import read_bulk
from pancake_meter.litellm.spend_logs import spend_log
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.balance.spending import known_usage
from pancake_meter.store.keys import usage_event_of
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.selling.offer import Offers
from pancake_meter.usecases.usage.bulk import BULK, bulk_messages, message_items
from pancake_meter.usecases.usage.count_usage import count_items
from pancake_meter.usecases.usage.sources import LITELLM
from pancake_meter.value import replace
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.followed import SECRET, Reader, ToldTable, items_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ROOT = Path(__file__).resolve().parents[3]
CATALOG = load_catalog(ROOT / "layers" / "catalog" / "catalog.toml")
DATA = ROOT / "tests" / "data" / "litellm"
CAPTURE: dict[str, dict[str, Any]] = json.loads((DATA / "generic_api_batch.json").read_text())["events"]
ROWS: dict[str, dict[str, Any]] = json.loads((DATA / "spend_logs.json").read_text())["rows"]
NOW = datetime.fromtimestamp(1795427210, UTC)
TODAY = f"{NOW:%Y-%m-%d}"
CUSTOMER = "acct_1001"


@pytest.fixture
def metering(dynamodb: "DynamoDBClient", table: str) -> Metering:
    told = ToldTable(dynamodb, table)
    assert CATALOG.llm_calls is not None
    trusting = replace(CATALOG, llm_calls=replace(CATALOG.llm_calls, customer=("team_id", "end_user")))
    return Metering(told, trusting, erasures=Erasures(told, lambda: SECRET))


@pytest.fixture
def follow(metering: Metering, dynamodb: "DynamoDBClient", table: str) -> Callable[[], None]:
    return Reader(dynamodb, metering.table, table, lambda: NOW).follow


@pytest.fixture
def record(metering: Metering) -> Callable[..., Answer]:
    def record(name: str, body: object) -> Answer:
        event = api_event(name, body=body)
        return read_answer(usage_recording.handler(event, LambdaContext(), MeteringDeps(metering, lambda: NOW)))

    return record


@pytest.fixture
def ask(metering: Metering) -> Callable[..., Answer]:
    deps = QuotaDeps(metering, Offers(metering.catalog, "test", lambda: "x" * 40), lambda: NOW)
    return lambda name, **changes: read_answer(quota_check.handler(api_event(name, **changes), LambdaContext(), deps))


def kept(metering: Metering, dynamodb: "DynamoDBClient", table: str) -> dict[str, tuple[str | None, str | None]]:
    """Return what each counted event is known to be made of, by its id."""
    items = [item for item in items_of(dynamodb, table) if item["SK"] == "USAGE"]
    return {usage_event_of(item["PK"])[2]: (item.get("model"), item.get("source")) for item in items}


def item(event_id: str, **more: object) -> dict[str, object]:
    return {"id": event_id, "customer_id": CUSTOMER, "meter": "tokens", "quantity": 5, **more}


def test_native_usage_may_say_its_model_and_its_source(
    record: Callable[..., Answer], metering: Metering, dynamodb: "DynamoDBClient", table: str
) -> None:
    events = [item("a", model="large", source="web app"), item("b", source="jobs"), item("c"), item("a", model="other")]
    answer = record("usage_batch", {"events": events})
    assert [each["status"] for each in answer.body["results"]] == ["counted", "counted", "counted", "duplicate"]
    assert kept(metering, dynamodb, table) == {"a": ("large", "web app"), "b": (None, "jobs"), "c": (None, None)}


@pytest.mark.parametrize("name", ["", " x", "x\n", "x" * 65, 7, {"a": 1}, "a\x00b"])
def test_a_name_that_cannot_be_shown_is_refused_early(record: Callable[..., Answer], name: object) -> None:
    answer = record("usage_batch", {"events": [item("a", model=name)]})
    assert answer.status == HTTPStatus.UNPROCESSABLE_ENTITY
    assert [each["field"] for each in answer.body["results"][0]["errors"]] == ["model"]


def test_a_settlement_may_say_it_too(
    ask: Callable[..., Answer], metering: Metering, dynamodb: "DynamoDBClient", table: str
) -> None:
    placed = ask("holds_place", body={"meter": "tokens", "quantity": 9, "id": "h"})
    path = f"/v1/customers/{CUSTOMER}/holds/{placed.body['hold_id']}/settle"
    body = {"quantity": 4, "model": "large", "source": "gateway"}
    assert ask("holds_settle", path=path, body=body).body["hold"] == "settled"
    assert ask("holds_settle", path=path, body={"quantity": 4}).body["replayed"]
    assert kept(metering, dynamodb, table) == {"h": ("large", "gateway")}


def test_bulk_usage_says_it_after_the_queue_and_messages_of_before_are_read(
    metering: Metering, dynamodb: "DynamoDBClient", table: str
) -> None:
    read = read_bulk(metering, json.dumps([item("a", model="large"), item("b")]), "application/json", NOW)
    (message,) = bulk_messages(read.lines)
    assert [len(each) for each in json.loads(message)] == [8, 6]
    assert [each.status for each in count_items(metering, BULK, message_items(message), NOW)] == ["counted", "counted"]
    assert kept(metering, dynamodb, table) == {"a": ("large", None), "b": (None, None)}


def test_a_call_of_litellm_has_the_name_that_its_caller_knows(
    record: Callable[..., Answer], metering: Metering, dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given a call by a public alias, and one whose alias is not told
    captured = CAPTURE["nonstream_user"]
    small = {name: captured[name] for name in captured.keys() - {"messages", "response"}}
    alias = {**small, "litellm_call_id": "alias", "model": "azure/gpt-4o-eu", "model_group": "fast"}
    plain = {**small, "litellm_call_id": "plain", "model": "azure/gpt-4o-eu", "model_group": None}
    # When
    assert record("usage_litellm", [alias, plain]).body["counted"] == 2
    # Then
    assert kept(metering, dynamodb, table) == {"alias": ("fast", "litellm"), "plain": ("gpt-4o-eu", "litellm")}


def test_a_row_of_the_spend_log_names_it_alike(metering: Metering, dynamodb: "DynamoDBClient", table: str) -> None:
    log = spend_log(ROWS["plain"])
    assert log is not None
    at = datetime.fromisoformat(ROWS["plain"]["startTime"]).replace(tzinfo=UTC)
    (outcome,) = count_items(metering, LITELLM, [log.payload({})], at)
    assert outcome.status == "counted"
    ((model, source),) = kept(metering, dynamodb, table).values()
    assert (model, source) == (ROWS["plain"]["model_group"], "litellm")


def test_a_cloud_event_has_its_source_and_the_model_at_its_meters_path(
    record: Callable[..., Answer], metering: Metering, dynamodb: "DynamoDBClient", table: str
) -> None:
    def event(event_id: str, **data: object) -> dict[str, object]:
        attributes = {"specversion": "1.0", "type": "tokens-used", "source": "https://app.example.com/" + "x" * 60}
        return {**attributes, "id": event_id, "subject": CUSTOMER, "data": {"tokens": 5, **data}}

    events = [event("1", model="large"), event("2", model=7), event("3")]
    event_ = api_event("usage_cloudevents", body=events)
    event_["headers"]["content-type"] = "application/cloudevents-batch+json"
    answer = usage_recording.handler(event_, LambdaContext(), MeteringDeps(metering, lambda: NOW))
    assert answer["statusCode"] < 300
    source = ("https://app.example.com/" + "x" * 60)[:64]
    assert sorted(kept(metering, dynamodb, table).values(), key=str) == [
        ("large", source),
        (None, source),
        (None, source),
    ]


def test_the_usage_report_says_it_where_it_is_asked(
    record: Callable[..., Answer], ask: Callable[..., Answer], follow: Callable[[], None]
) -> None:
    # Given
    record("usage_batch", {"events": [item("a", model="large", source="app"), item("b", model="small"), item("c")]})
    record("usage_batch", {"events": [item("d", model="large")]})
    follow()
    # When
    path = f"/v1/customers/{CUSTOMER}/usage"
    plain = ask("usage_report", path=path, query={"meter": "tokens"})
    asked = ask("usage_report", path=path, query={"meter": "tokens", "made_of": "true"})
    # Then
    (period,) = asked.body["periods"]
    models = {"named": {"large": 10, "small": 5}, "other": 0, "unknown": 5}
    sources = {"named": {"app": 5}, "other": 0, "unknown": 15}
    day = {"models": models, "sources": sources}
    assert period.pop("made_of") == {**day, "days": {TODAY: day}}
    assert asked.body == plain.body
    assert ask("usage_report", path=path, query={"meter": "tokens", "made_of": "1"}).status == 422


def test_what_was_counted_before_anything_was_known_is_read_as_it_is(
    record: Callable[..., Answer], ask: Callable[..., Answer], metering: Metering
) -> None:
    record("usage_batch", {"events": [item("a")]})
    identity = (CUSTOMER, "tokens", "a")
    assert isinstance(known_usage(metering.table, [identity], NOW)[identity], CountedAs)
    path = f"/v1/customers/{CUSTOMER}/usage"
    (period,) = ask("usage_report", path=path, query={"meter": "tokens", "made_of": "true"}).body["periods"]
    nothing = {"named": {}, "other": 0, "unknown": 5}
    assert period["made_of"]["days"] == {TODAY: {"models": nothing, "sources": nothing}}
