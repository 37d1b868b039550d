"""A stream that is followed as Lambda would have it: shards that split, batches that fail half way and come again."""

import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

import stream_reader
from pancake_meter.catalog import load_catalog
from pancake_meter.deps.stream import StreamDeps, followers_of
from pancake_meter.domain.balance.balance import day_of
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.balance.balance_item import balance_from_item
from pancake_meter.store.balance.closed_period_item import chart_from_item
from pancake_meter.store.item_format import readable, stamped
from pancake_meter.store.table import Item, Put, Table, Update, Write
from pancake_meter.usecases.alerts.ringing import Bell
from pancake_meter.usecases.selling.offer import Offers
from pancake_meter.value import replace
from tests.support.api import LambdaContext
from tests.support.sqs import MemoryQueue
from tests.support.stream import passes_filter, stream_events

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient

FUNCTION = "StreamReaderFunction"
TRIES_MAX = 5
SECRET = "pseudonyms"
LINKS = "a secret of the tests, of 32 characters or more"
CATALOG = Path(__file__).parents[2] / "layers" / "catalog" / "catalog.toml"

KINDS = ("BALANCE#", "CHART#", "REFUSED#", "SUBSCRIPTION", "CHECKOUT", "DELIVERY", "ALERT#")
SERIALIZE: Callable[[Any], Any] = TypeSerializer().serialize

Record = Mapping[str, Any]


class Reader:
    """The stream reader of a table on Dynoxide."""

    def __init__(self, client: "DynamoDBClient", table: Table, name: str, clock: "Callable[[], datetime]") -> None:
        self.client = client
        self.table = table
        self.name = name
        self.aside = MemoryQueue()
        self.erasures = Erasures(table, lambda: SECRET)
        offers = Offers(load_catalog(CATALOG), "test", lambda: LINKS)
        self.bell = Bell(table, self.erasures, offers, "https://api.example.com", clock)
        self.deps = StreamDeps(table, followers_of(self.bell), self.aside.queue, clock)

    def follow_with(self, bell: Bell) -> None:
        """Ring by another bell from now on."""
        self.deps = replace(self.deps, followers=followers_of(bell))

    def records(self) -> list[Record]:
        """Return what the function would be told, from the beginning."""
        if isinstance(self.table, ToldTable):
            return list(self.table.records)
        return [record for event in stream_events(self.client, self.name, FUNCTION) for record in event["Records"]]

    def read(self, records: Sequence[Record]) -> str | None:
        """Call the function; return the sequence number from which it wants to begin again."""
        answer = stream_reader.handler({"Records": list(records)}, LambdaContext(), self.deps)
        failures = answer["batchItemFailures"]
        return failures[0]["itemIdentifier"] if failures else None

    def follow(self, records: Sequence[Record] | None = None) -> None:
        """Read all that there is, in batches of a hundred."""
        waiting = list(self.records() if records is None else records)
        for first in range(0, len(waiting), 100):
            # An engine on a busy machine may be slow to answer; Lambda tries again as well.
            assert any(self.read(waiting[first : first + 100]) is None for _ in range(TRIES_MAX))
        assert self.aside.bodies == []

    def follow_in_trouble(self, records: Iterable[Record], seed: int) -> None:
        """Read as from shards that split once, with batches of any size of which a part comes again.

        Records of one item stay in order, also over the split: a shard's children are read after it.
        """
        chance = random.Random(seed)  # noqa: S311 - a replayable shuffle
        waiting = list(records)
        cut = chance.randrange(len(waiting))
        for part, shards in ((waiting[:cut], 2), (waiting[cut:], 5)):
            queues: list[list[Record]] = [[] for _ in range(shards)]
            for record in part:
                queues[hash(record["dynamodb"]["Keys"]["PK"]["S"]) % shards].append(record)
            places = [0] * shards
            while any(place < len(queue) for place, queue in zip(places, queues, strict=True)):
                shard = chance.randrange(shards)
                batch = queues[shard][places[shard] : places[shard] + chance.randint(1, 60)]
                if batch:
                    self.read(batch)
                    # A checkpoint is lost now and then, or is that of an earlier batch.
                    places[shard] += len(batch) if chance.random() < 0.7 else chance.randint(-20, len(batch) - 1)
                    places[shard] = max(0, places[shard])


