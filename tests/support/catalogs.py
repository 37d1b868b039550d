"""The default catalog with what it does not sell: trials and add-ons."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from pancake_meter.catalog import Catalog, load_catalog, parse_catalog

_DEFAULT_PATH = Path(__file__).parents[2] / "layers" / "catalog" / "catalog.toml"
_DEFAULT = load_catalog(_DEFAULT_PATH)

ADD_ONS_TOML: Final = """
[plans.boost]
name = "Boost"
add_on = true
allowances.tokens = { quantity = 50_000 }

[plans.turbo]
name = "Turbo"
add_on = true
allowances.tokens = { quantity = 400_000 }
allowances.agent_runs = { quantity = 100 }

[[products]]
name = "Boost"
plan = "boost"
billing_period = "monthly"
product_id = { test = "PROD_6tBoostMonthly00000001", prod = "PROD_6pBoostMonthly00000001" }
price = { USD = "5.00", JPY = "750" }

[[products]]
name = "Turbo"
plan = "turbo"
billing_period = "monthly"
product_id = { test = "PROD_7tTurboMonthly00000001", prod = "PROD_7pTurboMonthly00000001" }
price = { USD = "25.00", JPY = "3750" }
"""

WITH_ADD_ONS: Final = parse_catalog(_DEFAULT_PATH.read_text(encoding="utf-8") + ADD_ONS_TOML)
"""The default catalog with two add-ons."""


def with_plan(key: str, **changed: Any) -> Catalog:
    """The default catalog with one plan changed."""
    return replace(_DEFAULT, plans={**_DEFAULT.plans, key: replace(_DEFAULT.plans[key], **changed)})


def with_trial(key: str, fraction: str) -> Catalog:
    """The default catalog with a plan whose trial grants a fraction of each allowance."""
    return with_plan(key, trial=Decimal(fraction))
