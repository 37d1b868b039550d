"""The catalog as the rest of the code sees it."""

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Literal

from pancake_meter.catalog.brand import Brand
from pancake_meter.catalog.checkout import CheckoutSettings
from pancake_meter.domain.quantity import InvalidQuantity, parse_quantity
from pancake_meter.domain.selling.checkout import Tax, UsageKind
from pancake_meter.domain.selling.money import DEFAULT_MINIMUM_CHARGES, Money, currency_exponent
from pancake_meter.domain.selling.plan import Environment, MeterAllowance, Plan
from pancake_meter.domain.selling.pricing import Price
from pancake_meter.domain.standing.lifecycle import BillingPeriod
from pancake_meter.domain.usage.llm_call import LlmCallSettings
from pancake_meter.domain.usage.measuring import EventMapping, Measure, StatedQuantity
from pancake_meter.value import Value, field, replace

PlanSource = Literal["product_metadata", "order_metadata", "product_name"]

_PLAN_NAMES = ("plan", "planKey")
_ALLOWANCE_PREFIX = "allowance_"
_KEY_LENGTH_MAX = 32


class TopUp(Value):
    """How further units of a meter are sold: ``quantity`` units a pack, for ``expires_after`` (``None``: for good).

    ``priority`` is that of the grant, lower burns first. ``prices`` are by currency; without one the plan's applies.
    """

    quantity: Decimal
    expires_after: timedelta | None
    priority: int
    prices: Mapping[str, Price] = field(default_factory=dict)


class Meter(Value):
    """What is counted, in ``unit`` (singular), and how; ``top_up`` is ``None`` where no packs are sold."""

    key: str
    name: str
    unit: str
    top_up: TopUp | None = None
    measure: Measure = field(default_factory=StatedQuantity)


class Product(Value):
    """A product in Waffo, by the name that its events carry.

    ``plan`` is the plan it sells by subscription; a usage product, a one-time product priced at each checkout, has
    neither plan nor billing period. ``prices`` are what Waffo charges, kept here for display and for the simulator. ``tax``
    says whether it is inside them.
    """

    name: str
    product_ids: Mapping[Environment, str]
    plan: str | None = None
    billing_period: BillingPeriod | None = None
    trial_days: int | None = None
    prices: Mapping[str, Money] = field(default_factory=dict)
    tax: Tax = "exclusive"

    @property
    def metadata(self) -> dict[str, str]:
        """The product metadata to set in Waffo, so that its events name the plan whatever the product is called."""
        trial = {"trialDays": str(self.trial_days)} if self.trial_days else {}
        return {"plan": self.plan, **trial} if self.plan else {"kind": "usage"}


class UsageProduct(Value):
    """A one-time product that sells units of some ``meters`` or ``kinds`` alone; an empty set is all of them."""

    product: Product
    meters: frozenset[str] = frozenset()
    kinds: frozenset[UsageKind] = frozenset()

    def sells(self, meter: str, kind: UsageKind) -> bool:
        """Whether units of a meter are sold as this product."""
        return (not self.meters or meter in self.meters) and (not self.kinds or kind in self.kinds)

    @property
    def precision(self) -> tuple[bool, bool]:
        """How narrow it is: a meter says more than a kind, and both say more than one."""
        return bool(self.meters), bool(self.kinds)


class MetadataMark(Value):
    """An entry of a product's or an order's metadata; ``value`` is ``None`` where any will do."""

    key: str
    value: str | None = None


