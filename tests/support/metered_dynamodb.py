"""A DynamoDB client whose requests and capacity units are counted, without the code under test knowing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


_WRITES = "writes of the request"
_WRITING = frozenset({"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"})


@dataclass
class Meter:
    """Requests by operation, and the capacity units that DynamoDB says they cost.

    It says nothing of those that failed; ``refused_writes`` counts the writes in them. ``write_units_of_aws`` has these too:
    AWS charges a refused write like one that happened, and every write of a cancelled transaction, here at 1 KB each.
    """

    operations: list[str] = field(default_factory=list)
    units: float = 0.0
    refused_writes: int = 0
    write_units_of_aws: float = 0.0


@contextmanager
def metered(client: "DynamoDBClient") -> Iterator[Meter]:
    """Count what the client asks for inside the block."""
    meter = Meter()
    events = client.meta.events
    # Batches and the sweep ask from several threads.
    lock = Lock()

    def ask(params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> dict[str, Any] | None:
        context[_WRITES] = len(params.get("TransactItems", ["one"]))
        if "ReturnConsumedCapacity" not in model.input_shape.members:
            return None
        return {**params, "ReturnConsumedCapacity": "TOTAL"}

    def count(parsed: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        with lock:
            add(parsed, model, context)

    def add(parsed: dict[str, Any], model: Any, context: dict[str, Any]) -> None:
        meter.operations.append(model.name)
        if "Error" in parsed:
            meter.refused_writes += context[_WRITES]
            meter.write_units_of_aws += context[_WRITES] * (2 if model.name == "TransactWriteItems" else 1)
        consumed = parsed.get("ConsumedCapacity", [])
        for capacity in consumed if isinstance(consumed, list) else [consumed]:
            meter.units += capacity["CapacityUnits"]
            meter.write_units_of_aws += capacity["CapacityUnits"] if model.name in _WRITING else 0

    events.register("provide-client-params.dynamodb", ask)  # type: ignore[arg-type] # botocore takes what it returns
    events.register("after-call.dynamodb", count)
    try:
        yield meter
    finally:
        events.unregister("provide-client-params.dynamodb", ask)  # type: ignore[arg-type]
        events.unregister("after-call.dynamodb", count)
