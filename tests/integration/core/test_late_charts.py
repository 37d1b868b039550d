"""Late usage of a period that began before another: it is added to its own chart, whose other days stay."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.store.balance.balances import charts_put_away, read_balance
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.record_usage import record_events
from tests.support.webhook_world import CUSTOMER, World, lifecycle, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def test_late_usage_leaves_the_other_days_of_its_chart_where_a_later_chart_began_before_it(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given a free period that begins at noon, and a paid one that is told after it and begins at midnight before
    world = World(Table(dynamodb, table, sleep=lambda _: None), utc("2026-03-12T12:00:00"))
    world.use(5)
    world.take(lifecycle("activated", "ORD_1", "2026-03-12T13:00:00", "2026-03-12", "2026-03-19"))
    world.use(90, now=utc("2026-03-14T10:00:00"))

    # When the paid period has closed, and usage of one of its days is told late
    late = utc("2026-03-21T00:30:00")
    balance = read_balance(world.table, CUSTOMER, "tokens")
    assert balance is not None
    world.metering.keep_current(balance, late)
    event = usage_event("late", Decimal(7), utc("2026-03-16T10:00:00"), late)
    assert record_events(world.metering, CUSTOMER, "tokens", [event], late + timedelta(minutes=1)) == {
        "late": "counted"
    }

    # Then both days are on its chart
    charts = {chart.span.start: chart.days for chart in charts_put_away(world.table, CUSTOMER, "tokens", page=25)}
    days = charts[utc("2026-03-12T00:00:00")]
    assert {day: used for day, used in days.items() if used} == {"0314": 90, "0316": 7}
