"""What means trouble rings, with what it means and what to do; alarms, dashboards and runbooks are in step."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from pancake_meter import metrics
from pancake_meter.metrics import Metric
from pancake_meter.store.webhooks.deliveries import VERDICTS
from tools import dashboards
from tools.alarms import Missing, OfFunction, OfQueue, OfTable, alarms, resources
from tools.cfn_template import ROOT, load_template
from tools.observability import main, rendered_template, template

ALARMS = alarms()
TEMPLATE = load_template()
OBSERVABILITY = load_template(ROOT / "observability.yaml")
RUNBOOKS = ROOT / "docs" / "runbooks"
FUNCTIONS = resources("AWS::Serverless::Function")
LAYER = ROOT / "layers" / "shared" / "pancake_meter"

NOT_TROUBLE = {
    metrics.BALANCE_ADVANCED: "the sweep at work",
    metrics.CHECKOUT_OPENED: "a sale",
    metrics.DELIVERY_APPLIED: "the usual verdict",
    metrics.DELIVERY_DISMISSED: "an operator at work",
    metrics.DELIVERY_DUPLICATE: "Waffo delivers more than once",
    metrics.DELIVERY_IGNORED: "the event changes nothing here",
    metrics.DELIVERY_REPLAYED: "an operator at work",
    metrics.DELIVERY_UNPARKED: "trouble that ended by itself",
    metrics.ALERT_DELAYED: "the endpoint has not taken it yet; AlertQueueAlarm rings after an hour",
    metrics.ALERT_SENT: "the sender at work",
    metrics.CHANGE_FOLLOWED: "the stream reader at work",
    metrics.CHECK_REFUSED: "a decision of the gate; the dashboard shows the reasons",
    metrics.HOLD_REFUSED: "a decision of the gate; the dashboard shows the reasons",
    metrics.PURCHASE_LINK_FOLLOWED: "a customer clicked",
    metrics.REMINDER_RANG: "the sweep at work",
    metrics.RECONCILIATION_HEALED: "reconciliation at work; webhooks do get lost",
    metrics.USAGE_ACCEPTED: "bulk usage at work",
    metrics.USAGE_COUNTED: "usage at work",
    metrics.USAGE_DUPLICATE: "a caller repeated a request, as it should",
    metrics.USAGE_FORWARDED: "forwarding at work",
    metrics.USAGE_IGNORED: "the source sends items that no meter wants",
    metrics.USAGE_REFUSED: "the caller was told, and can repeat it",
}
"""Metrics that need no alarm, and why. Each metric is here or in tools/alarms.py."""

GAUGES_OF_THE_MONTH = {metrics.RECEIVED_THIS_MONTH, metrics.UNITS_THIS_MONTH, metrics.OVERAGE_THIS_MONTH}
"""Figures for the dashboard."""

DECLARED = {name: each for name, each in vars(metrics).items() if isinstance(each, Metric)}
OF_THE_LAYER = {
    "CHECK_REFUSED": {"quota_check"},
    "CUSTOMER_UNPROVISIONED": {"quota_check", "usage_recording", "usage_batch", "usage_healing"},
    # A delivery is tried again for the API and for the console alike.
    "DELIVERY_REPLAYED": {"webhook_deliveries", "operator_console"},
    "DELIVERY_UNPARKED": {"webhook_deliveries", "operator_console"},
    "HOLD_REFUSED": {"quota_check"},
    "LINK_SECRET_UNAVAILABLE": {"quota_check", "renewal_reset", "stream_reader"},
    "ORDER_LOOKUP_FAILED": {"customer_pages", "operator_console", "overage_checkout"},
    "PAYMENT_FLAGGED": {"webhook_deliveries", "operator_console"},
}
"""Metrics that code of the layer writes for some functions only."""


def named(tree: ast.Module) -> set[str]:
    """Return the constants of ``pancake_meter.metrics`` that the code names, in a mapping or by themselves."""
    attributes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    names = {each.attr for each in attributes if isinstance(each.value, ast.Name) and each.value.id == "metrics"}
    if "DELIVERY_OF_VERDICT" in names:
        names |= {name for name, each in DECLARED.items() if each in metrics.DELIVERY_OF_VERDICT.values()}
    return names & set(DECLARED)


def written() -> dict[str, set[str]]:
    """Return the services that write each metric, as the code says."""
    found: dict[str, set[str]] = {}
    for path in [*(ROOT / "functions").glob("*/*.py"), *LAYER.rglob("*.py")]:
        for name in named(ast.parse(path.read_text())):
            found.setdefault(name, set()).update(
                {path.parent.name} if "functions" in path.parts else OF_THE_LAYER[name]
            )
    return found


def test_every_metric_is_named_in_one_place_with_the_services_that_write_it() -> None:
    assert written() == {name: set(metric.services) for name, metric in DECLARED.items()}


def test_only_a_hold_or_a_count_opens_a_balance_that_no_plan_covers() -> None:
    """What an operator or a webhook opens is covered, or was decided by somebody."""
    opening = re.compile(r"\.write_opening\(|\bmetering\.open\(")
    openers = {path.stem for path in (LAYER / "usecases").rglob("*.py") if opening.search(path.read_text())}
    assert openers == {"metering", "hold_quota", "record_usage"}


def test_no_metric_is_written_past_the_module_that_names_them() -> None:
    sources = [*(ROOT / "functions").glob("*/*.py"), *LAYER.rglob("*.py")]
    past = re.compile(r"add_metric|single_metric")
    assert {path.name for path in sources if past.search(path.read_text())} == {"metrics.py"}


def test_names_and_services_of_metrics_are_well_formed() -> None:
    for constant, metric in DECLARED.items():
        assert constant == re.sub(r"(?<!^)(?=[A-Z])", "_", metric.name).upper()
        assert set(metric.services) <= set(dashboards.services())
        assert len(set(metric.services)) == len(metric.services) > 0
    assert set(metrics.DELIVERY_OF_VERDICT) == {*VERDICTS, "duplicate"}


def test_every_metric_has_an_alarm_or_a_reason_to_have_none() -> None:
    watched = {alarm.source for alarm in ALARMS if isinstance(alarm.source, Metric)}
    assert watched | set(NOT_TROUBLE) | GAUGES_OF_THE_MONTH == set(DECLARED.values())
    assert watched.isdisjoint(NOT_TROUBLE)


def test_the_dashboards_show_only_metrics_that_exist() -> None:
    shown = {
        (line[3], line[1])
        for body in (dashboards.business(), dashboards.operations(ALARMS))
        for widget in body["widgets"]
        for line in widget["properties"].get("metrics", [])
        if line[0] == "${MetricNamespace}"
    }
    assert shown
    assert shown <= {(service, metric.name) for metric in DECLARED.values() for service in metric.services}


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
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [
        name for name in re.findall(r"(?m)(?:^ *|`)make ([a-z0-9-]+)", page.read_text()) if name not in targets
    ] == []


@pytest.mark.parametrize("alarm", [each for each in ALARMS if each.runbook], ids=lambda alarm: alarm.name)
def test_the_runbook_that_an_alarm_names_exists(alarm: Any) -> None:
    assert (RUNBOOKS / alarm.runbook).is_file()
