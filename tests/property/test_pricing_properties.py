"""Promise 10 for every price that a catalog can state, not only the worked examples."""

from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.domain.selling.money import Money, round_half_up
from pancake_meter.domain.selling.overage import (
    LineKey,
    OverageLine,
    PricedLine,
    exact_sum,
    merged_line,
    price_due,
    sale_of,
    worth_most,
)
from pancake_meter.domain.selling.pricing import (
    Graduated,
    Package,
    PerUnit,
    Price,
    Tier,
    Volume,
    cheaper_when_more,
    price_of,
)

WIDE = Context(prec=100)
ZERO = Decimal(0)
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)

quantities = st.decimals(0, 10**15, places=6)
whole_quantities = st.integers(0, 10**6).map(Decimal)
rates = st.decimals(0, 1000, places=12)
flats = st.decimals(0, 1000, places=2)
free_units = st.one_of(st.just(ZERO), quantities)


@st.composite
def tier_rows(draw: st.DrawFn, flat: st.SearchStrategy[Decimal] = flats) -> tuple[Tier, ...]:
    bounds = sorted(draw(st.sets(st.decimals("0.000001", 10**9, places=6), max_size=4)))
    return tuple(Tier(bound, draw(rates), draw(flat)) for bound in [*bounds, None])


per_unit = st.builds(PerUnit, rates, flats, free_units)
package = st.builds(
    Package,
    st.decimals("0.000001", 10**9, places=6),
    rates,
    flats,
    free_units,
    st.sampled_from(["up", "down"]),
)
graduated = st.builds(Graduated, tier_rows(), free_units)
volume = st.builds(Volume, tier_rows(), free_units)
in_parts: st.SearchStrategy[Price] = st.one_of(per_unit, package, graduated)
prices: st.SearchStrategy[Price] = st.one_of(in_parts, volume)


