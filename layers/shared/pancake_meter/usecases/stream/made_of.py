"""The follower that keeps what the days of a meter were made of.

A write that counts usage leaves on the balance what that usage was made of, for the stream. Nothing else tells it: so here
differences are added up. They are exact, because each day keeps the version of the balance whose change was added last, in
the same write: what comes again is not newer. The changes of one balance are in order in the stream.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from pancake_meter.domain.access.pseudonym import is_pseudonym
from pancake_meter.domain.balance.balance import ZERO, day_of
from pancake_meter.domain.usage.made_of import NOTHING_KNOWN, MadeOf
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.balance.made_of import Day, DayMadeOf, Version, day_write, read_days
from pancake_meter.store.errors import StoreBusy, StoreError, WriteRefused
from pancake_meter.store.stream.changes import BalanceChanged, Change, Record
from pancake_meter.store.table import Table
from pancake_meter.usecases.stream.follow import NotFollowed
from pancake_meter.value import Value

_ATTEMPTS_MAX: Final = 8


class _Counted(Value):
    """What a change of a balance counted of one day."""

    record: Record
    version: Version
    made_of: MadeOf


class DaysMadeOf(Value):
    """The days of a table. ``erasures`` are the customers of whom nothing new may be kept."""

    table: Table
    erasures: Erasures

    def follow(self, changes: Sequence[Change]) -> Sequence[NotFollowed]:
        """Add to each day what the changes counted of it; return the changes that could not be followed."""
        counted: dict[Day, list[_Counted]] = {}
        for change in changes:
            if isinstance(change, BalanceChanged) and not is_pseudonym(change.customer_id):
                for day, each in _counted(change):
                    counted.setdefault(day, []).append(each)
        if not counted:
            return []
        try:
            known = read_days(self.table, list(counted))
        except StoreError as trouble:
            return [NotFollowed(news[0].record, trouble) for news in counted.values()]
        missed: list[NotFollowed] = []
        for day, news in counted.items():
            try:
                self._add(day, known.get(day), news)
            except Exception as trouble:  # noqa: BLE001 - the caller tells passing trouble from other
                missed.append(NotFollowed(news[0].record, trouble))
        return missed

    def _add(self, day: Day, known: DayMadeOf | None, news: Sequence[_Counted]) -> None:
        for _ in range(_ATTEMPTS_MAX):
            new = [each for each in news if known is None or each.version > known.version]
            if not new:
                return
            made_of = known.made_of if known is not None else NOTHING_KNOWN
            for each in new:
                made_of = made_of.plus(each.made_of)
            write = day_write(day, DayMadeOf(made_of, new[-1].version), known)
            with suppress(WriteRefused):
                if known is not None:
                    self.table.write(write)
                else:
                    self.table.transact([write, self.erasures.unless_erased(day.customer_id)])
                return
            if self.erasures.is_erased(day.customer_id):
                return
            known = read_days(self.table, [day]).get(day)
        raise StoreBusy("what a day was made of kept changing")


def _counted(change: BalanceChanged) -> Iterable[tuple[Day, _Counted]]:
    """Yield what a change counted, by day.

    Earlier code, as it may run beside this one for some minutes, leaves on the balance what a write before it told. So what
    is told must fit the change: its kind, and how much it counted.
    """
    before, after = change.before, change.after
    told = sum((max(each.models.known, each.sources.known) for each in change.made_of.values()), ZERO)
    if before is None or (after.segment == before.segment and told > after.used - before.used):
        return
    version = Decimal(after.segment), after.used
    for place, made_of in change.made_of.items():
        began, is_late, day = place.rpartition("#")
        if is_late and after.segment > before.segment:
            chart_start, on = datetime.fromisoformat(began), date.fromisoformat(day)
        elif not is_late and after.segment == before.segment:
            chart_start, on = after.chart.start, day_of(place, after.chart_closes_at)
        else:
            continue
        yield Day(after.customer_id, after.meter, chart_start, on), _Counted(change.record, version, made_of)
