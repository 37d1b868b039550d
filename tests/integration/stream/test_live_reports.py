"""Issue 14, point 5: usage of today and of the open periods, subscriptions, and every report as CSV."""

import csv
import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.usecases.balance.record_usage import record_events
from tests.integration.stream.conftest import NOW, Ask
from tests.support.followed import Reader
from tests.support.webhook_world import World, lifecycle


def use(world: World, customer_id: str, units: int, at: Any = NOW, meter: str = "tokens") -> None:
    event = usage_event(f"e-{customer_id}-{at:%d%H%M}", Decimal(units), None, at)
    record_events(world.metering, customer_id, meter, [event], at)


def sell(world: World, customer_id: str, kind: str = "activated", at: str = "2026-03-10", **data: Any) -> None:
    named = {
        "merchantProvidedBuyerIdentity": customer_id,
        "planPrice": {"subtotal": "29.00", "taxAmount": "0.00", "total": "29.00"},
        "plan": "pro",
        **data,
    }
    world.take(lifecycle(kind, f"ORD_{customer_id}", at, "2026-03-10", "2026-04-10", **named))


def test_usage_of_today_and_of_open_periods_by_meter_plan_and_day(followed: World, reads: Reader, ask: Ask) -> None:
    # Given
    use(followed, "ada", 30)
    use(followed, "ada", 5, NOW - timedelta(days=1))
    use(followed, "bo", 7)
    use(followed, "bo", 2, meter="requests")
    sell(followed, "cy")
    use(followed, "cy", 11)
    # When
    before = ask("report_live").body
    reads.follow()
    report = ask("report_live", {"days": "2"}).body
    # Then
    assert (before["as_of"], before["seconds_behind"], before["active_this_month"]) == (None, None, 0)
    assert report["as_of"] is not None
    assert report["seconds_behind"] >= 0
    assert report["today"] == "2026-03-10"
    assert report["active"] == [{"day": "2026-03-10", "customers": 3}, {"day": "2026-03-09", "customers": 1}]
    assert report["active_this_month"] == 3
    tokens = next(each for each in report["meters"] if each["meter"] == "tokens")
    assert tokens["open"] == {"used": 53, "overage": 0, "customers": 3}
    assert tokens["open_by_plan"] == [
        {"plan": "free", "used": 42, "overage": 0, "customers": 2},
        {"plan": "pro", "used": 11, "overage": 0, "customers": 1},
    ]
    today, yesterday = tokens["days"]
    assert (today["used"], today["customers"], yesterday["used"], yesterday["customers"]) == (48, 3, 5, 1)
    assert today["by_plan"] == [{"plan": "free", "used": 37}, {"plan": "pro", "used": 11}]


def test_usage_by_month_includes_open_periods_and_counts_each_unit_once(
    followed: World, reads: Reader, ask: Ask
) -> None:
    # Given
    use(followed, "ada", 30)
    reads.follow()
    (row,) = ask("report_usage", {"month": "2026-03", "meter": "tokens"}).body["months"]
    assert (row["used"], row["open"], row["total"]) == (0, 30, 30)
    # When the period closes
    later = NOW + timedelta(days=40)
    followed.metering.keep_current(followed.metering.current_balance("ada", "tokens", NOW), later)
    use(followed, "ada", 4, later)
    reads.follow()
    # Then
    march, april = ask("report_usage", {"from": "2026-03", "to": "2026-04", "meter": "tokens"}).body["months"]
    assert (march["used"], march["open"], march["total"], march["customers"]) == (30, 0, 30, 1)
    assert (april["used"], april["open"], april["total"]) == (0, 4, 4)


def test_subscriptions_by_plan_and_state_with_what_is_new_and_lost_and_what_they_come_to(
    followed: World, reads: Reader, ask: Ask
) -> None:
    # Given
    for name in ("ada", "bo", "cy", "di", "eve"):
        sell(followed, name)
    sell(followed, "bo", "past_due", "2026-03-11")
    sell(followed, "cy", "canceling", "2026-03-11")
    sell(followed, "di", "canceled", "2026-03-12")
    sell(followed, "fay", billingPeriod="yearly", currency="EUR", planPrice={"subtotal": "300.00", "total": "300.00"})
    # When
    reads.follow()
    reads.follow_in_trouble(reads.records(), 3)
    report = ask("report_subscriptions").body
    # Then
    assert report["total"] == {"active": 3, "trialing": 0, "past_due": 1, "canceling": 1}
    assert report["plans"] == [{"plan": "pro", **report["total"]}]
    assert report["months"] == [{"month": "2026-03", "plan": "pro", "new": 6, "lost": 1}]
    assert report["mrr"] == [
        {
            "currency": "EUR",
            "amount": "25.00",
            "subscriptions": 1,
            "by_charge": 0,
            "by_plan": [{"plan": "pro", "amount": "25.00", "subscriptions": 1, "by_charge": 0}],
        },
        {
            "currency": "USD",
            "amount": "116.00",
            "subscriptions": 4,
            "by_charge": 0,
            "by_plan": [{"plan": "pro", "amount": "116.00", "subscriptions": 4, "by_charge": 0}],
        },
    ]
    assert report["unpriced"] == 0
    assert ask("report_subscriptions", {"months": "13"}).status == 422


@pytest.mark.parametrize(
    ("name", "query", "first"),
    [
        ("report_live", {"days": "1"}, "kind"),
        ("report_usage", {"month": "2026-03"}, "month"),
        ("report_subscriptions", {}, "kind"),
        ("report_revenue_month", {"month": "2026-03"}, "month"),
        ("report_customers", {"month": "2026-03"}, "month"),
    ],
)
def test_every_report_is_csv_too(
    followed: World, reads: Reader, ask: Ask, name: str, query: dict[str, str], first: str
) -> None:
    use(followed, "ada", 30)
    sell(followed, "bo")
    reads.follow()
    answer = ask(name, query, accept="text/csv")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.reader(io.StringIO(answer.body, newline="")))
    assert rows[0][0] == first
    assert {len(row) for row in rows} == {len(rows[0])}
    assert answer.body.endswith("\r\n")
    # A caller who would rather have JSON gets JSON, and so does one who takes anything.
    assert ask(name, query, accept="application/json, text/csv;q=0.5").body is not None
    assert ask(name, query, accept="*/*").headers["Content-Type"] == "application/json"
