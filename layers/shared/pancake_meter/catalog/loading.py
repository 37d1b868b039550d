"""From the file to the catalog, once per process."""

import hashlib
import tomllib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pancake_meter.catalog.building import build_catalog
from pancake_meter.catalog.catalog import Catalog
from pancake_meter.catalog.errors import CatalogError, CatalogProblem
from pancake_meter.catalog.model import CatalogFile
from pancake_meter.faults import sentence

CATALOG_BYTES_MAX = 256 * 1024

_NEEDS_A_MODEL = "needs a model: per_unit, package, graduated or volume"
_MESSAGES = {
    "extra_forbidden": "is not a key that the catalog knows",
    "union_tag_not_found": _NEEDS_A_MODEL,
    "union_tag_invalid": _NEEDS_A_MODEL,
}
_KEY_MARK = "[key]"


@lru_cache(maxsize=4)
def load_catalog(path: str | Path) -> Catalog:
    """Return the catalog of the file at ``path``; a second call in one process returns the first one's answer.

    Raises:
        CatalogError: the file cannot be read, is larger than 256 KiB, or has any problem.
    """
    try:
        with Path(path).open("rb") as file:
            raw = file.read(CATALOG_BYTES_MAX + 1)
        return parse_catalog(raw.decode())
    except OSError as error:
        raise CatalogError([CatalogProblem("", f"{path} cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise CatalogError([CatalogProblem("", f"{path} is not UTF-8")]) from error


def parse_catalog(text: str) -> Catalog:
    """Return the catalog that ``text`` (TOML) describes.

    Raises:
        CatalogError: with every problem found. Names, types and bounds of single values come first; what concerns
            several of them is looked at once those are right.
    """
    encoded = text.encode()
    if len(encoded) > CATALOG_BYTES_MAX:
        raise CatalogError([CatalogProblem("", f"the catalog is larger than {CATALOG_BYTES_MAX} bytes")])
    document = _document(text)
    try:
        file = CatalogFile.model_validate(document)
    except ValidationError as error:
        raise CatalogError(_problems(error, document)) from None
    return build_catalog(file, hashlib.sha256(encoded).hexdigest())


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
