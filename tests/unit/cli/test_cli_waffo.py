"""``connect``, ``trigger`` and ``clock``, against the real simulator. Issue 14, point 7."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from pancake_meter_cli.samples import story
from pancake_meter_cli.waffo import EVENT_TYPES
from tests.support.cli_world import PROFILE, FakeWorld, Ran, SimulatedWaffo, run, simulated_waffo
from tests.support.waffo_simulator import MERCHANT_PRIVATE_PEM, USAGE

DELIVERY = "GET /v1/deliveries/{delivery_id}"
Command = Callable[..., Ran]


@pytest.fixture
def world() -> FakeWorld:
    world = FakeWorld()
    world.answer(DELIVERY, {"verdict": "applied", "reason": None})
    return world


@pytest.fixture
def waffo(world: FakeWorld, tmp_path: Path) -> Iterator[SimulatedWaffo]:
    with simulated_waffo(world, tmp_path) as started:
        yield started


@pytest.fixture
def command(world: FakeWorld, waffo: SimulatedWaffo, tmp_path: Path) -> Command:
    def call(*arguments: str, **fields: Any) -> Ran:
        return run(world, *arguments, folder=tmp_path, **{"profile": waffo.profile, **fields})

    return call


def test_issue_14_7_connect_registers_all_events_once(command: Command, waffo: SimulatedWaffo) -> None:
    # Given a store with no webhook of this stack
    url = "https://abc.lambda-url.eu-west-1.on.aws/"
    # When
    first, second = (command("connect", "--webhook-url", url, "--json") for _ in range(2))
    # Then
    assert (first.status, first.json["done"], second.json["done"]) == (0, "registered", "nothing"), first.err
    [made] = [each for each in waffo.simulator.state.webhooks.values() if each.url == url]
    assert (set(made.events), made.test_mode) == (set(EVENT_TYPES), True)


def test_issue_14_7_connect_adds_the_events_that_are_missing(command: Command, waffo: SimulatedWaffo) -> None:
    [webhook] = waffo.simulator.state.webhooks.values()
    webhook.events = ("order.completed",)
    assert command("connect", "--json").json["done"] == "added 13 events"
    assert set(webhook.events) == set(EVENT_TYPES)
    assert len(waffo.simulator.state.webhooks) == 1


def test_issue_14_7_connect_registers_a_local_webhook_by_the_simulators_own_door(
    command: Command, waffo: SimulatedWaffo
) -> None:
    waffo.simulator.state.webhooks.clear()
    assert command("connect", "--json").json["done"] == "registered"
    assert [each.url for each in waffo.simulator.state.webhooks.values()] == [waffo.profile.webhook_url]


def test_issue_14_7_without_waffos_key_connect_says_what_is_missing(command: Command) -> None:
    ran = command("connect", profile=PROFILE)
    assert (ran.status, ran.err.startswith("no_waffo_key")) == (2, True)


@pytest.mark.parametrize("event", [each for each in EVENT_TYPES if each != "order.completed"])
def test_issue_14_7_each_event_is_triggered_on_a_real_order(
    command: Command, waffo: SimulatedWaffo, event: str
) -> None:
    # When
    ran = command("trigger", event, "--customer", "acct_1001", "--json")
    # Then
    assert ran.status == 0, ran.err
    assert event in {each["eventType"] for each in waffo.delivered}
    shown = ran.json["deliveries"]
    assert [(each["status"], each["verdict"]) for each in shown] == [("success", "applied")] * len(waffo.delivered)
    assert {each["data"]["merchantProvidedBuyerIdentity"] for each in waffo.delivered} == {"acct_1001"}


def test_issue_14_7_a_one_time_order_is_bought_by_a_checkout_of_the_stack(
    command: Command, world: FakeWorld, waffo: SimulatedWaffo
) -> None:
    # Given a stack that opens a checkout at the simulator
    session = {"productId": USAGE, "currency": "USD", "priceSnapshot": {"amount": "3.00", "taxCategory": "saas"}}
    made, _ = _sessions(waffo, session)
    world.answer("GET /v1/plans", {"currency": "USD", "plans": [], "top_ups": [{"meter": "tokens"}]})
    world.answer("POST /v1/customers/{customer_id}/checkouts", {"url": made})
    # When
    ran = command("trigger", "order.completed", "--json")
    # Then
    assert ran.status == 0, ran.err
    assert [each["eventType"] for each in waffo.delivered] == ["order.completed"]
    assert world.asked[1].body == {"kind": "top_up", "meter": "tokens"}


def test_issue_14_7_duplicates_and_another_order_are_asked_for_and_faults_of_before_stay(
    command: Command, waffo: SimulatedWaffo
) -> None:
    # Given
    waffo.client.post("/_sim/faults", json={"seed": 3, "drop": 0})
    # When
    ran = command("trigger", "subscription.renewed", "--duplicate", "2", "--shuffle", "--delay", "1", "--json")
    # Then
    assert ran.status == 0, ran.err
    assert [each["attempts"] for each in ran.json["deliveries"]] == [3] * 4
    assert len(waffo.delivered) == 12
    assert (waffo.simulator.deliverer.faults.duplicate, waffo.simulator.deliverer.faults.seed) == (0, 3)


def test_issue_14_7_an_event_happens_to_the_order_that_is_named(command: Command, waffo: SimulatedWaffo) -> None:
    begun = command("trigger", "subscription.activated", "--json")
    assert begun.status == 0
    [order] = waffo.simulator.state.orders.values()
    command("trigger", "subscription.canceling", "--order", order.id)
    assert (len(waffo.simulator.state.orders), order.status) == (1, "canceling")
    ran = command("trigger", "subscription.canceling", "--order", "ORD_4kPz8sYvN1qJ6tGwB2dXfR")
    assert (ran.status, ran.err.startswith("no_such_order")) == (1, True)


def test_issue_14_7_set_changes_the_event_that_is_sent(command: Command, waffo: SimulatedWaffo) -> None:
    ran = command(
        "trigger",
        "subscription.activated",
        *("--set", "data.productMetadata.plan=scale", "--set", "data.periodNumber=0", "--set", "mode=prod"),
    )
    assert ran.status == 0, ran.err
    last = waffo.delivered[-1]
    assert (last["eventType"], last["mode"], last["data"]["periodNumber"]) == ("subscription.activated", "prod", 0)
    assert last["data"]["productMetadata"]["plan"] == "scale"
    assert command("trigger", "subscription.activated", "--set", "nothing").status == 2


@pytest.mark.parametrize("event", EVENT_TYPES)
def test_issue_14_7_a_sample_is_signed_for_a_test_stack_whose_key_is_given(
    world: FakeWorld, tmp_path: Path, event: str
) -> None:
    # Given
    from datetime import UTC, datetime  # noqa: PLC0415

    from pancake_meter.waffo.webhook_signature import verify_webhook  # noqa: PLC0415
    from tests.support.waffo_webhooks import platform_key  # noqa: PLC0415

    key = tmp_path / "platform.pem"
    key.write_text(MERCHANT_PRIVATE_PEM)
    sent: list[httpx.Request] = []

    def webhook(request: httpx.Request) -> httpx.Response | None:
        sent.append(request)
        return httpx.Response(200)

    world.others.append(webhook)
    profile = replace(PROFILE, webhook_url="https://hook.example.com/", waffo_url=None)
    # When
    ran = run(
        world,
        *("trigger", event, "--signing-key", str(key), "--duplicate", "1", "--json"),
        folder=tmp_path,
        profile=profile,
    )
    # Then
    assert ran.status == 0, ran.err
    assert len(sent) == 2 * len(story(event))
    for request in sent:
        now = datetime.now(UTC)
        verify_webhook(
            request.content, request.headers["X-Waffo-Signature"], keys=[platform_key().public_key()], now=now
        )
    envelope = json.loads(sent[-1].content)
    assert (envelope["eventType"], envelope["mode"], envelope["storeId"]) == (event, "test", PROFILE.waffo_store_id)
    assert ran.json["deliveries"][-1]["delivery_id"] == hashlib.sha256(sent[-1].content).hexdigest()


def test_issue_14_7_nothing_is_triggered_on_a_production_stack(world: FakeWorld, tmp_path: Path) -> None:
    world.answer("GET /v1/key", {"mode": "live"})
    for profile in (replace(PROFILE, waffo_environment="prod"), replace(PROFILE, waffo_environment=None)):
        ran = run(world, "trigger", "refund.succeeded", folder=tmp_path, profile=profile)
        assert (ran.status, ran.err.startswith("production")) == (2, True)


def test_issue_14_7_the_clock_is_shown_and_moved(command: Command, waffo: SimulatedWaffo) -> None:
    before = waffo.simulator.clock.now()
    assert command("clock", "--json").json["now"][:13] == before.isoformat()[:13]
    moved = command("clock", "--advance", "31d", "--json")
    assert (moved.status, (waffo.simulator.clock.now() - before).days) == (0, 31)
    assert (
        command("clock", "--to", "2027-01-01T00:00:00Z", "--stop", "--json").json["now"] == "2027-01-01T00:00:00.000Z"
    )
    assert command("clock", "--advance", "soon").status == 2
    real = command("clock", profile=replace(waffo.profile, waffo_url="https://api.waffo.ai"))
    assert (real.status, real.err.startswith("not_local")) == (2, True)


def _sessions(waffo: SimulatedWaffo, session: dict[str, Any]) -> tuple[str, str]:
    """Open a checkout as the stack does."""
    import time  # noqa: PLC0415

    from pancake_meter.waffo.signing import RequestSigner  # noqa: PLC0415
    from tests.support.waffo_simulator import MERCHANT_ID  # noqa: PLC0415
    from tests.support.waffo_webhooks import encode, platform_key  # noqa: PLC0415

    answers = []
    for path, body in (
        ("/v1/actions/checkout/create-session", session),
        ("/v1/actions/auth/issue-session-token", {"productId": session["productId"], "buyerIdentity": "ada"}),
    ):
        content = encode(body)
        headers = RequestSigner(MERCHANT_ID, platform_key()).headers(path, content, timestamp_seconds=int(time.time()))
        answers.append(waffo.client.post(path, content=content, headers=headers).json()["data"])
    return f"{answers[0]['checkoutUrl']}#token={answers[1]['token']}", answers[0]["sessionId"]
