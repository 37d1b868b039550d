"""Meters on the portal's home: what is left, what lies beyond the plan, and what there is to buy."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from pancake_meter.catalog import Catalog, Meter
from pancake_meter.domain.balance.balance import ZERO, Balance, burn
from pancake_meter.domain.balance.grant import Grant
from pancake_meter.domain.errors import BelowMinimum, NotForSale
from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.lifecycle import BillingPeriod
from pancake_meter.domain.standing.standing import plan_at
from pancake_meter.usecases.reports.customer_home import CustomerHome
from pancake_meter.usecases.selling.offer import Offers
from pancake_meter.usecases.selling.purchase_link import LinkKind
from pancake_meter.usecases.selling.quote_sale import Quote, SaleRequest, quote_top_up
from pancake_pages.portal.charts import UsageChart, is_by_day, open_chart

Tone = Literal["", "warn", "bad"]
Beyond = Literal["stops", "capped", "free"]

_WARN, _FULL = Decimal("0.8"), Decimal(1)


@dataclass(frozen=True, slots=True)
class NextPlan:
    """The next plan up that grants more: ``price`` is ``None`` where the catalog has none in the customer's currency."""

    plan: Plan
    quantity: Decimal
    price: Money | None
    billing_period: BillingPeriod | None
    url: str | None


@dataclass(frozen=True, slots=True)
class Shop:
    """What the customer may buy of a meter. An address is ``None`` where the session may not buy."""

    pack: Quote | None = None
    pack_url: str | None = None
    owed_url: str | None = None
    next_plan: NextPlan | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is no button to show."""
        return not (self.pack_url or self.owed_url or (self.next_plan and self.next_plan.url))


@dataclass(frozen=True, slots=True)
class MeterCard:
    """One meter. ``owed`` is what a checkout would ask for overage; ``minimum`` is the least that one asks, if more."""

    meter: Meter
    balance: Balance
    plan_name: str | None
    extras: Sequence[Grant]
    owed: Money | None
    minimum: Money | None
    shop: Shop
    chart: UsageChart | None

    @property
    def used(self) -> Decimal:
        """Units used in the period, as its plan counts them."""
        return max(ZERO, self.balance.used_of_plan)

    @property
    def total(self) -> Decimal:
        """Units that there are for the period: what was used of them, and what is left. Overage is beyond them."""
        return max(ZERO, self.used + self.balance.net)

    @property
    def share(self) -> Decimal:
        """The use as a share of them: more than 1 where there is overage."""
        return self.used / self.total if self.total else _FULL

    @property
    def tone(self) -> Tone:
        """How full the bar looks."""
        if self.balance.blocked is not None or (self.share >= _FULL and self.beyond == "stops"):
            return "bad"
        return "warn" if self.share >= _WARN else ""

    @property
    def beyond(self) -> Beyond:
        """What happens past the last unit."""
        if self.balance.is_uncapped:
            return "free"
        return "capped" if self.balance.overage_limit > ZERO else "stops"

    @property
    def overage(self) -> Decimal:
        """Units beyond every grant that are not paid, of the open period and of those before."""
        return self.balance.current_overage + self.balance.overage_due

    @property
    def is_covered(self) -> bool:
        """Whether there is anything to see of it: a meter that no plan covers and nobody used is only for sale."""
        balance = self.balance
        return bool(balance.allowance or balance.grants or self.used or self.overage or balance.blocked)


def meter_cards(
    home: CustomerHome, catalog: Catalog, offers: Offers, base_url: str | None, now: datetime
) -> list[MeterCard]:
    """Return a card for each meter of the catalog. Without a ``base_url`` the session may not buy."""
    return [
        _card(home, catalog, offers, balance, base_url, now)
        for balance in home.balances
        if balance.meter in catalog.meters
    ]


def _card(
    home: CustomerHome, catalog: Catalog, offers: Offers, balance: Balance, base_url: str | None, now: datetime
) -> MeterCard:
    plan = catalog.plans.get(balance.policy.plan or "")
    burned = burn(balance)
    owed = home.owed.get(balance.meter)
    minimum = catalog.minimum_charge(owed.currency) if owed is not None else None
    is_payable = owed is not None and minimum is not None and owed.amount >= minimum.amount
    return MeterCard(
        catalog.meters[balance.meter],
        balance,
        plan.name if plan is not None else balance.policy.plan,
        [grant for grant in burned.active_grants if not grant.is_periodic and grant.remaining > ZERO],
        owed,
        None if is_payable else minimum,
        _shop(home, catalog, offers, balance, base_url, now, is_payable=is_payable),
        None if is_by_day(balance.period) else open_chart(balance, now),
    )


def _shop(
    home: CustomerHome,
    catalog: Catalog,
    offers: Offers,
    balance: Balance,
    base_url: str | None,
    now: datetime,
    *,
    is_payable: bool,
) -> Shop:
    on_sale = offers.on_sale(balance, now)

    def link(kind: LinkKind) -> str | None:
        return offers.link_if_possible(home.customer_id, kind, balance.meter, base_url, now)

    pack = _pack(home, catalog, offers, balance, now) if "top_up" in on_sale else None
    return Shop(
        pack,
        link("top_up") if pack is not None else None,
        link("overage") if "overage" in on_sale and is_payable else None,
        _next_plan(home, catalog, offers, balance, link("plan")) if "plan" in on_sale else None,
    )


def _pack(home: CustomerHome, catalog: Catalog, offers: Offers, balance: Balance, now: datetime) -> Quote | None:
    plan = plan_at(home.subscription, balance.meter, now) or catalog.default_plan
    currencies = tuple(dict.fromkeys((home.currency, catalog.checkout.currency)))
    request = SaleRequest("top_up", balance.meter)
    try:
        return quote_top_up(catalog, offers.environment, request, balance.meter, plan, currencies)
    except (NotForSale, BelowMinimum):
        return None


def _next_plan(
    home: CustomerHome, catalog: Catalog, offers: Offers, balance: Balance, url: str | None
) -> NextPlan | None:
    plan = catalog.upgrade_of(balance.policy.plan, balance.meter, offers.environment)
    if plan is None:
        return None
    sold = (each for each in catalog.products if each.plan == plan.key and offers.environment in each.product_ids)
    product = next(sold, None)
    price = product.prices.get(home.currency) if product is not None else None
    period = product.billing_period if product is not None else None
    return NextPlan(plan, plan.allowances[balance.meter].quantity, price, period, url)
