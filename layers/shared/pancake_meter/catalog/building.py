"""From the file's models to the catalog, with the checks that concern more than one value."""

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import get_args

from pancake_meter.catalog.brand import Brand
from pancake_meter.catalog.catalog import Catalog, MetadataMark, Meter, NotOurs, Product, TopUp, UsageProduct, same_name
from pancake_meter.catalog.checkout import CheckoutSettings, split_https
from pancake_meter.catalog.errors import CatalogError, CatalogProblem
from pancake_meter.catalog.model import (
    PRICES_OF_PLAN_MAX,
    AllowanceFile,
    BrandFile,
    CatalogFile,
    CheckoutFile,
    LiteLlmFile,
    MeterFile,
    NarrowUsageProductFile,
    NotOursFile,
    OpenMeterFile,
    PackageFile,
    PastDueFile,
    PerUnitFile,
    PlanFile,
    ProductFile,
    ProductIdsFile,
    TieredFile,
    TokenWeightsFile,
    WeightsFile,
)
from pancake_meter.domain.selling.checkout import UsageKind
from pancake_meter.domain.selling.loopback import is_loopback_url
from pancake_meter.domain.selling.money import CURRENCY_EXPONENTS, InvalidMoney, Money
from pancake_meter.domain.selling.plan import (
    Environment,
    MeterAllowance,
    OverageAllowed,
    OverageBlocked,
    OverageCapped,
    OveragePolicy,
    PastDueBlock,
    PastDueKeep,
    PastDuePolicy,
    PastDueReduce,
    PastDueThrottle,
    Plan,
)
from pancake_meter.domain.selling.pricing import Graduated, InvalidPrice, Package, PerUnit, Price, Tier, Volume
from pancake_meter.domain.usage.llm_call import LlmCallSettings
from pancake_meter.domain.usage.measuring import (
    EventCount,
    EventMapping,
    Measure,
    StatedQuantity,
    TokenPools,
    WeighedTokens,
)

_PLAN_NAMES = frozenset({"plan", "planKey"})
_OUR_METADATA = _PLAN_NAMES | {
    "accountId",
    "account_id",
    "checkoutId",
    "checkout_id",
    "customerId",
    "customer_id",
    "kind",
    "meter",
    "quantity",
}
_OUR_PREFIXES = ("allowance_", "top_up_")
"""Names that an order of ours may carry: to call every order that has one not ours would drop what was sold."""

_COLOR = re.compile(r"#[0-9a-f]{6}")
_HOST = re.compile(r"[a-z0-9.-]+")
_MAIL = re.compile(r"mailto:[^@\s?&<>\"']+@[A-Za-z0-9.-]+")
_PAST_DUE_SETTING = {"reduce": "fraction", "throttle": "rate_per_minute", "block": "grace_hours"}


class _Report:
    """The problems found so far."""

    def __init__(self) -> None:
        self.problems: list[CatalogProblem] = []

    def add(self, path: str, message: str) -> None:
        self.problems.append(CatalogProblem(path, message))


def build_catalog(file: CatalogFile, version: str) -> Catalog:
    """Return the catalog that ``file`` describes.

    Raises:
        CatalogError: with every problem found.
    """
    report = _Report()
    checkout = _checkout(file.checkout, report)
    meters = {key: _meter(key, meter, report) for key, meter in file.meters.items()}
    products = tuple(_product(index, product, file, report) for index, product in enumerate(file.products))
    plans = {key: _plan(key, plan, file, products, report) for key, plan in file.plans.items()}
    if file.default_plan is not None and file.default_plan not in file.plans:
        report.add("default_plan", _unknown("plan", file.default_plan, file.plans))
    elif file.default_plan is not None and file.plans[file.default_plan].add_on:
        report.add("default_plan", f"{file.default_plan} is an add-on: it comes on top of a plan, and is none itself")
    catalog = Catalog(
        version=version,
        meters=meters,
        plans=plans,
        default_plan_key=file.default_plan,
        products=products,
        usage_product=_usage_product(file, report),
        usage_products=tuple(
            _narrow_usage_product(index, product, file, report) for index, product in enumerate(file.usage_products)
        ),
        checkout=checkout,
        minimum_charges=_amounts("minimum_charge", file.minimum_charge, report),
        llm_calls=_llm_calls(file.litellm, meters, report),
        event_mappings=_event_mappings(file.openmeter, meters, report),
        closed_period_grace=timedelta(hours=file.closed_period_grace_hours),
        not_ours=_not_ours(file.not_ours),
        brand=_brand(file.brand, report),
    )
    _check_not_ours(catalog, file.not_ours, report)
    _check_names(catalog, report)
    _check_product_ids(catalog, report)
    _check_top_ups(catalog, report)
    _check_usage_product(catalog, report)
    if report.problems:
        raise CatalogError(report.problems)
    return catalog


