"""JSON at the edge: numbers are Decimal on the way in, and never lose a digit on the way out."""

import json
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn

DEPTH_MAX: Final = 20
BATCH_DEPTH_MAX: Final = 400
"""Far below what exhausts the stack, here or where an item is written to be kept."""

_NUMBER_LENGTH_MAX: Final = 100
_EXPONENT_MAX: Final = 1_000
_NAN: Final = Decimal("NaN")

_EXACT_IN_A_DOUBLE = Decimal(2**53)
_SIGNIFICANT_DIGITS_OF_A_DOUBLE = 15


class MalformedJson(Exception):
    """The body is not JSON, or beyond the bounds that are read; the message is safe to show."""


class BodyTooLarge(Exception):
    """The body has more than ``bytes_max`` bytes."""

    def __init__(self, bytes_max: int) -> None:
        """Keep the bound."""
        super().__init__(f"a body has at most {bytes_max} bytes here")
        self.bytes_max = bytes_max


def loads(text: str, *, depth_max: int = DEPTH_MAX, allow_nan: bool = False) -> Any:
    """Parse a body; every number that is not an integer becomes a ``Decimal``.

    A number of more than 100 characters, or with an exponent beyond 1,000, becomes ``NaN``: no field accepts it, and
    nothing spends memory on its digits.

    Raises:
        MalformedJson: it is not JSON, or too deep, or has NaN or Infinity where they are not allowed.
    """
    try:
        parsed = (_LENIENT if allow_nan else _STRICT).decode(text)
    except ValueError as error:
        raise MalformedJson("the body is not JSON") from error
    except RecursionError as error:
        raise MalformedJson("the body is nested too deep") from error
    if _depth(parsed, depth_max) > depth_max:
        raise MalformedJson(f"the body is nested deeper than {depth_max} levels")
    return parsed


def loads_batch(text: str) -> Any:
    """Parse a body with many items: neither the depth of one of them nor its NaN may cost the others.

    Raises:
        MalformedJson: it is not JSON, or nested deeper than any item in practice.
    """
    return loads(text, depth_max=BATCH_DEPTH_MAX, allow_nan=True)


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= _NUMBER_LENGTH_MAX else _NAN


def _decimal(text: str) -> Decimal:
    if len(text) > _NUMBER_LENGTH_MAX:
        return _NAN
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent that not even a Decimal has
        return _NAN
    return number if abs(number.adjusted()) <= _EXPONENT_MAX else _NAN


def _not_a_number(_: str) -> Decimal:
    return _NAN


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# Made once: a body of many lines is parsed line by line.
_STRICT: Final = json.JSONDecoder(parse_int=_integer, parse_float=_decimal, parse_constant=_refuse_constant)
_LENIENT: Final = json.JSONDecoder(parse_int=_integer, parse_float=_decimal, parse_constant=_not_a_number)


def dumps(value: object) -> str:
    """Serialise an answer. A quantity that a double cannot carry exactly is written as a string."""
    return json.dumps(value, default=_number, separators=(",", ":"))


def _number(value: object) -> int | float | str:
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} has no JSON form")
    if value == value.to_integral_value():
        return int(value) if abs(value) <= _EXACT_IN_A_DOUBLE else format(value, "f")
    digits = len(value.as_tuple().digits)
    return float(value) if digits <= _SIGNIFICANT_DIGITS_OF_A_DOUBLE else format(value, "f")


def _depth(value: object, depth_max: int) -> int:
    """Nesting of a parsed value, found level by level: a deep one must not exhaust the stack."""
    depth, level = 0, [value]
    while level:
        depth += 1
        if depth > depth_max:
            break
        level = [child for node in level for child in _children(node)]
    return depth


def _children(node: object) -> list[Any]:
    if isinstance(node, dict):
        return [child for child in node.values() if isinstance(child, dict | list)]
    if isinstance(node, list):
        return [child for child in node if isinstance(child, dict | list)]
    return []
