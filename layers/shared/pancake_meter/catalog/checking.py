"""The full check: from the text of ``catalog.toml`` to the catalog, or to every problem in it.

It needs pydantic and many models, which a cold start had better not make: ``loading`` imports it only where it is needed.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import ValidationError

from pancake_meter.catalog.building import build_catalog
from pancake_meter.catalog.catalog import Catalog
from pancake_meter.catalog.errors import CatalogError, CatalogProblem
from pancake_meter.catalog.model import CatalogFile
from pancake_meter.faults import sentence

_NEEDS_A_MODEL = "needs a model: per_unit, package, graduated or volume"
_MESSAGES = {
    "extra_forbidden": "is not a key that the catalog knows",
    "union_tag_not_found": _NEEDS_A_MODEL,
    "union_tag_invalid": _NEEDS_A_MODEL,
}
_KEY_MARK = "[key]"


def check_catalog(text: str) -> Catalog:
    """Return the catalog that ``text`` (TOML) describes. Raises as ``loading.parse_catalog``."""
    document = _document(text)
    try:
        file = CatalogFile.model_validate(document)
    except ValidationError as error:
        raise CatalogError(_problems(error, document)) from None
    return build_catalog(file, hashlib.sha256(text.encode()).hexdigest())


def _document(text: str) -> dict[str, Any]:
    try:
        # A number with a point becomes exactly what was written, never a float.
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise CatalogError([CatalogProblem("", f"not TOML: {error}")]) from None
    except (InvalidOperation, RecursionError) as error:
        raise CatalogError([CatalogProblem("", f"not TOML that can be read: {type(error).__name__}")]) from None


def _problems(error: ValidationError, document: dict[str, Any]) -> list[CatalogProblem]:
    return [
        CatalogProblem(_path(fault["loc"], document), _message(fault["type"], fault.get("ctx", {})))
        for fault in error.errors(include_url=False, include_input=False)
    ]


def _message(kind: str, context: Mapping[str, Any]) -> str:
    return _MESSAGES.get(kind) or sentence(kind, context)


def _path(location: tuple[int | str, ...], document: Any) -> str:
    """Return the place in the file: pydantic's location less what it adds, such as the model of a price."""
    parts: list[str] = []
    node = document
    for index, step in enumerate(location):
        is_last = index == len(location) - 1
        if isinstance(node, list) and isinstance(step, int) and step < len(node):
            parts.append(f"[{step}]")
            node = node[step]
        elif isinstance(node, dict) and step in node:
            parts.append(f".{step}")
            node = node[step]
        elif is_last and isinstance(node, dict) and step != _KEY_MARK:
            parts.append(f".{step}")
    return "".join(parts).removeprefix(".")