def _checkout(file: CheckoutFile, report: _Report) -> CheckoutSettings:
    _check_currency("checkout.currency", file.currency, report)
    for index, url in enumerate(file.success_urls):
        parts = split_https(url)
        if parts is None or parts.query or parts.fragment:
            report.add(f"checkout.success_urls[{index}]", "must be an https address without query or fragment")
    return CheckoutSettings(
        currency=file.currency,
        session_lifetime=timedelta(minutes=file.session_minutes),
        language=file.language,
        tax_category=file.tax_category,
        tax=file.tax,
        success_urls=tuple(file.success_urls),
    )


def _meter(key: str, file: MeterFile, report: _Report) -> Meter:
    how = _measure(f"meters.{key}", file, report)
    top_up = file.top_up
    if top_up is None:
        return Meter(key, file.name, file.unit, measure=how)
    path = f"meters.{key}.top_up"
    prices: dict[str, Price] = {}
    if not top_up.quantity:
        report.add(f"{path}.quantity", "a pack holds more than nothing")
    else:
        amounts = _amounts(f"{path}.price", top_up.price, report)
        prices = {currency: Package(top_up.quantity, amount) for currency, amount in amounts.items()}
    expires_after = timedelta(days=top_up.expires_after_days) if top_up.expires_after_days else None
    return Meter(key, file.name, file.unit, TopUp(top_up.quantity, expires_after, top_up.priority, prices), how)


def _measure(path: str, file: MeterFile, report: _Report) -> Measure:
    if file.weights is not None and file.counts != "tokens":
        report.add(f"{path}.weights", 'only a meter that counts "tokens" has weights')
    match file.counts:
        case "quantity":
            return StatedQuantity()
        case "events":
            return EventCount()
        case "tokens":
            weights = file.weights or TokenWeightsFile()
            by_model = {model: _pools(of_model) for model, of_model in weights.models.items()}
            return WeighedTokens(_pools(weights), by_model)


def _pools(file: WeightsFile) -> TokenPools:
    return TokenPools(file.uncached_input, file.cache_read, file.cache_write, file.output, file.reasoning)


def _llm_calls(file: LiteLlmFile | None, meters: Mapping[str, Meter], report: _Report) -> LlmCallSettings | None:
    if file is None:
        return None
    for index, meter in enumerate(file.meters):
        if meter not in meters:
            report.add(f"litellm.meters[{index}]", _unknown("meter", meter, meters))
        elif isinstance(meters[meter].measure, StatedQuantity):
            report.add(
                f"litellm.meters[{index}]", f'{meter} must count "tokens" or "events": a call states no quantity'
            )
    return LlmCallSettings(
        meters=tuple(file.meters),
        customer=tuple(file.customer),
        counts_failures=file.count_failures,
        counts_cache_hits=file.count_cache_hits,
        missed=file.missed_calls,
    )


