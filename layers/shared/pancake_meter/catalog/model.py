"""The file format of ``catalog.toml``, as pydantic models: names, types and bounds of single values.

What concerns more than one value (an unknown meter, tiers that overlap) is checked where the catalog is built.
"""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, StringConstraints

from pancake_meter.catalog.brand import DEFAULT_COLOR
from pancake_meter.domain.quantity import InvalidQuantity, parse_quantity
from pancake_meter.domain.selling.checkout import Tax, UsageKind
from pancake_meter.domain.selling.money import CURRENCIES_MAX
from pancake_meter.domain.selling.plan import Cadence, QuotaChangePolicy
from pancake_meter.domain.selling.pricing import MAX_TIERS, InvalidPrice, check_rate
from pancake_meter.domain.usage.llm_call import MissedCalls

METERS_MAX = 50
"""One webhook changes the balances of all meters in one transaction of 100 items: about 7 for a meter, and 5 beside them."""

PLANS_MAX = 100
PRICES_OF_PLAN_MAX = 150
"""Prices of one plan: one for each meter and currency, and one more for each tier.

Each order keeps its plan as it was sold, and the 20 orders of a customer are one item, of at most 400 KB. With the most
meters and the longest numbers, the plans of 20 orders fit.
"""

PRODUCTS_MAX = 300
USAGE_PRODUCTS_MAX = 100
THRESHOLDS_MAX = 10
MODELS_MAX = 200
EVENTS_MAX = 200
NOT_OURS_METADATA_MAX = 50
PRODUCT_NAME_LENGTH_MAX = 64
SESSION_MINUTES_MAX = 7 * 24 * 60

_PLAIN = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?")


def _exact(value: Any) -> Decimal:
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return Decimal(value)
    raise ValueError('must be a number in plain decimal notation, such as "0.02"')


def _quantity(value: Any) -> Decimal:
    try:
        return parse_quantity(value)
    except InvalidQuantity as error:
        raise ValueError(str(error)) from None


def _rate(value: Any) -> Decimal:
    rate = _exact(value)
    try:
        check_rate(rate)
    except InvalidPrice as error:
        raise ValueError(str(error)) from None
    return rate


def _share(value: Any) -> Decimal:
    share = _exact(value)
    if not share.is_finite() or not 0 < share <= 1:
        raise ValueError("must be above 0 and at most 1")
    return share


def _trial(value: Any) -> Decimal:
    if value in ("full", "none"):
        return Decimal(value == "full")
    try:
        fraction = _exact(value)
    except ValueError:
        fraction = Decimal("NaN")
    if not fraction.is_finite() or not 0 <= fraction <= 1:
        raise ValueError('must be "full", "none" or a fraction from 0 to 1, such as "0.25"')
    return fraction


