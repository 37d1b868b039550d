"""What a paid one-time order bought: the checkout we made for it, or units that its product states."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Final

from pancake_meter.catalog import Catalog
from pancake_meter.domain.balance.adjust import add_grant
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.credit import (
    PaidOrder,
    Settlement,
    bought_lot,
    lot,
    lot_credit,
    settle_as_told,
    settle_payment,
)
from pancake_meter.domain.balance.grant import DEFAULT_PRIORITY
from pancake_meter.domain.quantity import InvalidQuantity, parse_quantity
from pancake_meter.domain.selling.checkout import UNIT_KINDS, Checkout
from pancake_meter.domain.selling.overage import MAX_CHANGED_LINES
from pancake_meter.domain.selling.payment import Credit, SoldKind
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.domain.standing.paid_period import CHANGE_MAX
from pancake_meter.store.selling.checkouts import latest_checkouts, read_checkout, settled_write
from pancake_meter.store.selling.overage_lines import read_lines
from pancake_meter.store.table import Table, Write
from pancake_meter.usecases.standing.customer_books import CustomerBooks
from pancake_meter.value import Value, replace
from pancake_meter.waffo.events import Order, PaymentFacts
from pancake_meter.waffo.fields import MAX_ID_LENGTH

CHECKOUT_METADATA: Final = ("checkout_id", "checkoutId")
"""Names under which a checkout's metadata may carry its id, should the external id be lost."""

_TOP_UP_PREFIX: Final = "top_up_"


class Sold(Value):
    """What a payment is for, and the tier that it counts for."""

    kind: SoldKind
    plan: str | None = None


class Purchase(Value):
    """A purchase on the books: units credited, and the writes beside the books'. ``flag``: a person has to look at it.

    ``remainder`` is that of a sale of overage.
    """

    books: CustomerBooks
    sold: Sold
    credits: tuple[Credit, ...]
    writes: tuple[Write, ...] = ()
    flag: str | None = None
    remainder: Decimal = Decimal(0)
    checkout_id: str | None = None


def find_checkout(table: Table, order: Order) -> Checkout | None:
    """Return the checkout that an order names, by external id or metadata; both are lost when the buyer rebuilds it."""
    found = (read_checkout(table, checkout_id) for checkout_id in named_checkouts(order))
    return next((checkout for checkout in found if checkout is not None), None)


def named_checkouts(order: Order) -> list[str]:
    """Return what an order names as its checkout, whether it is one of ours or not."""
    named = (order.external_id, *(order.metadata.get(name) for name in CHECKOUT_METADATA))
    # What is longer than any id of ours is none, and too long for a key.
    return [checkout_id for checkout_id in named if checkout_id and len(checkout_id) <= MAX_ID_LENGTH]


def guess_checkout(table: Table, catalog: Catalog, customer_id: str, facts: PaymentFacts) -> Checkout | None:
    """Return the one unpaid checkout of the customer that was for exactly this money, for an order that names none."""
    subtotal, total = _prices(facts)
    fitting = [
        checkout
        for checkout in latest_checkouts(table, customer_id)
        if checkout.kind in UNIT_KINDS
        and checkout.meter in catalog.meters
        and not checkout.payment_ids
        and subtotal is not None
        and checkout.amount.currency == facts.currency
        and checkout.asks_for(subtotal, total)
    ]
    return fitting[0] if len(fitting) == 1 else None


def buy_checkout(
    books: CustomerBooks, checkout: Checkout, meter: str, facts: PaymentFacts, paid_at: datetime
) -> Purchase:
    """Settle a checkout of units of ``meter`` with its payment.

    Raises:
        TooManyGrants: the balance cannot carry another grant.
    """
    change = books.change_of(meter, paid_at)
    paid = PaidOrder(facts.payment_id, facts.currency, *_prices(facts))
    sold = read_lines(books.metering.table, books.customer_id, meter, [part.key for part in checkout.lines])
    settlement = settle_payment(checkout, paid, change, {**books.due_lines(meter), **sold}, paid_at)
    return _purchase(books, checkout, change, settlement)


def buy_as_told(books: CustomerBooks, checkout: Checkout, meter: str, payment_id: str, paid_at: datetime) -> Purchase:
    """Settle a checkout of units of ``meter`` with a payment that a person says is its own.

    Raises:
        TooManyGrants: the balance cannot carry another grant.
    """
    sold = read_lines(books.metering.table, books.customer_id, meter, [part.key for part in checkout.lines])
    change, lines = books.change_of(meter, paid_at), {**books.due_lines(meter), **sold}
    settlement = settle_as_told(checkout, payment_id, change, lines, paid_at, books.now)
    return _purchase(books, checkout, change, settlement)


