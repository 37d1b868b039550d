"""One answer of the store is lost: the write is there, and nobody was told. Everything is well before and after.

Our own retry answers just what an untroubled run answers. A caller who got no answer at all repeats the request, and gets
the same too, but for the word that says it is a repeat. What is stored is what the untroubled twin has stored.
"""

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.domain.balance.hold import HoldHandle
from pancake_meter.domain.usage.usage_event import dated_usage_event, usage_event
from pancake_meter.store.reconciliation.progress import write_place
from pancake_meter.store.table import Table
from pancake_meter.store.usage.parked_usage import dismiss, parked_usage
from pancake_meter.usecases.balance.hold_quota import hold_quota, release_hold, settle_hold, settle_with_event
from pancake_meter.usecases.balance.record_usage import UsageLine, record_batch, record_events
from pancake_meter.usecases.balance.sweep_due import sweep_due
from pancake_meter.usecases.usage.count_usage import count_items, replay_parked
from pancake_meter.usecases.usage.sources import OPENMETER
from pancake_meter.usecases.webhooks.judge import dismiss_delivery, replay_delivery
from pancake_meter.value import Value, replace
from tests.support.aws import dynamodb_client
from tests.support.faulty_dynamodb import FaultyDynamoDB
from tests.support.table import create_table
from tests.support.webhook_world import CUSTOMER, Document, World, event, lifecycle, payment, refund, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = utc("2026-03-10T15:15:00")
TTL = timedelta(minutes=5)
HANDLE = HoldHandle("tokens", Decimal(75), "h1")
PERIOD = ("2026-03-10", "2026-03-10", "2026-04-10")
NEXT = ("2026-04-10", "2026-04-10", "2026-05-10")
REPEATED = {"is_replay": False, "counted_before": None, "was_held": True, "is_new": True, "unparked": 0}
"""What a repeat may say of itself: that it is one, and that what it was to end had ended."""


class Died(Exception):
    """The function died before it could answer."""


Step = Callable[[World], Any]


@dataclass(frozen=True)
class Case:
    """A use case that writes, after some history."""

    name: str
    step: Step
    history: Sequence[Step] = ()


def take(document: Document, at: str = "2026-03-10T15:15:00") -> Step:
    body = json.dumps(document).encode()
    return lambda world: world.take_bytes(body, utc(at))


def record(*numbers: int, now: str = "2026-03-10T15:15:00", quantity: int = 10) -> Step:
    at = utc(now)
    events = [usage_event(f"e{number}", Decimal(quantity), None, at) for number in numbers]
    return lambda world: record_events(world.metering, CUSTOMER, "tokens", events, at)


def record_two_balances(world: World) -> Any:
    used = usage_event("e1", Decimal(1), None, NOW)
    return record_batch(world.metering, [UsageLine(CUSTOMER, meter, used) for meter in ("tokens", "requests")], NOW)


def record_late(world: World) -> Any:
    stated = usage_event("e9", Decimal(5), NOW, utc("2026-04-10T16:00:00"))
    return record_events(world.metering, CUSTOMER, "tokens", [stated], utc("2026-04-10T16:00:00"))


def hold(world: World) -> Any:
    return hold_quota(world.metering, CUSTOMER, "tokens", "h1", Decimal(75), TTL, NOW)


def settle(world: World) -> Any:
    return settle_hold(world.metering, CUSTOMER, HANDLE, usage_event("h1", Decimal(60), None, NOW), NOW)


def settle_a_call(world: World) -> Any:
    event = dated_usage_event("h1", Decimal(60), NOW, NOW)
    return settle_with_event(world.metering, CUSTOMER, HANDLE, event, NOW, of_any_time=False)


def release(world: World) -> Any:
    return release_hold(world.metering, CUSTOMER, HANDLE)


def park(world: World) -> Any:
    items = [
        {"specversion": "1.0", "id": f"c{n}", "source": "s", "type": "nobody-knows", "subject": "x"} for n in (1, 2)
    ]
    return count_items(world.metering, OPENMETER, items, NOW)


