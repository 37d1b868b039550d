"""Webhooks for the suite: each activates the subscription of another customer."""

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import webhook_intake
from pancake_meter.deps.intake import IntakeDeps
from pancake_meter.store.table import Table
from tests.support.api import LambdaContext
from tests.support.waffo_webhooks import encode, signed_request, webhook_request
from tests.support.webhook_world import World, lifecycle, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW: Final = utc("2026-03-10T15:15:00")


def webhooks(client: "DynamoDBClient", table: str) -> Iterator[Callable[[], dict[str, Any]]]:
    """Yield one call of the intake after the other, each made ready."""
    world = World(Table(client, table), NOW)
    deps = IntakeDeps(world.intake, lambda: NOW)
    for number in itertools.count(1):
        document = lifecycle(
            "activated",
            f"ORD_{number:022d}",
            "2026-03-10",
            "2026-03-10T15:14:33Z",
            "2026-04-10T15:14:33Z",
            merchantProvidedBuyerIdentity=f"acct_{number:06d}",
        )
        request = signed_request(webhook_request("subscription_activated"), at=NOW, body=encode(document))
        yield partial(webhook_intake.handler, request, LambdaContext(), deps)
