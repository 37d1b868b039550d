"""Promise 10: prices match the worked examples of those who define them."""

from decimal import Decimal
from fractions import Fraction

import pytest

from pancake_meter.domain.selling.pricing import (
    MAX_RATE,
    MAX_TIERS,
    Graduated,
    InvalidPrice,
    Package,
    PerUnit,
    Price,
    PriceDrop,
    Tier,
    Volume,
    cheaper_when_more,
    check_rate,
    line_amount,
    lump_price,
    model_total,
    price_of,
)

D = Decimal


def tiers(*rows: tuple[str | None, str] | tuple[str | None, str, str]) -> tuple[Tier, ...]:
    """Tiers as (up to and including, price of a unit, flat fee); ``None`` is without end."""
    return tuple(
        Tier(D(up_to) if up_to else None, D(unit), D(flat[0]) if flat else D(0)) for up_to, unit, *flat in rows
    )


STRIPE = tiers(("5", "7"), ("10", "6.50"), (None, "6"))
LAGO_GRADUATED = Graduated(tiers(("10", "10", "2"), ("20", "5", "3"), (None, "5", "3")))
LAGO_VOLUME = Volume(tiers(("100", "2", "10"), ("200", "1"), (None, "0.5", "50")))
FLEXPRICE_SLAB = Graduated(tiers(("5", "0"), ("10", "2"), (None, "3")))
FLEXPRICE_FLATS = Graduated(tiers(("5", "0", "1"), ("10", "1", "2"), (None, "2", "0")))
FLEXPRICE_FRACTIONS = Graduated(tiers(("1", "10"), ("2", "20"), (None, "30")))
AUTUMN = Graduated(tiers(("1000", "0.01"), ("10000", "0.008"), (None, "0.005")))
FLEXPRICE_PACKAGE = Package(D(100), D(1))

GOLDEN: list[tuple[str, Price, str, str]] = [
    ("Stripe: volume", Volume(STRIPE), "5", "35"),
    ("Stripe: volume", Volume(STRIPE), "6", "39"),
    ("Stripe: volume", Volume(STRIPE), "20", "120"),
    ("Stripe: volume", Volume(STRIPE), "25", "150"),
    ("Stripe: graduated", Graduated(STRIPE), "5", "35"),
    ("Stripe: graduated", Graduated(STRIPE), "6", "41.50"),
    ("Stripe: graduated", Graduated(STRIPE), "20", "127.50"),
    ("Stripe: graduated", Graduated(STRIPE), "25", "157.50"),
    ("Lago: graduated_service_spec", LAGO_GRADUATED, "1", "12"),
    ("Lago: graduated_service_spec", LAGO_GRADUATED, "10", "102"),
    ("Lago: graduated_service_spec", LAGO_GRADUATED, "11", "110"),
    ("Lago: graduated_service_spec", LAGO_GRADUATED, "12", "115"),
    ("Lago: volume_service_spec", LAGO_VOLUME, "1", "12"),
    ("Lago: volume_service_spec", LAGO_VOLUME, "100", "210"),
    ("Lago: volume_service_spec", LAGO_VOLUME, "100.5", "100.5"),
    ("Lago: volume_service_spec", LAGO_VOLUME, "101", "101"),
    ("Lago: docs, volume of calls", Volume(tiers((None, "0.0006", "10"))), "65000", "49"),
    ("Lago: package_service_spec", Package(D(10), D(100)), "121", "1300"),
    ("Lago: package_service_spec", Package(D(10), D(100), free_units=D(10)), "121", "1200"),
    ("Lago: package_service_spec", Package(D(10), D(100), free_units=D(200)), "121", "0"),
    ("Lago: docs, package", Package(D(100), D(5), free_units=D(100)), "201", "10"),
    ("Flexprice: price_test.go, package", FLEXPRICE_PACKAGE, "0", "0"),
    ("Flexprice: price_test.go, package", FLEXPRICE_PACKAGE, "2", "1"),
    ("Flexprice: price_test.go, package", FLEXPRICE_PACKAGE, "99", "1"),
    ("Flexprice: price_test.go, package", FLEXPRICE_PACKAGE, "100", "1"),
    ("Flexprice: price_test.go, package", FLEXPRICE_PACKAGE, "101", "2"),
    ("Flexprice: price_test.go, package", FLEXPRICE_PACKAGE, "150", "2"),
    ("Flexprice: price_test.go, package", FLEXPRICE_PACKAGE, "300", "3"),
    ("Flexprice: price_test.go, package down", Package(D(100), D(1), rounding="down"), "50", "0"),
    ("Flexprice: price_test.go, package down", Package(D(100), D(1), rounding="down"), "250", "2"),
    ("Flexprice: slab", FLEXPRICE_SLAB, "5", "0"),
    ("Flexprice: slab", FLEXPRICE_SLAB, "7", "4"),
    ("Flexprice: slab", FLEXPRICE_SLAB, "10", "10"),
    ("Flexprice: slab", FLEXPRICE_SLAB, "11", "13"),
    ("Flexprice: slab", FLEXPRICE_SLAB, "15", "25"),
    ("Flexprice: slab with flats", FLEXPRICE_FLATS, "3", "1"),
    ("Flexprice: slab with flats", FLEXPRICE_FLATS, "7", "5"),
    ("Flexprice: slab with flats", FLEXPRICE_FLATS, "12", "12"),
    ("Flexprice: slab, fractions", FLEXPRICE_FRACTIONS, "2", "30"),
    ("Flexprice: slab, fractions", FLEXPRICE_FRACTIONS, "2.5", "45"),
    ("Flexprice: slab, fractions", FLEXPRICE_FRACTIONS, "3", "60"),
    ("Autumn: docs", AUTUMN, "15000", "107"),
    ("Chargebee: docs, package", Package(D(1_000_000), D("1.25")), "10", "1.25"),
    ("Chargebee: docs, package", Package(D(1_000_000), D("1.25")), "1500000", "2.50"),
]


