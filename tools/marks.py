"""Marks in the built template: texts that differ wherever SAM would not see that something does.

SAM publishes a version of a function where the function's own text or code differs. A `!Ref` is the same text whatever it
stands for, be it a parameter or a layer. Without a new version the alias, which all callers reach, keeps what it had.
"""

import re
from pathlib import Path
from typing import Final

PARAMETERS: Final = "DEPLOYMENT"
LAYERS: Final = "LAYERS"


class NoMark(Exception):
    """The template does not have the mark once."""


def write_mark(template: Path, name: str, digest: str) -> None:
    """Write the digest as the value of the environment variable that all functions have. Raises `NoMark`."""
    mark = re.compile(rf"^(\s+{name}: )\S+$", re.MULTILINE)
    text, count = mark.subn(rf"\g<1>{digest}", template.read_text(encoding="utf-8"))
    if count != 1:
        raise NoMark(f"{template.name} does not say {name} once: run `make build` again, from the whole template.yaml")
    template.write_text(text, encoding="utf-8")
