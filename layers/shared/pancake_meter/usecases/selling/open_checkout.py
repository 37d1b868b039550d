"""Opening a checkout: one Waffo session per sale, however often and however concurrently it is asked for.

The checkout is written before Waffo is called, and its id is the idempotency key: a retry after a crash or a timeout, at
any point, finds the checkout, and Waffo answers it with the same session.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Self, cast
from urllib.parse import urlsplit
from uuid import uuid4

from pancake_meter.catalog import Catalog
from pancake_meter.domain.access.once import IdempotencyConflict, Once
from pancake_meter.domain.balance.adjust import can_carry
from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.balance.credit import bought_lot
from pancake_meter.domain.errors import (
    AlreadySubscribed,
    BelowMinimum,
    CustomerBlocked,
    HighestPlan,
    NotForSale,
    NothingOwed,
    SuccessUrlNotAllowed,
    TooManyGrants,
    TooManyOrders,
    UnknownMeter,
)
from pancake_meter.domain.quantity import format_quantity
from pancake_meter.domain.selling.checkout import UNIT_KINDS, Checkout
from pancake_meter.domain.selling.loopback import is_loopback_url
from pancake_meter.domain.selling.overage import LineKey, sale_of
from pancake_meter.domain.selling.plan import Environment
from pancake_meter.domain.standing.held_order import HeldOrder, has_place, held_by
from pancake_meter.domain.standing.standing import plan_at
from pancake_meter.domain.standing.subscription import MAX_ORDERS, ORDERS_NOT_SOLD, Subscription
from pancake_meter.store.access.once import done_write, read_done
from pancake_meter.store.errors import StoreBusy, WriteRefused
from pancake_meter.store.keys import Key
from pancake_meter.store.selling.checkouts import (
    latest_slot,
    read_checkout,
    read_slot,
    write_new_checkout,
    write_session,
)
from pancake_meter.store.standing.subscriptions import read_subscription
from pancake_meter.store.table import Put, Table, Write
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.operate import read_access
from pancake_meter.usecases.selling.customer_currency import CustomerCurrency
from pancake_meter.usecases.selling.owed_overage import merge_owed, read_owed
from pancake_meter.usecases.selling.quote_sale import (
    Quote,
    SaleRequest,
    SeenOffer,
    quote_overage,
    quote_plan,
    quote_top_up,
)
from pancake_meter.usecases.selling.read_at_first import keys_of_sale, meters_of_sale
from pancake_meter.usecases.selling.waffo_orders import WaffoOrders, not_changeable
from pancake_meter.value import Value, field, replace
from pancake_meter.waffo.checkout import (
    CreateSession,
    NewPurchase,
    PlanChange,
    PriceSnapshot,
    TaxCategory,
    url_with_token,
)
from pancake_meter.waffo.client import WaffoClient
from pancake_meter.waffo.errors import WaffoRejected
from pancake_meter.waffo.idempotency import idempotency_key

_ATTEMPTS_MAX: Final = 5
_SESSION_KEY_LIFETIME: Final = timedelta(hours=23)
"""Waffo forgets an idempotency key after 24 hours: a checkout without a session is not revived after that."""


def _nobody_listens(error: Exception) -> None:
    """Leave a failed question about orders uncounted."""


class Selling(Value):
    """The collaborators of a sale.

    ``is_local``: Waffo is a simulator on this machine, and so may be the seller's app. ``on_lookup_failure`` is called for
    each question about orders that Waffo did not answer.
    """

    metering: Metering
    waffo: WaffoClient
    environment: Environment
    success_url: str | None
    store_id: str
    is_local: bool = False
    new_id: Callable[[], str] = lambda: f"chk_{uuid4().hex}"
    on_lookup_failure: Callable[[Exception], None] = _nobody_listens

    @property
    def catalog(self) -> Catalog:
        """The seller's catalog."""
        return self.metering.catalog

    def allows_success_url(self, url: str) -> bool:
        """Return whether a customer may be sent to ``url`` after paying."""
        return self.catalog.checkout.allows_success_url(url) or (self.is_local and is_loopback_url(url))

    @property
    def shop_url(self) -> str | None:
        """Where the seller's shop is: the site that customers land on after paying; ``None`` where no such is configured."""
        landing = self.success_url or next(iter(self.catalog.checkout.success_urls), None)
        if landing is None:
            return None
        parts = urlsplit(landing)
        return f"{parts.scheme}://{parts.netloc}/"

    @property
    def orders(self) -> WaffoOrders:
        """What Waffo says of a customer's orders."""
        return WaffoOrders(self.waffo, self.catalog, self.environment, self.store_id, self.on_lookup_failure)

    def currency(
        self, customer_id: str | None, subscription: Subscription | None, requested: str | None, now: datetime
    ) -> CustomerCurrency:
        """What decides the currency of a sale to a customer."""
        return CustomerCurrency(self.catalog, self.orders, customer_id, subscription, requested, now)

    def reading_once(self, keys: Sequence[Key]) -> Self:
        """Return the same sale on a table that reads nothing twice, and the items of ``keys`` now: one request."""
        metering = replace(self.metering, table=self.metering.table.reading_once(keys))
        return replace(self, metering=metering)

    def orders_minded(self, request: SaleRequest) -> WaffoOrders:
        """What Waffo says of the orders that a sale of a plan has to mind."""
        return replace(self.orders, wanted=self.catalog.plans.get(request.plan or ""))