@pytest.mark.parametrize(("source", "price", "quantity", "amount"), GOLDEN)
def test_golden_numbers(source: str, price: Price, quantity: str, amount: str) -> None:
    # When / Then
    assert price_of(price, D(quantity)) == D(amount), source


@pytest.mark.parametrize(
    ("source", "price", "amount"),
    [
        ("Lago: graduated_service_spec", LAGO_GRADUATED, "2"),
        ("Lago: volume_service_spec", LAGO_VOLUME, "10"),
        ("Flexprice: price_test.go", FLEXPRICE_PACKAGE, "0"),
    ],
)
def test_golden_numbers_of_nothing_are_the_models_but_never_ours_to_charge(
    source: str, price: Price, amount: str
) -> None:
    # When / Then
    assert model_total(price, D(0)) == D(amount), source
    assert price_of(price, D(0)) == 0


def test_a_fraction_between_two_tiers_belongs_to_the_next() -> None:
    # Given: Lago PR 1699 mended an error at 5.5
    graduated = Graduated(tiers(("5", "1"), (None, "2", "10")))

    # When / Then
    assert price_of(graduated, D(5)) == 5
    assert price_of(graduated, D("5.5")) == 5 + 10 + 1
    assert price_of(Volume(graduated.tiers), D("5.5")) == 10 + 11


@pytest.mark.parametrize(
    "price",
    [
        PerUnit(D("0.25"), flat=D(3), free_units=D(10)),
        Package(D(10), D(1), flat=D(3), free_units=D(10)),
        Graduated(tiers(("5", "1", "2"), (None, "2", "4")), free_units=D(10)),
        Volume(tiers((None, "1", "2")), free_units=D(10)),
    ],
)
def test_free_units_cost_nothing_flat_fees_included(price: Price) -> None:
    # When / Then
    assert price_of(price, D(10)) == 0
    assert price_of(price, D(11)) > 0
    assert price_of(price, D(1), from_quantity=D(10)) == price_of(price, D(11))


def test_a_flat_fee_is_charged_once_however_many_parts_there_are() -> None:
    # Given
    price = PerUnit(D(1), flat=D(5))

    # When
    parts = [price_of(price, D(10), from_quantity=D(start)) for start in (0, 10, 20)]

    # Then
    assert parts == [15, 10, 10]
    assert sum(parts) == price_of(price, D(30))


