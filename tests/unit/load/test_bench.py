"""The suite of `make bench`: its page shows what was measured and nothing else, and its floor repeats requests faithfully.

Nothing is timed here.
"""

import dataclasses
from decimal import Decimal
from typing import Any

import pytest

from tests.load.bench.figures import Figure, Part
from tests.load.bench.goals import GOALS, TITLES, Goal
from tests.load.bench.page import BEGIN, END, is_in_step, kept_parts, page, tables
from tests.load.bench.twin import retold
from tools.costs import COUNTED

PART = Part("warm", "a machine", "2026-11-27", (Figure("check", 3.0, 2.0, "ms CPU", 1.5),))


def test_the_page_is_in_step_with_what_was_measured_last_and_with_the_goals() -> None:
    assert is_in_step(), "run `make bench`, or `make bench PARTS=...` for a part"


def test_every_goal_is_one_of_a_figure_that_was_measured() -> None:
    for name, part in kept_parts().items():
        assert GOALS[name].keys() <= {figure.name for figure in part.figures}, name
    assert GOALS.keys() == TITLES.keys() == kept_parts().keys()


def test_the_counts_on_the_page_are_those_that_tests_hold() -> None:
    found = {figure.name: Decimal(str(figure.ours)) for figure in kept_parts()["counts"].figures}
    for name in ("check", "hold", "settle", "release", "record", "batch of 99"):
        assert found[f"{name}: write units"] == COUNTED[name].write_units


def test_a_page_keeps_what_is_around_the_tables() -> None:
    text = page(f"before\n{BEGIN}\nold\n{END}\nafter\n", [PART])
    assert text.startswith(f"before\n{BEGIN}\n\n### ")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert page(text, [PART]) == text


@pytest.mark.parametrize("text", ["", BEGIN, END])
def test_a_page_without_a_place_for_the_tables_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no place"):
        page(text, [PART])


def test_a_goal_that_is_missed_stands_beside_its_figure_with_the_reason() -> None:
    assert f"| 1.50 | at most 1.2 | **not met**: {GOALS['warm']['check'].reason} |" in tables([PART])
    met = dataclasses.replace(PART, figures=(Figure("check", 2.2, 2.0, "ms CPU", 1.1),))
    assert "| 1.10 | at most 1.2 | met |" in tables([met])


@pytest.mark.parametrize(
    ("goal", "figure", "is_met"),
    [
        (Goal(most=1.2), Figure("a", 9, 9, "ms", 1.2), True),
        (Goal(most=1.2), Figure("a", 1, 1, "ms", 1.21), False),
        (Goal(least=0.9), Figure("a", 1, 1, "ms", 0.9), True),
        (Goal(least=0.9), Figure("a", 1, 1, "ms", 0.89), False),
        (Goal(most=4), Figure("a", 4, None, "units"), True),
        (Goal(most=4), Figure("a", 5, None, "units"), False),
    ],
)
def test_a_goal_bounds_the_ratio_or_else_the_figure(goal: Goal, figure: Figure, is_met: bool) -> None:
    assert goal.is_met(figure) is is_met


def test_every_goal_that_is_missed_gives_its_reason() -> None:
    for name, part in kept_parts().items():
        for figure in part.figures:
            goal = GOALS[name].get(figure.name)
            assert goal is None or goal.is_met(figure) or goal.reason, figure.name


def test_every_goal_that_a_run_may_miss_has_a_reason_whatever_the_last_run_was_like() -> None:
    assert {
        part: name for part in GOALS.keys() - {"counts"} for name, goal in GOALS[part].items() if not goal.reason
    } == {}


def test_a_part_is_kept_whole() -> None:
    assert Part.from_json(PART.to_json() | {"figures": list(PART.to_json()["figures"])}) == PART


def test_figures_are_medians_and_their_ratio() -> None:
    figure = Figure.of_times("check", [0.003, 0.009, 0.004], [0.002, 0.001, 0.002])
    assert (figure.ours, figure.beside, figure.ratio) == (4.0, 2.0, 2.0)


def test_a_request_is_retold_to_another_table_with_another_token() -> None:
    item = {"PK": {"S": "a"}}
    asked: dict[str, Any] = {
        "TransactItems": [{"Put": {"TableName": "ours", "Item": item}}],
        "ClientRequestToken": "ab12",
    }
    again = retold(asked, "bare")
    assert again["TransactItems"][0]["Put"]["TableName"] == "bare"
    assert again["ClientRequestToken"] == "21ba"
    assert asked["TransactItems"][0]["Put"]["TableName"] == "ours"


def test_a_read_of_many_is_retold_to_another_table() -> None:
    asked = {"RequestItems": {"ours": {"Keys": [{"PK": {"S": "a"}}], "ConsistentRead": True}}}
    assert retold(asked, "bare") == {"RequestItems": {"bare": {"Keys": [{"PK": {"S": "a"}}], "ConsistentRead": True}}}