def _event_mappings(
    file: OpenMeterFile | None, meters: Mapping[str, Meter], report: _Report
) -> tuple[EventMapping, ...]:
    if file is None:
        return ()
    seen: set[tuple[str, str]] = set()
    for index, event in enumerate(file.events):
        path = f"openmeter.events[{index}]"
        if event.meter not in meters:
            report.add(f"{path}.meter", _unknown("meter", event.meter, meters))
        elif isinstance(meters[event.meter].measure, StatedQuantity) and event.value is None:
            report.add(path, f"needs value: {event.meter} counts a quantity that events state")
        if (event.type, event.meter) in seen:
            report.add(path, f"{event.type} feeds {event.meter} already")
        seen.add((event.type, event.meter))
    return tuple(
        EventMapping(event.type, event.meter, event.value, event.model, event.usage or "") for event in file.events
    )


def _plan(key: str, file: PlanFile, catalog: CatalogFile, products: Iterable[Product], report: _Report) -> Plan:
    path = f"plans.{key}"
    for meter in file.allowances.keys() - catalog.meters.keys():
        report.add(f"{path}.allowances.{meter}", _unknown("meter", meter, catalog.meters))
    if file.add_on:
        _check_add_on(path, file, report)
    elif file.rank is None:
        report.add(f"{path}.rank", "is missing")
    prices = sum(_prices_of(allowance) for allowance in file.allowances.values())
    if prices > PRICES_OF_PLAN_MAX:
        report.add(
            f"{path}.allowances",
            f"have {prices} prices, at most {PRICES_OF_PLAN_MAX}: each meter's price in each currency is one, and each tier "
            "is one more",
        )
    sold_as = next((product.product_ids for product in products if product.plan == key), {})
    return Plan(
        key=key,
        name=file.name,
        rank=file.rank or 0,
        allowances={
            meter: _allowance(f"{path}.allowances.{meter}", meter, allowance, catalog.checkout.currency, report)
            for meter, allowance in file.allowances.items()
        },
        past_due=_past_due(f"{path}.past_due", file.past_due, report),
        quota_change=file.quota_change,
        renewal_leeway=timedelta(hours=file.renewal_leeway_hours),
        product_ids=sold_as,
        add_on=file.add_on,
        trial=file.trial,
    )


def _prices_of(file: AllowanceFile) -> int:
    """How many prices an allowance has, tiers among them."""
    return sum(1 + (len(price.tiers) if isinstance(price, TieredFile) else 0) for price in file.prices.values())


def _check_add_on(path: str, file: PlanFile, report: _Report) -> None:
    """An add-on is one grant with each paid period: what governs a balance is the business of the plan beside it."""
    if file.past_due.policy != "keep":
        report.add(f"{path}.past_due", _not_of_add_on("its units stay until its paid period has ended"))
    if file.quota_change != "carry":
        report.add(f"{path}.quota_change", _not_of_add_on("nobody moves to it from another plan"))
    for meter, allowance in file.allowances.items():
        place = f"{path}.allowances.{meter}"
        if allowance.cadence != "billing":
            report.add(f"{place}.cadence", _not_of_add_on("it grants once in each paid period"))
        if allowance.overage != "blocked":
            report.add(f"{place}.overage", _not_of_add_on("the plan beside it decides on overage"))
        if allowance.rollover_maximum:
            report.add(f"{place}.rollover_maximum", _not_of_add_on("its units end with its paid period"))


def _not_of_add_on(why: str) -> str:
    return f"is no setting of an add-on: {why}"


def _allowance(path: str, meter: str, file: AllowanceFile, default_currency: str, report: _Report) -> MeterAllowance:
    if any(later <= earlier for earlier, later in zip(file.alert_thresholds, file.alert_thresholds[1:], strict=False)):
        report.add(f"{path}.alert_thresholds", "must rise, each above the one before it")
    if file.overage != "blocked" and not file.prices:
        report.add(f"{path}.prices", f"are needed where overage is {file.overage}")
    if file.prices and default_currency not in file.prices:
        report.add(f"{path}.prices", f"have none in {default_currency}, the currency of checkout")
    prices = {
        currency: price
        for currency, price_file in file.prices.items()
        if _check_currency(f"{path}.prices.{currency}", currency, report)
        and (price := _price(f"{path}.prices.{currency}", price_file, report))
    }
    return MeterAllowance(
        meter=meter,
        quantity=file.quantity,
        cadence=file.cadence,
        overage=_overage(path, file, report),
        rollover_maximum=file.rollover_maximum,
        alert_thresholds=tuple(file.alert_thresholds),
        prices=prices,
    )


