"""Issue 11, point 13: whatever a balance carries, the write that advances it is within DynamoDB's limits."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.domain.balance.adjust import drop_expired_holds
from pancake_meter.domain.balance.advance import advance, open_balance
from pancake_meter.domain.balance.balance import ZERO, Balance, Lapse, Policy, Term, day_key
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.grant import MAX_GRANTS, Grant
from pancake_meter.domain.balance.hold import MAX_HOLDS, Hold
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.balance.spend import record_usage
from pancake_meter.domain.selling.plan import OverageAllowed, OverageBlocked, OveragePolicy
from pancake_meter.domain.usage.late import count_late
from pancake_meter.domain.usage.usage_event import RETENTION, UsageEvent
from pancake_meter.store.balance.spending import RECORD_EVENTS_MAX, transactions_of, write_events, write_late_events
from pancake_meter.store.balance.structure import structure_writes
from pancake_meter.store.table import Table
from pancake_meter.value import replace
from tests.support.aws_limits import violations

if TYPE_CHECKING:
    from collections.abc import Mapping

BEGIN = datetime(2026, 1, 1, 12, tzinfo=UTC)
FALLBACK = Policy("free", Decimal(10))
quantities = st.sampled_from([ZERO, Decimal(1), Decimal("123456789.123456"), Decimal(10) ** 15])


class SpyClient:
    """Takes every request and keeps it."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Mapping[str, Any]]] = []

    def transact_write_items(self, **request: Any) -> dict[str, Any]:
        self.requests.append(("TransactWriteItems", request))
        return {}


def spied() -> tuple[Table, SpyClient]:
    client = SpyClient()
    return Table(client, "table"), client  # type: ignore[arg-type]


@st.composite
def balances(draw: st.DrawFn) -> Balance:
    """Any balance, up to the fullest: a chart of a whole year, 100 holds with the longest ids, 32 grants."""
    days = draw(st.one_of(st.just(366), st.integers(0, 366)))
    holds = draw(st.one_of(st.just(MAX_HOLDS), st.integers(0, MAX_HOLDS)))
    grants = draw(st.one_of(st.just(MAX_GRANTS), st.integers(0, MAX_GRANTS)))
    length = draw(st.sampled_from([1, 30, 365]))
    throttled = draw(st.none() | st.just(60))
    overage: OveragePolicy = OverageAllowed() if draw(st.booleans()) else OverageBlocked()
    policy = Policy("p" * 32, Decimal(100), "billing", overage, Decimal(50), (Decimal("0.8"),), throttled)
    end = BEGIN + timedelta(days=length)
    term = Term("ORD_" + "x" * 252, BEGIN, end, end + timedelta(days=14))
    opened = open_balance("c" * 128, "m" * 32, policy, term, BEGIN).after
    chart = {day_key(BEGIN + timedelta(days=back)): draw(quantities) for back in range(days)}
    used = sum(chart.values(), ZERO)
    return replace(
        opened,
        days=chart,
        used=used,
        told=draw(st.integers(0, 1000)),
        holds={
            f"{number:03d}".rjust(64, "h"): Hold(Decimal("0.123456"), BEGIN + timedelta(minutes=number))
            for number in range(holds)
        },
        grants=(
            *opened.grants,
            *(
                Grant(f"payment:{number}", "top_up", Decimal(5), Decimal(5), 90, BEGIN, BEGIN + timedelta(days=number))
                for number in range(1, grants)
            ),
        ),
        blocked=draw(st.none() | st.just("past_due")),
        overage_due=draw(st.sampled_from([ZERO, Decimal(7)])),
        refund_debt=draw(st.sampled_from([ZERO, Decimal(7)])),
        line_start=draw(st.none() | st.just(BEGIN - timedelta(days=1))),
        lapsed=draw(st.none() | st.just(Lapse("ORD_0", BEGIN, Period(BEGIN, end), end, Decimal(1), Decimal(1)))),
    )


@given(balance=balances(), days=st.integers(0, 500))
def test_any_balance_can_be_advanced_at_any_instant(balance: Balance, days: int) -> None:
    now = BEGIN + timedelta(days=days)
    change = drop_expired_holds(advance(balance, now, FALLBACK), now)
    table, client = spied()
    table.transact(structure_writes(change, "reset", None, now))
    ((operation, request),) = client.requests
    assert violations(operation, request) == []


@given(
    days=st.lists(st.integers(0, 91), min_size=1, max_size=300),
    hold_back=st.booleans(),
)
def test_events_of_any_days_are_counted_in_transactions_that_dynamodb_takes(days: list[int], hold_back: bool) -> None:
    now = BEGIN + timedelta(days=91)
    events = [
        UsageEvent(f"{number}", Decimal(10) ** 15, now - timedelta(days=day), None if hold_back else now).made_of(
            f"{number:064}", f"{number % 30:064}"
        )
        for number, day in enumerate(days)
    ]
    portions = list(transactions_of(events))
    assert [event for portion in portions for event in portion] == events
    table, client = spied()
    for portion in portions:
        assert len(portion) <= RECORD_EVENTS_MAX
        assert write_events(table, "c" * 128, "m" * 32, portion, now) is None
    assert [violations(*request) for request in client.requests] == [[]] * len(portions)


def test_point_15_late_usage_that_changes_every_day_of_the_longest_grace_is_one_transaction() -> None:
    # Given 89 days that each pass units on to the next, and usage of the first that takes them back through all of them
    policy = Policy("p" * 32, Decimal(10), "day", OverageAllowed(), Decimal(5))
    changes = [open_balance("c" * 128, "m" * 32, policy, Term(None, BEGIN), BEGIN)]
    for day in range(RETENTION.days):
        at = BEGIN + timedelta(days=day)
        current = advance(changes[-1].after, at, policy)
        used = record_usage(current.after, Decimal(10 if day else 5), at)
        changes += [current, replace(current, balance=replace(used, segment=current.before.segment))]
    closed = sorted({each for change in changes for each in change.closed}, key=lambda each: each.period.start)[::-1]
    event = UsageEvent("e" * 128, Decimal(100), BEGIN + timedelta(hours=1)).made_of("m" * 64, "s" * 64)

    # When it is told with more than all of them have
    balance = changes[-1].after
    change = count_late(Change.begin(balance), closed, [], [event])
    table, client = spied()
    assert write_late_events(table, change, [event], {event: BEGIN}, BEGIN + RETENTION) is None

    # Then
    ((operation, request),) = client.requests
    assert violations(operation, request) == []
    assert len(change.closed) >= RETENTION.days - 1
