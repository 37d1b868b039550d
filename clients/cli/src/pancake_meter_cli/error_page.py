"""``docs/errors.md``, read for what helps against each code. The package carries the page."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

_ROW: Final = re.compile(r"^\| `([a-z_]+)` \|[^|]*\|[^|]*\| ([^|]+) \|$", re.MULTILINE)
_PLACES: Final = (
    Path(__file__).parent / "errors.md",  # in the installed package
    Path(__file__).parents[4] / "docs" / "errors.md",  # in the repository
)

_OWN: Final[Mapping[str, str]] = {
    "unauthorized": "log in: pancake-meter login",
    "forbidden": "see what the key may do with `pancake-meter keys own`, or log in with another",
    "no_answer": "see that the stack is up and that the profile's api_url is right: pancake-meter profiles",
    "unexpected_answer": "see that the profile's api_url is the stack's ApiUrl (pancake-meter profiles), and that the stack"
    " is not older than this command",
    "unknown": "see that the profile's api_url is the stack's ApiUrl: pancake-meter profiles",
    "not_found": "the stack may be older than this command: deploy it again",
    "throttled": "repeat it in a second",
    "gateway_error": "repeat it; it cannot count twice",
}


def what_helps(code: str) -> str:
    """Return what the page says helps against a code; empty for one that is not on it."""
    return _table().get(code, _OWN.get(code, ""))


@cache
def _table() -> Mapping[str, str]:
    page = next((place for place in _PLACES if place.is_file()), None)
    return dict(_ROW.findall(page.read_text(encoding="utf-8"))) if page else {}
