"""Values as DynamoDB's wire has them: ``{"N": "3"}`` for 3. boto3's own translation, with a short way for the usual kinds.

boto3 asks each value ten questions before it knows its kind. Here the type tells. That is most of what this stack computes
around a request, and with a batch of 99 events it is 1,000 values.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from boto3.dynamodb.types import DYNAMODB_CONTEXT, TypeDeserializer, TypeSerializer

_unusual: Final[Callable[[Any], Any]] = TypeSerializer().serialize
_unusual_read: Final[Callable[[Any], Any]] = TypeDeserializer().deserialize
_exact: Final[Callable[[Any], Decimal]] = DYNAMODB_CONTEXT.create_decimal
"""A number of at most 38 digits, as DynamoDB keeps it. Raises ``decimal.Inexact`` or ``decimal.Rounded`` for another."""


def written(value: Any) -> dict[str, Any]:
    """Return a value as it is sent.

    Raises:
        TypeError: DynamoDB has no such kind, such as ``float``; or the number is not finite.
        decimal.Inexact, decimal.Rounded: the number has more digits than DynamoDB keeps.
    """
    writer = _WRITERS.get(type(value))
    return writer(value) if writer is not None else _unusual(value)


def read(value: Mapping[str, Any]) -> Any:
    """Return a value as it came: a number is a ``Decimal``. Raises `TypeError` for what is no value."""
    if len(value) == 1:
        ((kind, content),) = value.items()
        reader = _READERS.get(kind)
        if reader is not None:
            return reader(content)
    return _unusual_read(value)


def written_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return each value of an item as it is sent. Raises as ``written``."""
    return {name: written(value) for name, value in item.items()}


def read_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return each value of an item as it came. Raises as ``read``."""
    return {name: read(value) for name, value in item.items()}


def _written_decimal(value: Decimal) -> dict[str, Any]:
    return {"N": str(_exact(value))} if value.is_finite() else _unusual(value)


_WRITERS: Final[Mapping[type, Callable[[Any], dict[str, Any]]]] = {
    str: lambda value: {"S": value},
    int: lambda value: {"N": str(_exact(value))},
    Decimal: _written_decimal,
    bool: lambda value: {"BOOL": value},
    dict: lambda value: {"M": written_item(value)},
    list: lambda value: {"L": [written(each) for each in value]},
    tuple: lambda value: {"L": [written(each) for each in value]},
}
_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "S": lambda content: content,
    "N": _exact,
    "BOOL": lambda content: content,
    "M": read_item,
    "L": lambda content: [read(each) for each in content],
}
