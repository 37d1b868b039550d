"""Calls that come with the hold that was placed for them, event in and answer out."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.hold_quota import HoldPlaced, hold_quota
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.value import replace
from pancake_meter_client.gateway.held_calls import HeldCall
from pancake_meter_client.gateway.payload import trimmed
from tests.integration.handlers.test_usage_sources import CAPTURE, CATALOG, NOW, call, poster, with_metadata
from tests.support.api import Answer
from tests.support.faulty_dynamodb import FaultyDynamoDB

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CALL_ID = str(CAPTURE["nonstream_user"]["litellm_call_id"])
CUSTOMER = "cust_1"
ALLOWANCE = 10_000
TTL = timedelta(minutes=5)

Litellm = Callable[..., Answer]


@pytest.fixture
def metering(dynamodb: "DynamoDBClient", table: str) -> Metering:
    return with_meters(Metering(Table(dynamodb, table), CATALOG), "tokens", "requests")


def with_meters(metering: Metering, *meters: str, **settings: Any) -> Metering:
    assert CATALOG.llm_calls is not None
    settings = {"meters": meters, **settings}
    return replace(metering, catalog=replace(CATALOG, llm_calls=replace(CATALOG.llm_calls, **settings)))


@pytest.fixture
def litellm(metering: Metering) -> Litellm:
    return lambda *items: poster(metering)("usage_litellm", list(items))


def placed(metering: Metering, customer_id: str = CUSTOMER, meter: str = "tokens", hold_id: str = CALL_ID) -> str:
    answer = hold_quota(metering, customer_id, meter, hold_id, Decimal(4000), TTL, NOW)
    assert isinstance(answer, HoldPlaced)
    return str(answer.handle)


def held_call(hold_id: str, customer_id: str = CUSTOMER, meter: str = "tokens", **changes: Any) -> dict[str, Any]:
    link = {"customer_id": customer_id, "meter": meter, "hold_id": hold_id}
    return {**call(), "pancake_meter_hold": link, **changes}


def figures(metering: Metering, customer_id: str = CUSTOMER, meter: str = "tokens") -> tuple[int, int]:
    balance = metering.current_balance(customer_id, meter, NOW)
    return int(balance.used), int(balance.held)


def outcome(answer: Answer) -> dict[str, int]:
    return {name: count for name, count in answer.body.items() if name != "parked_items" and count}


@pytest.mark.parametrize("named", ["handle", "id"])
def test_the_line_of_the_holds_meter_settles_it_and_the_others_are_recorded(
    litellm: Litellm, metering: Metering, named: str
) -> None:
    handle = placed(metering)
    payload = held_call(handle if named == "handle" else CALL_ID)
    assert outcome(litellm(payload)) == {"counted": 1, "holds_ended": 1}
    assert (figures(metering), figures(metering, meter="requests")) == ((30, 0), (1, 0))

    # And the same again, with or without its hold, is a duplicate
    assert outcome(litellm(payload)) == {"duplicate": 1}
    assert outcome(litellm(call())) == {"duplicate": 1}
    assert (figures(metering), figures(metering, meter="requests")) == ((30, 0), (1, 0))


def test_what_the_logger_tells_counts_as_what_the_stock_callback_tells(litellm: Litellm, metering: Metering) -> None:
    # Given every call of the capture, as the logger trims it
    told = [trimmed(each, HeldCall(CUSTOMER, "tokens", "x")) for each in CAPTURE.values()]
    assert all("messages" not in each and "response" not in each for each in told)
    assert outcome(litellm(*told)) == {"counted": 6, "ignored": 1, "parked": 1}

    # Then the full ones are the same calls
    assert outcome(litellm(*CAPTURE.values())) == {"duplicate": 6, "ignored": 1, "parked": 1}
    assert figures(metering) == (30, 0)


def test_a_stock_callback_that_was_faster_leaves_no_hold_behind(litellm: Litellm, metering: Metering) -> None:
    handle = placed(metering)
    assert outcome(litellm(call())) == {"counted": 1}
    assert figures(metering) == (30, 4000)
    assert outcome(litellm(held_call(handle))) == {"duplicate": 1, "holds_ended": 1}
    assert figures(metering) == (30, 0)


def test_a_call_twice_in_one_batch_counts_once(litellm: Litellm, metering: Metering) -> None:
    handle = placed(metering)
    batch = [call(), held_call(handle), held_call(handle), CAPTURE["stream_user"]]
    answer = poster(with_meters(metering, "tokens"))("usage_litellm", batch)
    assert (outcome(answer), figures(metering)) == ({"counted": 2, "duplicate": 2, "holds_ended": 1}, (30, 0))


def test_a_hold_that_expired_or_never_was_does_not_keep_the_call_from_counting(
    litellm: Litellm, metering: Metering
) -> None:
    assert outcome(litellm(held_call(CALL_ID))) == {"counted": 1}
    assert figures(metering) == (30, 0)
    hold_quota(metering, "cust_2", "tokens", "expired", Decimal(50), TTL, NOW - TTL)
    expired = {**CAPTURE["stream_user"], "litellm_call_id": "expired"}
    link = {"customer_id": "cust_2", "meter": "tokens", "hold_id": "tokens~50~expired"}
    assert outcome(litellm({**expired, "pancake_meter_hold": link})) == {"counted": 1, "holds_ended": 1}
    assert figures(metering, "cust_2") == (12, 0)


def test_the_hold_of_another_customer_is_left_alone_and_the_call_counts(litellm: Litellm, metering: Metering) -> None:
    handle = placed(metering, "cust_2")
    assert outcome(litellm(held_call(handle, "cust_2"))) == {"counted": 1}
    assert (figures(metering), figures(metering, "cust_2")) == ((30, 0), (0, 4000))


@pytest.mark.parametrize(
    "link",
    [
        "tokens~4000~another-call",
        {"customer_id": CUSTOMER, "meter": "tokens", "hold_id": "tokens~4000~another-call"},
        {"customer_id": CUSTOMER, "meter": "tokens", "hold_id": "tokens~1e999~x"},
        {"customer_id": CUSTOMER, "meter": "no_such_meter", "hold_id": CALL_ID},
        {"customer_id": CUSTOMER, "meter": "tokens"},
        {"customer_id": ["x"], "meter": 1, "hold_id": None},
        None,
    ],
    ids=str,
)
def test_a_hold_that_is_not_the_calls_or_cannot_be_read_is_passed_over(
    litellm: Litellm, metering: Metering, link: object
) -> None:
    placed(metering, hold_id="another-call")
    assert outcome(litellm({**call(), "pancake_meter_hold": link})) == {"counted": 1}
    assert figures(metering) == (30, 4000)


def test_the_hold_of_a_meter_that_the_call_does_not_feed_is_released(metering: Metering) -> None:
    answer = poster(with_meters(metering, "requests"))("usage_litellm", [held_call(placed(metering))])
    assert outcome(answer) == {"counted": 1, "holds_ended": 1}
    assert (figures(metering), figures(metering, meter="requests")) == ((0, 0), (1, 0))


@pytest.mark.parametrize("changes", [{"status": "failure"}, {"cache_hit": True}], ids=str)
def test_a_call_that_does_not_count_by_the_settings_frees_what_was_held_for_it(
    litellm: Litellm, metering: Metering, changes: dict[str, Any]
) -> None:
    handle = placed(metering)
    assert outcome(litellm(held_call(handle, **changes))) == {"ignored": 1, "holds_ended": 1}
    assert figures(metering) == (0, 0)


def test_a_call_that_cannot_be_measured_is_parked_and_its_hold_expires(litellm: Litellm, metering: Metering) -> None:
    handle = placed(metering)
    odd = with_metadata(held_call(handle), usage_object={"prompt_tokens": -1})
    assert outcome(litellm(odd)) == {"parked": 1}
    assert figures(metering) == (0, 4000)


def test_promise_1_trouble_at_any_call_is_healed_by_sending_the_call_again(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    sound = with_meters(Metering(Table(dynamodb, table), CATALOG), "tokens", "requests")
    for fails_at in range(1, 6):
        # Given trouble at one call, after it took effect
        customer_id, call_id = f"cust-{fails_at}", f"call-{fails_at}"
        handle = placed(sound, customer_id, hold_id=call_id)
        payload = with_metadata(
            held_call(handle, customer_id, litellm_call_id=call_id), user_api_key_end_user_id=customer_id
        )
        faulty = replace(sound, table=Table(FaultyDynamoDB(dynamodb, fails_at, "after"), table, sleep=lambda _: None))  # type: ignore[arg-type]
        poster(faulty)("usage_litellm", [payload])

        # Then one repetition leaves it counted once in each meter, and nothing held
        again = poster(sound)("usage_litellm", [payload])
        assert again.body["counted"] + again.body["duplicate"] == 1
        assert (figures(sound, customer_id), figures(sound, customer_id, "requests")) == ((30, 0), (1, 0))
