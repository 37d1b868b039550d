"""``python -m pancake_meter.catalog check <path>``: look a catalog over before it is deployed.

``write <path> <module>`` is for the build: it checks too, and writes the catalog as a module that a cold start reads.

Exit status: 0 usable (warnings or not), 1 not usable, 2 not called as above.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from pancake_meter.catalog.as_code import catalog_as_code
from pancake_meter.catalog.catalog import Catalog
from pancake_meter.catalog.errors import CatalogError
from pancake_meter.catalog.loading import load_catalog
from pancake_meter.catalog.warnings import catalog_warnings


def main(arguments: Sequence[str]) -> int:
    """Do what ``arguments`` (``check <path>`` or ``write <path> <module>``) say; return the exit status."""
    match arguments:
        case ["check", path]:
            return _check(path)
        case ["write", path, module]:
            return _write(path, Path(module))
        case _:
            sys.stderr.write("usage: python -m pancake_meter.catalog check <path>\n")
            return 2


def _catalog(path: str) -> Catalog | None:
    """Return the catalog of a file, ``None`` once its problems are printed."""
    try:
        return load_catalog(path)
    except CatalogError as error:
        sys.stderr.writelines(f"problem: {problem}\n" for problem in error.problems)
        return None


def _write(path: str, module: Path) -> int:
    catalog = _catalog(path)
    if catalog is None:
        return 1
    module.write_text(catalog_as_code(catalog), encoding="utf-8")
    return 0


def _check(path: str) -> int:
    catalog = _catalog(path)
    if catalog is None:
        return 1
    sys.stdout.writelines(f"warning: {warning}\n" for warning in catalog_warnings(catalog))
    sys.stdout.write(
        f"ok: {len(catalog.meters)} meters, {len(catalog.plans)} plans, {len(catalog.products)} products, "
        f"version {catalog.version[:12]}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
