"""DynamoDB's own limits on a request, which local engines do not hold.

Source: "Quotas in Amazon DynamoDB" of its developer guide.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

EXPRESSION_BYTES_MAX: Final = 4_096
OPERATORS_MAX: Final = 300
TRANSACTION_ITEMS_MAX: Final = 100
TRANSACTION_BYTES_MAX: Final = 4_000_000
ITEM_BYTES_MAX: Final = 400_000
PARTITION_KEY_BYTES_MAX: Final = 2_048
SORT_KEY_BYTES_MAX: Final = 1_024

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


def violations(operation: str, request: Mapping[str, Any]) -> list[str]:
    """Return what AWS would refuse in a request of the low-level client."""
    found = [*_of_write(request)]
    if operation == "TransactWriteItems":
        items = request["TransactItems"]
        if len(items) > TRANSACTION_ITEMS_MAX:
            found.append(f"{len(items)} items in a transaction")
        if _bytes(items) > TRANSACTION_BYTES_MAX:
            found.append(f"{_bytes(items)} bytes in a transaction")
        for item in items:
            ((_, write),) = item.items()
            found += _of_write(write)
    return found


def _of_write(write: Mapping[str, Any]) -> Iterator[str]:
    operators = 0
    for name in _EXPRESSIONS:
        expression = write.get(name, "")
        if len(expression.encode()) > EXPRESSION_BYTES_MAX:
            yield f"{name} of {len(expression.encode())} bytes"
        operators += len(_OPERATOR.findall(expression))
    if operators > OPERATORS_MAX:
        yield f"{operators} operators in the expressions of one write"
    key = write.get("Item") or write.get("Key") or {}
    for name, most in (("PK", PARTITION_KEY_BYTES_MAX), ("SK", SORT_KEY_BYTES_MAX)):
        size = len(key.get(name, {}).get("S", "").encode())
        if size > most:
            yield f"{name} of {size} bytes"
    if _bytes(write.get("Item", {})) > ITEM_BYTES_MAX:
        yield f"an item of {_bytes(write['Item'])} bytes"


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
