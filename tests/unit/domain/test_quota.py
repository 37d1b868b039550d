"""The alert: the share of a period's units that is spoken for, and the thresholds that it reaches."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pancake_meter.domain.balance.advance import open_balance
from pancake_meter.domain.balance.balance import Balance, Policy, Term
from pancake_meter.domain.balance.hold import Hold
from pancake_meter.domain.balance.quota import alert_threshold, spoken_for_share
from pancake_meter.domain.balance.spend import Refusal, place_hold, record_usage, refusal
from pancake_meter.domain.selling.plan import OverageAllowed, OverageBlocked, OverageCapped, OveragePolicy

START = datetime(2026, 3, 10, tzinfo=UTC)
THRESHOLDS = (Decimal("0.8"), Decimal(1))


def balance(used: int = 0, held: int = 0, allowance: int = 100, overage: OveragePolicy | None = None) -> Balance:
    policy = Policy("pro", Decimal(allowance), "month", overage or OverageAllowed(), alert_thresholds=THRESHOLDS)
    opened = record_usage(open_balance("ada", "tokens", policy, Term(None, START), START).after, Decimal(used), START)
    holding = place_hold(opened, "h1", Hold(Decimal(held), START + timedelta(hours=1))) if held else opened
    assert isinstance(holding, Balance)
    return holding


@pytest.mark.parametrize(
    ("used", "held", "share", "reached"),
    [
        (0, 0, "0", None),
        (79, 0, "0.79", None),
        (80, 0, "0.8", "0.8"),
        (50, 30, "0.8", "0.8"),
        (50, 29, "0.79", None),
        (100, 0, "1", "1"),
        (60, 40, "1", "1"),
        (60, 90, "1", "1"),
        (250, 0, "1", "1"),
    ],
)
def test_usage_and_holds_together_reach_a_threshold(used: int, held: int, share: str, reached: str | None) -> None:
    told = balance(used, held)
    assert spoken_for_share(told) == Decimal(share)
    assert alert_threshold(told) == (Decimal(reached) if reached else None)


def test_where_there_is_nothing_to_use_all_of_it_is_spoken_for() -> None:
    assert spoken_for_share(balance(allowance=0)) == Decimal(1)


@pytest.mark.parametrize(
    ("overage", "quantity", "refused"),
    [
        (OverageBlocked(), 100, None),
        (OverageBlocked(), 101, "quota_exhausted"),
        (OverageCapped(Decimal(20)), 120, None),
        (OverageCapped(Decimal(20)), 121, "overage_cap_reached"),
        (OverageAllowed(), 10_000, None),
    ],
)
def test_promise_2_units_are_refused_beyond_the_grants_and_the_cap_and_not_before(
    overage: OveragePolicy, quantity: int, refused: str | None
) -> None:
    told = balance(overage=overage)
    assert refusal(told, Decimal(quantity)) == (Refusal(refused) if refused else None)  # type: ignore[arg-type]
