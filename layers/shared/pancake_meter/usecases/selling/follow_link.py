"""Following a purchase link: what it sells is found when it is opened, which may be days after it was made.

Opening a link only looks: programs open links too, to preview them or to scan mail. A checkout is made when the person who
has seen the offer goes on to pay.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, TypeVar

from pancake_meter.domain.errors import BelowMinimum, NotForSale, NothingOwed
from pancake_meter.domain.selling.checkout import Checkout
from pancake_meter.usecases.selling.open_checkout import (
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

JUST_PAID: Final = timedelta(days=1)
"""So long a person who opens a link again is reminded that what it sells was bought already."""

Instead = Literal["settled", "too_little"]
"""Why a link to overage sells a pack: nothing is owed any more, or too little to charge."""

Sold = TypeVar("Sold")


@dataclass(frozen=True, slots=True)
class LinkOffer:
    """What a link sells now.

    ``is_open``: a payment page for just that is open. ``just_paid`` is a checkout of the same units that was paid a short
    time ago. ``instead`` says why it is not what the link was made for.
    """

    quoted: Quoted
    is_open: bool = False
    just_paid: Checkout | None = None
    instead: Instead | None = None


def see_purchase_link(selling: Selling, link: PurchaseLink, now: datetime) -> LinkOffer:
    """Return what ``follow_purchase_link`` would sell. It changes nothing, and opens nothing at Waffo.

    Raises: as ``follow_purchase_link``, but for ``OfferChanged`` and ``WaffoApiError``.
    """
    quoted, instead = _by_link(link, lambda request: quote_checkout(selling, link.customer_id, request, now))
    return offer_of(selling, link, replace(LinkOffer(quoted), instead=instead), now)


def offer_of(selling: Selling, link: PurchaseLink, offer: LinkOffer, now: datetime) -> LinkOffer:
    """Return an offer with what is known of checkouts for the same."""
    latest, is_open = latest_checkout(selling, link.customer_id, offer.quoted.quote, now)
    is_paid = latest is not None and latest.status == "paid" and now - latest.created_at < JUST_PAID
    return replace(offer, is_open=is_open, just_paid=latest if is_paid and offer.quoted.quote.plan is None else None)


def follow_purchase_link(selling: Selling, link: PurchaseLink, visit: Visit, now: datetime) -> OpenedCheckout:
    """Open the checkout that a link stands for.

    A link to overage that cannot be sold now (too little to charge, or settled since) sells a pack of units: it pays for
    what is owed of the period, and the customer can go on. A link to a plan sells the next one up from the plan that the
    customer has now: as a change of a live order, else as a subscription.

    Raises:
        OfferChanged: the visitor has seen another offer than would be sold.
        UnknownMeter, UnknownPlan, NothingOwed, NotForSale, BelowMinimum, TooManyGrants: there is nothing to sell.
        HighestPlan: there is no plan up from the customer's.
        PlanNotChangeable: the customer's order is overdue, or was cancelled and still runs.
        WaffoApiError: Waffo did not make the session.
        StoreBusy, StoreUnavailable: passing trouble.
    """
    opened, _ = _by_link(
        link, lambda request: open_checkout(selling, link.customer_id, request, None, now, visit=visit)
    )
    return opened


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
