"""The launch checklist: products, prices, usage, enforcement, a change of plan both ways, overage paid, published."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from pancake_meter.catalog.warnings import catalog_warnings
from pancake_meter_cli.api import customer
from pancake_meter_cli.commands.catalog import catalog_path
from pancake_meter_cli.commands.deliveries import PAGE_SIZE, newest
from pancake_meter_cli.doctoring.findings import Check, Finding, Patient
from pancake_meter_cli.failures import Failure
from pancake_meter_cli.products import Environment, differences, is_example, products_of, read_store

PROBE: Final = "pancake-meter-doctor"
"""A customer who has bought nothing: only asked about, never written."""

FAR_TOO_MUCH: Final = "999999999999999"
PAYMENT_REQUIRED: Final = 402
CUSTOMERS_MAX: Final = 10
MONTHS_BACK: Final = 11

_ORDERS: Final = """query ($storeId: String!, $limit: Int, $offset: Int) {
  subscriptionOrders(storeId: $storeId, limit: $limit, offset: $offset) {
    id changeOriginOrderId subscriptionProduct { id name }
  }
}"""
_STORE: Final = "query ($id: ID!) { store(id: $id) { name status prodEnabled } }"


def catalog(patient: Patient) -> Iterator[Finding]:
    """The catalog can be used, and names products of your own store."""
    read = patient.catalog
    yield Finding("ok", f"{catalog_path(patient.cli, None)} can be used (version {read.version[:12]})")
    for warning in catalog_warnings(read):
        yield Finding("warning", str(warning), "docs/catalog.md")
    stated = patient.cli.profile.waffo_environment
    options: dict[Environment, str] = {"test": "", "prod": " --publish"}
    for environment, option in options.items():
        names = [each.name for each in products_of(read) if is_example(each.product_ids.get(environment))]
        if not names:
            continue
        text = f"the catalog still has the {environment} ids of the example it came with: {', '.join(names)}"
        fix = f"create the products at Waffo and put their ids there: pancake-meter catalog push{option}"
        # The simulator sells the example; and a test stack does not need what is sold in production.
        is_fault = environment == (stated or patient.environment) and not patient.cli.profile.has_simulator
        yield Finding("fault" if is_fault else "warning", text, fix)


def products(patient: Patient) -> Iterator[Finding]:
    """Each tier has a product at Waffo and in the catalog, with the same price and period."""
    read, environment = patient.catalog, patient.environment
    sold = {product.plan for product in read.products if environment in product.product_ids}
    for name, plan in read.plans.items():
        if name not in sold and name != read.default_plan_key:
            yield Finding(
                "fault",
                f"the plan {plan.name!r} has no product: nobody can buy it",
                f"add [[products]] with plan = {name!r}",
            )
    store = read_store(patient.cli.waffo)
    found = list(differences(read, store, environment))
    for difference in found:
        yield Finding(
            "fault",
            str(difference),
            "pancake-meter catalog diff shows all; pancake-meter catalog push changes Waffo, or mend the catalog",
        )
    if not found:
        yield Finding("ok", f"{len(products_of(read))} products are the same at Waffo and in the catalog")


def documented(patient: Patient) -> Iterator[Finding]:
    """Quotas and prices are documented: what customers see."""
    page = patient.prices
    if not page["plans"] and not page["top_ups"]:
        yield Finding(
            "fault", "nothing is for sale: customers see an empty page", "give plans products and prices in the catalog"
        )
        return
    silent = [plan["name"] for plan in page["plans"] if not plan["allowances"]]
    if silent:
        yield Finding("warning", f"plans without a quota: {', '.join(silent)}", "give them allowances in the catalog")
    text = f"customers see {len(page['plans'])} plans and {len(page['top_ups'])} packs in {page['currency']}"
    yield Finding("ok", f"{text} (pancake-meter plans)")


def usage(patient: Patient) -> Iterator[Finding]:
    """Usage arrives."""
    api, now = patient.cli.api, patient.cli.now()
    report = api.get("/v1/reports/usage", **{"from": _month(now, 1), "to": _month(now, 0)})
    if any(_is_some(row.get("total", row["used"])) for row in report["months"]):
        yield Finding("ok", "usage arrives: the report has some")
        return
    seen = dict.fromkeys(each["customer_id"] for each in newest(api, PAGE_SIZE) if each["customer_id"])
    for customer_id in list(seen)[:CUSTOMERS_MAX]:
        if any(_is_some(each["used"]) for each in api.get(customer(customer_id, "quota"))["quotas"]):
            yield Finding("ok", f"usage arrives: {customer_id} has used some")
            return
    yield Finding("open", "no usage has been seen yet", "POST /v1/holds or /v1/usage from your backend: docs/api.md")


def enforcement(patient: Patient) -> Iterator[Finding]:
    """Who has nothing is refused, with a link."""
    api = patient.cli.api
    meters = [each["meter"] for each in api.get(customer(PROBE, "quota"))["quotas"]]
    if not meters:
        yield Finding("not_checked", "the catalog has no meter to ask about")
    for meter in meters:
        try:
            api.get(customer(PROBE, "quota", meter), amount=FAR_TOO_MUCH)
        except Failure as failure:
            if failure.more.get("status") != PAYMENT_REQUIRED:
                raise
            has_link = bool(failure.more.get("purchase_url") or failure.more.get("upgrade_url"))
            if has_link:
                yield Finding("ok", f"{meter}: whoever has no units is refused ({failure.code}), with a link")
            else:
                yield Finding(
                    "warning",
                    f"{meter}: the refusal has no link to buy",
                    "give the meter a price, or its plans a product",
                )
        else:
            fix = 'set overage = "blocked" or "capped" for the default plan in the catalog'
            yield Finding("fault", f"{meter}: a customer who bought nothing may use without end", fix)


def plan_changes(patient: Patient) -> Iterator[Finding]:
    """An upgrade and a downgrade have gone through."""
    orders = {each["id"]: each for each in patient.cli.waffo.listed("subscriptionOrders", _ORDERS)}
    ranks = {
        id_: patient.catalog.plans[product.plan].rank
        for product in patient.catalog.products
        if product.plan is not None
        for id_ in product.product_ids.values()
    }
    steps = set()
    for order in orders.values():
        origin = orders.get(order["changeOriginOrderId"] or "")
        if origin is None:
            continue
        before, after = (ranks.get(each["subscriptionProduct"]["id"]) for each in (origin, order))
        if before is not None and after is not None:
            steps.add("upgrade" if after > before else "downgrade")
    for step in ("upgrade", "downgrade"):
        if step in steps:
            yield Finding("ok", f"{'an' if step == 'upgrade' else 'a'} {step} has gone through")
        else:
            fix = "pancake-meter checkouts create CUSTOMER --kind plan_change --plan PLAN, and confirm it with a test card"
            yield Finding("open", f"no {step} has gone through yet", fix)


def overage(patient: Patient) -> Iterator[Finding]:
    """Overage, or a pack, was bought and paid."""
    now = patient.cli.now()
    answer = patient.cli.api.get("/v1/reports/revenue", **{"from": _month(now, MONTHS_BACK), "to": _month(now, 0)})
    sold = {name for month in answer["months"] for each in month["currencies"] for name in each["by_sold"]}
    if sold & {"overage", "top_up"}:
        yield Finding("ok", f"paid beside subscriptions: {', '.join(sorted(sold & {'overage', 'top_up'}))}")
    else:
        fix = "use more than a quota, follow purchase_url of the refusal, and pay with a test card"
        yield Finding("open", "no overage has been bought and paid yet", fix)


def published(patient: Patient) -> Iterator[Finding]:
    """Published to production."""
    published_ids = {each.name: each.product_ids.get("prod") for each in products_of(patient.catalog)}
    lacking = [name for name, id_ in published_ids.items() if id_ is None or is_example(id_)]
    if lacking:
        yield Finding(
            "open",
            f"products without an id for production: {', '.join(lacking)}",
            "pancake-meter catalog push --publish",
        )
    if patient.environment == "test":
        text = "this is a test stack: whether production is published is seen with the production stack's profile"
        yield Finding("not_checked", text, "pancake-meter doctor --profile PRODUCTION")
        return
    store = patient.cli.waffo.query(_STORE, id=patient.cli.waffo.store_id)["store"]
    if store is None or store["status"] != "active" or not store["prodEnabled"]:
        yield Finding(
            "fault", "the store does not sell in production", "finish the store's review in Waffo's dashboard"
        )
    elif not lacking:
        yield Finding("ok", f"the store {store['name']!r} sells in production")


def _is_some(quantity: object) -> bool:
    return float(str(quantity)) > 0


def _month(now: datetime, back: int) -> str:
    months = now.year * 12 + now.month - 1 - back
    return f"{months // 12:04d}-{months % 12 + 1:02d}"


CHECKS: Final[dict[str, Check]] = {
    "catalog": catalog,
    "products": products,
    "prices_documented": documented,
    "usage_arrives": usage,
    "enforcement": enforcement,
    "plan_changes": plan_changes,
    "overage_paid": overage,
    "published": published,
}
