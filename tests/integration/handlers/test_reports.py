"""Reports over the handler: exact, by currency, in pages; usage by month is the charts', exactly."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.domain.usage.usage_event import UsageEvent
from pancake_meter.store.balance.balances import charts_put_away, closed_periods
from pancake_meter.store.reports import month_usage
from pancake_meter.store.reports.month_usage import read_customer_month
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.value import replace
from reports import handler
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.faulty_dynamodb import FaultyDynamoDB
from tests.support.metered_dynamodb import metered
from tests.support.webhook_world import World, lifecycle, payment, refund, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = utc("2026-03-10T15:15:00")
TAXED: dict[str, Any] = {"listPrice": {"total": "9.90", "subtotal": "9.00", "taxAmount": "0.90"}}


@pytest.fixture
def world(dynamodb: "DynamoDBClient", table: str) -> World:
    return World(Table(dynamodb, table, sleep=lambda _: None), NOW)


def ask(world: World, name: str, query: dict[str, str] | None = None, path: str | None = None) -> Answer:
    request = api_event(name, path=path, query=query)
    return read_answer(handler(request, LambdaContext(), MeteringDeps(world.metering, lambda: world.now)))


def sell(world: World, customer_id: str, amount: str = "9.90", plan: str = "Starter", **data: Any) -> None:
    order_id, payment_id = f"ORD_{customer_id}_{plan}", f"PAY_{customer_id}_{plan}"
    named = {"merchantProvidedBuyerIdentity": customer_id, "productName": plan, **data}
    assert world.take(payment(order_id, payment_id, "2026-03-10", amount=amount, **named)).verdict == "applied"


def test_revenue_of_a_month_by_currency_what_was_sold_and_plan(world: World) -> None:
    # Given
    sell(world, "ada", **TAXED)
    sell(world, "bo", "29.00", "Pro")
    sell(world, "cy", "4500", "Pro", currency="JPY")
    world.take(refund("ORD_ada_Starter", "PAY_ada_Starter", "REF_1", "2026-03-11", amount="3.30", of="9.90",
                      merchantProvidedBuyerIdentity="ada"))  # fmt: skip
    # When
    answer = ask(world, "report_revenue_month")
    # Then
    assert answer.status == 200
    (month,) = answer.body["months"]
    yen, dollars = month["currencies"]
    assert (month["month"], yen["currency"], dollars["currency"]) == ("2026-03", "JPY", "USD")
    assert (yen["total"]["received"], yen["total"]["net"], yen["total"]["payments"]) == ("4500", "4500", 1)
    assert dollars["total"] == {
        "received": "38.90",
        "tax": "0.90",
        "refunded": "3.30",
        "refunded_tax": "0.30",
        "net": "35.00",
        "payments": 2,
        "refunds": 1,
        "unstated": 0,
    }
    assert dollars["by_sold"] == {"subscription": dollars["total"]}
    assert [(row["plan"], row["net"]) for row in dollars["by_plan"]] == [("pro", "29.00"), ("starter", "6.00")]
    # And: more months are as many answers, oldest first
    months = ask(world, "report_revenue_months").body["months"]
    assert [each["month"] for each in months] == ["2026-01", "2026-02", "2026-03"]
    assert [each["currencies"] for each in months] == [[], [], month["currencies"]]


def test_customers_in_pages(world: World) -> None:
    # Given
    names = {f"customer-{number}" for number in range(7)}
    for name in names:
        sell(world, name)
    # When
    seen: list[str] = []
    query = {"month": "2026-03", "limit": "2"}
    for _ in range(8):
        page = ask(world, "report_customers", query).body
        seen += [row["customer_id"] for row in page["customers"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    # Then
    assert sorted(seen) == sorted(names)
    # And
    (one,) = ask(world, "report_customers", {"month": "2026-03", "customer_id": "customer-3"}).body["customers"]
    assert (one["customer_id"], one["currency"], one["received"]) == ("customer-3", "USD", "9.90")


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("report_revenue_month", {}),
        ("report_revenue_month", {"month": "2026-13"}),
        ("report_revenue_month", {"month": "2026-03", "from": "2026-01", "to": "2026-03"}),
        ("report_revenue_month", {"from": "2026-01"}),
        ("report_revenue_month", {"from": "2026-03", "to": "2026-01"}),
        ("report_revenue_month", {"from": "2025-03", "to": "2026-03"}),
        ("report_usage", {"month": "2026-03", "meter": "No Meter"}),
        ("report_customers", {"month": "2026-03", "cursor": "nonsense"}),
        ("report_customers", {"month": "2026-03", "cursor": "OX4="}),
        ("report_customers", {"month": "2026-03", "limit": "101"}),
        ("report_customers", {"month": "2026-03", "customer_id": "a/b"}),
    ],
    ids=str,
)
def test_a_report_of_anything_else_is_a_problem(world: World, name: str, query: dict[str, str]) -> None:
    answer = ask(world, name, query)
    assert (answer.status, answer.headers["Content-Type"]) == (422, "application/problem+json")


def test_a_meter_that_nobody_has_is_not_there(world: World) -> None:
    answer = ask(world, "report_usage", {"month": "2026-03", "meter": "nothing"})
    assert (answer.status, answer.body["code"]) == (404, "unknown_meter")


def test_trouble_of_the_table_is_passing(dynamodb: "DynamoDBClient", table: str) -> None:
    faulty: Any = FaultyDynamoDB(dynamodb, fails_at=1)
    answer = ask(World(Table(faulty, table, sleep=lambda _: None), NOW), "report_revenue_month")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")


def test_a_month_is_read_by_four_queries(dynamodb: "DynamoDBClient", table: str) -> None:
    # Given
    for name in ("ada", "bo", "cy", "di", "eve"):
        sell(World(Table(dynamodb, table), NOW), name)
    # When
    with metered(dynamodb) as meter:
        assert ask(World(Table(dynamodb, table), NOW), "report_revenue_month").status == 200
    # Then
    assert meter.operations == ["Query"] * 4


def use(world: World, customer_id: str, at: datetime, units: int, told_at: datetime | None = None) -> None:
    event = UsageEvent(f"{customer_id}-{at.isoformat()}", Decimal(units), at, stated_at=at)
    (result,) = record_events(world.metering, customer_id, "tokens", [event], told_at or at).values()
    assert result == "counted"


def test_usage_by_month_is_what_the_charts_of_all_customers_say(world: World) -> None:
    # Given: two customers of `scale`, anchored on the 10th, and one on the free plan since the 20th
    for name in ("ada", "bo"):
        named: dict[str, Any] = {"merchantProvidedBuyerIdentity": name}
        order = f"ORD_{name}"
        world.take(lifecycle("activated", order, "2026-03-10", "2026-03-10", "2026-04-10", plan="scale", **named))
    use(world, "ada", utc("2026-03-12T00:00:00"), 10_000_100)
    use(world, "ada", utc("2026-04-02T00:00:00"), 7)
    use(world, "bo", utc("2026-04-09T23:00:00"), 11)
    use(world, "cy", utc("2026-03-20T00:00:00"), 13)
    before = ask(world, "report_usage", {"from": "2026-03", "to": "2026-05", "meter": "tokens"}).body["months"]
    assert [row["used"] for row in before] == [0, 0, 0]
    # When: their periods close, and one thing is told late
    for name in ("ada", "bo"):
        renewed: dict[str, Any] = {"plan": "scale", "number": 2, "merchantProvidedBuyerIdentity": name}
        again = lifecycle("renewed", f"ORD_{name}", "2026-04-10", "2026-04-10", "2026-05-10", **renewed)
        replace(world, now=utc("2026-04-10T15:15:00")).take(again)
    use(world, "cy", utc("2026-04-21T00:00:00"), 17)
    use(world, "bo", utc("2026-03-31T00:00:00"), 5, told_at=utc("2026-04-10T16:00:00"))
    # Then
    months = ask(world, "report_usage", {"from": "2026-03", "to": "2026-05", "meter": "tokens"}).body["months"]
    assert [(row["month"], int(row["used"]), int(row["overage"]), row["customers"]) for row in months] == [
        ("2026-03", 10_000_100 + 13 + 5, 0, 3),
        ("2026-04", 7 + 11, 107, 2),
        ("2026-05", 0, 0, 0),
    ]
    # And
    names = [(world.table, name, "tokens") for name in ("ada", "bo", "cy")]
    charts = [chart for name in names for chart in charts_put_away(*name, page=9)]
    closed = [period for name in names for period in closed_periods(*name, page=9)]
    assert sum(row["used"] for row in months) == sum(chart.used for chart in charts)
    assert sum(row["overage"] for row in months) == sum(period.overage for period in closed)
    ada = read_customer_month(world.table, "ada", "tokens", "2026-04")
    assert ada is not None
    assert (ada.used, ada.overage) == (Decimal(7), Decimal(107))


def test_a_period_that_is_closed_by_many_at_once_counts_once(world: World) -> None:
    # Given
    use(world, "cy", utc("2026-03-20T00:00:00"), 13)
    late = utc("2026-04-29T00:00:00")
    # When: twelve who come for the balance find that its period is over
    with ThreadPoolExecutor(12) as many:
        for _ in many.map(lambda number: use(world, "cy", late + timedelta(minutes=number), 1), range(12)):
            pass
    # Then
    (march, april) = ask(world, "report_usage", {"from": "2026-03", "to": "2026-04", "meter": "tokens"}).body["months"]
    assert [(int(row["used"]), row["customers"]) for row in (march, april)] == [(13, 1), (0, 0)]


def test_more_customers_than_one_report_adds_up_is_a_problem(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: pages of one customer, of which three may be read; and a month with eight customers
    monkeypatch.setattr(month_usage, "_PAGE", 1)
    monkeypatch.setattr(month_usage, "_PAGES_MAX", 3)
    for number in range(8):
        use(world, f"customer-{number}", utc("2026-03-20T00:00:00"), 1)
        use(world, f"customer-{number}", utc("2026-04-29T00:00:00"), 1)
    # When
    answer = ask(world, "report_usage", {"month": "2026-03", "meter": "tokens"})
    # Then
    assert (answer.status, answer.body["code"]) == (422, "report_too_large")
