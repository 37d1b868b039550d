"""Which fields an answer of the API has, by ``answer_fields.json``, which is made of the API's own document."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

_FILE: Final = Path(__file__).parent / "answer_fields.json"


def missing_fields(method: str, path: str, answer: Collection[str]) -> Sequence[str]:
    """Return the fields that the document names of an answer to a request, and that this one lacks."""
    fields = next((names for template, names in _table() if template.fullmatch(f"{method} {path}")), ())
    return [name for name in fields if name not in answer]


@cache
def _table() -> Sequence[tuple[re.Pattern[str], Sequence[str]]]:
    told: Mapping[str, Sequence[str]] = json.loads(_FILE.read_text(encoding="utf-8"))
    # A path without a parameter goes before one that has one in its place.
    operations = sorted(told, key=lambda operation: ("{" in operation, operation))
    return [(re.compile(re.sub(r"\\{[a-z_]+\\}", "[^/]+", re.escape(each))), told[each]) for each in operations]
