"""Usage that comes after its period has closed: it counts where it happened, once."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from pancake_meter.domain.balance.adjust import add_grant
from pancake_meter.domain.balance.advance import open_balance
from pancake_meter.domain.balance.balance import Balance, Policy, Term
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.closed_period import Chart, ClosedPeriod
from pancake_meter.domain.balance.grant import Grant
from pancake_meter.domain.balance.ledger import EventCause
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.instant import timestamp, to_ms
from pancake_meter.domain.usage.usage_event import UsageEvent, usage_event
from pancake_meter.store.balance.balances import (
    charts_put_away,
    closed_periods,
    read_balance,
    read_ledger,
    write_change,
)
from pancake_meter.store.errors import StoreBusy
from pancake_meter.store.table import Put, Table
from pancake_meter.usecases.balance.event_result import EventResult
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.standing.customer_books import CustomerBooks
from pancake_meter.value import replace
from tests.support.metered_dynamodb import metered
from tests.support.meters import CUSTOMER, catalog_of, metering
from tests.support.pure_subscription import PLANS, Step, step

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BEGIN = datetime(2026, 3, 10, 12, tzinfo=UTC)
CLOSED = datetime(2026, 4, 10, 12, tzinfo=UTC)
IN_MARCH = CLOSED - timedelta(hours=1)
SOON_AFTER = CLOSED + timedelta(hours=2)
LONG_AFTER = CLOSED + timedelta(hours=72)


@pytest.fixture
def stack(dynamodb: "DynamoDBClient", table: str) -> Metering:
    """A customer with 1,000 a month who used 900 in a period that has closed, and 100 in the next."""
    stack = metering(dynamodb, table, catalog_of(1000))
    told(stack, UsageEvent("march", Decimal(900), BEGIN, None), BEGIN)
    told(stack, UsageEvent("april", Decimal(100), CLOSED, None), CLOSED)
    return stack


def told(stack: Metering, event: UsageEvent, now: datetime) -> EventResult:
    return record_events(stack, CUSTOMER, "tokens", [event], now)[event.id]


def late(event_id: str, quantity: int, now: datetime = SOON_AFTER, used_at: datetime = IN_MARCH) -> UsageEvent:
    return usage_event(event_id, Decimal(quantity), used_at, now)


def units(*numbers: int) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, numbers))


def books(stack: Metering) -> tuple[Balance, ClosedPeriod, Chart]:
    balance = read_balance(stack.table, CUSTOMER, "tokens")
    (period,) = closed_periods(stack.table, CUSTOMER, "tokens", page=10)
    (chart,) = charts(stack)
    assert balance is not None
    return balance, period, chart


def charts(stack: Metering) -> list[Chart]:
    return list(charts_put_away(stack.table, CUSTOMER, "tokens", page=10))


def test_late_usage_takes_what_its_period_had_left_and_the_rest_is_that_period_s_overage(stack: Metering) -> None:
    # When 250 come late, of which March had 100 left
    assert told(stack, late("e1", 250), SOON_AFTER) == "counted"

    # Then March has 1,150 on its chart and 150 of overage, which is due
    balance, period, chart = books(stack)
    assert (period.gone, period.overage, period.left) == units(1000, 150, 0)
    assert chart.days == {"0310": Decimal(900), "0410": Decimal(250)}
    assert balance.overage_due == 150

    # And April is as it was
    assert (balance.used, balance.available) == units(100, 900)
    assert balance.days == {"0410": Decimal(100)}
    entry = read_ledger(stack.table, CUSTOMER, "tokens", limit=1)[0]
    assert entry.cause == "late_usage"
    assert [(movement.kind, int(movement.quantity)) for movement in entry.movements] == [
        ("used", 100),
        ("restored", 100),
        ("used", 250),
        ("overage_closed", 150),
    ]


def test_units_bought_ahead_pay_for_late_usage_before_it_becomes_overage(stack: Metering) -> None:
    balance, _, _ = books(stack)
    pack = Grant("payment:PAY_1", "top_up", Decimal(70), Decimal(70), 90, BEGIN)
    assert write_change(
        stack.table, add_grant(Change.begin(balance), pack, CLOSED), EventCause("payment"), None, CLOSED
    )
    told(stack, late("e1", 250), SOON_AFTER)
    balance, period, _ = books(stack)
    assert (period.overage, balance.overage_due, balance.available) == units(80, 80, 900)


def test_promise_1_late_usage_told_again_counts_once_even_after_the_grace(stack: Metering) -> None:
    assert told(stack, late("e1", 250), SOON_AFTER) == "counted"
    assert told(stack, late("e1", 250), SOON_AFTER) == "duplicate"
    assert told(stack, late("e1", 250), LONG_AFTER) == "duplicate"
    assert told(stack, late("e1", 251), SOON_AFTER) == "conflict"
    assert books(stack)[2].used == 1150


def test_usage_of_a_period_that_closed_too_long_ago_is_refused_and_changes_nothing(stack: Metering) -> None:
    before = books(stack)
    assert told(stack, late("e1", 250, LONG_AFTER), LONG_AFTER) == "period_closed"
    assert books(stack) == before


def test_each_event_of_a_batch_goes_to_its_own_period(stack: Metering) -> None:
    events = [late(f"late-{n}", 1) for n in range(50)] + [late(f"new-{n}", 1, used_at=SOON_AFTER) for n in range(49)]
    assert set(record_events(stack, CUSTOMER, "tokens", events, SOON_AFTER).values()) == {"counted"}
    balance, _, chart = books(stack)
    assert (balance.used, chart.used) == units(149, 950)


def test_of_two_closed_periods_each_gets_its_own(dynamodb: "DynamoDBClient", table: str) -> None:
    # Given two days with usage that have closed
    stack = metering(dynamodb, table, catalog_of(1000, cadence="day"))
    for day in range(3):
        told(
            stack, UsageEvent(f"day-{day}", Decimal(1), BEGIN + timedelta(days=day), None), BEGIN + timedelta(days=day)
        )
    now = BEGIN + timedelta(days=2, hours=1)

    # When usage of both comes at once
    late_both = [
        late("first", 10, now, BEGIN + timedelta(hours=1)),
        late("second", 20, now, BEGIN + timedelta(hours=25)),
    ]
    assert set(record_events(stack, CUSTOMER, "tokens", late_both, now).values()) == {"counted"}

    # Then each day has its own
    second, first = charts(stack)
    assert (first.used, second.used) == units(11, 21)


def test_usage_from_before_a_customer_s_first_period_counts_to_it(dynamodb: "DynamoDBClient", table: str) -> None:
    stack = metering(dynamodb, table, catalog_of(1000))
    assert told(stack, late("e1", 5, BEGIN, BEGIN - timedelta(days=3)), BEGIN) == "counted"
    assert told(stack, late("e2", 5, BEGIN, BEGIN - timedelta(days=3)), BEGIN) == "counted"
    balance = read_balance(stack.table, CUSTOMER, "tokens")
    assert balance is not None
    assert balance.used == 10


def test_scenario_112_the_first_usage_of_a_month_told_an_hour_after_it_takes_no_units_of_the_next(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given a month in which nothing was used, and another after it
    stack = metering(dynamodb, table, catalog_of(1000))
    stack.open(CUSTOMER, "tokens", BEGIN)
    assert told(stack, late("e1", 5), SOON_AFTER) == "counted"
    balance, period, chart = books(stack)
    assert (balance.used, balance.available) == units(0, 1000)
    assert (period.gone, period.left, dict(chart.days)) == (*units(5, 995), {"0410": Decimal(5)})


def test_scenario_112_each_window_of_an_idle_run_has_its_own(dynamodb: "DynamoDBClient", table: str) -> None:
    # Given ten idle days, closed in one step
    stack = metering(dynamodb, table, catalog_of(100, cadence="day"))
    stack.open(CUSTOMER, "tokens", BEGIN)
    now = BEGIN + timedelta(days=10, hours=1)
    # When usage of two of the last three days is told, and of one that is long over
    events = [
        late("sixth", 130, now, BEGIN + timedelta(days=7, hours=22)),
        late("seventh", 40, now, BEGIN + timedelta(days=8, hours=2)),
        late("third", 1, now, BEGIN + timedelta(days=3)),
    ]
    results = record_events(stack, CUSTOMER, "tokens", events, now)
    # Then
    assert results == {"sixth": "counted", "seventh": "counted", "third": "period_closed"}
    closed = list(closed_periods(stack.table, CUSTOMER, "tokens", page=2))
    assert [(each.windows, int(each.gone), int(each.left), int(each.overage)) for each in closed] == [
        (1, 0, 100, 0),
        (1, 40, 60, 0),
        (1, 100, 0, 30),
        (6, 0, 600, 0),
        (1, 0, 100, 0),
    ]
    assert [int(chart.used) for chart in charts(stack)] == [40, 130]
    balance = read_balance(stack.table, CUSTOMER, "tokens")
    assert balance is not None
    assert (balance.used, balance.available, balance.overage_due) == units(0, 100, 30)


def test_point_15_windows_that_were_over_when_a_balance_was_opened_have_their_usage(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given a paid year by months, of which nothing was heard on this meter until the third month
    stack = metering(dynamodb, table, catalog_of(0))
    policy = Policy("yearly", Decimal(1000), "month")
    now = datetime(2026, 5, 10, 13, tzinfo=UTC)
    end = BEGIN + timedelta(days=365)
    opened = open_balance(CUSTOMER, "tokens", policy, Term("ORD_1", BEGIN, end, end), now)
    assert write_change(stack.table, opened, "opened", None, now)
    # When the first usage that is told is of the month before
    assert told(stack, late("e1", 5, now, now - timedelta(hours=2)), now) == "counted"
    # Then
    april, march = closed_periods(stack.table, CUSTOMER, "tokens", page=10)
    assert (april.gone, march.gone) == units(5, 0)


def test_point_15_a_renewed_order_that_never_used_a_meter_has_a_record_of_its_last_period(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given an order that was renewed, of a customer who has used nothing yet
    stack = metering(dynamodb, table, catalog_of(1000))
    _learn(stack, *LIFE)
    # When the first usage is of the month before
    now = LIFE[1].at + timedelta(hours=1)
    assert told(stack, late("e1", 5, now, now - timedelta(hours=2)), now) == "counted"
    # Then, and before its first period the free plan was in force
    balance = read_balance(stack.table, CUSTOMER, "tokens")
    assert balance is not None
    assert (balance.policy.plan, balance.used, balance.available) == ("starter", *units(0, 100_000))
    period, free = closed_periods(stack.table, CUSTOMER, "tokens", page=10)
    assert (period.gone, period.left, period.since) == (*units(5, 99_995), LIFE[0].at)
    assert (free.plan, free.gone, free.until) == ("free", Decimal(0), LIFE[0].at)
    assert [int(chart.used) for chart in charts(stack)] == [5]


def test_point_15_usage_from_before_a_plan_that_began_whole_and_is_over_again_is_of_the_open_period(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    stack = metering(dynamodb, table, catalog_of(1000))
    span = ("2026-03-20T12:00:00", "2026-04-20T12:00:00", replace(PLANS["scale"], quota_change="reset"), 1)
    for each in (
        LIFE[0],
        step("activated", "ORD_B", "2026-03-20T12:00:00", *span),
        step("canceled", "ORD_B", "2026-03-21T12:00:00", *span),
    ):
        stack.open(CUSTOMER, "tokens", each.at)
        _learn(stack, each)
    now = datetime(2026, 3, 21, 13, tzinfo=UTC)
    assert told(stack, late("e1", 5, now, datetime(2026, 3, 20, 11, tzinfo=UTC)), now) == "counted"
    balance = read_balance(stack.table, CUSTOMER, "tokens")
    assert balance is not None
    assert (balance.policy.plan, balance.used, balance.available) == ("starter", *units(5, 99_995))


LIFE = (
    step("activated", "ORD_A", "2026-03-10T12:00:00", "2026-03-10T12:00:00", "2026-04-10T12:00:00", number=1),
    step("renewed", "ORD_A", "2026-04-10T12:00:00", "2026-04-10T12:00:00", "2026-05-10T12:00:00", number=2),
)


def _learn(stack: Metering, *events: Step) -> None:
    for event in events:
        books = CustomerBooks.read(stack, CUSTOMER, event.at).learn(event.facts)
        stack.table.transact(books.writes(EventCause("order"), event.facts.order_id))


def test_promise_14_late_usage_of_many_idle_days_is_counted_in_as_many_transactions_as_it_takes(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given 60 idle days whose units roll over, all still open to late usage
    catalog = catalog_of(10, cadence="day", overage='overage = "blocked"\nrollover_maximum = 10_000')
    stack = metering(dynamodb, table, replace(catalog, closed_period_grace=timedelta(days=89)))
    stack.open(CUSTOMER, "tokens", BEGIN)
    now = BEGIN + timedelta(days=60, hours=1)
    # When each of them is told of at once
    events = [late(f"e{day}", 4, now, BEGIN + timedelta(days=day, hours=2)) for day in range(60)]
    assert set(record_events(stack, CUSTOMER, "tokens", events, now).values()) == {"counted"}
    # Then
    balance = read_balance(stack.table, CUSTOMER, "tokens")
    assert balance is not None
    assert (balance.available, balance.overage_due) == units(61 * 10 - 60 * 4, 0)
    closed = list(closed_periods(stack.table, CUSTOMER, "tokens", page=50))
    assert sum(each.gone for each in closed) == 60 * 4
    assert sum(each.windows for each in closed) == 60


def test_what_earlier_code_wrote_when_a_period_closed_is_read_and_amended(
    stack: Metering, dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given the period as the version before has written it
    (period,) = closed_periods(stack.table, CUSTOMER, "tokens", page=10)
    (chart,) = charts(stack)
    _forget(dynamodb, table)
    _summarised(stack, Period(BEGIN, CLOSED), Period(BEGIN, CLOSED), CLOSED, chart.days, left=100)
    assert list(closed_periods(stack.table, CUSTOMER, "tokens", page=10)) == [replace(period, since=BEGIN)]
    assert charts(stack) == [chart]
    # When
    assert told(stack, late("e1", 250), SOON_AFTER) == "counted"
    # Then
    balance, told_of, drawn = books(stack)
    assert (told_of.gone, told_of.overage, told_of.left, drawn.used, balance.overage_due) == units(
        1000, 150, 0, 1150, 150
    )


def test_charts_that_earlier_code_put_away_in_a_long_period_are_no_periods_of_their_own(
    stack: Metering, dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given two of a period of two months, of which the last has what the period came to
    _forget(dynamodb, table)
    long, middle = Period(datetime(2026, 2, 10, 12, tzinfo=UTC), CLOSED), BEGIN
    _summarised(stack, long, Period(long.start, middle), middle, {"0211": Decimal(300)}, left=0)
    _summarised(stack, long, Period(middle, CLOSED), CLOSED, {"0311": Decimal(500)}, left=200, segment=3)
    # When usage of each of the two months is told
    assert told(stack, late("e1", 150), SOON_AFTER) == "counted"
    assert told(stack, late("e2", 60, used_at=datetime(2026, 2, 12, tzinfo=UTC)), SOON_AFTER) == "counted"
    # Then both find what the one period had left
    (period,) = closed_periods(stack.table, CUSTOMER, "tokens", page=10)
    assert (period.left, period.overage) == units(0, 10)
    assert [int(chart.used) for chart in charts(stack)] == [650, 360]


def _forget(dynamodb: "DynamoDBClient", table: str) -> None:
    """Delete what this code writes beside the balance when a period closes."""
    for item in dynamodb.scan(TableName=table)["Items"]:
        if item["SK"]["S"].startswith(("CLOSED#", "CHART#")):
            dynamodb.delete_item(TableName=table, Key={"PK": item["PK"], "SK": item["SK"]})


def _summarised(
    stack: Metering,
    period: Period,
    chart: Period,
    closed_at: datetime,
    days: Mapping[str, Decimal],
    *,
    left: int,
    segment: int = 2,
) -> None:
    """Write the summary that earlier code left of a period, or of a chart of it."""
    spans = {"period": period, "chart": chart}
    item = {
        "PK": f"CUSTOMER#{CUSTOMER}",
        "SK": f"PERIOD#tokens#{timestamp(chart.start)}#{segment:010d}",
        **{name: {"start": to_ms(span.start), "end": to_ms(span.end)} for name, span in spans.items()},
        "closed_at": to_ms(closed_at),
        "segment": segment,
        "plan": "free",
        "allowance": Decimal(1000),
        "used": sum(days.values()),
        "overage": Decimal(0),
        "left": Decimal(left),
        "days": dict(days),
    }
    stack.table.write(Put(item))


def test_late_and_present_usage_racing_through_a_reset_loses_nothing(dynamodb: "DynamoDBClient", table: str) -> None:
    # Given usage of both sides of a boundary, told by 16 writers on the later side, all of it twice
    stack = Metering(Table(dynamodb, table), catalog_of(100))
    told(stack, UsageEvent("first", Decimal(1), BEGIN, None), BEGIN)
    events = [late(f"late-{n}", 1) for n in range(100)] + [late(f"new-{n}", 1, used_at=CLOSED) for n in range(100)]
    batches = [events[first::40] for first in range(40)] * 2

    def tell(batch: list[UsageEvent]) -> None:
        for _ in range(50):
            try:
                assert set(record_events(stack, CUSTOMER, "tokens", batch, SOON_AFTER).values()) <= {
                    "counted",
                    "duplicate",
                }
            except StoreBusy:
                continue
            return
        raise AssertionError("never got through")

    with ThreadPoolExecutor(16) as clients:
        list(clients.map(tell, batches))

    # Then each side has its own
    balance, period, chart = books(stack)
    assert (balance.used, chart.used, period.overage, balance.overage_due) == units(100, 101, 1, 1)


def test_usage_in_time_costs_what_it_did(stack: Metering, dynamodb: "DynamoDBClient") -> None:
    with metered(dynamodb) as meter:
        assert told(stack, late("e1", 1, used_at=CLOSED), SOON_AFTER) == "counted"
    assert (meter.operations, meter.units) == (["TransactWriteItems"], 4)


def test_a_balance_that_nobody_has_advanced_yet_closes_its_period_first(stack: Metering) -> None:
    may = datetime(2026, 5, 10, 13, tzinfo=UTC)
    assert told(stack, late("e1", 30, may, may - timedelta(hours=2)), may) == "counted"
    march, april = reversed(charts(stack))
    assert (march.used, april.used) == units(900, 130)
