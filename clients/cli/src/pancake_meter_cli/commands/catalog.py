"""``catalog``: the seller's plans, meters and prices. The rules are those of the stack's own loader."""

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from pancake_meter.catalog.catalog import Catalog
from pancake_meter.catalog.errors import CatalogError
from pancake_meter.catalog.loading import load_catalog
from pancake_meter.catalog.warnings import catalog_warnings
from pancake_meter_cli import output
from pancake_meter_cli.api import Json
from pancake_meter_cli.cli import Cli
from pancake_meter_cli.command import command, group
from pancake_meter_cli.failures import ExitStatus, Failure, usage

app = group("catalog", "Your plans, meters and prices: one file.")

CATALOG_PROBLEMS: Final = "catalog_problems"
PLACES: Final = ("layers/catalog/catalog.toml", "catalog.toml")
File = Annotated[
    Path | None, typer.Argument(help="The catalog; without: the profile's, or layers/catalog/catalog.toml.")
]


@command(app, "check", "catalog check", "catalog check layers/catalog/catalog.toml --json")
def check(cli: Cli, file: File = None) -> None:
    """Check a catalog before it is deployed: every problem, with its place in the file."""
    path = catalog_path(cli, file)
    catalog = load(path)
    warnings = [str(each) for each in catalog_warnings(catalog)]
    answer = {"file": str(path), "version": catalog.version[:12], "warnings": warnings, **_counts(catalog)}
    cli.show(answer)


@command(app, "show", "catalog show", "catalog show catalog.toml --json")
def show(cli: Cli, file: File = None) -> None:
    """Show what a catalog sells: plans with their allowances, products with their prices."""
    path = catalog_path(cli, file)
    catalog = load(path)
    answer: Json = {
        "file": str(path),
        "version": catalog.version[:12],
        "default_plan": catalog.default_plan_key,
        "plans": _plans(catalog),
        "products": _products(catalog),
    }
    cli.show(answer, lambda: _shown(answer))


def catalog_path(cli: Cli, given: Path | None) -> Path:
    """Return where the catalog is. Raises ``Failure`` when there is none."""
    if given is not None:
        return given
    places = [Path(each) for each in (cli.profile.catalog_path, *PLACES) if each]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise usage("there is no catalog here", "name the file, or pancake-meter login --catalog FILE", "no_catalog")
    return found


def load(path: Path) -> Catalog:
    """Read a catalog. Raises ``Failure`` with every problem."""
    try:
        return load_catalog(path)
    except CatalogError as error:
        problems = [str(each) for each in error.problems]
        raise Failure(
            ExitStatus.REFUSED,
            CATALOG_PROBLEMS,
            f"{path} cannot be used:\n" + "\n".join(f"  {problem}" for problem in problems),
            "docs/catalog.md says what each key means",
            {"problems": problems},
        ) from None


def _counts(catalog: Catalog) -> Json:
    return {"meters": len(catalog.meters), "plans": len(catalog.plans), "products": len(catalog.products)}


def _plans(catalog: Catalog) -> list[Json]:
    return [
        {
            "plan": key,
            "name": plan.name,
            "rank": plan.rank,
            "add_on": plan.add_on,
            "allowances": {meter: str(terms.quantity) for meter, terms in plan.allowances.items()},
        }
        for key, plan in catalog.plans.items()
    ]


def _products(catalog: Catalog) -> list[Json]:
    shown = [
        {
            "name": product.name,
            "plan": product.plan,
            "billing_period": product.billing_period,
            "prices": {currency: str(price.amount) for currency, price in product.prices.items()},
            "product_ids": dict(product.product_ids),
        }
        for product in catalog.products
    ]
    usage = (
        {"name": product.name, "plan": None, "product_ids": dict(product.product_ids)}
        for product in catalog.one_time_products
    )
    return [*shown, *usage]


def _shown(answer: Json) -> RenderableType:
    plans = [("plan", "plan"), ("name", "name"), ("rank", "rank"), ("add-on", "add_on"), ("allowances", "allowances")]
    products = [
        ("product", "name"),
        ("plan", "plan"),
        ("every", "billing_period"),
        ("prices", "prices"),
        ("test id", "product_ids.test"),
        ("prod id", "product_ids.prod"),
    ]
    return Group(output.table(answer["plans"], plans), Text(), output.table(answer["products"], products))
