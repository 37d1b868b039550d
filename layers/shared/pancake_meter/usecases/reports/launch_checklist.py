"""The launch checklist, as far as the stack itself knows how far the seller is.

``pancake-meter doctor`` looks at more: alarms, secrets, schedules, the webhook at Waffo, the clock. What it asks of the
catalog is asked here by the same code.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

from pancake_meter.catalog.catalog import Catalog
from pancake_meter.catalog.comparing import Difference, is_example, products_of
from pancake_meter.catalog.warnings import catalog_warnings
from pancake_meter.domain.instant import month_of
from pancake_meter.domain.selling.plan import Environment, OverageAllowed
from pancake_meter.store.reports.revenue import read_sold
from pancake_meter.store.table import Table
from pancake_meter.store.usage.parked_usage import count_parked
from pancake_meter.store.webhooks.deliveries import Listed, count_deliveries, latest_deliveries
from pancake_meter.usecases.reports.live_figures import read_live
from pancake_meter.value import Value, field

Step = Literal[
    "catalog",
    "brand",
    "products",
    "for_sale",
    "webhooks_arrive",
    "usage_arrives",
    "enforcement",
    "plan_changes",
    "overage_paid",
    "undecided",
    "published",
]
State = Literal["ok", "fault", "warning", "open", "not_checked"]
"""``open``: a step of the launch that has not been taken yet. ``not_checked``: the stack cannot say; it may be wrong."""

_LATEST: Final = 50
_PAGES: Final = 10
_MONTHS: Final = 6
_UNITS: Final = frozenset({"overage", "top_up"})
_DAYS: Final = 31
_PLAN_CHANGES: Final = frozenset({"subscription.plan_changed"})


class Finding(Value):
    """What was found of a step. ``why`` names the case where a step has several; ``about`` are the things it is about."""

    step: Step
    state: State
    why: str = ""
    about: Sequence[str] = field(default=())


def check_launch(
    table: Table, catalog: Catalog, environment: Environment, differences: Sequence[Difference] | None, now: datetime
) -> list[Finding]:
    """Return how far the launch is. ``differences`` are those of Waffo's products, ``None`` where Waffo does not say.

    Raises:
        StoreBusy, StoreUnavailable: passing trouble.
    """
    return [
        *_catalog(catalog, environment),
        _brand(catalog),
        _products(catalog, environment, differences),
        _for_sale(catalog, environment),
        Finding("webhooks_arrive", "ok" if latest_deliveries(table, limit=1).deliveries else "open"),
        _usage(table, catalog, now),
        *_enforcement(catalog),
        _plan_changes(table),
        _overage(table, now),
        _undecided(table),
        _published(catalog, environment),
    ]


def _catalog(catalog: Catalog, environment: Environment) -> Iterator[Finding]:
    examples = [each.name for each in products_of(catalog) if is_example(each.product_ids.get(environment))]
    if examples:
        yield Finding("catalog", "warning", "examples", examples)
    warnings = [str(warning) for warning in catalog_warnings(catalog)]
    if warnings:
        yield Finding("catalog", "warning", "warnings", warnings)
    if not examples and not warnings:
        yield Finding("catalog", "ok")


def _brand(catalog: Catalog) -> Finding:
    brand = catalog.brand
    stated: Mapping[str, str | None] = {
        "name": brand.name,
        "home_url": brand.home_url,
        "support_url": brand.support_url,
    }
    lacking = [name for name, value in stated.items() if value is None]
    return Finding("brand", "warning", "lacking", lacking) if lacking else Finding("brand", "ok")


def _products(catalog: Catalog, environment: Environment, differences: Sequence[Difference] | None) -> Finding:
    sold = {product.plan for product in catalog.products if environment in product.product_ids}
    unsold = [plan.name for key, plan in catalog.plans.items() if key not in sold and key != catalog.default_plan_key]
    if unsold:
        return Finding("products", "fault", "unsold", unsold)
    if differences is None:
        return Finding("products", "not_checked")
    if differences:
        return Finding("products", "fault", "different", list(dict.fromkeys(each.product for each in differences)))
    return Finding("products", "ok")


def _for_sale(catalog: Catalog, environment: Environment) -> Finding:
    sold = [each for each in catalog.products if environment in each.product_ids and each.prices]
    packs = [each for each in catalog.meters.values() if each.top_up is not None]
    if not sold and not packs:
        return Finding("for_sale", "fault", "nothing")
    silent = [plan.name for plan in catalog.plans.values() if not plan.allowances]
    return Finding("for_sale", "warning", "silent", silent) if silent else Finding("for_sale", "ok")


def _usage(table: Table, catalog: Catalog, now: datetime) -> Finding:
    live = read_live(table, sorted(catalog.meters), now.date(), _DAYS)
    used = [each.meter for each in live.meters if any(day.used for day in each.days)]
    return Finding("usage_arrives", "ok", about=used) if used else Finding("usage_arrives", "open")


def _enforcement(catalog: Catalog) -> Iterator[Finding]:
    """Whoever has bought nothing is under the default plan, or under none: that must not let anybody use without end."""
    plan = catalog.default_plan
    allowances = plan.allowances if plan is not None else {}
    endless = [name for name, each in allowances.items() if isinstance(each.overage, OverageAllowed)]
    if endless:
        yield Finding("enforcement", "fault", "endless", endless)
        return
    unpriced = [
        meter for meter in catalog.meters if catalog.top_up_price(meter, plan, catalog.checkout.currency) is None
    ]
    if unpriced:
        yield Finding("enforcement", "warning", "unpriced", unpriced)
    else:
        yield Finding("enforcement", "ok")


def _plan_changes(table: Table) -> Finding:
    done = any(each.event_type in _PLAN_CHANGES and each.verdict == "applied" for each in _latest(table))
    return Finding("plan_changes", "ok") if done else Finding("plan_changes", "open")


def _latest(table: Table) -> Iterator[Listed]:
    """Yield the latest webhooks, page by page: a launch has few, and a step that is done is to stay so."""
    following = None
    for _ in range(_PAGES):
        page = latest_deliveries(table, limit=_LATEST, after=following)
        yield from page.deliveries
        following = page.following
        if following is None:
            return


def _overage(table: Table, now: datetime) -> Finding:
    months = (month_of(now - timedelta(days=31 * ago)) for ago in range(_MONTHS))
    sold = next(filter(None, ({row.sold for row in read_sold(table, each)} & _UNITS for each in months)), set())
    return Finding("overage_paid", "ok", about=sorted(sold)) if sold else Finding("overage_paid", "open")


def _undecided(table: Table) -> Finding:
    waiting = {
        "deliveries": any(count_deliveries(table, each, limit=1) for each in ("parked", "failed")),
        "parked-usage": count_parked(table, limit=1) > 0,
    }
    found = [name for name, is_there in waiting.items() if is_there]
    return Finding("undecided", "fault", about=found) if found else Finding("undecided", "ok")


def _published(catalog: Catalog, environment: Environment) -> Finding:
    ids = {each.name: each.product_ids.get("prod") for each in products_of(catalog)}
    lacking = [name for name, product_id in ids.items() if product_id is None or is_example(product_id)]
    if lacking:
        return Finding("published", "open", "lacking", lacking)
    return Finding("published", "ok") if environment == "prod" else Finding("published", "not_checked")
