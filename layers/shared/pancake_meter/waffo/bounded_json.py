"""JSON from outside, read under bounds: nothing in it can exhaust the stack, the memory or the number formats behind
us.
"""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import NoReturn, TypeGuard

from pancake_meter.waffo.errors import WaffoError

MAX_DEPTH = 32
MAX_NUMBER_LENGTH = 38
"""Characters of a number: what DynamoDB can hold. Python itself gives up at 4,300 digits, with a ValueError."""

MAX_EXPONENT = 38


class UnreadableJson(WaffoError):
    """The bytes are not JSON within the bounds. ``problem`` says why without quoting them."""

    def __init__(self, problem: str) -> None:
        """Keep the problem."""
        super().__init__(problem)
        self.problem = problem


def read_json_object(raw: bytes) -> dict[str, object]:
    """The JSON object in ``raw`` (UTF-8). Numbers are ``int`` or ``Decimal``.

    Raises:
        UnreadableJson: not UTF-8, not JSON, not an object, nested deeper than 32, with a name twice in
            one object, or with a number or a text beyond the
            bounds.
    """
    try:
        document = json.loads(
            raw.decode("utf-8"),
            parse_int=_integer,
            parse_float=_decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError:
        raise UnreadableJson("is not UTF-8") from None
    except RecursionError:
        raise UnreadableJson(f"is nested deeper than {MAX_DEPTH}") from None
    except json.JSONDecodeError:
        raise UnreadableJson("is not JSON") from None
    _check_depth_and_text(document)
    if not is_object(document):
        raise UnreadableJson("is not a JSON object")
    return dict(document)


def is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    """Whether ``value`` is a JSON object."""
    return isinstance(value, dict)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # Of two values under one name nobody can say which one was meant.
    document = dict(pairs)
    if len(document) != len(pairs):
        raise UnreadableJson("has a name twice in one object")
    return document


def _integer(digits: str) -> int:
    if len(digits) > MAX_NUMBER_LENGTH:
        raise UnreadableJson(f"has a number of more than {MAX_NUMBER_LENGTH} characters")
    return int(digits)


def _decimal(digits: str) -> Decimal:
    if len(digits) > MAX_NUMBER_LENGTH:
        raise UnreadableJson(f"has a number of more than {MAX_NUMBER_LENGTH} characters")
    try:
        number = Decimal(digits)
    except InvalidOperation:
        raise UnreadableJson("has a number out of range") from None
    # A short text can still name an enormous number: Decimal("1e999999") is fine until someone prints or rounds it.
    if number and abs(number.adjusted()) > MAX_EXPONENT:
        raise UnreadableJson("has a number out of range")
    return number


def _refuse_constant(_: str) -> NoReturn:
    raise UnreadableJson("has NaN or Infinity")


def _check_depth_and_text(document: object) -> None:
    """Walk the document level by level, without recursion."""
    level: list[object] = [document]
    for _ in range(MAX_DEPTH + 1):
        below: list[object] = []
        for value in level:
            if isinstance(value, str):
                _check_text(value)
            elif isinstance(value, dict):
                below.extend(value.keys())
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
        if not below:
            return
        level = below
    raise UnreadableJson(f"is nested deeper than {MAX_DEPTH}")


def _check_text(text: str) -> None:
    # Half of a surrogate pair is legal JSON ("\ud800") but is no text: it could not be stored or sent on.
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise UnreadableJson("has text that is not Unicode") from None
