"""Quantities as they are sent: plain digits, exact, of a length that somebody could mean."""

from decimal import Decimal, InvalidOperation
from typing import Any, Final

from pancake_meter_client.errors import invalid

DIGITS_MAX: Final = 38
"""Digits before the point, or after it; the API says what it takes of these."""


def plain(quantity: Decimal | float) -> str:
    """Return a quantity in plain digits: ``Decimal("1E+3")`` is ``1000``.

    Raises:
        InvalidRequest: it is no number, not finite, or longer than ``DIGITS_MAX``.
    """
    if isinstance(quantity, bool):
        raise invalid("invalid_quantity", "a quantity is an int or a Decimal, not bool")
    try:
        number = quantity if isinstance(quantity, Decimal) else Decimal(str(quantity))
    except (InvalidOperation, TypeError, ValueError) as error:
        raise invalid(
            "invalid_quantity", f"a quantity is an int or a Decimal, not {type(quantity).__name__}"
        ) from error
    if not number.is_finite():
        raise invalid("invalid_quantity", f"a quantity is a finite number, not {number}")
    if number.adjusted() >= DIGITS_MAX or int(number.as_tuple().exponent) < -DIGITS_MAX:
        raise invalid("invalid_quantity", f"a quantity has at most {DIGITS_MAX} digits on each side of the point")
    return format(number, "f")


def sendable(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a request as JSON can carry them: decimals in plain digits."""
    return {name: plain(value) if isinstance(value, Decimal) else value for name, value in fields.items()}