class OpenedCheckout(Value):
    """A checkout that can be paid at ``url``. The URL carries a token of the customer's with two to five minutes left."""

    checkout: Checkout
    url: str
    is_new: bool
    is_replay: bool = False


class Quoted(Value):
    """What a checkout would sell now, and what that was found from.

    ``held`` is the order that a plan change moves. ``balance`` is that of the meter whose units are bought ahead.
    ``period_ends`` are the ends of the periods whose overage is sold.
    """

    quote: Quote
    held: HeldOrder | None = None
    balance: Balance | None = None
    period_ends: Mapping[LineKey, datetime] = field(default_factory=dict)


class OfferChanged(Exception):
    """What would be sold now is not what the customer has seen; nothing was opened. ``quoted`` is what would be sold."""

    def __init__(self, quoted: Quoted) -> None:
        """Keep what would be sold."""
        super().__init__("the offer has changed")
        self.quoted = quoted


class Visit(Value):
    """How a person comes to a checkout: by a page that showed an offer, and back to a page of ours.

    ``seen`` is the offer that was shown, as ``Quote.seen`` has it; ``None`` where none was. ``landing`` returns where the
    customer is sent after paying a checkout; it is the same each time. ``paid_until`` is when the latest checkout was made
    of which the page knew that it is paid; ``None`` where the page did not say.
    """

    seen: str | None
    landing: Callable[[Checkout], str | None]
    paid_until: datetime | None = None

    @property
    def offer(self) -> SeenOffer | None:
        """The offer that was shown; ``None`` where none was, or what is said of it is none."""
        return SeenOffer.read(self.seen) if self.seen is not None else None


class _Product(Value):
    """What a session sells beside what its checkout says: a product, at its own price or at the checkout's."""

    id: str
    sets_price: bool

    @classmethod
    def of(cls, quote: Quote) -> Self:
        return cls(quote.product_id, quote.sets_price)


