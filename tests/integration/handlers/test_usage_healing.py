"""Calls that LiteLLM's log has and nobody told us of: found, reported and, by setting, counted exactly once."""

import json
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.catalog import Catalog, load_catalog
from pancake_meter.catalog.model import LiteLlmFile
from pancake_meter.deps.healing import HealingDeps
from pancake_meter.domain.usage.llm_call import LlmCallSettings, MissedCalls
from pancake_meter.litellm.client import PAGE_SIZE, LiteLLMClient
from pancake_meter.store.balance.balances import read_balance
from pancake_meter.store.errors import StoreUnavailable
from pancake_meter.store.table import Table
from pancake_meter.store.usage.parked_usage import parked_usage
from pancake_meter.usecases.balance.hold_quota import HoldPlaced, hold_quota
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.usage.count_usage import count_items
from pancake_meter.usecases.usage.heal import OVERLAP, PATIENCE, Healing, heal_usage
from pancake_meter.usecases.usage.sources import LITELLM
from pancake_meter.value import replace
from tests.support.api import LambdaContext, api_event, read_answer
from tests.support.fake_litellm import KEY, FakeLiteLLM
from tests.support.faulty_dynamodb import FaultyDynamoDB, When
from tests.support.fixed_key import FixedKey
from tests.support.table import create_table
from usage_healing import handler

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ROOT = Path(__file__).resolve().parents[3]
CATALOG = load_catalog(ROOT / "layers" / "catalog" / "catalog.toml")
ROWS: dict[str, dict[str, Any]] = json.loads((ROOT / "tests" / "data" / "litellm" / "spend_logs.json").read_text())[
    "rows"
]
CALLED_AT = datetime.fromisoformat(ROWS["plain"]["startTime"])
NOW = (CALLED_AT + timedelta(hours=1)).replace(microsecond=0)
CUSTOMER = "acct_1001"
CONTEXT = LambdaContext(remaining_ms=[180_000])
TOLD = 13 + 24 + 130
"""Tokens of the three captured calls that count."""


def catalog(missed: MissedCalls, customer: tuple[str, ...] = ("team_id", "end_user")) -> Catalog:
    assert CATALOG.llm_calls is not None
    return replace(CATALOG, llm_calls=replace(CATALOG.llm_calls, missed=missed, customer=customer))


@pytest.fixture
def litellm() -> FakeLiteLLM:
    return FakeLiteLLM(deepcopy(list(ROWS.values())))


@pytest.fixture
def recording(dynamodb: "DynamoDBClient", table: str) -> Metering:
    return Metering(Table(dynamodb, table), catalog("record"))


def always() -> bool:
    return True


def client(litellm: FakeLiteLLM, key: str = KEY) -> LiteLLMClient:
    return LiteLLMClient("https://litellm.example.com/", FixedKey(key), transport=litellm.transport())


def heal(metering: Metering, litellm: FakeLiteLLM, now: datetime = NOW) -> dict[str, Any]:
    """Run for the schedule; the report."""
    report: dict[str, Any] = handler({}, CONTEXT, HealingDeps(metering, client(litellm), lambda: now))
    return report


def used(metering: Metering, customer_id: str = CUSTOMER) -> int:
    balance = read_balance(metering.table, customer_id, "tokens")
    return int(balance.used) if balance else 0


def row(number: int, started_at: datetime, **changes: object) -> dict[str, Any]:
    """A call of 13 tokens."""
    ids = {"request_id": f"chatcmpl-{number}", "litellm_call_id": f"call-{number}"}
    times = {"startTime": started_at.isoformat(), "endTime": (started_at + timedelta(seconds=1)).isoformat()}
    return {**deepcopy(ROWS["plain"]), **ids, **times, **changes}


def told(metering: Metering, *rows: Mapping[str, Any]) -> None:
    """Count what a callback would have told of these calls."""
    payloads = [
        {
            "litellm_call_id": each["litellm_call_id"],
            "status": "success",
            "endTime": str(datetime.fromisoformat(each["endTime"]).timestamp()),
            "end_user": each["end_user"],
            "metadata": {"usage_object": each["metadata"]["usage_object"]},
        }
        for each in rows
    ]
    count_items(metering, LITELLM, payloads, NOW)


