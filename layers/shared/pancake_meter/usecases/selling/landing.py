"""Where a customer who has paid by a purchase link lands: on a page of this stack, which says what the payment brought."""

from collections.abc import Callable
from datetime import datetime

from pancake_meter.catalog.checkout import split_https
from pancake_meter.domain.selling.checkout import UNIT_KINDS, Checkout
from pancake_meter.domain.selling.loopback import is_loopback_url
from pancake_meter.usecases.selling.open_checkout import Selling
from pancake_meter.usecases.selling.purchase_link import LINK_LIFETIME, LinkKind, PurchaseLink, make_link, paid_token


def landing_page(selling: Selling, secrets: str, base_url: str) -> Callable[[Checkout], str | None]:
    """Return a function of a checkout that returns where its customer lands after paying; the same address each time.

    Waffo's payment fails with an address that is not https. A stack that has none sends the customer to the seller at once.
    """

    def page_of(checkout: Checkout) -> str | None:
        url = f"{base_url}/buy/{paid_token(secrets, checkout.id)}/paid"
        is_taken = split_https(url) is not None or (selling.is_local and is_loopback_url(url))
        return url if is_taken else selling.success_url

    return page_of


def offer_again(secrets: str, base_url: str, checkout: Checkout, now: datetime) -> str | None:
    """Return a link to what an unpaid checkout sells; ``None`` once the link that led to it is surely over."""
    if checkout.meter is None or checkout.created_at + LINK_LIFETIME <= now:
        return None
    kind: LinkKind = "plan"
    if checkout.kind in UNIT_KINDS:
        kind = "overage" if checkout.kind == "overage" else "top_up"
    return make_link(secrets, base_url, PurchaseLink(checkout.customer_id, kind, checkout.meter), checkout.created_at)
