"""Counting what other systems send: each item counts, counts not by its settings, or is parked with its reason."""

import json
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Final, Literal

from pancake_meter.catalog import Catalog
from pancake_meter.domain.access.pseudonym import is_pseudonym
from pancake_meter.domain.errors import CustomerErased, DomainError, EventConflict, PeriodClosed, UnknownParkedUsage
from pancake_meter.store.errors import StoreBusy, WriteRefused
from pancake_meter.store.usage.parked_usage import (
    CONTENT_LENGTH_MAX,
    ParkedUsage,
    content_of,
    mark_counted,
    park,
    parked_already,
    read_parked,
)
from pancake_meter.usecases.balance.event_result import EventResult
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import known_events, record_batch
from pancake_meter.usecases.side_by_side import always, side_by_side
from pancake_meter.usecases.usage.bulk import BULK
from pancake_meter.usecases.usage.end_holds import HoldEnded, end_holds
from pancake_meter.usecases.usage.identities import identities, renamed
from pancake_meter.usecases.usage.sources import LITELLM, OPENMETER, Measured, Source
from pancake_meter.value import Value, replace

_ATTEMPTS_MAX: Final = 4

SOURCES: Final = {source.name: source for source in (LITELLM, OPENMETER, BULK)}

ItemStatus = Literal["counted", "duplicate", "ignored", "parked"]


class ItemOutcome(Value):
    """What became of one item. ``parked`` ones have a reason, and the id under which they are kept.

    ``ended_hold``: the item ended a hold.
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
    *,
    is_retry: bool = False,
) -> list[ItemOutcome]:
    """Count a batch; return what became of each item, in order. Everything is durable when this returns.

    An item that feeds several meters is counted once in each: where trouble came between them, repeating heals it. Nothing
    more is written once ``may_go_on`` denies it. Where the source is known to repeat itself, or this ``is_retry``, what is
    counted, settled or parked already is read first and passed over: so each retry of a large batch gets further.

    Raises:
        StoreBusy, StoreUnavailable: passing trouble, such as ``OutOfTime``; repeating the whole batch is safe.
    """
    read = [_read(metering, source, item, now) for item in items]
    measured = [each for each in read if isinstance(each, Measured)]
    all_lines = [line for each in measured for line in each.lines]
    known = known_events(metering, all_lines, now, repeats_likely=is_retry or source.repeats_itself)
    settled = iter(end_holds(metering, measured, known, now, may_go_on))
    lines = [line for each in measured for line in each.recorded_lines]
    results = iter(record_batch(metering, lines, now, may_go_on, known=known))
    outcomes = [each if isinstance(each, DomainError) else _outcome(each, next(settled), results) for each in read]
    return _park_refused(metering, source, items, outcomes, now, may_go_on)


def replay_parked(
    metering: Metering, digest: str, now: datetime, *, by: str | None = None
) -> tuple[ItemOutcome, ParkedUsage]:
    """Try a parked item again, by the code that parked it; return what became of it, and the item as it is now.

    ``by`` names the API key of the operator.

    Raises:
        UnknownParkedUsage: nothing is parked under that id.
        StoreBusy, StoreUnavailable: passing trouble; trying again is safe.
    """
    parked = read_parked(metering.table, digest, now)
    if parked is None:
        raise UnknownParkedUsage("no usage is parked under that id")
    (outcome,) = count_items(metering, SOURCES[parked.source], [json.loads(parked.content, parse_float=Decimal)], now)
    if outcome.parked is not None:
        return outcome, replace(parked, code=outcome.parked.code, detail=outcome.parked.detail)
    mark_counted(metering.table, digest, now, by=by)
    first_by = parked.counted_by if parked.counted_at is not None else by
    return outcome, replace(parked, counted_at=parked.counted_at or now, counted_by=first_by)


def _read(metering: Metering, source: Source, item: object, now: datetime) -> Measured | DomainError:
    try:
        return source.read(metering.catalog, item, now)
    except DomainError as error:
        return error


def _outcome(
    measured: Measured, settled: HoldEnded, results: Iterator[EventResult | DomainError]
) -> ItemOutcome | DomainError:
    """Take the results of the item's own lines; what one meter cannot count parks the item."""
    if not measured.lines:
        return ItemOutcome("ignored", ended_hold=settled.was_held)
    mine = [*settled.results, *(next(results) for _ in measured.recorded_lines)]
    for result in mine:
        if isinstance(result, CustomerErased):
            # It is not parked either: that would keep the id.
            return ItemOutcome("ignored", ended_hold=settled.was_held)
        if isinstance(result, DomainError):
            return result
        if result == "conflict":
            return EventConflict("the id was used for another event")
        if result == "period_closed":
            return PeriodClosed("the event's period closed too long ago")
    return ItemOutcome("counted" if "counted" in mine else "duplicate", ended_hold=settled.was_held)


def _park_refused(
    metering: Metering,
    source: Source,
    items: Sequence[object],
    outcomes: Sequence[ItemOutcome | DomainError],
    now: datetime,
    may_go_on: Callable[[], bool],
) -> list[ItemOutcome]:
    """Park every item that was refused, unless it is parked already; return what became of all items."""
    parked = {
        index: _parked(metering.catalog, source, items[index], outcome, now)
        for index, outcome in enumerate(outcomes)
        if isinstance(outcome, DomainError)
    }
    # One item alone is not looked for: writing it finds out.
    known = parked_already(metering.table, [each.digest for each in parked.values()]) if len(parked) > 1 else set()
    new = list({each.digest: each for each in parked.values() if each.digest not in known}.values())
    kept = side_by_side(lambda each: _park(metering, each), new, may_go_on)
    of_erased = {each.digest for each, is_kept in zip(new, kept, strict=True) if not is_kept}
    return [
        _what_became_of(parked[index], of_erased) if isinstance(outcome, DomainError) else outcome
        for index, outcome in enumerate(outcomes)
    ]


def _what_became_of(parked: ParkedUsage, of_erased: AbstractSet[str]) -> ItemOutcome:
    """Return the outcome of an item that cannot be counted. That of a customer who was erased is not kept either."""
    return ItemOutcome("ignored") if parked.digest in of_erased else ItemOutcome("parked", parked)


def _parked(catalog: Catalog, source: Source, item: object, error: DomainError, now: datetime) -> ParkedUsage:
    content = content_of(source.keep(catalog, item))
    if len(content) > CONTENT_LENGTH_MAX:
        # No call is that large: its hash tells it from others. It cannot be tried again.
        content = content_of(f"too large to keep, sha256 {sha256(content.encode()).hexdigest()}")
    return ParkedUsage(source.name, content, error.code, str(error), now, source.customer(catalog, item))


def _park(metering: Metering, parked: ParkedUsage) -> bool:
    """Keep an item; return whether it is kept. Usage of a customer who was erased is not, and nothing names one.

    Raises:
        StoreBusy: customers whom it names kept being erased.
    """
    for _ in range(_ATTEMPTS_MAX):
        named = (*identities(parked.source, json.loads(parked.content)), parked.customer_id)
        people = {each for each in named if each is not None and not is_pseudonym(each)}
        try:
            park(metering.table, parked, metering.unless_erased(*people))
        except WriteRefused:
            if read_parked(metering.table, parked.digest) is not None:
                return True
            erased = metering.erasures.erased_among(people) if metering.erasures is not None else {}
            if parked.customer_id in erased:
                return False
            for customer_id, pseudonym in erased.items():
                parked = renamed(parked, customer_id, pseudonym) or parked
        else:
            return True
    raise StoreBusy("the customers whom parked usage names kept changing")
