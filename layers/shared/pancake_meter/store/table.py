"""The table: typed writes, one error vocabulary, bounded retries of passing trouble.

Every write asks for ``ALL_OLD`` on a failed condition, so a refusal brings its reason without a second read. Every write
gives its item a format, and no item of a newer format is read or written over: see ``item_format``.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from pancake_meter.store.attribute_values import read_item, written_item
from pancake_meter.store.errors import StoreBusy, StoreThrottled, WriteDoubtful, WriteRefused
from pancake_meter.store.item_format import ATTRIBUTE as FORMAT_ATTRIBUTE
from pancake_meter.store.item_format import FIRST_PLACEHOLDER, FORMAT, PLACEHOLDER, guarded, readable, stamped, stamping
from pancake_meter.store.retrying import Retrier, passing_trouble
from pancake_meter.value import Value, field

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

Item = Mapping[str, Any]
_Answer = TypeVar("_Answer")
_Name = tuple[str, str]

TRANSACTION_WRITES_MAX: Final = 100
DELETE_ITEMS_MAX: Final = 25
"""Items that one request of ``delete_all`` takes away."""

SCAN_ITEMS: Final = 500
"""Items that one request of ``scan_keys`` passes: so few that any engine answers in time."""

READ_ITEMS_MAX: Final = 100
ITEM_BYTES_MAX: Final = 400_000
"""Items that one request looks for."""

_CONTENTION = frozenset({"TransactionConflict", "TransactionConflictException", "TransactionInProgressException"})
_REASONS_THAT_PASS = _CONTENTION | {"ThrottlingError", "ProvisionedThroughputExceeded"}


class Put(Value):
    """Write a whole item, if ``condition`` holds."""

    item: Item
    condition: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


class Update(Value):
    """Change an item in place, if ``condition`` holds.

    ``is_made`` tells from the item whether this very change was made. It is asked where the condition fails after an attempt
    whose answer was lost. Without it such a failure is passing trouble.
    """

    key: Mapping[str, str]
    expression: str
    condition: str | None
    values: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    is_made: Callable[[Item], bool] | None = None


class Check(Value):
    """Demand that ``condition`` holds, change nothing. Only in a transaction."""

    key: Mapping[str, str]
    condition: str
    values: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


class Delete(Value):
    """Take an item away, if ``condition`` holds. Only in a transaction."""

    key: Mapping[str, str]
    condition: str
    values: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


Write = Put | Update | Check | Delete


class Table:
    """One DynamoDB table. Values are plain Python: ``str``, ``int``, ``Decimal``, ``bool``, ``list``, ``dict``."""

    def __init__(
        self,
        client: "DynamoDBClient",
        name: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        seed: int | None = None,
    ) -> None:
        """``sleep`` and ``seed`` make the jittered retries testable."""
        self._client = client
        self._name = name
        self._retrier = Retrier(sleep=sleep, seed=seed)
        self._known: dict[_Name, Item | None] | None = None

    def reading_once(self, keys: Sequence[Mapping[str, str]]) -> "Table":
        """Return the table as one decision sees it: ``get`` reads no item twice. The items of ``keys`` are read now.

        At most 100, in one request; of a table that reads once already, those that it does not know yet. A decision that
        rests on them is written with conditions, since what changes meanwhile is not seen here. Each write, refused or not,
        makes the table forget: it reads anew.

        Raises:
            StoreBusy, StoreUnavailable: passing trouble.
        """
        if self._known is None:
            fresh = copy(self)
            fresh._known = {}  # noqa: SLF001 - a table of our own
            return fresh.reading_once(keys)
        missing: dict[_Name, Item | None] = {_name(key): None for key in keys if _name(key) not in self._known}
        if missing:
            missing |= {_name(item): item for item in self.get_all([_key(name) for name in missing])}
        self._known |= missing
        return self

    def get(self, key: Mapping[str, str]) -> Item | None:
        """Return the item as of the latest write, or ``None``: one strongly consistent read."""
        if self._known is None:
            return self._get(key)
        if _name(key) not in self._known:
            self._known[_name(key)] = self._get(key)
        return self._known[_name(key)]

    def _forget(self) -> None:
        if self._known is not None:
            self._known.clear()

    def _get(self, key: Mapping[str, str]) -> Item | None:
        answer = self._call(
            lambda: self._client.get_item(TableName=self._name, Key=written_item(key), ConsistentRead=True)
        )
        item = answer.get("Item")
        return _read(item) if item is not None else None

    def get_all(self, keys: Sequence[Mapping[str, str]], *, consistent: bool = True) -> list[Item]:
        """Return those of at most 100 items that exist, in no order: one request, if all goes well.

        Reads are strongly consistent, or else cost half and may miss what was written a moment ago.

        Raises:
            StoreBusy, StoreUnavailable: passing trouble.
        """
        found: list[Item] = []
        waiting: Mapping[str, Any] = {
            self._name: {"Keys": [written_item(key) for key in keys], "ConsistentRead": consistent}
        }

        def read_waiting() -> None:
            nonlocal waiting
            answer = _translated(partial(self._client.batch_get_item, RequestItems=waiting))
            found.extend(_read(item) for item in answer["Responses"].get(self._name, ()))
            waiting = answer.get("UnprocessedKeys", {})
            if waiting:
                raise StoreBusy("keys were left unprocessed")

        self._retrier.call(read_waiting)
        return found

    def query(
        self,
        condition: str,
        values: Mapping[str, Any],
        *,
        limit: int,
        index: str | None = None,
        forward: bool = True,
        start: Mapping[str, Any] | None = None,
        attributes: Sequence[str] = (),
    ) -> tuple[list[Item], Mapping[str, Any] | None]:
        """Return one page of at most ``limit`` items and the key to go on from, ``None`` at the end.

        With ``attributes`` only these of an item are sent, and its key: it is read, and paid for, in full.
        """
        request: dict[str, Any] = {
            "TableName": self._name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": written_item(values),
            "Limit": limit,
            "ScanIndexForward": forward,
        }
        if index is None:
            request["ConsistentRead"] = True
        else:
            request["IndexName"] = index
        if start is not None:
            request["ExclusiveStartKey"] = written_item(start)
        if attributes:
            names = {f"#a{number}": name for number, name in enumerate(("PK", "SK", FORMAT_ATTRIBUTE, *attributes))}
            request |= {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
        answer = self._call(lambda: self._client.query(**request))
        following = answer.get("LastEvaluatedKey")
        return [_read(item) for item in answer["Items"]], read_item(following) if following else None

    def each(
        self,
        condition: str,
        values: Mapping[str, Any],
        *,
        page: int,
        pages_max: int,
        beyond: Exception,
        forward: bool = True,
    ) -> Iterator[Item]:
        """Yield every item that matches, in order: a consistent query for each ``page`` of them.

        Raises ``beyond`` where there are more than ``pages_max`` pages: the walk never ends early in silence.
        """
        start: Mapping[str, Any] | None = None
        for number in itertools.count(1):
            items, start = self.query(condition, values, limit=page, forward=forward, start=start)
            if items and number > pages_max:
                raise beyond
            yield from items
            if start is None:
                return

    def scan_keys(
        self, condition: str, values: Mapping[str, Any], *, start: Mapping[str, Any] | None = None
    ) -> tuple[list[Mapping[str, str]], Mapping[str, Any] | None]:
        """Return the keys of those of the table's next 500 items that match, and the key to go on from.

        It is read consistently, and paid for in full: a unit for each 4 KB that is passed.
        """
        request: dict[str, Any] = {
            "TableName": self._name,
            "FilterExpression": condition,
            "ExpressionAttributeValues": written_item(values),
            "Select": "SPECIFIC_ATTRIBUTES",
            "Limit": SCAN_ITEMS,
            "ProjectionExpression": "PK, SK",
            "ConsistentRead": True,
        }
        if start is not None:
            request["ExclusiveStartKey"] = written_item(start)
        answer = self._call(lambda: self._client.scan(**request))
        following = answer.get("LastEvaluatedKey")
        return [read_item(item) for item in answer["Items"]], read_item(following) if following else None

    def delete_all(self, keys: Sequence[Mapping[str, str]]) -> None:
        """Take at most 25 items away, whatever they are: one request, if all goes well.

        Raises:
            StoreBusy, StoreUnavailable: passing trouble; some may be gone, and repeating all is safe.
        """
        self._forget()
        waiting: Mapping[str, Any] = {self._name: [{"DeleteRequest": {"Key": written_item(key)}} for key in keys]}

        def delete_waiting() -> None:
            nonlocal waiting
            answer = _translated(partial(self._client.batch_write_item, RequestItems=waiting))
            waiting = answer.get("UnprocessedItems", {})
            if waiting:
                raise StoreBusy("items were left unprocessed")

        self._retrier.call(delete_waiting)

    def count(self, condition: str, values: Mapping[str, Any], *, limit: int, index: str) -> int:
        """Return how many items of an index match: one query, which counts up to ``limit`` items or 1 MB of them."""
        answer = self._call(
            lambda: self._client.query(
                TableName=self._name,
                IndexName=index,
                KeyConditionExpression=condition,
                ExpressionAttributeValues=written_item(values),
                Limit=limit,
                Select="COUNT",
            )
        )
        return answer["Count"]

    def write(self, write: Put | Update) -> Item:
        """Perform one write; return the item as it is now (of a ``Put``: what was put).

        Raises:
            WriteRefused: the condition did not hold; one refusal.
            StoreBusy, StoreUnavailable: passing trouble.
        """
        try:
            return self._write(write)
        except WriteDoubtful as doubt:
            (found,) = doubt.refusals
            if isinstance(write, Update) and write.is_made is None:
                raise
            if found and _is_made(write, found):
                return found
            raise WriteRefused(doubt.refusals) from doubt

    def _write(self, write: Put | Update) -> Item:
        request = self._request(write)
        self._forget()
        if isinstance(write, Put):
            self._call(lambda: self._client.put_item(**request))
            return write.item
        answer = self._call(lambda: self._client.update_item(**request, ReturnValues="ALL_NEW"))
        return _read(answer["Attributes"])

    def transact(self, writes: Sequence[Write]) -> None:
        """Perform all writes or none: at most 100, on different items.

        Raises:
            WriteRefused: conditions did not hold; one refusal per write.
            StoreBusy, StoreUnavailable: passing trouble.
        """
        if len(writes) > TRANSACTION_WRITES_MAX:
            raise ValueError(f"a transaction has at most {TRANSACTION_WRITES_MAX} writes, not {len(writes)}")
        items = [self._transact_item(write) for write in writes]
        # With one token for all attempts, DynamoDB answers for one that was carried out and whose answer was lost.
        token = uuid4().hex
        self._forget()
        self._call(
            lambda: self._client.transact_write_items(TransactItems=items, ClientRequestToken=token), is_recognised=True
        )

    def _transact_item(self, write: Write) -> "TransactWriteItemTypeDef":
        request = self._request(write)
        match write:
            case Put():
                return {"Put": request}  # type: ignore[typeddict-item]
            case Update():
                return {"Update": request}  # type: ignore[typeddict-item]
            case Check():
                return {"ConditionCheck": request}  # type: ignore[typeddict-item]
            case Delete():
                return {"Delete": request}  # type: ignore[typeddict-item]

    def _request(self, write: Write) -> dict[str, Any]:
        request: dict[str, Any] = {
            "TableName": self._name,
            "ConditionExpression": guarded(write.condition),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            "ExpressionAttributeValues": written_item({**write.values, PLACEHOLDER: FORMAT}),
        }
        if isinstance(write, Put):
            request["Item"] = written_item(stamped(write.item))
        else:
            request["Key"] = written_item(write.key)
        if isinstance(write, Update):
            request["UpdateExpression"] = stamping(write.expression)
            request["ExpressionAttributeValues"] |= written_item({FIRST_PLACEHOLDER: 1})
        if write.names:
            request["ExpressionAttributeNames"] = dict(write.names)
        return request

    def _call(self, request: Callable[[], _Answer], *, is_recognised: bool = False) -> _Answer:
        return self._retrier.call(lambda: _translated(request), is_recognised=is_recognised)


def _name(item: Mapping[str, Any]) -> _Name:
    return item["PK"], item["SK"]


def _key(name: _Name) -> Mapping[str, str]:
    partition, sort = name
    return {"PK": partition, "SK": sort}


def _is_made(write: Put | Update, found: Item) -> bool:
    if isinstance(write, Put):
        return found == write.item
    return write.is_made is not None and write.is_made(found)


def _translated(request: Callable[[], _Answer]) -> _Answer:
    """Make one request; raise a refusal, passing trouble, or the error itself (a bug)."""
    try:
        return request()
    except (ClientError, BotoCoreError) as error:
        raise _meaning(error) from error


def _meaning(error: ClientError | BotoCoreError) -> Exception:
    if isinstance(error, ClientError):
        response: Mapping[str, Any] = error.response
        code = response["Error"]["Code"]
        if code == "ConditionalCheckFailedException":
            return WriteRefused([_read(response.get("Item", {}))])
        if code == "TransactionCanceledException":
            return _meaning_of_cancelled(error, response.get("CancellationReasons", []))
        if code in _CONTENTION:
            return StoreBusy(code)
    return passing_trouble(error) or error


def _meaning_of_cancelled(error: ClientError, reasons: Sequence[Mapping[str, Any]]) -> Exception:
    codes = {reason.get("Code", "None") for reason in reasons} - {"None"}
    if "ConditionalCheckFailed" in codes:
        return WriteRefused([_refusal(reason) for reason in reasons])
    if not codes or not codes <= _REASONS_THAT_PASS:
        return error
    kind = StoreBusy if codes <= _CONTENTION else StoreThrottled
    return kind(", ".join(sorted(codes)))


def _refusal(reason: Mapping[str, Any]) -> Item | None:
    return _read(reason.get("Item", {})) if reason.get("Code") == "ConditionalCheckFailed" else None


def stored_bytes(value: Any) -> int:
    """Return how many bytes DynamoDB counts for a value at most; for an item, with the names of its attributes."""
    match value:
        case str():
            return len(value.encode())
        case bool() | None:
            return 1
        case Mapping():
            return 3 + sum(1 + len(name.encode()) + stored_bytes(each) for name, each in value.items())
        case list() | tuple():
            return 3 + sum(1 + stored_bytes(each) for each in value)
        case _:
            # A byte for two digits, and two more.
            return 2 + (len(str(value)) + 1) // 2


def _read(item: Mapping[str, Any]) -> Item:
    """Return a stored item. Raises `NewerFormat`."""
    return readable(read_item(item))