def open_checkout(
    selling: Selling,
    customer_id: str,
    request: SaleRequest,
    success_url: str | None,
    now: datetime,
    once: Once | None = None,
    visit: Visit | None = None,
) -> OpenedCheckout:
    """Open a checkout for what is asked, or find the open one that sells just that; with ``once``, the same one again.

    Raises:
        OfferChanged: a ``visit`` has seen another offer.
        IdempotencyConflict: the request's key was used for another request, or for a checkout that is over.
        UnknownMeter, UnknownPlan, NothingOwed, NotForSale, BelowMinimum, TooManyGrants, TooManyOrders,
        SuccessUrlNotAllowed, AlreadySubscribed, PlanNotChangeable, CustomerBlocked: see their classes.
        WaffoApiError: Waffo did not make the session; the same request may be repeated where it says so.
        StoreBusy, StoreUnavailable: passing trouble; the same request is safe to repeat.
    """
    if success_url is not None and not selling.allows_success_url(success_url):
        raise SuccessUrlNotAllowed("the success URL is not on the catalog's list")

    selling = selling.reading_once(keys_of_sale(selling.catalog, customer_id, request, once))
    _check_usable(selling, customer_id, request)
    landing = success_url or selling.success_url
    if once is not None and (before := _opened_before(selling, customer_id, once, landing, now)) is not None:
        return before

    def sell(quoted: Quoted) -> OpenedCheckout:
        if visit is not None and visit.seen not in (None, quoted.quote.seen):
            raise OfferChanged(quoted)
        checkout, is_new = _take_slot(selling, customer_id, quoted.quote, quoted.held, now, once)
        lands_at = landing if visit is None else visit.landing(checkout)
        return _with_session(selling, checkout, _Product.of(quoted.quote), lands_at, is_new=is_new)

    if request.kind in UNIT_KINDS:
        as_seen = _quote_as_seen(selling, customer_id, request, visit, now)
        return sell(as_seen or _quote_units(selling, customer_id, request, now))
    sale = _sale_of_plan(selling, customer_id, request, now)
    return _sell_plan(sale, _sure_quote(sale) if visit is not None else _quote_plan(sale), sell)


def quote_checkout(selling: Selling, customer_id: str, request: SaleRequest, now: datetime) -> Quoted:
    """Return what a ``visit`` would be sold by ``open_checkout``. It only reads, and asks Waffo about orders of plans.

    Raises: as ``open_checkout``, what says that nothing is sold.
    """
    selling.metering.check_not_erased(customer_id)
    selling = selling.reading_once(keys_of_sale(selling.catalog, customer_id, request))
    _check_usable(selling, customer_id, request)
    if request.kind in UNIT_KINDS:
        return _quote_units(selling, customer_id, request, now, may_merge=False)
    return _sure_quote(_sale_of_plan(selling, customer_id, request, now))


def latest_checkout(selling: Selling, customer_id: str, quote: Quote, now: datetime) -> tuple[Checkout | None, bool]:
    """Return the latest checkout of what a quote sells, and whether its payment page sells just that and is open."""
    fresh = _checkout(selling, customer_id, quote, now)
    latest = read_slot(selling.metering.table, customer_id, fresh.kind, fresh.subject)
    is_open = latest is not None and latest.session_id is not None and _still_sells(latest, fresh, now)
    return latest, is_open


def _check_usable(selling: Selling, customer_id: str, request: SaleRequest) -> None:
    """Raise ``CustomerBlocked`` where all that a sale would give is cut off. What is owed may be paid all the same."""
    if request.kind == "overage":
        return
    meters = meters_of_sale(selling.catalog, request)
    reason = read_access(selling.metering.table, customer_id, meters).all_blocked(meters)
    if reason is not None:
        message = "the customer's access is cut off: nothing is sold that could not be used"
        raise CustomerBlocked(message, reason=reason, meters=sorted(meters))


def _opened_before(
    selling: Selling, customer_id: str, once: Once, success_url: str | None, now: datetime
) -> OpenedCheckout | None:
    """Return what an earlier request like this one was answered, as it stands now. An open page gets a fresh token."""
    table = selling.metering.table
    facts = read_done(table, once, now)
    checkout = read_checkout(table, facts["checkout_id"]) if facts is not None else None
    if facts is None or checkout is None:
        return None
    # The customer may have been erased since, and the checkout is the pseudonym's then.
    selling.metering.check_not_erased(customer_id)
    if checkout.status_at(now) == "open":
        product = _Product(facts["product_id"], facts["sets_price"])
        opened = _with_session(selling, checkout, product, success_url, is_new=facts["is_new"])
        return replace(opened, is_new=facts["is_new"], is_replay=True)
    if checkout.url is None:
        raise IdempotencyConflict("the checkout that was asked for under this key is over: ask under another key")
    return OpenedCheckout(checkout, checkout.url, facts["is_new"], is_replay=True)


