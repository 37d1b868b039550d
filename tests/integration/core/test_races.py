"""Races, on a DynamoDB that gets them right: many clients, one balance."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from pancake_meter.domain.balance.adjust import add_grant
from pancake_meter.domain.balance.advance import start_term
from pancake_meter.domain.balance.balance import ZERO, Term
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.grant import Grant
from pancake_meter.domain.balance.ledger import EventCause
from pancake_meter.domain.errors import TooManyGrants
from pancake_meter.domain.usage.usage_event import UsageEvent, usage_event
from pancake_meter.store.balance.balances import (
    charts_put_away,
    closed_periods,
    read_balance,
    read_ledger,
    write_change,
)
from pancake_meter.store.errors import StoreBusy
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.hold_quota import HoldPlaced, hold_quota
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.balance.sweep_due import sweep_due
from tests.support.meters import CUSTOMER, NOW, catalog_of, metering

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

TTL = timedelta(minutes=5)
ROUNDS = 50
CLIENTS = 20
BATCH = 25
"""Events of one request: some are told twice, and the writers' requests meet two hundred times."""


def test_promise_2_twenty_holds_of_75_on_500_grant_exactly_six_in_fifty_rounds(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    shared = metering(dynamodb, table, catalog_of(500))
    with ThreadPoolExecutor(CLIENTS) as clients:
        for round_number in range(ROUNDS):
            customer_id = f"{CUSTOMER}-{round_number}"

            def hold(number: int, customer_id: str = customer_id) -> bool:
                placed = hold_quota(shared, customer_id, "tokens", f"h{number}", Decimal(75), TTL, NOW)
                return isinstance(placed, HoldPlaced)

            granted = list(clients.map(hold, range(CLIENTS)))
            assert granted.count(True) == 6, f"round {round_number}"
            balance = read_balance(shared.table, customer_id, "tokens")
            assert balance is not None
            assert (balance.held, balance.headroom) == (Decimal(450), Decimal(50))


def test_scenario_42_one_unit_left_goes_to_one_of_many(dynamodb: "DynamoDBClient", table: str) -> None:
    shared = metering(dynamodb, table, catalog_of(1))
    with ThreadPoolExecutor(16) as clients:
        placed = list(
            clients.map(lambda n: hold_quota(shared, CUSTOMER, "tokens", f"h{n}", Decimal(1), TTL, NOW), range(16))
        )
    assert sum(isinstance(answer, HoldPlaced) for answer in placed) == 1


def test_promise_1_one_id_delivered_36_times_from_8_threads_counts_once(dynamodb: "DynamoDBClient", table: str) -> None:
    shared = metering(dynamodb, table, catalog_of(10_000))
    event = usage_event("e1", Decimal(7), None, NOW)
    with ThreadPoolExecutor(8) as clients:
        results = list(clients.map(lambda _: record_events(shared, CUSTOMER, "tokens", [event], NOW)["e1"], range(36)))
    assert (results.count("counted"), results.count("duplicate")) == (1, 35)
    assert shared.current_balance(CUSTOMER, "tokens", NOW).used == Decimal(7)


def test_scenario_51_many_sweepers_give_an_expired_hold_back_once(dynamodb: "DynamoDBClient", table: str) -> None:
    shared = metering(dynamodb, table, catalog_of(100))
    hold_quota(shared, CUSTOMER, "tokens", "h1", Decimal(100), TTL, NOW)
    later = NOW + TTL
    with ThreadPoolExecutor(8) as clients:
        placed = list(
            clients.map(lambda n: hold_quota(shared, CUSTOMER, "tokens", f"n{n}", Decimal(25), TTL, later), range(8))
        )
    assert sum(isinstance(answer, HoldPlaced) for answer in placed) == 4
    entries = read_ledger(shared.table, CUSTOMER, "tokens", limit=100)
    given_back = [movement for entry in entries for movement in entry.movements if movement.kind == "hold_expired"]
    assert [(movement.quantity, movement.reference) for movement in given_back] == [(Decimal(100), "h1")]


def test_scenario_65_reads_writes_and_sweeps_meeting_on_one_boundary_reset_once(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    shared = metering(dynamodb, table, catalog_of(1000))
    record_events(shared, CUSTOMER, "tokens", [usage_event("e0", Decimal(9), None, NOW)], NOW)
    due = datetime(2026, 4, 10, 15, 20, tzinfo=UTC)

    def sweep(_: int) -> None:
        sweep_due(shared, due, may_go_on=lambda: True, on_failure=lambda *_: None)

    def record(number: int) -> None:
        record_events(shared, CUSTOMER, "tokens", [usage_event(f"e{number}", Decimal(1), None, due)], due)

    def hold(number: int) -> None:
        hold_quota(shared, CUSTOMER, "tokens", f"h{number}", Decimal(1), TTL, due)

    jobs: list[Callable[[int], None]] = [sweep, record, hold]
    with ThreadPoolExecutor(12) as clients:
        list(clients.map(lambda n: jobs[n % 3](n + 1), range(24)))

    balance = read_balance(shared.table, CUSTOMER, "tokens")
    assert balance is not None
    assert (balance.used, balance.held) == (Decimal(8), Decimal(8))
    causes = [entry.cause for entry in read_ledger(shared.table, CUSTOMER, "tokens", limit=100)]
    assert causes == ["reset", "opened"]
    (chart,) = charts_put_away(shared.table, CUSTOMER, "tokens", page=25)
    assert chart.used == Decimal(9)


@pytest.mark.timeout(240)
def test_promise_1_five_thousand_events_from_16_writers_with_resets_and_grants_inside(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given 5,000 deliveries of which 30 % are repeats, on one customer with a daily allowance
    shared = Metering(Table(dynamodb, table), catalog_of(100_000, cadence="day"))
    seeded = random.Random(20260310)  # noqa: S311 - a replayable shuffle
    days = 5
    distinct = [
        usage_event(f"e{number}", Decimal(number % 97 + 1), None, NOW + timedelta(days=days) * number / 3500)
        for number in range(3500)
    ]
    deliveries = distinct + [seeded.choice(distinct) for _ in range(1500)]
    deliveries.sort(key=lambda event: event.used_at + timedelta(hours=6) * seeded.random())
    batches = [deliveries[first : first + BATCH] for first in range(0, len(deliveries), BATCH)]

    # When 16 writers record them while time passes over five resets, and others grant and sweep
    def deliver(batch: list[UsageEvent]) -> None:
        now = max(event.used_at for event in batch)
        _until_done(lambda: record_events(shared, CUSTOMER, "tokens", batch, now))

    def disturb(number: int) -> None:
        now = NOW + timedelta(days=days) * number / 40
        _grant(shared, number, now)
        sweep_due(shared, now, may_go_on=lambda: True, on_failure=lambda *_: None)

    with ThreadPoolExecutor(17) as clients:
        disturbed = clients.submit(lambda: list(map(disturb, range(40))))
        list(clients.map(deliver, batches))
        disturbed.result()

    # Then every event is counted once, and the ledger and the charts say the same, and each day has closed once
    balance = read_balance(shared.table, CUSTOMER, "tokens")
    assert balance is not None
    expected = sum((event.quantity for event in distinct), ZERO)
    charts = list(charts_put_away(shared.table, CUSTOMER, "tokens", page=25))
    assert balance.used + sum((chart.used for chart in charts), ZERO) == expected
    closed = list(closed_periods(shared.table, CUSTOMER, "tokens", page=25))
    assert len({period.period.start for period in closed}) == len(closed) >= days - 1
    entries = read_ledger(shared.table, CUSTOMER, "tokens", limit=1000)
    assert [entry.segment for entry in entries] == list(range(len(entries), 0, -1))
    used = sum((m.quantity for entry in entries for m in entry.movements if m.kind == "used"), ZERO)
    assert used + balance.used - balance.burned == expected
    charted = sum(balance.days.values(), ZERO) + sum((chart.used for chart in charts), ZERO)
    assert charted == expected


def _grant(shared: Metering, number: int, now: datetime) -> None:
    """Add a top-up to the balance as it is, if it can carry one more."""
    for _ in range(50):
        balance = read_balance(shared.table, CUSTOMER, "tokens")
        if balance is None or shared.keep_current(balance, now):
            continue
        grant = Grant(f"g{number}", "top_up", Decimal(10), Decimal(10), 90, now, now + timedelta(hours=7))
        try:
            if write_change(
                shared.table, add_grant(Change.begin(balance), grant, now), EventCause("payment"), grant.id, now
            ):
                return
        except TooManyGrants:
            return


def _until_done(attempt: "Callable[[], object]") -> None:
    """Repeat what is answered 503, as a client does: nothing is lost by it."""
    for _ in range(200):
        try:
            attempt()
        except StoreBusy:
            continue
        return
    raise AssertionError("still busy after 200 attempts")


def test_usage_of_today_counted_while_a_renewal_is_written_neither_stops_it_nor_is_lost(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given a renewal about to be written
    shared = metering(dynamodb, table, catalog_of(1000))
    record_events(shared, CUSTOMER, "tokens", [usage_event("e1", Decimal(10), None, NOW)], NOW)
    balance = read_balance(shared.table, CUSTOMER, "tokens")
    assert balance is not None
    renewal = start_term(Change.begin(balance), balance.policy, Term(None, NOW), NOW)

    # When more is used in between
    record_events(shared, CUSTOMER, "tokens", [usage_event("e2", Decimal(5), None, NOW)], NOW)

    # Then the renewal is written, and the usage is in the new period
    assert write_change(shared.table, renewal, EventCause("renewed"), None, NOW)
    renewed = read_balance(shared.table, CUSTOMER, "tokens")
    assert renewed is not None
    assert (renewed.used, renewed.available) == (Decimal(5), Decimal(995))
    assert sum(renewed.days.values(), ZERO) == Decimal(5)
    assert [chart.used for chart in charts_put_away(shared.table, CUSTOMER, "tokens", page=25)] == [Decimal(10)]


def test_usage_of_last_week_counted_while_a_renewal_is_written_makes_it_read_again(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given usage of last week, and a renewal about to be written
    week_ago = NOW - timedelta(days=7)
    shared = metering(dynamodb, table, catalog_of(1000))
    record_events(shared, CUSTOMER, "tokens", [usage_event("e1", Decimal(10), None, week_ago)], week_ago)
    balance = read_balance(shared.table, CUSTOMER, "tokens")
    assert balance is not None
    renewal = start_term(Change.begin(balance), balance.policy, Term(None, NOW), NOW)

    # When more of that day is told in between
    record_events(shared, CUSTOMER, "tokens", [usage_event("e2", Decimal(5), week_ago, NOW)], NOW)

    # Then the renewal starts over, and that day is whole on the chart that it puts away
    assert write_change(shared.table, renewal, EventCause("renewed"), None, NOW) is None
    current = read_balance(shared.table, CUSTOMER, "tokens")
    assert current is not None
    again = start_term(Change.begin(current), balance.policy, Term(None, NOW), NOW)
    assert write_change(shared.table, again, EventCause("renewed"), None, NOW)
    (chart,) = charts_put_away(shared.table, CUSTOMER, "tokens", page=25)
    assert dict(chart.days) == {f"{week_ago:%m%d}": Decimal(15)}
