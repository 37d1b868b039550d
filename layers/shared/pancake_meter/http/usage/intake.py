"""Usage in other systems' formats on the wire: how their bodies are read, and how they are answered."""

from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from io import StringIO
from itertools import islice
from typing import Annotated, Any, Final, Literal

from aws_lambda_powertools.event_handler import Response
from pydantic import Field
from typing_extensions import TypedDict

from pancake_meter.domain.errors import TooManyEvents, UnreadableUsage
from pancake_meter.domain.instant import timestamp
from pancake_meter.http import json
from pancake_meter.http.cursors import PageQuery, Pages, dated
from pancake_meter.http.fields import COUNT, Timestamp
from pancake_meter.http.json import MalformedJson, RepeatedKey
from pancake_meter.http.problem import Problem
from pancake_meter.openmeter.cloud_event import CloudEvent, cloud_event
from pancake_meter.store.usage.parked_usage import CONTENT_LENGTH_MAX, ParkedUsage, UsageSource, content_of
from pancake_meter.usecases.usage.count_usage import ItemOutcome, ItemStatus

ITEMS_MAX: Final = 10_000
"""Items of one batch of LiteLLM's: its largest has 512, and so many payloads would not fit into a body."""
CLOUD_EVENTS_MAX: Final = 1000
"""Events of one batch that are counted while the client waits, each of them perhaps another customer's."""
PARKED_PAGE_MAX: Final = 50

_OBJECT_LENGTH_MIN: Final = 30
"""Characters of a line: any usage event or call has more."""
_NDJSON: Final = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
_ONE: Final = "application/cloudevents+json"
_BATCH: Final = "application/cloudevents-batch+json"


class ParkedItem(TypedDict):
    """An item that was kept and not counted: ``index`` is its place in the batch, ``id`` that under which it is kept."""

    index: int
    id: str
    code: str
    detail: str


class IntakeBody(TypedDict):
    """The answer to a batch: how many of each; ``ignored`` are those that the catalog's settings leave out.

    ``holds_ended`` counts the items for which units were held until now.
    """

    counted: int
    duplicate: int
    ignored: int
    parked: int
    holds_ended: int
    parked_items: list[ParkedItem]


class ParkedBody(TypedDict):
    """Parked usage: what a source sent, and why it could not be counted. ``counted_at`` once it could, and
    ``counted_by``, the name of the API key that had it counted.

    ``dismissed_at``, ``dismissed_reason`` and ``dismissed_by``, an API key's name, once an operator said that it is not to
    be counted.
    """

    id: str
    source: UsageSource
    code: str
    detail: str
    parked_at: Timestamp
    counted_at: Timestamp | None
    counted_by: str | None
    dismissed_at: Timestamp | None
    dismissed_reason: str | None
    dismissed_by: str | None
    content: str


class ParkedPage(TypedDict):
    """A page of parked usage, the latest first; ``next_cursor`` goes on from it, and is null at the end."""

    parked: list[ParkedBody]
    next_cursor: str | None


class ReplayedBody(ParkedBody):
    """Parked usage after it was tried again."""

    status: ItemStatus


class ParkedQuery(PageQuery):
    """Query of ``GET /v1/usage/parked``: the page's size, and the cursor that the page before gave.

    ``status`` lists what is open, or what was dismissed.
    """

    status: Literal["open", "dismissed"] = "open"
    limit: Annotated[int, Field(ge=1, le=PARKED_PAGE_MAX), COUNT] = PARKED_PAGE_MAX


def bounded_items(text: str, content_type: str) -> list[object]:
    """Return the items of a body, as ``lenient_items``.

    Raises:
        MalformedJson: the body is none of the three.
        TooManyEvents: it has more than 10,000 items; nothing is counted.
    """
    items = list(islice(lenient_items(text, content_type), ITEMS_MAX + 1))
    if len(items) > ITEMS_MAX:
        raise TooManyEvents(f"a batch has at most {ITEMS_MAX} items", maximum=ITEMS_MAX)
    return items


def lenient_items(text: str, content_type: str, loads: Callable[[str], Any] = json.loads_foreign) -> Iterable[object]:
    """Return the items of a body: a JSON array, lines of JSON, or one object. Lines are parsed one by one, when asked for.

    A line of ``ndjson`` that is no JSON is an item that cannot be read, and no reason to refuse the others. ``loads`` parses
    a body or a line.

    Raises:
        RepeatedKey: ``loads`` refuses a key that is there twice, and found one in a body that is no ``ndjson``.
        MalformedJson: the body is none of the three.
    """
    if _media_type(content_type) not in _NDJSON:
        try:
            whole = loads(text)
        except RepeatedKey:
            raise
        except MalformedJson:
            # `ndjson` also comes as application/json; one line alone that cannot be read is no batch.
            if "\n" not in text.strip():
                raise
        else:
            return whole if isinstance(whole, list) else [whole]
    # Only a line feed ends a line: other separators of Unicode may stand inside a JSON text.
    return (_line(line, loads) for line in StringIO(text) if not line.isspace())


