"""Healing usage: calls that LiteLLM's own log has and nobody told us of are found, reported and, by setting, counted.

A callback loses what a proxy has queued when it stops, and a hold whose call was never told of expires. LiteLLM's spend
log still has the call. It is read by the call's start, in sweeps: each goes on where the one before ended, after going
back a little, because a row is written when its call has ended. What is known already costs a read and nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from pancake_meter.domain.errors import DomainError, UnreadableUsage
from pancake_meter.domain.instant import from_ms, to_ms
from pancake_meter.domain.usage.llm_call import LlmCallSettings, MissedCalls
from pancake_meter.domain.usage.usage_event import CountedAs
from pancake_meter.litellm.client import KeyUnknown, LiteLLMClient, LiteLLMUnavailable
from pancake_meter.litellm.spend_logs import SpendLog
from pancake_meter.store.balance.spending import known_usage
from pancake_meter.store.reconciliation.progress import read_place, write_place
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import UsageLine
from pancake_meter.usecases.usage.count_usage import count_items
from pancake_meter.usecases.usage.sources import LITELLM, Measured
from pancake_meter.value import Value

PLACE: Final = "spend_logs"

PATIENCE: Final = timedelta(minutes=10)
"""How long a call may take to be told of in the usual way before it counts as missed, unless a run is told otherwise."""

OVERLAP: Final = timedelta(hours=1)
"""How far a sweep goes back: the longest time from a call's start until its row is there."""

FIRST_SWEEP: Final = timedelta(days=1)
"""How far the very first sweep goes back."""

PAGES_MAX: Final = 200
_KEY_METADATA: Final = "key_metadata."


@dataclass(slots=True)
class Healing:
    """What a run found. Calls are counted once each, units by meter.

    ``known``: told of before. ``ignored``: of a kind that does not count. ``missed``: nobody told us. ``recorded``: of
    those, counted now. ``parked``: of those, kept because they cannot be counted; where missed calls are only reported,
    ``uncountable`` says how many that would be. ``differing``: known under the same id with other units, which stay.
    ``is_left``: the next run goes on in this sweep.
    """

    mode: MissedCalls
    since: datetime
    until: datetime
    read: int = 0
    known: int = 0
    ignored: int = 0
    missed: int = 0
    recorded: int = 0
    parked: int = 0
    uncountable: int = 0
    differing: int = 0
    missed_units: dict[str, Decimal] = field(default_factory=dict)
    failure: str | None = None
    is_left: bool = False


class _Call(Value):
    """A call of the log: what a callback would have told, and what that comes to."""

    payload: Mapping[str, Any]
    measured: Measured | DomainError


def heal_usage(
    metering: Metering,
    litellm: LiteLLMClient,
    now: datetime,
    *,
    may_go_on: Callable[[], bool],
    patience: timedelta = PATIENCE,
) -> Healing:
    """Compare LiteLLM's spend log with what is counted, page by page, while ``may_go_on`` says so.

    ``patience`` is how long before ``now`` the log is read to.

    When LiteLLM does not answer, the run ends, and the next one begins at the same page. Whatever is repeated finds
    everything known.

    Raises:
        UnreadableUsage: the catalog counts no calls of LiteLLM.
        StoreBusy, StoreUnavailable: passing trouble; the next run begins where this one did.
    """
    settings = metering.catalog.llm_calls
    if settings is None:
        raise UnreadableUsage("the catalog has no [litellm] section")
    since, until = _sweep(metering, now - patience)
    healing = Healing(settings.missed, since, until)
    if since < until:
        _Run(metering, litellm, settings, now, healing).walk(may_go_on)
    return healing


def _sweep(metering: Metering, until: datetime) -> tuple[datetime, datetime]:
    """Return the span still to be compared: the rest of a sweep that was left, or a new one."""
    place = read_place(metering.table, PLACE)
    if not isinstance(place, Mapping):
        return until - FIRST_SWEEP, until
    if "until" in place:
        return from_ms(place["from"]), from_ms(place["until"])
    return from_ms(place["from"]) - OVERLAP, until


