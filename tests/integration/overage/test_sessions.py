"""One sale, one Waffo session, whatever goes wrong: against the simulator, whose idempotency is Waffo's."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.store.balance.balances import read_ledger
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.selling.open_checkout import OpenedCheckout, Selling, open_checkout
from pancake_meter.usecases.selling.quote_sale import SaleRequest
from pancake_meter.usecases.webhooks.take import take_webhook
from pancake_meter.value import replace
from pancake_meter.waffo import client as waffo_client
from pancake_meter.waffo.client import WaffoClient
from pancake_meter.waffo.errors import InvalidRequest, WaffoInFlight, WaffoUnavailable
from pancake_meter.waffo.retry import RetryPolicy
from pancake_meter.waffo.signing import RequestSigner
from tests.support.overage_walk import BEGIN, CUSTOMER, METER, walk_catalog
from tests.support.waffo_simulator import MERCHANT_ID, PRO, STORE_ID, RunningSimulator
from tests.support.waffo_webhooks import platform_key, sign_webhook
from tests.support.webhook_world import World

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

OVERAGE = SaleRequest("overage", METER)


@pytest.fixture
def sim(running: RunningSimulator) -> RunningSimulator:
    running.begin_again()
    running.sim("clock", now="2026-03-10T15:20:00Z", stopped=True)
    return running


@pytest.fixture
def metering(dynamodb: "DynamoDBClient", table: str) -> Metering:
    """A customer 400 tokens over."""
    begun = Metering(Table(dynamodb, table), walk_catalog("per_unit"))
    record_events(begun, CUSTOMER, METER, [usage_event("e1", Decimal(500), None, BEGIN)], BEGIN)
    return begun


@pytest.fixture
def waffo(sim: RunningSimulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[WaffoClient]:
    """Our client, which does not wait long."""
    monkeypatch.setattr(waffo_client, "TIMEOUT", httpx.Timeout(connect=1.0, read=0.3, write=1.0, pool=5.0))
    signer = RequestSigner(MERCHANT_ID, platform_key())
    with WaffoClient(signer, api_url=sim.url, retry=RetryPolicy(attempts_max=1)) as client:
        yield client


def sessions(sim: RunningSimulator) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sim.http.get("/_sim/state").json()["sessions"]
    return found


def test_scenario_71_sixteen_concurrent_checkouts_make_one_waffo_session(
    sim: RunningSimulator, metering: Metering, waffo: WaffoClient
) -> None:
    # Given a Waffo that takes its time
    sim.sim("faults", api_delay_seconds=0.05)

    # When sixteen requests for one customer's overage come at once
    def ask(_: int) -> OpenedCheckout | None:
        try:
            return open_checkout(Selling(metering, waffo, "test", None, STORE_ID), CUSTOMER, OVERAGE, None, BEGIN)
        except (WaffoInFlight, WaffoUnavailable):
            return None

    with ThreadPoolExecutor(16) as callers:
        opened = [answer for answer in callers.map(ask, range(16)) if answer is not None]

    # Then those that were answered have one checkout, of one session, and so has the next
    opened.append(open_checkout(Selling(metering, waffo, "test", None, STORE_ID), CUSTOMER, OVERAGE, None, BEGIN))
    assert len({answer.checkout.id for answer in opened}) == 1
    assert [session["external_id"] for session in sessions(sim)] == [opened[0].checkout.id]


def test_scenario_71_a_session_made_although_the_answer_timed_out_is_not_made_again(
    sim: RunningSimulator, metering: Metering, waffo: WaffoClient
) -> None:
    # Given a session that Waffo makes, and an answer that does not come in time
    sim.sim("faults", create_session_timeout_after_commit=1, hold_seconds=1)
    selling = Selling(metering, waffo, "test", None, STORE_ID)
    with pytest.raises(WaffoUnavailable):
        open_checkout(selling, CUSTOMER, OVERAGE, None, BEGIN)
    assert len(sessions(sim)) == 1

    # When it is asked for again, half an hour later
    later = BEGIN + timedelta(minutes=30)
    opened = open_checkout(selling, CUSTOMER, OVERAGE, None, later)

    # Then it is that session
    (session,) = sessions(sim)
    assert opened.checkout.session_id == session["id"]
    assert opened.checkout.created_at == BEGIN


def test_scenario_72_without_a_key_waffo_would_make_two_so_we_guard_ourselves(
    sim: RunningSimulator, metering: Metering, waffo: WaffoClient
) -> None:
    # Given a checkout whose idempotency key Waffo has forgotten
    selling = Selling(metering, waffo, "test", None, STORE_ID)
    first = open_checkout(selling, CUSTOMER, OVERAGE, None, BEGIN)
    sim.sim("clock", now="2026-03-11T15:10:00Z", stopped=True)

    # When it is asked for while it is open, and after it has expired
    again = open_checkout(selling, CUSTOMER, OVERAGE, None, BEGIN + timedelta(minutes=44))
    assert (again.checkout.id, len(sessions(sim))) == (first.checkout.id, 1)
    later = open_checkout(selling, CUSTOMER, OVERAGE, None, BEGIN + timedelta(minutes=46))

    # Then only the expired one gives way
    assert later.checkout.id != first.checkout.id
    assert len(sessions(sim)) == 2


def test_scenario_73_each_wish_to_cancel_has_a_key_of_its_own(sim: RunningSimulator, waffo: WaffoClient) -> None:
    # Given a subscription that was canceled, and taken up again by the customer
    order = sim.sim("subscriptions", product=PRO, buyer_identity=CUSTOMER)["id"]
    waffo.cancel_order(order, action_id="wish-1")
    sim.sim(f"orders/{order}/uncancel")

    def status() -> str:
        orders = sim.http.get("/_sim/state").json()["orders"]
        return str(next(each["status"] for each in orders if each["id"] == order))

    # When the first request is repeated, its old answer is replayed and nothing happens
    waffo.cancel_order(order, action_id="wish-1")
    assert status() == "active"

    # Then a second wish to cancel does cancel
    waffo.cancel_order(order, action_id="wish-2")
    assert status() == "canceling"

    # And the order's own id names no wish: under it the second would be a repetition of the first
    with pytest.raises(InvalidRequest):
        waffo.cancel_order(order, action_id=order)


def test_scenario_85_payments_at_once_are_numbered_once_each(
    sim: RunningSimulator, metering: Metering, waffo: WaffoClient
) -> None:
    # Given a session paid twelve times over
    checkout = open_checkout(Selling(metering, waffo, "test", None, STORE_ID), CUSTOMER, OVERAGE, None, BEGIN).checkout
    for _ in range(12):
        sim.sim(f"checkout/{checkout.session_id}/pay", buyer_identity=CUSTOMER, again=True)
    sim.sim("flush")
    # A webhook may arrive more than once: the simulator repeats what a busy machine answers too late.
    bodies = list(dict.fromkeys(received.body for received in sim.sink.received))

    # When all are told at once
    world = World(metering.table, BEGIN, catalog=metering.catalog)

    def take(body: bytes) -> str | None:
        intake = replace(world.intake, pause=time.sleep)
        return take_webhook(intake, body, {"x-waffo-signature": sign_webhook(body, at=BEGIN)}, BEGIN).reason

    with ThreadPoolExecutor(4) as lambdas:
        flags = list(lambdas.map(take, bodies))

    # Then one settles and eleven are credit, and the ledger has each once, numbered without a gap
    assert sorted(flag or "" for flag in flags) == ["", *["paid_twice"] * 11]
    ledger = read_ledger(metering.table, CUSTOMER, METER, limit=100)
    assert [entry.segment for entry in ledger] == list(range(len(ledger), 0, -1))
    references = [entry.reference for entry in ledger if entry.cause == "order.completed"]
    assert len(references) == len(set(references)) == 12
