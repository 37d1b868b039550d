"""The default catalog with what it does not sell: trials and add-ons."""

from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from pancake_meter.catalog import Catalog, load_catalog, parse_catalog
from pancake_meter.value import replace

_DEFAULT_PATH = Path(__file__).parents[2] / "layers" / "catalog" / "catalog.toml"
_DEFAULT = load_catalog(_DEFAULT_PATH)

FREE: Final = 100
SOLD: Final = 1000
"""Units of each meter that the plans of ``toml_of_meters`` grant."""

_HEAD: Final = """
default_plan = "free"
[checkout]
currency = "USD"
[usage_product]
name = "Usage"
product_id = { test = "PROD_9tUsageOneTime00000001", prod = "PROD_9pUsageOneTime00000001" }
"""

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


def toml_of_meters(meters: int, *plans: str) -> str:
    """A catalog of so many meters, all of them in each plan: ``free``, ``starter``, and further ``plans`` above it."""
    names = [f"meter_{number:02d}" for number in range(meters)]
    listed = [f'[meters.{name}]\nname = "{name}"\nunit = "unit"' for name in names]
    sold = [(plan, rank * 10, SOLD) for rank, plan in enumerate(("starter", *plans), start=1)]
    texts = [
        f'[plans.{plan}]\nname = "{plan}"\nrank = {rank}\n'
        + "\n".join(
            f'[plans.{plan}.allowances.{name}]\nquantity = {quantity}\noverage = "allowed"\n'
            f'rollover_maximum = 50\nprices = {{ USD = {{ model = "per_unit", unit_price = "0.01" }} }}'
            for name in names
        )
        for plan, rank, quantity in (("free", 0, FREE), *sold)
    ]
    return "\n".join([_HEAD, *listed, *texts])


def with_plan(key: str, **changed: Any) -> Catalog:
    """The default catalog with one plan changed."""
    return replace(_DEFAULT, plans={**_DEFAULT.plans, key: replace(_DEFAULT.plans[key], **changed)})


def with_trial(key: str, fraction: str) -> Catalog:
    """The default catalog with a plan whose trial grants a fraction of each allowance."""
    return with_plan(key, trial=Decimal(fraction))
