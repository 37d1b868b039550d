"""``pancake-meter alerts``: what it asks, what it prints, how it ends. Issue 14, point 10."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli_world import FakeWorld, Ran, run

ALERT = f"alrt_{'5f0c' * 10}"
ENDPOINT = f"aep_{'5f0c' * 6}"
URL = "https://hooks.example.com/pancake"
SHOWN = {"endpoint_id": ENDPOINT, "url": URL, "events": [], "enabled": True, "disabled_because": None}
RUNG = {
    "id": ALERT,
    "type": "quota.refused",
    "timestamp": "2026-03-10T15:14:30.000Z",
    "data": {"customer_id": "acct_1001", "meter": "tokens", "schema_version": 1},
}
AT: str = "/v1/alert-endpoints/{endpoint_id}"
Command = Callable[..., Ran]


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld()


@pytest.fixture
def command(world: FakeWorld, tmp_path: Path) -> Command:
    def call(*arguments: str, **fields: Any) -> Ran:
        return run(world, *arguments, folder=tmp_path, **fields)

    return call


@pytest.mark.parametrize(
    ("arguments", "operation", "answer", "body", "query"),
    [
        (
            "list --customer acct_1001 --type quota.refused",
            "GET /v1/alerts",
            {"alerts": [RUNG], "next_cursor": None},
            None,
            {"customer_id": "acct_1001", "type": "quota.refused"},
        ),
        (f"show {ALERT}", "GET /v1/alerts/{alert_id}", {**RUNG, "endpoints": []}, None, {}),
        (f"replay {ALERT}", "POST /v1/alerts/{alert_id}/replay", {"alert_id": ALERT, "endpoints": []}, {}, {}),
        (
            f"replay {ALERT} --endpoint {ENDPOINT}",
            "POST /v1/alerts/{alert_id}/replay",
            {"alert_id": ALERT, "endpoints": []},
            {"endpoint_id": ENDPOINT},
            {},
        ),
        ("endpoints list", "GET /v1/alert-endpoints", {"endpoints": [SHOWN]}, None, {}),
        (
            f"endpoints add {URL} --event quota.refused --event quota.reset --description mailer",
            "POST /v1/alert-endpoints",
            {**SHOWN, "secret": "whsec_c2VjcmV0"},
            {"url": URL, "events": ["quota.refused", "quota.reset"], "description": "mailer"},
            {},
        ),
        (f"endpoints add {URL}", "POST /v1/alert-endpoints", {**SHOWN, "secret": "whsec_c2VjcmV0"}, {"url": URL}, {}),
        (f"endpoints change {ENDPOINT} --disable", f"PATCH {AT}", SHOWN, {"enabled": False}, {}),
        (
            f"endpoints change {ENDPOINT} --all-events --enable",
            f"PATCH {AT}",
            SHOWN,
            {"events": [], "enabled": True},
            {},
        ),
        (f"endpoints change {ENDPOINT} --event quota.reset", f"PATCH {AT}", SHOWN, {"events": ["quota.reset"]}, {}),
        (
            f"endpoints rotate {ENDPOINT}",
            f"POST {AT}/rotate",
            {**SHOWN, "secret": "whsec_bmV3"},
            {"overlap_seconds": 86400},
            {},
        ),
        (f"endpoints remove {ENDPOINT} --yes", f"DELETE {AT}", SHOWN, None, {}),
    ],
)
def test_issue_14_10_what_a_command_asks(
    world: FakeWorld,
    command: Command,
    arguments: str,
    operation: str,
    answer: dict[str, Any],
    body: Any,
    query: dict[str, str],
) -> None:
    world.answer(operation, answer)
    ran = command("alerts", *arguments.split())
    assert ran.status == 0, ran.err
    (asked,) = world.asked
    assert (asked.operation, asked.body, asked.query) == (operation, body, query)
    if "secret" in answer:
        assert answer["secret"] in ran.out


@pytest.mark.parametrize(
    ("sending", "status"),
    [
        ({"status": "sent", "attempts": 1, "http_status": 200, "reason": None}, 0),
        ({"status": "pending", "attempts": 1, "http_status": None, "reason": "timeout"}, 1),
        (None, 1),
    ],
)
def test_issue_14_10_a_test_says_what_became_of_it(
    world: FakeWorld, command: Command, sending: dict[str, Any] | None, status: int
) -> None:
    waiting = {"endpoint_id": ENDPOINT, "status": "pending", "attempts": 0, "http_status": None, "reason": None}
    world.answer(f"POST {AT}/test", {"alert_id": ALERT, "endpoint_id": ENDPOINT}, 202)
    world.answer("GET /v1/alerts/{alert_id}", {**RUNG, "endpoints": []})
    if sending is not None:
        world.answer("GET /v1/alerts/{alert_id}", {**RUNG, "endpoints": [waiting]})
        world.answer("GET /v1/alerts/{alert_id}", {**RUNG, "endpoints": [{**waiting, **sending}]})
    ran = command("alerts", "endpoints", "test", ENDPOINT, "--json")
    assert ran.status == status
    assert ("test_not_taken" in ran.err) == (status == 1)


def test_issue_14_10_a_change_of_nothing_or_of_two_kinds_is_no_change(world: FakeWorld, command: Command) -> None:
    assert command("alerts", "endpoints", "change", ENDPOINT).status == 2
    assert command("alerts", "endpoints", "change", ENDPOINT, "--event", "quota.reset", "--all-events").status == 2
    assert command("alerts", "endpoints", "remove", ENDPOINT).status == 2
    assert world.asked == []
