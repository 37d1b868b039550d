"""Spending: why units are refused, and the arithmetic of holds and usage."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pancake_meter.domain.balance.advance import open_balance
from pancake_meter.domain.balance.balance import ZERO, Balance, Policy, Term, day_key, day_of
from pancake_meter.domain.balance.grant import Grant
from pancake_meter.domain.balance.hold import Hold
from pancake_meter.domain.balance.spend import Refusal, place_hold, record_usage, refusal, release_hold, settle_hold
from pancake_meter.domain.selling.plan import OverageAllowed, OverageCapped
from pancake_meter.domain.selling.pricing import PerUnit
from pancake_meter.value import replace

START = datetime(2026, 3, 10, tzinfo=UTC)
PRO = Policy("pro", Decimal(100), "month")
PACK = Grant("pack", "top_up", Decimal(5), Decimal(5), 90, START)


def opened(policy: Policy = PRO, *grants: Grant, blocked: str | None = None) -> Balance:
    balance = open_balance("ada", "tokens", policy, Term(None, START), START).after
    return replace(balance, grants=(*balance.grants, *grants), blocked=blocked)


@pytest.mark.parametrize(
    ("balance", "why"),
    [
        (opened(), Refusal("quota_exhausted")),
        (opened(Policy("none")), Refusal("no_plan")),
        (opened(Policy("none"), PACK), Refusal("quota_exhausted")),
        (opened(Policy("none", overage=OverageCapped(Decimal(5)))), Refusal("no_plan")),
        (opened(replace(PRO, overage=OverageCapped(Decimal(5)))), Refusal("overage_cap_reached")),
        (opened(Policy.unpaid("pro")), Refusal("past_due")),
        (opened(Policy.unpaid("pro"), PACK), Refusal("past_due")),
        (opened(blocked="chargeback"), Refusal("blocked", "chargeback")),
        (opened(replace(PRO, overage=OverageAllowed()), blocked="chargeback"), Refusal("blocked", "chargeback")),
        (opened(replace(PRO, overage=OverageAllowed())), None),
    ],
)
def test_more_than_there_is_is_refused_with_the_reason(balance: Balance, why: Refusal | None) -> None:
    assert refusal(balance, Decimal(1000)) == why


def test_point_20_bought_units_stay_usable_while_the_order_is_unpaid() -> None:
    assert refusal(opened(Policy.unpaid("pro"), PACK), Decimal(5)) is None


def test_a_hold_reserves_what_a_release_gives_back() -> None:
    held = place_hold(opened(), "h1", Hold(Decimal(60), START))
    assert isinstance(held, Balance)
    both = place_hold(held, "h2", Hold(Decimal(40), START))
    assert isinstance(both, Balance)
    assert (both.held, both.available, both.headroom) == (100, 0, 0)
    assert place_hold(both, "h3", Hold(Decimal("0.000001"), START)) == Refusal("quota_exhausted")
    assert release_hold(both, "h1") == replace(opened(), holds={"h2": Hold(Decimal(40), START)})
    assert release_hold(both, "unknown") == both


@pytest.mark.parametrize(("really", "available"), [(0, 100), (20, 80), (60, 40), (90, 10), (130, 0)])
def test_promise_3_a_settlement_counts_what_was_really_used(really: int, available: int) -> None:
    held = place_hold(opened(), "h1", Hold(Decimal(60), START))
    assert isinstance(held, Balance)
    settled = settle_hold(held, "h1", Decimal(really), START)
    assert (settled.holds, settled.used, settled.available) == ({}, really, available)
    assert settled.current_overage == max(0, really - 100)


def test_usage_is_counted_by_its_day() -> None:
    balance = record_usage(opened(), Decimal(3), START)
    balance = record_usage(balance, Decimal(4), START + timedelta(hours=23, minutes=59))
    balance = record_usage(balance, Decimal(5), START + timedelta(days=1))
    assert (balance.used, balance.days) == (12, {"0310": 7, "0311": 5})


def test_what_was_used_before_the_plan_governed_does_not_count_against_it() -> None:
    balance = replace(record_usage(opened(), Decimal(30), START), used_before=Decimal(20))
    assert (balance.used, balance.used_of_plan) == (30, 10)


def test_a_day_is_the_last_of_its_name_up_to_the_end_of_its_chart() -> None:
    end = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)
    for key, day in (
        ("0310", "2026-03-10"),
        ("0311", "2026-03-11"),
        ("0312", "2025-03-12"),
        ("1231", "2025-12-31"),
        ("0229", "2024-02-29"),
    ):
        assert day_of(key, end).isoformat() == day
    assert day_of("0229", datetime(2025, 3, 10, tzinfo=UTC)).isoformat() == "2024-02-29"
    assert day_of("0101", datetime(2025, 12, 31, tzinfo=UTC)).isoformat() == "2026-01-01"
    assert day_key(end) == "0310"


def test_promise_7_a_balance_that_is_read_gets_the_prices_of_its_plan() -> None:
    prices = {"USD": PerUnit(Decimal("0.01"))}
    priced = opened().at_prices(prices)
    assert (priced.policy.prices, priced) == (prices, opened())


def test_only_a_plan_that_is_not_paid_says_so() -> None:
    assert Policy.unpaid("pro") == Policy("pro", ZERO, is_unpaid=True)
    assert not PRO.is_unpaid
