"""The two dashboards and the saved queries of Logs Insights. ``tools.observability`` renders them.

Bodies are CloudWatch's dashboard JSON. ``${Name}`` is a parameter of observability.yaml.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tools.alarms import INDEXES, Alarm, Ours, resources

WIDTH: Final = 24
"""Columns of a dashboard."""

_HEIGHT: Final = 6

_LAMBDA: Final = "AWS/Lambda"
_NAMESPACE: Final = "${MetricNamespace}"

Metric = list[Any]
"""One line of a graph: namespace, metric, dimension names and values in turn, and optionally how to draw it."""


@dataclass(frozen=True, slots=True)
class Query:
    """A saved query over the log groups of some functions (names of folders in ``functions``) or of the access log."""

    name: str
    text: str
    services: tuple[str, ...] = ()
    access_log: bool = False


_HOLDS: Final = (
    "SOURCE '${HttpApiLogGroup}'\n"
    '| filter routeKey = "POST /v1/customers/{customer_id}/holds"\n'
    '| stats sum(strcontains(status, "201")) as placed, sum(strcontains(status, "200")) as repeated, '
    'sum(strcontains(status, "402")) as refused by bin(5m)'
)
"""Out of the access log: a metric of each hold that is placed would cost a line of the function's log."""


def services() -> tuple[str, ...]:
    """Return the name of every function's service, in the order of template.yaml."""
    functions = resources("AWS::Serverless::Function").values()
    return tuple(each["Properties"]["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] for each in functions)


def queries() -> tuple[Query, ...]:
    """Return the saved queries. Words in capitals are for the reader to replace."""
    return (
        Query(
            "why was this customer refused",
            "fields @timestamp, refused, customer_id, meter, code, wanted, available, function_request_id\n"
            '| filter message = "refused" and customer_id = "CUSTOMER_ID"\n'
            "| sort @timestamp desc | limit 100",
            ("quota_check",),
        ),
        Query(
            "what happened to this delivery",
            "fields @timestamp, service, message, verdict, reason, event_type, order_id, level\n"
            '| filter delivery = "DELIVERY_ID" or order_id = "ORDER_ID"\n'
            "| sort @timestamp asc | limit 100",
            ("webhook_intake", "webhook_deliveries", "reconciliation"),
        ),
        Query(
            "flagged payments",
            "fields @timestamp, service, delivery, reason, flags.0, event_type, order_id\n"
            '| filter (verdict = "applied" and ispresent(reason) and reason != "") or ispresent(flags.0)\n'
            "| sort @timestamp desc | limit 100",
            ("webhook_intake", "webhook_deliveries", "reconciliation"),
        ),
        Query(
            "errors by function",
            "fields @timestamp, @message\n"
            '| filter level in ["ERROR", "CRITICAL", "WARNING"]\n'
            "| stats count(*) as lines, latest(@timestamp) as last by service, level, message\n"
            "| sort lines desc | limit 100",
            services(),
        ),
        Query(
            "failed requests",
            "fields @timestamp, requestId, routeKey, status, integrationError, authorizerError, error\n"
            "| filter status >= 500 | sort @timestamp desc | limit 100",
            access_log=True,
        ),
        Query(
            "slowest requests",
            "fields @timestamp, requestId, routeKey, status, responseLatency_ms, integrationLatency_ms\n"
            "| sort responseLatency_ms desc | limit 50",
            access_log=True,
        ),
        Query(
            "latency by route",
            "stats count(*) as requests, pct(responseLatency_ms, 50) as p50_ms, pct(responseLatency_ms, 99) as p99_ms\n"
            "by routeKey | sort p99_ms desc | limit 50",
            access_log=True,
        ),
        Query(
            "customers without a plan",
            "fields @timestamp, service, customer_id, meter\n"
            '| filter message = "customer unprovisioned" | stats count(*) as times by customer_id, meter\n'
            "| sort times desc | limit 100",
            services(),
        ),
    )


def business() -> Mapping[str, Any]:
    """Return what the product does: decisions, usage, sales, deliveries."""
    reason = "SEARCH('{" + _NAMESPACE + ',reason,service} MetricName="HoldRefused"' + "', 'Sum', 300)"
    recording = ("usage_recording", "usage_batch", "usage_healing")
    return _body(
        [
            _log_graph("Holds", _HOLDS),
            _graph("Refused", [_ours("HoldRefused", "quota_check"), _ours("CheckRefused", "quota_check")]),
            _graph("Refused holds by reason", [[{"expression": reason, "id": "reasons"}]]),
            _graph("Usage events counted", [_ours("UsageCounted", each, label=each) for each in recording]),
            _graph(
                "Usage events not counted",
                [
                    *(
                        _ours("UsageRefused", each, label=f"refused {each}")
                        for each in ("usage_recording", "usage_bulk")
                    ),
                    *(_ours("UsageParked", each, label=f"parked {each}") for each in recording),
                    *(_ours("UsageDuplicate", each, label=f"repeated {each}") for each in recording[:2]),
                ],
            ),
            _graph(
                "Selling",
                [_ours("PurchaseLinkFollowed", "overage_checkout"), _ours("CheckoutOpened", "overage_checkout")],
            ),
            _graph(
                "Webhook deliveries by verdict",
                [
                    _ours(f"Delivery{verdict}", "webhook_intake", label=verdict.lower())
                    for verdict in ("Applied", "Ignored", "Duplicate", "Parked", "Failed", "Rejected", "Unavailable")
                ],
            ),
            _graph(
                "Waiting for a person now",
                [
                    _ours(name, "renewal_reset", stat="Maximum")
                    for name in ("DeliveriesParkedNow", "DeliveriesFailedNow", "UsageParkedNow")
                ],
            ),
            _graph(
                "Found without a webhook or a report",
                [_ours("ReconciliationHealed", "reconciliation"), _ours("UsageMissed", "usage_healing")],
            ),
            _graph(
                "Payments to look at",
                [
                    _ours("PaymentFlagged", each, label=each)
                    for each in ("webhook_intake", "webhook_deliveries", "reconciliation")
                ],
            ),
            _gauges("Received this month, by currency", "ReceivedThisMonth", "currency"),
            _gauges("Units of closed periods this month, by meter", "UnitsThisMonth", "meter"),
            _gauges("Overage of closed periods this month, by meter", "OverageThisMonth", "meter"),
            _text(
                "Gauges of the month are taken by each reconciliation; months are UTC. By plan and customer, and for "
                "earlier months: `GET /v1/reports/revenue` and `GET /v1/reports/usage`."
            ),
        ]
    )


def operations(alarms: Sequence[Alarm]) -> Mapping[str, Any]:
    """Return how the stack runs: latency, errors, throttles, queues, DynamoDB."""
    functions = list(resources("AWS::Serverless::Function"))
    queues = list(resources("AWS::SQS::Queue"))
    api = ["ApiId", "${HttpApi}"]
    return _body(
        [
            _graph(
                "API latency (ms)",
                [["AWS/ApiGateway", "Latency", *api, {"stat": stat, "label": stat}] for stat in ("p50", "p90", "p99")],
            ),
            _graph(
                "API requests", [["AWS/ApiGateway", name, *api, {"stat": "Sum"}] for name in ("Count", "4xx", "5xx")]
            ),
            _graph(
                "Webhook latency (ms)",
                [
                    [
                        _LAMBDA,
                        "UrlRequestLatency",
                        "FunctionName",
                        "${WebhookIntakeFunction}",
                        {"stat": stat, "label": stat},
                    ]
                    for stat in ("p50", "p99")
                ],
            ),
            _graph("Function errors", [_of_function("Errors", each, "Sum") for each in functions]),
            _graph("Function throttles", [_of_function("Throttles", each, "Sum") for each in functions]),
            _graph("Function duration p99 (ms)", [_of_function("Duration", each, "p99") for each in functions]),
            _graph("Functions at once", [_of_function("ConcurrentExecutions", each, "Maximum") for each in functions]),
            _graph("Oldest message (s)", [_of_queue("ApproximateAgeOfOldestMessage", each) for each in queues]),
            _graph("Messages set aside", [_of_queue("ApproximateNumberOfMessagesVisible", each) for each in queues]),
            _graph(
                "DynamoDB units",
                [_of_table(f"Consumed{kind}CapacityUnits", index) for kind in ("Read", "Write") for index in INDEXES],
            ),
            _graph(
                "DynamoDB throttles and conflicts",
                [
                    *(_of_table(f"{kind}ThrottleEvents", index) for kind in ("Read", "Write") for index in INDEXES),
                    _of_table("TransactionConflict", None),
                ],
            ),
            _graph("Reset lag (s)", [_ours("ResetLag", "renewal_reset", stat="Maximum")]),
            _graph(
                "Resets",
                [_ours("BalanceAdvanced", "renewal_reset"), _ours("BalanceNotAdvanced", "renewal_reset")],
            ),
            _graph(
                "Forwarding",
                [
                    _ours("UsageForwarded", "usage_forwarding"),
                    _ours("UsageNotForwarded", "usage_forwarding"),
                    [*_of_function("IteratorAge", "UsageForwardingFunction", "Maximum")[:-1], {"yAxis": "right"}],
                ],
            ),
            _text(f"{len(alarms)} alarms watch this stack. docs/runbooks/alarms.md has a section for each."),
        ]
    )


def watched(alarms: Sequence[Alarm]) -> frozenset[tuple[str, str]]:
    """Return (service, metric) of everything of our own that has an alarm."""
    return frozenset(
        (service, alarm.source.metric)
        for alarm in alarms
        if isinstance(alarm.source, Ours)
        for service in alarm.source.services
    )


def _ours(metric: str, service: str, *, stat: str = "Sum", label: str | None = None) -> Metric:
    return [_NAMESPACE, metric, "service", service, {"stat": stat, "label": label or metric}]


def _of_function(metric: str, function: str, stat: str) -> Metric:
    label = function.removesuffix("Function")
    return [_LAMBDA, metric, "FunctionName", f"${{{function}}}", {"stat": stat, "label": label}]


def _of_queue(metric: str, queue: str) -> Metric:
    return ["AWS/SQS", metric, "QueueName", f"${{{queue}}}", {"stat": "Maximum", "label": queue}]


def _of_table(metric: str, index: str | None) -> Metric:
    dimensions = ["TableName", "${Table}", *(["GlobalSecondaryIndexName", index] if index else [])]
    return ["AWS/DynamoDB", metric, *dimensions, {"stat": "Sum", "label": f"{metric} {index or 'table'}"}]


def _graph(title: str, metrics: Sequence[Metric]) -> dict[str, Any]:
    return {
        "type": "metric",
        "width": WIDTH // 3,
        "height": _HEIGHT,
        "properties": {
            "title": title,
            "region": "${AWS::Region}",
            "view": "timeSeries",
            "stacked": False,
            "period": 300,
            "metrics": list(metrics),
        },
    }


def _gauges(title: str, metric: str, dimension: str) -> dict[str, Any]:
    """Draw all that a gauge has been told of, whatever the catalog's meters or currencies are."""
    search = "SEARCH('{" + f"{_NAMESPACE},{dimension},service" + '} MetricName="' + metric + "\"', 'Maximum', 900)"
    return _graph(title, [[{"expression": search, "id": "gauges"}]])


def _log_graph(title: str, query: str) -> dict[str, Any]:
    properties = {"title": title, "region": "${AWS::Region}", "view": "timeSeries", "query": query}
    return {"type": "log", "width": WIDTH // 3, "height": _HEIGHT, "properties": properties}


def _text(markdown: str) -> dict[str, Any]:
    return {"type": "text", "width": WIDTH, "height": 2, "properties": {"markdown": markdown}}


def _body(widgets: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Without places: CloudWatch puts widgets side by side, in their order."""
    return {"start": "-PT24H", "widgets": list(widgets)}
