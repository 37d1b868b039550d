"""The page of costs counts what the template has."""

from datetime import timedelta

from tools.cfn_template import ROOT
from tools.costs import schedules


def test_every_schedule_of_the_template_is_counted() -> None:
    always, beside = schedules()
    assert len(always) + len(beside) == (ROOT / "template.yaml").read_text("utf-8").count("Type: ScheduleV2")
    assert {each.function: each.every for each in always}["RenewalReset"] == timedelta(minutes=1)
    assert [each.function for each in beside] == ["UsageHealing"]
    assert {each.every for each in (*always, *beside)} <= {timedelta(minutes=1), timedelta(minutes=15)}
    assert max(each.runs_a_month for each in always) == 60 * 24 * 30
