"""Issue 13, point 7: bodies and headers of webhooks age out; the mark of exactly once, and what lists show, stay."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.domain.errors import DeliveryBodyRemoved
from pancake_meter.store.table import Table
from pancake_meter.store.webhooks.deliveries import deliveries_by_verdict, read_delivery
from pancake_meter.usecases.webhooks import age_bodies
from pancake_meter.usecases.webhooks.age_bodies import remove_aged_bodies
from pancake_meter.usecases.webhooks.judge import dismiss_delivery, kept_delivery, replay_delivery
from tests.support.waffo_webhooks import encode
from tests.support.webhook_world import World, event, lifecycle, payment, utc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

NOW = utc("2026-03-10T15:20:00")
KEPT = timedelta(days=180)
ACTIVATED = lifecycle("activated", "ORD_1", "2026-03-10", "2026-03-10", "2026-04-10")


@pytest.fixture
def world(dynamodb: "DynamoDBClient", table: str) -> World:
    return World(Table(dynamodb, table, sleep=lambda _: None), NOW)


def removed(world: World, days: float) -> int:
    now = NOW + timedelta(days=days)
    return remove_aged_bodies(world.table, now - KEPT, now, may_go_on=lambda: True)


def every_item(client: "DynamoDBClient", table: str) -> list[dict[str, Any]]:
    pages = client.get_paginator("scan").paginate(TableName=table)
    return [item for page in pages for item in page["Items"]]


def test_a_body_ages_out_with_its_headers_and_the_mark_stays(
    world: World, dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given
    taken = [world.take(ACTIVATED), world.take(payment("ORD_1", "PAY_1", "2026-03-10"))]
    before = [deliveries_by_verdict(world.table, "applied", limit=10), kept_delivery(world.metering, taken[0].digest)]
    assert removed(world, 179.9) == 0
    assert "buyer@example.com" in str(every_item(dynamodb, table))
    # When
    assert removed(world, 180.1) == 2
    # Then nothing of the buyer is left, lists show what they showed, and a repeat counts as one
    assert "buyer@example.com" not in str(every_item(dynamodb, table))
    assert "x-waffo-signature" not in str(every_item(dynamodb, table))
    assert deliveries_by_verdict(world.table, "applied", limit=10) == before[0]
    kept = kept_delivery(world.metering, taken[0].digest)
    assert (kept.body, kept.headers, kept.body_removed_at) == (b"", {}, NOW + timedelta(days=180.1))
    assert kept.body_size == len(encode(ACTIVATED))
    later = NOW + timedelta(days=181)
    assert world.take(ACTIVATED, later).verdict == "duplicate"
    assert replay_delivery(world.metering, taken[0].digest, later).verdict == "duplicate"
    assert (kept_delivery(world.metering, taken[0].digest).body, removed(world, 400)) == (b"", 0)


def test_promise_5_what_is_open_keeps_its_body_until_it_is_done(world: World) -> None:
    # Given a payment of nobody that we know
    stray = world.take(event("order.completed", "ORD_9", "2026-03-10", "PAY_9", merchantProvidedBuyerIdentity=None))
    assert stray.verdict in {"parked", "failed"}
    # When it has reached its age, it is still there to be applied
    assert removed(world, 400) == 0
    assert kept_delivery(world.metering, stray.digest).is_whole
    # And once it is done, it goes with the next run
    dismiss_delivery(world.metering, stray.digest, "test", NOW + timedelta(days=400))
    assert removed(world, 400) == 1
    with pytest.raises(DeliveryBodyRemoved):
        replay_delivery(world.metering, stray.digest, NOW + timedelta(days=401))
    assert kept_delivery(world.metering, stray.digest).verdict == "dismissed"


def test_bodies_that_earlier_code_has_written_age_too(world: World, dynamodb: "DynamoDBClient", table: str) -> None:
    # Given deliveries as earlier versions wrote them
    digests = [world.take(payment("ORD_1", f"PAY_{n}", "2026-03-10", number=n)).digest for n in range(1, 8)]
    for digest in digests:
        key = {name: {"S": text} for name, text in (("PK", f"DELIVERY#{digest}"), ("SK", "DELIVERY"))}
        dynamodb.update_item(TableName=table, Key=key, UpdateExpression="REMOVE due_shard, valid_until")
    # When
    assert removed(world, 10) == 0
    assert removed(world, 181) == len(digests)
    # Then
    assert "buyer@example.com" not in str(every_item(dynamodb, table))


def test_a_run_that_is_out_of_time_goes_on_in_the_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(age_bodies, "PAGE_SIZE", 2)
    for number in range(1, 6):
        world.take(payment("ORD_1", f"PAY_{number}", "2026-03-10", number=number))
    now = NOW + timedelta(days=181)
    counts: list[int] = []
    while sum(counts) < 5:
        answers: Iterator[bool] = iter([True] * 5)
        counts.append(remove_aged_bodies(world.table, now - KEPT, now, may_go_on=lambda: next(answers, False)))  # noqa: B023
        assert len(counts) < 10
    assert len(counts) > 1
    assert removed(world, 181) == 0


def test_a_delivery_that_was_never_read_ages_like_any_other(world: World) -> None:
    gone = world.take_bytes(b'{"buyerEmail": "buyer@example.com"')
    assert gone.verdict == "failed"
    dismiss_delivery(world.metering, gone.digest, "not an event", NOW)
    assert removed(world, 181) == 1
    kept = read_delivery(world.table, gone.digest)
    assert kept is not None
    assert kept.body_removed_at is not None


def test_a_beginning_from_which_nothing_can_be_applied_ages_though_it_is_open(
    world: World, dynamodb: "DynamoDBClient", table: str
) -> None:
    large = event("order.completed", "ORD_9", "2026-03-10", None, note="x" * 300_000)
    taken = world.take(large)
    assert (taken.verdict, kept_delivery(world.metering, taken.digest).is_whole) == ("failed", False)
    assert removed(world, 179.9) == 0
    assert removed(world, 180.1) == 1
    assert "buyer@example.com" not in str(every_item(dynamodb, table))
