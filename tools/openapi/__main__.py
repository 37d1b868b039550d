"""Writes docs/openapi.json from the table of routes and the wire models, or checks that it is in step.

Usage: ``python -m tools.openapi [--check]``. A route that the table has and no room describes, or the other way round, is an
error: the document covers the API, no more and no less.
"""

import sys
from collections.abc import Sequence
from typing import Final

from tools.cfn_template import ROOT
from tools.openapi.document import text, undescribed

DOCUMENT: Final = ROOT / "docs" / "openapi.json"


def main(arguments: Sequence[str]) -> int:
    """Write the document, or with ``--check`` compare; return the exit status."""
    if undescribed():
        print("routes differ from the table of routes:", sorted(undescribed()))
        return 1
    made = text()
    if "--check" not in arguments:
        DOCUMENT.write_text(made, encoding="utf-8")
        return 0
    if not DOCUMENT.exists() or DOCUMENT.read_text(encoding="utf-8") != made:
        print("docs/openapi.json is out of step: run `make openapi`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
