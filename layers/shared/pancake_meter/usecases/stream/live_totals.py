"""The follower that keeps the live totals: what balances, charts and orders add to the figures of all customers."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from pancake_meter.domain.access.pseudonym import is_pseudonym
from pancake_meter.domain.reports.live_totals import (
    Cell,
    Share,
    Source,
    activity_cells,
    share_of_balance,
    share_of_chart,
    shares_of_orders,
)
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.errors import OutOfTime, StoreBusy, StoreThrottled, StoreUnavailable, WriteRefused
from pancake_meter.store.keys import report_shard
from pancake_meter.store.reports.live_totals import (
    Day,
    Known,
    active_write,
    read_known,
    share_write,
    total_writes,
)
from pancake_meter.store.stream.changes import BalanceChanged, Change, ChartChanged, Record, SubscriptionChanged
from pancake_meter.store.table import Table, Write
from pancake_meter.usecases.stream.follow import NotFollowed
from pancake_meter.value import Value

WRITES_MAX: Final = 60
"""Writes of one transaction before another source is added: one source has at most about 25."""

_ATTEMPTS_MAX: Final = 8


class LiveTotals(Value):
    """The totals of a table. ``erasures`` are the customers of whom nothing new may be kept."""

    table: Table
    erasures: Erasures

    def follow(self, changes: Sequence[Change]) -> Sequence[NotFollowed]:
        """Bring the totals to what the changes say; return the changes that could not be followed.

        Changes of one item are one: the newest. Many items share a transaction; where that fails, each has its own.
        """
        told: dict[Source, tuple[Share, Record]] = {}
        for change in changes:
            for source, share in _news(change):
                newest, first = told.get(source, (share, change.record))
                told[source] = max(newest, share, key=lambda each: each.version), first
        missed: list[NotFollowed] = []
        for shares in _by_shard(told):
            try:
                self._add({source: share for source, (share, _) in shares.items()}, consistent=False)
            except (StoreUnavailable, StoreThrottled, OutOfTime) as trouble:
                missed += [NotFollowed(record, trouble) for _, record in shares.values()]
            except Exception:  # noqa: BLE001 - each is tried by itself, and says what is wrong with it
                for source, (share, record) in shares.items():
                    try:
                        self._add_alone(source, share)
                    except Exception as trouble:  # noqa: BLE001 - the caller tells passing trouble from other
                        missed.append(NotFollowed(record, trouble))
        return missed

    def _add_alone(self, source: Source, share: Share) -> None:
        """Add one share, however often others are faster.

        Nothing new is begun under the id of a customer who was erased. Balances and orders move to the pseudonym, and the
        stream tells of them there. A chart does not: what is not in the totals yet is added under the pseudonym, but not its
        days of use, which the erasure may be about to move.
        """
        counts_days = True
        for _ in range(_ATTEMPTS_MAX):
            with suppress(WriteRefused):
                self._add({source: share}, consistent=True, counts_days=counts_days)
                return
            if not is_pseudonym(source.customer_id) and self.erasures.is_erased(source.customer_id):
                if not source.name.startswith("CHART#"):
                    return
                source, counts_days = Source(self.erasures.pseudonym(source.customer_id), source.name), False
        raise StoreBusy("the totals of a customer kept changing")

    def _add(self, told: Mapping[Source, Share], *, consistent: bool, counts_days: bool = True) -> None:
        """Add what is new in the shares of one shard of the totals, in transactions of a bounded size."""
        known = read_known(self.table, told, (), consistent=consistent).shares
        newer = {
            source: share
            for source, share in told.items()
            if source not in known or share.version > known[source].version
        }
        used = {
            source: share.used_on - _used_before(known.get(source)) if counts_days else frozenset()
            for source, share in newer.items()
        }
        months = {(source.customer_id, f"{day:%Y-%m}") for source, days in used.items() for day, _ in days}
        active = dict(read_known(self.table, (), sorted(months), consistent=consistent).active) if months else {}
        pack = _Pack(self.erasures, Known(known, active))
        for source, share in newer.items():
            pack.add(source, share, used[source])
            if pack.is_full:
                self.table.transact(pack.writes())
                pack = _Pack(self.erasures, Known(known, active | pack.active))
        if writes := pack.writes():
            self.table.transact(writes)


@dataclass(slots=True)
class _Pack:
    """Sources whose shares are written together."""

    erasures: Erasures
    known: Known
    shares: dict[Source, Share] = field(default_factory=dict)
    active: dict[tuple[str, str], frozenset[Day]] = field(default_factory=dict)
    cells: dict[Cell, Decimal] = field(default_factory=dict)

    def add(self, source: Source, share: Share, used: frozenset[Day]) -> None:
        """Add a source, with the days on which it says that the customer used something and did not say so before."""
        self.shares[source] = share
        self._add_cells(share.beyond(self.known.shares.get(source)))
        for month in sorted({f"{day:%Y-%m}" for day, _ in used}):
            name = source.customer_id, month
            before = self.active.get(name, self.known.active.get(name, frozenset()))
            days = frozenset(each for each in used if f"{each[0]:%Y-%m}" == month)
            if not days <= before:
                self.active[name] = before | days
                self._add_cells(activity_cells(days, before))

    @property
    def is_full(self) -> bool:
        """Whether it has as much as one transaction should have."""
        rows = {(cell.report, cell.row) for cell in self.cells}
        return len(self.shares) + len(self.active) + len(rows) + len(self._new_customers()) >= WRITES_MAX

    def writes(self) -> list[Write]:
        """Return the writes of one transaction."""
        if not self.shares:
            return []
        shard = report_shard(next(iter(self.shares)).customer_id)
        return [
            *(share_write(source, share, self.known.shares.get(source)) for source, share in self.shares.items()),
            *(active_write(*name, days, self.known.active.get(name)) for name, days in self.active.items()),
            *total_writes(shard, {cell: more for cell, more in self.cells.items() if more}),
            *(self.erasures.unless_erased(customer_id) for customer_id in self._new_customers()),
        ]

    def _new_customers(self) -> list[str]:
        """Return those of whom something new is kept. A pseudonym is nobody: what is kept under it may grow."""
        new = {source.customer_id for source in self.shares if source not in self.known.shares}
        new |= {customer_id for customer_id, month in self.active if (customer_id, month) not in self.known.active}
        return sorted(each for each in new if not is_pseudonym(each))

    def _add_cells(self, cells: Mapping[Cell, Decimal]) -> None:
        for cell, more in cells.items():
            self.cells[cell] = self.cells.get(cell, Decimal(0)) + more


def _news(change: Change) -> Iterable[tuple[Source, Share]]:
    """Return the sources of a change whose shares it changes. A hold that was placed or released changes none."""
    match change:
        case BalanceChanged(_, before, after):
            source = Source(after.customer_id, f"BALANCE#{after.meter}")
            if before is None or share_of_balance(before).cells != share_of_balance(after).cells:
                yield source, share_of_balance(after)
        case ChartChanged(record, customer_id, meter, _, after):
            yield Source(customer_id, record.key["SK"]), share_of_chart(meter, after)
        case SubscriptionChanged(_, before, after):
            known = shares_of_orders(before or Subscription(after.customer_id))
            for order_id, share in shares_of_orders(after).items():
                if order_id not in known or known[order_id].cells != share.cells:
                    yield Source(after.customer_id, f"ORDER#{order_id}"), share


def _by_shard(
    told: Mapping[Source, tuple[Share, Record]],
) -> Iterable[Mapping[Source, tuple[Share, Record]]]:
    shards: dict[int, dict[Source, tuple[Share, Record]]] = {}
    for source, share in told.items():
        shards.setdefault(report_shard(source.customer_id), {})[source] = share
    return shards.values()


def _used_before(share: Share | None) -> frozenset[Day]:
    return share.used_on if share is not None else frozenset()
