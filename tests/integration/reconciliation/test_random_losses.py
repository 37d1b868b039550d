"""Every second webhook lost by chance, and runs in between: it ends as in a twin world where none was lost."""

import random
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from local.waffo_simulator.model import Delivery
from pancake_meter.store.table import Table
from tests.support.busy_day import END, MONTH_BEFORE, Life, busy_day, live, story_of
from tests.support.table import create_table
from tests.support.waffo_world import DirectDeliverer, WaffoWorld
from tests.support.world_picture import pictures

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ACTS_PER_RUN = 5
BY_ARRIVAL = {"tops_up_twice"}
"""Which of two payments of one checkout pays, and which is credit, goes by arrival."""

NOT_SHOWN = {"gets_money_back", "gets_a_period_back", "tops_up_in_a_rebuilt_checkout"}
"""What GraphQL alone does not show: the amount of a refund, and to which checkout of ours a rebuilt one belongs."""


@pytest.fixture
def twins(dynamodb: "DynamoDBClient") -> Iterator[tuple[WaffoWorld, WaffoWorld]]:
    names = [create_table(dynamodb, f"test-{uuid.uuid4().hex}") for _ in range(2)]
    lossy, spared = (WaffoWorld(Table(dynamodb, name, sleep=lambda _: None), MONTH_BEFORE) for name in names)
    yield lossy, spared
    for name in names:
        dynamodb.delete_table(TableName=name)


@pytest.mark.parametrize("keeps_payloads", [True, False])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.load) for seed in range(1, 10))])
def test_whatever_is_lost_is_healed(
    twins: tuple[WaffoWorld, WaffoWorld], monkeypatch: pytest.MonkeyPatch, seed: int, keeps_payloads: bool
) -> None:
    # Given
    lossy, spared = twins
    chance = random.Random(seed)  # noqa: S311
    send = DirectDeliverer.send

    def send_or_lose(deliverer: DirectDeliverer, delivery: Delivery) -> None:
        deliverer.lost = deliverer.world is lossy and chance.random() < 0.5
        send(deliverer, delivery)
        if deliverer.lost and not keeps_payloads:
            del lossy.waffo.state.deliveries[delivery.id]

    monkeypatch.setattr(DirectDeliverer, "send", send_or_lose)
    acts = [act for act in busy_day(seed, rounds=1, uses_while_unheard=False) if not act.uses]
    # When
    for world in twins:
        lives: dict[str, Life] = {}
        for number, act in enumerate(acts):
            live(world, [act], act.at, lives)
            if world is lossy and number % ACTS_PER_RUN == 0:
                world.reconcile()
        world.at(END)
    lossy.reconcile()
    # Then
    left_out = BY_ARRIVAL if keeps_payloads else BY_ARRIVAL | NOT_SHOWN
    customers = [each for each in sorted({act.customer_id for act in acts}) if story_of(each) not in left_out]
    found, truth = pictures(lossy, customers), pictures(spared, customers)
    for customer_id in customers:
        names = truth[customer_id] if keeps_payloads else ("available",)
        for name in names:
            assert found[customer_id][name] == truth[customer_id][name], (customer_id, story_of(customer_id), name)
        assert standing(found[customer_id]) == standing(truth[customer_id]), (customer_id, story_of(customer_id))


def standing(picture: dict[str, Any]) -> dict[str, Any]:
    """What a customer notices."""
    noticed = ("plan", "period", "used")
    return {meter: {name: of[name] for name in noticed} for meter, of in picture["balances"].items()}