def test_what_a_callback_lost_is_found_and_counted_once(recording: Metering, litellm: FakeLiteLLM) -> None:
    # Given: one of the calls was told of
    told(recording, ROWS["streamed"])
    assert used(recording) == 24
    # When
    first = heal(recording, litellm)
    # Then: a failed call and one out of the proxy's cache do not count
    assert (first["read"], first["known"], first["ignored"], first["missed"], first["recorded"]) == (5, 1, 2, 2, 2)
    assert first["missed_units"] == {"tokens": Decimal(13 + 130)}
    assert used(recording) == TOLD
    # When: the log is read again, as every sweep does
    second = heal(recording, litellm, NOW + timedelta(minutes=15))
    # Then
    assert (second["missed"], second["recorded"]) == (0, 0)
    assert used(recording) == TOLD


def test_by_default_what_is_missed_is_reported_and_nothing_changes(
    dynamodb: "DynamoDBClient", table: str, litellm: FakeLiteLLM
) -> None:
    assert LlmCallSettings(meters=("tokens",), customer=("end_user",)).missed == "report"
    assert LiteLlmFile(meters=["tokens"]).missed_calls == "report"
    reporting = Metering(Table(dynamodb, table), catalog("report"))
    told(reporting, ROWS["plain"])
    report = heal(reporting, litellm)
    assert (report["mode"], report["known"], report["missed"], report["recorded"]) == ("report", 1, 2, 0)
    assert report["missed_units"] == {"tokens": Decimal(24 + 130)}
    assert used(reporting) == 13


def test_a_hold_that_expired_with_nothing_settled_is_healed(recording: Metering, litellm: FakeLiteLLM) -> None:
    # Given: the proxy died between hold and settlement
    call_id = ROWS["cached_tokens"]["litellm_call_id"]
    placed = hold_quota(recording, CUSTOMER, "tokens", call_id, Decimal(500), timedelta(minutes=5), CALLED_AT)
    assert isinstance(placed, HoldPlaced)
    litellm.rows = [deepcopy(ROWS["cached_tokens"])]
    # When
    assert heal(recording, litellm)["recorded"] == 1
    # Then
    assert used(recording) == 130


def test_calls_too_young_to_be_missed_wait_for_a_later_run(recording: Metering, litellm: FakeLiteLLM) -> None:
    young = CALLED_AT + timedelta(minutes=1)
    assert heal(recording, litellm, young)["read"] == 0
    assert heal(recording, litellm, young + PATIENCE + timedelta(minutes=1))["recorded"] == 3
    assert used(recording) == TOLD


def test_a_row_that_was_written_long_after_its_call_began_is_found(recording: Metering, litellm: FakeLiteLLM) -> None:
    slow = row(1, NOW - PATIENCE - timedelta(minutes=2))
    heal(recording, litellm)
    litellm.rows.append(slow)
    heal(recording, litellm, NOW + OVERLAP - timedelta(minutes=5))
    assert used(recording) == TOLD + 13


def test_every_page_is_read_though_many_calls_began_in_one_second(recording: Metering, litellm: FakeLiteLLM) -> None:
    second = CALLED_AT.replace(microsecond=0)
    litellm.rows = [row(number, second + timedelta(milliseconds=number % 900)) for number in range(PAGE_SIZE * 2 + 7)]
    litellm.rows += [row(1000 + number, second + timedelta(seconds=number)) for number in range(1, PAGE_SIZE + 3)]
    report = heal(recording, litellm)
    assert (report["missed"], report["recorded"]) == (PAGE_SIZE * 3 + 9, PAGE_SIZE * 3 + 9)
    assert used(recording) == 13 * (PAGE_SIZE * 3 + 9)