def exact_total(price: Price, quantity: Decimal) -> Fraction:
    """The definitions over again in fractions, the referee of the arithmetic."""
    paid = Fraction(quantity) - Fraction(price.free_units)
    if paid <= 0:
        return Fraction(0)
    match price:
        case PerUnit():
            return Fraction(price.flat) + paid * Fraction(price.unit_price)
        case Package():
            packages = paid / Fraction(price.size)
            count = -(-packages.numerator // packages.denominator) if price.rounding == "up" else int(packages)
            return Fraction(price.flat) + count * Fraction(price.price)
        case Graduated():
            lower = [Fraction(0), *(Fraction(tier.up_to) for tier in price.tiers if tier.up_to is not None)]
            reached = [(start, tier) for start, tier in zip(lower, price.tiers, strict=True) if paid > start]
            ends = [start for start, _ in reached[1:]] + [paid]
            return sum(
                (
                    Fraction(tier.flat) + (end - start) * Fraction(tier.unit_price)
                    for (start, tier), end in zip(reached, ends, strict=True)
                ),
                Fraction(0),
            )
        case Volume():
            tier = next(tier for tier in price.tiers if tier.up_to is None or paid <= Fraction(tier.up_to))
            return Fraction(tier.flat) + paid * Fraction(tier.unit_price)


@given(prices, quantities)
def test_prices_are_exact_above_2_to_the_53_and_below_a_millionth(price: Price, quantity: Decimal) -> None:
    assert Fraction(price_of(price, quantity)) == exact_total(price, quantity)


@given(prices, quantities, quantities)
def test_prices_are_never_negative(price: Price, quantity: Decimal, start: Decimal) -> None:
    assert price_of(price, quantity, start) >= 0


@given(prices, quantities)
def test_nothing_costs_nothing(price: Price, start: Decimal) -> None:
    assert price_of(price, ZERO, start) == 0


@given(in_parts, st.lists(quantities, min_size=1, max_size=6))
def test_selling_in_parts_costs_what_selling_at_once_does(price: Price, parts: list[Decimal]) -> None:
    sold, paid = ZERO, ZERO
    for part in parts:
        paid = WIDE.add(paid, price_of(price, part, sold))
        sold += part
    assert paid == price_of(price, sold)


@given(in_parts, quantities, quantities)
def test_more_never_costs_less(price: Price, quantity: Decimal, more: Decimal) -> None:
    assert price_of(price, quantity + more) >= price_of(price, quantity)


@given(st.builds(Graduated, tier_rows(flat=st.just(ZERO)), free_units), quantities)
def test_graduated_prices_do_not_jump(price: Graduated, quantity: Decimal) -> None:
    step = Decimal("0.000001")
    dearest = max(tier.unit_price for tier in price.tiers)
    assert price_of(price, step, quantity) <= WIDE.multiply(step, dearest)


@given(volume.filter(lambda price: not cheaper_when_more(price)), quantities, quantities)
def test_a_volume_price_without_a_warning_never_makes_more_cheaper(
    price: Volume, quantity: Decimal, more: Decimal
) -> None:
    assert price_of(price, quantity + more) >= price_of(price, quantity)


@given(volume)
def test_a_warning_of_a_volume_price_names_a_real_drop(price: Volume) -> None:
    for drop in cheaper_when_more(price):
        just_above = next(tier for tier in price.tiers if tier.up_to is None or tier.up_to > drop.quantity)
        assert drop.total_at == price_of(Volume(price.tiers), drop.quantity)
        assert drop.total_above == WIDE.fma(drop.quantity, just_above.unit_price, just_above.flat)
        assert drop.total_above < drop.total_at


@given(st.integers(1, 10**6), st.integers(0, 10**15), rates)
def test_packages_are_counted_in_whole_numbers(size: int, quantity: int, rate: Decimal) -> None:
    packages = Decimal(-(-quantity // size))
    assert price_of(Package(Decimal(size), rate), Decimal(quantity)) == WIDE.multiply(packages, rate)


@st.composite
def months(draw: st.DrawFn) -> list[list[PricedLine]]:
    """Sales, one after another: each of some lines, and of some lines what was used since the sale before."""
    lines = draw(st.lists(in_parts, min_size=1, max_size=4))
    settled = [ZERO] * len(lines)
    sales = []
    for _ in range(draw(st.integers(1, 6))):
        sale = []
        for number, price in enumerate(lines):
            quantity = draw(st.one_of(st.just(ZERO), st.integers(1, 300).map(Decimal), quantities))
            if quantity:
                key = LineKey(BEGIN + timedelta(days=number), "pro")
                line = OverageLine(key, BEGIN, settled[number] + quantity, settled[number])
                sale.append(price_due(line, price))
                settled[number] += quantity
        sales.append(sale)
    return sales


@given(months(), st.sampled_from(["USD", "JPY", "KWD"]))
def test_promise_10_money_in_parts_is_money_at_once(sales: list[list[PricedLine]], currency: str) -> None:
    """Issue 11, point 17: after each sale, all that was charged is the exact price of all that was sold, rounded once."""
    remainder, exact, charged = ZERO, ZERO, Money(ZERO, currency)
    for priced in sales:
        sold = sale_of(priced, remainder, currency)
        exact = exact_sum(exact, *(part.price for part in sold))
        amount = sum((part.amount for part in sold), start=Money(ZERO, currency))
        charged += amount
        remainder = exact_sum(remainder, -amount.amount, *(part.price for part in sold))
        assert charged == round_half_up(exact, currency)
        assert all(part.amount.amount >= 0 for part in sold)


@given(st.lists(st.tuples(in_parts, quantities.filter(bool)), min_size=1, max_size=80))
def test_point_11_a_merged_line_costs_what_its_lines_cost(lines: list[tuple[Price, Decimal]]) -> None:
    due = [
        OverageLine(LineKey(BEGIN + timedelta(days=number), "pro"), BEGIN, quantity, prices={"USD": price})
        for number, (price, quantity) in enumerate(lines)
    ]
    merged = merged_line(due, segment=7)
    assert merged.prices is not None
    assert merged.due == sum((line.due for line in due), ZERO)
    exact = exact_sum(*(price_of(price, quantity) for price, quantity in lines))
    difference = WIDE.subtract(price_due(merged, merged.prices["USD"]).price, exact)
    assert abs(difference) <= Decimal("0.000000000001")


@given(st.lists(st.integers(0, 5), max_size=12), st.integers(1, 6))
def test_point_11_no_line_waits_behind_one_that_is_worth_less(worths: list[int], lines_max: int) -> None:
    priced = [
        PricedLine(OverageLine(LineKey(BEGIN + timedelta(days=number), None), BEGIN, Decimal(1)), Decimal(worth))
        for number, worth in enumerate(worths)
    ]
    chosen = worth_most(priced, lines_max)
    assert len(chosen) == min(lines_max, len(priced))
    assert list(chosen) == [each for each in priced if each in chosen]
    waiting = [each.price for each in priced if each not in chosen]
    assert max(waiting, default=ZERO) <= min((each.price for each in chosen), default=ZERO)
