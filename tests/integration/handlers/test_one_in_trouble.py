"""Scenarios 25, 98, 99: one dependency in trouble while DynamoDB is well. Answers are typed, in time, and lose nothing."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

import customer_pages
import overage_checkout
import quota_check
import usage_bulk
import usage_forwarding
import usage_healing
import usage_recording
from pancake_meter.catalog import load_catalog
from pancake_meter.deps.bulk import BulkDeps
from pancake_meter.deps.checkout import CheckoutDeps, checkout_deps
from pancake_meter.deps.forwarding import ForwardingDeps
from pancake_meter.deps.healing import HealingDeps
from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.deps.quota import QuotaDeps, quota_deps
from pancake_meter.deps.secret import Secret
from pancake_meter.deps.telemetry import report_links_unavailable
from pancake_meter.domain.instant import parse_instant
from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.litellm.client import LiteLLMClient
from pancake_meter.openmeter.client import OpenMeterClient, OpenMeterUnavailable
from pancake_meter.store.balance.balances import read_balance
from pancake_meter.store.dynamodb_client import dynamodb_client
from pancake_meter.store.errors import StoreError
from pancake_meter.store.retrying import CLIENT_CONFIG
from pancake_meter.store.table import Table
from pancake_meter.store.usage.usage_queue import UsageQueue, sqs_client
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.selling.offer import Offers
from pancake_meter.usecases.selling.open_checkout import Selling
from pancake_meter.usecases.selling.purchase_link import PurchaseLink, make_link
from pancake_meter.waffo.client import WaffoClient
from pancake_meter.waffo.signing import RequestSigner
from pancake_pages.site import Site
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.fake_openmeter import FakeOpenMeter
from tests.support.fake_waffo import FakeWaffo
from tests.support.fixed_key import FixedKey
from tests.support.pages import pages_deps
from tests.support.sqs import MemoryQueue
from tests.support.trouble_server import Behaviour, drips, drips_body, fails, hangs, limits, resets, server
from tests.support.webhook_world import STORE_ID
from tools.cfn_template import load_template

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CATALOG = load_catalog(Path(__file__).resolve().parents[3] / "layers" / "catalog" / "catalog.toml")
NOW = parse_instant("2026-03-10T15:20:00Z")
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
LINK_SECRET = "a secret of the tests, of 32 characters or more"
SECONDS = 3.2
"""Of the function in hand: a short Timeout keeps the tests short, and every bound is cut from what is left of it."""

WITH_PATIENCE = 4.6
"""Of a function whose client begins no request with less than two seconds left: a second for what comes before it."""

ALL = (hangs, fails, limits, resets)
SLOW = tuple(pytest.param(each, marks=pytest.mark.load) for each in (drips, drips_body))

Opened = Callable[[Any], Any]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Close, after the test, the connections of clients that met trouble."""
    with ExitStack() as closing:

        def keep(client: Any) -> Any:
            closing.callback(client._http.close)
            return client

        yield keep


@contextmanager
def in_time(seconds: float = SECONDS, *later_ms: int) -> Iterator[LambdaContext]:
    """Give the context of an invocation, which must be over a second before its function's timeout.

    ``later_ms`` is what a batch is told that is left: enough, so that it begins.
    """
    began = time.monotonic()
    yield LambdaContext(remaining_ms=[int(seconds * 1000), *later_ms])
    assert time.monotonic() - began < seconds - 1


