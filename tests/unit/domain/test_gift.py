"""Gifts: units that the operator gives."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pancake_meter.domain.balance.gift import Gift
from pancake_meter.domain.balance.grant import Grant
from pancake_meter.domain.errors import InvalidGift

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)
A_MOMENT = timedelta.resolution


def test_a_gift_is_a_grant_from_now_or_from_its_start() -> None:
    units = Decimal("0.000001")
    given = Gift("promotion", units).grant("sorry-1", NOW)
    assert given == Grant("gift:sorry-1", "promotion", units, units, 30, NOW, None)
    later = Gift("promotion", units, NOW + DAY, NOW + 2 * DAY).grant("sorry-1", NOW)
    assert (later.starts_at, later.expires_at) == (NOW + DAY, NOW + 2 * DAY)


@pytest.mark.parametrize("quantity", ["0", "-1"])
@pytest.mark.parametrize("expires_at", [None, NOW + DAY])
def test_a_gift_of_nothing_is_refused(quantity: str, expires_at: datetime | None) -> None:
    with pytest.raises(InvalidGift):
        Gift("promotion", Decimal(quantity), None, expires_at).grant("sorry-1", NOW)


@pytest.mark.parametrize(
    ("starts_at", "expires_at"),
    [(None, NOW), (NOW + DAY, NOW + DAY), (NOW + DAY, NOW + A_MOMENT), (NOW - DAY, NOW), (NOW - DAY, NOW - A_MOMENT)],
)
def test_a_gift_that_nobody_could_use_is_refused(starts_at: datetime | None, expires_at: datetime) -> None:
    with pytest.raises(InvalidGift):
        Gift("promotion", Decimal(1), starts_at, expires_at).grant("sorry-1", NOW)
    Gift("promotion", Decimal(1), starts_at, max(expires_at, NOW, starts_at or NOW) + A_MOMENT).grant("sorry-1", NOW)


def test_a_gift_burns_in_the_turn_of_its_kind_unless_the_operator_says_another() -> None:
    assert [Gift(kind, Decimal(1)).grant("g", NOW).priority for kind in ("promotion", "trial")] == [30, 20]
    assert Gift("promotion", Decimal(1), priority=5).grant("g", NOW).priority == 5
    assert Gift("promotion", Decimal(1), priority=0).grant("g", NOW).priority == 0
