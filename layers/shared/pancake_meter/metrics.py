"""Every metric of the functions: its name, its unit, its dimensions, and how it is written.

Metrics are written to the log in CloudWatch's embedded metric format. ``tools/alarms.py`` and ``tools/dashboards.py`` watch
the metrics of this module; ``tests/unit/test_observability.py`` compares it with what the functions write.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Final

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from pancake_meter.value import Value


class Metric(Value):
    """One metric.

    ``services`` are the values of the dimension ``service``: the functions that write the metric. ``by`` is a second
    dimension with few values, for what is written by ``add_by``.
    """

    name: str
    services: tuple[str, ...]
    unit: MetricUnit = MetricUnit.Count
    by: str | None = None


_COUNTING: Final = ("quota_check", "usage_recording", "usage_batch", "usage_healing")
"""Services that hold and count: the first use opens a balance."""

# The gate
HOLD_REFUSED: Final = Metric("HoldRefused", ("quota_check",), by="reason")
CHECK_REFUSED: Final = Metric("CheckRefused", ("quota_check",), by="reason")
LINK_SECRET_UNAVAILABLE: Final = Metric("LinkSecretUnavailable", ("quota_check", "stream_reader", "renewal_reset"))
CUSTOMER_UNPROVISIONED: Final = Metric("CustomerUnprovisioned", _COUNTING)

# Usage
USAGE_ACCEPTED: Final = Metric("UsageAccepted", ("usage_bulk",))
USAGE_COUNTED: Final = Metric("UsageCounted", ("usage_recording", "usage_batch", "usage_healing"))
USAGE_DUPLICATE: Final = Metric("UsageDuplicate", ("usage_recording", "usage_batch"))
USAGE_IGNORED: Final = Metric("UsageIgnored", ("usage_recording",))
USAGE_PARKED: Final = Metric("UsageParked", ("usage_recording", "usage_batch", "usage_healing"))
USAGE_REFUSED: Final = Metric("UsageRefused", ("usage_recording", "usage_bulk"))
USAGE_MISSED: Final = Metric("UsageMissed", ("usage_healing",))
USAGE_HEALING_FAILED: Final = Metric("UsageHealingFailed", ("usage_healing",))
USAGE_FORWARDED: Final = Metric("UsageForwarded", ("usage_forwarding",))
USAGE_NOT_FORWARDED: Final = Metric("UsageNotForwarded", ("usage_forwarding",))

# The stream
CHANGE_FOLLOWED: Final = Metric("ChangeFollowed", ("stream_reader",))
CHANGE_NOT_FOLLOWED: Final = Metric("ChangeNotFollowed", ("stream_reader",))

# Alerts
ALERT_SENT: Final = Metric("AlertSent", ("alert_sender",))
ALERT_DELAYED: Final = Metric("AlertDelayed", ("alert_sender",))
ALERT_NOT_SENT: Final = Metric("AlertNotSent", ("alert_sender",))

# Selling
CHECKOUT_OPENED: Final = Metric("CheckoutOpened", ("overage_checkout", "customer_pages"))
PURCHASE_LINK_FOLLOWED: Final = Metric("PurchaseLinkFollowed", ("customer_pages",))
PURCHASE_LINK_FAILED: Final = Metric("PurchaseLinkFailed", ("customer_pages",))
ORDER_LOOKUP_FAILED: Final = Metric("OrderLookupFailed", ("customer_pages", "operator_console", "overage_checkout"))

# Webhooks
DELIVERY_APPLIED: Final = Metric("DeliveryApplied", ("webhook_intake",))
DELIVERY_IGNORED: Final = Metric("DeliveryIgnored", ("webhook_intake",))
DELIVERY_DUPLICATE: Final = Metric("DeliveryDuplicate", ("webhook_intake",))
DELIVERY_PARKED: Final = Metric("DeliveryParked", ("webhook_intake", "reconciliation"))
DELIVERY_FAILED: Final = Metric("DeliveryFailed", ("webhook_intake",))
DELIVERY_DISMISSED: Final = Metric("DeliveryDismissed", ("webhook_intake", "webhook_deliveries", "operator_console"))
DELIVERY_REJECTED: Final = Metric("DeliveryRejected", ("webhook_intake",))
DELIVERY_UNVERIFIABLE: Final = Metric("DeliveryUnverifiable", ("webhook_intake",))
DELIVERY_FOREIGN: Final = Metric("DeliveryForeign", ("webhook_intake",))
DELIVERY_UNAVAILABLE: Final = Metric("DeliveryUnavailable", ("webhook_intake",))
DELIVERY_REPLAYED: Final = Metric("DeliveryReplayed", ("webhook_deliveries", "operator_console"))
DELIVERY_UNPARKED: Final = Metric("DeliveryUnparked", ("webhook_intake", "webhook_deliveries", "operator_console"))
PAYMENT_FLAGGED: Final = Metric(
    "PaymentFlagged", ("webhook_intake", "webhook_deliveries", "operator_console", "reconciliation")
)

DELIVERY_OF_VERDICT: Final[Mapping[str, Metric]] = {
    "applied": DELIVERY_APPLIED,
    "ignored": DELIVERY_IGNORED,
    "duplicate": DELIVERY_DUPLICATE,
    "parked": DELIVERY_PARKED,
    "failed": DELIVERY_FAILED,
    "dismissed": DELIVERY_DISMISSED,
}
"""The metric of each verdict on a delivery."""

# The schedules
BALANCE_ADVANCED: Final = Metric("BalanceAdvanced", ("renewal_reset",))
BALANCE_NOT_ADVANCED: Final = Metric("BalanceNotAdvanced", ("renewal_reset",))
DELIVERIES_PARKED_NOW: Final = Metric("DeliveriesParkedNow", ("renewal_reset",))
DELIVERIES_FAILED_NOW: Final = Metric("DeliveriesFailedNow", ("renewal_reset",))
USAGE_PARKED_NOW: Final = Metric("UsageParkedNow", ("renewal_reset",))
REMINDER_RANG: Final = Metric("ReminderRang", ("renewal_reset",))
REMINDER_FAILED: Final = Metric("ReminderFailed", ("renewal_reset",))
RESET_LAG: Final = Metric("ResetLag", ("renewal_reset",), MetricUnit.Seconds)
RECONCILIATION_HEALED: Final = Metric("ReconciliationHealed", ("reconciliation",))
RECONCILIATION_FAILED: Final = Metric("ReconciliationFailed", ("reconciliation",))
RECEIVED_THIS_MONTH: Final = Metric("ReceivedThisMonth", ("reconciliation",), MetricUnit.NoUnit, by="currency")
UNITS_THIS_MONTH: Final = Metric("UnitsThisMonth", ("reconciliation",), MetricUnit.NoUnit, by="meter")
OVERAGE_THIS_MONTH: Final = Metric("OverageThisMonth", ("reconciliation",), MetricUnit.NoUnit, by="meter")


@cache
def _metrics() -> Metrics:
    """Return one of Powertools' writers: all of them write to the same place, and making one takes as long as a write."""
    return Metrics()


def add(metric: Metric, value: float = 1) -> None:
    """Write a value when the invocation ends, under the function's service alone."""
    _metrics().add_metric(metric.name, metric.unit, value)


def add_by(metric: Metric, values: Mapping[str, Decimal]) -> None:
    """Write each value at once, under its own value of the metric's dimension ``by`` beside the service.

    Each is a line of its own: a dimension added to the invocation's metrics would split all of them.
    """
    if metric.by is None:
        raise ValueError(f"{metric.name} has no second dimension")
    service = str(Metrics().service)
    for name, value in values.items():
        with single_metric(metric.name, metric.unit, float(value), default_dimensions={"service": service}) as line:
            line.add_dimension(metric.by, name)
