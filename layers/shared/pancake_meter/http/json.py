"""JSON at the edge: numbers are Decimal on the way in, and never lose a digit on the way out."""

import json
from decimal import Decimal
from typing import Any, Final, NoReturn

BODY_BYTES_MAX: Final = 1_000_000
DEPTH_MAX: Final = 20

_EXACT_IN_A_DOUBLE = Decimal(2**53)
_SIGNIFICANT_DIGITS_OF_A_DOUBLE = 15


class MalformedJson(Exception):
    """The body is not JSON, or beyond the bounds that are read; the message is safe to show."""


def loads(
    body: bytes | str, *, bytes_max: int = BODY_BYTES_MAX, depth_max: int | None = DEPTH_MAX, allow_nan: bool = False
) -> Any:
    """Parse a body; every number that is not an integer becomes a ``Decimal``. ``depth_max`` of ``None`` is the parser's.

    Raises:
        MalformedJson: it is not UTF-8 JSON, or too large, or too deep, or has NaN or Infinity where they are not allowed.
    """
    if len(body) > bytes_max:
        raise MalformedJson(f"the body is larger than {bytes_max} bytes")
    try:
        text = body.decode() if isinstance(body, bytes) else body
        parsed = json.loads(text, parse_float=Decimal, parse_constant=Decimal if allow_nan else _refuse_constant)
    except (ValueError, ArithmeticError) as error:
        raise MalformedJson("the body is not JSON") from error
    except RecursionError as error:
        raise MalformedJson("the body is nested too deep") from error
    if depth_max is not None and _depth(parsed, depth_max) > depth_max:
        raise MalformedJson(f"the body is nested deeper than {depth_max} levels")
    return parsed


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


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


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