def parked_digest(world: World) -> str:
    """One of the parked items, dismissed or not."""
    listed = [parked_usage(world.table, NOW, limit=5, dismissed=dismissed)[0] for dismissed in (False, True)]
    return min(each.digest for each in (*listed[0], *listed[1]))


def dismiss_usage(world: World) -> Any:
    return dismiss(world.table, parked_digest(world), "never ours", NOW)


def replay_usage(world: World) -> Any:
    return replay_parked(world.metering, parked_digest(world), NOW)


def reset(world: World) -> Any:
    def fails(_: str, __: str, error: Exception) -> None:
        raise error

    swept = sweep_due(world.metering, utc("2026-04-10T15:15:00"), may_go_on=lambda: True, on_failure=fails)
    return swept.failed


def dismiss_event(world: World) -> Any:
    return dismiss_delivery(world.metering, only_delivery(world), "test", NOW)


def replay_event(world: World) -> Any:
    return replay_delivery(world.metering, only_delivery(world), NOW)


STRANGER = payment("ORD_A", "PAY_1", "2026-03-10", merchantProvidedBuyerIdentity=None)
UNKNOWN = lifecycle("activated", "ORD_B", *PERIOD, productName="Mystery", productMetadata={"plan": "mystery"})
ACTIVATED = lifecycle("activated", "ORD_A", *PERIOD)
PAID = payment("ORD_A", "PAY_1", "2026-03-10")
BOUGHT = event("order.completed", "ORD_T", "2026-03-10", "PAY_T", paymentId="PAY_T", chargedAmount="10.00", amount="10.00",
               total="10.00", productName="Tokens", productMetadata={"top_up_tokens": "50000"})  # fmt: skip

UNNAMED = refund("ORD_T", "", "REF_T", "2026-03-10", amount="5.00", of="10.00", paymentId=None)


def only_delivery(world: World) -> str:
    items = world.table._client.scan(TableName=world.table._name)["Items"]
    return next(item["PK"]["S"] for item in items if item["SK"]["S"] == "DELIVERY").removeprefix("DELIVERY#")


CASES = [
    Case("a hold that opens its balance", hold),
    Case("a hold", hold, [record(1)]),
    Case("a hold that is throttled", hold, [take(ACTIVATED), take(lifecycle("past_due", "ORD_A", *PERIOD))]),
    Case("one event", record(1), [record(0)]),
    Case("one event of a new customer", record(1)),
    Case("a batch", record(*range(1, 6))),
    Case("a batch of two balances", record_two_balances),
    Case("a late event", record_late, [record(1), record(2, now="2026-04-10T16:00:00")]),
    Case("a settlement", settle, [hold]),
    Case("a settlement of nothing", settle),
    Case("a measured call", settle_a_call, [hold]),
    Case("a release", release, [hold]),
    Case("parked usage", park),
    Case("dismissed usage", dismiss_usage, [park]),
    Case("replayed usage", replay_usage, [park]),
    Case("activated", take(ACTIVATED)),
    Case("renewed", take(lifecycle("renewed", "ORD_A", *NEXT, number=2), "2026-04-10T15:16:00"), [take(ACTIVATED)]),
    Case("a plan change", take(lifecycle("plan_changed", "ORD_C", *PERIOD, plan="pro")), [take(ACTIVATED)]),
    Case("a scheduled change", take(lifecycle("plan_change_scheduled", "ORD_A", *PERIOD, plan="pro")), [take(ACTIVATED)]),
    Case("past due", take(lifecycle("past_due", "ORD_A", *PERIOD)), [take(ACTIVATED)]),
    Case("recovered", take(lifecycle("recovered", "ORD_A", *PERIOD)),
         [take(ACTIVATED), take(lifecycle("past_due", "ORD_A", *PERIOD))]),
    Case("canceling", take(lifecycle("canceling", "ORD_A", *PERIOD)), [take(ACTIVATED)]),
    Case("uncanceled", take(lifecycle("uncanceled", "ORD_A", *PERIOD)),
         [take(ACTIVATED), take(lifecycle("canceling", "ORD_A", *PERIOD))]),
    Case("canceled", take(lifecycle("canceled", "ORD_A", *PERIOD)), [take(ACTIVATED)]),
    Case("a second order", take(lifecycle("activated", "ORD_D", *PERIOD, plan="pro")), [take(ACTIVATED)]),
    Case("a receipt", take(PAID), [take(ACTIVATED)]),
    Case("a purchase", take(BOUGHT)),
    Case("a refund", take(refund("ORD_A", "PAY_1", "REF_1", "2026-03-10", amount="4.50")), [take(ACTIVATED), take(PAID)]),
    Case("a refund that names no payment", take(UNNAMED),
         [take(BOUGHT)]),
    Case("an event that is ignored", take(event("store.something", "ORD_A", "2026-03-10"))),
    Case("an event that is parked", take(STRANGER)),
    Case("an event that unparks another", take(ACTIVATED), [take(STRANGER)]),
    Case("an event that came before", take(ACTIVATED), [take(ACTIVATED)]),
    Case("a dismissed delivery", dismiss_event, [take(UNKNOWN)]),
    Case("a replayed delivery", replay_event, [take(UNKNOWN)]),
    Case("a reset", reset, [record(1)]),
    Case("a place to go on from", lambda world: write_place(world.table, "orders", 7)),
]  # fmt: skip


