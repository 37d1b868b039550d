"""The ways in which usage comes, and what an event of each takes of every bound. Units and prices: tools/costs.py."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from pancake_meter.domain.balance.hold import MAX_HOLDS
from pancake_meter.store.balance.spending import RECORD_EVENTS_MAX
from pancake_meter.store.keys import REPORT_SHARDS
from pancake_meter.usecases.side_by_side import WORKERS_MAX
from tests.load import hot_item
from tests.load.aws_rules import (
    HELD_MS_LARGE,
    HELD_MS_SMALL,
    PARTITION_WRITES,
    REQUESTS_A_SLOT,
    TABLE_WRITES,
    TRANSACTION_FACTOR,
)
from tests.load.settings import Settings, work_rate
from tools import costs

HELD_CALL_SECONDS: Final = 2
"""How long a call of a model holds its units. Assumed."""

LITELLM_BATCH: Final = 512
"""Calls that LiteLLM's callback sends in one request: its ``DEFAULT_BATCH_SIZE``."""

UNAVAILABLE: Final = "503 `unavailable`"
GATEWAY_429: Final = "429 of API Gateway"
GATEWAY_503: Final = "503 of API Gateway"
QUEUED: Final = "202; counted late"
LATE: Final = "late figures, lists and alerts"


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound: at which rate it is met, what is seen then, and what moves it."""

    name: str
    events_a_second: float
    seen: str
    moved_by: str


@dataclass(frozen=True, slots=True)
class Path:
    """One way. Figures are for one event.

    ``balance_units``: of the units, those on the balance's own item. ``dollars``: of a million events.
    """

    name: str
    requests: float
    duration_ms: float
    units: float
    balance_units: float
    transaction_events: float
    held_ms: float
    dollars: Decimal
    is_queued: bool = False
    holds: bool = False

    def executions(self, rate: float) -> float:
        """Return how many executions of functions such a rate keeps busy, at least one."""
        return max(1.0, rate * self.duration_ms / 1000)


_SINGLE: Final = costs.COUNTED["record"].write_units
_BATCH: Final = costs.COUNTED["batch of 99"].write_units / RECORD_EVENTS_MAX
_ON_BALANCE: Final = TRANSACTION_FACTOR.value


def paths(*, one_customer: bool) -> tuple[Path, ...]:
    """Return the ways: with all events of one balance, or each of another one's, which no batch can count together."""
    together = RECORD_EVENTS_MAX if one_customer else 1
    units, held = (_BATCH, HELD_MS_LARGE) if one_customer else (float(_SINGLE), HELD_MS_SMALL)
    batch_ms = (
        costs.DURATION_MS["batch of 99"] / RECORD_EVENTS_MAX
        if one_customer
        else 1000 / work_rate(costs.DURATION_MS["record"], at_once=WORKERS_MAX)
    )
    apart = Decimal(0) if one_customer else _dollars("DynamoDB writes, on demand", units - _BATCH)
    worked = costs.worked()
    reads = _dollars("DynamoDB reads, on demand", 0.5)
    followed = Decimal(0) if one_customer else costs.behind("balances that changed, followed").total

    def path(name: str, requests: float, dollars: Decimal, *, is_queued: bool = False) -> Path:
        dollars += apart + followed
        return Path(
            name, requests, batch_ms, units, _ON_BALANCE / together, together, held, dollars, is_queued=is_queued
        )

    held_and_settled = costs.COUNTED["hold"].write_units + costs.COUNTED["settle"].write_units
    call_ms = costs.DURATION_MS["hold"] + costs.DURATION_MS["settle"]
    on_balance = costs.COUNTED["hold"].write_units + _ON_BALANCE
    return (
        Path(
            "record, 1 a request",
            1,
            costs.DURATION_MS["record"],
            _SINGLE,
            _ON_BALANCE,
            1,
            HELD_MS_SMALL,
            worked["record"].total + followed,
        ),
        path("batch of 99", 1 / RECORD_EVENTS_MAX, worked["an event in a batch of 99"].total),
        path("bulk", 1 / costs.BULK_EVENTS_A_POST, worked["an event by bulk"].total, is_queued=True),
        Path(
            "hold + settle (LiteLLM's logger)",
            2,
            call_ms,
            held_and_settled,
            on_balance,
            1,
            HELD_MS_SMALL,
            worked["hold + settle"].total + followed,
            holds=True,
        ),
        path("LiteLLM's callback, 512 a request", 1 / LITELLM_BATCH, worked["an event in a batch of 99"].total + reads),
    )


