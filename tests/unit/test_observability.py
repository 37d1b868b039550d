"""What means trouble rings, with what it means and what to do; alarms, dashboards and runbooks are in step."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pancake_meter.store.webhooks.deliveries import VERDICTS
from tools import dashboards
from tools.alarms import Missing, OfFunction, OfQueue, OfTable, Ours, alarms, resources
from tools.cfn_template import ROOT, load_template
from tools.observability import main, rendered_template, template

ALARMS = alarms()
TEMPLATE = load_template()
OBSERVABILITY = load_template(ROOT / "observability.yaml")
RUNBOOKS = ROOT / "docs" / "runbooks"
FUNCTIONS = resources("AWS::Serverless::Function")
LAYER = "every service that meters"

NOT_TROUBLE = {
    "BalanceAdvanced": "the sweep at work",
    "CheckoutOpened": "a sale",
    "DeliveryApplied": "the usual verdict",
    "DeliveryDismissed": "an operator at work",
    "DeliveryDuplicate": "Waffo delivers more than once",
    "DeliveryIgnored": "the event changes nothing here",
    "DeliveryReplayed": "an operator at work",
    "DeliveryUnparked": "trouble that ended by itself",
    "CheckRefused": "a decision of the gate; the dashboard shows the reasons",
    "HoldRefused": "a decision of the gate; the dashboard shows the reasons",
    "PurchaseLinkFollowed": "a customer clicked",
    "ReconciliationHealed": "reconciliation at work; webhooks do get lost",
    "UsageAccepted": "bulk usage at work",
    "UsageCounted": "usage at work",
    "UsageDuplicate": "a caller repeated a request, as it should",
    "UsageForwarded": "forwarding at work",
    "UsageIgnored": "the source sends items that no meter wants",
    "UsageRefused": "the caller was told, and can repeat it",
}
"""Metrics that need no alarm, and why. A new metric goes here or into tools/alarms.py."""

MADE_OF = {
    "metric": ["HoldRefused", "CheckRefused"],
    "f'Delivery{outcome.verdict.capitalize()}'": [f"Delivery{each.capitalize()}" for each in (*VERDICTS, "duplicate")],
}
"""Names of metrics that code makes out of values which are not beside it."""


ONLY_OF = {
    "CheckRefused": {"quota_check"},
    "HoldRefused": {"quota_check"},
    "LinkSecretUnavailable": {"quota_check"},
    "OrderLookupFailed": {"overage_checkout"},
}
"""Metrics that the layer emits for some functions only."""


def calls(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield the expression of every metric's name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in {"add_metric", "single_metric"} and node.args:
                yield node.args[0]
            elif called in {"add_metric", "single_metric"}:
                yield next(keyword.value for keyword in node.keywords if keyword.arg == "name")


def constants(node: ast.AST) -> list[str]:
    return [each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)]


def names(expression: ast.expr, tree: ast.Module) -> list[str]:
    """Return every name that the expression may give: a constant, a variable of constants, or a pattern over a tuple."""
    if ast.unparse(expression) in MADE_OF:
        return MADE_OF[ast.unparse(expression)]
    if isinstance(expression, ast.Constant):
        return [str(expression.value)]
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(expression, ast.Name) and isinstance(node, ast.Assign):
            if any(isinstance(target, ast.Name) and target.id == expression.id for target in node.targets):
                found += constants(node.value)
        elif isinstance(expression, ast.JoinedStr) and isinstance(node, ast.For) and isinstance(node.target, ast.Name):
            stem, value = expression.values
            assert isinstance(value, ast.FormattedValue)
            if ast.unparse(value.value) == f"{node.target.id}.capitalize()":
                found += [constants(stem)[0] + each.capitalize() for each in constants(node.iter)]
    assert found, f"cannot tell the metric's name: {ast.unparse(expression)}; add it to MADE_OF"
    return found


def metering_services() -> set[str]:
    """Services whose code makes the collaborators of metering, and may so report a customer without a plan."""
    files = (ROOT / "functions").glob("*/*.py")
    users = {path.parent.name for path in files if "production_metering()" in path.read_text()}
    # They take only the catalog of it, or read what others have added up.
    return users - {"usage_bulk", "reports"}


def emitted() -> set[tuple[str, str]]:
    """Return (service, metric) of everything that the code emits."""
    found: set[tuple[str, str]] = set()
    for path in [*(ROOT / "functions").glob("*/*.py"), *(ROOT / "layers" / "shared").rglob("*.py")]:
        tree = ast.parse(path.read_text())
        services = {path.parent.name} if path.is_relative_to(ROOT / "functions") else metering_services()
        metrics = [name for each in calls(tree) for name in names(each, tree)]
        found |= {(service, name) for name in metrics for service in ONLY_OF.get(name, services)}
    return found


def test_every_metric_that_the_code_emits_has_an_alarm_or_a_reason_to_have_none() -> None:
    silent = {(service, metric) for service, metric in emitted() if metric not in NOT_TROUBLE}
    assert silent - dashboards.watched(ALARMS) == set()


def test_no_alarm_watches_a_metric_that_nobody_emits() -> None:
    assert dashboards.watched(ALARMS) - emitted() == set()
    assert {metric for _, metric in emitted()} >= set(NOT_TROUBLE)


def test_the_dashboards_show_only_metrics_that_exist() -> None:
    shown = {
        (line[3], line[1])
        for body in (dashboards.business(), dashboards.operations(ALARMS))
        for widget in body["widgets"]
        for line in widget["properties"].get("metrics", [])
        if line[0] == "${MetricNamespace}"
    }
    assert shown
    assert shown - emitted() == set()


@pytest.mark.parametrize("metric", ["Errors", "Throttles"])
def test_every_function_rings_when_it_fails_or_may_not_start(metric: str) -> None:
    assert {a.source.function for a in ALARMS if isinstance(a.source, OfFunction) and a.source.metric == metric} == set(
        FUNCTIONS
    )


def test_every_queue_rings() -> None:
    assert {a.source.queue for a in ALARMS if isinstance(a.source, OfQueue)} == set(resources("AWS::SQS::Queue"))


def test_the_table_and_each_index_ring_when_throttled() -> None:
    indexes = {each["IndexName"] for each in TEMPLATE["Resources"]["Table"]["Properties"]["GlobalSecondaryIndexes"]}
    watched = {(a.source.metric, a.source.index) for a in ALARMS if isinstance(a.source, OfTable)}
    assert watched == {(f"{kind}ThrottleEvents", index) for kind in ("Read", "Write") for index in {None, *indexes}}


def test_a_schedule_that_stops_rings_within_a_window_that_the_operator_chooses() -> None:
    scheduled = {
        name
        for name, each in FUNCTIONS.items()
        if any(event["Type"] == "ScheduleV2" for event in each["Properties"].get("Events", {}).values())
    }
    silent = [alarm for alarm in ALARMS if alarm.is_floor]
    assert {alarm.source.function for alarm in silent if isinstance(alarm.source, OfFunction)} == scheduled
    for alarm in silent:
        properties = template()["Resources"][alarm.name]["Properties"]
        assert properties["MetricName"] == "Invocations"
        assert properties["TreatMissingData"] == "breaching"
        assert (properties["ComparisonOperator"], properties["Threshold"]) == ("LessThanThreshold", 1)
        assert properties["Period"] == {"Ref": "ScheduleSilenceSeconds"}
    # CloudWatch takes periods of whole minutes up to a day.
    windows = TEMPLATE["Parameters"]["ScheduleSilenceSeconds"]["AllowedValues"]
    assert [window for window in windows if window % 60 or window > 86_400] == []


def test_a_gauge_holds_its_alarm_until_the_next_measurement() -> None:
    gauges = [alarm for alarm in ALARMS if alarm.name.endswith("NowAlarm")]
    assert len(gauges) == 3
    assert {(alarm.missing, alarm.statistic) for alarm in gauges} == {(Missing.NO_NEWS, "Maximum")}


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm.name)
def test_an_alarm_says_what_to_do_and_tells_when_it_is_over(alarm: Any) -> None:
    rendered = OBSERVABILITY["Resources"][alarm.name]
    properties = rendered["Properties"]
    assert properties["OKActions"] == properties["AlarmActions"]
    assert {"Ref": "AlarmTopicArn"} in properties["AlarmActions"]["Fn::If"][1]
    assert len(properties["AlarmDescription"]) <= 1024
    page, anchor = properties["AlarmDescription"].split("Runbook: ")[1].split("#")
    headings = [line[3:].strip().lower() for line in (ROOT / page).read_text().splitlines() if line.startswith("## ")]
    assert headings.count(anchor) == 1
    assert len(properties.get("Metrics", [])) <= 1 + 10
    # CloudWatch evaluates at most a day, of periods below an hour.
    assert not isinstance(alarm.period, int) or alarm.period * alarm.periods <= 86_400


def test_alarms_of_what_a_stack_does_not_have_are_not_made() -> None:
    conditional = {name for name, each in TEMPLATE["Resources"].items() if "Condition" in each}
    for alarm in ALARMS:
        source = alarm.source
        watched = source.function if isinstance(source, OfFunction) else getattr(source, "queue", None)
        expected = f"Has{watched}" if watched in conditional else None
        assert OBSERVABILITY["Resources"][alarm.name].get("Condition") == expected


def test_the_files_are_what_the_tables_make() -> None:
    assert main(["--check"]) == 0


def test_the_stack_gives_the_nested_one_all_that_it_asks_for() -> None:
    nested = TEMPLATE["Resources"]["ObservabilityStack"]["Properties"]
    given = nested["Parameters"]
    assert set(given) == set(OBSERVABILITY["Parameters"])
    for name, resource in (FUNCTIONS | resources("AWS::SQS::Queue")).items():
        is_queue = resource["Type"] == "AWS::SQS::Queue"
        value = {"Fn::GetAtt": [name, "QueueName"]} if is_queue else {"Ref": name}
        condition = resource.get("Condition")
        assert given[name] == ({"Fn::If": [condition, value, "none"]} if condition else value)
    assert (
        given["MetricNamespace"]
        == (TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"])
    )


def test_nothing_of_the_stack_waits_for_its_observability() -> None:
    others = {name: each for name, each in TEMPLATE["Resources"].items() if name != "ObservabilityStack"}
    assert "ObservabilityStack" not in str(others) + str(TEMPLATE["Outputs"])
    assert not [name for name, each in others.items() if each["Type"].startswith("AWS::CloudWatch::Dashboard")]


def test_two_stacks_share_no_name() -> None:
    for resource in OBSERVABILITY["Resources"].values():
        properties = resource["Properties"]
        assert not {"AlarmName", "DashboardName"} & set(properties)
        if resource["Type"] == "AWS::Logs::QueryDefinition":
            assert properties["Name"]["Fn::Sub"].startswith("${StackName}/")
    assert "PancakeMeter" not in rendered_template()


def test_the_template_keeps_to_the_limits_of_cloudformation() -> None:
    assert len(OBSERVABILITY["Resources"]) <= 500
    assert len(OBSERVABILITY["Parameters"]) <= 200
    assert len(rendered_template().encode()) <= 1_000_000


@pytest.mark.parametrize("dashboard", ["BusinessDashboard", "OperationsDashboard"])
def test_a_dashboard_is_json_of_known_parameters(dashboard: str) -> None:
    text = OBSERVABILITY["Resources"][dashboard]["Properties"]["DashboardBody"]["Fn::Sub"]
    named = set(re.findall(r"\$\{([^}]+)\}", text))
    assert named - set(OBSERVABILITY["Parameters"]) == {"AWS::Region"}
    body = json.loads(text)
    assert len(body["widgets"]) <= 500
    for widget in body["widgets"]:
        assert widget["width"] <= dashboards.WIDTH
        assert len(widget["properties"].get("metrics", [])) <= 500


def test_saved_queries_search_log_groups_that_exist() -> None:
    groups = {
        each["Properties"]["LogGroupName"]["Fn::Sub"].replace("AWS::StackName", "StackName")
        for each in resources("AWS::Logs::LogGroup").values()
    }
    for resource in OBSERVABILITY["Resources"].values():
        if resource["Type"] == "AWS::Logs::QueryDefinition":
            names_ = [each["Fn::Sub"] for each in resource["Properties"]["LogGroupNames"] if "Fn::Sub" in each]
            assert set(names_) <= groups
            assert 0 < len(resource["Properties"]["LogGroupNames"]) <= 50
            assert len(resource["Properties"]["QueryString"]) <= 10_000


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.name)
def test_the_pages_that_a_runbook_links_exist(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    missing = [link for link in links if not link.startswith("https://") and not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.name)
def test_the_modules_that_a_runbook_runs_exist(page: Path) -> None:
    for module in re.findall(r"-m ((?:tools|local)\.\w+)", page.read_text()):
        assert (ROOT / (module.replace(".", "/") + ".py")).exists()
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [name for name in re.findall(r"(?m)(?:^ *|`)make ([a-z-]+)", page.read_text()) if name not in targets] == []


@pytest.mark.parametrize("alarm", [each for each in ALARMS if each.runbook], ids=lambda alarm: alarm.name)
def test_the_runbook_that_an_alarm_names_exists(alarm: Any) -> None:
    assert (RUNBOOKS / alarm.runbook).is_file()


def test_an_alarm_watches_services_that_the_template_has() -> None:
    known = set(dashboards.services())
    assert {service for a in ALARMS if isinstance(a.source, Ours) for service in a.source.services} <= known
