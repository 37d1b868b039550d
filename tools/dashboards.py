"""The two dashboards and the saved queries of Logs Insights. ``tools.observability`` renders them.

Bodies are CloudWatch's dashboard JSON. ``${Name}`` is a parameter of observability.yaml.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pancake_meter import metrics
from pancake_meter.metrics import Metric
from tools.alarms import INDEXES, Alarm, resources

WIDTH: Final = 24
"""Columns of a dashboard."""

_HEIGHT: Final = 6

_LAMBDA: Final = "AWS/Lambda"
_NAMESPACE: Final = "${MetricNamespace}"

Line = list[Any]
"""One line of a graph: namespace, name of the metric, dimension names and values in turn, and optionally how to draw it."""


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
    return _body(
        [
            _log_graph("Holds", _HOLDS),
            _graph("Refused", [_ours(metrics.HOLD_REFUSED), _ours(metrics.CHECK_REFUSED)]),
            _by("Refused holds by reason", metrics.HOLD_REFUSED, "reasons", "Sum", 300),
            _graph("Usage events counted", _of_each_service(metrics.USAGE_COUNTED)),
            _graph(
                "Usage events not counted",
                [
                    *_of_each_service(metrics.USAGE_REFUSED, "refused "),
                    *_of_each_service(metrics.USAGE_PARKED, "parked "),
                    *_of_each_service(metrics.USAGE_DUPLICATE, "repeated "),
                ],
            ),
            _graph(
                "Selling",
                [_ours(metrics.PURCHASE_LINK_FOLLOWED), _ours(metrics.CHECKOUT_OPENED)],
            ),
            _graph(
                "Webhook deliveries by verdict",
                [
                    _ours(metric, label=metric.name.removeprefix("Delivery").lower())
                    for metric in (
                        metrics.DELIVERY_APPLIED,
                        metrics.DELIVERY_IGNORED,
                        metrics.DELIVERY_DUPLICATE,
                        metrics.DELIVERY_PARKED,
                        metrics.DELIVERY_FAILED,
                        metrics.DELIVERY_REJECTED,
                        metrics.DELIVERY_UNAVAILABLE,
                    )
                ],
            ),
            _graph(
                "Waiting for a person now",
                [
                    _ours(metric, stat="Maximum")
                    for metric in (
                        metrics.DELIVERIES_PARKED_NOW,
                        metrics.DELIVERIES_FAILED_NOW,
                        metrics.USAGE_PARKED_NOW,
                    )
                ],
            ),
            _graph(
                "Found without a webhook or a report",
                [_ours(metrics.RECONCILIATION_HEALED), _ours(metrics.USAGE_MISSED)],
            ),
            _graph("Payments to look at", _of_each_service(metrics.PAYMENT_FLAGGED)),
            _gauges("Received this month, by currency", metrics.RECEIVED_THIS_MONTH),
            _gauges("Units of closed periods this month, by meter", metrics.UNITS_THIS_MONTH),
            _gauges("Overage of closed periods this month, by meter", metrics.OVERAGE_THIS_MONTH),
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
            _graph("Reset lag (s)", [_ours(metrics.RESET_LAG, stat="Maximum")]),
            _graph(
                "Resets",
                [_ours(metrics.BALANCE_ADVANCED), _ours(metrics.BALANCE_NOT_ADVANCED)],
            ),
            _graph(
                "Forwarding",
                [
                    _ours(metrics.USAGE_FORWARDED),
                    _ours(metrics.USAGE_NOT_FORWARDED),
                    [*_of_function("IteratorAge", "UsageForwardingFunction", "Maximum")[:-1], {"yAxis": "right"}],
                ],
            ),
            _text(f"{len(alarms)} alarms watch this stack. docs/runbooks/alarms.md has a section for each."),
        ]
    )


def _ours(metric: Metric, *, stat: str = "Sum", label: str | None = None) -> Line:
    """Draw a metric of the first service that writes it."""
    return [_NAMESPACE, metric.name, "service", metric.services[0], {"stat": stat, "label": label or metric.name}]


def _of_each_service(metric: Metric, prefix: str = "") -> list[Line]:
    return [
        [_NAMESPACE, metric.name, "service", service, {"stat": "Sum", "label": f"{prefix}{service}"}]
        for service in metric.services
    ]


def _of_function(metric: str, function: str, stat: str) -> Line:
    label = function.removesuffix("Function")
    return [_LAMBDA, metric, "FunctionName", f"${{{function}}}", {"stat": stat, "label": label}]


def _of_queue(metric: str, queue: str) -> Line:
    return ["AWS/SQS", metric, "QueueName", f"${{{queue}}}", {"stat": "Maximum", "label": queue}]


def _of_table(metric: str, index: str | None) -> Line:
    dimensions = ["TableName", "${Table}", *(["GlobalSecondaryIndexName", index] if index else [])]
    return ["AWS/DynamoDB", metric, *dimensions, {"stat": "Sum", "label": f"{metric} {index or 'table'}"}]


def _graph(title: str, lines: Sequence[Line]) -> dict[str, Any]:
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
            "metrics": list(lines),
        },
    }


def _gauges(title: str, metric: Metric) -> dict[str, Any]:
    return _by(title, metric, "gauges", "Maximum", 900)


def _by(title: str, metric: Metric, name: str, stat: str, period: int) -> dict[str, Any]:
    """Draw one line for each value of the metric's second dimension, such as the catalog's meters."""
    where = f'{{{_NAMESPACE},{metric.by},service}} MetricName="{metric.name}"'
    return _graph(title, [[{"expression": f"SEARCH('{where}', '{stat}', {period})", "id": name}]])


def _log_graph(title: str, query: str) -> dict[str, Any]:
    properties = {"title": title, "region": "${AWS::Region}", "view": "timeSeries", "query": query}
    return {"type": "log", "width": WIDTH // 3, "height": _HEIGHT, "properties": properties}


def _text(markdown: str) -> dict[str, Any]:
    return {"type": "text", "width": WIDTH, "height": 2, "properties": {"markdown": markdown}}


def _body(widgets: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Without places: CloudWatch puts widgets side by side, in their order."""
    return {"start": "-PT24H", "widgets": list(widgets)}
