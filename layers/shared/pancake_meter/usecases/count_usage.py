"""Counting what other systems send: each item counts, counts not by its settings, or is parked with its reason."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Final, Literal

from pancake_meter.domain.errors import DomainError, EventConflict, PeriodClosed, UnknownParkedUsage
from pancake_meter.store.errors import OutOfTime
from pancake_meter.store.parked_usage import (
    CONTENT_LENGTH_MAX,
    ParkedUsage,
    content_of,
    mark_counted,
    park,
    read_parked,
)
from pancake_meter.usecases.bulk_usage import BULK
from pancake_meter.usecases.event_result import EventResult
from pancake_meter.usecases.hold_quota import release_hold
from pancake_meter.usecases.metering import Metering
from pancake_meter.usecases.record_usage import UsageLine, always, record_batch
from pancake_meter.usecases.settle_line import settle_line
from pancake_meter.usecases.usage_sources import LITELLM, OPENMETER, Measured, Source

SOURCES: Final = {source.name: source for source in (LITELLM, OPENMETER, BULK)}

ItemStatus = Literal["counted", "duplicate", "ignored", "parked"]


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    """What became of one item. ``parked`` ones have a reason, and the id under which they are kept.

    ``ended_hold``: units that were held for it are so no more.
    """

    status: ItemStatus
    parked: ParkedUsage | None = None
    ended_hold: bool = False


def count_items(
    metering: Metering,
    source: Source,
    items: Sequence[object],
    now: datetime,
    may_go_on: Callable[[], bool] = always,
) -> list[ItemOutcome]:
    """Count a batch; return what became of each item, in order. Everything is durable when this returns.

    An item that feeds several meters is counted once in each: where trouble came between them, repeating heals it. Nothing
    more is written once ``may_go_on`` denies it.

    Raises:
        StoreBusy, StoreUnavailable: passing trouble, such as ``OutOfTime``; repeating the whole batch is safe.
    """
    read = [_read(metering, source, item, now) for item in items]
    settled = [_settled(metering, measured, now, may_go_on) for measured in read]
    lines = [line for measured in read if isinstance(measured, Measured) for line in _recorded_lines(measured)]
    results = iter(record_batch(metering, lines, now, may_go_on))
    outcomes = []
    for item, measured, ended in zip(items, read, settled, strict=True):
        outcome = measured if isinstance(measured, DomainError) else _outcome(measured, ended, results)
        if isinstance(outcome, DomainError):
            if not may_go_on():
                raise OutOfTime("the batch has more to park than there is time for")
            outcome = _parked(metering, source, item, outcome, now)
        outcomes.append(outcome)
    return outcomes


def replay_parked(metering: Metering, digest: str, now: datetime) -> tuple[ItemOutcome, ParkedUsage]:
    """Try a parked item again, by the code that parked it; return what became of it, and the item as it is now.

    Raises:
        UnknownParkedUsage: nothing is parked under that id.
        StoreBusy, StoreUnavailable: passing trouble; trying again is safe.
    """
    parked = read_parked(metering.table, digest)
    if parked is None:
        raise UnknownParkedUsage("no usage is parked under that id")
    (outcome,) = count_items(metering, SOURCES[parked.source], [json.loads(parked.content, parse_float=Decimal)], now)
    if outcome.parked is not None:
        return outcome, replace(parked, code=outcome.parked.code, detail=outcome.parked.detail)
    mark_counted(metering.table, digest, now)
    return outcome, replace(parked, counted_at=parked.counted_at or now)


def _read(metering: Metering, source: Source, item: object, now: datetime) -> Measured | DomainError:
    try:
        return source.read(metering.catalog, item, now)
    except DomainError as error:
        return error


@dataclass(frozen=True, slots=True)
class _Settled:
    """What settling a hold came to: the results of its line, if the item has one, and whether it was held until then."""

    results: tuple[EventResult, ...] = ()
    ended_hold: bool = False


def _settled(
    metering: Metering, measured: Measured | DomainError, now: datetime, may_go_on: Callable[[], bool]
) -> _Settled:
    """End the item's hold, if it has one, by what the item comes to on its meter."""
    if isinstance(measured, DomainError) or measured.hold is None:
        return _Settled()
    if not may_go_on():
        raise OutOfTime("the batch has more holds to settle than there is time for")
    line, hold = measured.held_line, measured.hold
    if line is None:
        return _Settled(ended_hold=release_hold(metering, hold.customer_id, hold.handle).was_held)
    settled = settle_line(metering, line, hold, now)
    return _Settled((settled.result,), settled.was_held)


def _recorded_lines(measured: Measured) -> list[UsageLine]:
    """Return the lines that no hold is settled by."""
    return [line for line in measured.lines if line is not measured.held_line]


def _outcome(
    measured: Measured, settled: _Settled, results: Iterator[EventResult | DomainError]
) -> ItemOutcome | DomainError:
    """Take the results of the item's own lines; what one meter cannot count parks the item."""
    if not measured.lines:
        return ItemOutcome("ignored", ended_hold=settled.ended_hold)
    mine = [*settled.results, *(next(results) for _ in _recorded_lines(measured))]
    for result in mine:
        if isinstance(result, DomainError):
            return result
        if result == "conflict":
            return EventConflict("the id was used for another event")
        if result == "period_closed":
            return PeriodClosed("the event's period closed too long ago")
    return ItemOutcome("counted" if "counted" in mine else "duplicate", ended_hold=settled.ended_hold)


def _parked(metering: Metering, source: Source, item: object, error: DomainError, now: datetime) -> ItemOutcome:
    content = content_of(source.keep(item))
    if len(content) > CONTENT_LENGTH_MAX:
        # No call is that large: what is kept tells it from others, and that it cannot be tried again.
        content = content_of(f"too large to keep, sha256 {sha256(content.encode()).hexdigest()}")
    parked = ParkedUsage(source.name, content, error.code, str(error), now)
    park(metering.table, parked)
    return ItemOutcome("parked", parked)
