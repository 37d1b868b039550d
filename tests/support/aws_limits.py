"""DynamoDB's own limits on a request, which local engines do not hold.

Source: "Quotas in Amazon DynamoDB" of its developer guide.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

EXPRESSION_BYTES_MAX: Final = 4_096
OPERATORS_MAX: Final = 300
TRANSACTION_ITEMS_MAX: Final = 100
TRANSACTION_BYTES_MAX: Final = 4_000_000
ITEM_BYTES_MAX: Final = 400_000
PARTITION_KEY_BYTES_MAX: Final = 2_048
SORT_KEY_BYTES_MAX: Final = 1_024
BATCH_GET_KEYS_MAX: Final = 100
PLACEHOLDER_BYTES_MAX: Final = 255
SUBSTITUTED_BYTES_MAX: Final = 2_000_000
NUMBER_DIGITS_MAX: Final = 38
DEPTH_MAX: Final = 32

_EXPRESSIONS: Final = (
    "ConditionExpression",
    "FilterExpression",
    "KeyConditionExpression",
    "ProjectionExpression",
    "UpdateExpression",
)
_OPERATOR: Final = re.compile(
    r"<>|<=|>=|[=<>+\-]|\b(?:AND|OR|NOT|IN|BETWEEN|SET|REMOVE|ADD|DELETE)\b"
    r"|\b(?:attribute_exists|attribute_not_exists|attribute_type|begins_with|contains|size|if_not_exists|list_append)\b"
)


_LONG_NUMBER: Final = re.compile(rf'"N": "[^"]{{{NUMBER_DIGITS_MAX + 1},}}')


@dataclass(frozen=True, slots=True)
class _Glance:
    """What the JSON of a write shows of it, so that few are gone through: most are small and plain.

    JSON is never shorter than what DynamoDB counts: it writes each character beyond ASCII as six.
    """

    length: int
    may_be_strange: bool
    """There may be a number of too many digits, or too many levels."""

    @classmethod
    def at(cls, write: Mapping[str, Any]) -> "_Glance":
        text = json.dumps(write, default=_as_text)
        levels = text.count('"M": {') + text.count('"L": [')
        return cls(len(text), levels >= DEPTH_MAX or _LONG_NUMBER.search(text) is not None)


def _as_text(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def violations(operation: str, request: Mapping[str, Any]) -> list[str]:
    """Return what AWS would refuse in a request of the low-level client."""
    if operation == "TransactWriteItems":
        return [*_of_transaction(request["TransactItems"])]
    found = [*_of_write(request, _Glance.at(request))]
    if operation == "BatchGetItem":
        counts = [len(table["Keys"]) for table in request["RequestItems"].values()]
        found += [f"{count} keys in a request" for count in counts if count > BATCH_GET_KEYS_MAX]
    return found


def _of_transaction(items: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if len(items) > TRANSACTION_ITEMS_MAX:
        yield f"{len(items)} items in a transaction"
    writes = [write for item in items for write in item.values()]
    glances = [_Glance.at(write) for write in writes]
    if sum(each.length for each in glances) > ITEM_BYTES_MAX and _bytes(items) > TRANSACTION_BYTES_MAX:
        yield f"{_bytes(items)} bytes in a transaction"
    for write, glance in zip(writes, glances, strict=True):
        yield from _of_write(write, glance)
    keys = [_key(write) for write in writes]
    if len(keys) != len(set(keys)):
        yield "one item twice in a transaction"


def _key(write: Mapping[str, Any]) -> tuple[str, str, str]:
    item = write.get("Item") or write["Key"]
    return write.get("TableName", ""), item["PK"]["S"], item.get("SK", {}).get("S", "")


def _of_write(write: Mapping[str, Any], glance: _Glance) -> Iterator[str]:
    operators = 0
    for name in _EXPRESSIONS:
        expression = write.get(name, "")
        if len(expression.encode()) > EXPRESSION_BYTES_MAX:
            yield f"{name} of {len(expression.encode())} bytes"
        operators += _operators_in(expression)
    if operators > OPERATORS_MAX:
        yield f"{operators} operators in the expressions of one write"
    substituted = [write.get(name, {}) for name in ("ExpressionAttributeNames", "ExpressionAttributeValues")]
    for placeholder in (placeholder for each in substituted for placeholder in each):
        if len(placeholder.encode()) > PLACEHOLDER_BYTES_MAX:
            yield f"a placeholder of {len(placeholder.encode())} bytes"
    if glance.length > ITEM_BYTES_MAX:
        yield from _of_sizes(write.get("Item", {}), substituted)
    if glance.may_be_strange:
        yield from _of_values([write.get("Item", {}), write.get("ExpressionAttributeValues", {})], depth=-1)
    key = write.get("Item") or write.get("Key") or {}
    for name, most in (("PK", PARTITION_KEY_BYTES_MAX), ("SK", SORT_KEY_BYTES_MAX)):
        size = len(key.get(name, {}).get("S", "").encode())
        if size > most:
            yield f"{name} of {size} bytes"


def _of_sizes(item: Mapping[str, Any], substituted: list[Any]) -> Iterator[str]:
    if _bytes(substituted) > SUBSTITUTED_BYTES_MAX:
        yield f"{_bytes(substituted)} bytes of names and values"
    if _bytes(item) > ITEM_BYTES_MAX:
        yield f"an item of {_bytes(item)} bytes"


@lru_cache(maxsize=4096)
def _operators_in(expression: str) -> int:
    """Count the operators. The store writes few expressions, and each of them often."""
    return len(_OPERATOR.findall(expression))


def _of_values(value: Any, depth: int) -> Iterator[str]:
    """Hold numbers to 38 digits and maps and lists to 32 levels. ``value`` is in the low-level client's form."""
    match value:
        case {"N": str(number)} if len(value) == 1:
            digits = len(number.split("e")[0].split("E")[0].lstrip("+-").replace(".", "").strip("0"))
            if digits > NUMBER_DIGITS_MAX:
                yield f"a number of {digits} digits"
        case {"M": Mapping() as inner} if len(value) == 1:
            yield from _of_values(list(inner.values()), depth + 1)
        case {"L": list() as inner} if len(value) == 1:
            yield from _of_values(inner, depth + 1)
        case Mapping():
            yield from _of_values(list(value.values()), depth)
        case list() if depth > DEPTH_MAX:
            yield f"more than {DEPTH_MAX} levels"
        case list():
            for each in value:
                yield from _of_values(each, depth)


def _bytes(value: Any) -> int:
    match value:
        case str():
            return len(value.encode())
        case bytes():
            return len(value)
        case Mapping():
            return sum(_bytes(key) + _bytes(each) for key, each in value.items())
        case list() | tuple():
            return sum(_bytes(each) for each in value)
        case _:
            return 1
