"""Export and erase over HTTP: as the function's policy allows, in bounded requests, and with nothing in the log."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from customer_data import handler
from pancake_meter.deps.customer_data import CustomerDataDeps
from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.errors import StoreBusy
from pancake_meter.store.table import Table
from pancake_meter.usecases.access import erase
from pancake_meter.usecases.balance.record_usage import record_events
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.webhook_world import CUSTOMER, World, lifecycle, payment, refund, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = utc("2026-03-10T15:20:00")
EVENTS = 3_000


@pytest.fixture
def world(dynamodb: "DynamoDBClient", table: str) -> World:
    ours = Table(dynamodb, table, sleep=lambda _: None)
    return World(ours, NOW, erasures=Erasures(ours, lambda: "a key of the tests"))


def call(world: World, event: dict[str, Any], remaining_ms: list[int] | None = None) -> Answer:
    return read_answer(handler(event, LambdaContext(remaining_ms=remaining_ms or [29_000]), deps_of(world)))


def deps_of(world: World) -> CustomerDataDeps:
    assert world.erasures is not None
    return CustomerDataDeps(world.erasures, lambda: NOW + timedelta(days=1))


def live(world: World, events: int) -> None:
    world.take(lifecycle("activated", "ORD_1", "2026-03-10", "2026-03-10", "2026-04-10", plan="pro"))
    world.take(payment("ORD_1", "PAY_1", "2026-03-10", amount="29.00"))
    world.take(refund("ORD_1", "PAY_1", "REF_1", "2026-03-12", amount="14.50", of="29.00"))
    for first in range(0, events, 500):
        some = [usage_event(f"e{n}", Decimal(1), None, NOW) for n in range(first, min(events, first + 500))]
        record_events(world.metering, CUSTOMER, "tokens", some, NOW)


def export_all(world: World) -> tuple[list[dict[str, Any]], int]:
    found: list[dict[str, Any]] = []
    query: dict[str, str] | None = None
    for pages in range(1, 1000):
        answer = call(world, api_event("customer_export", query=query))
        assert answer.status == 200, answer.body
        found += answer.body["items"]
        if answer.body["next_cursor"] is None:
            return found, pages
        query = {"cursor": answer.body["next_cursor"]}
    raise AssertionError("no end")


def test_a_customer_is_exported_in_pages_and_erased_as_the_policy_allows(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    live(world, 1_250)
    found, pages = export_all(world)
    assert pages > 2
    assert sum(each["kind"] == "usage_event" for each in found) == 1_250
    assert {"balance", "subscription", "payment", "delivery", "revenue_fact"} <= {each["kind"] for each in found}
    caplog.set_level("INFO")
    caplog.clear()
    erased = call(world, api_event("customer_erase"))
    assert (erased.status, erased.body["status"], erased.body["live_orders"]) == (200, "erased", ["ORD_1"])
    assert call(world, api_event("customer_erase")).body == erased.body
    printed = str([vars(record) for record in caplog.records])
    assert export_all(world) == ([], 1)
    assert CUSTOMER not in printed
    assert erased.body["pseudonym"] in printed


def test_an_erasure_of_many_items_is_work_of_many_requests(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    live(world, EVENTS)
    monkeypatch.setattr(erase, "BOOKS_PAGE", 5)
    statuses: list[int] = []
    while not statuses or statuses[-1] == 202:
        # Time for some steps only, as a request with a large customer has
        answer = call(world, api_event("customer_erase"), [29_000] * 8 + [0])
        statuses.append(answer.status)
        assert len(statuses) < 100
    assert len(statuses) > 3
    assert (answer.body["status"], answer.body["items"] > EVENTS) == ("erased", True)
    assert export_all(world) == ([], 1)


@pytest.mark.parametrize("cursor", ["x", "W10=", "WyJvd24iLCJhIl0=", "WyJlbmQiXQ==", "e30=", "A" * 6001])
def test_what_is_no_cursor_is_refused(world: World, cursor: str) -> None:
    answer = call(world, api_event("customer_export", query={"cursor": cursor}))
    assert (answer.status, answer.body["code"]) == (422, "invalid_request")
    fault = "must be the next_cursor of the page before, of at most 6,000 characters"
    assert answer.body["errors"] == [{"field": "cursor", "fault": fault}]


def test_a_pseudonym_is_not_erased(world: World) -> None:
    assert world.erasures is not None
    path = f"/v1/customers/{world.erasures.pseudonym(CUSTOMER)}"
    assert call(world, api_event("customer_erase", path=path)).status == 422


def test_a_mistyped_customer_is_not_found_and_stays_open(world: World) -> None:
    path = "/v1/customers/acct_1000"
    for _ in range(2):
        answer = call(world, api_event("customer_erase", path=path))
        assert (answer.status, answer.body["code"]) == (404, "customer_not_found")


def test_the_schedule_goes_on_and_fails_with_an_erasure_that_cannot(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    live(world, EVENTS)
    monkeypatch.setattr(erase, "BOOKS_PAGE", 5)
    assert call(world, api_event("customer_erase"), [29_000] * 3 + [0]).status == 202
    context = LambdaContext(remaining_ms=[29_000])

    def fails(*_: object) -> None:
        raise StoreBusy("throttled")

    with monkeypatch.context() as patched:
        patched.setattr(Table, "delete_all", fails)
        with pytest.raises(StoreBusy, match="1 erasures cannot go on"):
            handler({"detail-type": "Scheduled Event"}, context, deps_of(world))
    assert handler({"detail-type": "Scheduled Event"}, context, deps_of(world))["erased"] == 1
    assert CUSTOMER not in capsys.readouterr().out
    assert call(world, api_event("customer_erase")).status == 200