class _PlanSale(Value):
    """The sale of a plan: ``held`` is the order that it would change, ``subscription`` has all orders, as far as we know."""

    selling: Selling
    customer_id: str
    request: SaleRequest
    subscription: Subscription | None
    held: HeldOrder | None
    currencies: CustomerCurrency

    @property
    def orders(self) -> WaffoOrders:
        """What Waffo says of the orders that the sale has to mind."""
        return self.selling.orders_minded(self.request)

    def as_it_stands(self) -> "_PlanSale":
        """Return the sale as Waffo has the order now."""
        if self.held is None or self.held.is_of_waffo:
            return self
        return replace(self, held=self.orders.as_it_stands(self.held, self.customer_id))

    def quote(self) -> Quoted:
        """Quote by what the customer has.

        Raises: as ``quote_plan``, and
            TooManyOrders: as many orders stand as are sold, and the sale changes none of them.
        """
        selling = self.selling
        quote = quote_plan(selling.catalog, selling.environment, self.request, self.held, self.currencies.of_plan)
        if not has_place(self.subscription, self.held):
            message = "the customer has as many subscriptions as are sold to one customer; cancel one first"
            raise TooManyOrders(message, plan=quote.plan, limit=MAX_ORDERS - ORDERS_NOT_SOLD)
        return Quoted(quote, self.held)


def _sale_of_plan(selling: Selling, customer_id: str, request: SaleRequest, now: datetime) -> _PlanSale:
    """Begin the sale of a plan. Webhooks may be late: so Waffo is asked before there is no order to change."""
    subscription = read_subscription(selling.metering.table, customer_id)
    currencies = selling.currency(customer_id, subscription, request.currency, now)
    wanted = selling.catalog.plans.get(request.plan) if request.plan else None
    meters = frozenset(wanted.allowances) if wanted else frozenset({request.meter or ""})
    held = held_by(subscription, wanted, meters, now)
    sale = _PlanSale(selling, customer_id, request, subscription, held, currencies)
    if sale.held is None:
        return replace(sale, held=sale.orders.of_buyer(customer_id))
    if request.currency is None and sale.held.currency is None and selling.catalog.sells_plans_in_several_currencies:
        # A change keeps the order's currency, which an earlier version did not keep.
        return sale.as_it_stands()
    return sale


def _quote_plan(sale: _PlanSale) -> Quoted:
    """Quote by what we know. Before that is a reason to sell nothing, Waffo is asked whether it is still so."""
    try:
        return sale.quote()
    except (AlreadySubscribed, HighestPlan):
        if sale.held is None or sale.held.is_of_waffo:
            raise
    return sale.as_it_stands().quote()


def _sure_quote(sale: _PlanSale) -> Quoted:
    """Quote by what Waffo has, for a person who is shown the offer before it is sold.

    Raises:
        PlanNotChangeable: Waffo would refuse the change.
    """
    quoted = sale.as_it_stands().quote()
    if quoted.held is not None and quoted.held.is_of_waffo and quoted.held.status != "active":
        raise not_changeable(quoted.held)
    return quoted


def _sell_plan(sale: _PlanSale, quoted: Quoted, sell: Callable[[Quoted], OpenedCheckout]) -> OpenedCheckout:
    """Sell a plan: a change of a live order, or else a subscription.

    Where Waffo refuses a change, it is asked how the order stands: one that has ended is replaced by a new subscription.
    """
    try:
        return sell(quoted)
    except WaffoRejected:
        if quoted.held is None:
            raise
        instead = sale.orders.after_refusal(quoted.held, sale.customer_id)
        again = replace(sale, held=instead).quote()
        if again.quote == quoted.quote:
            raise
    return sell(again)


def _quote_as_seen(
    selling: Selling, customer_id: str, request: SaleRequest, visit: Visit | None, now: datetime
) -> Quoted | None:
    """Return the quote of overage that a visitor has seen, where it holds: what was used since then is left for later.

    Whoever goes on using a product can pay for what was shown. ``None``: nothing such was seen, or it does not hold.
    """
    seen = visit.offer if visit is not None else None
    if seen is None or request.kind != "overage" or request.meter is None or seen.kind != request.kind:
        return None
    selling.metering.check_meter(request.meter)
    with suppress(BelowMinimum, NothingOwed, NotForSale):
        up_to = seen.quantity
        quoted = _quote_overage(selling, customer_id, request, request.meter, now, may_merge=True, up_to=up_to)
        return quoted if quoted.quote.seen == seen.text else None
    return None


