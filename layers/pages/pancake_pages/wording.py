"""Words: all that pages say, in one place for each language.

``words/<language>/<area>.toml`` has the words of an area, such as ``portal``, under keys. A text has places for values in
braces. Where a number decides its form, a table has a text for each plural form of the language (``one``, ``other``). The
number is ``count``; ``shown`` is how it is written, where that differs.
"""

import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from babel import Locale

WORDS: Final = Path(__file__).parent / "words"

Text = str | Mapping[str, str]


class Wording:
    """The words of one language."""

    def __init__(self, texts: Mapping[str, Text], locale: Locale) -> None:
        """Take texts by their keys, such as ``portal.title``."""
        self.texts = texts
        self._locale = locale

    def __call__(self, key: str, /, **values: Any) -> str:
        """Return a text with its values.

        Raises:
            KeyError: there is no such text, or a value that it has a place for is missing.
        """
        text = self.texts[key]
        if not isinstance(text, str):
            # One unit is one, however many decimal places it is kept with.
            text = text[self._locale.plural_form(Decimal(values["count"]).normalize())]
            values = {**values, "count": values.get("shown", values["count"])}
        return text.format_map(values)

    def has(self, key: str) -> bool:
        """Return whether there is a text under ``key``."""
        return key in self.texts


@lru_cache
def wording_of(language: str) -> Wording:
    """Return the words of a language, such as ``zh-Hans``. They are read once."""
    folder = WORDS / language
    texts = {
        f"{path.stem}.{key}": text
        for path in sorted(folder.glob("*.toml"))
        for key, text in _texts(tomllib.loads(path.read_text(encoding="utf-8")))
    }
    return Wording(texts, Locale.parse(language, sep="-"))


def _texts(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Text]]:
    """Yield each text of a table with its key; tables within it are parts of the key, but for those with plural forms."""
    for key, value in table.items():
        if isinstance(value, str) or "other" in value:
            yield above + key, value
        else:
            yield from _texts(value, f"{above}{key}.")
