"""What a delivery costs that comes again, as AWS charges: a refused transaction in full."""

from typing import TYPE_CHECKING

from tests.support.metered_dynamodb import metered
from tests.support.webhook_world import World, lifecycle

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def test_a_delivery_that_comes_again_is_counted_and_has_no_write_refused(
    world: World, dynamodb: "DynamoDBClient"
) -> None:
    activated = lifecycle("activated", "ORD_A", "2026-03-10", "2026-03-10", "2026-04-10")
    world.take(activated)
    available = world.available()
    with metered(dynamodb) as meter:
        world.take(activated)
    assert world.available() == available
    # What it names is read, its mark among it; that it came again is counted, and what waits is asked for. No write of its
    # effects is refused.
    assert (meter.operations, meter.refused_writes) == (["BatchGetItem", "TransactWriteItems", "Query"], 0)
