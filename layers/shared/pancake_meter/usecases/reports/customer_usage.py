"""One meter of a customer over time: charts of usage by day, what closed periods came to, and what moved."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Final

from pancake_meter.domain.balance.balance import ZERO, Balance
from pancake_meter.domain.balance.closed_period import Chart, ClosedPeriod
from pancake_meter.domain.balance.ledger import LedgerEntry
from pancake_meter.store.balance.balances import charts_put_away, closed_periods, read_ledger
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.value import Value

PERIODS_MAX: Final = 31
ENTRIES_MAX: Final = 20


class CustomerUsage(Value):
    """The open balance, earlier ``charts`` and ``closed`` periods, and ledger ``entries``, all newest first.

    What lies before the customer's first use or order is left out: it is kept for late usage, and nothing happened in it.
    """

    balance: Balance
    charts: Sequence[Chart]
    closed: Sequence[ClosedPeriod]
    entries: Sequence[LedgerEntry]

    def besides(self, period: ClosedPeriod) -> Decimal:
        """Return the units used in a closed period that were neither its plan's nor beyond it: bought ones, and gifts."""
        return besides(period, self.charts)


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
    if len(closed) < PERIODS_MAX:
        closed = lived(closed, charts)
        first = closed[-1].counts_from if closed else current.balance.period.start
        charts = [chart for chart in charts if chart.used or chart.span.end > first]
    entries = read_ledger(table, customer_id, meter, limit=ENTRIES_MAX)
    return CustomerUsage(current.balance, charts, closed, [entry.for_customer for entry in entries])


def besides(period: ClosedPeriod, charts: Iterable[Chart]) -> Decimal:
    """Return the units on the charts of a closed period that were neither its plan's nor beyond it; zero without charts."""
    span = period.period
    of_it = (each for each in charts if each.segment == period.segment and span.start <= each.span.start < span.end)
    return max(ZERO, sum((chart.used for chart in of_it), ZERO) - period.gone - period.overage)


def lived(closed: Sequence[ClosedPeriod], charts: Sequence[Chart]) -> list[ClosedPeriod]:
    """Return closed periods, newest first, without the oldest in which nothing was used and that no order has brought."""
    end = len(closed)
    while end and not _is_lived(closed[end - 1], charts):
        end -= 1
    return list(closed[:end])


def _is_lived(period: ClosedPeriod, charts: Sequence[Chart]) -> bool:
    return bool(period.order_id or period.gone or period.overage or besides(period, charts))


def latest_charts(written: Iterable[Chart], closing: Iterable[Chart], limit: int) -> list[Chart]:
    """Return the latest charts, newest first: those ``written``, and those ``closing`` that are not written yet."""
    every = {(chart.span.start, chart.segment): chart for chart in (*closing, *islice(written, limit))}
    return [every[key] for key in sorted(every, reverse=True)[:limit]]


def latest_periods(written: Iterable[ClosedPeriod], closing: Iterable[ClosedPeriod], limit: int) -> list[ClosedPeriod]:
    """Return the latest closed periods, newest first: those ``written``, and those ``closing`` that are not written yet."""
    every = {(period.counts_from, period.segment): period for period in (*closing, *islice(written, limit))}
    return [every[key] for key in sorted(every, reverse=True)[:limit]]
