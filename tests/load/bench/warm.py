"""Warm: the CPU time of each hot operation through its handler, over the bare calls of the same requests."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import boto3

from pancake_meter.store.retrying import CLIENT_CONFIG
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.metering import Metering
from tests.load.bench.figures import Figure
from tests.load.bench.hooks import webhooks
from tests.load.bench.twin import Request, Twins, cpu_seconds
from tests.support.hot_operations import Call, HotOperations
from tests.support.meters import catalog_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ROUNDS: Final = 60
UNITS: Final = 10**12
"""Of the plan: nothing is refused, and no alert rings, however long it is measured."""

CYCLE: Final = ("check", "hold", "settle", "hold", "release", "record", "batch of 99", "webhook")
_TURNS: Final = ("ours", "client", "boto3")
NAMES: Final = tuple(dict.fromkeys(CYCLE))


OVER_BOTO3: Final = "{name}, over boto3 as it comes"


def measure(client: "DynamoDBClient", url: str, rounds: int = ROUNDS) -> list[Figure]:
    """Return two figures for each operation: over our own client, and over boto3's as it comes, with our timeouts."""
    twins = Twins.begin(client, "warm")
    stock = Twins.begin(boto3.client("dynamodb", config=CLIENT_CONFIG, endpoint_url=url), "warm-boto3")
    operations = HotOperations(Metering(Table(client, twins.ours), catalog_of(UNITS)))
    hooks = webhooks(client, twins.ours)

    def ready(name: str) -> Call:
        return next(hooks) if name == "webhook" else operations.of(name)

    operations.record()()
    first = twins.recorder.take()
    for each in (twins, stock):
        each.follow(first)
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    asked: list[Sequence[Request]] = [()] * len(CYCLE)
    for number in range(rounds + 1):
        for place, name in enumerate(CYCLE):
            call = ready(name)
            bare = {"client": twins.made_ready(asked[place]), "boto3": stock.made_ready(asked[place])}
            # Each is first as often as the others: who comes later finds the processor's caches warm.
            for turn in range(len(_TURNS)):
                which = _TURNS[(number + place + turn) % len(_TURNS)]
                twins.recorder.take()
                seconds = handled(call) if which == "ours" else called(bare[which])
                if which == "ours":
                    asked[place] = twins.recorder.take()
                if number:
                    times[name, which].append(seconds)
    return [
        *(Figure.of_times(name, times[name, "ours"], times[name, "client"]) for name in NAMES),
        *(Figure.of_times(OVER_BOTO3.format(name=name), times[name, "ours"], times[name, "boto3"]) for name in NAMES),
    ]


def called(calls: Sequence[Callable[[], object]]) -> float:
    """Return the CPU seconds of bare calls, one after the other."""
    return cpu_seconds(lambda: [call() for call in calls])


def handled(call: Call) -> float:
    """Return the CPU seconds of one call of a handler."""
    return cpu_seconds(lambda: checked(call()))


def checked(answer: dict[str, Any]) -> None:
    """Raise `RuntimeError` where an operation was refused: its time would be that of a refusal."""
    if answer["statusCode"] >= HTTPStatus.MULTIPLE_CHOICES:
        raise RuntimeError(f"an operation was answered {answer}")
