"""One meter of a customer over time: charts of usage by day, what closed periods came to, and what moved."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.balance.closed_period import Chart, ClosedPeriod
from pancake_meter.domain.balance.ledger import LedgerEntry
from pancake_meter.store.balance.balances import charts_put_away, closed_periods, read_ledger
from pancake_meter.usecases.balance.metering import Metering

PERIODS_MAX: Final = 31
ENTRIES_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class CustomerUsage:
    """The open balance, earlier ``charts`` and ``closed`` periods, and ledger ``entries``, all newest first."""

    balance: Balance
    charts: Sequence[Chart]
    closed: Sequence[ClosedPeriod]
    entries: Sequence[LedgerEntry]


def customer_usage(metering: Metering, customer_id: str, meter: str, now: datetime) -> CustomerUsage:
    """Return one meter of a customer over time: about six requests.

    Raises:
        UnknownMeter: the catalog has no such meter.
        CustomerErased: the customer was erased.
    """
    metering.check_meter(meter)
    metering.check_not_erased(customer_id)
    _, current = metering.current_change(customer_id, meter, now)
    table = metering.table
    charts = latest_charts(charts_put_away(table, customer_id, meter, page=PERIODS_MAX), current.charts, PERIODS_MAX)
    closed = latest_periods(closed_periods(table, customer_id, meter, page=PERIODS_MAX), current.closed, PERIODS_MAX)
    entries = read_ledger(table, customer_id, meter, limit=ENTRIES_MAX)
    return CustomerUsage(current.balance, charts, closed, [entry.for_customer for entry in entries])


def latest_charts(written: Iterable[Chart], closing: Iterable[Chart], limit: int) -> list[Chart]:
    """Return the latest charts, newest first: those ``written``, and those ``closing`` that are not written yet."""
    every = {(chart.span.start, chart.segment): chart for chart in (*closing, *islice(written, limit))}
    return [every[key] for key in sorted(every, reverse=True)[:limit]]


def latest_periods(written: Iterable[ClosedPeriod], closing: Iterable[ClosedPeriod], limit: int) -> list[ClosedPeriod]:
    """Return the latest closed periods, newest first: those ``written``, and those ``closing`` that are not written yet."""
    every = {(period.counts_from, period.segment): period for period in (*closing, *islice(written, limit))}
    return [every[key] for key in sorted(every, reverse=True)[:limit]]
