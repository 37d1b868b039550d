"""Billing periods counted from an anchor: from 31 January come 28 or 29 February and 31 March again."""

import calendar
from datetime import datetime, timedelta

MONTHS = {"monthly": 1, "quarterly": 3, "yearly": 12}


def bound(anchor: datetime, billing_period: str, index: int) -> datetime:
    """The start of the period with this index; the anchor is the start of the period with index 0."""
    if billing_period == "weekly":
        return anchor + timedelta(weeks=index)
    month = anchor.month - 1 + MONTHS[billing_period] * index
    year, month = anchor.year + month // 12, month % 12 + 1
    return anchor.replace(year=year, month=month, day=min(anchor.day, calendar.monthrange(year, month)[1]))
