"""JSON at the edge: numbers are Decimal on the way in, and never lose a digit on the way out."""

import json
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn

from pancake_meter.domain.access.masking import masked
from pancake_meter.domain.quantity import json_number

DEPTH_MAX: Final = 20
BATCH_DEPTH_MAX: Final = 400
"""Far below what exhausts the stack, here or where an item is written to be kept."""

_NUMBER_LENGTH_MAX: Final = 100
_EXPONENT_MAX: Final = 1_000
_NAN: Final = Decimal("NaN")
_LARGEST: Final = 10**_NUMBER_LENGTH_MAX
"""Stands for a number with more digits: it is beyond every bound as well, and costs nothing."""

_KEY_LENGTH_MAX: Final = 128
_HALF: Final = re.compile("[\ud800-\udfff]")
_HALF_WRITTEN: Final = re.compile(r"\\u[dD][89a-fA-F]")


class MalformedJson(Exception):
    """The body is not JSON, or beyond the bounds that are read; the message is safe to show."""


class RepeatedKey(MalformedJson):
    """An object has the same key twice: which of the two values is meant, nobody can tell."""


class BodyTooLarge(Exception):
    """The body has more than ``bytes_max`` bytes."""

    def __init__(self, bytes_max: int) -> None:
        """Keep the bound."""
        super().__init__(f"a body has at most {bytes_max} bytes here")
        self.bytes_max = bytes_max


def loads(text: str) -> Any:
    """Parse a body of our own formats; every number that is not an integer becomes a ``Decimal``.

    A number of more than 100 characters, or with an exponent beyond 1,000, becomes one that no field accepts: 10**100 where
    it is as large, else ``NaN``. So nothing spends memory on its digits.

    Raises:
        RepeatedKey: an object has a key twice.
        MalformedJson: it is not JSON, or too deep, has NaN or Infinity, or half of a surrogate pair in a text.
    """
    parsed = _parsed(_STRICT, text, DEPTH_MAX)
    if _has_half_pair(text, parsed):
        raise MalformedJson("a text of the body has half of a surrogate pair")
    return parsed


def loads_batch(text: str) -> Any:
    """Parse a body with many items of our own: neither the depth of one of them nor its NaN may cost the others.

    Raises:
        RepeatedKey: an object has a key twice.
        MalformedJson: it is not JSON, or nested deeper than any item in practice.
    """
    return _parsed(_LENIENT, text, BATCH_DEPTH_MAX)


def loads_foreign(text: str) -> Any:
    """Parse a body with many items in another system's format: as ``loads_batch``, but of a repeated key the last counts.

    Raises:
        MalformedJson: it is not JSON, or nested deeper than any item in practice.
    """
    return _parsed(_FOREIGN, text, BATCH_DEPTH_MAX)


def is_whole(text: str) -> bool:
    """Return whether a text has no half of a surrogate pair: strict parsers refuse a document with one."""
    return _HALF.search(text) is None


def _has_half_pair(text: str, parsed: object) -> bool:
    """Return whether any text or key of the parsed ``text`` has half of a surrogate pair. Only an escape can write one."""
    level = [parsed] if _HALF_WRITTEN.search(text) is not None else []
    while level:
        if any(isinstance(node, str) and not is_whole(node) for node in level):
            return True
        level = [inner for node in level for inner in _inner(node)]
    return False


def _inner(node: object) -> list[Any]:
    if isinstance(node, dict):
        return [*node, *node.values()]
    return node if isinstance(node, list) else []


def _parsed(decoder: json.JSONDecoder, text: str, depth_max: int) -> Any:
    try:
        parsed = decoder.decode(text)
    except ValueError as error:
        raise MalformedJson("the body is not JSON") from error
    except RecursionError as error:
        raise MalformedJson("the body is nested too deep") from error
    if _depth(parsed, depth_max) > depth_max:
        raise MalformedJson(f"the body is nested deeper than {depth_max} levels")
    return parsed


def _integer(digits: str) -> int:
    if len(digits) <= _NUMBER_LENGTH_MAX:
        return int(digits)
    return -_LARGEST if digits.startswith("-") else _LARGEST


def _decimal(text: str) -> Decimal:
    if len(text) > _NUMBER_LENGTH_MAX:
        return _NAN
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent that not even a Decimal has
        return _NAN
    if number and number.adjusted() > _EXPONENT_MAX:
        return Decimal(_LARGEST).copy_sign(number)
    return number if abs(number.adjusted()) <= _EXPONENT_MAX else _NAN


def _not_a_number(_: str) -> Decimal:
    return _NAN


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise RepeatedKey(f'the key "{masked(key)[:_KEY_LENGTH_MAX]}" is there twice')
        seen.add(key)
    return found


def _decoder(
    constant: Callable[[str], Any], pairs: Callable[[list[tuple[str, Any]]], dict[str, Any]] | None
) -> json.JSONDecoder:
    return json.JSONDecoder(parse_int=_integer, parse_float=_decimal, parse_constant=constant, object_pairs_hook=pairs)


# Made once: a body of many lines is parsed line by line.
_STRICT: Final = _decoder(_refuse_constant, _unique)
_LENIENT: Final = _decoder(_not_a_number, _unique)
_FOREIGN: Final = _decoder(_not_a_number, None)


def dumps(value: object) -> str:
    """Serialise an answer. A quantity that a double cannot carry exactly is written as a string.

    Half of a surrogate pair, which somebody else's format may have brought, becomes U+FFFD: strict parsers refuse it.
    """
    written = json.dumps(value, default=_number, separators=(",", ":"))
    if _HALF_WRITTEN.search(written) is None:
        return written
    return _HALF.sub("\ufffd", json.dumps(value, default=_number, separators=(",", ":"), ensure_ascii=False))


def _number(value: object) -> int | float | str:
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} has no JSON form")
    return json_number(value)


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
