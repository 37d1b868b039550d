"""Writes docs/openapi.json from the table of routes and the wire models, and the command's list of the fields of answers
(``fields.py``); or checks that both are in step.

Usage: ``python -m tools.openapi [--check]``. A route that the table has and no room describes, or the other way round, is an
error: the document covers the API, no more and no less.
"""

import json
import sys
from collections.abc import Sequence
from typing import Final

from tools.cfn_template import ROOT
from tools.openapi.document import text, undescribed
from tools.openapi.fields import FIELDS, fields_text

DOCUMENT: Final = ROOT / "docs" / "openapi.json"


def main(arguments: Sequence[str]) -> int:
    """Write the document, or with ``--check`` compare; return the exit status."""
    if undescribed():
        print("routes differ from the table of routes:", sorted(undescribed()))
        return 1
    made = text()
    files = {DOCUMENT: made, FIELDS: fields_text(json.loads(made))}
    for path, content in files.items():
        if "--check" not in arguments:
            path.write_text(content, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != content:
            print(f"{path.relative_to(ROOT)} is out of step: run `make openapi`")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
