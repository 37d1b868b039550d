"""The default catalog with a plan changed, for tests of what the default one does not sell."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from pancake_meter.catalog import Catalog, load_catalog

_DEFAULT = load_catalog(Path(__file__).parents[2] / "layers" / "catalog" / "catalog.toml")


def with_plan(key: str, **changed: Any) -> Catalog:
    """The default catalog with one plan changed."""
    return replace(_DEFAULT, plans={**_DEFAULT.plans, key: replace(_DEFAULT.plans[key], **changed)})


def with_trial(key: str, fraction: str) -> Catalog:
    """The default catalog with a plan whose trial grants a fraction of each allowance."""
    return with_plan(key, trial=Decimal(fraction))
