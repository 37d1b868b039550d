"""The busiest customer: many holds in flight under UUIDs, beside a full month's chart, a top-up and a paid plan."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

import pytest

from pancake_meter.domain.balance.adjust import add_grant
from pancake_meter.domain.balance.advance import open_balance, start_term
from pancake_meter.domain.balance.balance import Balance, Policy, Term
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.grant import Grant
from pancake_meter.domain.balance.hold import EXPIRED_HOLDS_MAX, HoldHandle, hold_name
from pancake_meter.domain.balance.ledger import EventCause
from pancake_meter.domain.errors import InvalidHoldId
from pancake_meter.domain.selling.plan import OverageCapped
from pancake_meter.domain.usage.usage_event import UsageEvent, usage_event
from pancake_meter.store.balance.balances import read_balance, read_ledger, write_change
from pancake_meter.usecases.balance.hold_quota import (
    HoldPlaced,
    hold_quota,
    hold_to_release,
    named_hold,
    release_hold,
    settle_hold,
)
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import record_events
from tests.support.metered_dynamodb import Meter, metered
from tests.support.meters import catalog_of, metering

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CUSTOMER = "8f14e45f-ceea-467f-a0e6-b1c3d2e4f506"
NOW = datetime(2026, 3, 31, 15, 20, tzinfo=UTC)
"""The last day of a month of 31 days."""
FIRST_DAY = NOW - timedelta(days=30)
TTL = timedelta(minutes=5)
UNITS = Decimal(4321)


def call_id(number: int) -> str:
    """An id as the clients make them: a UUID in 36 characters."""
    return str(uuid5(UUID(int=1), f"{number}"))


def handle(number: int) -> HoldHandle:
    return HoldHandle("tokens", UNITS, call_id(number))


def event(number: int) -> UsageEvent:
    return usage_event(call_id(number), Decimal(3120), None, NOW)


def place(stack: Metering, number: int, now: datetime = NOW) -> HoldPlaced:
    placed = hold_quota(stack, CUSTOMER, "tokens", call_id(number), UNITS, TTL, now)
    assert isinstance(placed, HoldPlaced)
    return placed


def balance_of(stack: Metering) -> Balance:
    balance = read_balance(stack.table, CUSTOMER, "tokens")
    assert balance is not None
    return balance


def begin(stack: Metering) -> None:
    """A renewed paid plan with rollover, used on each of its 31 days, and a top-up."""
    overage = OverageCapped(Decimal(500_000))
    policy = Policy("scale", Decimal(10_000_000), "billing", overage, Decimal(1_000_000), (Decimal("0.8"), Decimal(1)))
    before = FIRST_DAY - timedelta(days=31)
    sold, renewed = (
        Term("ORD_2aUyqjCzEIiEcYMKj7TZtw", start, start + timedelta(days=31), start + timedelta(days=32))
        for start in (before, FIRST_DAY)
    )
    opened = open_balance(CUSTOMER, "tokens", policy, sold, before)
    assert write_change(stack.table, opened, EventCause("subscription.activated"), None, before)
    renewal = start_term(Change.begin(balance_of(stack)), policy, renewed, FIRST_DAY)
    assert write_change(stack.table, renewal, EventCause("subscription.renewed"), None, FIRST_DAY)
    for day in range(31):
        at = FIRST_DAY + timedelta(days=day)
        used = usage_event(f"{at:%m%d}", Decimal(234_567), None, at)
        assert record_events(stack, CUSTOMER, "tokens", [used], at) == {used.id: "counted"}
    top_up = Grant("payment:PAY_8bVc5xZa2sDf6gHj9kLq3W", "top_up", Decimal(50_000), Decimal(50_000), 90, NOW)
    grown = add_grant(Change.begin(balance_of(stack)), top_up, NOW)
    assert write_change(stack.table, grown, EventCause("payment"), None, NOW)


@pytest.fixture
def stack(dynamodb: "DynamoDBClient", table: str) -> Metering:
    begun = metering(dynamodb, table, catalog_of(0))
    begin(begun)
    return begun


@pytest.fixture(params=[20, 50])
def in_flight(request: pytest.FixtureRequest, stack: Metering) -> int:
    for number in range(request.param):
        place(stack, number)
    assert len(balance_of(stack).holds) == request.param
    assert len(balance_of(stack).days) == 31
    return int(request.param)


@pytest.fixture
def meter(in_flight: int, dynamodb: "DynamoDBClient") -> Iterator[Meter]:
    with metered(dynamodb) as counted:
        yield counted


UNITS_OF_A_HOLD = {20: 1, 50: 2}
UNITS_OF_A_SETTLEMENT = {20: 4, 50: 6}


def test_a_hold_is_one_write(stack: Metering, in_flight: int, meter: Meter) -> None:
    place(stack, in_flight)
    assert (meter.operations, meter.write_units_of_aws) == (["UpdateItem"], UNITS_OF_A_HOLD[in_flight])


def test_a_settlement_is_one_transaction(stack: Metering, in_flight: int, meter: Meter) -> None:
    assert settle_hold(stack, CUSTOMER, handle(0), event(0), NOW).was_held
    assert (meter.operations, meter.write_units_of_aws) == (["TransactWriteItems"], UNITS_OF_A_SETTLEMENT[in_flight])


def test_a_release_is_one_write(stack: Metering, in_flight: int, meter: Meter) -> None:
    assert release_hold(stack, CUSTOMER, handle(0)).was_held
    assert (meter.operations, meter.write_units_of_aws) == (["UpdateItem"], UNITS_OF_A_HOLD[in_flight])


def test_a_record_is_one_transaction(stack: Metering, in_flight: int, meter: Meter) -> None:
    assert set(record_events(stack, CUSTOMER, "tokens", [event(99)], NOW).values()) == {"counted"}
    assert (meter.operations, meter.write_units_of_aws) == (["TransactWriteItems"], UNITS_OF_A_SETTLEMENT[in_flight])


def test_a_batch_of_99_takes_two_units_an_event(stack: Metering, in_flight: int, meter: Meter) -> None:
    events = [event(number) for number in range(100, 199)]
    assert set(record_events(stack, CUSTOMER, "tokens", events, NOW).values()) == {"counted"}
    assert (meter.operations, meter.write_units_of_aws) == (
        ["TransactWriteItems"],
        198 + 2 * UNITS_OF_A_HOLD[in_flight],
    )


def test_a_check_is_one_read(stack: Metering, in_flight: int, meter: Meter) -> None:
    assert stack.current_balance(CUSTOMER, "tokens", NOW).held == UNITS * in_flight
    assert (meter.operations, meter.units) == (["GetItem"], 1)


@pytest.mark.parametrize("in_flight", [20], indirect=True)
def test_a_settlement_that_names_its_model_and_source_is_within_the_same_units(
    stack: Metering, in_flight: int, meter: Meter
) -> None:
    told = event(0).made_of("gpt-4o", None)
    assert settle_hold(stack, CUSTOMER, handle(0), told, NOW).was_held
    assert meter.write_units_of_aws == UNITS_OF_A_SETTLEMENT[in_flight]


# --- Expired holds ------------------------------------------------------------------------------------------------


def test_expired_holds_leave_with_the_hold_that_sees_eight_of_them(stack: Metering, dynamodb: "DynamoDBClient") -> None:
    # Given seven calls that nobody ended, and one that still runs
    for number in range(EXPIRED_HOLDS_MAX):
        place(stack, number, NOW - TTL)
    place(stack, 7)
    # When the next hold is placed, they stay: it is one request
    with metered(dynamodb) as meter:
        place(stack, 8)
    assert meter.operations == ["UpdateItem"]
    assert len(balance_of(stack).holds) == EXPIRED_HOLDS_MAX + 2
    # And an eighth makes all of them leave with the hold that sees it
    place(stack, 9, NOW - TTL)
    with metered(dynamodb) as meter:
        place(stack, 10)
    assert meter.operations == ["UpdateItem", "TransactWriteItems"]
    balance = balance_of(stack)
    assert set(balance.holds) == {hold_name(call_id(number)) for number in (7, 8, 10)}
    (entry, *_) = read_ledger(stack.table, CUSTOMER, "tokens", limit=1)
    expired = [movement for movement in entry.movements if movement.kind == "hold_expired"]
    assert [movement.quantity for movement in expired] == [UNITS] * (EXPIRED_HOLDS_MAX + 1)
    # And what they cost is over: no further request
    with metered(dynamodb) as meter:
        place(stack, 11)
    assert meter.operations == ["UpdateItem"]


def test_trouble_with_expired_holds_is_no_trouble_of_the_hold(
    stack: Metering, dynamodb: "DynamoDBClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(EXPIRED_HOLDS_MAX + 1):
        place(stack, number, NOW - TTL)
    tried = count()

    def fail(*_: object, **__: object) -> None:
        next(tried)
        raise RuntimeError("trouble")

    monkeypatch.setattr(dynamodb, "transact_write_items", fail)
    place(stack, 8)
    assert next(tried) >= 1
    assert hold_name(call_id(8)) in balance_of(stack).holds


# --- What repeats cost, as AWS charges: a refused transaction in full ---------------------------------------------


def test_a_repeated_event_is_one_refused_transaction(stack: Metering, dynamodb: "DynamoDBClient") -> None:
    record_events(stack, CUSTOMER, "tokens", [event(0)], NOW)
    with metered(dynamodb) as meter:
        assert record_events(stack, CUSTOMER, "tokens", [event(0)], NOW) == {event(0).id: "duplicate"}
    assert (meter.operations, meter.write_units_of_aws) == (["TransactWriteItems"], 4)


def test_a_repeated_hold_is_one_refused_write(stack: Metering, dynamodb: "DynamoDBClient") -> None:
    place(stack, 0)
    with metered(dynamodb) as meter:
        assert place(stack, 0).is_replay
    assert (meter.operations, meter.write_units_of_aws) == (["UpdateItem"], 1)


def test_a_repeated_settlement_is_one_refused_transaction(stack: Metering, dynamodb: "DynamoDBClient") -> None:
    place(stack, 0)
    settle_hold(stack, CUSTOMER, handle(0), event(0), NOW)
    with metered(dynamodb) as meter:
        again = settle_hold(stack, CUSTOMER, handle(0), event(0), NOW)
    assert (again.is_replay, again.was_held) == (True, True)
    assert (meter.operations, meter.write_units_of_aws) == (["TransactWriteItems"], 4)


def test_a_repeated_release_is_one_refused_write(stack: Metering, dynamodb: "DynamoDBClient") -> None:
    place(stack, 0)
    assert release_hold(stack, CUSTOMER, handle(0)).was_held
    with metered(dynamodb) as meter:
        assert not release_hold(stack, CUSTOMER, handle(0)).was_held
    assert (meter.operations, meter.write_units_of_aws) == (["UpdateItem"], 1)


def test_a_hold_that_is_named_by_its_id_alone_is_released_with_two_writes(
    stack: Metering, dynamodb: "DynamoDBClient"
) -> None:
    place(stack, 0)
    named = HoldHandle.named(call_id(0), "tokens")
    with metered(dynamodb) as meter:
        assert release_hold(stack, CUSTOMER, named).was_held
    assert (meter.operations, meter.write_units_of_aws) == (["UpdateItem"] * 2, 2)
    assert balance_of(stack).held == 0


@pytest.mark.parametrize("meter_name", ["tokens", None])
def test_the_short_name_that_a_list_shows_releases_a_hold_and_settles_none(
    stack: Metering, meter_name: str | None
) -> None:
    place(stack, 0)
    (shown,) = balance_of(stack).holds
    with pytest.raises(InvalidHoldId):
        named_hold(stack, CUSTOMER, shown, meter_name)
    assert release_hold(stack, CUSTOMER, hold_to_release(stack, CUSTOMER, shown, meter_name)).was_held
    assert balance_of(stack).held == 0


# --- Forms of holds -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("units", ["0", "0.000001", "0.25", "1", "999999.999999", "1000000000000000"])
@pytest.mark.parametrize("hold_id", ["h", "seven_7", "eight__8", call_id(1), "x" * 64])
def test_a_hold_of_any_units_and_id_is_placed_settled_and_released(
    dynamodb: "DynamoDBClient", table: str, units: str, hold_id: str
) -> None:
    stack = metering(dynamodb, table, catalog_of(10**15))
    held = HoldHandle("tokens", Decimal(units), hold_id)
    for end in ("settle", "release"):
        placed = hold_quota(stack, CUSTOMER, "tokens", f"{hold_id}"[:64], held.quantity, TTL, NOW)
        assert isinstance(placed, HoldPlaced)
        hold = balance_of(stack).hold(hold_id)
        assert hold is not None
        assert (hold.quantity, hold.expires_at) == (held.quantity, NOW + TTL)
        if end == "settle":
            assert settle_hold(stack, CUSTOMER, held, usage_event(hold_id, Decimal(0), None, NOW), NOW).was_held
        else:
            assert release_hold(stack, CUSTOMER, held).was_held
        assert balance_of(stack).held == 0
        assert balance_of(stack).available == Decimal(10) ** 15


def test_a_hold_never_expires_before_its_time(stack: Metering) -> None:
    at = NOW.replace(microsecond=1000)
    placed = place(stack, 0, at)
    assert at + TTL <= placed.hold.expires_at < at + TTL + timedelta(seconds=1)
    assert balance_of(stack).hold(call_id(0)) == placed.hold


def test_the_short_name_of_an_id_never_changes() -> None:
    # Holds are stored under it
    assert hold_name("0b7c1d2e-4f50-4a6b-8c7d-000000000001") == "~Le4ehb-V"
    assert hold_name("seven_7") == "seven_7"
    assert hold_name(hold_name(call_id(0))) == hold_name(call_id(0))
