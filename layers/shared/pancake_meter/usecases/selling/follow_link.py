"""Following a purchase link: what it sells is found when it is clicked, which may be days after it was made."""

from datetime import datetime

from pancake_meter.domain.errors import BelowMinimum, NotForSale, NothingOwed
from pancake_meter.usecases.selling.open_checkout import OpenedCheckout, Selling, open_checkout
from pancake_meter.usecases.selling.purchase_link import PurchaseLink
from pancake_meter.usecases.selling.quote_sale import SaleRequest


def follow_purchase_link(selling: Selling, link: PurchaseLink, now: datetime) -> OpenedCheckout:
    """Open the checkout that a link stands for.

    A link to overage that cannot be sold now (too little to charge, or settled since) sells a pack of units: it pays for
    what is owed of the period, and the customer can go on. A link to a plan sells the next one up from the plan that the
    customer has now: as a change of a live order, else as a subscription.

    Raises:
        UnknownMeter, UnknownPlan, NothingOwed, NotForSale, BelowMinimum, TooManyGrants: there is nothing to sell.
        CustomerBlocked: the operator has cut off what the link sells. What is owed may be paid.
        HighestPlan: there is no plan up from the customer's.
        PlanNotChangeable: the customer's order is overdue, or was cancelled and still runs.
        WaffoApiError: Waffo did not make the session.
        StoreBusy, StoreUnavailable: passing trouble.
    """
    try:
        return open_checkout(selling, link.customer_id, SaleRequest(link.kind, link.meter), None, now)
    except (BelowMinimum, NothingOwed, NotForSale):
        if link.kind != "overage":
            raise
        return open_checkout(selling, link.customer_id, SaleRequest("top_up", link.meter), None, now)
