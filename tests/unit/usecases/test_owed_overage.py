"""Issue 16: what a person was shown of overage is sold as shown, whatever is used before the button is pressed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.domain.selling.overage import LineKey, OverageLine
from pancake_meter.domain.selling.pricing import Graduated, Package, PerUnit, Price, Tier, Volume
from pancake_meter.usecases.selling.owed_overage import Owed
from pancake_meter.value import replace

START = datetime(2026, 1, 1, tzinfo=UTC)
TIERS = (Tier(Decimal(50), Decimal("0.03"), Decimal(1)), Tier(None, Decimal("0.01")))
PRICES: tuple[Price, ...] = (
    PerUnit(Decimal("0.0137"), flat=Decimal("0.5"), free_units=Decimal(3)),
    Package(Decimal(7), Decimal("0.05")),
    Graduated(TIERS),
    Volume(TIERS),
)


def line(number: int, settled: int, due: int, price: Price | None) -> OverageLine:
    begins = START + timedelta(days=30 * number)
    prices = {"USD": price} if price is not None else {"JPY": PRICES[0]}
    ends = begins + timedelta(days=30)
    return OverageLine(LineKey(begins, "pro"), ends, Decimal(settled + due), Decimal(settled), prices=prices)


prices = st.sampled_from((*PRICES, None))
figures = st.tuples(st.integers(0, 90), st.integers(1, 90), prices)
owed = st.lists(figures, min_size=1, max_size=5).map(
    lambda lines: Owed(tuple(line(number, *each) for number, each in enumerate(lines)), "USD", Decimal("0.004"))
)


@given(owed, st.integers(0, 200), st.lists(figures, max_size=2))
def test_what_was_shown_is_sold_as_shown_whatever_was_used_since(
    before: Owed, used: int, later: list[tuple[int, int, Price | None]]
) -> None:
    # Given what is owed, and then more of the newest line and further lines
    shown = before.sold()
    *older, newest = before.lines
    grown = replace(newest, closed=newest.closed + used)
    more = [line(len(before.lines) + number, *each) for number, each in enumerate(later)]
    after = replace(before, lines=(*older, grown, *more))
    # Then the part that was shown is the same
    if newest.prices is not None and "USD" in newest.prices:
        assert after.sold(sum((part.quantity for part in shown), Decimal(0))) == shown


@given(owed, st.integers(0, 500))
def test_a_part_has_so_many_units_the_oldest_ones(owed: Owed, up_to: int) -> None:
    whole, part = owed.sold(), owed.sold(Decimal(up_to))
    total = sum((each.quantity for each in whole), Decimal(0))
    assert sum((each.quantity for each in part), Decimal(0)) == min(total, up_to)
    assert [(each.key, each.start) for each in part] == [(each.key, each.start) for each in whole[: len(part)]]
    assert part[:-1] == whole[: len(part)][:-1]
