"""What a delivery is judged with: the catalog and our own code.

Once either has changed, open deliveries are tried again.
"""

import hashlib
from functools import cache
from pathlib import Path

from pancake_meter.catalog import Catalog

_PACKAGE = Path(__file__).parents[1]


def judged_with(catalog: Catalog) -> str:
    """Return a digest of the code and of the catalog, in hex."""
    return hashlib.sha256(f"{code_digest()}:{catalog.version}".encode()).hexdigest()


@cache
def code_digest() -> str:
    """Return a digest of this package's source, in hex: read once a process."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
