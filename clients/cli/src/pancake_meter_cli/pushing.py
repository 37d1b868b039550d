"""From the catalog to Waffo: what has to be made and changed there, and how it is done."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import tomlkit

from pancake_meter.catalog.catalog import Catalog, Product
from pancake_meter_cli.commands.catalog import load
from pancake_meter_cli.failures import usage
from pancake_meter_cli.products import (
    Difference,
    Environment,
    Store,
    differences_of,
    is_example,
    metadata,
    price_fields,
    products_of,
)
from pancake_meter_cli.waffo import Waffo

Json = dict[str, Any]

GROUP: Final = "Plans"
"""The group of all plans that exclude each other: within it customers change plan by themselves."""

GROUPS: Final = """query ($storeId: String!, $limit: Int, $offset: Int) {
  subscriptionProductGroups(storeId: $storeId, limit: $limit, offset: $offset) {
    id name rules { sharedTrial selfServicePlanChange } products { id }
  }
}"""
_UNMADE: Final = "PROD_{:022d}"
"""Stands in the catalog for the id of a product that is not made yet, while the catalog is read."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A catalog that may lack product ids, and the document that the ids are written into."""

    path: Path
    document: tomlkit.TOMLDocument
    catalog: Catalog

    def keep_id(self, product: Product, environment: Environment, product_id: str) -> None:
        """Write a product's id into the file now: what was made at Waffo is never forgotten."""
        for table in _product_tables(self.document):
            if table["name"] == product.name:
                # The ids of the example are no store's: they go as soon as the product is your own.
                own = {name: id_ for name, id_ in (table.get("product_id") or {}).items() if not is_example(id_)}
                pairs = [f"{name} = {json.dumps(id_)}" for name, id_ in {**own, environment: product_id}.items()]
                table["product_id"] = tomlkit.value(f"{{ {', '.join(pairs)} }}")
        self.path.write_text(tomlkit.dumps(self.document), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do at Waffo. ``changes_price`` of what customers pay: a person is asked first."""

    verb: str
    product: Product
    product_id: str | None = None
    fields: Json = field(default_factory=dict)
    why: tuple[str, ...] = ()
    changes_price: bool = False

    def shown(self) -> Json:
        """Return it as JSON."""
        return {
            "do": self.verb,
            "product": self.product.name,
            "product_id": self.product_id,
            "why": "; ".join(self.why),
        }


def read_draft(path: Path) -> Draft:
    """Read a catalog in which products may have no id yet. Raises ``Failure`` with every other problem."""
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise usage(f"{path} cannot be read ({type(error).__name__})") from None
    filled = tomlkit.parse(tomlkit.dumps(document))
    for number, table in enumerate(_product_tables(filled)):
        if not table.get("product_id"):
            table["product_id"] = {"test": _UNMADE.format(number)}
    with TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        copy.write_text(tomlkit.dumps(filled), encoding="utf-8")
        return Draft(path, document, load(copy))


def steps(catalog: Catalog, store: Store, environment: Environment) -> Iterator[Step]:
    """Yield what has to be done for each product: made, found by its name, changed, put on sale."""
    for product in products_of(catalog):
        product_id = product.product_ids.get(environment)
        found = store.find(product, product_id) if product_id else None
        if found is None:
            same_name = [each for each in store.of_kind(product).values() if each["name"] == product.name]
            if not same_name:
                yield Step("create", product, None, creation(catalog, product), (f"{environment} has none",))
                continue
            # An earlier run made it and could not write its id, or a person did.
            found = same_name[0]
            yield Step("adopt", product, found["id"], {}, ("a product of this name is there",))
        yield from _changes(catalog, product, found)


def apply(draft: Draft, waffo: Waffo, environment: Environment, step: Step) -> str:
    """Do one step, and keep the id that it made; return the product's id. Raises ``Failure``."""
    kind = _kind(step.product)
    product_id = step.product_id
    match step.verb:
        case "create":
            made = waffo.act(f"{kind}/create-product", {"storeId": waffo.store_id, **step.fields})
            product_id = str(made["product"]["id"])
        case "update":
            waffo.act(f"{kind}/update-product", {"id": product_id, **step.fields})
        case "activate":
            waffo.act(f"{kind}/update-status", {"id": product_id, "status": "active"})
    if product_id is None:
        raise AssertionError("only what is created has no id")
    if step.verb in {"create", "adopt"}:
        draft.keep_id(step.product, environment, product_id)
    return product_id


def group_differences(catalog: Catalog, groups: list[Json], environment: Environment) -> list[Difference]:
    """Return in what the group of plans is not as the catalog says; nothing where there is one plan or none."""
    wanted = grouped(catalog, environment)
    found = next((each for each in groups if each["name"] == GROUP), None)
    if len(wanted) < 2:  # noqa: PLR2004 - between one plan there is no change
        return []
    if found is None:
        return [
            Difference(GROUP, None, None, "there is no group of plans, so customers cannot change plan by themselves")
        ]
    different = []
    theirs = sorted(each["id"] for each in found["products"])
    if theirs != sorted(wanted):
        different.append(Difference(GROUP, "products", ", ".join(sorted(wanted)), ", ".join(theirs)))
    if not found["rules"]["selfServicePlanChange"]:
        different.append(Difference(GROUP, "self-service plan change", "on", "off"))
    return different


def push_group(catalog: Catalog, waffo: Waffo, environment: Environment, groups: list[Json]) -> str | None:
    """Make or change the group of plans; return its id, ``None`` where none is needed. Raises ``Failure``."""
    found = next((each for each in groups if each["name"] == GROUP), None)
    if not group_differences(catalog, groups, environment):
        return found["id"] if found else None
    wanted: Json = {"rules": {"selfServicePlanChange": True}, "productIds": grouped(catalog, environment)}
    if found is None:
        body = {"storeId": waffo.store_id, "name": GROUP, **wanted}
        return str(waffo.act("subscription-product-group/create-group", body)["group"]["id"])
    return str(waffo.act("subscription-product-group/update-group", {"id": found["id"], **wanted})["group"]["id"])


def publish(draft: Draft, waffo: Waffo, store: Store, group_id: str | None) -> list[str]:
    """Publish every product and the group to production; return the names. A product keeps its id there."""
    published = []
    for product in products_of(draft.catalog):
        product_id = product.product_ids["test"]
        found = store.find(product, product_id)
        if found is None or not found["hasProdVersion"] or product.product_ids.get("prod") != product_id:
            waffo.act(f"{_kind(product)}/publish-product", {"id": product_id})
            draft.keep_id(product, "prod", product_id)
            published.append(product.name)
    if group_id is not None:
        waffo.act("subscription-product-group/publish-group", {"id": group_id})
    return published


def grouped(catalog: Catalog, environment: Environment) -> list[str]:
    """Return the ids of the products whose plans exclude each other: all but add-ons."""
    return [
        product.product_ids[environment]
        for product in catalog.products
        if product.plan is not None and not catalog.plans[product.plan].add_on and environment in product.product_ids
    ]


def creation(catalog: Catalog, product: Product) -> Json:
    """Return the fields of a new product. What a customer pays for usage is set at each checkout, not here."""
    prices = price_fields(catalog, product) or {
        catalog.checkout.currency: {"amount": "1", "taxCategory": catalog.checkout.tax_category}
    }
    period = {} if product.billing_period is None else {"billingPeriod": product.billing_period}
    return {"name": product.name, **period, "prices": prices, "metadata": product.metadata}


def _changes(catalog: Catalog, product: Product, found: Json) -> Iterator[Step]:
    different = list(differences_of(product, found))
    if any(each.field == "status" for each in different):
        yield Step("activate", product, found["id"], {}, ("it is not on sale",))
    named = {each.field or "" for each in different} - {"status"}
    lacks = {name: value for name, value in product.metadata.items() if str(metadata(found).get(name)) != value}
    if not named and not lacks:
        return
    fields: Json = {}
    if "name" in named:
        fields["name"] = product.name
    if "billing period" in named:
        fields["billingPeriod"] = product.billing_period
    has_price = any(each.startswith("price in") for each in named)
    if has_price:
        fields["prices"] = price_fields(catalog, product)
    if lacks or "trial days" in named:
        kept = {name: value for name, value in metadata(found).items() if name != "trialDays"}
        fields["metadata"] = {**kept, **product.metadata}
    why = [str(each) for each in different if each.field != "status"] + [
        f"metadata.{name} is not set" for name in lacks
    ]
    yield Step("update", product, found["id"], fields, tuple(why), has_price)


def _kind(product: Product) -> str:
    return "onetime-product" if product.plan is None else "subscription-product"


def _product_tables(document: Mapping[str, Any]) -> list[Any]:
    usage_product = document.get("usage_product")
    narrow = document.get("usage_products", ())
    return [*document.get("products", ()), *narrow, *([usage_product] if usage_product is not None else [])]
