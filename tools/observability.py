"""Writes observability.yaml and docs/runbooks/alarms.md from the table of alarms, or checks that they are in step.

Usage: ``python -m tools.observability [--check]``.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import yaml

from pancake_meter.metrics import Metric
from tools import dashboards
from tools.alarms import SILENCE_PARAMETER, Alarm, OfApi, OfFunction, OfQueue, OfTable, alarms, resources
from tools.cfn_template import ROOT

if TYPE_CHECKING:
    from pathlib import Path

TEMPLATE: Final = ROOT / "observability.yaml"
RUNBOOK: Final = ROOT / "docs" / "runbooks" / "alarms.md"
ABSENT: Final = "none"
"""What template.yaml gives for a function or queue that the stack does not have: a dimension may not be empty."""

_HEADER: Final = """\
# Alarms, dashboards and saved queries: a nested stack of template.yaml.
# Made by `make observability` from tools/alarms.py and tools/dashboards.py; do not edit it.
"""
_RUNBOOK_HEADER: Final = """\
# An alarm rang

Find the alarm by the name in its message; CloudWatch puts the stack's name before it and some letters behind it.
An alarm with "Now" in its name holds until the trouble is gone. The others say that something happened.
Every alarm also sends a message when it is over.

The operations dashboard shows when it began. The saved queries are in Logs Insights, under the stack's name.

<!-- Made by `make observability` from tools/alarms.py; do not edit it. -->
"""


def template() -> dict[str, Any]:
    """Return observability.yaml in CloudFormation's JSON form."""
    rows = alarms()
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "pancake-meter - alarms, dashboards and saved queries of one stack",
        "Parameters": _parameters(),
        "Conditions": {"HasAlarmTopic": _is_given("AlarmTopicArn", "")}
        | {_condition(name): _is_given(name, ABSENT) for name in _optional()},
        "Resources": {alarm.name: _alarm(alarm) for alarm in rows}
        | {
            "BusinessDashboard": _dashboard(dashboards.business()),
            "OperationsDashboard": _dashboard(dashboards.operations(rows)),
        }
        | {_query_id(query.name): _query(query) for query in dashboards.queries()},
    }


def rendered_template() -> str:
    """Return the text of observability.yaml."""
    text: str = yaml.safe_dump(template(), sort_keys=False, width=1_000, allow_unicode=True)
    return _HEADER + text


def rendered_runbook() -> str:
    """Return the text of docs/runbooks/alarms.md: one section for each alarm, in the order of their names."""
    return _RUNBOOK_HEADER + "".join(_section(alarm) for alarm in sorted(alarms(), key=lambda alarm: alarm.name))


def main(arguments: Sequence[str]) -> int:
    """Write both files; with ``--check`` only compare them. Return 1 when one differs."""
    outputs: Mapping[Path, str] = {TEMPLATE: rendered_template(), RUNBOOK: rendered_runbook()}
    if "--check" not in arguments:
        for path, text in outputs.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [path for path, text in outputs.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)} is not what tools/observability.py makes: run `make observability`")
    return int(bool(stale))


def _parameters() -> dict[str, Any]:
    named = {
        "StackName": "Name of the stack that is watched; log groups and saved queries carry it.",
        "MetricNamespace": "Namespace of the stack's own metrics.",
        "AlarmTopicArn": "SNS topic that alarms notify; empty means that alarms only show.",
        "HttpApi": "Id of the HTTP API.",
        "HttpApiLogGroup": "Log group of the API's access log.",
        "Table": "Name of the table.",
    }
    watched = (*resources("AWS::Serverless::Function"), *resources("AWS::SQS::Queue"))
    return (
        {name: {"Type": "String", "Description": description} for name, description in named.items()}
        | {
            SILENCE_PARAMETER: {
                "Type": "Number",
                "Description": "Seconds without a run after which a schedule is silent.",
            }
        }
        | {name: {"Type": "String", "Description": f"Name of {name}."} for name in watched}
    )


def _optional() -> list[str]:
    """Return the functions and queues that template.yaml makes on a condition."""
    every = resources("AWS::Serverless::Function") | resources("AWS::SQS::Queue")
    return [name for name, resource in every.items() if "Condition" in resource]


def _condition(name: str) -> str:
    return f"Has{name}"


def _is_given(parameter: str, absent: str) -> dict[str, Any]:
    return {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, absent]}]}


def _alarm(alarm: Alarm) -> dict[str, Any]:
    actions = {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}
    watched = _watched(alarm)
    condition = {"Condition": _condition(watched)} if watched in _optional() else {}
    return {
        "Type": "AWS::CloudWatch::Alarm",
        **condition,
        "Properties": {
            "AlarmDescription": f"{alarm.meaning} {alarm.action} Runbook: docs/runbooks/alarms.md#{alarm.name.lower()}",
            **_measure(alarm),
            "EvaluationPeriods": alarm.periods,
            "Threshold": alarm.threshold,
            "ComparisonOperator": "LessThanThreshold" if alarm.is_floor else "GreaterThanThreshold",
            "TreatMissingData": alarm.missing.value,
            "AlarmActions": actions,
            "OKActions": actions,
        },
    }