class NotOurs(Value):
    """What else the store sells: products by name, and orders by an entry of their metadata."""

    product_names: frozenset[str] = frozenset()
    metadata: tuple[MetadataMark, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the store sells nothing else."""
        return not self.product_names and not self.metadata

    def covers(self, product_name: str, product_metadata: Mapping[str, str], order_metadata: Mapping[str, str]) -> bool:
        """Whether an order is of something else."""
        if same_name(product_name) in self.product_names:
            return True
        return any(
            mark.key in metadata and mark.value in (None, metadata[mark.key])
            for mark in self.metadata
            for metadata in (product_metadata, order_metadata)
        )


class ResolvedPlan(Value):
    """The plan that an order buys, and what said so. Its allowances may be the product's own (``resolve_plan``)."""

    plan: Plan
    source: PlanSource


class Catalog(Value):
    """The seller's meters, plans and prices. ``version`` is the SHA-256 of the file, in hex.

    ``closed_period_grace`` is how long after a period has closed usage that happened in it is still counted to it.
    Units are sold as the narrowest of the ``usage_products`` that fits, else as the ``usage_product``.
    ``llm_calls`` says how model calls are counted, ``None``: not at all; ``event_mappings`` which events feed which meters.
    """

    version: str
    meters: Mapping[str, Meter]
    plans: Mapping[str, Plan]
    default_plan_key: str | None
    products: tuple[Product, ...]
    usage_product: Product | None
    checkout: CheckoutSettings
    minimum_charges: Mapping[str, Decimal] = field(default_factory=dict)
    closed_period_grace: timedelta = timedelta(hours=72)
    llm_calls: LlmCallSettings | None = None
    event_mappings: tuple[EventMapping, ...] = ()
    not_ours: NotOurs = NotOurs()
    brand: Brand = field(default_factory=Brand)
    usage_products: tuple[UsageProduct, ...] = ()

    @property
    def one_time_products(self) -> tuple[Product, ...]:
        """The products that carry overage and top-ups."""
        return (*(each.product for each in self.usage_products), *filter(None, (self.usage_product,)))

    @property
    def all_products(self) -> tuple[Product, ...]:
        """Every product: those of plans, and those of overage and top-ups."""
        return (*self.products, *self.one_time_products)

    def usage_product_of(self, meter: str, kind: UsageKind, environment: Environment) -> Product | None:
        """Return the product that sells units of a meter in an environment; ``None``: they are not sold there."""
        fitting = [
            each for each in self.usage_products if each.sells(meter, kind) and environment in each.product.product_ids
        ]
        if fitting:
            return max(fitting, key=lambda each: each.precision).product
        product = self.usage_product
        return product if product is not None and environment in product.product_ids else None

    @property
    def sells_plans_in_several_currencies(self) -> bool:
        """Whether a plan's order may be in another currency than the next one's."""
        return len({currency for product in self.products if product.plan for currency in product.prices}) > 1

    @property
    def default_plan(self) -> Plan | None:
        """The plan of customers without a subscription; ``None``: they get nothing."""
        return self.plans[self.default_plan_key] if self.default_plan_key else None

    def resolve_plan(
        self,
        product_metadata: Mapping[str, str],
        order_metadata: Mapping[str, str],
        product_name: str,
    ) -> ResolvedPlan | None:
        """Return the plan that an order buys; an event carries no product id, so this is all there is to go by.

        The first that names a known plan decides: product metadata (``plan``, else ``planKey``), order metadata (the
        same), the product's name (any capitals). ``allowance_<meter>`` in the product metadata then replaces the plan's
        allowance, or, where nothing names a plan, stands alone as a plan of its own.

        ``None``: nothing names a plan, or a stated allowance is no quantity or of no known meter; to guess would grant
        something that was not sold.
        """
        stated = self._stated_allowances(product_metadata)
        if stated is None:
            return None
        named = self._named_plan(product_metadata, order_metadata, product_name)
        if not stated:
            return named
        base = named.plan if named else Plan(_key_of(product_name), product_name, rank=0, allowances={})
        laid_over = {
            meter: replace(base.allowances.get(meter) or MeterAllowance(meter, quantity), quantity=quantity)
            for meter, quantity in stated.items()
        }
        return ResolvedPlan(replace(base, allowances={**base.allowances, **laid_over}), "product_metadata")

    def upgrade_of(self, plan_key: str | None, meter: str, environment: Environment) -> Plan | None:
        """Return the next plan up that is for sale and grants more of ``meter``; the key of no plan is ``None``.

        An add-on is no upgrade.
        A plan that the catalog does not know (a product's own allowance, or one since removed) has no upgrade.
        """
        if plan_key is not None and plan_key not in self.plans:
            return None
        current = self.plans[plan_key] if plan_key else None
        granted = _granted(current, meter) if current else Decimal(0)
        higher = [
            plan
            for plan in self.plans.values()
            if not plan.add_on
            and (current is None or plan.rank > current.rank)
            and environment in plan.product_ids
            and _granted(plan, meter) > granted
        ]
        return min(higher, key=lambda plan: (plan.rank, plan.key), default=None)

    def overage_price(self, meter: str, plan: Plan, currency: str) -> Price | None:
        """Return the price of units of ``meter`` used beyond the grants of ``plan``, or ``None``: not sold."""
        allowance = plan.allowances.get(meter)
        return allowance.prices.get(currency) if allowance else None

    def top_up_price(self, meter: str, plan: Plan | None, currency: str) -> Price | None:
        """Return the price of further units bought ahead: the pack's own, else the plan's, else ``None``: not sold."""
        top_up = self.meters[meter].top_up if meter in self.meters else None
        own = top_up.prices.get(currency) if top_up else None
        return own or (self.overage_price(meter, plan, currency) if plan else None)

    def minimum_charge(self, currency: str) -> Money:
        """Return the least amount that is worth a checkout: the catalog's, else the default, else one minor unit.

        Raises:
            UnknownCurrency: the currency is unknown.
        """
        smallest = Decimal(1).scaleb(-currency_exponent(currency))
        default = DEFAULT_MINIMUM_CHARGES.get(currency, smallest)
        return Money(self.minimum_charges.get(currency, default), currency)

    def _named_plan(
        self, product_metadata: Mapping[str, str], order_metadata: Mapping[str, str], product_name: str
    ) -> ResolvedPlan | None:
        by_source: tuple[tuple[PlanSource, str | None], ...] = (
            ("product_metadata", self._known_plan(product_metadata)),
            ("order_metadata", self._known_plan(order_metadata)),
            ("product_name", self._plan_of_product(product_name)),
        )
        return next((ResolvedPlan(self.plans[key], source) for source, key in by_source if key), None)

    def _known_plan(self, metadata: Mapping[str, str]) -> str | None:
        return next((metadata[name] for name in _PLAN_NAMES if metadata.get(name) in self.plans), None)

    def _plan_of_product(self, product_name: str) -> str | None:
        wanted = same_name(product_name)
        by_product = (product.plan for product in self.products if same_name(product.name) == wanted)
        by_plan = (plan.key for plan in self.plans.values() if same_name(plan.name) == wanted)
        return next(iter((*by_product, *by_plan)), None) if wanted else None

    def _stated_allowances(self, product_metadata: Mapping[str, str]) -> dict[str, Decimal] | None:
        texts = {
            key.removeprefix(_ALLOWANCE_PREFIX): text
            for key, text in product_metadata.items()
            if key.startswith(_ALLOWANCE_PREFIX)
        }
        if not self.meters.keys() >= texts.keys():
            return None
        try:
            return {meter: parse_quantity(text) for meter, text in texts.items()}
        except InvalidQuantity:
            return None


def same_name(name: str) -> str:
    """Return what two names of one product have in common: capitals and spaces aside."""
    return " ".join(name.split()).casefold()


def _granted(plan: Plan, meter: str) -> Decimal:
    allowance = plan.allowances.get(meter)
    return allowance.quantity if allowance else Decimal(0)


def _key_of(product_name: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", product_name.lower()).strip("-")
    return f"product-{slug}"[:_KEY_LENGTH_MAX].rstrip("-")
