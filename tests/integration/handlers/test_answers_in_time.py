"""Scenarios 25, 59, 98: whatever AWS does, a function answers typed trouble at least a second before its timeout."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

import api_key_authorizer
import quota_check
import webhook_deliveries
from pancake_meter.catalog import load_catalog
from pancake_meter.deps.authorizer import AuthorizerDeps
from pancake_meter.deps.config import catalog_path
from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.deps.quota import QuotaDeps
from pancake_meter.domain.access.api_key import generate_api_key
from pancake_meter.store.dynamodb_client import dynamodb_client
from pancake_meter.store.errors import StoreError
from pancake_meter.store.retrying import ATTEMPTS_MAX
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.selling.offer import Offers
from pancake_meter.usecases.side_by_side import WORKERS_MAX
from tests.support.api import LambdaContext, api_event, read_answer
from tests.support.invoke_in_trouble import RESULT
from tests.support.token_keys import TOKEN_KEYS
from tests.support.trouble_server import Behaviour, drips, fails, hangs, resets, server, throttles
from tools.cfn_template import ROOT, load_template


def _metering(url: str) -> Metering:
    return Metering(Table(dynamodb_client(url), "table"), load_catalog(catalog_path()))


def _timeout(function: str) -> float:
    template = load_template()
    properties = template["Resources"][function]["Properties"]
    return float(properties.get("Timeout", template["Globals"]["Function"]["Timeout"]))


def _quota(url: str, context: LambdaContext) -> int:
    metering = _metering(url)
    deps = QuotaDeps(metering, Offers(metering.catalog, "test", lambda: "secret"))
    return read_answer(quota_check.handler(api_event("quota_one_meter"), context, deps)).status


def _deliveries(url: str, context: LambdaContext) -> int:
    event = api_event("deliveries_parked")
    return read_answer(webhook_deliveries.handler(event, context, MeteringDeps(_metering(url)))).status


@pytest.mark.parametrize("behaviour", [throttles, fails, hangs, resets])
@pytest.mark.parametrize(
    ("function", "ask"), [("QuotaCheckFunction", _quota), ("WebhookDeliveriesFunction", _deliveries)]
)
def test_scenario_98_trouble_of_the_table_is_503_within_seconds_and_eight_requests(
    function: str, ask: Callable[[str, LambdaContext], int], behaviour: Behaviour
) -> None:
    timeout = _timeout(function)
    with server(behaviour) as (url, requests):
        began = time.monotonic()
        status = ask(url, LambdaContext(remaining_ms=[int(timeout * 1000)]))
        took = time.monotonic() - began
    assert status == 503
    assert took < min(timeout - 1, 7.5)
    assert len(requests) <= 8


def test_scenario_98_an_answer_that_drips_ends_in_503_a_second_before_the_timeout() -> None:
    timeout = 3.0  # a small one keeps the test short
    with server(drips) as (url, _):
        began = time.monotonic()
        assert _quota(url, LambdaContext(remaining_ms=[int(timeout * 1000)])) == 503
        assert time.monotonic() - began < timeout - 1


@pytest.mark.parametrize("behaviour", [hangs, throttles])
def test_scenario_98_the_authorizer_lets_nothing_through_and_ends_in_time(
    behaviour: Behaviour,
) -> None:
    timeout = _timeout("ApiKeyAuthorizerFunction")
    context = LambdaContext(remaining_ms=[int(timeout * 1000)])
    with server(behaviour) as (url, requests):
        table = Table(dynamodb_client(url), "table")
        bearer = f"Bearer {generate_api_key('test')}"
        event = {"routeKey": "POST /v1/usage", "headers": {"authorization": bearer}}
        began = time.monotonic()
        with pytest.raises(StoreError):
            api_key_authorizer.handler(event, context, AuthorizerDeps(table, "test", TOKEN_KEYS))
        assert time.monotonic() - began < timeout - 1
    assert 1 <= len(requests) <= 8


EVENTS = {
    "access": ("keys_list", "keys_create", "keys_rotate", "keys_revoke", "key_own", "tokens_create"),
    "alert_sender": ("alert_sender_sqs",),
    "alerts": (
        *("alerts_list", "alert_read", "alert_replay", "alert_endpoints_list", "alert_endpoint_read"),
        *("alert_endpoint_delete", "alert_secret_rotate", "alert_endpoint_test"),
    ),
    "api_key_authorizer": ("authorize",),
    "customer_controls": (
        *("grant_give", "grants_list", "grant_void", "customer_block", "customer_unblock", "limits_get", "limits_set"),
    ),
    "customer_data": ("customer_export", "customer_erase"),
    "customer_pages": ("buy_link", "buy_press", "buy_paid"),
    "customers": ("customers_list", "customer_read"),
    "operator_console": ("console_overview", "console_block"),
    "overage_checkout": ("checkouts_subscription", "overage_forgive", "checkouts_list"),
    "payments": ("payments_flagged", "payment_read", "payment_resolve_units"),
    "quota_check": ("quota_one_meter", "holds_place", "holds_settle", "holds_release", "ledger_first_page"),
    "reconciliation": ("reconciliation_on_demand", "reconciliation_schedule"),
    "renewal_reset": ("renewal_reset_schedule",),
    "reports": ("report_usage", "report_live", "report_subscriptions"),
    "stream_reader": ("stream_reader_stream",),
    "usage_batch": ("usage_batch_sqs",),
    "usage_bulk": ("usage_bulk",),
    "usage_forwarding": ("usage_forwarding_stream",),
    "usage_healing": ("usage_heal", "usage_heal_schedule"),
    "usage_recording": ("usage_batch", "usage_litellm", "usage_cloudevents", "usage_parked"),
    "waffo_actions": ("payment_refund", "subscription_cancel", "subscription_reactivate"),
    "webhook_deliveries": ("deliveries_parked", "delivery_replay"),
    "webhook_intake": ("webhook_subscription_activated", "webhook_order_completed", "webhook_refund_succeeded"),
}
PAGES = {"customer_pages", "operator_console"}
"""They answer people."""

RETRIED_BY_OTHERS = {
    "authorize",
    "reconciliation_schedule",
    "renewal_reset_schedule",
    "usage_forwarding_stream",
    "usage_heal_schedule",
}
"""Nobody reads an answer to these: what raises is repeated by its sender, or refused by API Gateway."""

REQUESTS_MAX = ATTEMPTS_MAX
"""To a dependency in trouble, by one invocation: those of one call. The streak of failures ends the invocation's others."""