def wiped(client: "DynamoDBClient", table: str) -> None:
    items = client.scan(TableName=table)["Items"]
    gone: Any = [{"DeleteRequest": {"Key": {"PK": item["PK"], "SK": item["SK"]}}} for item in items]
    for first in range(0, len(gone), 25):
        client.batch_write_item(RequestItems={table: gone[first : first + 25]})


def stored(client: "DynamoDBClient", table: str) -> list[dict[str, Any]]:
    items = client.scan(TableName=table)["Items"]
    return sorted(map(dict, items), key=lambda item: (item["PK"]["S"], item["SK"]["S"]))


def uncounted(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The items without how often they came."""
    counts = {"duplicates", "last_duplicate_at", "attempts"}
    return [{name: value for name, value in item.items() if name not in counts} for item in items]


def essence(answer: Any) -> Any:
    """What an answer says, without saying whether it is a repeat."""
    if isinstance(answer, Value):
        fields = set(answer.__struct_fields__)
        answer = replace(answer, **{name: value for name, value in REPEATED.items() if name in fields})
        if "verdict" in fields:
            return (answer.digest, answer.order_id)
        return {name: essence(getattr(answer, name)) for name in fields}
    if isinstance(answer, dict):
        return {name: essence(value) for name, value in answer.items()}
    if isinstance(answer, list | tuple):
        return [essence(each) for each in answer]
    return "counted" if answer == "duplicate" else answer


@pytest.fixture(scope="module")
def one_table(dynamodb_endpoint: str) -> str:
    return create_table(dynamodb_client(dynamodb_endpoint), f"lost-{uuid.uuid4().hex}")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_lost_answer_changes_neither_the_answer_nor_what_is_stored(
    dynamodb: "DynamoDBClient", one_table: str, case: Case
) -> None:
    def world(client: Any) -> World:
        return World(Table(client, one_table, sleep=lambda _: None), NOW)

    def begin() -> World:
        wiped(dynamodb, one_table)
        begun = world(dynamodb)
        for step in case.history:
            step(begun)
        return begun

    # Given the untroubled twin
    begin()
    well = FaultyDynamoDB(dynamodb)
    answer = case.step(world(well))
    expected = stored(dynamodb, one_table)
    assert well.writes
    for number in well.writes:
        # When the answer to one of its writes is lost on the way to us, then ours shows no sign of it
        begin()
        assert case.step(world(FaultyDynamoDB(dynamodb, number, "lost"))) == answer
        assert stored(dynamodb, one_table) == expected
        # And when it is lost on the way to the caller, who repeats the request, then the repeat has nothing else to say
        sound = begin()
        with pytest.raises(Died):
            case.step(world(FaultyDynamoDB(dynamodb, number, "lost", Died())))
        assert essence(case.step(sound)) == essence(answer)
        assert uncounted(stored(dynamodb, one_table)) == uncounted(expected)
