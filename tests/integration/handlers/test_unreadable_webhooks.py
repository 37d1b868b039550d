"""Promise 5, scenario 96: what Waffo signed and we cannot read is kept, listed, counted, and applied once we can read it."""

import base64
import json
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.deps.intake import IntakeDeps
from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.domain.standing.lifecycle import ToldBy
from pancake_meter.store.table import Table
from pancake_meter.waffo.events import MAX_BODY_BYTES, WaffoEvent, parse_event
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.aws import dynamodb_client
from tests.support.table import create_table
from tests.support.waffo_webhooks import encode, reference, sign_webhook, webhook_request
from tests.support.webhook_world import Document, World, lifecycle, payment, refund, utc
from webhook_deliveries import handler as operate
from webhook_intake import handler as take

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = utc("2026-03-10T15:15:00")
ORDER = "ORD_4kPz8sYvN1qJ6tGwB2dXfR"
SECRET = "buyer@example.com"


@pytest.fixture
def world(dynamodb: "DynamoDBClient", table: str) -> World:
    return World(Table(dynamodb, table, sleep=lambda _: None), NOW)


@pytest.fixture(scope="module")
def shared(dynamodb_endpoint: str) -> World:
    """One table for all the bodies: every case has a customer and an order of its own."""
    client = dynamodb_client(dynamodb_endpoint)
    return World(Table(client, create_table(client, f"test-{uuid.uuid4().hex}"), sleep=lambda _: None), NOW)


def activated(**envelope: Any) -> Document:
    document = lifecycle("activated", ORDER, "2026-03-10", "2026-03-10", "2026-04-10")
    changed = {**document, "id": "fixed", **envelope}
    return {name: value for name, value in changed.items() if value != "absent"}


def with_data(document: Document, **data: Any) -> bytes:
    return encode({**document, "id": "fixed", "data": {**document["data"], **data}})


def edited(old: str, new: str) -> bytes:
    body = encode(activated()).decode()
    assert old in body
    return body.replace(old, new).encode()


PAID = payment(ORDER, "PAY_1", "2026-03-10")
REFUNDED = refund(ORDER, "PAY_1", "REF_1", "2026-03-10", amount="9.00")

UNREADABLE = {
    "not JSON": b"{'orderId': 1}",
    "half of JSON": encode(activated())[:-20],
    "not UTF-8": b"\xff\xfe" + encode(activated()),
    "UTF-8 broken inside": edited("Starter", "Star").replace(b"Star", b"Star\xc3"),
    "a byte order mark": b"\xef\xbb\xbf" + encode(activated()),
    "half a surrogate": edited('"Starter"', '"\\ud800"'),
    "a list": b"[1]",
    "null": b"null",
    "an empty object": b"{}",
    "nothing": b"",
    "a null as type": encode(activated(eventType=None)),
    "a number as type": encode(activated(eventType=7)),
    "a null as event id": encode(activated(eventId=None)),
    "no id": encode(activated(id="absent")),
    "no event id": encode(activated(eventId="absent")),
    "an id of 257": encode(activated(id="x" * 257)),
    "no timestamp": encode(activated(timestamp="absent")),
    "a date as timestamp": encode(activated(timestamp="2026-03-10")),
    "month 13": encode(activated(timestamp="2026-13-10T00:00:00Z")),
    "the year 9999": encode(activated(timestamp="9999-12-31T23:59:59-14:00")),
    "the year 1": encode(activated(timestamp="0001-01-01T00:00:00+14:00")),
    "a number as timestamp": encode(activated(timestamp=1773155673018)),
    "no mode": encode(activated(mode="absent")),
    "a number as mode": encode(activated(mode=1)),
    "no store": encode(activated(storeId="absent")),
    "a null as store": encode(activated(storeId=None)),
    "no data": encode(activated(data="absent")),
    "data is null": encode(activated(data=None)),
    "data is a list": encode(activated(data=[])),
    "data is a text": encode(activated(data="{}")),
    "a number as order": with_data(activated(), orderId=5),
    "no order": with_data(activated(), orderId=None),
    "a bad period start": with_data(activated(), currentPeriodStart="10.03.2026"),
    "a number as period end": with_data(activated(), currentPeriodEnd=1773155673),
    "a period number of 10^19": edited('"periodNumber":1', '"periodNumber":1e19'),
    "a long number": edited('"periodNumber":1', '"periodNumber":' + "1" * 5_000),
    "an exponent of 10^19": edited('"periodNumber":1', '"periodNumber":1,"x":1e10000000000000000000'),
    "NaN": edited('"periodNumber":1', '"periodNumber":NaN'),
    "a name twice": edited('"periodNumber":1', '"periodNumber":1,"periodNumber":2'),
    "deep nesting": edited('"periodNumber":1', '"x":' + "[" * 33 + "]" * 33),
    "deeper than any stack": b'{"a":' * 20_000,
    "money as a number": with_data(PAID, chargedAmount=9),
    "money with an exponent": with_data(PAID, chargedAmount="1e19"),
    "a payment without id": with_data(PAID, paymentId=None),
    "a number as currency": with_data(PAID, currency=840),
    "a refund of a number": with_data(REFUNDED, refundedAmount=9.0),
    "a refund at a bad time": with_data(REFUNDED, refundCreatedAt="yesterday"),
    "the old docs' shape": encode(reference("quirks/obsolete_old_docs_shape.json")),
}


