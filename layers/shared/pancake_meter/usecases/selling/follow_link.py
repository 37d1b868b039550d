"""Following a purchase link: what it sells is found when it is opened, which may be days after it was made.

Opening a link only looks: programs open links too, to preview them or to scan mail. A checkout is made when the person who
has seen the offer goes on to pay.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, Literal, TypeVar

from pancake_meter.domain.errors import BelowMinimum, DomainError, NotForSale, NothingOwed
from pancake_meter.domain.selling.checkout import UNIT_KINDS, Checkout
from pancake_meter.store.selling.checkouts import latest_slot, list_checkouts, read_checkout, slot_key
from pancake_meter.store.table import READ_ITEMS_MAX
from pancake_meter.usecases.selling.open_checkout import (
    OfferChanged,
    OpenedCheckout,
    Quoted,
    Selling,
    Visit,
    latest_checkout,
    open_checkout,
    quote_checkout,
)
from pancake_meter.usecases.selling.purchase_link import PurchaseLink
from pancake_meter.usecases.selling.quote_sale import SaleRequest
from pancake_meter.usecases.selling.read_at_first import keys_of_sale
from pancake_meter.value import Value

JUST_PAID: Final = timedelta(days=1)
"""So long a person who opens a link again is reminded that what it sells was bought already."""

Instead = Literal["settled", "too_little"]
"""Why a link to overage sells a pack: nothing is owed any more, or too little to charge."""

Sold = TypeVar("Sold")

_LOOKED_THROUGH: Final = 20
"""Checkouts of a customer, the newest, among which one that was paid a short time ago is looked for."""


class LinkOffer(Value):
    """What a link sells now.

    ``is_open``: a payment page for just that is open. ``paid`` is the latest checkout of the same kind and subject that was
    paid. ``instead`` says why it is not what the link was made for.
    """

    quoted: Quoted
    is_open: bool = False
    paid: Checkout | None = None
    instead: Instead | None = None

    def just_paid(self, now: datetime) -> Checkout | None:
        """Return the checkout of the same units that was paid a short time ago."""
        paid = self.paid
        if paid is None or paid.status != "paid" or paid.kind not in UNIT_KINDS:
            return None
        return paid if now - paid.created_at < JUST_PAID else None


class PaidSince(Exception):
    """What the visitor has seen has been paid since; nothing was opened. ``checkout`` is the one that was paid."""

    def __init__(self, checkout: Checkout) -> None:
        """Keep the checkout."""
        super().__init__("what was shown has been paid since")
        self.checkout = checkout


class LinkOfferChanged(Exception):
    """A link sells something else than the visitor has seen; nothing was opened. ``offer`` is what it sells now."""

    def __init__(self, offer: LinkOffer) -> None:
        """Keep what the link sells now."""
        super().__init__("the link sells something else now")
        self.offer = offer


def see_purchase_link(selling: Selling, link: PurchaseLink, now: datetime) -> LinkOffer:
    """Return what ``follow_purchase_link`` would sell. It changes nothing, and opens nothing at Waffo.

    Raises: as ``follow_purchase_link``, but for ``LinkOfferChanged``, ``PaidSince`` and ``WaffoApiError``.
    """
    quoted, instead = _by_link(link, lambda request: quote_checkout(selling, link.customer_id, request, now))
    return _offer(selling, link, quoted, instead, now)


def _offer(selling: Selling, link: PurchaseLink, quoted: Quoted, instead: Instead | None, now: datetime) -> LinkOffer:
    """Return an offer with what is known of checkouts for the same."""
    latest, is_open = latest_checkout(selling, link.customer_id, quoted.quote, now)
    return LinkOffer(quoted, is_open, _latest_paid(selling, link, latest), instead)


def _latest_paid(selling: Selling, link: PurchaseLink, latest: Checkout | None) -> Checkout | None:
    """Return the latest paid checkout of what ``latest`` sells: itself, as it was read, or one that is listed before it."""
    if latest is None or latest.payment_ids:
        return latest
    listed, _ = list_checkouts(selling.metering.table, link.customer_id, limit=_LOOKED_THROUGH)
    alike = (each for each in listed if (each.kind, each.subject) == (latest.kind, latest.subject))
    return next((each for each in alike if each.payment_ids), None)


def follow_purchase_link(selling: Selling, link: PurchaseLink, visit: Visit, now: datetime) -> OpenedCheckout:
    """Open the checkout that a link stands for.

    A link to overage that cannot be sold now (too little to charge, or settled since) sells a pack of units: it pays for
    what is owed of the period, and the customer can go on. A link to a plan sells the next one up from the plan that the
    customer has now: as a change of a live order, else as a subscription.

    Raises:
        LinkOfferChanged: the visitor has seen another offer than would be sold.
        PaidSince: what the visitor has seen has been paid since.
        UnknownMeter, UnknownPlan, NothingOwed, NotForSale, BelowMinimum, TooManyGrants, TooManyOrders: there is nothing to
            sell.
        CustomerBlocked: the operator has cut off what the link sells. What is owed may be paid.
        HighestPlan: there is no plan up from the customer's.
        PlanNotChangeable: the customer's order is overdue, or was cancelled and still runs.
        WaffoApiError: Waffo did not make the session.
        StoreBusy, StoreUnavailable: passing trouble.
    """
    keys = keys_of_sale(selling.catalog, link.customer_id, SaleRequest(link.kind, link.meter))
    # Where no overage is sold, a pack is.
    packs = [slot_key(link.customer_id, "top_up", link.meter)] if link.kind == "overage" else []
    selling = selling.reading_once([*packs, *keys][:READ_ITEMS_MAX])
    _check_not_paid(selling, link, visit, now)
    if link.kind == "overage" and visit.offer is not None and visit.offer.kind == "top_up":
        # The link has shown a pack, which is sold as it was shown, though overage could be sold by now.
        with suppress(OfferChanged, DomainError):
            return open_checkout(selling, link.customer_id, SaleRequest("top_up", link.meter), None, now, visit=visit)

    def sell(request: SaleRequest) -> OpenedCheckout | Quoted:
        try:
            return open_checkout(selling, link.customer_id, request, None, now, visit=visit)
        except OfferChanged as changed:
            return changed.quoted

    sold, instead = _by_link(link, sell)
    if isinstance(sold, OpenedCheckout):
        return sold
    raise LinkOfferChanged(_offer(selling, link, sold, instead, now))


def _check_not_paid(selling: Selling, link: PurchaseLink, visit: Visit, now: datetime) -> None:
    """Raise ``PaidSince`` where what was shown has been paid since: a form may be sent again from a page that was left."""
    seen = visit.offer
    if seen is None or visit.paid_until is None:
        return
    table = selling.metering.table
    slot = latest_slot(table, link.customer_id, seen.kind, seen.subject)
    if slot is not None and slot.made_at is not None and slot.made_at <= visit.paid_until:
        return
    latest = read_checkout(table, slot.checkout_id) if slot is not None else None
    if latest is not None and _is_being_paid(selling, latest, now):
        raise PaidSince(latest)
    paid = _latest_paid(selling, link, latest)
    if paid is not None and paid.created_at > visit.paid_until:
        raise PaidSince(paid)


def _is_being_paid(selling: Selling, checkout: Checkout, now: datetime) -> bool:
    """Return whether units of an open payment page are paid, as Waffo says before its webhook has."""
    is_open = checkout.kind in UNIT_KINDS and checkout.session_id is not None and checkout.status_at(now) == "open"
    return is_open and selling.orders.has_paid(checkout) is True


def _by_link(link: PurchaseLink, sell: Callable[[SaleRequest], Sold]) -> tuple[Sold, Instead | None]:
    """Sell what a link was made for, or a pack in place of overage. Where no pack is sold, the first reason counts."""
    try:
        return sell(SaleRequest(link.kind, link.meter)), None
    except (BelowMinimum, NothingOwed, NotForSale) as error:
        if link.kind != "overage":
            raise
        reason = error
    instead: Instead = "too_little" if isinstance(reason, BelowMinimum) else "settled"
    try:
        return sell(SaleRequest("top_up", link.meter)), instead
    except (NotForSale, BelowMinimum):
        raise reason from None
