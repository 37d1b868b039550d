"""Bulk usage on the wire: many events, checked one by one and accepted for counting later."""

from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Final, NotRequired

from typing_extensions import TypedDict

from pancake_meter.domain.errors import UnknownMeter
from pancake_meter.faults import Fault
from pancake_meter.http import json
from pancake_meter.http.problem import Problem, problem_of_domain
from pancake_meter.http.usage.batch import read_item
from pancake_meter.http.usage.intake import lenient_items
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import UsageLine

REFUSED_ITEMS_MAX: Final = 100
"""Refused events of one request that are told one by one; the rest are counted."""

_NEEDED: Final = frozenset({"id", "customer_id", "meter", "quantity"})


class RefusedItem(TypedDict):
    """An event that was not accepted: ``index`` is its position in the request, from 0; ``errors``: its wrong fields."""

    index: int
    code: str
    detail: str
    errors: NotRequired[list[Fault]]


class BulkBody(TypedDict):
    """The answer to bulk usage.

    ``accepted`` events are durable, and will be counted exactly once within moments; they are not in the balance yet.
    ``refused`` events are not; ``refused_items`` are the first 100 of them.
    """

    accepted: int
    refused: int
    refused_items: list[RefusedItem]


@dataclass(slots=True)
class BulkRead:
    """What a body of bulk usage came to: its events, how many items are none, and the problems of the first 100 of these."""

    lines: list[UsageLine] = field(default_factory=list)
    refused: int = 0
    problems: list[tuple[int, Problem]] = field(default_factory=list)

    @property
    def body(self) -> BulkBody:
        """The answer."""
        refused_items = [_refused(index, problem) for index, problem in self.problems]
        return {"accepted": len(self.lines), "refused": self.refused, "refused_items": refused_items}

    @property
    def status(self) -> HTTPStatus:
        """202 when anything was accepted, else the status of the first refusal."""
        return HTTPStatus.ACCEPTED if self.lines or not self.problems else self.problems[0][1].status


def read_bulk(metering: Metering, text: str, content_type: str, now: datetime) -> BulkRead:
    """Read the events of a body, a JSON array or lines of JSON.

    A body of nothing but garbage has a million items. Once 100 are refused, what cannot be an event is only counted.
    """
    read = BulkRead()
    for index, item in enumerate(lenient_items(text, content_type, json.loads_batch)):
        is_told = len(read.problems) < REFUSED_ITEMS_MAX
        found = _read(metering, item, now) if is_told or _may_be_event(item) else None
        if isinstance(found, UsageLine):
            read.lines.append(found)
            continue
        read.refused += 1
        if is_told and found is not None:
            read.problems.append((index, found))
    return read


def _refused(index: int, problem: Problem) -> RefusedItem:
    item: RefusedItem = {"index": index, "code": problem.code, "detail": problem.detail}
    return {**item, "errors": problem.errors} if problem.errors else item


def _may_be_event(item: object) -> bool:
    return isinstance(item, dict) and item.keys() >= _NEEDED


def _read(metering: Metering, item: object, now: datetime) -> UsageLine | Problem:
    line = read_item(item, now)
    if isinstance(line, UsageLine) and line.meter not in metering.catalog.meters:
        return problem_of_domain(UnknownMeter("the catalog has no such meter"))
    return line