def test_a_run_that_ends_early_is_gone_on_with(recording: Metering, litellm: FakeLiteLLM) -> None:
    litellm.rows = [row(number, CALLED_AT + timedelta(seconds=number)) for number in range(PAGE_SIZE * 3)]
    reports: list[Healing] = []
    while not reports or reports[-1].is_left:
        one_page = iter([True, False])
        now = NOW + timedelta(minutes=len(reports))
        reports.append(heal_usage(recording, client(litellm), now, may_go_on=partial(next, one_page)))
    assert (len(reports), used(recording)) == (4, 13 * PAGE_SIZE * 3)
    assert {healing.until for healing in reports} == {NOW - PATIENCE}


@pytest.mark.parametrize("fails_at", [1, 2])
def test_litellms_trouble_is_visible_and_harmless(recording: Metering, litellm: FakeLiteLLM, fails_at: int) -> None:
    # Given
    litellm.rows = [row(number, CALLED_AT + timedelta(seconds=number)) for number in range(PAGE_SIZE + 20)]
    litellm.fails_at = fails_at
    # When
    report = heal(recording, litellm)
    # Then
    assert report["failure"] is not None
    assert "500" in report["failure"]
    assert (report["is_left"], KEY in str(report)) == (True, False)
    # When: the next run
    report = heal(recording, litellm, NOW + timedelta(minutes=15))
    # Then
    assert (report["failure"], report["is_left"]) == (None, False)
    assert used(recording) == 13 * (PAGE_SIZE + 20)


def test_a_wrong_key_is_a_failure_that_says_so(recording: Metering, litellm: FakeLiteLLM) -> None:
    deps = HealingDeps(recording, client(litellm, "sk-wrong"), lambda: NOW)
    report = handler({}, CONTEXT, deps)
    assert "401" in str(report["failure"])
    assert used(recording) == 0


def test_runs_at_once_count_once(recording: Metering, litellm: FakeLiteLLM) -> None:
    litellm.rows = [row(number, CALLED_AT + timedelta(seconds=number)) for number in range(150)]
    with ThreadPoolExecutor(4) as runs:
        list(runs.map(lambda _: heal_usage(recording, client(litellm), NOW, may_go_on=always), range(4)))
    assert used(recording) == 13 * 150


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_at_any_call_of_the_store_then_the_next_run_counts_once(
    dynamodb: "DynamoDBClient", litellm: FakeLiteLLM, when: When
) -> None:
    fails_at = 0
    while True:
        fails_at += 1
        name = create_table(dynamodb, f"test-{uuid.uuid4().hex}")
        faulty: Any = FaultyDynamoDB(dynamodb, fails_at, when)
        crashing = Metering(Table(faulty, name, sleep=lambda _: None), catalog("record"))
        try:
            heal_usage(crashing, client(litellm), NOW, may_go_on=always)
            crashed = False
        except StoreUnavailable:
            crashed = True
        sound = Metering(Table(dynamodb, name), catalog("record"))
        heal_usage(sound, client(litellm), NOW + timedelta(minutes=15), may_go_on=always)
        assert used(sound) == TOLD, (fails_at, when)
        if not crashed:
            assert fails_at > 3
            return


def test_a_call_whose_customer_is_named_by_its_key_is_found_by_the_key(
    dynamodb: "DynamoDBClient", table: str, litellm: FakeLiteLLM
) -> None:
    # Given: a client that names another customer in its request
    metering = Metering(Table(dynamodb, table), catalog("record", ("key_metadata.customer_id", "end_user")))
    litellm.keys = {"hash-1": {"metadata": {"customer_id": "acct_7"}}}
    litellm.rows = [row(1, CALLED_AT, api_key="hash-1"), row(2, CALLED_AT, api_key="hash-1")]
    # When
    heal(metering, litellm)
    # Then
    assert (used(metering, "acct_7"), used(metering)) == (26, 0)
    assert len([query for query in litellm.requests if "key" in query]) == 1