def post(world: World, body: bytes) -> Answer:
    request = webhook_request("subscription_activated")
    request["body"], request["isBase64Encoded"] = base64.b64encode(body).decode(), True
    request["headers"]["x-waffo-signature"] = sign_webhook(body, at=world.now)
    return read_answer(take(request, LambdaContext(), IntakeDeps(world.intake, lambda: world.now)))


def ask(world: World, name: str, path: str | None = None, query: dict[str, str] | None = None) -> Any:
    request = api_event(name, path=path, query=query)
    answer = read_answer(operate(request, LambdaContext(), MeteringDeps(world.metering, lambda: world.now)))
    assert answer.status == 200
    return answer.body


def replay(world: World, delivery_id: str) -> Any:
    return ask(world, "delivery_replay", f"/v1/deliveries/{delivery_id}/replay")


def bytes_of(kept: Any) -> bytes:
    body: str = kept["body"]
    return base64.b64decode(body) if kept["body_encoding"] == "base64" else body.encode()


def counted(printed: str, name: str) -> float:
    blobs = [json.loads(line) for line in printed.splitlines() if '"_aws"' in line]
    return sum(sum(blob.get(name, [])) for blob in blobs)


Upgrade = Callable[[Document], None]


@pytest.fixture
def upgrade(monkeypatch: pytest.MonkeyPatch) -> Upgrade:
    """Make a new version learn what a kept body means."""

    def learn(meaning: Document) -> None:
        def parse(_: bytes, told_by: ToldBy = "webhook") -> WaffoEvent:
            return parse_event(encode(meaning), told_by)

        monkeypatch.setattr("pancake_meter.usecases.webhooks.judge.parse_event", parse)

    return learn