@dataclass
class Stack:
    """One stack: a table that is well, and a Waffo that is well unless it is at ``url``."""

    metering: Metering
    waffo: FakeWaffo
    opened: Opened

    def selling(self, url: str | None = None) -> Selling:
        signer = RequestSigner("MER_1aB2cD3eF4gH5iJ6kL7mN8", KEY)
        waffo = self.waffo.client() if url is None else self.opened(WaffoClient(signer, api_url=url))
        return Selling(self.metering, waffo, "test", "https://app.example.com/billing", STORE_ID)

    def buy(self, event: dict[str, Any], url: str | None = None, secret: Callable[[], str] | None = None) -> Answer:
        deps = CheckoutDeps(self.selling(url), secret or (lambda: LINK_SECRET), lambda: NOW)
        with in_time(WITH_PATIENCE) as context:
            if "/buy/" in event["routeKey"]:
                pages = pages_deps(deps, Site(CATALOG.brand), lambda: NOW)
                return read_answer(customer_pages.handler(event, context, pages))
            return read_answer(overage_checkout.handler(event, context, deps))

    def gate(self, event: dict[str, Any], secret: Callable[[], str]) -> Answer:
        offers = Offers(CATALOG, "test", secret, on_trouble=report_links_unavailable)
        with in_time() as context:
            return read_answer(quota_check.handler(event, context, QuotaDeps(self.metering, offers, lambda: NOW)))

    def use(self, quantity: int) -> None:
        event = usage_event("used", Decimal(quantity), None, NOW)
        assert record_events(self.metering, "acct_1001", "tokens", [event], NOW)["used"] == "counted"

    def used(self) -> int:
        balance = read_balance(self.metering.table, "acct_1001", "tokens")
        return int(balance.used) if balance else 0


@pytest.fixture
def stack(dynamodb: "DynamoDBClient", table: str, opened: Opened) -> Stack:
    return Stack(Metering(Table(dynamodb, table), CATALOG), FakeWaffo(), opened)


def secret_at(url: str) -> Secret:
    client = boto3.client("secretsmanager", endpoint_url=url, config=CLIENT_CONFIG)
    return Secret("links", client=lambda: client)


def buy_link(name: str = "buy_link") -> dict[str, Any]:
    made = make_link(LINK_SECRET, "https://api.example.com", PurchaseLink("acct_1001", "top_up", "tokens"), NOW)
    return api_event(name, path=made.removeprefix("https://api.example.com"))


def expect_page(answer: Answer) -> None:
    assert answer.status == 503
    assert answer.headers["Content-Type"].startswith("text/html")
    assert int(answer.headers["Retry-After"]) >= 1
    assert "<html" in answer.body


@pytest.mark.parametrize("behaviour", [*ALL, drips_body])
def test_scenario_98_a_waffo_in_trouble_is_503_and_the_repeat_sells_once(stack: Stack, behaviour: Behaviour) -> None:
    event = api_event("checkouts_top_up")
    with server(behaviour) as (url, requests):
        answer = stack.buy(event, url)
    assert (answer.status, answer.headers["Retry-After"] >= "1") == (503, True)
    assert answer.body["code"] in {"waffo_unavailable", "unavailable"}
    assert 1 <= len(requests) <= 8
    assert stack.buy(event).status == 200
    assert len(stack.waffo.sessions) == 1


@pytest.mark.parametrize("behaviour", [fails, *SLOW])
def test_scenario_98_a_purchase_link_answers_its_own_page_while_waffo_is_in_trouble(
    stack: Stack, behaviour: Behaviour
) -> None:
    event = buy_link("buy_press")
    with server(behaviour) as (url, _):
        assert stack.buy(buy_link(), url).status == 200, "to look at what is sold needs no Waffo"
        expect_page(stack.buy(event, url))
    assert stack.buy(event).status == 303
    assert len(stack.waffo.sessions) == 1


@pytest.mark.parametrize("behaviour", [hangs, limits])
def test_scenario_99_a_purchase_link_answers_its_own_page_while_its_secret_cannot_be_read(
    stack: Stack, behaviour: Behaviour
) -> None:
    with server(behaviour) as (url, requests):
        expect_page(stack.buy(buy_link(), secret=secret_at(url)))
    assert 1 <= len(requests) <= 2


@pytest.mark.parametrize("behaviour", [fails, *SLOW])
def test_scenario_98_a_purchase_link_answers_its_own_page_while_the_store_is_in_trouble(
    stack: Stack, behaviour: Behaviour
) -> None:
    with server(behaviour) as (url, _):
        broken = replace(stack, metering=Metering(Table(dynamodb_client(url), "table"), CATALOG))
        expect_page(broken.buy(buy_link()))
    assert stack.waffo.sessions == []