class ToldTable(Table):
    """A table that tells its own changes as its stream would.

    Dynoxide goes through all records of a stream at every write: with tens of thousands of them it does not answer in time.
    """

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        super().__init__(client, name, sleep=lambda _: None)
        self.records: list[Record] = []
        self._images: dict[tuple[str, str], Any] = {}
        self._numbers = itertools.count(1)

    def write(self, write: Put | Update) -> Item:
        """Perform one write, and tell it."""
        try:
            return super().write(write)
        finally:
            self._tell([write])

    def transact(self, writes: Sequence[Write]) -> None:
        """Perform all writes or none, and tell them."""
        try:
            super().transact(writes)
            self._tell(writes, is_alert=True)
        finally:
            self._tell(writes)

    def _tell(self, writes: Iterable[Write], *, is_alert: bool = False) -> None:
        """Tell what the items of some writes are now; alerts, which the stream reader may not read, as they were put."""
        for write in writes:
            key = write.item if isinstance(write, Put) else write.key
            place = key["PK"], key["SK"]
            if not place[1].startswith(KINDS) or place[1].startswith("ALERT#") != is_alert:
                continue
            keys = {"PK": {"S": place[0]}, "SK": {"S": place[1]}}
            image: Any
            if is_alert and isinstance(write, Put):
                image = {name: SERIALIZE(value) for name, value in stamped(write.item).items()}
            else:
                image = self._client.get_item(TableName=self._name, Key=keys, ConsistentRead=True).get("Item")
            before, self._images[place] = self._images.get(place), image
            if image is None or image == before:
                continue
            change = {
                "Keys": keys,
                "NewImage": image,
                "SequenceNumber": str(next(self._numbers)),
                "ApproximateCreationDateTime": 1773155700.0,
            }
            change |= {"OldImage": before} if before is not None else {}
            name = "MODIFY" if before is not None else "INSERT"
            record = {"eventName": name, "eventSource": "aws:dynamodb", "dynamodb": change}
            if passes_filter(record, FUNCTION):
                self.records.append(record)


def items_of(client: "DynamoDBClient", table: str) -> list[dict[str, Any]]:
    """Return every item of a table."""
    deserialize = TypeDeserializer().deserialize
    pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    return [
        dict(readable({name: deserialize(value) for name, value in item.items()}))
        for page in pages
        for item in page["Items"]
    ]


def expected_totals(items: Iterable[Mapping[str, Any]]) -> dict[tuple[str, ...], Decimal]:
    """Return by name what the totals have to come to: summed over all balances and charts of a table, without our code."""
    totals: defaultdict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    days: set[tuple[str, str, str]] = set()
    for item in items:
        kind, _, rest = item["SK"].partition("#")
        if not item["PK"].startswith("CUSTOMER#") or kind not in {"BALANCE", "CHART"}:
            continue
        meter = rest.partition("#")[0]
        if kind == "BALANCE":
            balance = balance_from_item(item)
            plan, charted, end = balance.policy.plan or "", balance.days, balance.chart_closes_at
            totals["open", meter, plan, "used"] += balance.used
            totals["open", meter, plan, "overage"] += balance.current_overage
            totals["open", meter, plan, "customers"] += Decimal(balance.used > 0)
        else:
            chart = chart_from_item(item)
            plan, charted, end = chart.plan or "", chart.days, chart.closed_at
        for day, quantity in ((f"{day_of(key, end)}", quantity) for key, quantity in charted.items() if quantity):
            totals["day", meter, day, plan] += quantity
            totals["month", meter, day[:7]] += quantity if kind == "BALANCE" else 0
            days |= {(item["PK"], meter, day), (item["PK"], "*", day)}
    months = {(customer, meter, day[:7]) for customer, meter, day in days}
    for _, meter, when in days | months:
        totals["active", meter, when] += 1
    return {name: total for name, total in totals.items() if total}


def live_totals(items: Iterable[Mapping[str, Any]]) -> dict[tuple[str, ...], Decimal]:
    """Return the totals as they are kept, in the same words."""
    totals: dict[tuple[str, ...], Decimal] = {}
    for item in items:
        if not item["PK"].startswith("REPORT#LIVE#"):
            continue
        report, *parts = item["PK"].split("#")[2:-1]
        row = item["SK"].removeprefix("ROW#")
        for figure, value in item.items():
            if figure in {"PK", "SK"} or not value:
                continue
            name: tuple[str, ...]
            match report:
                case "OPEN":
                    name = ("open", parts[0], row, figure)
                case "OPENMONTHS":
                    name = ("month", parts[0], row)
                case "DAYS":
                    name = ("day", parts[0], f"{parts[1]}-{figure}", row)
                case "ACTIVE":
                    name = ("active", row, parts[0] if figure == "month" else f"{parts[0]}-{figure}")
                case _:
                    name = (report, row, figure)
            totals[name] = totals.get(name, Decimal(0)) + value
    return {name: value for name, value in totals.items() if value}
