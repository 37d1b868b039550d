"""Quantities: one exact form in, one form out."""

from decimal import Decimal
from fractions import Fraction

import pytest

from pancake_meter.domain.quantity import (
    MAX_QUANTITY,
    InvalidQuantity,
    format_quantity,
    json_number,
    parse_quantity,
    part_of,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (75, "75"),
        ("75", "75"),
        ("0.5", "0.5"),
        ("0075.500", "75.5"),
        ("-0", "0"),
        (Decimal("5E+3"), "5000"),
        (Decimal("5.000000"), "5"),
        (Decimal("-0.00"), "0"),
        (Decimal("0.000001"), "0.000001"),
        ("1.10000000000000", "1.1"),
        (10**15, "1000000000000000"),
        ("999999999999999.999999", "999999999999999.999999"),
    ],
)
def test_equal_numbers_have_one_form(value: object, text: str) -> None:
    # When
    quantity = parse_quantity(value)

    # Then
    assert str(quantity) == text == format_quantity(quantity)


@pytest.mark.parametrize(
    "value",
    [
        -1,
        "-0.000001",
        10**15 + 1,
        "1000000000000000.000001",
        2**63 + 1,
        pytest.param(10**5000, id="an integer of 5001 digits"),
        Decimal("1E+400"),
        Decimal("1E-400"),
        Decimal("1E+999999"),
        "0.0000001",
        Decimal("1." + "1" * 50),
        "1" * 38 + ".5",
        "9" * 500,
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        Decimal("-Infinity"),
        "NaN",
        "inf",
        "1e3",
        "1,000",
        "1_000",
        "+1",
        " 1",
        "1\n",
        "1.",
        ".5",
        "0x10",
        "١٢",
        "",
        0.1,
        float("nan"),
        True,
        None,
        [1],
        b"1",
    ],
)
def test_scenario_55_what_is_not_exact_or_within_bounds_is_refused(value: object) -> None:
    # When / Then
    with pytest.raises(InvalidQuantity) as refused:
        parse_quantity(value)
    assert refused.value.code == "invalid_quantity"


def test_a_minimum_refuses_zero_and_says_the_bounds() -> None:
    # Given
    minimum = Decimal("0.000001")

    # When
    with pytest.raises(InvalidQuantity) as refused:
        parse_quantity(0, minimum=minimum)

    # Then
    assert refused.value.details == {"minimum": minimum, "maximum": MAX_QUANTITY}
    assert parse_quantity("0.000001", minimum=minimum) == minimum


@pytest.mark.parametrize(
    ("quantity", "text"),
    [
        ("5.0", "5"),
        ("-2.50", "-2.5"),
        ("1E+2", "100"),
        ("0E-6", "0"),
        ("1E-9", "0.000000001"),
        ("1" * 40, "1" * 40),
        ("0." + "1" * 40, "0." + "1" * 40),
    ],
)
def test_results_of_arithmetic_are_written_plainly(quantity: str, text: str) -> None:
    # When / Then
    assert format_quantity(Decimal(quantity)) == text


@pytest.mark.parametrize(
    ("quantity", "share", "part"),
    [
        ("300", Fraction(2, 3), "200"),
        ("30000", Fraction(6, 18), "10000"),
        ("300", Fraction(1, 7), "42"),
        ("300.5", Fraction(1, 3), "100.166666"),
        ("0.000001", Fraction(1, 2), "0"),
        ("300", Fraction(1), "300"),
        ("0.25", Fraction(1), "0.25"),
        ("300", Fraction(0), "0"),
        ("999999999999999", Fraction(999_999_999, 1_000_000_000), "999999998999999"),
    ],
)
def test_point_18_a_part_is_multiplied_before_it_is_divided_and_whole_where_the_quantity_is(
    quantity: str, share: Fraction, part: str
) -> None:
    assert format_quantity(part_of(Decimal(quantity), share)) == part


@pytest.mark.parametrize(
    ("number", "in_json"),
    [
        ("5", 5),
        ("5.00", 5),
        ("-3", -3),
        ("1E+2", 100),
        ("0.25", 0.25),
        ("123456789.012345", 123456789.012345),
        ("123456789.0123456", "123456789.0123456"),
        (str(2**53), 2**53),
        (str(-(2**53)), -(2**53)),
        (str(2**53 + 1), str(2**53 + 1)),
        ("1E+20", "1" + "0" * 20),
        ("1.234567890123456E-10", "0.0000000001234567890123456"),
    ],
)
def test_a_number_that_a_double_cannot_hold_is_a_text_of_all_its_digits(number: str, in_json: object) -> None:
    written = json_number(Decimal(number))
    assert (written, type(written)) == (in_json, type(in_json))