@pytest.mark.parametrize("name", UNREADABLE)
def test_scenario_96_what_cannot_be_read_is_kept_and_applied_once_it_can_be(
    shared: World, name: str, upgrade: Upgrade, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given it is taken, counted for the alarm, and says nothing of itself in the log
    world, body = shared, UNREADABLE[name]
    answer = post(world, body)
    printed = capsys.readouterr()
    assert (answer.status, answer.body["verdict"], answer.body["reason"]) == (200, "failed", "malformed_event")
    delivery_id = answer.body["delivery"]
    assert counted(printed.out, "DeliveryFailed") == 1
    assert SECRET not in printed.out + printed.err
    # Then it is listed, and read byte for byte, and another try changes nothing
    listed = ask(world, "deliveries_parked", query={"verdict": "failed"})["deliveries"]
    assert (delivery_id, "malformed_event") in [(each["delivery_id"], each["reason"]) for each in listed]
    kept = ask(world, "delivery_read", f"/v1/deliveries/{delivery_id}")
    assert (bytes_of(kept), kept["body_size"]) == (body, len(body))
    assert kept["detail"]
    assert SECRET not in kept["detail"]
    assert replay(world, delivery_id)["verdict"] == "failed"
    assert world.plan() == "free"
    # When a later version can read it
    customer, order = f"of {name}", f"ORD_{name}"
    learnt = activated()
    upgrade({**learnt, "data": {**learnt["data"], "orderId": order, "merchantProvidedBuyerIdentity": customer}})
    outcomes = [replay(world, delivery_id) for _ in range(2)]
    # Then it is applied, once
    assert [(each["verdict"], each["repeated"]) for each in outcomes] == [("applied", False), ("applied", True)]
    assert (world.plan(customer_id=customer), world.available(customer_id=customer)) == ("starter", 100_000)
    read = ask(world, "delivery_read", f"/v1/deliveries/{delivery_id}")
    assert (read["event_type"], read["order_id"], read["detail"]) == ("subscription.activated", order, None)
    of_order = ask(world, "deliveries_of_order", query={"order_id": order})["deliveries"]
    assert [(each["delivery_id"], each["verdict"]) for each in of_order] == [(delivery_id, "applied")]


@pytest.mark.parametrize(
    ("meaning", "reason"),
    [({"mode": "prod"}, "wrong_mode"), ({"storeId": "STO_0000000000000000000000"}, "wrong_store")],
)
def test_scenario_16_what_turns_out_to_be_for_somebody_else_stays_failed(
    world: World, upgrade: Upgrade, meaning: dict[str, str], reason: str
) -> None:
    delivery_id = post(world, encode(activated(mode="absent", storeId="absent"))).body["delivery"]
    upgrade(activated(**meaning))
    answer = replay(world, delivery_id)
    assert (answer["verdict"], answer["reason"]) == ("failed", reason)
    assert world.plan() == "free"


@pytest.mark.parametrize(
    ("envelope", "code"),
    [({"mode": "prod"}, "wrong_mode"), ({"storeId": "STO_0000000000000000000000"}, "wrong_store")],
)
@pytest.mark.parametrize("broken", [{"timestamp": "never"}, {"eventId": None}, {"data": []}])
def test_scenario_16_an_unreadable_body_that_names_another_mode_or_store_is_refused(
    world: World, envelope: dict[str, str], code: str, broken: dict[str, Any]
) -> None:
    answer = post(world, encode(activated(**envelope, **broken)))
    assert (answer.status, answer.body["code"]) == (403, code)
    assert ask(world, "deliveries_parked", query={"verdict": "failed"})["deliveries"] == []


@pytest.mark.parametrize("padding", ["x", "é", "\ud7ff"])
def test_scenario_13_a_signed_body_of_300_kb_keeps_its_beginning_and_its_size(
    world: World, padding: str, upgrade: Upgrade, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given
    body = with_data(activated(), padding=padding * (300_000 // len(padding.encode())))
    answer = post(world, body)
    # Then
    assert (answer.status, answer.body["verdict"], answer.body["reason"]) == (200, "failed", "body_too_large")
    assert counted(capsys.readouterr().out, "DeliveryFailed") == 1
    kept = ask(world, "delivery_read", f"/v1/deliveries/{answer.body['delivery']}")
    assert (bytes_of(kept), kept["body_size"]) == (body[:MAX_BODY_BYTES], len(body))
    assert (kept["order_id"], kept["event_type"]) == (ORDER, "subscription.activated")
    # And what is not there is not guessed
    upgrade(activated())
    assert replay(world, answer.body["delivery"])["reason"] == "body_too_large"
    assert world.plan() == "free"


def test_an_unreadable_delivery_that_comes_again_is_one_delivery(world: World) -> None:
    body = UNREADABLE["no timestamp"]
    assert [post(world, body).body["verdict"] for _ in range(3)] == ["failed"] * 3
    (listed,) = ask(world, "deliveries_parked", query={"verdict": "failed"})["deliveries"]
    assert listed["attempts"] == 3
