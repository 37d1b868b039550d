"""Faults: what is wrong with the fields of a body, in our own words. A bound that is passed is in the message."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import TypedDict

from pancake_meter.domain.access.masking import masked

if TYPE_CHECKING:
    from pydantic import ValidationError

FAULTS_MAX: Final = 20
_FIELD_LENGTH_MAX: Final = 128
_EXPECTED_LENGTH_MAX: Final = 200


Told = Callable[[str, Mapping[str, Any]], str]
"""Makes the sentence of a fault."""


class Fault(TypedDict):
    """One fault: the field, with dots between its parts and empty for the body itself, and a sentence about it."""

    field: str
    fault: str


def faults(error: "ValidationError", told: Told | None = None) -> list[Fault]:
    """Return the first 20 faults that pydantic found, without the values that the caller sent.

    ``told`` makes the sentence of each, from pydantic's type of the error and its bounds; ``None`` is ``sentence``.
    """
    found, said = error.errors(include_url=False, include_input=False)[:FAULTS_MAX], told or sentence
    return [{"field": field_name(each["loc"]), "fault": said(each["type"], each.get("ctx", {}))} for each in found]


def field_name(location: tuple[int | str, ...]) -> str:
    """Return a field's name as faults have it: bounded, and without a secret that somebody has sent as a name."""
    return masked(".".join(map(str, location)))[:_FIELD_LENGTH_MAX]


def sentence(kind: str, context: Mapping[str, Any]) -> str:
    """Return a fault in our words: ``kind`` is pydantic's type of an error, ``context`` its bounds."""
    told = SENTENCES.get(kind)
    if told is None:
        return "is not valid"
    return told if isinstance(told, str) else told(context)


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number:,} {word}s"


def _expected(context: Mapping[str, Any]) -> str:
    return f"must be {context['expected']}"[:_EXPECTED_LENGTH_MAX]


SENTENCES: Final[Mapping[str, str | Callable[[Mapping[str, Any]], str]]] = {
    "missing": "is missing",
    "extra_forbidden": "is no field that is known here",
    "value_error": lambda context: str(context["error"]),
    "literal_error": _expected,
    "string_type": "must be a string",
    "string_unicode": "has half of a surrogate pair",
    "string_too_short": lambda context: f"must have at least {_counted(context['min_length'], 'character')}",
    "string_too_long": lambda context: f"must have at most {_counted(context['max_length'], 'character')}",
    "string_pattern_mismatch": lambda context: f"must match {context['pattern']}",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "greater_than": lambda context: f"must be more than {context['gt']}",
    "greater_than_equal": lambda context: f"must be at least {context['ge']:,}",
    "less_than": lambda context: f"must be less than {context['lt']}",
    "less_than_equal": lambda context: f"must be at most {context['le']:,}",
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "decimal_type": "must be a number",
    "decimal_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "frozen_set_type": "must be a list",
    "too_short": lambda context: f"must have at least {_counted(context['min_length'], 'item')}",
    "too_long": lambda context: f"must have at most {_counted(context['max_length'], 'item')}",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "none_required": "must be null",
    "invalid_key": "must have strings as its keys",
}
