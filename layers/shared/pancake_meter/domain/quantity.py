"""Quantities: exact decimal numbers of units, at most 6 decimal places, 0 to 10**15."""

import re
from decimal import Context, Decimal, Inexact, InvalidOperation
from fractions import Fraction
from typing import ClassVar

from pancake_meter.domain.errors import DomainError

MAX_QUANTITY = Decimal(10) ** 15
QUANTITY_DECIMAL_PLACES = 6

_PLAIN = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?")
_DIGITS_MAX = 80
SMALLEST_QUANTITY = Decimal(1).scaleb(-QUANTITY_DECIMAL_PLACES)
"""The least amount above nothing."""
_EXACT_IN_A_DOUBLE = Decimal(2**53)
_SIGNIFICANT_DIGITS_OF_A_DOUBLE = 15
_EXACT = Context(prec=_DIGITS_MAX, traps=[Inexact, InvalidOperation])


class InvalidQuantity(DomainError):
    """A value is not a quantity: not an exact number, too precise, or out of bounds."""

    code: ClassVar[str] = "invalid_quantity"


def parse_quantity(value: object, *, minimum: Decimal = Decimal(0)) -> Decimal:
    """Return ``value`` as a quantity in its one normal form: no exponent, no trailing zeros, no negative zero.

    Accepts ``int``, ``Decimal``, and ``str`` in plain decimal notation. A float is refused: it is no longer the number
    that the caller wrote.

    Raises:
        InvalidQuantity: another type, no finite number, more than 6 decimal places, below ``minimum`` or above 10**15.
    """
    number = _number(value)
    if not number.is_finite():
        raise InvalidQuantity("a quantity is a finite number")
    if not minimum <= number <= MAX_QUANTITY:
        raise InvalidQuantity(
            f"a quantity is from {format_quantity(minimum)} to {format_quantity(MAX_QUANTITY)}",
            minimum=minimum,
            maximum=MAX_QUANTITY,
        )
    try:
        return normal_quantity(number.quantize(SMALLEST_QUANTITY, context=_EXACT))
    except (Inexact, InvalidOperation):
        raise InvalidQuantity(f"a quantity has at most {QUANTITY_DECIMAL_PLACES} decimal places") from None


def normal_quantity(quantity: Decimal) -> Decimal:
    """Return the normal form of an exact number: equal numbers get equal digits and exponents."""
    if quantity == quantity.to_integral_value():
        return _EXACT.plus(quantity.quantize(Decimal(1), context=_EXACT))
    return quantity.normalize(_EXACT)


def format_quantity(quantity: Decimal) -> str:
    """Return a number of units in plain decimal notation, without exponent or trailing zeros: ``"5"``, ``"0.25"``."""
    return format(normal_quantity(quantity), "f")


def json_number(number: Decimal) -> int | float | str:
    """Return a number as JSON carries it without losing a digit: one that a double cannot hold exactly becomes a text."""
    if number == number.to_integral_value():
        return int(number) if abs(number) <= _EXACT_IN_A_DOUBLE else format(number, "f")
    digits = len(number.as_tuple().digits)
    return float(number) if digits <= _SIGNIFICANT_DIGITS_OF_A_DOUBLE else format(number, "f")


def _number(value: object) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return Decimal(value)
    raise InvalidQuantity('a quantity is a number in plain decimal notation, such as 1500 or "0.25"')


def part_of(quantity: Decimal, share: Fraction) -> Decimal:
    """Return ``share`` (0 to 1) of a quantity, multiplied before it is divided: two thirds of 300 are 200.

    What does not come out even is rounded down: to whole units where the quantity is whole, else to the smallest amount.
    """
    step = Decimal(1) if quantity == quantity.to_integral_value() else SMALLEST_QUANTITY
    steps = Fraction(quantity) * share / Fraction(step)
    return normal_quantity(Decimal(steps.numerator // steps.denominator) * step)
