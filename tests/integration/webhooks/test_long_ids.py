"""Ids that the table's keys cannot take are refused before they reach them; those of any script that can are taken."""

from typing import Any

import pytest

from pancake_meter.store.selling.payments import read_payment
from tests.support.webhook_world import World, event, lifecycle, payment, refund

DAY = "2026-03-10"
TOO_LONG = ["x" * 257, "é" * 129, "日" * 230, "🐘" * 256]
LONGEST = ["x" * 256, "é" * 128, "日" * 85, "🐘" * 64]


@pytest.mark.parametrize("text", TOO_LONG, ids=["ascii", "two bytes", "three bytes", "four bytes"])
def test_scenario_96_an_id_that_is_too_long_for_a_key_is_kept_as_failed(world: World, text: str) -> None:
    documents = [
        payment("ORD_A", text, DAY),
        payment(text, "PAY_1", DAY),
        lifecycle("activated", text, DAY, DAY, "2026-04-10"),
        event("order.completed", text, DAY, "PAY_1", paymentId="PAY_1", chargedAmount="3.00"),
        refund("ORD_A", text, "REF_1", DAY, amount="3.00"),
        refund("ORD_A", "PAY_1", text, DAY, amount="3.00"),
    ]
    for document in documents:
        outcome = world.take(document)
        assert (outcome.verdict, outcome.reason) == ("failed", "malformed_event")


@pytest.mark.parametrize("text", LONGEST, ids=["ascii", "two bytes", "three bytes", "four bytes"])
def test_scenario_106_the_longest_ids_are_taken_together(world: World, text: str) -> None:
    # Given: the longest id of every kind at once, and a ticket of the seller's
    customer = "🐘" * 128
    whose: dict[str, Any] = {
        "merchantProvidedBuyerIdentity": customer,
        "orderMerchantExternalId": "🐘" * 128,
        "orderMetadata": {"checkout_id": "🐘" * 256},
        "productName": "Starter",
    }
    ticket: dict[str, Any] = {"refundTicketMerchantExternalId": "🐘" * 128}
    part = refund(text, text, text, DAY, amount="3.00", **whose, **ticket)
    product: dict[str, Any] = {**whose, "productName": "🐘" * 2000, "productMetadata": {"top_up_tokens": "5"}}
    other = f"{text[:-1]}y"
    documents = [
        lifecycle("activated", text, DAY, DAY, "2026-04-10", **whose),
        payment(text, text, DAY, **whose),
        part,
        event("order.completed", other, DAY, other, paymentId=other, chargedAmount="3.00", **product),
    ]
    # When
    outcomes = [world.take(document).verdict for document in documents]
    # Then
    assert outcomes == ["applied"] * 4
    kept = read_payment(world.table, text)
    assert kept is not None
    assert len(kept.refunds) == 1