def test_overage_is_priced_from_where_billing_stopped() -> None:
    # Given: 800 units were billed at 0.01; the first tier has 200 left
    # When
    part = price_of(AUTUMN, D(1200), from_quantity=D(800))

    # Then
    assert part == D(200) * D("0.01") + D(1000) * D("0.008")


def test_a_started_package_is_used_up_before_the_next_is_charged() -> None:
    # Given
    price = Package(D(1000), D("0.03"))

    # When
    parts = [price_of(price, D(quantity), from_quantity=D(start)) for start, quantity in ((0, 1), (1, 999), (1000, 1))]

    # Then
    assert parts == [D("0.03"), 0, D("0.03")]


def test_a_volume_part_that_would_cost_less_than_nothing_is_free() -> None:
    # When / Then: 100 units are 210, 101 are 101
    assert price_of(LAGO_VOLUME, D(1), from_quantity=D(100)) == 0


def test_amounts_above_2_to_the_53_lose_nothing() -> None:
    # Given: a float would see 9007199254740993 units as 9007199254740992, and a package fewer
    units = D(2**53 + 1)

    # When / Then
    assert price_of(Package(D(2**53), D(1)), units) == 2
    assert price_of(PerUnit(D("0.000000000001")), units) == D("9007.199254740993")
    assert price_of(PerUnit(D("999999999.999999999999")), D(10) ** 15) == D(10) ** 24 - 1000


@pytest.mark.parametrize(("currency", "display"), [("USD", "1.81"), ("JPY", "2"), ("KWD", "1.812")])
def test_scenario_84_a_line_is_rounded_half_up_once_at_the_end(currency: str, display: str) -> None:
    # Given: three tiers of 0.604, 0.603 and 0.605; rounded one by one they would make 1.80 dollars or 3 yen
    price = Graduated(tiers(("100", "0.00604"), ("200", "0.00603"), (None, "0.00605")))

    # When / Then
    assert price_of(price, D(300)) == D("1.812")
    assert line_amount(price, D(300), currency).display == display


def test_the_issues_example_of_120350_tokens_over_a_graduated_price() -> None:
    # Given: 100,000 tokens at 0.02 a thousand, then 0.015
    dollars = Graduated(tiers(("100000", "0.00002"), (None, "0.000015")))
    yen = Graduated(tiers(("100000", "0.003"), (None, "0.00225")))

    # When / Then: 2.00 + 0.30525, and 300 + 45.7875
    assert line_amount(dollars, D(120_350), "USD").display == "2.31"
    assert line_amount(yen, D(120_350), "JPY").display == "346"


def test_a_later_part_costs_what_it_adds() -> None:
    dollars = Graduated(tiers(("100000", "0.00002"), (None, "0.000015")))
    assert line_amount(dollars, D(20_350), "USD", D(100_000)).display == "0.31"


def test_point_11_a_lump_price_is_exact_however_large_the_line() -> None:
    quantity, total = D("123456789012345.123457"), D("123456788888888888888888.123456789012")
    off = Fraction(price_of(lump_price(quantity, total), quantity)) - Fraction(total)
    assert abs(off) <= Fraction(1, 2 * 10**12)
    # What no price of a unit can state is a flat fee, rounded half up to the last place
    assert lump_price(D(3), D("0.000000000002")) == PerUnit(D(0), D("0.000000000002"))
    assert lump_price(D("0.3"), D("0.0000000000015")).flat == D("0.000000000000")
    assert lump_price(D(1), D("1.0000000000005")).flat == D("0.000000000001")
    assert lump_price(D(1), MAX_RATE * 2) == PerUnit(MAX_RATE, MAX_RATE)


def test_a_price_has_up_to_50_tiers() -> None:
    rows = [(str(number), "1") for number in range(1, MAX_TIERS)]
    assert len(Graduated(tiers(*rows, (None, "1"))).tiers) == len(Volume(tiers((None, "1"))).tiers) + 49


def test_totals_are_exact_beyond_the_28_digits_of_usual_arithmetic() -> None:
    unit, quantity = D("0.123456789012"), D("123456789012345.123457")
    exact = Fraction(unit) * Fraction(quantity)
    for price in (PerUnit(unit), Volume((Tier(None, unit),)), Graduated((Tier(None, unit),))):
        assert Fraction(model_total(price, quantity)) == exact