def limits(path: Path, settings: Settings, *, one_customer: bool) -> list[Limit]:
    """Return the bounds that a way meets, the lowest first."""
    changed = 0.0 if one_customer else 1.0
    units = path.units + changed * followed_units(settings.stream_batch)
    found = [
        Limit("API throttle of the stack", settings.api_rate / path.requests, GATEWAY_429, "`ThrottlingRateLimit`"),
        Limit("API Gateway's quota", settings.api_account / path.requests, GATEWAY_429, "quota L-8A5B8E43"),
        Limit(
            "Lambda's requests a second",
            settings.concurrency * REQUESTS_A_SLOT.value / path.requests,
            GATEWAY_503,
            "quota L-B99A9384",
        ),
        Limit("the table's quota", TABLE_WRITES.value / units, UNAVAILABLE, "the quota *table-level write throughput*"),
    ]
    if settings.table_warm < TABLE_WRITES.value:
        growth = "`WarmThroughput`, or half an hour for each doubling"
        found.append(Limit("a table that is new", settings.table_warm / units, UNAVAILABLE, growth))
    if not path.is_queued:
        slots = settings.concurrency / (path.duration_ms / 1000)
        found.append(Limit("Lambda's concurrency", slots, GATEWAY_503, "quota L-B99A9384"))
    else:
        found.append(_consumers(path, settings, one_customer=one_customer))
    if one_customer:
        found += _of_one_balance(path)
    else:
        found += _of_the_reader(settings)
    return sorted(found, key=lambda limit: limit.events_a_second)


def followed_units(balances: int) -> float:
    """Return the write units that following one changed balance takes, in a batch with so many."""
    each = TRANSACTION_FACTOR.value
    beside = costs.BEHIND["balances that changed, followed"].write_units - each * costs.BEHIND_BALANCES
    return each + beside / balances


def bulk_outcome(consumers: int) -> hot_item.Outcome:
    """Return how consumers of the queue fare with the messages of one balance, each one transaction of 99 events."""
    between = max(0, costs.DURATION_MS["bulk message of 99"] - HELD_MS_LARGE)
    return hot_item.of_consumers(consumers, HELD_MS_LARGE, between)


def _consumers(path: Path, settings: Settings, *, one_customer: bool) -> Limit:
    if one_customer:
        rate = bulk_outcome(settings.bulk_concurrency).rate * RECORD_EVENTS_MAX
    else:
        rate = settings.bulk_concurrency * 1000 / path.duration_ms
    return Limit("consumers of the queue", rate, QUEUED, "`BulkConcurrency`")


def _of_one_balance(path: Path) -> list[Limit]:
    found = [
        Limit(
            "one partition of the table",
            PARTITION_WRITES.value / path.balance_units,
            UNAVAILABLE,
            "nothing",
        )
    ]
    if path.is_queued:
        most = max(bulk_outcome(consumers).rate for consumers in (4, 8, 16)) * RECORD_EVENTS_MAX
        found.append(Limit("transactions on one item", most, UNAVAILABLE, "fewer, larger events"))
    else:
        rate = hot_item.rate_of_callers(path.held_ms) * path.transaction_events
        found.append(Limit("transactions on one item", rate, UNAVAILABLE, "fewer, larger events"))
    if path.holds:
        rate = MAX_HOLDS / HELD_CALL_SECONDS
        found.append(Limit("100 holds in flight", rate, "429 `too_many_holds`", "one hold for many calls"))
    return found


def _of_the_reader(settings: Settings) -> list[Limit]:
    each_ms = costs.DURATION_MS["balances that changed, followed"] / costs.BEHIND_BALANCES
    at_once = settings.partitions * settings.stream_factor
    # Each batch has one transaction on the rows of each shard of the totals. Batches meet there, and one of two tries again.
    reader = hot_item.of_consumers(at_once, HELD_MS_LARGE, settings.stream_batch * each_ms - HELD_MS_LARGE)
    rows = hot_item.of_consumers(at_once, HELD_MS_LARGE, 0)
    return [
        Limit(
            "the stream reader",
            reader.rate * settings.stream_batch,
            LATE,
            "partitions: `WarmThroughput`, or growth",
        ),
        Limit(
            "rows of the live totals",
            rows.rate * settings.stream_batch,
            LATE,
            f"`REPORT_SHARDS` in the code, {REPORT_SHARDS}",
        ),
    ]


def dollars_an_hour(path: Path, rate: float) -> float:
    """Return the price of so many events a second for an hour."""
    return float(path.dollars) * rate * 3600 / costs.MILLION


def _dollars(name: str, units: float) -> Decimal:
    return costs.PRICES[name].dollars * Decimal(units)
