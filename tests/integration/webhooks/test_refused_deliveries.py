"""Deliveries that are refused and that a person must hear of: no key fits, or they are for somebody else."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from pancake_meter.deps.intake import IntakeDeps
from pancake_meter.usecases.webhooks.take import Intake
from tests.support.api import LambdaContext, read_answer
from tests.support.waffo_webhooks import encode, platform_key, signed_request, webhook_request
from tests.support.webhook_world import STORE_ID, World, lifecycle
from webhook_intake import handler

OTHER = generate_private_key(public_exponent=65537, key_size=2048)
ACTIVATED = encode(lifecycle("activated", "ORD_A", "2026-03-10", "2026-03-10", "2026-04-10"))


def post(world: World, intake: Intake, body: bytes = ACTIVATED, key: Any = None) -> int:
    request = signed_request(webhook_request("subscription_activated"), at=world.now, body=body, key=key)
    return read_answer(handler(request, LambdaContext(), IntakeDeps(intake, lambda: world.now))).status


def counted(capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    return {name: sum(value) for name, value in lines[-1].items() if isinstance(value, list)}


def test_scenario_17_two_keys_are_accepted_while_one_is_rotated(world: World) -> None:
    intake = Intake(world.metering, "test", STORE_ID, (platform_key().public_key(), OTHER.public_key()))
    renewed = encode(lifecycle("renewed", "ORD_A", "2026-04-10", "2026-04-10", "2026-05-10"))
    assert [post(world, intake), post(world, intake, renewed, OTHER)] == [200, 200]


def test_scenario_17_a_key_that_nobody_told_us_of_is_refused_and_rings(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert post(world, world.intake, key=OTHER) == 401
    metrics = counted(capsys)
    assert (metrics["DeliveryUnverifiable"], metrics["DeliveryForeign"]) == (1, 0)


@pytest.mark.parametrize("foreign", [{"storeId": "STO_0000000000000000000000"}, {"mode": "prod"}])
def test_scenario_16_a_sound_event_of_another_store_or_mode_is_refused_and_rings(
    world: World, capsys: pytest.CaptureFixture[str], foreign: dict[str, str]
) -> None:
    assert post(world, world.intake, encode({**json.loads(ACTIVATED), **foreign})) == 403
    metrics = counted(capsys)
    assert (metrics["DeliveryUnverifiable"], metrics["DeliveryForeign"]) == (0, 1)
    assert world.plan() == "free"
