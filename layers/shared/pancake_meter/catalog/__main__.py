"""``python -m pancake_meter.catalog check <path>``: look a catalog over before it is deployed.

Exit status: 0 usable (warnings or not), 1 not usable, 2 not called as above.
"""

import sys
from collections.abc import Sequence

from pancake_meter.catalog.errors import CatalogError
from pancake_meter.catalog.loading import load_catalog
from pancake_meter.catalog.warnings import catalog_warnings


def main(arguments: Sequence[str]) -> int:
    """Check the catalog that ``arguments`` (``check <path>``) name; return the exit status."""
    match arguments:
        case ["check", path]:
            return _check(path)
        case _:
            sys.stderr.write("usage: python -m pancake_meter.catalog check <path>\n")
            return 2


def _check(path: str) -> int:
    try:
        catalog = load_catalog(path)
    except CatalogError as error:
        sys.stderr.writelines(f"problem: {problem}\n" for problem in error.problems)
        return 1
    sys.stdout.writelines(f"warning: {warning}\n" for warning in catalog_warnings(catalog))
    sys.stdout.write(
        f"ok: {len(catalog.meters)} meters, {len(catalog.plans)} plans, {len(catalog.products)} products, "
        f"version {catalog.version[:12]}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
