"""From the file to the catalog, once per process."""

import hashlib
from functools import lru_cache
from importlib import import_module
from pathlib import Path

from pancake_meter.catalog.catalog import Catalog
from pancake_meter.catalog.errors import CatalogError, CatalogProblem

CATALOG_BYTES_MAX = 256 * 1024

CHECKED_MODULE = "pancake_meter.catalog.checked"
"""What the build makes of the catalog that it has checked in full: a module with ``CATALOG`` (see ``as_code``)."""


@lru_cache(maxsize=4)
def load_catalog(path: str | Path) -> Catalog:
    """Return the catalog of the file at ``path``; a second call in one process returns the first one's answer.

    If the build has checked this very file, its answer is taken. Any other file is checked here, in full.

    Raises:
        CatalogError: the file cannot be read, is larger than 256 KiB, or has any problem.
    """
    try:
        with Path(path).open("rb") as file:
            raw = file.read(CATALOG_BYTES_MAX + 1)
        return _checked_by_the_build(raw) or parse_catalog(raw.decode())
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
    if len(text.encode()) > CATALOG_BYTES_MAX:
        raise CatalogError([CatalogProblem("", f"the catalog is larger than {CATALOG_BYTES_MAX} bytes")])
    # Here, because its models are a large part of a cold start, and a catalog that the build has checked needs none.
    from pancake_meter.catalog.checking import check_catalog  # noqa: PLC0415

    return check_catalog(text)


def _checked_by_the_build(raw: bytes) -> Catalog | None:
    """Return the catalog that the build has checked, if it was made of these very bytes: its version is their hash."""
    try:
        catalog: Catalog = import_module(CHECKED_MODULE).CATALOG
    except ModuleNotFoundError:  # nothing was built: the sources themselves run
        return None
    return catalog if catalog.version == hashlib.sha256(raw).hexdigest() else None
