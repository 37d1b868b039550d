"""Client of pancake-meter: ask before you spend, count what was spent, sell at the limit."""

from pancake_meter_client.aio import AsyncClient, AsyncHold
from pancake_meter_client.client import Client, Hold
from pancake_meter_client.errors import (
    BadConfiguration,
    Conflict,
    InvalidRequest,
    PancakeMeterError,
    QuotaRefused,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    UsageRefused,
)
from pancake_meter_client.models import (
    BulkReceipt,
    CallReceipt,
    Checkout,
    CheckoutPage,
    EventResult,
    LedgerEntry,
    LedgerPage,
    Movement,
    Period,
    PeriodUsage,
    Quota,
    RefusedItem,
    Settlement,
    UsageEvent,
    UsageReceipt,
)
from pancake_meter_client.retrying import Retrying
from pancake_meter_client.version import __version__

__all__ = [
    "AsyncClient",
    "AsyncHold",
    "BadConfiguration",
    "BulkReceipt",
    "CallReceipt",
    "Checkout",
    "CheckoutPage",
    "Client",
    "Conflict",
    "EventResult",
    "Hold",
    "InvalidRequest",
    "LedgerEntry",
    "LedgerPage",
    "Movement",
    "PancakeMeterError",
    "Period",
    "PeriodUsage",
    "Quota",
    "QuotaRefused",
    "RefusedItem",
    "Retrying",
    "Settlement",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "UsageEvent",
    "UsageReceipt",
    "UsageRefused",
    "__version__",
]