def _overage(path: str, file: AllowanceFile, report: _Report) -> OveragePolicy:
    if (file.overage_limit is not None) != (file.overage == "capped"):
        report.add(f"{path}.overage_limit", 'goes with overage = "capped", and only with it')
    if file.overage == "capped":
        return OverageCapped(file.overage_limit or Decimal(0))
    return OverageAllowed() if file.overage == "allowed" else OverageBlocked()


def _price(path: str, file: PerUnitFile | PackageFile | TieredFile, report: _Report) -> Price | None:
    try:
        match file:
            case PerUnitFile():
                return PerUnit(_per_one(file.unit_price, file.per), file.flat, file.free_units)
            case PackageFile():
                return Package(file.size, file.price, file.flat, file.free_units, file.rounding)
            case TieredFile():
                tiers = tuple(Tier(tier.up_to, _per_one(tier.unit_price, file.per), tier.flat) for tier in file.tiers)
                return (Graduated if file.model == "graduated" else Volume)(tiers, file.free_units)
    except InvalidPrice as error:
        report.add(f"{path}.{error.details['field']}", str(error))
        return None


def _per_one(rate: Decimal, per: int) -> Decimal:
    """Return the price of one unit. Exact: ``per`` is a power of ten, and a rate has at most 22 digits."""
    return rate / per


def _past_due(path: str, file: PastDueFile, report: _Report) -> PastDuePolicy:
    needed = _PAST_DUE_SETTING.get(file.policy)
    for setting in _PAST_DUE_SETTING.values():
        is_set = getattr(file, setting) is not None
        if is_set != (setting == needed):
            fault = f"is not a setting of policy {file.policy}" if is_set else f"is needed by policy {file.policy}"
            report.add(f"{path}.{setting}", fault)
    match file.policy:
        case "keep":
            return PastDueKeep()
        case "reduce":
            return PastDueReduce(file.fraction or Decimal(1))
        case "throttle":
            return PastDueThrottle(file.rate_per_minute or 1)
        case "block":
            return PastDueBlock(timedelta(hours=file.grace_hours or 0))


def _product(index: int, file: ProductFile, catalog: CatalogFile, report: _Report) -> Product:
    path = f"products[{index}]"
    if file.plan not in catalog.plans:
        report.add(f"{path}.plan", _unknown("plan", file.plan, catalog.plans))
    return Product(
        name=file.name,
        product_ids=_product_ids(f"{path}.product_id", file.product_id, report),
        plan=file.plan,
        billing_period=file.billing_period,
        trial_days=file.trial_days,
        prices={
            currency: Money(amount, currency)
            for currency, amount in _amounts(f"{path}.price", file.price, report).items()
        },
        tax=file.tax or catalog.checkout.tax,
    )


def _usage_product(catalog: CatalogFile, report: _Report) -> Product | None:
    file = catalog.usage_product
    if file is None:
        return None
    product_ids = _product_ids("usage_product.product_id", file.product_id, report)
    return Product(file.name, product_ids, tax=file.tax or catalog.checkout.tax)


def _narrow_usage_product(
    index: int, file: NarrowUsageProductFile, catalog: CatalogFile, report: _Report
) -> UsageProduct:
    path = f"usage_products[{index}]"
    if not file.meters and not file.kinds:
        report.add(path, "needs meters, kinds, or both: what sells everything else is usage_product")
    for place, meter in enumerate(file.meters):
        if meter not in catalog.meters:
            report.add(f"{path}.meters[{place}]", _unknown("meter", meter, catalog.meters))
    product_ids = _product_ids(f"{path}.product_id", file.product_id, report)
    product = Product(file.name, product_ids, tax=file.tax or catalog.checkout.tax)
    return UsageProduct(product, frozenset(file.meters), frozenset(file.kinds))


