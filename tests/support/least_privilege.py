"""The policies of template.yaml, held against what handlers really ask of DynamoDB.

No emulator enforces ``dynamodb:LeadingKeys``. So every request that a test sends to DynamoDB out of a handler is judged
here, by the statements of that handler's function: the action, the table or index, and every partition key in it.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tools.cfn_template import ROOT, load_template

if TYPE_CHECKING:
    from types import FrameType

FUNCTIONS: Final = ROOT / "functions"
TABLE: Final = "table"
ITEM_ACTIONS: Final = frozenset(
    {
        "BatchGetItem",
        "BatchWriteItem",
        "ConditionCheckItem",
        "DeleteItem",
        "GetItem",
        "PutItem",
        "Query",
        "Scan",
        "UpdateItem",
    }
)
TABLE_ARN: Final = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${TableInUse.Value}"
_INDEX: Final = re.compile(re.escape(TABLE_ARN) + r"/index/([a-z]+)")
_ATTRIBUTE: Final = re.compile(r"(?<![:#\w])(?!OR\b|AND\b|NOT\b)(\w+)(?!\w|\()")
_ACTIONS: Final = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "ConditionCheck": "ConditionCheckItem",
    "Delete": "DeleteItem",
}
_PARTITION: Final = re.compile(r"#?\w+ = (:\w+)")


@dataclass(frozen=True)
class Grant:
    """What one statement allows: actions on the table, or on an index of that name, for these partition keys.

    ``only_counts``: only queries that count items and return none. ``attributes``: requests that name no others.
    """

    actions: frozenset[str]
    where: str
    keys: tuple[str, ...]
    only_counts: bool = False
    attributes: frozenset[str] | None = None


@dataclass(frozen=True)
class Touch:
    """One use of DynamoDB: ``key`` is the partition key, nothing of a scan, which has none.

    ``counts``: it returns no items. ``attributes`` are those that a scan names.
    """

    action: str
    where: str
    key: str
    counts: bool = False
    attributes: frozenset[str] = frozenset()


class NotJudged(AssertionError):
    """A request of a kind that no policy is known to allow: what cannot be judged is not allowed."""


@cache
def grants_of(function: str) -> tuple[Grant, ...]:
    """Return what the template grants the function in ``functions/<function>``, of DynamoDB."""
    properties = next(
        resource["Properties"]
        for resource in load_template()["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
        and resource["Properties"]["CodeUri"] == f"functions/{function}"
    )
    return tuple(grant for statement in statements_of(properties) for grant in _grants(statement))


def statements_of(properties: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the statements of a function's policies, those that need a condition among them."""
    statements = (each for policy in properties["Policies"] for each in policy["Statement"])
    return [each["Fn::If"][1] if "Fn::If" in each else each for each in statements]


def is_allowed(function: str, touch: Touch) -> bool:
    """Whether the function's policy allows it."""
    return any(
        touch.action in grant.actions
        and touch.where == grant.where
        and (touch.counts or not grant.only_counts)
        and any(fnmatchcase(touch.key, pattern) for pattern in grant.keys)
        and (grant.attributes is None or touch.attributes <= grant.attributes)
        for grant in grants_of(function)
    )


def calling_function() -> str | None:
    """Return the name of the function whose handler is at work in this thread, or ``None``."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        function = _function_of(frame.f_code.co_filename)
        if function is not None:
            return function
        frame = frame.f_back
    return None


@cache
def _function_of(filename: str) -> str | None:
    path = Path(filename)
    return path.relative_to(FUNCTIONS).parts[0] if path.is_relative_to(FUNCTIONS) else None


def touches(operation: str, request: Mapping[str, Any]) -> Iterator[Touch]:
    """Yield what a request of the low-level client touches.

    Raises:
        NotJudged: an operation that cannot be held against partition keys here, so that no function may use it.
    """
    match operation:
        case "GetItem" | "UpdateItem":
            yield Touch(operation, TABLE, request["Key"]["PK"]["S"])
        case "BatchGetItem" | "BatchWriteItem":
            yield from _of_batch(operation, request["RequestItems"].values())
        case "Scan" if request.get("Select") == "SPECIFIC_ATTRIBUTES" and "IndexName" not in request:
            named = f"{request['ProjectionExpression']} {request.get('FilterExpression', '')}"
            yield Touch(operation, TABLE, "", attributes=frozenset(_ATTRIBUTE.findall(named)))
        case "PutItem":
            yield Touch(operation, TABLE, request["Item"]["PK"]["S"])
        case "Query":
            yield _of_query(request)
        case "TransactWriteItems":
            for item in request["TransactItems"]:
                ((kind, write),) = item.items()
                action = _ACTIONS[kind]
                yield Touch(action, TABLE, (write.get("Item") or write["Key"])["PK"]["S"])
        case _:
            raise NotJudged(f"{operation} is nothing that a function is known to need")


def _of_batch(operation: str, tables: Iterable[Any]) -> Iterator[Touch]:
    for wanted in tables:
        if operation == "BatchGetItem":
            yield from (Touch(operation, TABLE, key["PK"]["S"]) for key in wanted["Keys"])
            continue
        for each in wanted:
            key = each["DeleteRequest"]["Key"]["PK"]["S"]
            yield from (Touch(action, TABLE, key) for action in (operation, "DeleteItem"))


def _of_query(request: Mapping[str, Any]) -> Touch:
    placeholder = _PARTITION.match(request["KeyConditionExpression"])
    assert placeholder is not None, request["KeyConditionExpression"]
    key = request["ExpressionAttributeValues"][placeholder[1]]["S"]
    return Touch("Query", request.get("IndexName") or TABLE, key, counts=request.get("Select") == "COUNT")


def _grants(statement: Mapping[str, Any]) -> Iterator[Grant]:
    actions = ITEM_ACTIONS & {action.removeprefix("dynamodb:") for action in statement["Action"]}
    if not actions:
        return
    conditions = statement.get("Condition", {})
    keys = tuple(conditions.get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys", ("*",)))
    named = conditions.get("ForAllValues:StringEquals", {}).get("dynamodb:Attributes")
    attributes = frozenset(named) if named is not None else None
    only_counts = conditions.get("StringEquals", {}).get("dynamodb:Select") == "COUNT"
    resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
    for resource in resources:
        yield Grant(actions, _where(resource), keys, only_counts, attributes)


def _where(resource: Mapping[str, Any]) -> str:
    name = str(resource.get("Fn::Sub", ""))
    index = _INDEX.fullmatch(name)
    if index is None and name != TABLE_ARN:
        raise NotJudged(f"{resource} is neither the table nor an index of it")
    return index[1] if index else TABLE
