"""Usage events on the wire: each item of a batch is judged for itself."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

from pydantic import Field, ValidationError

from pancake_meter.domain.errors import DomainError, EventConflict
from pancake_meter.domain.usage_event import usage_event
from pancake_meter.http.fields import CustomerId, Instant, MeterName, Quantity, WireModel
from pancake_meter.http.problem import Problem, problem_of_domain, problem_of_validation
from pancake_meter.usecases.metering import Metering
from pancake_meter.usecases.record_usage import EventResult, UsageLine, record_batch

EVENTS_MAX: Final = 100


class UsageRequest(WireModel):
    """Body of ``POST /v1/usage``: 1 to 100 events, each read on its own."""

    events: Annotated[list[Any], Field(min_length=1, max_length=EVENTS_MAX)]


class UsageItem(WireModel):
    """One event of ``POST /v1/usage``. Its identity is (customer, meter, id)."""

    id: Annotated[str, Field(min_length=1, max_length=128)]
    customer_id: CustomerId
    meter: MeterName
    quantity: Quantity
    time: Instant | None = None


def read_item(raw: object, now: datetime) -> UsageLine | Problem:
    """Return the event of an item, or what is wrong with it."""
    try:
        item = UsageItem.model_validate(raw)
        return UsageLine(item.customer_id, item.meter, usage_event(item.id, item.quantity, item.time, now))
    except ValidationError as error:
        return problem_of_validation(error)
    except DomainError as error:
        return problem_of_domain(error)


def record_items(metering: Metering, raw_items: Sequence[object], now: datetime) -> list[str | Problem]:
    """Count the well-formed items of a batch; return what became of each item, in order."""
    read = [read_item(raw, now) for raw in raw_items]
    lines = [line for line in read if isinstance(line, UsageLine)]
    results = iter(record_batch(metering, lines, now))
    return [_verdict(next(results)) if isinstance(line, UsageLine) else line for line in read]


def batch_body(raw_items: Sequence[object], results: Sequence[str | Problem]) -> dict[str, Any]:
    """Return the answer to a batch: how many of each, and every item's own result in the order they came."""
    statuses = [result if isinstance(result, str) else "refused" for result in results]
    return {
        **{status: statuses.count(status) for status in ("counted", "duplicate", "refused")},
        "results": [_result(raw, result) for raw, result in zip(raw_items, results, strict=True)],
    }


def batch_status(results: Sequence[str | Problem]) -> HTTPStatus:
    """Return 200 when every event is counted, 207 when some were refused, else the status of the first refusal."""
    refused = [result for result in results if isinstance(result, Problem)]
    if not refused:
        return HTTPStatus.OK
    return HTTPStatus.MULTI_STATUS if len(refused) < len(results) else refused[0].status


def _verdict(result: EventResult | DomainError) -> str | Problem:
    if isinstance(result, DomainError):
        return problem_of_domain(result)
    if result == "conflict":
        return problem_of_domain(EventConflict("The id was used for another event; nothing was counted."))
    return result


def _result(raw: object, result: str | Problem) -> dict[str, Any]:
    echoed = {"id": raw["id"]} if isinstance(raw, Mapping) and isinstance(raw.get("id"), str) else {}
    if isinstance(result, str):
        return {**echoed, "status": result}
    return {**echoed, "status": "refused", "code": result.code, "detail": result.detail, **result.extra}