Quantity = Annotated[Decimal, PlainValidator(_quantity)]
Rate = Annotated[Decimal, PlainValidator(_rate)]
Share = Annotated[Decimal, PlainValidator(_share)]
TrialFraction = Annotated[Decimal, PlainValidator(_trial)]
MeterKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
PlanKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=PRODUCT_NAME_LENGTH_MAX)]
ProductId = Annotated[str, StringConstraints(pattern=r"^PROD_[0-9A-Za-z]{22}$")]
ModelPattern = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\s\[\]?]+$")]
Identity = Annotated[
    str,
    StringConstraints(
        pattern=r"^(key_alias|key_hash|key_user_id|team_id|org_id|end_user|(key|spend_logs)_metadata\.\w{1,64})$"
    ),
]
DataPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,7}$")]
Amounts = Annotated[dict[Currency, Rate], Field(max_length=CURRENCIES_MAX)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PerUnitFile(_Strict):
    """``unit_price`` is that of ``per`` units, bought one by one."""

    model: Literal["per_unit"]
    unit_price: Rate
    per: Literal[1, 1000, 1_000_000] = 1
    flat: Rate = Decimal(0)
    free_units: Quantity = Decimal(0)


class PackageFile(_Strict):
    """``price`` is that of ``size`` units, bought together."""

    model: Literal["package"]
    size: Quantity
    price: Rate
    flat: Rate = Decimal(0)
    free_units: Quantity = Decimal(0)
    rounding: Literal["up", "down"] = "up"


class TierFile(_Strict):
    """``up_to`` is inclusive; the last tier has none."""

    up_to: Quantity | None = None
    unit_price: Rate
    flat: Rate = Decimal(0)


class TieredFile(_Strict):
    """Each ``unit_price`` is that of ``per`` units, bought one by one."""

    model: Literal["graduated", "volume"]
    tiers: list[TierFile] = Field(min_length=1, max_length=MAX_TIERS)
    per: Literal[1, 1000, 1_000_000] = 1
    free_units: Quantity = Decimal(0)


PriceFile = Annotated[PerUnitFile | PackageFile | TieredFile, Field(discriminator="model")]


class AllowanceFile(_Strict):
    """``[plans.<plan>.allowances.<meter>]``."""

    quantity: Quantity
    cadence: Cadence = "billing"
    overage: Literal["blocked", "capped", "allowed"] = "blocked"
    overage_limit: Quantity | None = None
    rollover_maximum: Quantity = Decimal(0)
    alert_thresholds: list[Share] = Field(default=[Decimal("0.8"), Decimal(1)], max_length=THRESHOLDS_MAX)
    prices: dict[Currency, PriceFile] = Field(default={}, max_length=CURRENCIES_MAX)


class PastDueFile(_Strict):
    """``past_due``: each policy has the one setting of its own name, and needs it."""

    policy: Literal["keep", "reduce", "throttle", "block"]
    fraction: Share | None = None
    rate_per_minute: int | None = Field(default=None, ge=1, le=1_000_000)
    grace_hours: int | None = Field(default=None, ge=0, le=24 * 90)


class PlanFile(_Strict):
    """``[plans.<plan>]``. Only an add-on does without ``rank``."""

    name: Name
    rank: int | None = Field(default=None, ge=0, le=1_000_000)
    add_on: bool = False
    trial: TrialFraction | None = None
    allowances: dict[MeterKey, AllowanceFile] = Field(default={}, max_length=METERS_MAX)
    past_due: PastDueFile = PastDueFile(policy="keep")
    quota_change: QuotaChangePolicy = "carry"
    renewal_leeway_hours: int = Field(default=24, ge=0, le=24 * 14)


class TopUpFile(_Strict):
    """``[meters.<meter>.top_up]``; ``price`` is that of one pack."""

    quantity: Quantity
    expires_after_days: int | None = Field(default=None, ge=1, le=3660)
    priority: int = Field(default=90, ge=0, le=1000)
    price: Amounts = {}


class WeightsFile(_Strict):
    """Weights of token pools; a pool that is not named weighs 1."""

    uncached_input: Quantity = Decimal(1)
    cache_read: Quantity = Decimal(1)
    cache_write: Quantity = Decimal(1)
    output: Quantity = Decimal(1)
    reasoning: Quantity = Decimal(1)


class TokenWeightsFile(WeightsFile):
    """``weights`` of a meter that counts tokens; ``models`` are exact names, or patterns with ``*``."""

    models: dict[ModelPattern, WeightsFile] = Field(default={}, max_length=MODELS_MAX)


class MeterFile(_Strict):
    """``[meters.<meter>]``."""

    name: Name
    unit: Name
    counts: Literal["quantity", "events", "tokens"] = "quantity"
    weights: TokenWeightsFile | None = None
    top_up: TopUpFile | None = None


class ProductIdsFile(_Strict):
    """``product_id``: one in each of Waffo's environments."""

    test: ProductId | None = None
    prod: ProductId | None = None


TRIAL_DAYS_MAX = 730
"""The longest trial that Waffo takes."""


class ProductFile(_Strict):
    """``[[products]]``: a subscription product."""

    name: Name
    plan: PlanKey
    billing_period: Literal["weekly", "monthly", "quarterly", "yearly"]
    trial_days: int | None = Field(default=None, ge=1, le=TRIAL_DAYS_MAX)
    product_id: ProductIdsFile
    price: Amounts = {}
    tax: Tax | None = None


class UsageProductFile(_Strict):
    """``[usage_product]``: the one-time product that carries overage and top-ups that no other does."""

    name: Name
    product_id: ProductIdsFile
    tax: Tax | None = None


class NarrowUsageProductFile(UsageProductFile):
    """``[[usage_products]]``: a one-time product for some meters, some kinds, or both."""

    meters: list[MeterKey] = Field(default=[], max_length=METERS_MAX)
    kinds: list[UsageKind] = Field(default=[], max_length=2)


class CheckoutFile(_Strict):
    """``[checkout]``."""

    currency: Currency = "USD"
    session_minutes: int = Field(default=45, ge=5, le=SESSION_MINUTES_MAX)
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")] | None = None
    tax_category: Literal[
        "digital_goods", "saas", "software", "ebook", "online_course", "consulting", "professional_service"
    ] = "saas"
    tax: Tax = "exclusive"
    success_urls: list[str] = Field(default=[], max_length=50)


class LiteLlmFile(_Strict):
    """``[litellm]``."""

    meters: list[MeterKey] = Field(min_length=1, max_length=METERS_MAX)
    customer: list[Identity] = Field(default=["key_metadata.customer_id", "team_id"], min_length=1, max_length=20)
    count_failures: bool = False
    count_cache_hits: bool = False
    missed_calls: MissedCalls = "report"


class EventFile(_Strict):
    """``[[openmeter.events]]``: one type feeding one meter."""

    type: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    meter: MeterKey
    value: DataPath | None = None
    model: DataPath | None = None
    usage: DataPath | None = None


class OpenMeterFile(_Strict):
    """``[openmeter]``."""

    events: list[EventFile] = Field(min_length=1, max_length=EVENTS_MAX)


class NotOursMetadataFile(_Strict):
    """``[[not_ours.metadata]]``: an entry of a product's or an order's metadata; without ``value`` any value."""

    key: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    value: Annotated[str, StringConstraints(max_length=512)] | None = None


class NotOursFile(_Strict):
    """``[not_ours]``: what else the store sells. Events of it are ignored."""

    product_names: list[Name] = Field(default=[], max_length=PRODUCTS_MAX)
    metadata: list[NotOursMetadataFile] = Field(default=[], max_length=NOT_OURS_METADATA_MAX)


class BrandFile(_Strict):
    """``[brand]``: what customers see of the seller on pages."""

    name: Name | None = None
    logo_url: str | None = None
    color: str = DEFAULT_COLOR
    language: Literal["en", "zh-Hans"] = "en"
    home_url: str | None = None
    support_url: str | None = None


class CatalogFile(_Strict):
    """The whole file."""

    default_plan: PlanKey | None = None
    closed_period_grace_hours: int = Field(default=72, ge=0, le=24 * 89)
    checkout: CheckoutFile = CheckoutFile()
    minimum_charge: Amounts = {}
    meters: dict[MeterKey, MeterFile] = Field(min_length=1, max_length=METERS_MAX)
    plans: dict[PlanKey, PlanFile] = Field(min_length=1, max_length=PLANS_MAX)
    products: list[ProductFile] = Field(default=[], max_length=PRODUCTS_MAX)
    usage_product: UsageProductFile | None = None
    usage_products: list[NarrowUsageProductFile] = Field(default=[], max_length=USAGE_PRODUCTS_MAX)
    litellm: LiteLlmFile | None = None
    openmeter: OpenMeterFile | None = None
    not_ours: NotOursFile = NotOursFile()
    brand: BrandFile = BrandFile()