@dataclass(slots=True)
class _Run:
    metering: Metering
    litellm: LiteLLMClient
    settings: LlmCallSettings
    now: datetime
    healing: Healing
    keys: dict[str, Mapping[str, Any] | None] = field(default_factory=dict)
    seen: set[object] = field(default_factory=set)

    def walk(self, may_go_on: Callable[[], bool]) -> None:
        """Read the log from second to second: an offset would move with every row that is written meanwhile."""
        healing, start, number, pages = self.healing, self.healing.since, 1, 0
        while pages < PAGES_MAX and may_go_on():
            try:
                page = self.litellm.spend_logs(start, healing.until, number)
                self._compare(page.logs)
            except LiteLLMUnavailable as error:
                healing.failure = str(error)
                break
            pages += 1
            if page.is_last:
                write_place(self.metering.table, PLACE, {"from": to_ms(healing.until)})
                return
            latest = page.logs[-1].started_at.replace(microsecond=0) if page.logs else start
            start, number = (latest, 1) if latest > start else (start, number + 1)
        healing.is_left = True
        write_place(self.metering.table, PLACE, {"from": to_ms(start), "until": to_ms(healing.until)})

    def _compare(self, logs: Sequence[SpendLog]) -> None:
        """Compare a page. The calls of the second in which the page before ended come again, and are passed over."""
        calls = []
        for log in logs:
            if log.row.get("request_id") in self.seen:
                continue
            self.seen.add(log.row.get("request_id"))
            calls.append(self._call(log))
        known = known_usage(self.metering.table, [_identity(line) for call in calls for line in _lines(call)], self.now)
        missed = [call for call in calls if self._is_missed(call, known)]
        if self.healing.mode == "record":
            self._record(missed)

    def _call(self, log: SpendLog) -> _Call:
        payload = log.payload(self._metadata_of_key(log))
        try:
            return _Call(payload, LITELLM.read(self.metering.catalog, payload, self.now))
        except DomainError as error:
            return _Call(payload, error)

    def _metadata_of_key(self, log: SpendLog) -> Mapping[str, Any] | None:
        """Return what the key says of the customer, where the catalog asks it; ``None`` of a key that is gone."""
        if log.key_hash is None or not any(kind.startswith(_KEY_METADATA) for kind in self.settings.customer):
            return {}
        if log.key_hash not in self.keys:
            try:
                self.keys[log.key_hash] = self.litellm.key_metadata(log.key_hash)
            except KeyUnknown:
                self.keys[log.key_hash] = None
        return self.keys[log.key_hash]

    def _is_missed(self, call: _Call, known: Mapping[tuple[str, str, str], CountedAs]) -> bool:
        """Count a call in the report; return whether it is missed in any of its meters."""
        healing = self.healing
        healing.read += 1
        if isinstance(call.measured, DomainError):
            healing.uncountable += 1
            return True
        if not call.measured.lines:
            healing.ignored += 1
            return False
        missing = [line for line in call.measured.lines if _identity(line) not in known]
        for line in missing:
            healing.missed_units[line.meter] = healing.missed_units.get(line.meter, Decimal(0)) + line.event.quantity
        if missing:
            healing.missed += 1
            return True
        is_same = all(line.event.is_repeat_of(known[_identity(line)]) for line in call.measured.lines)
        healing.known += is_same
        healing.differing += not is_same
        return False

    def _record(self, missed: Sequence[_Call]) -> None:
        outcomes = count_items(self.metering, LITELLM, [call.payload for call in missed], self.now)
        for outcome in outcomes:
            self.healing.recorded += outcome.status == "counted"
            self.healing.parked += outcome.status == "parked"


def _lines(call: _Call) -> Sequence[UsageLine]:
    return () if isinstance(call.measured, DomainError) else call.measured.lines


def _identity(line: UsageLine) -> tuple[str, str, str]:
    return line.customer_id, line.meter, line.event.id
