"""Deliveries: kept with their verdict, applied once however often and however concurrently they come."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.store.standing.subscriptions import read_subscription
from pancake_meter.store.webhooks.deliveries import (
    Verdict,
    deliveries_by_verdict,
    each_of_order,
    open_deliveries,
    read_delivery,
)
from pancake_meter.usecases.webhooks.decision import Told
from pancake_meter.usecases.webhooks.judge import replay_delivery
from pancake_meter.usecases.webhooks.judged_with import judged_with
from pancake_meter.usecases.webhooks.take import take_webhook
from pancake_meter.waffo.errors import StaleSignature, WrongMode, WrongStore
from tests.support.waffo_webhooks import encode, reference, sign_webhook
from tests.support.webhook_world import CUSTOMER, Document, World, event, lifecycle, payment, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ORDER = "ORD_4kPz8sYvN1qJ6tGwB2dXfR"
NOBODY: dict[str, Any] = {"merchantProvidedBuyerIdentity": None}


def activated(**data: Any) -> Document:
    return lifecycle("activated", ORDER, "2026-03-10", "2026-03-10", "2026-04-10", **data)


def test_scenario_01_the_same_delivery_twice_has_one_effect(world: World) -> None:
    # Given
    body = encode(activated())
    world.use(1_000)
    first = world.take_bytes(body)
    world.use(30_000)
    # When
    second = world.take_bytes(body)
    # Then
    assert (first.verdict, second.verdict) == ("applied", "duplicate")
    assert world.available() == 70_000
    kept = read_delivery(world.table, first.digest)
    assert kept is not None
    assert (kept.verdict, kept.duplicates, kept.attempts, kept.body) == ("applied", 1, 1, body)


def test_scenario_02_the_same_delivery_on_many_lambdas_at_once_applies_once(world: World) -> None:
    # Given
    world.use(1_000)
    body = encode(activated())
    # When
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(world.take_bytes, [body] * 8))
    # Then
    assert sorted(outcome.verdict for outcome in outcomes) == ["applied", *["duplicate"] * 7]
    assert world.available() == 100_000


def test_different_events_of_one_customer_at_once_all_apply(world: World) -> None:
    # Given
    world.use(1_000)
    documents = [
        activated(),
        lifecycle("canceling", ORDER, "2026-03-11", "2026-03-10", "2026-04-10"),
        lifecycle("uncanceled", ORDER, "2026-03-12", "2026-03-10", "2026-04-10"),
        payment(ORDER, "PAY_1", "2026-03-10"),
    ]
    # When
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(world.take, documents))
    # Then
    assert {outcome.verdict for outcome in outcomes} <= {"applied", "ignored"}
    assert world.available() == 100_000
    subscription = read_subscription(world.table, CUSTOMER)
    assert subscription is not None
    assert subscription.orders[0].status is not None
    assert subscription.orders[0].status.kind == "active"


def test_scenario_03_one_event_from_two_webhooks_grants_once(world: World) -> None:
    # Given: the same event, under two ids
    world.use(1_000)
    first, second = activated(), activated()
    # When
    world.take(first)
    world.use(40_000)
    outcome = world.take(second)
    # Then
    assert (outcome.verdict, outcome.reason) == ("ignored", "no_news")
    assert world.available() == 60_000


def test_scenario_04_two_events_under_one_id_both_apply(world: World) -> None:
    # Given: the id is the order's, as a field report saw
    now = utc("2026-06-02T06:00:00")
    plan = {"productMetadata": {"plan": "pro"}}
    world.take(lifecycle("renewed", ORDER, "2026-05-10", "2026-05-10", "2026-06-10", plan="pro", number=3), now)
    canceling = reference("quirks/id_equals_order_id_canceling.json")
    uncanceled = reference("quirks/id_equals_order_id_uncanceled.json")
    for document in (canceling, uncanceled):
        document["data"] |= plan
    # When
    outcomes = [world.take(canceling, now), world.take(uncanceled, now)]
    # Then
    assert [outcome.verdict for outcome in outcomes] == ["applied", "applied"]


def test_scenario_05_two_types_under_one_event_id_both_apply(world: World) -> None:
    # Given
    outcomes = [
        world.take(activated()),
        world.take(lifecycle("canceled", ORDER, "2026-03-11", "2026-03-10", "2026-04-10")),
    ]
    # Then
    assert [outcome.verdict for outcome in outcomes] == ["applied", "applied"]


def test_scenario_08_long_event_ids_are_kept_whole(world: World) -> None:
    # Given
    event_id = "ORD_4kPz8sYvN1qJ6tGwB2dXfR-2026-04-10T15:14:41.102Z" * 3
    document = activated() | {"eventId": event_id}
    # When
    outcome = world.take(document)
    # Then
    kept = read_delivery(world.table, outcome.digest)
    assert kept is not None
    assert kept.event_id == event_id


def test_scenario_09_10_the_window_of_the_stamp(world: World) -> None:
    # Given: a retry stamped half an hour ago, and one of an hour ago
    headers_at = world.now - timedelta(minutes=31)
    body = encode(activated())
    # Then
    assert take_stamped(world, body, headers_at) == "applied"
    for at in (world.now - timedelta(minutes=46), world.now + timedelta(minutes=2)):
        with pytest.raises(StaleSignature):
            take_stamped(world, encode(activated()), at)


def take_stamped(world: World, body: bytes, at: datetime) -> str:
    headers = {"x-waffo-signature": sign_webhook(body, at=at)}
    return take_webhook(world.intake, body, headers, world.now).verdict


def test_scenario_15_16_another_mode_or_store_is_refused_and_changes_nothing(world: World) -> None:
    # Given
    prod = World(world.table, world.now, mode="prod")
    # When
    with pytest.raises(WrongMode):
        prod.take(activated())
    with pytest.raises(WrongStore):
        world.take(activated() | {"storeId": "STO_other"})
    # Then
    assert read_subscription(world.table, CUSTOMER) is None
    assert not deliveries_by_verdict(world.table, "applied", limit=10).deliveries


def test_scenario_18_unknown_types_and_fields_are_kept(world: World) -> None:
    # When
    unknown = world.take(reference("quirks/unknown_event_type.json"))
    with_more = world.take(activated(somethingNew={"a": [1, 2]}))
    # Then
    assert (unknown.verdict, unknown.reason) == ("ignored", "unknown_event_type")
    assert with_more.verdict == "applied"
    assert [delivery.digest for delivery in deliveries_by_verdict(world.table, "ignored", limit=10).deliveries] == [
        unknown.digest
    ]


def test_scenario_18_subscription_updated_is_a_plan_change(world: World) -> None:
    # Given
    world.take(activated())
    # When
    document = lifecycle("updated", ORDER, "2026-03-12", "2026-03-10", "2026-04-10", plan="pro")
    # Then
    assert world.take(document, utc("2026-03-12T16:00:00")).verdict == "applied"
    assert world.plan() == "pro"


def test_scenario_19_the_old_docs_shape_is_kept_as_failed(world: World) -> None:
    assert world.take(reference("quirks/obsolete_old_docs_shape.json")).verdict == "failed"


def test_scenario_22_39_what_cannot_be_resolved_is_parked_and_applied_when_it_can_be(world: World) -> None:
    # Given: a receipt that says nothing of the customer, before the order is known
    stranger = payment(ORDER, "PAY_1", "2026-03-10", merchantProvidedBuyerIdentity=None)
    parked = world.take(stranger)
    assert (parked.verdict, parked.reason) == ("parked", "customer_unknown")
    # When: the order's own event tells whose it is
    outcome = world.take(activated())
    # Then
    assert outcome.unparked == 1
    verdicts = {each.digest: each.verdict for each in each_of_order(world.table, ORDER)}
    assert verdicts == {parked.digest: "applied", outcome.digest: "applied"}
    assert not deliveries_by_verdict(world.table, "parked", limit=10).deliveries


def test_an_operator_assigns_a_parked_delivery(world: World) -> None:
    # Given
    parked = world.take(activated(merchantProvidedBuyerIdentity=None))
    assert parked.verdict == "parked"
    # When
    outcome = replay_delivery(world.metering, parked.digest, world.now, told=Told(customer_id="acct_2002"))
    again = replay_delivery(world.metering, parked.digest, world.now, told=Told(customer_id="acct_3003"))
    # Then
    assert outcome is not None
    assert again is not None
    assert (outcome.verdict, again.verdict) == ("applied", "duplicate")
    assert world.available(customer_id="acct_2002") == 100_000
    assert world.available(customer_id="acct_3003") == 10_000
    kept = read_delivery(world.table, parked.digest)
    assert kept is not None
    assert (kept.attempts, kept.customer_id) == (2, "acct_2002")


def test_a_plan_that_nothing_names_is_parked(world: World) -> None:
    outcome = world.take(activated(productName="Mystery", productMetadata=None))
    assert (outcome.verdict, outcome.reason) == ("parked", "plan_unknown")


def test_a_renewal_that_names_no_plan_keeps_the_plan_as_sold(world: World) -> None:
    # Given
    world.take(activated())
    late = utc("2026-04-10T15:15:00")
    # When
    renewal = lifecycle("renewed", ORDER, "2026-04-10", "2026-04-10", "2026-05-10", number=2)
    renewal["data"] |= {"productName": "Renamed", "productMetadata": {}}
    # Then
    assert world.take(renewal, late).verdict == "applied"
    assert (world.plan(now=late), world.available(now=late)) == ("starter", 100_000)


def test_scenario_40_an_email_as_identity_never_moves_to_another_account(world: World) -> None:
    # Given: another account whose customer id is the very address
    other = World(world.table, world.now)
    other.take(activated(orderId="ORD_other", merchantProvidedBuyerIdentity=None, orderMetadata={"accountId": "x"}))
    by_email: dict[str, Any] = {"merchantProvidedBuyerIdentity": "buyer@example.com"}
    # When: no other evidence
    unknown = world.take(activated(orderId="ORD_1", **by_email))
    # and: our own metadata tells whose it is
    known = world.take(activated(orderId="ORD_2", orderMetadata={"accountId": CUSTOMER}, **by_email))
    # and: a later event of the same order has lost its metadata
    later = world.take(lifecycle("canceling", "ORD_2", "2026-03-11", "2026-03-10", "2026-04-10", **by_email), world.now)
    # Then
    assert (unknown.verdict, unknown.reason) == ("parked", "customer_unknown")
    assert (known.verdict, known.customer_id) == ("applied", CUSTOMER)
    assert (later.verdict, later.customer_id) == ("applied", CUSTOMER)


def test_scenario_40_an_email_that_is_a_customer_id_is_matched(world: World) -> None:
    # Given: the seller uses addresses as customer ids
    world.metering.open("buyer@example.com", "tokens", world.now)
    # When
    outcome = world.take(activated(merchantProvidedBuyerIdentity="buyer@example.com"))
    # Then
    assert (outcome.verdict, outcome.customer_id) == ("applied", "buyer@example.com")


def test_an_order_never_moves_to_another_customer(world: World) -> None:
    # Given
    world.take(activated())
    # When
    outcome = world.take(
        lifecycle("renewed", ORDER, "2026-04-10", "2026-04-10", "2026-05-10", merchantProvidedBuyerIdentity="acct_2")
    )
    # Then
    assert (outcome.verdict, outcome.reason) == ("parked", "order_of_another_customer")


def test_scenario_26_27_41_a_receipt_never_moves_a_period(world: World) -> None:
    # Given
    first = world.take(
        payment(ORDER, "PAY_1", "2026-03-10", currentPeriodStart="2026-03-10", currentPeriodEnd="2026-04-10")
    )
    zero = world.take(payment(ORDER, "PAY_0", "2026-03-10", amount="0.00", number=0))
    # Then
    assert (first.verdict, world.plan()) == ("applied", "free")
    assert (zero.verdict, zero.reason) == ("ignored", "card_check")
    # When
    world.take(activated())
    again = world.take(payment(ORDER, "PAY_1", "2026-03-10"))
    # Then
    assert (again.verdict, again.reason) == ("ignored", "no_news")
    assert world.available() == 100_000


def test_a_balance_opened_while_the_plan_arrives_gets_the_plan(world: World) -> None:
    # Given: first usage and activation at the same moment, many times
    for number in range(5):
        customer = f"race_{number}"
        document = activated(orderId=f"ORD_race_{number}", merchantProvidedBuyerIdentity=customer)
        with ThreadPoolExecutor(2) as pool:
            opened = pool.submit(world.metering.open, customer, "tokens", world.now)
            taken = pool.submit(world.take, document)
            opened.result()
            assert taken.result().verdict == "applied"
        # Then
        assert world.plan(customer_id=customer) == "starter"


def test_unknown_event_without_order_is_kept(world: World) -> None:
    outcome = world.take(event("store.something", "ORD_x", "2026-03-10", orderId=None))
    assert (outcome.verdict, outcome.order_id) == ("ignored", None)


@pytest.mark.parametrize(("told", "verdict", "sent"), [({}, "applied", False), (NOBODY, "parked", True)])
def test_bodies_are_sent_in_lists_of_what_is_open_alone(
    world: World, dynamodb: "DynamoDBClient", told: dict[str, Any], verdict: Verdict, sent: bool
) -> None:
    # Given
    kept = world.take(activated(**told))
    items: list[dict[str, Any]] = []

    def see(parsed: dict[str, Any], **_: Any) -> None:
        items.extend(parsed["Items"])

    # When
    dynamodb.meta.events.register("after-call.dynamodb.Query", see)
    try:
        page = deliveries_by_verdict(world.table, verdict, limit=10)
        to_try, _ = open_deliveries(world.table, verdict, limit=10, start=None)
    finally:
        dynamodb.meta.events.unregister("after-call.dynamodb.Query", see)
    # Then: a page shows whom an open delivery is about, what is only tried again needs none of it
    assert [("body" in item, "headers" in item) for item in items] == [(sent, False), (False, False)]
    assert [each.digest for each in (*page.deliveries, *to_try)] == [kept.digest] * 2
    assert [each.judged_with for each in to_try] == [judged_with(world.catalog)]