def _not_ours(file: NotOursFile) -> NotOurs:
    return NotOurs(
        frozenset(same_name(name) for name in file.product_names),
        tuple(MetadataMark(mark.key, mark.value) for mark in file.metadata),
    )


def _check_not_ours(catalog: Catalog, file: NotOursFile, report: _Report) -> None:
    """What is ours must not be called not ours: its events would be ignored, and its money with them."""
    ours = catalog.all_products
    names = {same_name(each.name) for each in ours} | {same_name(plan.name) for plan in catalog.plans.values()}
    for index, name in enumerate(file.product_names):
        if not same_name(name):
            report.add(f"not_ours.product_names[{index}]", "is a name of spaces only")
        elif same_name(name) in names:
            report.add(
                f"not_ours.product_names[{index}]", f"{name!r} is the name of a product or a plan of the catalog"
            )
    metadata = {name for each in ours for name in each.metadata} | _OUR_METADATA
    for index, mark in enumerate(file.metadata):
        if mark.value is None:
            if mark.key in metadata or mark.key.startswith(_OUR_PREFIXES):
                report.add(
                    f"not_ours.metadata[{index}]", f"{mark.key!r} is a name of our own metadata: give a value with it"
                )
        elif any(each.metadata.get(mark.key) == mark.value for each in ours) or (
            mark.key in _PLAN_NAMES and mark.value in catalog.plans
        ):
            report.add(
                f"not_ours.metadata[{index}]", f"{mark.key} = {mark.value!r} is the metadata of our own products"
            )


def _product_ids(path: str, file: ProductIdsFile, report: _Report) -> dict[Environment, str]:
    ids: dict[Environment, str] = {}
    if file.test:
        ids["test"] = file.test
    if file.prod:
        ids["prod"] = file.prod
    if not ids:
        report.add(path, "needs the product's id in test, in prod, or both")
    return ids


def _amounts(path: str, amounts: Mapping[str, Decimal], report: _Report) -> dict[str, Decimal]:
    """Return the amounts that their currencies can state."""
    stated: dict[str, Decimal] = {}
    for currency, amount in amounts.items():
        if not _check_currency(f"{path}.{currency}", currency, report):
            continue
        try:
            stated[currency] = Money(amount, currency).amount
        except InvalidMoney as error:
            report.add(f"{path}.{currency}", str(error))
    return stated


def _check_currency(path: str, currency: str, report: _Report) -> bool:
    if currency not in CURRENCY_EXPONENTS:
        report.add(path, f"{currency} is not an active ISO 4217 currency")
        return False
    return True


def _check_names(catalog: Catalog, report: _Report) -> None:
    """A name must lead to one plan: of products among themselves, and of products and plans."""
    plan_of_name: dict[str, str] = {}
    for key, plan in catalog.plans.items():
        if plan_of_name.setdefault(same_name(plan.name), key) != key:
            report.add(
                f"plans.{key}.name", f"{plan.name!r} is also the name of plan {plan_of_name[same_name(plan.name)]}"
            )
    taken: set[str] = set()
    for path, product in _one_time_products(catalog):
        if same_name(product.name) in taken:
            report.add(f"{path}.name", f"{product.name!r} is the name of another product")
        taken.add(same_name(product.name))
    for index, product in enumerate(catalog.products):
        name = same_name(product.name)
        if name in taken:
            report.add(f"products[{index}].name", f"{product.name!r} is the name of another product")
        elif plan_of_name.get(name, product.plan) != product.plan:
            report.add(f"products[{index}].name", f"{product.name!r} is the name of plan {plan_of_name[name]}")
        taken.add(name)


def _check_product_ids(catalog: Catalog, report: _Report) -> None:
    named = [(f"products[{index}]", product) for index, product in enumerate(catalog.products)]
    named += _one_time_products(catalog)
    for environment in get_args(Environment):
        taken: dict[str, str] = {}
        for path, product in named:
            product_id = product.product_ids.get(environment)
            if product_id and taken.setdefault(product_id, path) != path:
                report.add(f"{path}.product_id.{environment}", f"is also the id of {taken[product_id]}")


