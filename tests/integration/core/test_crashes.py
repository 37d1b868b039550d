"""Trouble at every DynamoDB call of every operation, before or after it took effect; then the caller's retry."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from pancake_meter.domain.balance.balance import ZERO
from pancake_meter.domain.balance.hold import HoldHandle
from pancake_meter.domain.usage.usage_event import dated_usage_event, usage_event
from pancake_meter.store.balance.balances import charts_put_away, read_balance, read_ledger
from pancake_meter.store.errors import StoreBusy, StoreUnavailable
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.hold_quota import (
    HoldPlaced,
    hold_quota,
    release_hold,
    settle_hold,
    settle_with_event,
)
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.balance.sweep_due import sweep_due
from tests.support.faulty_dynamodb import FaultyDynamoDB, When
from tests.support.meters import CUSTOMER, NOW, catalog_of, metering
from tests.support.table import create_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CATALOG = catalog_of(1000)
TTL = timedelta(minutes=5)
NEXT_MONTH = datetime(2026, 4, 10, 15, 20, tzinfo=NOW.tzinfo)
HANDLE = HoldHandle("tokens", Decimal(75), "h1")


@dataclass(frozen=True)
class Figures:
    """What a balance comes to, over all its periods."""

    used: Decimal
    held: Decimal
    available: Decimal
    segments: int


def nothing(_: Metering) -> None:
    """No history."""


def used_before(begun: Metering) -> None:
    record_events(begun, CUSTOMER, "tokens", [usage_event("e0", Decimal(100), None, NOW)], NOW)


def held_before(begun: Metering) -> None:
    hold_quota(begun, CUSTOMER, "tokens", "h1", Decimal(75), TTL, NOW)


def record(stack: Metering) -> None:
    event = usage_event("e1", Decimal(10), None, NOW)
    assert record_events(stack, CUSTOMER, "tokens", [event], NOW)["e1"] in {"counted", "duplicate"}


def record_after_a_reset(stack: Metering) -> None:
    event = usage_event("e1", Decimal(10), None, NEXT_MONTH)
    assert record_events(stack, CUSTOMER, "tokens", [event], NEXT_MONTH)["e1"] in {"counted", "duplicate"}


def record_what_happened_before_a_reset(stack: Metering) -> None:
    event = usage_event("e1", Decimal(10), NOW, NEXT_MONTH)
    assert record_events(stack, CUSTOMER, "tokens", [event], NEXT_MONTH)["e1"] in {"counted", "duplicate"}


def record_a_batch(stack: Metering) -> None:
    events = [usage_event(f"e{number}", Decimal(1), None, NOW) for number in range(120)]
    assert set(record_events(stack, CUSTOMER, "tokens", events, NOW).values()) <= {"counted", "duplicate"}


def hold(stack: Metering) -> None:
    assert isinstance(hold_quota(stack, CUSTOMER, "tokens", "h1", Decimal(75), TTL, NOW), HoldPlaced)


def hold_what_an_expired_hold_had(stack: Metering) -> None:
    assert isinstance(hold_quota(stack, CUSTOMER, "tokens", "h2", Decimal(1000), TTL, NOW + TTL), HoldPlaced)


def settle(stack: Metering) -> None:
    settle_hold(stack, CUSTOMER, HANDLE, usage_event("h1", Decimal(60), None, NOW), NOW)


def settle_after_expiry(stack: Metering) -> None:
    settle_hold(stack, CUSTOMER, HANDLE, usage_event("h1", Decimal(60), None, NEXT_MONTH), NEXT_MONTH)


def settle_a_measured_call(stack: Metering) -> None:
    settle_measured(stack, NOW, NOW)


def settle_a_measured_call_after_a_reset(stack: Metering) -> None:
    settle_measured(stack, NOW, NEXT_MONTH)


def settle_measured(stack: Metering, used_at: datetime, now: datetime) -> None:
    event = dated_usage_event("h1", Decimal(60), used_at, now)
    assert settle_with_event(stack, CUSTOMER, HANDLE, event, now, of_any_time=False).result in {"counted", "duplicate"}


def release(stack: Metering) -> None:
    release_hold(stack, CUSTOMER, HANDLE)


def reset(stack: Metering) -> None:
    """Sweep; a balance that failed is left to the next sweep, and so is trouble of the operation."""
    if sweep_due(stack, NEXT_MONTH, may_go_on=lambda: True, on_failure=lambda *_: None).failed:
        raise StoreUnavailable("left to the next sweep")


Operation = Callable[[Metering], None]
CASES: list[tuple[Operation, Operation, Figures]] = [
    (nothing, record, Figures(Decimal(10), ZERO, Decimal(990), 1)),
    (used_before, record, Figures(Decimal(110), ZERO, Decimal(890), 1)),
    (used_before, record_after_a_reset, Figures(Decimal(110), ZERO, Decimal(990), 2)),
    (used_before, record_what_happened_before_a_reset, Figures(Decimal(110), ZERO, Decimal(1000), 3)),
    (nothing, record_a_batch, Figures(Decimal(120), ZERO, Decimal(880), 1)),
    (nothing, hold, Figures(ZERO, Decimal(75), Decimal(925), 1)),
    (held_before, hold_what_an_expired_hold_had, Figures(ZERO, Decimal(1000), ZERO, 2)),
    (held_before, settle, Figures(Decimal(60), ZERO, Decimal(940), 1)),
    (held_before, settle_after_expiry, Figures(Decimal(60), ZERO, Decimal(940), 2)),
    (held_before, settle_a_measured_call, Figures(Decimal(60), ZERO, Decimal(940), 1)),
    (held_before, settle_a_measured_call_after_a_reset, Figures(Decimal(60), ZERO, Decimal(1000), 3)),
    (held_before, release, Figures(ZERO, ZERO, Decimal(1000), 1)),
    (used_before, reset, Figures(Decimal(100), ZERO, Decimal(1000), 2)),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("history", "operation", "expected"), CASES, ids=[case[1].__name__ for case in CASES])
def test_trouble_at_any_call_and_a_retry_leave_what_one_success_leaves(
    dynamodb: "DynamoDBClient", history: Operation, operation: Operation, expected: Figures, when: When
) -> None:
    # Given how many calls the operation makes when all is well
    calls = _play(dynamodb, history, operation, fails_at=None, when=when, expected=expected)
    assert calls > 0

    # When each of them fails in turn, and the caller tries again
    for fails_at in range(1, calls + 1):
        _play(dynamodb, history, operation, fails_at=fails_at, when=when, expected=expected)


def _play(
    client: "DynamoDBClient",
    history: Operation,
    operation: Operation,
    *,
    fails_at: int | None,
    when: When,
    expected: Figures,
) -> int:
    name = create_table(client, f"crash-{uuid.uuid4().hex}", ttl=False)
    history(metering(client, name, CATALOG))
    faulty = FaultyDynamoDB(client, fails_at, when)
    stack = Metering(Table(faulty, name, sleep=lambda _: None), CATALOG)  # type: ignore[arg-type]
    try:
        operation(stack)
    except StoreUnavailable:
        assert fails_at is not None
        operation(metering(client, name, CATALOG))
    else:
        assert fails_at is None, f"trouble at call {fails_at} was hidden"
    assert _figures(metering(client, name, CATALOG)) == expected, f"call {fails_at} failed {when} it took effect"
    client.delete_table(TableName=name)
    return faulty.calls


def _figures(stack: Metering) -> Figures:
    """Read everything back; the ledger has no gap, and agrees."""
    balance = read_balance(stack.table, CUSTOMER, "tokens")
    assert balance is not None
    charts = charts_put_away(stack.table, CUSTOMER, "tokens", page=25)
    entries = read_ledger(stack.table, CUSTOMER, "tokens", limit=100)
    assert [entry.segment for entry in entries] == list(range(balance.segment, 0, -1))
    used = balance.used + sum((chart.used for chart in charts), ZERO)
    ledger_used = sum((m.quantity for entry in entries for m in entry.movements if m.kind == "used"), ZERO)
    assert ledger_used + balance.used - balance.burned == used
    return Figures(used, balance.held, balance.available, balance.segment)


class Storm:
    """A client whose first so many writes are refused with a code that waiting cures."""

    def __init__(self, client: Any, code: str, refusals: int) -> None:
        """``code`` is DynamoDB's."""
        self._client = client
        self._code = code
        self.left = refusals

    def __getattr__(self, name: str) -> Any:
        """Refuse writes while the storm lasts."""
        method = getattr(self._client, name)
        return self._refusing(method, name) if name in {"update_item", "transact_write_items"} else method

    def _refusing(self, method: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(**request: Any) -> Any:
            if self.left == 0:
                return method(**request)
            self.left -= 1
            if name == "update_item":
                raise ClientError({"Error": {"Code": _exception(self._code), "Message": ""}}, name)
            reasons = [{"Code": self._code}, {"Code": "None"}]
            cancelled = {
                "Error": {"Code": "TransactionCanceledException", "Message": ""},
                "CancellationReasons": reasons,
            }
            raise ClientError(cancelled, name)  # type: ignore[arg-type]

        return call


def _exception(reason: str) -> str:
    """A single write is refused with an exception where a transaction names a reason."""
    return f"{reason.removesuffix('Error')}Exception"


@pytest.mark.parametrize("code", ["TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"])
@pytest.mark.parametrize("operation", [record, hold], ids=["record", "hold"])
def test_scenario_58_a_passing_storm_is_waited_out_with_jitter(
    dynamodb: "DynamoDBClient", table: str, operation: Operation, code: str
) -> None:
    used_before(metering(dynamodb, table, CATALOG))
    waits: list[float] = []
    storm = Storm(dynamodb, code, refusals=5)
    operation(Metering(Table(storm, table, sleep=waits.append, seed=7), CATALOG))  # type: ignore[arg-type]
    assert len(waits) == 5
    assert len(set(waits)) == 5
    assert max(waits) <= 0.25


@pytest.mark.parametrize("operation", [record, hold], ids=["record", "hold"])
def test_scenario_58_a_lasting_storm_ends_in_busy_after_bounded_tries_and_loses_nothing(
    dynamodb: "DynamoDBClient", table: str, operation: Operation
) -> None:
    used_before(metering(dynamodb, table, CATALOG))
    storm = Storm(dynamodb, "TransactionConflict", refusals=1_000_000)
    with pytest.raises(StoreBusy):
        operation(Metering(Table(storm, table, sleep=lambda _: None), CATALOG))  # type: ignore[arg-type]
    assert 1_000_000 - storm.left == 8
    operation(metering(dynamodb, table, CATALOG))
    assert _figures(metering(dynamodb, table, CATALOG)).used >= Decimal(100)
