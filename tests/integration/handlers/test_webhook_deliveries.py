"""The operator's routes: what could not be applied is seen, told whose it is, and applied once."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.domain.balance.gift import Gift
from pancake_meter.http.webhooks import trying
from pancake_meter.store.balance.balances import read_ledger
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.grants import give_units
from pancake_meter.value import replace
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.faulty_dynamodb import FaultyDynamoDB
from tests.support.metered_dynamodb import metered
from tests.support.waffo_webhooks import encode
from tests.support.webhook_world import Document, World, event, lifecycle, payment, utc
from webhook_deliveries import handler

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = utc("2026-03-10T15:15:00")
ORDER = "ORD_4kPz8sYvN1qJ6tGwB2dXfR"


@pytest.fixture
def world(dynamodb: "DynamoDBClient", table: str) -> World:
    return World(Table(dynamodb, table, sleep=lambda _: None), NOW)


def ask(
    world: World, name: str, *, path: str | None = None, body: Any = None, query: dict[str, str] | None = None
) -> Answer:
    request = api_event(name, path=path, body=body, query=query)
    return read_answer(handler(request, LambdaContext(), MeteringDeps(world.metering, lambda: world.now)))


def read(world: World, digest: str) -> Any:
    answer = ask(world, "delivery_read", path=f"/v1/deliveries/{digest}")
    assert answer.status == 200
    return answer.body


def assign(world: World, digest: str, customer_id: str) -> Answer:
    return ask(world, "delivery_assign", path=f"/v1/deliveries/{digest}/assign", body={"customer_id": customer_id})


def replay(world: World, digest: str) -> Answer:
    return ask(world, "delivery_replay", path=f"/v1/deliveries/{digest}/replay")


def dismiss(world: World, digest: str, body: Any = None) -> Answer:
    given = {"reason": "a test order"} if body is None else body
    return ask(world, "delivery_dismiss", path=f"/v1/deliveries/{digest}/dismiss", body=given)


def listed(world: World, verdict: str) -> list[str]:
    page = ask(world, "deliveries_parked", query={"verdict": verdict}).body
    return [each["delivery_id"] for each in page["deliveries"]]


def counted(printed: str, name: str) -> float:
    blobs = [json.loads(line) for line in printed.splitlines() if '"_aws"' in line]
    return sum(sum(blob.get(name, [])) for blob in blobs)


def stranger(**data: Any) -> Document:
    """An activated that does not tell whose it is."""
    fields = {"merchantProvidedBuyerIdentity": None, **data}
    return lifecycle("activated", ORDER, "2026-03-10", "2026-03-10", "2026-04-10", **fields)


@pytest.mark.parametrize(("reason", "flagged"), [("paid_twice", 1.0), (None, 0.0)])
def test_a_replay_that_applies_a_flagged_payment_rings(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    reason: str | None,
    flagged: float,
) -> None:
    kept = world.take(stranger())
    applied = replace(kept, verdict="applied", reason=reason)
    monkeypatch.setattr(trying, "replay_delivery", lambda *_, **__: applied)
    assert replay(world, kept.digest).status == 200
    (blob,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert blob["PaymentFlagged"] == [flagged]


def test_a_parked_delivery_is_listed_read_assigned_and_applied_once(world: World) -> None:
    # Given
    document = stranger()
    parked = world.take(document)
    open_ones = ask(world, "deliveries_parked").body
    assert [(each["delivery_id"], each["verdict"], each["reason"]) for each in open_ones["deliveries"]] == [
        (parked.digest, "parked", "customer_unknown")
    ]
    assert "body" not in open_ones["deliveries"][0]
    # When
    first, again = assign(world, parked.digest, "acct_2002"), assign(world, parked.digest, "acct_2002")
    # Then
    assert (first.status, again.status) == (200, 200)
    assert first.body == {
        "delivery_id": parked.digest,
        "verdict": "applied",
        "reason": None,
        "customer_id": "acct_2002",
        "repeated": False,
        "unparked": 0,
    }
    assert again.body == first.body | {"repeated": True}
    assert world.available(customer_id="acct_2002") == 100_000
    assert ask(world, "deliveries_parked").body == {"deliveries": [], "next_cursor": None}
    # And: an operator's repeat is no arrival
    kept = read(world, parked.digest)
    assert (kept["attempts"], kept["duplicates"], kept["last_duplicate_at"]) == (2, 0, None)
    assert kept["body"] == encode(document).decode()


def test_a_delivery_shows_what_was_received_when_and_how_often(world: World) -> None:
    # Given
    document = stranger(merchantProvidedBuyerIdentity="acct_1001")
    taken = world.take(document)
    world.take(document, utc("2026-03-10T15:20:00"))
    # When
    kept = read(world, taken.digest)
    # Then
    assert kept["headers"]["content-type"] == "application/json"
    assert kept["headers"]["x-waffo-signature"].startswith("t=")
    times = (kept["occurred_at"], kept["received_at"], kept["judged_at"], kept["last_duplicate_at"])
    assert times == (
        "2026-03-10T15:14:33.018Z",
        "2026-03-10T15:15:00.000Z",
        "2026-03-10T15:15:00.000Z",
        "2026-03-10T15:20:00.000Z",
    )
    assert (kept["verdict"], kept["attempts"], kept["duplicates"]) == ("applied", 1, 1)
    assert (kept["customer_id"], kept["order_id"], kept["webhook_id"]) == ("acct_1001", ORDER, document["id"])


def test_assigning_what_is_done_to_another_customer_is_a_conflict_and_changes_nothing(world: World) -> None:
    # Given
    parked = world.take(stranger())
    assign(world, parked.digest, "acct_2002")
    # When
    answer = assign(world, parked.digest, "acct_3003")
    # Then
    assert (answer.status, answer.body["code"]) == (409, "delivery_of_another_customer")
    assert world.plan(customer_id="acct_3003") == "free"
    assert read(world, parked.digest)["customer_id"] == "acct_2002"


def test_an_order_of_another_customer_stays_parked_when_assigned(world: World) -> None:
    # Given
    world.take(stranger(merchantProvidedBuyerIdentity="acct_1001"))
    moved = world.take(
        lifecycle("renewed", ORDER, "2026-04-10", "2026-04-10", "2026-05-10", merchantProvidedBuyerIdentity="acct_2")
    )
    # When
    answer = assign(world, moved.digest, "acct_2")
    # Then
    assert (answer.status, answer.body["verdict"], answer.body["reason"]) == (
        200,
        "parked",
        "order_of_another_customer",
    )


def test_what_waited_for_the_assigned_one_applies_after_it(world: World) -> None:
    # Given
    receipt = world.take(payment(ORDER, "PAY_1", "2026-03-10", merchantProvidedBuyerIdentity=None))
    activated = world.take(stranger())
    # When
    answer = assign(world, activated.digest, "acct_2002")
    # Then
    assert answer.body["unparked"] == 1
    page = ask(world, "deliveries_of_order", query={"order_id": ORDER}).body
    assert {each["delivery_id"]: (each["verdict"], each["customer_id"]) for each in page["deliveries"]} == {
        receipt.digest: ("applied", "acct_2002"),
        activated.digest: ("applied", "acct_2002"),
    }


def test_a_replay_is_an_attempt_until_the_plan_is_known_and_a_repeat_after_it(world: World) -> None:
    # Given
    known = {"merchantProvidedBuyerIdentity": "acct_1001"}
    parked = world.take(stranger(productName="Mystery", productMetadata=None, **known))
    assert replay(world, parked.digest).body["reason"] == "plan_unknown"
    assert read(world, parked.digest)["attempts"] == 2
    # When: an earlier event of the order, which came late, names the plan
    world.take(lifecycle("renewed", ORDER, "2026-04-10", "2026-04-10", "2026-05-10", number=2))
    # Then: with the plan known it is of an older period, and a replay is a repeat
    answer = replay(world, parked.digest)
    assert (answer.status, answer.body["verdict"], answer.body["repeated"]) == (200, "ignored", True)


def test_lists_come_in_pages_that_neither_skip_nor_repeat(world: World) -> None:
    # Given
    taken = []
    for number in range(7):
        at = NOW.replace(minute=15 + number // 2)
        document = stranger() | {"timestamp": f"2026-03-10T15:1{number % 2}:00.000Z"}
        taken.append(world.take(document, at).digest)
    for query in ({"verdict": "parked"}, {"order_id": ORDER}):
        # When
        seen: list[Any] = []
        cursor: dict[str, str] = {}
        for _ in range(5):
            page = ask(world, "deliveries_parked", query={**query, "limit": "2", **cursor}).body
            seen += page["deliveries"]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        # Then
        assert sorted(each["delivery_id"] for each in seen) == sorted(taken)
        times = [each["received_at" if "verdict" in query else "occurred_at"] for each in seen]
        assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(
    "query",
    [
        {"verdict": "parked", "order_id": ORDER},
        {"verdict": "duplicate"},
        {"order_id": ""},
        {"order_id": "x" * 257},
        {"verdict": "parked", "limit": "51"},
        {"verdict": "parked", "cursor": "2026-13-45T00:00:00.000Z~" + "0" * 64},
        {"verdict": "parked", "cursor": "garbage"},
        {"verdict": "parked", "page": "2"},
    ],
)
def test_a_query_that_names_more_than_one_list_is_refused(world: World, query: dict[str, str]) -> None:
    answer = ask(world, "deliveries_parked", query=query)
    assert (answer.status, answer.body["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("delivery_id", ["0" * 64, "nothing", "%23", "DELIVERY%23" + "0" * 64])
def test_a_delivery_that_does_not_exist_is_not_found(world: World, delivery_id: str) -> None:
    asked = [
        ask(world, "delivery_read", path=f"/v1/deliveries/{delivery_id}"),
        replay(world, delivery_id),
        assign(world, delivery_id, "acct_1"),
        dismiss(world, delivery_id),
    ]
    assert [(answer.status, answer.body["code"]) for answer in asked] == [(404, "delivery_not_found")] * 4


@pytest.mark.parametrize("body", ["", "{", {}, {"customer_id": ""}, {"customer_id": "a/b"}, {"customer_id": 7}, []])
def test_an_assignment_that_names_no_customer_changes_nothing(world: World, body: Any) -> None:
    # Given
    parked = world.take(stranger())
    # When
    answer = ask(world, "delivery_assign", path=f"/v1/deliveries/{parked.digest}/assign", body=body)
    # Then
    assert answer.status in {400, 422}
    assert read(world, parked.digest)["attempts"] == 1


def test_store_trouble_is_503_and_the_same_request_applies_later(dynamodb: "DynamoDBClient", table: str) -> None:
    # Given
    sound = World(Table(dynamodb, table, sleep=lambda _: None), NOW)
    parked = sound.take(stranger())
    troubled = World(Table(FaultyDynamoDB(dynamodb, 3), table), NOW)  # type: ignore[arg-type]
    # When
    answer = assign(troubled, parked.digest, "acct_2002")
    # Then
    assert (answer.status, answer.body["code"], answer.headers["Retry-After"]) == (503, "unavailable", "1")
    assert assign(sound, parked.digest, "acct_2002").body["verdict"] == "applied"


def test_a_page_of_an_order_costs_one_query_of_small_items(world: World, dynamodb: "DynamoDBClient") -> None:
    # Given
    for number in range(8):
        world.take(stranger(padding="x" * 2_000, number=number))
    # When
    with metered(dynamodb) as meter:
        of_order = ask(world, "deliveries_parked", query={"order_id": ORDER}).body["deliveries"]
    # Then: eight pointers of half a kilobyte, and none of the bodies
    assert len(of_order) == 8
    assert (meter.operations, meter.units) == (["Query"], 1.0)


@pytest.mark.parametrize("verdict", ["parked", "failed"])
def test_a_dismissed_delivery_is_kept_with_its_reason_and_no_longer_open(
    world: World, verdict: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given
    taken = world.take(stranger()) if verdict == "parked" else world.take_bytes(b"no event")
    assert listed(world, verdict) == [taken.digest]
    # When
    answer = dismiss(world, taken.digest)
    # Then
    assert (answer.status, answer.body["verdict"], answer.body["reason"]) == (200, "dismissed", taken.reason)
    assert (answer.body["dismissed_reason"], answer.body["decided_by"]) == ("a test order", "seller-backend")
    assert answer.body["dismissed_at"] == "2026-03-10T15:15:00.000Z"
    assert (listed(world, verdict), listed(world, "dismissed")) == ([], [taken.digest])
    assert read(world, taken.digest) == answer.body
    assert counted(capsys.readouterr().out, "DeliveryDismissed") == 1


def test_a_second_dismissal_changes_nothing(world: World) -> None:
    taken = world.take(stranger())
    first = dismiss(world, taken.digest)
    later = World(world.table, world.now + timedelta(hours=1))
    again = dismiss(later, taken.digest, {"reason": "another"})
    assert (again.status, again.body) == (200, first.body)


def test_what_is_done_cannot_be_dismissed(world: World) -> None:
    applied = world.take(stranger(merchantProvidedBuyerIdentity="acct_1001"))
    ignored = world.take(stranger(merchantProvidedBuyerIdentity="acct_1001"))
    assert (applied.verdict, ignored.verdict) == ("applied", "ignored")
    for done in (applied, ignored):
        answer = dismiss(world, done.digest)
        assert (answer.status, answer.body["code"]) == (409, "delivery_not_open")
        assert read(world, done.digest)["verdict"] == done.verdict


def test_a_dismissed_delivery_that_comes_again_or_waits_for_its_order_stays_dismissed(world: World) -> None:
    # Given
    receipt = payment(ORDER, "PAY_1", "2026-03-10", merchantProvidedBuyerIdentity=None)
    digest = world.take(receipt).digest
    dismiss(world, digest)
    # When
    again = world.take(receipt)
    unparked = world.take(stranger(merchantProvidedBuyerIdentity="acct_1001")).unparked
    # Then
    assert (again.verdict, unparked, read(world, digest)["verdict"]) == ("duplicate", 0, "dismissed")
    assert read(world, digest)["duplicates"] == 1


@pytest.mark.parametrize("is_assigned", [True, False])
def test_a_dismissed_delivery_may_still_be_replayed_or_assigned(world: World, is_assigned: bool) -> None:
    # Given: it can be applied by now
    digest = world.take(stranger()).digest
    dismiss(world, digest)
    if not is_assigned:
        world.take(payment(ORDER, "PAY_1", "2026-03-10", merchantProvidedBuyerIdentity="acct_2002"))
    # When
    answer = assign(world, digest, "acct_2002") if is_assigned else replay(world, digest)
    # Then
    assert (answer.status, answer.body["verdict"], world.plan(customer_id="acct_2002")) == (200, "applied", "starter")
    kept = read(world, digest)
    assert (kept["dismissed_at"], kept["dismissed_reason"]) == (None, None)
    assert kept["decided_by"] == "seller-backend"
    assert (listed(world, "dismissed"), dismiss(world, digest).status) == ([], 409)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        {},
        {"reason": ""},
        {"reason": "  "},
        {"reason": "a\0b"},
        {"reason": "a\x7fb"},
        {"reason": 7},
        {"reason": "x" * 5000},
    ],
)
def test_a_dismissal_without_a_reason_changes_nothing(world: World, body: Any) -> None:
    digest = world.take(stranger()).digest
    assert dismiss(world, digest, body).status in {400, 422}
    assert listed(world, "parked") == [digest]


def test_parked_deliveries_are_found_however_many_the_order_has(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given two receipts that wait: one older, one newer than 51 other deliveries of their order, on several pages
    monkeypatch.setattr("pancake_meter.store.webhooks.deliveries._OF_ORDER_PAGE_SIZE", 20)
    receipts = [
        payment(ORDER, f"PAY_{day}", f"2026-03-0{day}", number=day, merchantProvidedBuyerIdentity=None)
        for day in (7, 9)
    ]
    digests = [world.take(receipt).digest for receipt in receipts]
    for number in range(51):
        world.take(event("store.something", ORDER, f"2026-03-08T16:00:{number:02d}"))
    # When
    outcome = world.take(stranger(merchantProvidedBuyerIdentity="acct_1001"))
    # Then
    assert outcome.unparked == 2
    assert [read(world, digest)["verdict"] for digest in digests] == ["applied", "applied"]


def test_the_ledger_names_the_operator_who_assigned_a_delivery_and_what_the_same_act_let_apply(world: World) -> None:
    # Given an order that nobody owns, whose cancellation waits for its activation
    waiting = world.take(
        lifecycle(
            "plan_changed",
            ORDER,
            "2026-03-10T01:00:00",
            "2026-03-10",
            "2026-04-10",
            merchantProvidedBuyerIdentity=None,
        )
    )
    parked = world.take(stranger())
    assert (waiting.verdict, parked.verdict) == ("parked", "parked")
    gift = Gift("promotion", Decimal(10))
    give_units(world.metering, "acct_2002", "tokens", "g1", gift, world.now, by="another")
    # When an operator assigns one of them
    operator = {"authorizer": {"lambda": {"key_id": "0", "key_name": "support", "roles": "operate"}}}
    request = api_event(
        "delivery_assign", path=f"/v1/deliveries/{parked.digest}/assign", body={"customer_id": "acct_2002"}
    )
    request["requestContext"] |= operator
    answered = read_answer(handler(request, LambdaContext(), MeteringDeps(world.metering, lambda: world.now)))
    # Then both bear the operator's name, and so does what the ledger says of them
    assert (answered.status, answered.body["unparked"]) == (200, 1)
    assert [read(world, each.digest)["decided_by"] for each in (parked, waiting)] == ["support", "support"]
    entries = read_ledger(world.metering.table, "acct_2002", "tokens", limit=10)
    assert {each.by for each in entries if each.cause.startswith("subscription")} == {"support"}, entries


def test_deliveries_without_a_filter_are_the_newest_of_all_in_pages(world: World) -> None:
    """Issue 14, point 6."""
    # Given applied, ignored and parked ones, one after the other
    taken = []
    for number in range(6):
        named: Any = {"merchantProvidedBuyerIdentity": None} if number % 3 == 0 else {}
        kind = "activated" if number % 2 else "nothing_known"
        document = lifecycle(kind, f"ORD_{number}", "2026-03-10", "2026-03-10", "2026-04-10", **named)
        taken.append(world.take(document, world.now + timedelta(seconds=number)).digest)
    # When
    seen: list[str] = []
    query = {"limit": "4"}
    for _ in range(3):
        page = ask(world, "deliveries_latest", query=query).body
        seen += [each["delivery_id"] for each in page["deliveries"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    # Then
    assert seen == taken[::-1]
    assert ask(world, "deliveries_latest", query={"verdict": "parked", "order_id": "ORD_1"}).status == 422


def test_lists_show_whom_a_parked_delivery_is_about(world: World) -> None:
    """Issue 14, point 6."""
    # Given
    document = lifecycle(
        "activated",
        "ORD_9",
        "2026-03-10",
        "2026-03-10",
        "2026-04-10",
        merchantProvidedBuyerIdentity="ada@example.com",
        buyerEmail="ada@example.com",
    )
    assert world.take(document).verdict == "parked"
    about = {
        "buyer_identity": "ada@example.com",
        "buyer_email": "ada@example.com",
        "customer_ids": ["ada@example.com"],
    }
    # Then
    for query in ({}, {"verdict": "parked"}):
        (listed,) = ask(world, "deliveries_latest", query=query).body["deliveries"]
        assert (listed["customer_id"], listed["about"]) == (None, about)
