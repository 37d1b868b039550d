"""Usage by meter and month: one small item a customer, grown by the transaction that closes a period.

``PK REPORT#USAGE#<meter>#<month>#<shard> SK CUSTOMER#<customer>``. Nothing that counts a single usage event touches them.
"""

from collections.abc import Iterable, Mapping

from pancake_meter.domain.balance.balance import ZERO
from pancake_meter.domain.errors import ReportTooLarge
from pancake_meter.domain.reports.month_usage import MonthUsage
from pancake_meter.store.keys import REPORT_SHARDS, month_usage_key, month_usage_partition
from pancake_meter.store.table import Table, Update
from pancake_meter.value import Value

_PAGE = 1000
_PAGES_MAX = 100
"""Pages of a thousand customers that one report reads."""


class MeterMonth(Value):
    """What all customers used of a meter in a month. ``customers`` are those who used anything."""

    usage: MonthUsage
    customers: int


def month_usage_writes(customer_id: str, meter: str, months: Mapping[str, MonthUsage]) -> list[Update]:
    """Return the writes that add to what a customer used by month, in the transaction that makes it known."""
    return [
        Update(
            month_usage_key(customer_id, meter, month),
            "ADD used :used, overage :overage",
            None,
            {":used": more.used, ":overage": more.overage},
        )
        for month, more in months.items()
    ]


def read_customer_month(table: Table, customer_id: str, meter: str, month: str) -> MonthUsage | None:
    """Return what one customer used in a month, or ``None``: one read."""
    item = table.get(month_usage_key(customer_id, meter, month))
    return MonthUsage(item["used"], item["overage"]) if item is not None else None


def read_months(table: Table, meters: Iterable[str], months: Iterable[str]) -> Mapping[tuple[str, str], MeterMonth]:
    """Return what was used by (meter, month): at least one query a meter, month and shard.

    Raises:
        ReportTooLarge: there are more customers in it than one answer can add up.
    """
    pages = _PAGES_MAX
    found: dict[tuple[str, str], MeterMonth] = {}
    for name in [(meter, month) for month in months for meter in meters]:
        total, customers = MonthUsage(), 0
        for shard in range(REPORT_SHARDS):
            start = None
            while True:
                items, start = table.query(
                    "PK = :partition", {":partition": month_usage_partition(*name, shard)}, limit=_PAGE, start=start
                )
                for item in items:
                    total = total.plus(MonthUsage(item["used"], item["overage"]))
                    customers += item["used"] != ZERO
                if start is None:
                    break
                pages -= 1
                if pages == 0:
                    raise ReportTooLarge("more customers than one report adds up: ask for one meter, or fewer months")
        found[name] = MeterMonth(total, customers)
    return found
