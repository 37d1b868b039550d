"""Customers as such: all that is kept under one is in one partition."""

from pancake_meter.store.keys import customer_partition
from pancake_meter.store.table import Table


def is_known_customer(table: Table, customer_id: str) -> bool:
    """Whether anything is kept under this id: usage, a subscription, or a purchase."""
    items, _ = table.query("PK = :partition", {":partition": customer_partition(customer_id)}, limit=1)
    return bool(items)