def _check_top_ups(catalog: Catalog, report: _Report) -> None:
    for key, meter in catalog.meters.items():
        plans = (plan for plan in catalog.plans.values() if key in plan.allowances and not plan.add_on)
        is_priced = any(plan.allowances[key].prices for plan in plans)
        if meter.top_up and not meter.top_up.prices and not is_priced:
            report.add(f"meters.{key}.top_up.price", f"is needed: no plan has a price for {key} to fall back on")
        if meter.top_up and meter.top_up.prices and catalog.checkout.currency not in meter.top_up.prices:
            report.add(
                f"meters.{key}.top_up.price", f"has none in {catalog.checkout.currency}, the currency of checkout"
            )


def _one_time_products(catalog: Catalog) -> list[tuple[str, Product]]:
    """Return the products that carry overage and top-ups, each with its place in the file."""
    general = [("usage_product", catalog.usage_product)] if catalog.usage_product else []
    narrow = [(f"usage_products[{index}]", each.product) for index, each in enumerate(catalog.usage_products)]
    return [*general, *narrow]


def _check_usage_product(catalog: Catalog, report: _Report) -> None:
    """Whatever units are sold have a product, and one alone that fits best."""
    sold = [(meter, kind) for meter in catalog.meters for kind in _kinds_sold(catalog, meter)]
    if sold and not catalog.usage_product and not catalog.usage_products:
        report.add("usage_product", "is missing: overage and top-ups are sold as this one-time product")
    elif not catalog.usage_product:
        for meter, kind in sold:
            if not any(each.sells(meter, kind) for each in catalog.usage_products):
                report.add("usage_product", f"is missing: none of usage_products sells {kind} of {meter}")
    for meter, kind in ((meter, kind) for meter in catalog.meters for kind in get_args(UsageKind)):
        best: dict[tuple[bool, bool], int] = {}
        for index, each in enumerate(catalog.usage_products):
            if each.sells(meter, kind) and best.setdefault(each.precision, index) != index:
                other = best[each.precision]
                report.add(f"usage_products[{index}]", f"sells {kind} of {meter} too, as does usage_products[{other}]")


def _kinds_sold(catalog: Catalog, meter: str) -> list[UsageKind]:
    """Return how units of a meter are sold: a price of a plan sells both what was used and what is bought ahead."""
    allowances = (plan.allowances.get(meter) for plan in catalog.plans.values())
    if any(allowance is not None and allowance.prices for allowance in allowances):
        return list(get_args(UsageKind))
    return ["top_up"] if catalog.meters[meter].top_up else []


def _unknown(kind: str, key: str, known: Iterable[str]) -> str:
    return f"there is no {kind} {key!r}; the catalog has {', '.join(sorted(known))}"


def _brand(file: BrandFile, report: _Report) -> Brand:
    """Return what pages show of the seller. Browsers load and follow its addresses, so they are https."""
    for name in ("logo_url", "home_url", "support_url"):
        url = getattr(file, name)
        is_mail = name == "support_url" and url is not None and _MAIL.fullmatch(url) is not None
        if url is not None and not is_mail and not _is_plain_https(url) and not is_loopback_url(url):
            report.add(f"brand.{name}", "must be an https URL" + (", or mailto:" if name == "support_url" else ""))
    color = file.color.lower()
    if _COLOR.fullmatch(color) is None:
        report.add("brand.color", "must be a colour of six hexadecimal digits, such as #2f5bea")
    return Brand(file.name, file.logo_url, color, file.language, file.home_url, file.support_url)


def _is_plain_https(url: str) -> bool:
    """Whether a URL is https and names a plain host: that of a logo becomes a word of a page's policy."""
    parts = split_https(url)
    return parts is not None and _HOST.fullmatch(parts.hostname or "") is not None