@pytest.mark.parametrize("behaviour", [*ALL, *SLOW])
def test_scenario_99_the_gate_answers_without_links_while_their_secret_cannot_be_read(
    stack: Stack, behaviour: Behaviour, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    # Given a customer who is near the end of the plan, and a secret that cannot be read
    stack.use(9_000)
    with server(behaviour) as (url, _):
        secret = secret_at(url)

        # When a hold is placed, it is answered as placed
        placed = stack.gate(api_event("holds_place", body={"meter": "tokens", "quantity": 10, "id": "h1"}), secret)
        assert placed.status == 201

        # And what asks for more is refused, and what only asks is told
        too_much = api_event("holds_place", body={"meter": "tokens", "quantity": 5_000, "id": "h2"})
        refused = stack.gate(too_much, secret)
        quota = stack.gate(api_event("quota_one_meter"), secret)
        check = stack.gate(api_event("quota_with_amount"), secret)
        settled = stack.gate(api_event("holds_settle", path="/v1/customers/acct_1001/holds/h1/settle",
                                       body={"meter": "tokens", "quantity": 10}), secret)  # fmt: skip
    assert [refused.status, quota.status, settled.status] == [402, 200, 200]
    assert check.status in {200, 402}

    # Then without links, with a warning and a metric, and the hold stood
    for answer in (placed, refused, quota, check, settled):
        assert "purchase_url" not in str(answer.body)
        assert "upgrade_url" not in str(answer.body)
    assert "purchase links unavailable" in caplog.text
    assert '"LinkSecretUnavailable":[' in capsys.readouterr().out
    assert settled.body["hold"] != "not_held"
    assert stack.used() == 9_010


@pytest.mark.parametrize("behaviour", [*ALL, *SLOW])
def test_scenario_98_a_queue_in_trouble_is_503_and_the_repeat_is_accepted(stack: Stack, behaviour: Behaviour) -> None:
    event = api_event("usage_bulk")
    with server(behaviour) as (url, requests), in_time() as context:
        deps = BulkDeps(stack.metering, UsageQueue(sqs_client(url), f"{url}/usage"), lambda: NOW)
        answer = read_answer(usage_bulk.handler(event, context, deps))
    assert (answer.status, answer.body["code"], answer.headers["Retry-After"]) == (503, "unavailable", "1")
    assert 1 <= len(requests) <= 8
    waiting = MemoryQueue()
    deps = BulkDeps(stack.metering, waiting.queue, lambda: NOW)
    assert read_answer(usage_bulk.handler(event, LambdaContext(), deps)).status == 202
    assert waiting.bodies


@pytest.mark.parametrize("behaviour", [*ALL, *SLOW])
def test_scenario_98_an_openmeter_in_trouble_brings_the_batch_back(opened: Opened, behaviour: Behaviour) -> None:
    event, aside, counted_at = api_event("usage_forwarding_stream"), MemoryQueue(), NOW
    with server(behaviour) as (url, _), in_time(WITH_PATIENCE) as context:
        client = opened(OpenMeterClient(url, FixedKey("key")))
        with pytest.raises((OpenMeterUnavailable, StoreError)):
            usage_forwarding.handler(event, context, ForwardingDeps(client, aside.queue, lambda: counted_at))
    assert aside.bodies == []
    well = FakeOpenMeter()
    deps = ForwardingDeps(well.client(), aside.queue, lambda: counted_at)
    usage_forwarding.handler(event, LambdaContext(), deps)
    assert well.sent


@pytest.mark.parametrize("behaviour", [*ALL, *SLOW])
def test_scenario_98_a_litellm_in_trouble_ends_the_healing_and_the_next_begins_where_it_did(
    stack: Stack, behaviour: Behaviour
) -> None:
    with server(behaviour) as (url, requests), in_time(WITH_PATIENCE, 180_000) as context:
        litellm = stack.opened(LiteLLMClient(url, FixedKey("key")))
        deps = HealingDeps(stack.metering, litellm, lambda: NOW)
        answer = read_answer(usage_healing.handler(api_event("usage_heal"), context, deps))
    assert len(requests) == 1
    if answer.status == 200:
        assert (answer.body["is_left"], answer.body["read"]) == (True, 0)
        assert answer.body["failure"]
    else:
        assert (answer.status, answer.body["code"], answer.headers["Retry-After"]) == (503, "unavailable", "1")


@pytest.mark.parametrize("behaviour", [drips_body, SLOW[0]])
def test_scenario_98_a_store_that_drips_under_many_balances_is_503_in_time(behaviour: Behaviour) -> None:
    with server(behaviour) as (url, requests), in_time(SECONDS, 29_000) as context:
        deps = MeteringDeps(Metering(Table(dynamodb_client(url), "table"), CATALOG), lambda: NOW)
        answer = read_answer(usage_recording.handler(api_event("usage_batch"), context, deps))
    assert (answer.status, answer.body["code"], answer.headers["Retry-After"]) == (503, "unavailable", "1")
    assert len(requests) > 1


def test_a_settlement_is_answered_as_counted_while_the_balance_that_is_left_cannot_be_read(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = {"meter": "tokens", "quantity": 10, "id": "h1"}
    assert stack.gate(api_event("holds_place", body=hold), lambda: LINK_SECRET).status == 201
    ends, ended = threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        ends.wait(30)
        ended.set()

    monkeypatch.setattr(Metering, "current_balance", hang)
    path = "/v1/customers/acct_1001/holds/h1/settle"
    settled = stack.gate(
        api_event("holds_settle", path=path, body={"meter": "tokens", "quantity": 7}), lambda: LINK_SECRET
    )
    assert not ended.is_set()
    ends.set()
    assert (settled.status, stack.used()) == (200, 7)
    assert settled.body["quota"] is None


@pytest.fixture
def secrets_read(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the secrets that the functions read, as they are made in AWS."""
    read: list[str] = []

    class Manager:
        def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803 - boto3's name
            read.append(SecretId)
            return {"SecretString": LINK_SECRET}

    monkeypatch.setattr("pancake_meter.deps.secret._production_client", Manager)
    monkeypatch.setenv("WAFFO_PRIVATE_KEY_SECRET_ID", "waffo-private-key")
    monkeypatch.setenv("PURCHASE_LINK_SECRET_ID", "purchase-link")
    for module in ("checkout", "quota"):
        monkeypatch.setattr(f"pancake_meter.deps.{module}.stack_metering", lambda: stack.metering)
    return read


def test_scenario_99_a_route_that_needs_no_waffo_key_reads_none(secrets_read: list[str]) -> None:
    made = checkout_deps()
    read: dict[str, set[str]] = {}
    for name in ("checkouts_list", "checkouts_read", "overage_forgive", "buy_link", "checkouts_top_up"):
        secrets_read.clear()
        if name == "buy_link":
            customer_pages.handler(api_event(name), LambdaContext(), pages_deps(made, Site(CATALOG.brand)))
        else:
            overage_checkout.handler(api_event(name), LambdaContext(), made)
        read[name] = set(secrets_read)
    gate = quota_deps()
    for name in ("quota_one_meter", "quota_all_meters", "quota_with_amount", "holds_place", "holds_settle",
                 "holds_release", "usage_report", "ledger_first_page"):  # fmt: skip
        secrets_read.clear()
        quota_check.handler(api_event(name), LambdaContext(), gate)
        read[name] = set(secrets_read)
    assert read.pop("checkouts_top_up") == {"waffo-private-key"}
    assert read.pop("buy_link") == {"purchase-link"}
    assert set().union(*read.values()) <= {"purchase-link"}
    assert {name for name, ids in read.items() if ids} <= {"quota_with_amount"}


def test_scenario_99_no_other_function_can_read_a_waffo_key() -> None:
    with_key = {
        resource["Properties"]["CodeUri"].removeprefix("functions/")
        for resource in load_template()["Resources"].values()
        if "WAFFO_PRIVATE_KEY_SECRET_ID" in resource.get("Properties", {}).get("Environment", {}).get("Variables", {})
    }
    assert with_key == {
        "customer_pages",
        "operator_console",
        "overage_checkout",
        "reconciliation",
        "waffo_actions",
    }
