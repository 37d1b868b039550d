"""Reports as CSV: RFC 4180, for callers whose ``Accept`` asks for ``text/csv``.

A text that a spreadsheet would take for a formula gets an apostrophe before it: customers choose ids and names. So does one
that begins with an apostrophe: whoever takes the first away has the text, and no two texts look alike.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from http import HTTPStatus
from typing import Final

from aws_lambda_powertools.event_handler import Response

from pancake_meter.domain.quantity import format_quantity
from pancake_meter.http.request import Routes, answer

CSV: Final = "text/csv"
NEXT_CURSOR: Final = "Next-Cursor"
_CONTENT_TYPE: Final = f"{CSV}; charset=utf-8; header=present"
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_MARK: Final = "'"
_MARKED: Final = ("=", "+", "-", "@", "\t", "\r", "\n", _MARK)
_QUALITY: Final = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE)

Row = Mapping[str, object]


def answer_report(
    app: Routes, content: object, columns: Sequence[str], rows: Iterable[Row], next_cursor: str | None = None
) -> Response[str]:
    """Answer a report as JSON, or its rows as CSV where the caller asks for that; a page's cursor is a header there."""
    if not wants_csv(app.current_event.headers.get("accept", "")):
        return answer(HTTPStatus.OK, content)
    headers: dict[str, str | list[str]] = {NEXT_CURSOR: next_cursor} if next_cursor is not None else {}
    return Response(HTTPStatus.OK.value, _CONTENT_TYPE, csv_text(columns, rows), headers)


def wants_csv(accept: str) -> bool:
    """Return whether an ``Accept`` field names CSV, and does not prefer JSON to it."""
    weights: dict[str, float] = {}
    for part in accept.split(","):
        kind, _, parameters = part.partition(";")
        quality = _QUALITY.search(parameters)
        weights[kind.strip().lower()] = float(quality[1]) if quality else 1.0
    return weights.get(CSV, 0.0) > 0 and weights[CSV] >= weights.get("application/json", 0.0)


def csv_text(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """Return a header and rows, each ended by CR LF. A column that a row lacks is empty there, as is null."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(column)) for column in columns])
    return text.getvalue()


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case Decimal():
            return format_quantity(value)
        case _:
            text = str(value)
            return f"{_MARK}{text}" if text.startswith(_MARKED) and not _NUMBER.fullmatch(text) else text
