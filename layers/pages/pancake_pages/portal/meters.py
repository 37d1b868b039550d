"""Meters on the portal's home: what is left, what lies beyond the plan, and what there is to buy."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Final, Literal

from pancake_meter.catalog import Catalog, Meter
from pancake_meter.domain.balance.balance import ZERO, Balance, burn
from pancake_meter.domain.balance.grant import Grant, GrantKind
from pancake_meter.domain.errors import AlreadySubscribed, BelowMinimum, HighestPlan, NotForSale
from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.held_order import has_place, held_by
from pancake_meter.domain.standing.lifecycle import BillingPeriod
from pancake_meter.domain.standing.standing import plan_at
from pancake_meter.usecases.reports.customer_home import CustomerHome
from pancake_meter.usecases.selling.customer_currency import CustomerCurrency
from pancake_meter.usecases.selling.offer import Offers
from pancake_meter.usecases.selling.purchase_link import LinkKind
from pancake_meter.usecases.selling.quote_sale import Quote, SaleRequest, quote_plan, quote_top_up
from pancake_meter.value import Value, replace
from pancake_pages.language import Language
from pancake_pages.portal.charts import UsageChart, given, is_by_day, open_chart
from pancake_pages.portal.prices import price_texts

Tone = Literal["", "warn", "bad"]
Beyond = Literal["stops", "stopped", "stopped_by_limit", "capped", "free"]

CHARTS_MAX: Final = 12
"""Cards that have a chart: a page with one for each of fifty meters is slow to make and to load."""

EXTRAS_SHOWN: Final = 5
"""Lines of packs and gifts that stand open."""

_WARN, _FULL = Decimal("0.8"), Decimal(1)
_PERCENT: Final = Decimal("0.01")


class NextPlan(Value):
    """The plan that a link would sell, with its price."""

    plan: Plan
    quantity: Decimal
    price: Money
    billing_period: BillingPeriod | None
    url: str | None


class Shop(Value):
    """What the customer may buy of a meter. An address is ``None`` where the session may not buy."""

    pack: Quote | None = None
    pack_url: str | None = None
    owed_url: str | None = None
    next_plan: NextPlan | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is no button to show."""
        return not (self.pack_url or self.owed_url or (self.next_plan and self.next_plan.url))


class Extra(Value):
    """Units of one kind beside the plan's, up to a day, or for good. ``starts_on``: they begin only then."""

    kind: GrantKind
    quantity: Decimal
    until: date | None
    starts_on: date | None = None


class MeterCard(Value):
    """One meter. ``owed`` is what a checkout would ask for overage; ``minimum`` is the least that one asks, if more.

    ``price`` says what use beyond the plan costs. The chart is ``None`` where there is nothing to draw, or no room.
    """

    meter: Meter
    balance: Balance
    plan_name: str | None
    extras: Sequence[Extra]
    owed: Money | None
    minimum: Money | None
    price: Sequence[str]
    shop: Shop
    chart: UsageChart | None

    @property
    def used(self) -> Decimal:
        """Units used in the period, as its plan counts them."""
        return max(ZERO, self.balance.used_of_plan)

    @property
    def total(self) -> Decimal:
        """Units that there are for the period; 0 where nothing is given."""
        return given(self.balance)

    @property
    def share(self) -> Decimal:
        """The use as a share of them, in whole percent that are full: more than 1 where there is overage."""
        share = self.used / self.total if self.total else _FULL
        return share.quantize(_PERCENT, rounding=ROUND_FLOOR)

    @property
    def nothing_given(self) -> Literal["by_plan", "without_plan", "unpaid"]:
        """Why the plan gives nothing of it, where it gives nothing."""
        if self.balance.policy.is_unpaid:
            return "unpaid"
        return "by_plan" if self.balance.policy.plan is not None else "without_plan"

    @property
    def tone(self) -> Tone:
        """How full the bar looks."""
        if self.balance.blocked is not None or self.has_stopped:
            return "bad"
        return "warn" if self.share >= _WARN else ""

    @property
    def beyond(self) -> Beyond:
        """What happens past the last unit, or has happened."""
        balance = self.balance
        if balance.is_uncapped:
            return "free"
        if balance.net <= ZERO and not self.beyond_left:
            return "stopped_by_limit" if _is_own_limit(balance) else "stopped"
        return "capped" if balance.overage_limit > ZERO else "stops"

    @property
    def beyond_left(self) -> Decimal:
        """Units beyond every grant that may still be used, where that is limited."""
        return max(ZERO, self.balance.overage_limit + min(ZERO, self.balance.net))

    @property
    def has_stopped(self) -> bool:
        """Whether nothing more may be used."""
        return self.beyond in {"stopped", "stopped_by_limit"}

    @property
    def overage(self) -> Decimal:
        """Units beyond every grant that are not paid, of the open period and of those before."""
        return self.balance.current_overage + self.balance.overage_due

    @property
    def is_covered(self) -> bool:
        """Whether there is anything to see of it: a meter that no plan covers and nobody used is only for sale."""
        balance = self.balance
        return bool(balance.allowance or balance.grants or self.used or self.overage or balance.policy.allows_overage)