REQUESTS_SIDE_BY_SIDE_MAX = ATTEMPTS_MAX + WORKERS_MAX - 1
"""By one that works on several balances at once: each other thread may be at a request when the eighth one fails."""

SIDE_BY_SIDE = {
    "usage_batch",
    "usage_batch_sqs",
    "usage_litellm",
    "usage_cloudevents",
    "usage_heal",
    "usage_heal_schedule",
}


def _invoke(cases: list[tuple[str, str]], at_once: int) -> dict[tuple[str, str], list[dict[str, Any]]]:
    command = (sys.executable, "-m", "tests.support.invoke_in_trouble", str(at_once))
    paths = os.pathsep.join((str(ROOT), str(ROOT / "layers" / "shared"), str(ROOT / "layers" / "pages")))
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": paths}
    asked = json.dumps([(function, behaviour, EVENTS[function]) for function, behaviour in cases])
    done = subprocess.run(
        command, cwd=ROOT, env=environment, input=asked, capture_output=True, text=True, timeout=1200, check=False
    )
    results: dict[tuple[str, str], list[dict[str, Any]]] = {case: [] for case in cases}
    for line in done.stdout.splitlines():
        if line.startswith(RESULT):
            result = json.loads(line.removeprefix(RESULT))
            results[result["function"], result["behaviour"]].append(result)
    assert all(results.values()), done.stderr
    return results


def _check(function: str, result: dict[str, Any]) -> None:
    event, outcome = result["event"], result["outcome"]
    where = f"{function} {event}: {result}"
    assert result["seconds"] < result["timeout"] - 1, where
    # A secret that could not be read is not asked for again at once.
    assert (
        (function != "customer_pages")
        <= result["requests"]
        <= (REQUESTS_SIDE_BY_SIDE_MAX if event in SIDE_BY_SIDE else REQUESTS_MAX)
    ), where
    if event in RETRIED_BY_OTHERS:
        assert "StoreError" in outcome.get("raised", ()) or "WaffoApiError" in outcome.get("raised", ()), where
    elif event in {"alert_sender_sqs", "usage_batch_sqs", "stream_reader_stream"}:
        assert outcome["batchItemFailures"], where
    else:
        assert outcome["statusCode"] == 503, where
        kind = "text/html" if function in PAGES else "application/problem+json"
        assert outcome["headers"]["Content-Type"].startswith(kind), where
        assert int(outcome["headers"]["Retry-After"]) >= 1, where
        assert kind == "text/html" or json.loads(outcome["body"])["code"] in {"busy", "unavailable"}, where


def _check_every_function(behaviours: tuple[str, ...], workers: int) -> None:
    cases = [(function, behaviour) for behaviour in behaviours for function in EVENTS]
    for (function, _), results in _invoke(cases, workers).items():
        assert len(results) == len(EVENTS[function])
        for result in results:
            _check(function, result)


def test_every_function_is_among_them() -> None:
    assert {path.name for path in (ROOT / "functions").iterdir() if path.is_dir()} == set(EVENTS)


def test_scenario_98_every_function_answers_in_time_while_everything_throttles() -> None:
    _check_every_function(("throttles",), workers=3)


@pytest.mark.load
@pytest.mark.timeout(1200)
def test_scenario_98_every_function_answers_in_time_whatever_the_trouble() -> None:
    _check_every_function(("hangs", "limits", "fails", "resets", "drips", "drips_body"), workers=8)