def _watched(alarm: Alarm) -> str | None:
    match alarm.source:
        case OfFunction(function=function):
            return function
        case OfQueue(queue=queue):
            return queue
        case _:
            return None


def _measure(alarm: Alarm) -> dict[str, Any]:
    if isinstance(alarm.source, Metric) and len(alarm.source.services) > 1:
        return {"Metrics": _sum_of_services(alarm, alarm.source)}
    kind = "ExtendedStatistic" if alarm.statistic.startswith("p") else "Statistic"
    return {**_metric(alarm), kind: alarm.statistic, "Period": _period(alarm)}


def _sum_of_services(alarm: Alarm, metric: Metric) -> list[dict[str, Any]]:
    each = [
        {
            "Id": service,
            "ReturnData": False,
            "MetricStat": {
                "Metric": {
                    "Namespace": {"Ref": "MetricNamespace"},
                    "MetricName": metric.name,
                    "Dimensions": [{"Name": "service", "Value": service}],
                },
                "Period": _period(alarm),
                "Stat": alarm.statistic,
            },
        }
        for service in metric.services
    ]
    # A service that counted nothing in a period has no data in it.
    total = {"Id": "total", "Expression": "SUM(FILL(METRICS(), 0))", "Label": metric.name, "ReturnData": True}
    return [total, *each]


def _period(alarm: Alarm) -> Any:
    return {"Ref": alarm.period} if isinstance(alarm.period, str) else alarm.period


def _metric(alarm: Alarm) -> dict[str, Any]:
    match alarm.source:
        case Metric(metric, (service,)):
            return _named({"Ref": "MetricNamespace"}, metric, {"service": service})
        case OfFunction(metric, function):
            return _named("AWS/Lambda", metric, {"FunctionName": {"Ref": function}})
        case OfQueue(metric, queue):
            return _named("AWS/SQS", metric, {"QueueName": {"Ref": queue}})
        case OfApi(metric):
            return _named("AWS/ApiGateway", metric, {"ApiId": {"Ref": "HttpApi"}})
        case OfTable(metric, index):
            of_index = {"GlobalSecondaryIndexName": index} if index else {}
            return _named("AWS/DynamoDB", metric, {"TableName": {"Ref": "Table"}, **of_index})
        case _:
            raise ValueError(f"{alarm.name} watches nothing")


def _named(namespace: Any, metric: str, dimensions: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Namespace": namespace,
        "MetricName": metric,
        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
    }


def _dashboard(body: Mapping[str, Any]) -> dict[str, Any]:
    text = json.dumps(body, separators=(",", ":"))
    return {"Type": "AWS::CloudWatch::Dashboard", "Properties": {"DashboardBody": {"Fn::Sub": text}}}


def _query(query: dashboards.Query) -> dict[str, Any]:
    groups: list[Any] = [{"Fn::Sub": f"/pancake-meter/${{StackName}}/{service}"} for service in query.services]
    if query.access_log:
        groups.append({"Ref": "HttpApiLogGroup"})
    properties = {
        "Name": {"Fn::Sub": f"${{StackName}}/{query.name}"},
        "QueryString": query.text,
        "LogGroupNames": groups,
    }
    return {"Type": "AWS::Logs::QueryDefinition", "Properties": properties}


def _query_id(name: str) -> str:
    return "".join(word.capitalize() for word in name.split()) + "Query"


def _section(alarm: Alarm) -> str:
    further = f"\n\nFurther: [{alarm.runbook}]({alarm.runbook})." if alarm.runbook else ""
    return f"\n## {alarm.name}\n\n{alarm.meaning}\n\n{alarm.action}\n\nIt rings when: {_rule(alarm)}.{further}\n"


def _rule(alarm: Alarm) -> str:
    source = alarm.source
    match source:
        case Metric(metric, services):
            what = f"{metric} of {', '.join(services)}"
        case OfFunction(metric, name) | OfQueue(metric, name):
            what = f"{metric} of {name}"
        case OfApi(metric):
            what = f"{metric} of the HTTP API"
        case OfTable(metric, index):
            what = f"{metric} of {f'the index {index}' if index else 'the table'}"
    relation = "below" if alarm.is_floor else "above"
    window = f"{alarm.period} seconds" if isinstance(alarm.period, int) else f"the seconds of `{alarm.period}`"
    times = f", {alarm.periods} times in a row" if alarm.periods > 1 else ""
    return f"`{what}` ({alarm.statistic}) is {relation} {alarm.threshold:,} in {window}{times}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