class _Counter(Value):
    """What cards are made from. Without a ``base_url`` the session may not buy."""

    home: CustomerHome
    catalog: Catalog
    offers: Offers
    language: Language
    base_url: str | None
    now: datetime

    @property
    def currencies(self) -> CustomerCurrency:
        """What decides the currency of a sale, as it does behind the links."""
        return CustomerCurrency(self.catalog, None, self.home.customer_id, self.home.subscription, None, self.now)


def meter_cards(
    home: CustomerHome, catalog: Catalog, offers: Offers, language: Language, base_url: str | None, now: datetime
) -> list[MeterCard]:
    """Return a card for each meter of the catalog. Without a ``base_url`` the session may not buy."""
    counter = _Counter(home, catalog, offers, language, base_url, now)
    cards = [_card(counter, balance) for balance in home.balances if balance.meter in catalog.meters]
    drawn = [card.meter.key for card in cards if card.chart is not None and card.chart.used]
    return [card if card.meter.key in drawn[:CHARTS_MAX] else replace(card, chart=None) for card in cards]


def _card(counter: _Counter, balance: Balance) -> MeterCard:
    catalog = counter.catalog
    plan = catalog.plans.get(balance.policy.plan or "")
    owed = counter.home.owed.get(balance.meter)
    minimum = catalog.minimum_charge(owed.currency) if owed is not None else None
    return MeterCard(
        catalog.meters[balance.meter],
        balance,
        plan.name if plan is not None else balance.policy.plan,
        _extras(burn(balance).grants, counter.now),
        owed,
        minimum if owed is not None and minimum is not None and owed.amount < minimum.amount else None,
        _price(counter, balance),
        _shop(counter, balance, owed),
        None if is_by_day(balance.period) else open_chart(balance, counter.now),
    )


def _extras(grants: Sequence[Grant], now: datetime) -> Sequence[Extra]:
    """Return the units beside the plan's: those to use now first, by the day they end, then those that begin later."""
    found: dict[Extra, Decimal] = {}
    for grant in grants:
        if grant.is_periodic or grant.remaining <= ZERO:
            continue
        until = grant.expires_at.date() if grant.expires_at is not None else None
        kind = Extra(grant.kind, ZERO, until, grant.starts_at.date() if grant.starts_at > now else None)
        found[kind] = found.get(kind, ZERO) + grant.remaining
    return sorted(
        (replace(kind, quantity=quantity) for kind, quantity in found.items()),
        key=lambda each: (each.starts_on or date.min, each.until or date.max, each.kind),
    )


def _price(counter: _Counter, balance: Balance) -> Sequence[str]:
    """Return what use beyond the plan costs, where the plan allows it and has a price."""
    prices = balance.policy.prices if balance.policy.allows_overage else {}
    currency = next((each for each in counter.currencies.of_units(balance.meter) if each in prices), None)
    return price_texts(prices[currency], currency, counter.language) if currency is not None else ()


def _shop(counter: _Counter, balance: Balance, owed: Money | None) -> Shop:
    """Return what the pages behind the links would sell. Where use is blocked, nothing is sold but what is owed."""
    offers, home = counter.offers, counter.home
    is_usable = balance.blocked is None
    pack = _pack(counter, balance) if is_usable and offers.can_carry_pack(balance, counter.now) else None
    plan = _next_plan(counter, balance) if is_usable else None
    is_payable = owed is not None and offers.is_payable(balance.meter, owed)

    def link(kind: LinkKind) -> str | None:
        return offers.link_if_possible(home.customer_id, kind, balance.meter, counter.base_url, counter.now)

    return Shop(
        pack,
        link("top_up") if pack is not None else None,
        link("overage") if is_payable else None,
        replace(plan, url=link("plan")) if plan is not None else None,
    )


def _pack(counter: _Counter, balance: Balance) -> Quote | None:
    catalog, meter = counter.catalog, balance.meter
    plan = plan_at(counter.home.subscription, meter, counter.now) or catalog.default_plan
    request, currencies = SaleRequest("top_up", meter), counter.currencies.of_units(meter)
    try:
        return quote_top_up(catalog, counter.offers.environment, request, meter, plan, currencies)
    except (NotForSale, BelowMinimum):
        return None


def _next_plan(counter: _Counter, balance: Balance) -> NextPlan | None:
    """Return the plan that a link would sell: the next one up from the customer's order, if that can be changed.

    Without such an order it is one more, where there is a place for it.
    """
    catalog, environment, meter = counter.catalog, counter.offers.environment, balance.meter
    held = held_by(counter.home.subscription, None, {meter}, counter.now)
    if (held is not None and held.status != "active") or not has_place(counter.home.subscription, held):
        return None
    try:
        quote = quote_plan(catalog, environment, SaleRequest("plan", meter), held, counter.currencies.of_plan)
    except (HighestPlan, NotForSale, AlreadySubscribed):
        return None
    plan = catalog.plans[quote.plan or ""]
    period = next(each.billing_period for each in catalog.products if quote.product_id in each.product_ids.values())
    return NextPlan(plan, plan.allowances[meter].quantity, quote.amount, period, None)


def _is_own_limit(balance: Balance) -> bool:
    """Whether it is the customer's own limit that ends use: without it there would be some left."""
    cap = balance.limits.spend_cap
    if cap is None or not balance.policy.allows_overage:
        return False
    others = replace(balance, limits=replace(balance.limits, spend_cap=None))
    return others.is_uncapped or others.overage_limit + others.net > ZERO
