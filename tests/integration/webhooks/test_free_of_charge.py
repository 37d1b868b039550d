"""Issue 11, point 8: what a full discount sold is granted, whether it was charged or not."""

from typing import Any

import pytest

from pancake_meter.domain.selling.checkout import Checkout
from pancake_meter.store.selling.checkouts import read_checkout
from tests.support.webhook_world import Document, World, event, lifecycle, payment, utc

NOW = utc("2026-03-10T15:15:00")
PRICE = {"total": "3.30", "subtotal": "3.00", "taxAmount": "0.30"}
BLOCK = {"listPrice": PRICE, "amount": "0.00"}
FLAT = {**PRICE, "amount": "0.00"}
TAX_FREE = {"listPrice": {"total": "3.00", "taxAmount": "0.00"}, "amount": "0.00"}


def free(**data: Any) -> Document:
    """A one-time order whose whole price was taken off."""
    charge = {"paymentId": "PAY_1", "chargedAmount": "0.00", "orderStatus": "completed", "productName": "Usage"}
    return event("order.completed", "ORD_9aLm3cUeH7rTxK5pQ0vWsD", "2026-03-10", "PAY_1", **{**charge, **data})


@pytest.mark.parametrize("number", [None, 0, 1])
@pytest.mark.parametrize("price", [BLOCK, FLAT, TAX_FREE])
@pytest.mark.parametrize("named", [{"orderMerchantExternalId": "chk_1"}, {}])
def test_a_checkout_at_a_full_discount_grants_what_it_sold(
    world: World, checkout: Checkout, named: dict[str, str], price: dict[str, Any], number: int | None
) -> None:
    # When
    outcome = world.take(free(**named, **price, **({} if number is None else {"periodNumber": number})))
    # Then
    assert (outcome.verdict, outcome.reason) == ("applied", "charged_nothing")
    assert world.available() == 110_000
    paid = read_checkout(world.table, checkout.id)
    assert paid is not None
    assert (paid.status, paid.flag) == ("paid", None)


def test_a_plain_link_at_a_full_discount_grants_what_its_product_states(world: World) -> None:
    outcome = world.take(free(**BLOCK, productMetadata={"top_up_tokens": "5000"}))
    assert (outcome.verdict, world.available()) == ("applied", 15_000)


def test_a_subscription_at_a_full_discount_grants_its_period_in_either_order(world: World) -> None:
    charge = payment("ORD_A", "PAY_0", "2026-03-10", amount="0.00", listPrice=PRICE)
    start = lifecycle("activated", "ORD_A", "2026-03-10", "2026-03-10", "2026-04-10")
    for document in (charge, start):
        assert world.take(document).verdict == "applied"
    assert (world.plan(), world.available()) == ("starter", 100_000)
