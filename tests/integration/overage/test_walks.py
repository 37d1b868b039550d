"""Promise 8 in random walks against the Waffo simulator: units end in exactly one place, and so does money."""

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pancake_meter.store.table import Table
from tests.support.overage_walk import PRICES, Walk
from tests.support.table import create_table
from tests.support.waffo_simulator import RunningSimulator, simulator

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

STEPS = 60


@pytest.fixture(scope="module")
def sim() -> Iterator[RunningSimulator]:
    with simulator() as started:
        yield started


@pytest.mark.parametrize("model", sorted(PRICES))
def test_promise_8_units_and_money_end_in_one_place(
    dynamodb: "DynamoDBClient", table: str, sim: RunningSimulator, model: str
) -> None:
    with Walk(Table(dynamodb, table), sim, model, seed=1) as walk:
        walk.play(STEPS)


@pytest.mark.parametrize("model", ["graduated", "package"])
def test_promise_8_holds_while_plans_come_and_go(
    dynamodb: "DynamoDBClient", table: str, sim: RunningSimulator, model: str
) -> None:
    with Walk(Table(dynamodb, table), sim, model, seed=2, subscribes=True) as walk:
        walk.play(STEPS)


@pytest.mark.load
@pytest.mark.parametrize("subscribes", [False, True], ids=["default plan", "subscriptions"])
@pytest.mark.parametrize("seed", range(100, 115))
@pytest.mark.parametrize("model", sorted(PRICES))
def test_promise_8_in_many_long_walks(
    dynamodb: "DynamoDBClient", sim: RunningSimulator, model: str, seed: int, subscribes: bool
) -> None:
    name = create_table(dynamodb, f"walk-{uuid.uuid4().hex}")
    with Walk(Table(dynamodb, name), sim, model, seed, subscribes) as walk:
        walk.play(4 * STEPS)
    dynamodb.delete_table(TableName=name)