def cloud_events(text: str, content_type: str) -> list[CloudEvent]:
    """Return the CloudEvents of a body, one or a batch by its content type; ``application/json`` may be either.

    Raises:
        MalformedJson: the body is no JSON.
        TooManyEvents: a batch of more than 1,000; nothing is counted.
        UnreadableUsage: it is not what its content type says, or an event is malformed; nothing is counted.
    """
    whole = json.loads_foreign(text)
    media_type = _media_type(content_type)
    if media_type == _BATCH and not isinstance(whole, list):
        raise UnreadableUsage("a batch is a JSON array of events")
    if media_type == _ONE and not isinstance(whole, dict):
        raise UnreadableUsage("one event is a JSON object")
    if not isinstance(whole, list):
        return [_event(whole)]
    if len(whole) > CLOUD_EVENTS_MAX:
        raise TooManyEvents(f"a batch has at most {CLOUD_EVENTS_MAX} events", maximum=CLOUD_EVENTS_MAX)
    return [_at(index, item) for index, item in enumerate(whole)]


def is_event_content(content_type: str) -> bool:
    """Whether CloudEvents may come as this; parameters such as ``charset`` are passed over."""
    return _media_type(content_type) in {_ONE, _BATCH, "application/json", ""}


def unsupported_content() -> Problem:
    """Return the problem of events in a content type that nobody agreed on."""
    detail = f"Events come as {_ONE}, {_BATCH} or application/json."
    return Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_content_type", detail)


def intake_body(outcomes: Sequence[ItemOutcome]) -> IntakeBody:
    """Return the answer to a batch."""
    statuses = [outcome.status for outcome in outcomes]
    return {
        "counted": statuses.count("counted"),
        "duplicate": statuses.count("duplicate"),
        "ignored": statuses.count("ignored"),
        "parked": statuses.count("parked"),
        "holds_ended": sum(outcome.ended_hold for outcome in outcomes),
        "parked_items": [
            {"index": index, "id": kept.digest, "code": kept.code, "detail": kept.detail}
            for index, outcome in enumerate(outcomes)
            if (kept := outcome.parked) is not None
        ],
    }


def no_content() -> Response[str]:
    """Return 204: everything is durable, and there is nothing to say."""
    return Response(HTTPStatus.NO_CONTENT.value, body="")


def parked_page(parked: Sequence[ParkedUsage], pages: Pages, *, has_more: bool) -> ParkedPage:
    """Return a page of parked usage."""
    last = parked[-1] if parked and has_more else None
    return {
        "parked": [parked_body(each) for each in parked],
        "next_cursor": pages.cursor(dated(last.parked_at, last.digest) if last else None),
    }


def parked_body(parked: ParkedUsage) -> ParkedBody:
    """Return one parked item."""
    return {
        "id": parked.digest,
        "source": parked.source,
        "code": parked.code,
        "detail": parked.detail,
        "parked_at": timestamp(parked.parked_at),
        "counted_at": timestamp(parked.counted_at) if parked.counted_at else None,
        "counted_by": parked.counted_by,
        "dismissed_at": timestamp(parked.dismissed_at) if parked.dismissed_at else None,
        "dismissed_reason": parked.dismissed_reason,
        "dismissed_by": parked.dismissed_by,
        "content": parked.content,
    }


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _line(line: str, loads: Callable[[str], Any]) -> object:
    """Return a line's object, or the line itself where it is none: cheaply, since a body of garbage has millions.

    Of one that ``loads`` refuses for a repeated key, it returns the refusal.
    """
    if len(line) < _OBJECT_LENGTH_MIN or not line.lstrip().startswith("{"):
        return line.strip()
    try:
        return loads(line)
    except RepeatedKey as error:
        return error
    except MalformedJson:
        return line.strip()


def _at(index: int, item: object) -> CloudEvent:
    try:
        return _event(item)
    except UnreadableUsage as error:
        raise UnreadableUsage(f"event {index}: {error}", index=index, **error.details) from None


def _event(item: object) -> CloudEvent:
    """Read an event that may have to be parked: one that could not be kept whole is refused before anything counts."""
    event = cloud_event(item)
    if len(content_of(item)) > CONTENT_LENGTH_MAX:
        raise UnreadableUsage(f"an event has at most {CONTENT_LENGTH_MAX} characters")
    return event
