"""What else the store sells is ignored, refunds included, and is judged again when the catalog takes it back."""

from typing import Any

import pytest

from pancake_meter.catalog import parse_catalog
from pancake_meter.store.selling.payments import read_payment
from pancake_meter.store.standing.subscriptions import read_subscription
from pancake_meter.store.webhooks.deliveries import deliveries_by_verdict
from pancake_meter.usecases.webhooks.judge import replay_delivery
from tests.support.webhook_world import CATALOG, CUSTOMER, Document, World, event, lifecycle, payment, refund

BY_NAME = '\n[not_ours]\nproduct_names = ["Sticker pack"]\n'
BY_METADATA = '\n[[not_ours.metadata]]\nkey = "app"\nvalue = "blog"\n'
BY_KEY = '\n[[not_ours.metadata]]\nkey = "app"\n'
NAMED: dict[str, Any] = {"productName": "sticker  PACK", "productMetadata": None}
MARKED_PRODUCT: dict[str, Any] = {"productName": "Mug", "productMetadata": {"app": "blog"}}
MARKED_ORDER: dict[str, Any] = {"productName": "Mug", "productMetadata": None, "orderMetadata": {"app": "blog"}}
DAY = "2026-03-10"


def selling_more(world: World, text: str) -> World:
    return World(world.table, world.now, catalog=parse_catalog(CATALOG.read_text("utf-8") + text))


def everything(**data: Any) -> list[Document]:
    """Every family of events, of two orders of something else."""
    bought = {"paymentId": "PAY_B", "chargedAmount": "5.00", "amount": "5.00", "total": "5.00"}
    return [
        lifecycle("activated", "ORD_S", DAY, DAY, "2026-04-10", **data),
        payment("ORD_S", "PAY_S", DAY, **data),
        lifecycle("canceling", "ORD_S", DAY, DAY, "2026-04-10", **data),
        refund("ORD_S", "PAY_S", "REF_S", DAY, amount="9.00", **data),
        event("order.completed", "ORD_B", DAY, "PAY_B", **{**bought, **data}),
        refund("ORD_B", "", "REF_B", DAY, amount="5.00", **{"paymentId": None, **data}),
    ]


@pytest.mark.parametrize(
    ("catalog", "product"),
    [
        (BY_NAME, NAMED),
        (BY_METADATA, MARKED_PRODUCT),
        (BY_METADATA, MARKED_ORDER),
        (BY_KEY, MARKED_PRODUCT),
        (BY_KEY, MARKED_ORDER),
    ],
)
def test_all_events_of_something_else_are_ignored(world: World, catalog: str, product: dict[str, Any]) -> None:
    other = selling_more(world, catalog)
    # Given an owner that nobody knows matters no more than one that is known
    for owner in ({}, {"merchantProvidedBuyerIdentity": None}):
        outcomes = [other.take(document) for document in everything(**product, **owner)]
        assert {(outcome.verdict, outcome.reason) for outcome in outcomes} == {("ignored", "not_ours")}
    assert not deliveries_by_verdict(world.table, "parked", limit=10).deliveries
    assert read_payment(world.table, "PAY_S") is read_payment(world.table, "PAY_B") is None
    assert read_subscription(world.table, CUSTOMER) is None


def test_a_refund_that_names_no_product_follows_its_order(world: World) -> None:
    # Given: it is not known yet of what order it is
    other = selling_more(world, BY_NAME)
    nameless: dict[str, Any] = {"paymentId": None, "productName": None}
    early = other.take(refund("ORD_B", "", "REF_1", DAY, amount="5.00", **nameless))
    assert (early.verdict, early.reason) == ("parked", "payment_unknown")
    # When
    other.take(everything(**NAMED)[4])
    # Then: it waits no longer, and later ones do not begin to
    late = other.take(refund("ORD_B", "", "REF_2", DAY, amount="5.00", **nameless))
    assert (late.verdict, late.reason) == ("ignored", "not_ours")
    assert not deliveries_by_verdict(world.table, "parked", limit=10).deliveries


def test_a_refund_with_the_checkouts_metadata_and_no_product_follows_its_order(world: World) -> None:
    other = selling_more(world, BY_NAME)
    other.take(everything(**NAMED)[4])
    marked: dict[str, Any] = {"paymentId": None, "productName": None, "orderMetadata": {"campaign": "spring"}}
    outcome = other.take(refund("ORD_B", "", "REF_1", DAY, amount="5.00", **marked))
    assert (outcome.verdict, outcome.reason) == ("ignored", "not_ours")


def test_what_is_ours_is_applied_beside_it(world: World) -> None:
    other = selling_more(world, BY_NAME + BY_METADATA)
    assert other.take(lifecycle("activated", "ORD_A", DAY, DAY, "2026-04-10")).verdict == "applied"
    assert other.plan() == "starter"


def test_what_the_catalog_takes_back_is_replayed(world: World) -> None:
    # Given our own plan, sold under a mark that was called not ours
    sold = lifecycle("activated", "ORD_A", DAY, DAY, "2026-04-10", orderMetadata={"app": "blog"})
    digest = selling_more(world, BY_METADATA).take(sold).digest
    assert world.plan() == "free"
    # When the catalog no longer calls it so
    assert replay_delivery(world.metering, digest, world.now).verdict == "applied"
    # Then
    assert world.plan() == "starter"
    assert replay_delivery(world.metering, digest, world.now).verdict == "duplicate"
