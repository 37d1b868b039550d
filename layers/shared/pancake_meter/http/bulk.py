"""Bulk usage on the wire: many events, checked one by one and accepted for counting later."""

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus

from typing_extensions import TypedDict

from pancake_meter.domain.errors import UnknownMeter
from pancake_meter.http.intake import lenient_items
from pancake_meter.http.problem import Problem, problem_of_domain
from pancake_meter.http.usage import read_item
from pancake_meter.usecases.metering import Metering
from pancake_meter.usecases.record_usage import UsageLine


class RefusedItem(TypedDict):
    """An event that was not accepted: ``index`` is its place in the request."""

    index: int
    code: str
    detail: str


class BulkBody(TypedDict):
    """``accepted`` events are durable, and will be counted exactly once within moments; they are not in the balance yet."""

    accepted: int
    refused: int
    refused_items: list[RefusedItem]


def read_bulk(metering: Metering, text: str, content_type: str, now: datetime) -> list[UsageLine | Problem]:
    """Return the events of a body, a JSON array or lines of JSON, or what is wrong with each."""
    return [_read(metering, item, now) for item in lenient_items(text, content_type)]


def bulk_body(read: Sequence[UsageLine | Problem]) -> BulkBody:
    """Return the answer."""
    refused: list[RefusedItem] = [
        {"index": index, "code": problem.code, "detail": problem.detail}
        for index, problem in enumerate(read)
        if isinstance(problem, Problem)
    ]
    return {"accepted": len(read) - len(refused), "refused": len(refused), "refused_items": refused}


def bulk_status(read: Sequence[UsageLine | Problem]) -> HTTPStatus:
    """Return 202 when anything was accepted, else the status of the first refusal."""
    first = next((item for item in read if isinstance(item, Problem)), None)
    return first.status if first and all(isinstance(item, Problem) for item in read) else HTTPStatus.ACCEPTED


def _read(metering: Metering, item: object, now: datetime) -> UsageLine | Problem:
    line = read_item(item, now)
    if isinstance(line, UsageLine) and line.meter not in metering.catalog.meters:
        return problem_of_domain(UnknownMeter(f"the catalog has no meter named {line.meter!r}"))
    return line
