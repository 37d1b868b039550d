"""Keys of the single table. Every key is made here; docs/data-model.md lists them.

``#`` separates the parts. No meter name has one, a customer id's are escaped (``key_part``), and any other id that callers
make comes last. The first part is our own word, and what is listed of one customer has a word of its own for its listing: so
no id, whatever it says, makes the key of something else.
"""

from datetime import date, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from pancake_meter.domain.customer import id_of_key_part, key_part
from pancake_meter.domain.instant import timestamp

if TYPE_CHECKING:
    # Left out at run time: the authorizer makes keys, and knows no overage.
    from pancake_meter.domain.selling.overage import LineKey

REPORT_SHARDS = 4
"""Partitions of one month of a report: each takes some 1,000 write units a second."""

OVERAGE_LINES = "OVERAGE#"
"""Sort-key prefix of all overage lines of a customer; the meter follows."""

_DUE_SHARDS = 8
_CUSTOMER = "CUSTOMER#"

Key = dict[str, str]


def customer_partition(customer_id: str) -> str:
    """Partition of everything small that belongs to one customer."""
    return f"{_CUSTOMER}{key_part(customer_id)}"


def customer_of(partition: str) -> str:
    """Return the customer of ``customer_partition``."""
    return id_of_key_part(partition.removeprefix(_CUSTOMER))


def balance_key(customer_id: str, meter: str) -> Key:
    """Key of a balance."""
    return {"PK": customer_partition(customer_id), "SK": f"BALANCE#{meter}"}


def subscription_key(customer_id: str) -> Key:
    """Key of a customer's subscription."""
    return {"PK": customer_partition(customer_id), "SK": "SUBSCRIPTION"}


def ledger_prefix(meter: str) -> str:
    """Sort-key prefix of a balance's ledger."""
    return f"LEDGER#{meter}#"


def ledger_key(customer_id: str, meter: str, segment: int) -> Key:
    """Key of the ledger entry that opened ``segment``: contiguous numbers, so that a missing entry would show."""
    return {"PK": customer_partition(customer_id), "SK": f"{ledger_prefix(meter)}{segment:010d}"}


def closed_period_prefix(meter: str) -> str:
    """Sort-key prefix of a balance's closed periods."""
    return f"CLOSED#{meter}#"


def closed_period_key(customer_id: str, meter: str, start: datetime, segment: int) -> Key:
    """Key of a closed period. Two periods of different terms can start at one instant; their segments differ."""
    return {
        "PK": customer_partition(customer_id),
        "SK": f"{closed_period_prefix(meter)}{timestamp(start)}#{segment:010d}",
    }


def chart_prefix(meter: str) -> str:
    """Sort-key prefix of the charts that a balance has put away."""
    return f"CHART#{meter}#"


def chart_key(customer_id: str, meter: str, start: datetime, segment: int) -> Key:
    """Key of a chart."""
    return {"PK": customer_partition(customer_id), "SK": f"{chart_prefix(meter)}{timestamp(start)}#{segment:010d}"}


def made_of_prefix(meter: str) -> str:
    """Sort-key prefix of what a balance's usage was made of."""
    return f"MADE_OF#{meter}#"


def made_of_key(customer_id: str, meter: str, chart_start: datetime, day: date) -> Key:
    """Key of what the usage of a day was made of, on the chart that starts then."""
    return {"PK": customer_partition(customer_id), "SK": f"{made_of_prefix(meter)}{timestamp(chart_start)}#{day}"}


def summary_prefix(meter: str) -> str:
    """Sort-key prefix of what earlier code wrote when a period closed: its figures and its chart in one item."""
    return f"PERIOD#{meter}#"


def overage_line_prefix(meter: str) -> str:
    """Sort-key prefix of a balance's overage lines."""
    return f"{OVERAGE_LINES}{meter}#"


def overage_line_key(customer_id: str, meter: str, line: "LineKey") -> Key:
    """Key of an overage line: oldest first."""
    return {"PK": customer_partition(customer_id), "SK": f"{overage_line_prefix(meter)}{line}"}


def remainder_key(customer_id: str, meter: str) -> Key:
    """Key of what the rounding of a meter's sales left."""
    return {"PK": customer_partition(customer_id), "SK": f"REMAINDER#{meter}"}


def usage_event_key(customer_id: str, meter: str, event_id: str) -> Key:
    """Key of a usage event: a partition of its own, so that a busy customer's events spread over the table."""
    return {"PK": f"USAGE#{key_part(customer_id)}#{meter}#{event_id}", "SK": "USAGE"}


