"""The format of stored items: a number that each item carries, so that code never misreads what later code has written.

An item without the number is of format 1, as those that were written before the number was. When the shape of any item
changes so that this code would misread it, the code that writes the new shape counts ``FORMAT`` up and reads all formats up
to it. After a roll-back, this code refuses such an item: nothing is lost, and the later code reads it again.
"""

from collections.abc import Mapping
from typing import Any, Final

from pancake_meter.store.errors import NewerFormat

FORMAT: Final = 3
"""The newest format that this code reads and writes."""

_FORMATS: Final = {"APIKEY": 2, "SUBSCRIPTION": 2, "BALANCE": 3}
"""Formats by kind of the items whose shape has changed; all others are of format 1, and earlier code reads them."""

ATTRIBUTE: Final = "fv"
"""Two letters: every byte of a name is stored, and charged, with each item."""

PLACEHOLDER: Final = f":{ATTRIBUTE}"
KNOWN: Final = f"(attribute_not_exists({ATTRIBUTE}) OR {ATTRIBUTE} <= {PLACEHOLDER})"
"""Condition of every write: what is there is nothing, or of a format that this code knows."""

FIRST_PLACEHOLDER: Final = f":{ATTRIBUTE}1"
_STAMP: Final = f"{ATTRIBUTE} = if_not_exists({ATTRIBUTE}, {FIRST_PLACEHOLDER})"


def stamped(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a whole item with its format."""
    return {**item, ATTRIBUTE: _FORMATS.get(item.get("SK", "").partition("#")[0], 1)}


def stamping(expression: str) -> str:
    """Return the update expression that also gives format 1 to an item that has none.

    An item of another format has it from the ``Put`` that gave it its shape.
    """
    if "SET " in expression:
        return expression.replace("SET ", f"SET {_STAMP}, ", 1)
    return f"SET {_STAMP} {expression}"


def guarded(condition: str | None) -> str:
    """Return the condition that also refuses to write over an item of a newer format."""
    return KNOWN if condition is None else f"({condition}) AND {KNOWN}"


def readable(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a stored item without its format.

    Raises:
        NewerFormat: later code has written it.
    """
    stored = int(item.get(ATTRIBUTE, 1))
    if stored > FORMAT:
        raise NewerFormat(f"{item.get('PK')} {item.get('SK')} is of format {stored}, this code knows {FORMAT}")
    return {name: value for name, value in item.items() if name != ATTRIBUTE}
