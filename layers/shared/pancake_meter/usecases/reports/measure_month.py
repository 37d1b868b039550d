"""The month so far: money received and units used, as the business dashboard draws them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from pancake_meter.domain.instant import month_of
from pancake_meter.domain.reports.month_usage import MonthUsage
from pancake_meter.store.reports.month_usage import read_months
from pancake_meter.store.reports.revenue import read_sold
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.value import Value


class MonthSoFar(Value):
    """``received`` by currency: payments less refunds, tax included. ``usage`` by meter: of the periods that have closed."""

    received: Mapping[str, Decimal]
    usage: Mapping[str, MonthUsage]


def measure_month(metering: Metering, now: datetime) -> MonthSoFar:
    """Add up the calendar month (UTC) of ``now``: at least four queries, and four for each meter.

    Raises:
        ReportTooLarge: there is more than one report adds up.
        StoreBusy, StoreUnavailable: passing trouble.
    """
    month = month_of(now)
    received: dict[str, Decimal] = {}
    for sold in read_sold(metering.table, month):
        net = sold.total.received - sold.total.refunded
        received[sold.currency] = received.get(sold.currency, Decimal(0)) + net
    months = read_months(metering.table, sorted(metering.catalog.meters), [month])
    return MonthSoFar(received, {meter: found.usage for (meter, _), found in months.items()})
