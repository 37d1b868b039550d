"""Point 21: after a cancellation or a change of plan, the quota describes what governs now."""

from datetime import timedelta
from decimal import Decimal

import pytest

from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.selling.plan import Plan, QuotaChangePolicy
from pancake_meter.http.balance.quota import quota_body, rate_limit_headers
from pancake_meter.value import replace
from tests.support.pure_subscription import CATALOG, PureCustomer, step
from tests.support.webhook_world import utc

A = "ORD_A"
STARTER, PRO = CATALOG.plans["starter"], CATALOG.plans["pro"]


def canceled(used: int) -> PureCustomer:
    """A customer of starter whose order ended inside the paid period."""
    customer = subscriber(STARTER, used)
    customer.take(step("canceled", A, "2026-03-20T11:00:00", "2026-03-10", "2026-04-10"), utc("2026-03-20T11:00:01"))
    return customer


def subscriber(plan: Plan, used: int) -> PureCustomer:
    customer = PureCustomer(utc("2026-03-10T15:14:33"))
    customer.open("tokens")
    customer.take(step("activated", A, "2026-03-10T15:14:33", "2026-03-10", "2026-04-10", plan=plan))
    customer.use(used)
    return customer


def figures(balance: Balance) -> dict[str, object]:
    body, headers = quota_body(balance, {}), rate_limit_headers(balance, balance.as_of)
    return {
        "plan": body["plan"],
        "used": body["used"],
        "allowance": body["allowance"],
        "available": body["available"],
        "alert": body["alert"],
        "quota": int(headers["RateLimit-Policy"].split(";")[1].removeprefix("q=")),
        "remaining": int(headers["RateLimit"].split(";")[1].removeprefix("r=")),
    }


def test_after_a_cancellation_used_allowance_alert_and_headers_agree_with_what_is_available() -> None:
    customer = canceled(60_000)
    assert figures(customer.balances["tokens"]) == {
        "plan": "free",
        "used": 0,
        "allowance": 10_000,
        "available": 10_000,
        "alert": None,
        "quota": 10_000,
        "remaining": 10_000,
    }


def test_usage_after_a_cancellation_counts_from_there() -> None:
    customer = canceled(60_000)
    customer.use(9_000)
    assert figures(customer.balances["tokens"]) == {
        "plan": "free",
        "used": 9_000,
        "allowance": 10_000,
        "available": 1_000,
        "alert": Decimal("0.8"),
        "quota": 10_000,
        "remaining": 1_000,
    }


def test_the_next_period_counts_all_that_is_used_in_it() -> None:
    customer = canceled(60_000)
    customer.use(9_000)
    customer.pass_to(utc("2026-04-20T11:00:00") + timedelta(days=1))
    customer.use(500)
    balance = customer.balances["tokens"]
    assert [balance.used, balance.used_before, balance.used_of_plan, balance.available] == [500, 0, 500, 9_500]


def test_an_order_that_is_not_canceled_after_all_counts_what_it_had_counted() -> None:
    # Given a cancellation, and usage after it
    customer = canceled(60_000)
    customer.use(1_000)
    # When the same order is renewed
    customer.take(step("renewed", A, "2026-04-10T00:00:10", "2026-04-10", "2026-05-10"), utc("2026-04-10T00:00:10"))
    # Then the quota is that of what governs
    balance = customer.balances["tokens"]
    assert balance.used_of_plan + balance.available == balance.policy.allowance


@pytest.mark.parametrize(("policy", "used"), [("carry", 60_000), ("reset", 0), ("prorate", 60_000)])
def test_a_changed_plan_shows_as_used_what_it_counts(policy: QuotaChangePolicy, used: int) -> None:
    # Given: 60,000 of 100,000 used, half of the period over
    customer = subscriber(STARTER, 60_000)
    # When
    pro = replace(PRO, quota_change=policy)
    customer.take(step("plan_changed", A, "2026-03-25T12:00:00", "2026-03-10", "2026-04-10", plan=pro))
    # Then
    told = figures(customer.balances["tokens"])
    assert told["used"] == used
    assert told["quota"] == used + customer.available()


def test_point_21_a_plan_change_told_after_the_old_plan_has_lapsed_shows_as_used_what_is_gone() -> None:
    # Given units used of a period that has ended since, without a word of what follows
    customer = subscriber(STARTER, 60_000)
    customer.pass_to(utc("2026-04-12T00:00:00"))
    # When the change is told that had taken the order's place
    customer.take(step("plan_changed", "ORD_B", "2026-03-20T11:00:05", "2026-03-20", "2026-04-20", plan=PRO))
    # Then
    told = figures(customer.balances["tokens"])
    assert (told["used"], told["available"], told["quota"]) == (60_000, 940_000, 1_000_000)


def test_point_21_usage_that_becomes_gone_of_a_plan_that_goes_on_shows_as_used() -> None:
    # Given units used under an order that a change replaced, which is not known yet, and a second order of the new plan
    customer = subscriber(STARTER, 60_000)
    customer.take(step("canceled", A, "2026-03-20T11:00:06", "2026-03-10", "2026-04-10"), utc("2026-03-21T11:00:00"))
    customer.take(step("activated", "ORD_C", "2026-03-21T11:00:00", "2026-03-21", "2026-04-21", plan=PRO))
    assert customer.available() == 1_000_000
    # When the change is told
    customer.take(step("plan_changed", "ORD_B", "2026-03-20T11:00:05", "2026-03-20", "2026-04-20", plan=PRO))
    # Then
    told = figures(customer.balances["tokens"])
    assert (told["used"], told["available"], told["quota"]) == (60_000, 940_000, 1_000_000)


def test_overage_under_the_plan_before_is_due_and_counts_against_no_other_allowance() -> None:
    customer = subscriber(PRO, 1_200_000)
    customer.take(step("canceled", A, "2026-03-20T11:00:00", "2026-03-10", "2026-04-10"), utc("2026-03-20T11:00:01"))
    balance = customer.balances["tokens"]
    assert [balance.overage_due, balance.used_of_plan, balance.available] == [200_000, 0, 10_000]
