"""Client of pancake-meter: ask before you spend, count what was spent, sell at the limit."""

from pancake_meter_client.aio import AsyncClient, AsyncHold
from pancake_meter_client.client import Client, Hold
from pancake_meter_client.errors import (
    Conflict,
    InvalidRequest,
    PancakeMeterError,
    QuotaRefused,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from pancake_meter_client.models import CallReceipt, Checkout, EventResult, Quota, Settlement, UsageEvent, UsageReceipt
from pancake_meter_client.retrying import Retrying

__all__ = [
    "AsyncClient",
    "AsyncHold",
    "CallReceipt",
    "Checkout",
    "Client",
    "Conflict",
    "EventResult",
    "Hold",
    "InvalidRequest",
    "PancakeMeterError",
    "Quota",
    "QuotaRefused",
    "Retrying",
    "Settlement",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "UsageEvent",
    "UsageReceipt",
]