def test_a_call_whose_key_is_gone_is_parked_and_counted_for_nobody(
    dynamodb: "DynamoDBClient", table: str, litellm: FakeLiteLLM
) -> None:
    metering = Metering(Table(dynamodb, table), catalog("record", ("key_metadata.customer_id", "end_user")))
    litellm.rows = [row(1, CALLED_AT, api_key="hash-gone"), row(2, CALLED_AT)]
    for run in range(3):
        report = heal(metering, litellm, NOW + timedelta(minutes=5 * run))
        assert (report["uncountable"], report["parked"]) == (1, 1)
    assert used(metering) == 13
    ((parked,), _) = parked_usage(metering.table, NOW, limit=10)
    assert (parked.code, json.loads(parked.content)["litellm_call_id"]) == ("customer_unknown", "call-1")


def test_rows_that_no_meter_can_count_are_parked_once(recording: Metering, litellm: FakeLiteLLM) -> None:
    litellm.rows = [
        row(1, CALLED_AT, end_user=""),
        row(2, CALLED_AT, metadata={}, prompt_tokens=-1),
        row(3, CALLED_AT, litellm_call_id=None, metadata={}),
        {"request_id": "no start", "startTime": CALLED_AT.isoformat(), "metadata": "text"},
        row(4, CALLED_AT),
    ]
    for run in range(2):
        assert heal(recording, litellm, NOW + timedelta(minutes=run))["parked"] == 4
    assert used(recording) == 13
    parked, _ = parked_usage(recording.table, NOW, limit=10)
    assert len(parked) == 4


def test_a_call_known_with_other_units_stays_as_it_was_told(recording: Metering, litellm: FakeLiteLLM) -> None:
    told(recording, {**ROWS["plain"], "metadata": {"usage_object": {"prompt_tokens": 5, "completion_tokens": 5}}})
    report = heal(recording, litellm)
    assert (report["differing"], report["missed"]) == (1, 2)
    assert used(recording) == 10 + 24 + 130


def test_on_demand_it_answers_what_was_found(recording: Metering, litellm: FakeLiteLLM) -> None:
    deps = HealingDeps(recording, client(litellm), lambda: NOW)
    answer = read_answer(handler(api_event("usage_heal"), CONTEXT, deps))
    assert answer.status == HTTPStatus.OK
    assert answer.body["missed_units"] == {"tokens": TOLD}
    assert answer.body["failure"] is None


def test_on_demand_the_patience_may_be_shorter(recording: Metering, litellm: FakeLiteLLM) -> None:
    deps = HealingDeps(recording, client(litellm), lambda: CALLED_AT + timedelta(seconds=30))
    assert read_answer(handler(api_event("usage_heal"), CONTEXT, deps)).body["read"] == 0
    event = api_event("usage_heal", body={"patience_seconds": 0})
    assert read_answer(handler(event, CONTEXT, deps)).body["recorded"] == 3
    wrongs: list[object] = [{"patience_seconds": -1}, {"patience": 5}, []]
    for wrong in wrongs:
        answer = read_answer(handler(api_event("usage_heal", body=wrong), CONTEXT, deps))
        assert answer.status == HTTPStatus.UNPROCESSABLE_ENTITY, answer.body


def test_without_a_section_of_litellm_it_says_so(dynamodb: "DynamoDBClient", table: str, litellm: FakeLiteLLM) -> None:
    none = Metering(Table(dynamodb, table), replace(CATALOG, llm_calls=None))
    deps = HealingDeps(none, client(litellm), lambda: NOW)
    answer = read_answer(handler(api_event("usage_heal"), CONTEXT, deps))
    assert (answer.status, answer.body["code"]) == (HTTPStatus.BAD_REQUEST, "unreadable_usage")
    assert litellm.requests == []


def test_the_log_is_asked_in_utc() -> None:
    litellm = FakeLiteLLM()
    start = datetime(2026, 3, 1, 1, 30, 59, tzinfo=UTC)
    client(litellm).spend_logs(start, start + timedelta(hours=2), 1)
    assert litellm.requests[0]["start_date"] == "2026-03-01 01:30:59"
