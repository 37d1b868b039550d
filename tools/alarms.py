"""The table of alarms: what rings, when, what it means and what to do. Our own metrics are ``pancake_meter.metrics``.

``tools.observability`` renders observability.yaml and docs/runbooks/alarms.md from it. One row for each thing that may go
wrong. Alarms that every function or queue has are made from template.yaml, so that a new function cannot be without them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Final

from pancake_meter import metrics
from pancake_meter.metrics import Metric
from tools.cfn_template import load_template

MINUTE: Final = 60
FIVE_MINUTES: Final = 300
HOUR: Final = 3600


class Missing(StrEnum):
    """What a period without data means (CloudWatch's own words)."""

    FINE = "notBreaching"
    TROUBLE = "breaching"
    NO_NEWS = "ignore"
    """The alarm stays as it is until there is data again: for gauges, whatever the schedule."""


@dataclass(frozen=True, slots=True)
class OfFunction:
    """A metric of Lambda, of one function. ``function`` is its logical id in template.yaml."""

    metric: str
    function: str


@dataclass(frozen=True, slots=True)
class OfQueue:
    """A metric of SQS, of one queue. ``queue`` is its logical id in template.yaml."""

    metric: str
    queue: str


@dataclass(frozen=True, slots=True)
class OfApi:
    """A metric of API Gateway, of the HTTP API."""

    metric: str


@dataclass(frozen=True, slots=True)
class OfTable:
    """A metric of DynamoDB, of the table or of one of its indexes."""

    metric: str
    index: str | None = None


Source = Metric | OfFunction | OfQueue | OfApi | OfTable


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm: it rings when ``statistic`` of ``source`` is above ``threshold`` (below, if ``is_floor``).

    A metric of our own is summed over its services.

    ``period`` is in seconds, or the name of a parameter; all of ``periods`` periods in a row have to be beyond the
    threshold. ``meaning`` and ``action`` are sentences. ``runbook`` is a page of docs/runbooks that goes further.
    """

    name: str
    source: Source
    meaning: str
    action: str
    statistic: str = "Sum"
    threshold: float = 0
    period: int | str = FIVE_MINUTES
    periods: int = 1
    missing: Missing = Missing.FINE
    is_floor: bool = False
    runbook: str | None = None


SILENCE_PARAMETER: Final = "ScheduleSilenceSeconds"
INDEXES: Final = (None, "due", "listing")

_OURS: Final = (
    Alarm(
        "DeliveryParkedAlarm",
        metrics.DELIVERY_PARKED,
        "A Waffo event is kept but could not be applied: its customer or its plan is unknown.",
        "List GET /v1/deliveries?verdict=parked for the reason. Assign the delivery, or mend the catalog and replay it.",
    ),
    Alarm(
        "DeliveriesParkedNowAlarm",
        metrics.DELIVERIES_PARKED_NOW,
        "Deliveries are parked now. The alarm ends when none is.",
        "As for DeliveryParkedAlarm.",
        statistic="Maximum",
        missing=Missing.NO_NEWS,
    ),
    Alarm(
        "DeliveryFailedAlarm",
        metrics.DELIVERY_FAILED,
        "A Waffo event is kept but cannot be read, or contradicts what is known.",
        "List GET /v1/deliveries?verdict=failed, read the reason and the body. Replay it after an upgrade that reads it.",
    ),
    Alarm(
        "DeliveriesFailedNowAlarm",
        metrics.DELIVERIES_FAILED_NOW,
        "Failed deliveries are kept now. The alarm ends when none is.",
        "As for DeliveryFailedAlarm.",
        statistic="Maximum",
        missing=Missing.NO_NEWS,
    ),
    Alarm(
        "DeliveryUnverifiableAlarm",
        metrics.DELIVERY_UNVERIFIABLE,
        "Webhooks arrive whose signature fits no key of this stack. One delivery is tried four times.",
        "Compare the webhook keys in Waffo's dashboard with the stack's parameters; see rotate-keys.md.",
        # Three in a quarter of an hour: more than the odd stranger who found the URL.
        threshold=2,
        period=900,
        runbook="rotate-keys.md",
    ),
    Alarm(
        "DeliveryForeignAlarm",
        metrics.DELIVERY_FOREIGN,
        "Genuine Waffo webhooks arrive for another store or mode than this stack's.",
        "Look in Waffo's dashboard where WebhookUrl is registered, and remove it from the wrong store or mode.",
    ),
    Alarm(
        "DeliveryRejectedAlarm",
        metrics.DELIVERY_REJECTED,
        "Many requests to the webhook URL are refused: malformed, unsigned, too old or foreign.",
        "Run the saved query 'errors by function'. Strangers cost little; Waffo's own requests need another key or clock.",
        threshold=100,
        periods=3,
    ),
    Alarm(
        "DeliveryUnavailableAlarm",
        metrics.DELIVERY_UNAVAILABLE,
        "Webhooks were answered 503 because DynamoDB was busy or out of reach. Waffo retries for about half an hour.",
        "Look at the operations dashboard for throttles. Reconciliation finds what Waffo gave up on.",
        threshold=2,
        runbook="raise-quotas.md",
    ),
    Alarm(
        "PaymentFlaggedAlarm",
        metrics.PAYMENT_FLAGGED,
        "A payment differs from its checkout, paid it twice, or was refunded and is not known; or a customer has two"
        " subscriptions for one meter.",
        "List GET /v1/payments?status=flagged. Resolve each payment, or refund what was paid too much: docs/payments.md. The"
        " saved query 'flagged payments' has two subscriptions for one meter too.",
    ),
    Alarm(
        "OrderLookupFailedAlarm",
        metrics.ORDER_LOOKUP_FAILED,
        "Waffo did not say which orders a buyer has, and a subscription was sold without knowing.",
        "Run the saved query 'errors by function'. PaymentFlaggedAlarm rings if a second subscription was sold.",
        threshold=2,
    ),
    Alarm(
        "LinkSecretUnavailableAlarm",
        metrics.LINK_SECRET_UNAVAILABLE,
        "Answers or alerts were sent without purchase links: their secret could not be read. The gate itself works.",
        "Look at Secrets Manager's health and at the policy of the function that reports it; its log has the reason.",
    ),
    Alarm(
        "PurchaseLinkFailedAlarm",
        metrics.PURCHASE_LINK_FAILED,
        "A customer clicked a purchase link and met a bug. They saw a page that asks them to try again.",
        "Run the saved query 'errors by function' and report the error.",
    ),
    Alarm(
        "UsageParkedAlarm",
        metrics.USAGE_PARKED,
        "Usage arrived that could not be counted. It is kept with its reason.",
        "List GET /v1/usage/parked, mend the cause (often the catalog), and replay it.",
    ),
    Alarm(
        "UsageParkedNowAlarm",
        metrics.USAGE_PARKED_NOW,
        "Usage is parked now. The alarm ends when none is. Parked usage is deleted after 90 days.",
        "As for UsageParkedAlarm.",
        statistic="Maximum",
        missing=Missing.NO_NEWS,
    ),
    Alarm(
        "CustomerUnprovisionedAlarm",
        metrics.CUSTOMER_UNPROVISIONED,
        "A customer whom no plan covers used something. All of it is counted as overage.",
        "Search the logs for 'customer unprovisioned'. Give the catalog a default plan, or find the missing purchase.",
    ),
    Alarm(
        "BalanceNotAdvancedAlarm",
        metrics.BALANCE_NOT_ADVANCED,
        "The sweep could not advance a balance: the item is corrupt or was changed by others all the time.",
        "Search the log of renewal_reset for 'balance not advanced'. The next sweep tries again (not for corrupt items).",
        periods=3,
    ),
    Alarm(
        "ReminderFailedAlarm",
        metrics.REMINDER_FAILED,
        "The sweep could not ring what ends soon, a grant or a trial. Its customer is not told in time.",
        "Search the log of renewal_reset for 'reminder did not ring'. The next sweep tries again.",
        periods=3,
    ),
    Alarm(
        "ResetLagAlarm",
        metrics.RESET_LAG,
        "A balance should have been advanced more than a quarter of an hour ago. Reads and writes still advance it.",
        "Look at Errors and Throttles of RenewalResetFunction, and at how many balances it advances a run.",
        statistic="Maximum",
        threshold=900,
        periods=2,
        missing=Missing.NO_NEWS,
    ),
    Alarm(
        "ReconciliationFailedAlarm",
        metrics.RECONCILIATION_FAILED,
        "Waffo could not be read, or an entry could not be healed.",
        "Search the log of reconciliation for 'not reconciled'. The next run tries again.",
        runbook="rotate-keys.md",
    ),
    Alarm(
        "UsageMissedAlarm",
        metrics.USAGE_MISSED,
        "LiteLLM's spend log has calls that were never reported to this stack. What can be counted is counted now.",
        "Read the report in the log of usage_healing. Look why the proxy's callback did not report them.",
        period=900,
    ),
    Alarm(
        "HealingTroubleAlarm",
        metrics.USAGE_HEALING_FAILED,
        "LiteLLM's spend log could not be read in three runs of an hour.",
        "Read the log of usage_healing. Check LiteLLMBaseUrl and the key; the next run continues where this one stopped.",
        threshold=2,
        period=HOUR,
        runbook="rotate-keys.md",
    ),
    Alarm(
        "ChangeNotFollowedAlarm",
        metrics.CHANGE_NOT_FOLLOWED,
        "A change of the table could not be followed: live figures and the directory lack it. Balances are not touched.",
        "Read the reason in a message of StreamFailedQueue. The item's next change is followed again, and makes up for it.",
        runbook="redrive-a-queue.md",
    ),
    Alarm(
        "AlertNotSentAlarm",
        metrics.ALERT_NOT_SENT,
        "An alert was not sent: its endpoint has not taken it for a day, answered 410, is disabled or was deleted.",
        "GET /v1/alerts/{alert_id} has the reason; the log of alert_sender has the ids. Mend the endpoint, and replay it.",
        runbook="redrive-a-queue.md",
    ),
    Alarm(
        "UsageNotForwardedAlarm",
        metrics.USAGE_NOT_FORWARDED,
        "OpenMeter refused usage events. They are counted here, and kept in ForwardingRefusedQueue with the reason.",
        "Read a message of ForwardingRefusedQueue. Mend the meter in OpenMeter, then send the events again.",
        runbook="redrive-a-queue.md",
    ),
)

_EDGES: Final = (
    Alarm(
        "HttpApi5xxAlarm",
        OfApi("5xx"),
        "The API answered 5xx.",
        "Run the saved query 'failed requests' for the routes, then 'errors by function' for the cause.",
    ),
    Alarm(
        "HttpApiLatencyAlarm",
        OfApi("Latency"),
        "One request in a hundred took longer than five seconds for a quarter of an hour.",
        "Run the saved query 'slowest requests'. Look for throttles of DynamoDB or of functions, and for a slow Waffo.",
        statistic="p99",
        threshold=5000,
        periods=3,
        runbook="raise-quotas.md",
    ),
    Alarm(
        "WebhookIntake5xxAlarm",
        OfFunction("Url5xxCount", "WebhookIntakeFunction"),
        "Webhooks were answered 5xx. Waffo retries for about half an hour.",
        "Run the saved query 'errors by function'. Reconciliation finds what Waffo gave up on.",
    ),
    Alarm(
        "WebhookIntakeLatencyAlarm",
        OfFunction("UrlRequestLatency", "WebhookIntakeFunction"),
        "One webhook in a hundred took longer than five seconds for a quarter of an hour.",
        "Look for throttles of DynamoDB on the operations dashboard.",
        statistic="p99",
        threshold=5000,
        periods=3,
        runbook="raise-quotas.md",
    ),
    Alarm(
        "StreamLateAlarm",
        OfFunction("IteratorAge", "StreamReaderFunction"),
        "Live figures and the directory of customers are more than a quarter of an hour behind.",
        "Look at Errors and Throttles of StreamReaderFunction, and at throttles of the table. It is tried for 23 hours.",
        statistic="Maximum",
        threshold=900_000,
        runbook="raise-quotas.md",
    ),
    Alarm(
        "ForwardingLateAlarm",
        OfFunction("IteratorAge", "UsageForwardingFunction"),
        "OpenMeter has not taken usage for a quarter of an hour. It is tried again for 20 hours.",
        "Read the log of usage_forwarding. Check OpenMeterBaseUrl and the key.",
        statistic="Maximum",
        threshold=900_000,
        runbook="rotate-keys.md",
    ),
    Alarm(
        "AlertQueueAlarm",
        OfQueue("ApproximateAgeOfOldestMessage", "AlertQueue"),
        "Alerts have waited for more than an hour: an endpoint does not take them. Each is tried for a day.",
        "GET /v1/alerts has what has rung, GET /v1/alerts/{alert_id} what the endpoint answered. Mend the endpoint.",
        statistic="Maximum",
        threshold=HOUR,
    ),
    Alarm(
        "UsageQueueAlarm",
        OfQueue("ApproximateAgeOfOldestMessage", "UsageQueue"),
        "Usage that was accepted has waited for more than a quarter of an hour to be counted.",
        "Look at Errors and Throttles of UsageBatchFunction, and at throttles of the table.",
        statistic="Maximum",
        threshold=900,
        runbook="raise-quotas.md",
    ),
)

_SCHEDULED: Final = {
    "RenewalResetFunction": ("SweepSilentAlarm", "The sweep has not run. Balances still advance when they are used."),
    "ReconciliationFunction": (
        "ReconciliationSilentAlarm",
        "Reconciliation has not run. Events that no webhook delivered are not found.",
    ),
    "UsageHealingFunction": ("HealingSilentAlarm", "Healing has not run. Calls that nobody reported are not found."),
    "CustomerDataFunction": (
        "ErasureSilentAlarm",
        "Nobody has looked for erasures that were left half done. They go on when they are asked for again.",
    ),
}
"""Functions that a schedule invokes. Only ``Invocations`` is written by AWS itself, so a run that dies at once counts as a
run; its Errors alarm rings then. A run on demand does the same work, so it may stand for one of the schedule.
"""

_SET_ASIDE: Final[Mapping[str, tuple[str, str, str]]] = {
    "UsageFailedQueue": (
        "UsageFailedAlarm",
        "Usage that was accepted could not be counted after its retries. Nothing is lost; each event counts once.",
        "Find the cause in the log of usage_batch, then redrive the queue.",
    ),
    "HealingFailedQueue": (
        "HealingFailedAlarm",
        "Runs of healing failed after every retry.",
        "Find the cause in the log of usage_healing. Later runs do the work; purge the queue.",
    ),
    "HealingUndeliveredQueue": (
        "HealingUndeliveredAlarm",
        "The schedule could not start healing.",
        "Look for throttles of the function. Later runs do the work; purge the queue.",
    ),
    "AlertFailedQueue": (
        "AlertFailedAlarm",
        "An endpoint has not taken alerts for a day, or the sender failed on them. They are kept here.",
        "GET /v1/alerts/{alert_id} has what the endpoint answered. Mend the endpoint, then redrive the queue.",
    ),
    "StreamFailedQueue": (
        "StreamFailedAlarm",
        "Changes of the table that could not be followed are kept here. Balances are not touched.",
        "Read the reason in a message. The next change of the item it names makes up for it; delete the message then.",
    ),
    "ForwardingRefusedQueue": (
        "ForwardingRefusedAlarm",
        "Usage events that OpenMeter refused are kept here. They are counted in this stack.",
        "Read the reason in a message. Mend the meter in OpenMeter, send the events again, delete the messages.",
    ),
    "ForwardingFailedQueue": (
        "ForwardingFailedAlarm",
        "Batches could not be forwarded after every retry. A message names the place in the stream, kept for 24 hours.",
        "Find the cause in the log of usage_forwarding. Read the named records from the stream before they expire.",
    ),
    "RenewalResetFailedQueue": (
        "RenewalResetFailedAlarm",
        "Runs of the sweep failed after every retry.",
        "Find the cause in the log of renewal_reset. Later runs do the work; purge the queue.",
    ),
    "RenewalResetUndeliveredQueue": (
        "RenewalResetUndeliveredAlarm",
        "The schedule could not start the sweep.",
        "Look for throttles of the function. Later runs do the work; purge the queue.",
    ),
    "ReconciliationFailedQueue": (
        "ReconciliationFailedQueueAlarm",
        "Runs of reconciliation failed after every retry.",
        "Find the cause in the log of reconciliation. Later runs do the work; purge the queue.",
    ),
    "ReconciliationUndeliveredQueue": (
        "ReconciliationUndeliveredAlarm",
        "The schedule could not start reconciliation.",
        "Look for throttles of the function. Later runs do the work; purge the queue.",
    ),
}

_FAILING: Final[Mapping[str, str]] = {
    "ApiKeyAuthorizerFunction": "Callers are answered 500.",
    "RenewalResetFunction": "Balances still advance when they are used.",
    "CustomerDataFunction": "An erasure cannot go on; what is left of it waits for the next run.",
    "ReconciliationFunction": "Webhooks are still applied; events that were missed wait for the next run.",
    "UsageBatchFunction": "The queue brings the messages back.",
    "AlertSenderFunction": "The queue brings the alert back, up to 40 times.",
    "StreamReaderFunction": "The stream brings the batch back; live figures are behind meanwhile.",
    "UsageForwardingFunction": "The stream brings the batch back.",
    "UsageHealingFunction": "The next run does the work.",
    "WebhookIntakeFunction": "Waffo retries for about half an hour; reconciliation finds the rest.",
}
"""What a failing function means, where it is more than an answer of 5xx."""


def alarms() -> tuple[Alarm, ...]:
    """Return every alarm, those of single concern first. Raises ``KeyError`` for a queue that has no row."""
    return (*_OURS, *_EDGES, *_silences(), *_set_aside(), *_failures(), *_table_throttles())


@cache
def resources(kind: str) -> dict[str, dict[str, Any]]:
    """Return the resources of a type in template.yaml, by logical id."""
    return {name: each for name, each in load_template()["Resources"].items() if each["Type"] == kind}


def _silences() -> Iterator[Alarm]:
    for function, (name, meaning) in _SCHEDULED.items():
        yield Alarm(
            name,
            OfFunction("Invocations", function),
            f"{meaning} The window is the parameter {SILENCE_PARAMETER}.",
            "Look whether its schedule is enabled and its queue of undelivered runs is empty. In a new stack it may ring "
            "until the first run.",
            threshold=1,
            period=SILENCE_PARAMETER,
            missing=Missing.TROUBLE,
            is_floor=True,
        )


def _set_aside() -> Iterator[Alarm]:
    watched = {each.source.queue for each in _EDGES if isinstance(each.source, OfQueue)}
    for queue in resources("AWS::SQS::Queue"):
        if queue not in watched:
            name, meaning, action = _SET_ASIDE[queue]
            yield Alarm(
                name,
                OfQueue("ApproximateNumberOfMessagesVisible", queue),
                meaning,
                action,
                statistic="Maximum",
                runbook="redrive-a-queue.md",
            )


def _failures() -> Iterator[Alarm]:
    for function, resource in resources("AWS::Serverless::Function").items():
        service = resource["Properties"]["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
        stem = function.removesuffix("Function")
        yield Alarm(
            f"{stem}ErrorsAlarm",
            OfFunction("Errors", function),
            f"{service} failed: a bug, a timeout or no memory. {_FAILING.get(function, 'Its callers are answered 5xx.')}",
            f"Search the log of {service} for ERROR. If a release began it, roll back.",
            runbook="upgrade-and-roll-back.md",
        )
        yield Alarm(
            f"{stem}ThrottlesAlarm",
            OfFunction("Throttles", function),
            f"Lambda refused to start {service}: the account or the function has no concurrency left.",
            "Look at ConcurrentExecutions of the account. Raise the quota, or find the traffic.",
            periods=2,
            runbook="raise-quotas.md",
        )


def _table_throttles() -> Iterator[Alarm]:
    for index in INDEXES:
        for kind in ("Read", "Write"):
            place = f"the index {index}" if index else "the table"
            yield Alarm(
                f"{(index or 'table').capitalize()}{kind}ThrottlesAlarm",
                OfTable(f"{kind}ThrottleEvents", index),
                f"DynamoDB refused to {kind.lower()} {place} for ten minutes. Requests are repeated, then answered 503.",
                "Look for one hot customer or a burst on the operations dashboard.",
                periods=2,
                runbook="raise-quotas.md",
            )