def usage_event_of(partition: str) -> tuple[str, str, str]:
    """Return customer, meter and event id of a usage event's partition; ``ValueError`` for another one."""
    kind, customer, meter, event_id = partition.split("#", 3)
    if kind != "USAGE":
        raise ValueError(f"not the partition of a usage event: {kind}")
    return id_of_key_part(customer), meter, event_id


def reconciliation_key(name: str) -> Key:
    """Key of the place at which one pass of reconciliation goes on."""
    return {"PK": "RECONCILIATION", "SK": f"PLACE#{name}"}


def due_shard(customer_id: str) -> str:
    """Partition of the ``due`` index that holds the customer's balances."""
    return f"DUE#{sha256(customer_id.encode()).digest()[0] % _DUE_SHARDS}"


def due_shards() -> tuple[str, ...]:
    """Every partition of the ``due`` index."""
    return tuple(f"DUE#{shard}" for shard in range(_DUE_SHARDS))


def reminder_key(customer_id: str, name: str) -> Key:
    """Key of a reminder of a customer."""
    return {"PK": customer_partition(customer_id), "SK": f"REMINDER#{name}"}


def reminder_shard(customer_id: str) -> str:
    """Partition of the ``due`` index that holds the customer's reminders."""
    return f"REMINDERS#{sha256(customer_id.encode()).digest()[0] % _DUE_SHARDS}"


def reminder_shards() -> tuple[str, ...]:
    """Every partition of the ``due`` index that holds reminders."""
    return tuple(f"REMINDERS#{shard}" for shard in range(_DUE_SHARDS))


def revenue_partition(month: str, shard: int) -> str:
    """Partition of a month's revenue (``2026-03``): facts, their totals, and totals by customer."""
    return f"REPORT#REVENUE#{month}#{shard}"


def revenue_fact_prefix(customer_id: str) -> str:
    """Sort-key prefix of a customer's revenue facts."""
    return f"FACT#{key_part(customer_id)}#"


def revenue_customer_prefix(customer_id: str) -> str:
    """Sort-key prefix of a customer's revenue totals; the currency follows."""
    return f"{customer_partition(customer_id)}#"


def month_usage_partition(meter: str, month: str, shard: int) -> str:
    """Partition of what customers used of a meter in a month."""
    return f"REPORT#USAGE#{meter}#{month}#{shard}"


def month_usage_key(customer_id: str, meter: str, month: str) -> Key:
    """Key of what a customer used of a meter in a month, as far as periods have closed."""
    return {"PK": month_usage_partition(meter, month, report_shard(customer_id)), "SK": customer_partition(customer_id)}


def live_partition(report: str, shard: int) -> str:
    """Partition of a live report: its rows."""
    return f"REPORT#LIVE#{report}#{shard}"


def reader_key() -> Key:
    """Key of how far the stream has been read."""
    return {"PK": "REPORT#LIVE", "SK": "READER"}


def added_key(customer_id: str, source: str) -> Key:
    """Key of what the live totals have of one source. It sorts before the customer's balances: see ``customer_items``."""
    return {"PK": customer_partition(customer_id), "SK": f"ADDED#{source}"}


def active_key(customer_id: str, month: str) -> Key:
    """Key of the days of a month on which a customer used something. It sorts before the customer's balances."""
    return {"PK": customer_partition(customer_id), "SK": f"ACTIVE#{month}"}


def directory_key(customer_id: str, entry: str | None = None) -> Key:
    """Key of a customer in the directory, or of the customer's place in one of its lists."""
    return {"PK": customer_partition(customer_id), "SK": "DIRECTORY" if entry is None else f"DIRECTORY#{entry}"}


def alert_prefix() -> str:
    """Sort-key prefix of alerts, oldest first. They sort before the customer's balances."""
    return "ALERT#"


def alert_key(customer_id: str | None, at: datetime, alert_id: str) -> Key:
    """Key of an alert, under its customer: so the stream has one customer's alerts in order. Few are of no customer."""
    return {"PK": alert_partition(customer_id), "SK": f"{alert_prefix()}{timestamp(at)}#{alert_id}"}


def alert_partition(customer_id: str | None) -> str:
    """Partition of a customer's alerts, or of those of no known customer."""
    return "ALERTS" if customer_id is None else customer_partition(customer_id)


def refusal_key(customer_id: str, alert_id: str) -> Key:
    """Key of a refusal that is to ring. The stream has it after the changes of the balance that led to it."""
    return {"PK": customer_partition(customer_id), "SK": f"REFUSED#{alert_id}"}


def alert_mark_key(alert_id: str) -> Key:
    """Key of the mark that an alert has rung."""
    return {"PK": f"ALERT#{alert_id}", "SK": "ALERT"}


def report_shard(customer_id: str) -> int:
    """Shard of a report that has the customer's part."""
    return sha256(customer_id.encode()).digest()[1] % REPORT_SHARDS
