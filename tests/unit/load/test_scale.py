"""The simulation of docs/scale.md: its rules are AWS's, its counts are those of docs/costs.md, and its page is in step."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from pancake_meter.store.balance.spending import RECORD_EVENTS_MAX
from pancake_meter.store.retrying import ATTEMPTS_MAX
from pancake_meter.store.table import TRANSACTION_WRITES_MAX
from pancake_meter.usecases.side_by_side import WORKERS_MAX
from tests.load import hot_item, scale, storm
from tests.load.aws_rules import HELD_MS_LARGE, RULES, TABLE_WRITES, TRANSACTION_ITEMS
from tests.load.growth import taken
from tests.load.paths import followed_units, limits, paths
from tests.load.plot import Bars, Lines, svg
from tests.load.settings import as_deployed, default_of, mapping_of, work_rate
from tools.cfn_template import ROOT
from tools.costs import BEHIND, BEHIND_BALANCES, COUNTED, DURATION_MS

# --- One hot item -------------------------------------------------------------------------------------------------


def test_one_writer_meets_nobody() -> None:
    outcome = hot_item.of_consumers(1, held_ms=40, between_ms=40)
    assert (outcome.charged, outcome.failed) == (1, 0)
    assert outcome.rate == pytest.approx(1000 / 80, rel=0.02)


def test_an_item_is_in_one_transaction_at_a_time_and_what_meets_it_is_charged_too() -> None:
    charged = []
    for consumers in (2, 4, 8, 16):
        outcome = hot_item.of_consumers(consumers, held_ms=40, between_ms=40)
        assert outcome.rate <= 1000 / 40
        charged.append(outcome.charged)
    assert charged == sorted(charged)
    assert charged[0] > 1


def test_requests_far_apart_are_all_served_and_a_storm_of_them_is_refused_after_eight_attempts() -> None:
    quiet, storming = hot_item.of_callers(1, held_ms=10, seconds=30), hot_item.of_callers(2_000, held_ms=10, seconds=3)
    assert quiet.share == 1
    assert storming.share < 0.1
    assert storming.attempts <= ATTEMPTS_MAX * (storming.served + storming.failed)


def test_a_longer_transaction_takes_fewer() -> None:
    rates = [hot_item.rate_of_callers(held) for held in (10, 20, 40)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] < 100


def test_a_run_can_be_repeated() -> None:
    assert hot_item.of_callers(50, 10, 10) == hot_item.of_callers(50, 10, 10)


# --- The table ----------------------------------------------------------------------------------------------------


def test_a_new_table_doubles_every_half_hour_up_to_its_quota() -> None:
    story = taken(1_000_000)
    assert [story[minute] for minute in (0, 29, 30, 59, 60, 90)] == [4_000, 4_000, 8_000, 8_000, 16_000, 32_000]
    assert story[-1] == TABLE_WRITES.value
    assert taken(3_000) == [3_000]


# --- Ways and bounds ----------------------------------------------------------------------------------------------


def test_units_and_times_are_those_of_the_costs() -> None:
    one, many = ({each.name.split(",")[0]: each for each in paths(one_customer=is_one)} for is_one in (True, False))
    single, together = COUNTED["record"].write_units, COUNTED["batch of 99"].write_units / RECORD_EVENTS_MAX
    assert one["record"].units == many["record"].units == single
    assert one["batch of 99"].units == one["bulk"].units == together
    # Nothing is saved where each event is of another balance
    assert many["batch of 99"].units == many["bulk"].units == single
    held = one["hold + settle (LiteLLM's logger)"]
    assert held.units == COUNTED["hold"].write_units + COUNTED["settle"].write_units
    assert held.duration_ms == DURATION_MS["hold"] + DURATION_MS["settle"]
    followed = BEHIND["balances that changed, followed"].write_units
    assert followed_units(BEHIND_BALANCES) * BEHIND_BALANCES == followed


def test_settings_are_those_of_the_template() -> None:
    settings = as_deployed()
    assert settings.api_rate == default_of("ThrottlingRateLimit")
    assert (
        settings.bulk_concurrency
        == mapping_of("UsageBatchFunction")["ScalingConfig"]["MaximumConcurrency"]["Fn::If"][2]
    )
    assert (
        settings.alert_concurrency
        == mapping_of("AlertSenderFunction")["ScalingConfig"]["MaximumConcurrency"]["Fn::If"][2]
    )
    assert storm.AS_BUILT.at_once == WORKERS_MAX
    assert TRANSACTION_ITEMS.value == TRANSACTION_WRITES_MAX


@pytest.mark.parametrize("one_customer", [True, False])
def test_bounds_come_in_the_order_in_which_they_are_met(one_customer: bool) -> None:
    for path in paths(one_customer=one_customer):
        rates = [each.events_a_second for each in limits(path, as_deployed(), one_customer=one_customer)]
        assert rates == sorted(rates)
        assert rates[0] > 0


def test_a_setting_moves_the_bound_that_names_it_and_no_other() -> None:
    record, *_ = paths(one_customer=False)
    before = {each.name: each for each in limits(record, as_deployed(), one_customer=False)}
    after = {each.name: each for each in limits(record, replace(as_deployed(), api_rate=500), one_customer=False)}
    moved = {name for name in before if before[name] != after[name]}
    assert moved == {"API throttle of the stack"}
    assert before["API throttle of the stack"].moved_by == "`ThrottlingRateLimit`"
    assert after["API throttle of the stack"].events_a_second == 500


def test_no_way_takes_5_000_events_a_second_of_one_balance_but_sums_are_taken() -> None:
    for path in paths(one_customer=True):
        assert limits(path, scale.raised(), one_customer=True)[0].events_a_second < scale.ONE
    assert hot_item.rate_of_callers(10) > scale.SUMMERS
    assert 1000 / HELD_MS_LARGE * RECORD_EVENTS_MAX < scale.ONE


# --- A month's start ----------------------------------------------------------------------------------------------


def test_work_side_by_side_waits_together_and_shares_the_processor() -> None:
    assert work_rate(20) == pytest.approx(50)
    # Half of it is waiting: at most twice as much on the same processor
    assert work_rate(20, at_once=8) == pytest.approx(100)
    assert work_rate(20, memory_mb=1_769, at_once=8) > 3 * work_rate(20, at_once=8)
    # There is one processor's worth at most for a program like this
    assert work_rate(20, memory_mb=10_240, at_once=8) == work_rate(20, memory_mb=1_769, at_once=8)


def test_every_balance_is_reset_followed_and_told_of() -> None:
    settings = as_deployed()
    before, now = storm.run(storm.BEFORE, settings), storm.run(storm.AS_BUILT, settings)
    for each in (before, now):
        assert each.due[-1] == each.unfollowed[-1] == each.unsent[-1] == 0
        assert each.reset_hours <= each.followed_hours <= each.sent_hours
    assert now.reset_hours < before.reset_hours / 3
    more = storm.run(storm.AS_BUILT, replace(settings, alert_concurrency=100))
    assert more.sent_hours < now.sent_hours / 3


# --- The page -----------------------------------------------------------------------------------------------------


def test_every_rule_names_the_page_of_aws_that_states_it() -> None:
    assert len(RULES) == len(set(RULES))
    for rule in RULES:
        assert rule.value > 0
        assert re.match(r"(DynamoDB|Lambda|API Gateway|SQS|AWS re:Post)", rule.said)


def test_the_picture_is_well_formed() -> None:
    drawn = svg([Bars("a < b", {"x": 10, "y": 0.5}, 100), Lines("left", "", {"z": [3, 2, 1]})])
    assert {each.text for each in ET.fromstring(drawn).iter() if each.text} >= {"a < b", "x", "y", "z"}  # noqa: S314


def test_the_page_is_in_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert scale.main(["--check"]) == 0, capsys.readouterr().err
    assert json.dumps(scale.summary()).count("one customer") == len(paths(one_customer=True))
    assert "scale.svg" in (ROOT / "docs" / "scale.md").read_text()