def test_where_more_costs_less_is_told_exactly() -> None:
    most = D("999999999999999.999999")
    (drop,) = cheaper_when_more(Volume((Tier(most, D("1.000000000001")), Tier(None, D(1), D("999.999999999999")))))
    assert (drop.quantity, drop.total_at, drop.total_above) == (
        most,
        D("1000000000000999.999998999999999999"),
        D("1000000000000999.999998999999"),
    )


@pytest.mark.parametrize("rate", ["0", "1000000000", "0.000000000001", "1E+3"])
def test_a_rate_is_from_0_to_a_billion_with_12_decimal_places(rate: str) -> None:
    check_rate(D(rate))


@pytest.mark.parametrize("rate", ["-0.000000000001", "1000000000.000000000001", "0.0000000000001", "NaN", "Infinity"])
def test_any_other_rate_is_refused(rate: str) -> None:
    with pytest.raises(InvalidPrice) as refused:
        check_rate(D(rate), "price")
    assert refused.value.details == {"field": "price"}
    with pytest.raises(InvalidPrice) as refused:
        check_rate(D(rate))
    assert refused.value.details == {"field": ""}


def test_negative_quantities_are_a_fault_of_the_caller() -> None:
    # When / Then
    with pytest.raises(ValueError, match="zero or more"):
        price_of(PerUnit(D(1)), D(-1))
    with pytest.raises(ValueError, match="zero or more"):
        price_of(PerUnit(D(1)), D(1), from_quantity=D(-1))


@pytest.mark.parametrize(
    ("field", "rows"),
    [
        ("tiers", ()),
        ("tiers", (("1", "1"),) * MAX_TIERS + ((None, "1"),)),
        ("tiers[0].up_to", (("5", "1"),)),
        ("tiers[0].up_to", ((None, "1"), (None, "1"))),
        ("tiers[0].up_to", (("0", "1"), (None, "1"))),
        ("tiers[1].up_to", (("5", "1"), ("5", "1"), (None, "1"))),
        ("tiers[1].up_to", (("5", "1"), ("4", "1"), (None, "1"))),
        ("tiers[0].unit_price", (("5", "-1"), (None, "1"))),
        ("tiers[1].unit_price", (("5", "1"), (None, "0.0000000000001"))),
        ("tiers[0].flat", ((None, "1", "1000000001"),)),
        ("tiers[0].unit_price", ((None, "NaN"),)),
    ],
)
def test_tiers_that_contradict_themselves_are_refused(field: str, rows: tuple[tuple[str | None, str], ...]) -> None:
    # When / Then
    for model in (Graduated, Volume):
        with pytest.raises(InvalidPrice) as refused:
            model(tiers(*rows))
        assert refused.value.details["field"] == field


def test_packages_and_unit_prices_that_contradict_themselves_are_refused() -> None:
    # When / Then
    for field, make in (
        ("size", lambda: Package(D(0), D(1))),
        ("price", lambda: Package(D(1), D(-1))),
        ("flat", lambda: Package(D(1), D(1), flat=D(-1))),
        ("free_units", lambda: PerUnit(D(1), free_units=D(-1))),
        ("free_units", lambda: Graduated(tiers((None, "1")), D(-1))),
        ("free_units", lambda: Volume(tiers((None, "1")), D(-1))),
        ("free_units", lambda: Package(D(1), D(1), free_units=D(-1))),
        ("unit_price", lambda: PerUnit(D("Infinity"))),
        ("flat", lambda: PerUnit(D(1), flat=D(-1))),
    ):
        with pytest.raises(InvalidPrice) as refused:
            make()
        assert refused.value.details["field"] == field


def test_a_volume_price_says_where_more_costs_less() -> None:
    # When / Then
    assert cheaper_when_more(LAGO_VOLUME) == (PriceDrop(D(100), D(210), D(100)), PriceDrop(D(200), D(200), D(150)))
    assert cheaper_when_more(Volume(tiers(("10", "1"), (None, "1", "5")))) == ()
