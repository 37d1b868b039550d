"""What a delivery waits for may be applied while it is judged: it does not wait for ever."""

from collections.abc import Sequence
from typing import Any

import pytest

from pancake_meter.store.table import Table, Write
from pancake_meter.store.webhooks.deliveries import deliveries_by_verdict
from tests.support.webhook_world import Document, World, lifecycle, payment, refund

ORDER, DAY = "ORD_A", "2026-03-10"
NOBODY: dict[str, Any] = {"merchantProvidedBuyerIdentity": None}


def activated() -> Document:
    return lifecycle("activated", ORDER, DAY, DAY, "2026-04-10")


@pytest.mark.parametrize(
    ("before", "waits", "other", "available"),
    [
        ([activated()], refund(ORDER, "", "REF_1", DAY, amount="9.00", paymentId=None, periodNumber=1),
         payment(ORDER, "PAY_1", DAY), 0),
        ([], lifecycle("plan_changed", ORDER, "2026-03-11", DAY, "2026-04-10", plan="pro", **NOBODY),
         activated(), 1_000_000),
        ([], payment(ORDER, "PAY_1", DAY, **NOBODY), activated(), 100_000),
    ],
    ids=["a refund and its charge", "a plan change and its order's customer", "a charge and its order's customer"],
)  # fmt: skip
def test_what_is_applied_between_the_judgement_and_its_mark_is_seen(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    before: Sequence[Document],
    waits: Document,
    other: Document,
    available: int,
) -> None:
    # Given: another invocation applies what a delivery waits for, just before the mark of this one is written
    for document in before:
        world.take(document)
    transact, races = Table.transact, [other]

    def racing(table: Table, writes: Sequence[Write], *more: Any, **named: Any) -> None:
        if races:
            world.take(races.pop())
        transact(table, writes, *more, **named)

    monkeypatch.setattr(Table, "transact", racing)
    # When
    outcome = world.take(waits)
    # Then
    assert not races
    assert outcome.verdict == "applied"
    assert not deliveries_by_verdict(world.table, "parked", limit=10).deliveries
    assert world.available() == available
