"""Usage in LiteLLM's and OpenMeter's formats, event in and answer out."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.catalog import load_catalog, parse_catalog
from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.store.balance.balances import read_balance
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.value import replace
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.faulty_dynamodb import FaultyDynamoDB
from usage_recording import handler

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ROOT = Path(__file__).resolve().parents[3]
DEFAULT_CATALOG = load_catalog(ROOT / "layers" / "catalog" / "catalog.toml")
CATALOG_TEXT = (
    (ROOT / "layers" / "catalog" / "catalog.toml").read_text().replace('"team_id"] #', '"team_id", "end_user"] #')
)
CATALOG = parse_catalog(CATALOG_TEXT)
"""The default catalog of a seller whose proxy lets no client choose its own ``user``."""

CAPTURE: dict[str, dict[str, Any]] = json.loads(
    (ROOT / "tests" / "data" / "litellm" / "generic_api_batch.json").read_text()
)["events"]
NOW = datetime.fromtimestamp(1795427210, UTC)
"""Some seconds after the capture."""

Post = Callable[..., Answer]


@pytest.fixture
def metering(dynamodb: "DynamoDBClient", table: str) -> Metering:
    return Metering(Table(dynamodb, table), CATALOG)


@pytest.fixture
def post(metering: Metering) -> Post:
    return poster(metering)


def poster(metering: Metering) -> Post:
    def post(
        name: str,
        body: object,
        content_type: str = "application/json",
        path: str | None = None,
        query: dict[str, str] | None = None,
        remaining_ms: tuple[int, ...] = (30_000,),
    ) -> Answer:
        event = api_event(name, body=body, path=path, query=query)
        event["headers"]["content-type"] = content_type
        # The deadline is taken from the first reading.
        context = LambdaContext(remaining_ms=[remaining_ms[0], *remaining_ms])
        return read_answer(handler(event, context, MeteringDeps(metering, lambda: NOW)))

    return post


@pytest.fixture
def litellm(post: Post) -> Callable[[object], Answer]:
    return lambda body: post("usage_litellm", body)


def call_of(customer_id: str, call_id: str) -> dict[str, Any]:
    """A captured call of another customer, without what makes it large."""
    whole = with_metadata(call(litellm_call_id=call_id), user_api_key_end_user_id=customer_id)
    small = whole.keys() - {"messages", "response", "model_map_information", "hidden_params"}
    return {name: whole[name] for name in small}


def used(metering: Metering, customer_id: str, meter: str = "tokens") -> int | None:
    balance = read_balance(metering.table, customer_id, meter)
    return int(balance.used) if balance else None


def call(case: str = "nonstream_user", **changes: Any) -> dict[str, Any]:
    """A captured call, with fields changed."""
    return {**deepcopy(CAPTURE[case]), **changes}


def with_metadata(payload: dict[str, Any], **changes: object) -> dict[str, Any]:
    return {**payload, "metadata": {**payload["metadata"], **changes}}


@pytest.mark.parametrize(
    ("case", "customer_id", "tokens"),
    [
        ("nonstream_user", "cust_1", 30),
        ("stream_user", "cust_2", 12),
        ("stream_include_usage", "cust_3", 12),
        ("header_end_user", "cust_hdr", 30),
        ("user_plus_metadata_tags", "cust_4", 30),
        ("unpriced_model", "cust_5", 30),  # LiteLLM's own cost says nothing
    ],
)
def test_each_case_of_the_capture_is_counted_right(
    litellm: Callable[[object], Answer], metering: Metering, case: str, customer_id: str, tokens: int
) -> None:
    answer = litellm([CAPTURE[case]])
    assert (answer.status, answer.body["counted"]) == (HTTPStatus.OK, 1)
    assert used(metering, customer_id) == tokens


def test_the_whole_capture_counts_what_it_can_and_says_what_became_of_the_rest(
    litellm: Callable[[object], Answer], metering: Metering
) -> None:
    # When the batch comes as LiteLLM sends it
    answer = litellm(list(CAPTURE.values()))

    # Then six are counted, the failed call is not counted by default, and the call of nobody is parked
    assert answer.status == HTTPStatus.OK
    figures = {name: answer.body[name] for name in ("counted", "duplicate", "ignored", "parked")}
    assert figures == {"counted": 6, "duplicate": 0, "ignored": 1, "parked": 1}
    (parked,) = answer.body["parked_items"]
    assert (parked["index"], parked["code"]) == (list(CAPTURE).index("no_user"), "customer_unknown")

    # And the same batch again changes nothing
    again = litellm(list(CAPTURE.values())).body
    assert (again["counted"], again["duplicate"], again["parked_items"][0]["id"]) == (0, 6, parked["id"])
    assert used(metering, "cust_1") == 30


@pytest.mark.parametrize("log_format", ["json_array", "ndjson", "ndjson typed", "single"])
def test_every_log_format_counts_the_same(post: Post, metering: Metering, log_format: str) -> None:
    calls = [CAPTURE["nonstream_user"], CAPTURE["stream_user"]]
    match log_format:
        case "json_array":
            post("usage_litellm", json.dumps(calls))
        case "ndjson":
            post("usage_litellm", "\n".join(map(json.dumps, calls)))
        case "ndjson typed":
            post("usage_litellm", "\n".join(map(json.dumps, calls)) + "\n", "application/x-ndjson")
        case "single":
            for each in calls:
                post("usage_litellm", json.dumps(each))
    assert (used(metering, "cust_1"), used(metering, "cust_2")) == (30, 12)


def test_a_bad_line_of_ndjson_is_parked_and_the_others_count(post: Post, metering: Metering) -> None:
    lines = [json.dumps(CAPTURE["nonstream_user"]), '{"cut off', json.dumps(CAPTURE["stream_user"])]
    answer = post("usage_litellm", "\n".join(lines), "application/x-ndjson")
    assert (answer.status, answer.body["counted"], answer.body["parked"]) == (HTTPStatus.OK, 2, 1)
    assert used(metering, "cust_2") == 12


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"litellm_call_id": None}, "unreadable_usage"),
        ({"litellm_call_id": "x" * 200}, "invalid_event_id"),
        ({"endTime": None}, "unreadable_usage"),
        ({"endTime": 4e300}, "unreadable_usage"),
        ({"endTime": 1795427210 + 301}, "event_time_out_of_range"),
        ({"endTime": 1}, "event_time_out_of_range"),
        ({"status": None}, "unreadable_usage"),
    ],
)
def test_scenario_61_a_bad_item_is_parked_with_its_reason_and_the_rest_counts(
    litellm: Callable[[object], Answer], metering: Metering, changes: dict[str, Any], code: str
) -> None:
    answer = litellm([call(**changes), CAPTURE["stream_user"]])
    assert (answer.status, answer.body["counted"]) == (HTTPStatus.OK, 1)
    assert [item["code"] for item in answer.body["parked_items"]] == [code]
    assert (used(metering, "cust_1"), used(metering, "cust_2")) == (None, 12)


@pytest.mark.parametrize("count", ["NaN", "1e400", "-1", str(2**63 + 1), "9" * 38, '"1,000"', "0.1234567"])
def test_scenario_55_a_count_that_is_no_quantity_costs_its_own_item_only(
    post: Post, metering: Metering, count: str
) -> None:
    text = json.dumps(call()["metadata"]["usage_object"] | {"prompt_tokens": 424242}).replace("424242", count)
    bad = with_metadata(call(), usage_object="PLACE")
    body = json.dumps([bad, CAPTURE["stream_user"]]).replace('"PLACE"', text)
    answer = post("usage_litellm", body)
    assert (answer.status, answer.body["counted"], answer.body["parked"]) == (HTTPStatus.OK, 1, 1)
    assert used(metering, "cust_2") == 12


def test_a_deeply_nested_request_of_one_client_does_not_cost_the_others(post: Post, metering: Metering) -> None:
    deep: Any = "x"
    for _ in range(200):
        deep = {"properties": deep}
    body = json.dumps([call(model_parameters={"tools": deep}), CAPTURE["stream_user"]])
    assert post("usage_litellm", body).body["counted"] == 2
    assert used(metering, "cust_2") == 12


def test_what_is_no_json_at_all_is_refused_and_changes_nothing(
    post: Post, dynamodb: "DynamoDBClient", table: str
) -> None:
    answer = post("usage_litellm", "not json")
    assert (answer.status, answer.body["code"]) == (HTTPStatus.BAD_REQUEST, "malformed_json")
    assert dynamodb.scan(TableName=table)["Count"] == 0


def test_a_body_that_comes_as_base64_is_read_as_its_bytes(metering: Metering) -> None:
    def posted(raw: bytes) -> int:
        event = api_event("usage_litellm", body=b64encode(raw).decode())
        return read_answer(
            handler({**event, "isBase64Encoded": True}, LambdaContext(), MeteringDeps(metering, lambda: NOW))
        ).status

    assert posted(json.dumps([call()]).encode()) == HTTPStatus.OK
    assert used(metering, "cust_1") == 30
    assert posted(b"\xff\xfe[") == HTTPStatus.BAD_REQUEST


def test_512_full_payloads_of_one_customer_are_a_few_transactions(post: Post, metering: Metering) -> None:
    # Given a batch as large as LiteLLM makes them
    batch = [call(litellm_call_id=f"call-{number}") for number in range(512)]
    body = json.dumps(batch)
    assert len(body) > 1_000_000

    # Then all of it counts
    assert post("usage_litellm", body).body["counted"] == 512
    assert used(metering, "cust_1") == 512 * 30


# --- Settings -----------------------------------------------------------------------------------------------------


def with_settings(metering: Metering, **settings: Any) -> Post:
    assert CATALOG.llm_calls is not None
    return poster(replace(metering, catalog=replace(CATALOG, llm_calls=replace(CATALOG.llm_calls, **settings))))


def test_failures_and_cache_hits_count_when_the_catalog_says_so(metering: Metering) -> None:
    failed, hit = call("upstream_error_429"), call(cache_hit=True)
    plain = poster(metering)("usage_litellm", [failed, hit]).body
    assert (plain["ignored"], plain["counted"]) == (2, 0)
    settings = {"counts_failures": True, "counts_cache_hits": True, "meters": ("requests",)}
    assert with_settings(metering, **settings)("usage_litellm", [failed, hit]).body["counted"] == 2
    assert (used(metering, "cust_6", "requests"), used(metering, "cust_1", "requests")) == (1, 1)


def test_the_identity_bound_to_the_key_goes_before_the_one_that_a_client_can_forge(metering: Metering) -> None:
    # Given a key that belongs to one customer, and a request that claims another
    key = {"user_api_key_team_id": "team_7", "user_api_key_auth_metadata": {"customer_id": "acct_owner"}}
    bound = with_metadata(call(), **key)
    assert poster(metering)("usage_litellm", [bound]).body["counted"] == 1
    assert (used(metering, "acct_owner"), used(metering, "team_7"), used(metering, "cust_1")) == (30, None, None)

    # And the order is the catalog's
    other = {**bound, "litellm_call_id": "another"}
    with_settings(metering, customer=("end_user", "team_id"))("usage_litellm", [other])
    assert used(metering, "cust_1") == 30


def test_one_call_feeds_several_meters_once_each(metering: Metering) -> None:
    post = with_settings(metering, meters=("tokens", "requests"))
    assert post("usage_litellm", [CAPTURE["nonstream_user"]]).body["counted"] == 1
    assert post("usage_litellm", [CAPTURE["nonstream_user"]]).body["duplicate"] == 1
    assert (used(metering, "cust_1"), used(metering, "cust_1", "requests")) == (30, 1)


def test_promise_1_trouble_between_two_meters_is_healed_by_sending_the_batch_again(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    for fails_at in range(1, 9):
        # Given trouble at one call, after it took effect
        payload = call(litellm_call_id=f"call-{fails_at}", end_user=f"cust-{fails_at}")
        payload = with_metadata(payload, user_api_key_end_user_id=f"cust-{fails_at}")
        faulty = Metering(Table(FaultyDynamoDB(dynamodb, fails_at, "after"), table, sleep=lambda _: None), CATALOG)  # type: ignore[arg-type]
        sound = Metering(Table(dynamodb, table), CATALOG)
        first = with_settings(faulty, meters=("tokens", "requests"))("usage_litellm", [payload])
        assert first.status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.OK)

        # When LiteLLM sends it again
        again = with_settings(sound, meters=("tokens", "requests"))("usage_litellm", [payload])

        # Then it is counted once in each
        assert again.status == HTTPStatus.OK
        assert (used(sound, f"cust-{fails_at}"), used(sound, f"cust-{fails_at}", "requests")) == (30, 1)


def test_cached_tokens_are_weighed_by_the_usage_object_and_never_by_the_cost(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    weights = 'weights = { output = 5, models = { "claude-*" = { cache_read = "0.1", cache_write = "1.25" } } }'
    weighed = CATALOG_TEXT.replace('counts = "tokens"', f'counts = "tokens"\n{weights}\n#', 1)
    metering = Metering(Table(dynamodb, table), parse_catalog(weighed))
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 20,
        "total_tokens": 1020,
        "prompt_tokens_details": {"cached_tokens": 600, "cache_creation_tokens": 200},
    }
    cached = with_metadata(call(model="anthropic/claude-sonnet-4-5", response_cost=99.0), usage_object=usage)
    poster(metering)("usage_litellm", [cached])
    assert used(metering, "cust_1") == 200 + 60 + 250 + 20


# --- Parked usage -------------------------------------------------------------------------------------------------


def test_parked_usage_is_listed_and_counts_once_it_can_be(post: Post, metering: Metering) -> None:
    # Given a call of nobody
    post("usage_litellm", [CAPTURE["no_user"]])
    (parked,) = post("usage_parked", None).body["parked"]
    assert (parked["source"], parked["code"], parked["counted_at"]) == ("litellm", "customer_unknown", None)
    assert "hello from mock" not in parked["content"]

    # When it is tried again as things are, it stays parked
    replay = f"/v1/usage/parked/{parked['id']}/replay"
    assert post("usage_parked_replay", None, path=replay).body["status"] == "parked"
    assert len(post("usage_parked", None).body["parked"]) == 1

    # And when the catalog trusts the key's hash, it counts, once, and leaves the list
    mended = with_settings(metering, customer=("key_hash",))
    assert mended("usage_parked_replay", None, path=replay).body["status"] == "counted"
    assert mended("usage_parked_replay", None, path=replay).body["status"] == "duplicate"
    assert mended("usage_parked", None).body["parked"] == []
    assert used(metering, "litellm_proxy_master_key") == 30


def test_parked_usage_is_paged(post: Post) -> None:
    calls = [call("no_user", litellm_call_id=f"call-{number}") for number in range(120)]
    assert post("usage_litellm", calls).body["parked"] == 120
    assert len({item["id"] for item in pages(post)}) == 120


def pages(post: Post) -> Iterator[dict[str, Any]]:
    query: dict[str, str] = {}
    for _ in range(10):
        answer = post("usage_parked", None, query=query)
        yield from answer.body["parked"]
        if answer.body["next_cursor"] is None:
            return
        query = {"cursor": answer.body["next_cursor"]}


@pytest.mark.parametrize("parked_id", ["0" * 64, "F" * 64, "x", "a" * 3000])
def test_what_was_never_parked_cannot_be_replayed(post: Post, parked_id: str) -> None:
    answer = post("usage_parked_replay", None, path=f"/v1/usage/parked/{parked_id}/replay")
    assert answer.status == HTTPStatus.NOT_FOUND


def dismiss(post: Post, parked_id: str, body: object) -> Answer:
    return post("usage_parked_dismiss", body, path=f"/v1/usage/parked/{parked_id}/dismiss")


def test_parked_usage_is_dismissed_with_a_reason_kept_and_may_still_count_once(post: Post, metering: Metering) -> None:
    # Given a call of nobody
    post("usage_litellm", [CAPTURE["no_user"]])
    (parked,) = post("usage_parked", None).body["parked"]
    assert (parked["dismissed_at"], parked["dismissed_reason"]) == (None, None)

    # When it is dismissed, it is no longer open, and kept
    first = dismiss(post, parked["id"], {"reason": "a test of ours"})
    assert (first.status, first.body["dismissed_reason"]) == (HTTPStatus.OK, "a test of ours")
    assert first.body["dismissed_by"] == "seller-backend"
    assert first.body["dismissed_at"] is not None
    assert post("usage_parked", None).body["parked"] == []
    assert post("usage_parked", None, query={"status": "dismissed"}).body["parked"] == [first.body]

    # And to dismiss it again, or to send the call again, changes nothing
    assert dismiss(post, parked["id"], {"reason": "another"}).body == first.body
    post("usage_litellm", [CAPTURE["no_user"]])
    replay = f"/v1/usage/parked/{parked['id']}/replay"
    assert post("usage_parked_replay", None, path=replay).body["status"] == "parked"
    assert post("usage_parked", None).body["parked"] == []

    # Then it still counts when it can, once
    mended = with_settings(metering, customer=("key_hash",))
    assert mended("usage_parked_replay", None, path=replay).body["status"] == "counted"
    assert mended("usage_parked_replay", None, path=replay).body["status"] == "duplicate"
    assert used(metering, "litellm_proxy_master_key") == 30
    assert post("usage_parked", None, query={"status": "dismissed"}).body["parked"] == []
    assert dismiss(post, parked["id"], {"reason": "too late"}).body["counted_at"] is not None
    assert post("usage_parked", None, query={"status": "dismissed"}).body["parked"] == []


@pytest.mark.parametrize(
    "body", [{}, {"reason": ""}, {"reason": "  "}, {"reason": "x" * 501}, {"reason": "a\0b"}, {"reason": 7}]
)
def test_a_dismissal_needs_a_reason(post: Post, body: object) -> None:
    post("usage_litellm", [CAPTURE["no_user"]])
    (parked,) = post("usage_parked", None).body["parked"]
    assert dismiss(post, parked["id"], body).status in {HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.BAD_REQUEST}
    assert len(post("usage_parked", None).body["parked"]) == 1


@pytest.mark.parametrize("parked_id", ["0" * 64, "F" * 64, "x", "a" * 3000])
def test_what_was_never_parked_cannot_be_dismissed(post: Post, parked_id: str) -> None:
    answer = dismiss(post, parked_id, {"reason": "why not"})
    assert (answer.status, answer.body["code"]) == (HTTPStatus.NOT_FOUND, "parked_usage_not_found")


# --- Nobody, and those whom a client can forge -----------------------------------------------------------------------

NOBODY = ["default_user_id", "unknown", "None", "null", "", "  ", " default_user_id"]


@pytest.mark.parametrize("name", NOBODY)
def test_scenario_57_a_call_of_nobody_is_parked_and_never_a_balance(
    metering: Metering, dynamodb: "DynamoDBClient", table: str, name: str
) -> None:
    every = ("key_metadata.customer_id", "key_user_id", "end_user", "spend_logs_metadata.account")
    post = with_settings(metering, customer=every)
    whose = {f"user_api_key_{kind}": name for kind in ("user_id", "end_user_id", "team_id")}
    bound = {"user_api_key_auth_metadata": {"customer_id": name}, "spend_logs_metadata": {"account": name}}
    (parked,) = post("usage_litellm", [with_metadata(call(end_user=name), **whose, **bound)]).body["parked_items"]
    assert parked["code"] == "customer_unknown"
    assert dynamodb.scan(TableName=table)["Count"] == 1


@pytest.mark.parametrize("name", NOBODY)
def test_scenario_57_litellm_s_openmeter_event_of_nobody_is_parked(post: Post, name: str) -> None:
    data = {"model": "gpt-4o-mini", "prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
    event = cloud_event(type="litellm_tokens", source="litellm-proxy", subject=name, data=data)
    assert post("usage_cloudevents", event).status == HTTPStatus.NO_CONTENT
    assert [item["code"] for item in post("usage_parked", None).body["parked"]] == ["customer_unknown"]


def test_what_is_nobody_to_litellm_may_be_somebody_s_customer_elsewhere(post: Post, metering: Metering) -> None:
    post("usage_cloudevents", [cloud_event(subject="unknown"), cloud_event(subject=" acct_1001", id="req-2")])
    assert used(metering, "unknown") == 1500
    assert [item["code"] for item in post("usage_parked", None).body["parked"]] == ["customer_unknown"]


def test_the_default_catalog_believes_no_name_that_a_client_can_forge(dynamodb: "DynamoDBClient", table: str) -> None:
    # Given the catalog as it comes, and a call that names a victim
    metering = Metering(Table(dynamodb, table), DEFAULT_CATALOG)
    answer = poster(metering)("usage_litellm", [CAPTURE["nonstream_user"]])
    # Then nobody pays for it, and it waits for the seller
    assert [item["code"] for item in answer.body["parked_items"]] == ["customer_unknown"]
    assert used(metering, "cust_1") is None


# --- OpenMeter ----------------------------------------------------------------------------------------------------


def cloud_event(**changes: object) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "type": "tokens-used",
        "id": "req-1",
        "source": "assistant",
        "subject": "acct_1001",
        "data": {"tokens": "1500"},
        **changes,
    }


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/cloudevents+json", cloud_event()),
        ("application/cloudevents+json; charset=utf-8", cloud_event()),
        ("application/cloudevents-batch+json", [cloud_event()]),
        ("application/cloudevents-batch+json; charset=UTF-8", [cloud_event()]),
        ("application/json", cloud_event()),
        ("application/json", [cloud_event()]),
    ],
)
def test_openmeter_s_content_types_are_204_once_counted(
    post: Post, metering: Metering, content_type: str, body: object
) -> None:
    answer = post("usage_cloudevents", body, content_type)
    assert (answer.status, answer.body) == (HTTPStatus.NO_CONTENT, "")
    assert used(metering, "acct_1001") == 1500


def test_litellm_s_own_openmeter_callback_is_counted(post: Post, metering: Metering) -> None:
    data = {"model": "gpt-4o-mini", "cost": 1.35e-05, "prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
    event = cloud_event(type="litellm_tokens", source="litellm-proxy", id="chatcmpl-1", data=data)
    assert post("usage_cloudevents", event, "application/cloudevents+json").status == HTTPStatus.NO_CONTENT
    assert used(metering, "acct_1001") == 30


def test_scenario_105_a_repeat_with_a_new_time_is_a_duplicate(post: Post, metering: Metering) -> None:
    # Given an event, sent again with the time of its sending, in another batch and in one
    times = [None, "2026-11-23T01:00:00Z", "2026-11-22T10:00:00Z"]
    events = [cloud_event(time=time) for time in times]
    assert NOW.date().isoformat() == "2026-11-23"
    for batch in ([events[1]], events, [events[2]]):
        assert post("usage_cloudevents", batch).status == HTTPStatus.NO_CONTENT

    # Then it counts once, at its first time, and nothing is parked
    assert used(metering, "acct_1001") == 1500
    assert post("usage_parked", None).body["parked"] == []


def test_scenario_105_what_an_earlier_version_counted_with_its_time_is_still_known(
    post: Post, metering: Metering
) -> None:
    # Given an event that was counted with its time in its fingerprint
    at = NOW - timedelta(days=1)
    event = usage_event("assistant/req-1", Decimal(1500), at, NOW)
    record_events(metering, "acct_1001", "tokens", [event], NOW)

    # When it comes again, with another time and with its own
    post("usage_cloudevents", [cloud_event(time=NOW.isoformat()), cloud_event(time=at.isoformat())])
    post("usage_cloudevents", cloud_event())

    # Then it is the same event
    assert used(metering, "acct_1001") == 1500
    assert post("usage_parked", None).body["parked"] == []


def test_scenario_44_an_event_again_with_another_value_is_parked_and_counts_nothing(
    post: Post, metering: Metering
) -> None:
    post("usage_cloudevents", cloud_event())
    post("usage_cloudevents", cloud_event(data={"tokens": 1501}))
    assert [item["code"] for item in post("usage_parked", None).body["parked"]] == ["event_conflict"]
    assert used(metering, "acct_1001") == 1500


def test_scenario_43_and_45_one_id_counts_once_for_each_source_and_each_customer(
    post: Post, metering: Metering
) -> None:
    for _ in range(2):
        for source in ("assistant", "worker"):
            for customer_id in ("acct_1001", "acct_1002"):
                post("usage_cloudevents", cloud_event(source=source, subject=customer_id))
    assert (used(metering, "acct_1001"), used(metering, "acct_1002")) == (3000, 3000)


def test_the_identity_of_an_event_is_source_and_id(post: Post, metering: Metering) -> None:
    tricky = [("a/b", "c"), ("a", "b/c"), ("a%2Fb", "c"), ("a", "b"), ("s" * 200, "i"), ("s" * 200, "j")]
    events = [cloud_event(source=source, id=event_id, data={"tokens": 1}) for source, event_id in tricky]
    post("usage_cloudevents", events)
    post("usage_cloudevents", [*events, *events])
    assert used(metering, "acct_1001") == len(tricky)


@pytest.mark.parametrize(
    "changes",
    [
        {"specversion": "0.3"},
        {"id": ""},
        {"id": 7},
        {"source": None},
        {"subject": ""},
        {"type": None},
        {"time": "yesterday"},
        {"time": "2026-03-10T15:20:00"},
        {"data": [1]},
    ],
)
def test_a_malformed_event_refuses_the_batch_whole_and_says_which(
    post: Post, dynamodb: "DynamoDBClient", table: str, changes: dict[str, object]
) -> None:
    answer = post("usage_cloudevents", [cloud_event(id="good"), cloud_event(**changes)])
    assert (answer.status, answer.body["index"]) == (HTTPStatus.BAD_REQUEST, 1)
    assert dynamodb.scan(TableName=table)["Count"] == 0


def test_an_event_that_no_meter_wants_or_can_read_is_parked(post: Post) -> None:
    events = [
        cloud_event(id="1", type="page-view"),
        cloud_event(id="2", data={"tokens": "many"}),
        cloud_event(id="3", data=None),
        cloud_event(id="4", subject="not/a/customer"),
        cloud_event(id="5"),
    ]
    assert post("usage_cloudevents", events).status == HTTPStatus.NO_CONTENT
    codes = sorted(item["code"] for item in post("usage_parked", None).body["parked"])
    assert codes == ["invalid_customer_id", "invalid_quantity", "invalid_quantity", "unknown_event_type"]


def test_a_large_event_is_parked_whole_and_one_that_could_not_be_kept_is_refused(
    post: Post, dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given an event that no meter wants, larger than most and smaller than what can be kept
    large = cloud_event(type="page-view", data={f"count_{number}": number for number in range(5_000)})
    assert post("usage_cloudevents", [large]).status == HTTPStatus.NO_CONTENT
    (parked,) = post("usage_parked", None).body["parked"]
    assert json.loads(parked["content"]) == large

    # When one is larger than that
    answer = post("usage_cloudevents", [cloud_event(id="good"), cloud_event(data={"text": "x" * 200_000})])

    # Then it is refused, and nothing changes
    assert (answer.status, answer.body["index"]) == (HTTPStatus.BAD_REQUEST, 1)
    assert dynamodb.scan(TableName=table)["Count"] == 1


def test_a_call_too_large_to_keep_is_parked_once_and_told_from_others(post: Post) -> None:
    counts = [{"prompt_tokens": 7, "note": "x" * 200_000 + end} for end in ("a", "b")]
    calls = [with_metadata(CAPTURE["no_user"], usage_object=each) for each in counts]
    for _ in range(2):
        assert post("usage_litellm", calls).body["parked"] == 2
    parked = post("usage_parked", None).body["parked"]
    assert len(parked) == 2
    post("usage_parked_replay", None, path=f"/v1/usage/parked/{parked[0]['id']}/replay")
    assert len(post("usage_parked", None).body["parked"]) == 2


@pytest.mark.parametrize(("stated", "counted"), [("1e3", 1000), ("2.5e1", 25), ("12.0", 12), ("7", 7)])
def test_a_parked_number_counts_as_what_it_was_however_it_was_written(
    dynamodb: "DynamoDBClient", table: str, stated: str, counted: int
) -> None:
    # Given an event that came before its type was in the catalog
    body = json.dumps(cloud_event(data={"tokens": "PLACE"})).replace('"PLACE"', stated)
    early = Metering(Table(dynamodb, table), replace(CATALOG, event_mappings=()))
    poster(early)("usage_cloudevents", body)
    (parked,) = poster(early)("usage_parked", None).body["parked"]

    # When the catalog has it
    metering = Metering(Table(dynamodb, table), CATALOG)
    replayed = poster(metering)("usage_parked_replay", None, path=f"/v1/usage/parked/{parked['id']}/replay")

    # Then it counts, and the client's own retry is a duplicate
    assert replayed.body["status"] == "counted"
    poster(metering)("usage_cloudevents", body)
    assert used(metering, "acct_1001") == counted


def test_text_that_is_no_unicode_is_malformed_and_no_bug(post: Post) -> None:
    body = json.dumps(cloud_event()).replace("assistant", "\\ud800")
    assert post("usage_cloudevents", body).status == HTTPStatus.BAD_REQUEST
    body = json.dumps([call()]).replace("cust_1", "\\ud800")
    assert post("usage_litellm", body).body["parked"] == 1


def test_scenario_60_a_call_is_known_by_the_gateway_s_id_whatever_the_provider_calls_it(
    litellm: Callable[[object], Answer], metering: Metering
) -> None:
    # Given one call told twice, under another id of the provider's, and with none
    told = [call(), call(id="chatcmpl-other"), {name: value for name, value in call().items() if name != "id"}]
    answer = litellm(told)
    assert (answer.body["counted"], answer.body["duplicate"]) == (1, 2)

    # Then a new call for the same work is a new call, and counts: no two of the gateway's ids are one
    assert litellm([call(litellm_call_id="minted-anew")]).body["counted"] == 1
    assert used(metering, "cust_1") == 60


def test_scenario_44_a_call_told_again_with_other_counts_is_parked_and_counts_nothing(
    litellm: Callable[[object], Answer], metering: Metering
) -> None:
    litellm([call()])
    usage = {**CAPTURE["nonstream_user"]["metadata"]["usage_object"], "completion_tokens": 500}
    (parked,) = litellm([with_metadata(call(), usage_object=usage)]).body["parked_items"]
    assert parked["code"] == "event_conflict"
    assert used(metering, "cust_1") == 30


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml"])
def test_another_content_type_is_refused(post: Post, content_type: str) -> None:
    answer = post("usage_cloudevents", cloud_event(), content_type)
    assert (answer.status, answer.body["code"]) == (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_content_type")


def test_passing_trouble_is_503_and_never_204(dynamodb: "DynamoDBClient", table: str) -> None:
    for name, body in (("usage_cloudevents", [cloud_event()]), ("usage_litellm", [CAPTURE["no_user"]])):
        faulty = Metering(Table(FaultyDynamoDB(dynamodb, 1, "before"), table, sleep=lambda _: None), CATALOG)  # type: ignore[arg-type]
        answer = poster(faulty)(name, body)
        assert (answer.status, answer.headers["Retry-After"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "1")


# --- More than there is time for ----------------------------------------------------------------------------------


ENOUGH, TOO_LITTLE = 20_000, 7_000
"""Milliseconds that Lambda has left."""


@pytest.mark.parametrize("source", ["usage_litellm", "usage_cloudevents"])
def test_promise_1_what_there_is_no_time_for_is_503_and_counts_when_the_batch_comes_again(
    post: Post, metering: Metering, source: str
) -> None:
    # Given a batch of as many customers as it has items, all of them new
    customers = [f"acct_{n}" for n in range(60)]
    if source == "usage_litellm":
        batch: list[object] = [call_of(who, f"c{n}") for n, who in enumerate(customers)]
        units = 30
    else:
        batch = [cloud_event(id=f"e{n}", subject=who) for n, who in enumerate(customers)]
        units = 1500

    # When time runs out after twenty of them
    cut = post(source, batch, remaining_ms=(*[ENOUGH] * 20, TOO_LITTLE))

    # Then the answer is no 4xx, which LiteLLM would never repeat, and what was counted is counted
    assert (cut.status, cut.headers["Retry-After"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "1")
    assert [used(metering, who) for who in customers] == [units] * 20 + [None] * 40

    # And however often it comes again, it gets further, and each counts once
    post(source, batch, remaining_ms=(*[ENOUGH] * 45, TOO_LITTLE))
    assert [used(metering, who) for who in customers] == [units] * 45 + [None] * 15
    whole = post(source, batch)
    assert whole.status in {HTTPStatus.OK, HTTPStatus.NO_CONTENT}
    assert [used(metering, who) for who in customers] == [units] * 60
    if source == "usage_litellm":
        assert (whole.body["counted"], whole.body["duplicate"]) == (15, 45)


def test_what_there_is_no_time_to_park_is_parked_when_the_batch_comes_again(post: Post) -> None:
    batch = [call("no_user", litellm_call_id=f"c{n}") for n in range(5)]
    assert post("usage_litellm", batch, remaining_ms=(ENOUGH, ENOUGH, TOO_LITTLE)).status == 503
    assert post("usage_litellm", batch).body["parked"] == 5
    assert len(post("usage_parked", None, query={}).body["parked"]) == 5


def test_a_batch_of_more_than_a_thousand_cloudevents_is_refused_whole(post: Post, metering: Metering) -> None:
    events = [cloud_event(id=f"e{n}", data={"tokens": 1}) for n in range(1001)]
    answer = post("usage_cloudevents", events)
    assert (answer.status, answer.body["code"], answer.body["maximum"]) == (413, "too_many_events", 1000)
    assert used(metering, "acct_1001") is None

    assert post("usage_cloudevents", events[:1000]).status == HTTPStatus.NO_CONTENT
    assert used(metering, "acct_1001") == 1000


def test_a_large_batch_of_litellm_is_never_a_4xx(post: Post, metering: Metering) -> None:
    calls = [call_of("cust_1", f"c{n}") for n in range(1100)]
    answer = post("usage_litellm", calls)
    assert (answer.status, answer.body["counted"]) == (HTTPStatus.OK, 1100)
    assert used(metering, "cust_1") == 30 * 1100


# --- Unknown customers --------------------------------------------------------------------------------------------


def test_scenario_57_an_unknown_customer_is_provisioned_on_the_default_plan(post: Post, metering: Metering) -> None:
    post("usage_cloudevents", cloud_event(subject="new_one"))
    balance = read_balance(metering.table, "new_one", "tokens")
    assert balance is not None
    assert (balance.policy.plan, balance.available) == ("free", Decimal(8500))


def test_scenario_57_without_a_default_plan_usage_is_overage_and_somebody_is_told(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    told: list[tuple[str, str]] = []
    nothing = replace(CATALOG, default_plan_key=None)
    metering = Metering(Table(dynamodb, table), nothing, lambda *who: told.append(who))
    for number in range(3):
        poster(metering)("usage_cloudevents", cloud_event(subject="new_one", id=f"e{number}"))
    balance = read_balance(metering.table, "new_one", "tokens")
    assert balance is not None
    assert (balance.used, balance.current_overage) == (Decimal(4500), Decimal(4500))
    assert told == [("new_one", "tokens")]