def _quote_units(
    selling: Selling, customer_id: str, request: SaleRequest, now: datetime, *, may_merge: bool = True
) -> Quoted:
    if request.meter is None:
        raise UnknownMeter("units are sold of a meter: name one", meters=sorted(selling.catalog.meters))
    selling.metering.check_meter(request.meter)
    if request.kind == "top_up":
        return _quote_top_up(selling, customer_id, request, request.meter, now)
    return _quote_overage(selling, customer_id, request, request.meter, now, may_merge=may_merge)


def _quote_top_up(selling: Selling, customer_id: str, request: SaleRequest, meter: str, now: datetime) -> Quoted:
    """Quote units ahead.

    Raises:
        TooManyGrants: the balance could not carry them: nothing is sold that could not be credited.
    """
    begun = selling.metering.begin_change(customer_id, meter, now)
    plan = plan_at(begun.subscription, meter, now) or selling.catalog.default_plan
    currencies = selling.currency(customer_id, begun.subscription, request.currency, now).of_units(meter)
    quote = quote_top_up(selling.catalog, selling.environment, request, meter, plan, currencies)
    pack = bought_lot("top_up", quote.quantity, quote.priority, now, quote.expires_after)
    if not can_carry(begun.change.balance, pack, now):
        raise TooManyGrants("the customer has as many packs as the balance can carry; use up one first", meter=meter)
    return Quoted(quote, balance=begun.change.balance)


def _quote_overage(
    selling: Selling,
    customer_id: str,
    request: SaleRequest,
    meter: str,
    now: datetime,
    *,
    may_merge: bool,
    up_to: Decimal | None = None,
) -> Quoted:
    """Quote what is owed, no more units than ``up_to``.

    Where it takes more lines than one checkout has to make an amount, lines are merged.

    Where it may not merge, the quote has all the lines: a sale of the merged ones comes to the same.
    """
    metering, catalog = selling.metering, selling.catalog
    subscription = read_subscription(metering.table, customer_id) if request.currency is None else None
    possible = selling.currency(customer_id, subscription, request.currency, now).of_units(meter)
    # What is owed is read in a second currency only where nothing of it has a price in the customer's.
    owed = read_owed(metering, customer_id, meter, possible[0], now)
    if owed.lines and not owed.priced and len(possible) > 1:
        owed = read_owed(metering, customer_id, meter, possible[1], now)
    currency = owed.currency
    if not owed.lines:
        raise NothingOwed("the customer owes no overage of this meter", meter=meter)
    try:
        return Quoted(
            quote_overage(catalog, selling.environment, meter, owed.sold(up_to), currency), period_ends=owed.period_ends
        )
    except BelowMinimum:
        if owed.total < catalog.minimum_charge(currency).amount:
            raise
    if may_merge:
        merge_owed(metering, customer_id, meter, currency, now)
        owed = read_owed(metering, customer_id, meter, currency, now)
    sold = owed.sold(up_to) if may_merge else sale_of(owed.priced, owed.remainder, currency)
    return Quoted(quote_overage(catalog, selling.environment, meter, sold, currency), period_ends=owed.period_ends)


def _take_slot(
    selling: Selling, customer_id: str, quote: Quote, held: HeldOrder | None, now: datetime, once: Once | None
) -> tuple[Checkout, bool]:
    """Return the open checkout that sells just this, or a new one in the place of whatever was there."""
    table = selling.metering.table
    fresh = _checkout(selling, customer_id, quote, now)
    for _ in range(_ATTEMPTS_MAX):
        slot = latest_slot(table, customer_id, fresh.kind, fresh.subject)
        is_over = slot is not None and slot.is_over(now)
        current = read_checkout(table, slot.checkout_id) if slot is not None and not is_over else None
        if current is not None and _still_sells(current, fresh, now) and not _is_used_up(selling, current, held):
            if once is not None:
                _keep_answer(table, _done(once, current, quote, now, is_new=False))
            return current, False
        demands: list[Write] = [*selling.metering.unless_erased(customer_id)]
        if once is not None:
            demands.append(_done(once, fresh, quote, now, is_new=True))
        if write_new_checkout(table, fresh, slot if is_over else current, demands):
            return fresh, True
        selling.metering.check_not_erased(customer_id)
    raise StoreBusy("the checkout kept changing")


