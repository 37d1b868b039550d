"""Usage events on the wire: each item of a batch is judged for itself."""

from collections.abc import Callable, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, NotRequired

from pydantic import Field, ValidationError
from typing_extensions import TypedDict

from pancake_meter.domain.errors import DomainError, EventConflict, PeriodClosed
from pancake_meter.domain.usage.usage_event import EVENT_ID_LENGTH_MAX, usage_event
from pancake_meter.faults import Fault
from pancake_meter.http import json
from pancake_meter.http.fields import Instant, LiveCustomerId, MeterName, OriginName, Quantity, WireModel
from pancake_meter.http.json import RepeatedKey
from pancake_meter.http.problem import Problem, problem_of_domain, problem_of_faults, problem_of_validation
from pancake_meter.usecases.balance.event_result import EventResult
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import UsageLine, record_batch

EVENTS_MAX: Final = 100

Counted = Literal["counted", "duplicate"]


class UsageRequest(WireModel):
    """Body of ``POST /v1/usage``: 1 to 100 events, each read on its own."""

    events: Annotated[list[Any], Field(min_length=1, max_length=EVENTS_MAX)]


class UsageItem(WireModel):
    """One event of ``POST /v1/usage``. Its identity is (customer, meter, id).

    ``model`` and ``source`` say what it was made of, for charts. They are no part of its content: a repeat may lack them.
    """

    id: Annotated[str, Field(min_length=1, max_length=EVENT_ID_LENGTH_MAX)]
    customer_id: LiveCustomerId
    meter: MeterName
    quantity: Quantity
    time: Instant | None = None
    model: OriginName | None = None
    source: OriginName | None = None


class ItemResult(TypedDict):
    """What became of one event; a refused one says why in the words of a problem."""

    id: NotRequired[str]
    status: Literal["counted", "duplicate", "refused"]
    code: NotRequired[str]
    detail: NotRequired[str]
    errors: NotRequired[list[Fault]]


class BatchBody(TypedDict):
    """The answer to a batch: how many of each, and each event's own result in the order they came."""

    counted: int
    duplicate: int
    refused: int
    results: list[ItemResult]


def usage_events(text: str) -> list[Any]:
    """Return the events of a body, each still to be read.

    Raises:
        MalformedJson: it is no JSON.
        ValidationError: it is no object with 1 to 100 events.
    """
    return UsageRequest.model_validate(json.loads_batch(text)).events


def read_item(raw: object, now: datetime) -> UsageLine | Problem:
    """Return the event of an item, or what is wrong with it. An item may be the refusal of its line."""
    if isinstance(raw, RepeatedKey):
        return problem_of_faults([{"field": "", "fault": str(raw)}])
    try:
        item = UsageItem.model_validate(raw)
        event = usage_event(item.id, item.quantity, item.time, now).made_of(item.model, item.source)
        return UsageLine(item.customer_id, item.meter, event)
    except ValidationError as error:
        return problem_of_validation(error)
    except DomainError as error:
        return problem_of_domain(error)


def record_items(
    metering: Metering, raw_items: Sequence[object], now: datetime, may_go_on: Callable[[], bool]
) -> list[Counted | Problem]:
    """Count the well-formed items of a batch; return what became of each item, in order.

    Raises:
        StoreBusy, StoreUnavailable: passing trouble, such as ``OutOfTime``; repeating the whole batch is safe.
    """
    read = [read_item(raw, now) for raw in raw_items]
    lines = [line for line in read if isinstance(line, UsageLine)]
    results = iter(record_batch(metering, lines, now, may_go_on))
    return [_verdict(next(results)) if isinstance(line, UsageLine) else line for line in read]


def batch_body(raw_items: Sequence[object], results: Sequence[Counted | Problem]) -> BatchBody:
    """Return the answer to a batch: how many of each, and every item's own result in the order they came."""
    statuses = [result if isinstance(result, str) else "refused" for result in results]
    return {
        "counted": statuses.count("counted"),
        "duplicate": statuses.count("duplicate"),
        "refused": statuses.count("refused"),
        "results": [_result(raw, result) for raw, result in zip(raw_items, results, strict=True)],
    }


def batch_status(results: Sequence[Counted | Problem]) -> HTTPStatus:
    """Return 200 when every event is counted, 207 when some were refused, else the status of the first refusal."""
    refused = [result for result in results if isinstance(result, Problem)]
    if not refused:
        return HTTPStatus.OK
    return HTTPStatus.MULTI_STATUS if len(refused) < len(results) else refused[0].status


def _verdict(result: EventResult | DomainError) -> Counted | Problem:
    if isinstance(result, DomainError):
        return problem_of_domain(result)
    if result == "conflict":
        return problem_of_domain(EventConflict("The id was used for another event; nothing was counted."))
    if result == "period_closed":
        return problem_of_domain(PeriodClosed("The event's period closed too long ago; nothing was counted."))
    return result


def _result(raw: object, result: Counted | Problem) -> ItemResult:
    body: ItemResult = {"status": "refused"} if isinstance(result, Problem) else {"status": result}
    if isinstance(raw, dict) and isinstance(raw.get("id"), str) and json.is_whole(raw["id"]):
        body["id"] = raw["id"][:EVENT_ID_LENGTH_MAX]
    if isinstance(result, Problem):
        body |= {"code": result.code, "detail": result.detail}
        if result.errors:
            body["errors"] = result.errors
    return body