def _purchase(books: CustomerBooks, checkout: Checkout, change: Change, settlement: Settlement) -> Purchase:
    meter = change.balance.meter
    settled = tuple(Credit(meter, str(part.key), part.quantity, line=part.key) for part in settlement.settled)
    granted = (lot_credit(meter, settlement.grant),) if settlement.grant else ()
    return Purchase(
        books.with_change(settlement.change) if settlement.change is not change else books,
        _sold(checkout),
        (*settled, *granted),
        (settled_write(checkout, settlement.checkout),),
        settlement.checkout.flag,
        settlement.remainder,
        checkout.id,
    )


def buy_units(
    books: CustomerBooks, meter: str, quantity: Decimal, priority: int, expires_at: datetime | None, paid_at: datetime
) -> Purchase:
    """Credit units that a person says a payment buys. They are there since ``paid_at``.

    Raises:
        TooManyGrants: the balance cannot carry another grant.
    """
    bought = lot("top_up", quantity, priority, paid_at, expires_at)
    lines = dict(islice(books.due_lines(meter).items(), MAX_CHANGED_LINES))
    change = add_grant(books.change_of(meter, paid_at), bought, books.now, lines)
    return Purchase(books.with_change(change), Sold("top_up"), (lot_credit(meter, bought),))


def buy_stated(books: CustomerBooks, catalog: Catalog, facts: PaymentFacts, paid_at: datetime) -> Purchase | None:
    """Credit the units that the product's metadata states, for a product sold by a plain link; ``None``: it states none."""
    stated = stated_units(facts.order.product_metadata, catalog)
    if not stated:
        return None
    bought: list[Credit] = []
    for meter, quantity in stated.items():
        lines = dict(islice(books.due_lines(meter).items(), MAX_CHANGED_LINES // len(stated)))
        top_up = catalog.meters[meter].top_up
        priority = top_up.priority if top_up else DEFAULT_PRIORITY["top_up"]
        pack = bought_lot("top_up", quantity, priority, paid_at, top_up.expires_after if top_up else None)
        books = books.with_change(add_grant(books.change_of(meter, paid_at), pack, paid_at, lines))
        bought.append(lot_credit(meter, pack))
    return Purchase(books, Sold("top_up"), tuple(bought))


def _sold(checkout: Checkout) -> Sold:
    """Return what a checkout of units sells. Overage of several plans at once counts for the newest of them."""
    if checkout.kind != "overage":
        return Sold("top_up")
    newest = max((part.key for part in checkout.lines), key=lambda key: key.order, default=None)
    return Sold("overage", newest.plan if newest else None)


def stated_units(product_metadata: Mapping[str, str], catalog: Catalog) -> dict[str, Decimal]:
    """Return units by meter: ``top_up_<meter>: quantity``, or ``kind: top_up`` with ``meter`` and ``quantity``.

    Nothing where one of them is no quantity or of no known meter: half a purchase is none.
    """
    texts = {
        name.removeprefix(_TOP_UP_PREFIX): text
        for name, text in product_metadata.items()
        if name.startswith(_TOP_UP_PREFIX)
    }
    if product_metadata.get("kind") == "top_up" and "meter" in product_metadata:
        texts[product_metadata["meter"]] = product_metadata.get("quantity", "")
    if not catalog.meters.keys() >= texts.keys():
        return {}
    try:
        return {meter: parse_quantity(text) for meter, text in texts.items()}
    except InvalidQuantity:
        return {}


def replacing(facts: OrderFacts, checkout: Checkout | None) -> OrderFacts:
    """Return the facts of an order with the order that our plan change sold it in place of."""
    if checkout is None or checkout.origin_order_id is None:
        return facts
    return replace(facts, replaces=frozenset({checkout.origin_order_id}))


def agreed_change(table: Table, customer_id: str, order_id: str, at: datetime) -> Checkout | None:
    """Return our checkout whose change of an order was agreed ``at`` an instant, for a later period.

    Waffo names the plan that the order has, and the order's own checkout. The change is of the one checkout for it whose
    page was open then. Where several sell different plans nobody can tell, and it is none.
    """
    fitting = [
        checkout
        for checkout in latest_checkouts(table, customer_id)
        if checkout.kind == "plan_change"
        and checkout.origin_order_id == order_id
        and checkout.timing != "immediate"
        and checkout.created_at - CHANGE_MAX <= at <= checkout.expires_at + CHANGE_MAX
    ]
    return fitting[0] if len({checkout.plan for checkout in fitting}) == 1 else None


def plan_checkout_write(checkout: Checkout | None, order_id: str) -> tuple[Write, ...]:
    """Return the write that closes a plan's checkout once its order has come into force, or is agreed to."""
    if checkout is None or checkout.kind in UNIT_KINDS or checkout.payment_ids:
        return ()
    return (settled_write(checkout, replace(checkout, status="paid", payment_ids=(order_id,))),)


def _prices(facts: PaymentFacts) -> tuple[Decimal | None, Decimal | None]:
    """Return the price before tax and after it; without a breakdown, both are what was charged."""
    price = facts.list_price
    if price is None:
        charged = facts.charged if facts.charged is not None else facts.amount
        return charged, charged
    return price.subtotal if price.subtotal is not None else price.total - (price.tax or Decimal(0)), price.total