def _keep_answer(table: Table, done: Put) -> None:
    try:
        table.write(done)
    except WriteRefused:
        raise StoreBusy("the same request is being answered") from None


def _done(once: Once, checkout: Checkout, quote: Quote, now: datetime, *, is_new: bool) -> Put:
    """Return the write that marks a request as answered with a checkout, as long as Waffo knows the checkout's session."""
    facts = {
        "checkout_id": checkout.id,
        "product_id": quote.product_id,
        "sets_price": quote.sets_price,
        "is_new": is_new,
    }
    return done_write(once, facts, now + _SESSION_KEY_LIFETIME, now)


def _still_sells(current: Checkout, wanted: Checkout, now: datetime) -> bool:
    if current.status_at(now) != "open":
        return False
    if current.session_id is None and current.created_at + _SESSION_KEY_LIFETIME <= now:
        return False
    return current.sells_as(wanted)


def _is_used_up(selling: Selling, checkout: Checkout, held: HeldOrder | None) -> bool:
    """Return whether the payment page of a plan's checkout leads nowhere any more, though no webhook has closed it."""
    if checkout.kind in UNIT_KINDS or checkout.session_id is None:
        return False
    if held is not None and held.scheduled_at is not None and checkout.created_at <= held.scheduled_at:
        return True
    return selling.orders.is_used_up(checkout)


def _with_session(
    selling: Selling, checkout: Checkout, product: _Product, success_url: str | None, *, is_new: bool
) -> OpenedCheckout:
    """Have Waffo make the session, or hand out the one there is with a token that is good for two minutes or more."""
    if checkout.url is not None:
        token = selling.waffo.session_token(product_id=product.id, buyer_identity=checkout.customer_id)
        url = url_with_token(checkout.url, token, is_test=selling.environment == "test")
        return OpenedCheckout(checkout, url, is_new=False)
    session = selling.waffo.authenticated_checkout(
        _session_request(selling.catalog, checkout, product, success_url),
        buyer_identity=checkout.customer_id,
        idempotency_key=idempotency_key("checkout", checkout.id),
        is_test=selling.environment == "test",
    )
    kept = replace(checkout, session_id=session.session_id, url=session.checkout_url, expires_at=session.expires_at)
    write_session(selling.metering.table, kept)
    return OpenedCheckout(kept, session.url, is_new)


def _session_request(catalog: Catalog, checkout: Checkout, product: _Product, success_url: str | None) -> CreateSession:
    settings = catalog.checkout
    metadata = {"customer_id": checkout.customer_id, "checkout_id": checkout.id, "kind": checkout.kind}
    if checkout.plan is not None:
        metadata["plan"] = checkout.plan
    if checkout.meter is not None:
        metadata["meter"] = checkout.meter
    if checkout.quantity:
        metadata["quantity"] = format_quantity(checkout.quantity)
    return CreateSession(
        product_id=product.id,
        currency=checkout.amount.currency,
        purchase=PlanChange(checkout.origin_order_id, checkout.timing) if checkout.origin_order_id else NewPurchase(),
        price=PriceSnapshot(checkout.amount.display, cast("TaxCategory", settings.tax_category))
        if product.sets_price
        else None,
        success_url=success_url,
        expires_in_seconds=settings.session_lifetime // timedelta(seconds=1),
        metadata=metadata,
        external_id=checkout.id,
        language=settings.language,
    )


def _checkout(selling: Selling, customer_id: str, quote: Quote, now: datetime) -> Checkout:
    return Checkout(
        id=selling.new_id(),
        customer_id=customer_id,
        kind=quote.kind,
        meter=quote.meter,
        plan=quote.plan,
        quantity=quote.quantity,
        amount=quote.amount,
        status="open",
        created_at=now,
        expires_at=now + selling.catalog.checkout.session_lifetime,
        priority=quote.priority,
        expires_after=quote.expires_after,
        lines=quote.lines,
        timing=quote.timing,
        origin_order_id=quote.origin_order_id,
        tax=quote.tax,
    )
