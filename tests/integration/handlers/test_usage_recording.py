"""The usage recording handler, event in and answer out."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.catalog import load_catalog
from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.metering import Metering
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from usage_recording import handler

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CATALOG = load_catalog(Path(__file__).resolve().parents[3] / "layers" / "catalog" / "catalog.toml")
NOW = datetime(2026, 3, 10, 15, 20, tzinfo=UTC)


@pytest.fixture
def metering(dynamodb: "DynamoDBClient", table: str) -> Metering:
    return Metering(Table(dynamodb, table), CATALOG)


@pytest.fixture
def post(metering: Metering) -> Callable[[Any], Answer]:
    deps = MeteringDeps(metering, lambda: NOW)
    return lambda body: read_answer(handler(api_event("usage_batch", body=body), LambdaContext(), deps))


def usage(event_id: str, quantity: object = 10, **more: object) -> dict[str, object]:
    return {"id": event_id, "customer_id": "acct_1001", "meter": "tokens", "quantity": quantity, **more}


def used(metering: Metering, meter: str = "tokens", customer_id: str = "acct_1001") -> object:
    return metering.current_balance(customer_id, meter, NOW).used


def test_a_batch_mixes_customers_and_meters(post: Callable[[Any], Answer], metering: Metering) -> None:
    answer = post(None)
    assert (answer.status, answer.body["counted"]) == (HTTPStatus.OK, 3)
    assert (used(metering), used(metering, "requests"), str(used(metering, "tokens", "acct_2002"))) == (1200, 1, "0.25")


def test_promise_1_a_batch_sent_again_changes_nothing(post: Callable[[Any], Answer], metering: Metering) -> None:
    batch = {"events": [usage(f"e{n}") for n in range(100)]}
    first, again = post(batch), post(batch)
    assert (first.body["counted"], again.body["counted"], again.body["duplicate"]) == (100, 0, 100)
    assert used(metering) == 1000


def test_scenario_44_one_id_with_another_quantity_is_refused_and_counts_nothing(
    post: Callable[[Any], Answer], metering: Metering
) -> None:
    post({"events": [usage("e1", 10)]})
    conflict = post({"events": [usage("e1", 11)]})
    assert conflict.status == HTTPStatus.CONFLICT
    assert conflict.body["results"] == [
        {"id": "e1", "status": "refused", "code": "event_conflict", "detail": conflict.body["results"][0]["detail"]}
    ]
    assert used(metering) == 10


def test_scenario_45_one_id_of_two_customers_is_two_events(post: Callable[[Any], Answer], metering: Metering) -> None:
    answer = post({"events": [usage("e1"), usage("e1", customer_id="acct_2002")]})
    assert answer.body["counted"] == 2
    assert (used(metering), used(metering, customer_id="acct_2002")) == (10, 10)


def test_scenario_61_bad_items_are_told_one_by_one_and_the_rest_counts(
    post: Callable[[Any], Answer], metering: Metering
) -> None:
    bad = [usage("bad1", -1), usage("bad2", meter="nonsense"), "not an event"]
    batch = {"events": [*bad, *(usage(f"e{n}") for n in range(97))]}
    first, again = post(batch), post(batch)
    assert (first.status, first.body["counted"], first.body["refused"]) == (HTTPStatus.MULTI_STATUS, 97, 3)
    assert [result.get("code") for result in first.body["results"][:3]] == [
        "invalid_request",
        "unknown_meter",
        "invalid_request",
    ]
    assert (again.body["counted"], again.body["duplicate"], again.body["refused"]) == (0, 97, 3)
    assert used(metering) == 970


def test_a_repeat_inside_one_batch_counts_once(post: Callable[[Any], Answer], metering: Metering) -> None:
    answer = post({"events": [usage("e1"), usage("e1")]})
    assert [result["status"] for result in answer.body["results"]] == ["counted", "duplicate"]
    assert used(metering) == 10


def test_scenario_56_the_time_of_an_event_is_bounded(post: Callable[[Any], Answer]) -> None:
    answer = post(
        {
            "events": [
                usage("ahead", time="2026-03-10T15:25:00Z"),
                usage("too-far-ahead", time="2026-03-10T15:25:00.001Z"),
                usage("old", time="2026-01-01T00:00:00+09:00"),
                usage("too-old", time="2025-12-10T15:20:00Z"),
                usage("naive", time="2026-03-10T15:20:00"),
            ]
        }
    )
    assert [result.get("code", result["status"]) for result in answer.body["results"]] == [
        "counted",
        "event_time_out_of_range",
        "counted",
        "event_time_out_of_range",
        "invalid_request",
    ]


def test_scenario_56_an_event_of_a_closed_period_counts_there_within_the_grace_and_is_refused_after_it(
    metering: Metering,
) -> None:
    def post_at(now: datetime, event: dict[str, object]) -> Answer:
        deps = MeteringDeps(metering, lambda: now)
        return read_answer(handler(api_event("usage_batch", body={"events": [event]}), LambdaContext(), deps))

    # Given a month with usage that has closed
    post_at(NOW, usage("march"))
    closed = datetime(2026, 4, 10, 15, 20, tzinfo=UTC)

    # When two events of it come, one soon after and one too late
    in_time = post_at(closed + timedelta(hours=71), usage("soon", time="2026-04-10T15:00:00Z"))
    too_late = post_at(closed + timedelta(hours=72), usage("late", time="2026-04-10T15:00:00Z"))

    # Then the one counts, and the other is told why not
    assert in_time.body["counted"] == 1
    assert (too_late.status, too_late.body["results"][0]["code"]) == (HTTPStatus.UNPROCESSABLE_ENTITY, "period_closed")
    assert metering.current_balance("acct_1001", "tokens", closed + timedelta(hours=73)).used == 0


@pytest.mark.parametrize("body", [{"events": []}, {"events": [usage(f"e{n}") for n in range(101)]}, {}, [usage("e1")]])
def test_a_batch_out_of_bounds_is_refused_whole(
    post: Callable[[Any], Answer], dynamodb: "DynamoDBClient", table: str, body: object
) -> None:
    assert post(body).status == HTTPStatus.UNPROCESSABLE_ENTITY
    assert dynamodb.scan(TableName=table)["Count"] == 0


def test_a_byte_order_mark_is_no_part_of_the_body(post: Callable[[Any], Answer]) -> None:
    assert post("\ufeff" + json.dumps({"events": [usage("e1")]})).body["counted"] == 1
