"""The collaborators of pages for customers, for tests that have those of the shop."""

from pancake_meter.deps.checkout import CheckoutDeps
from pancake_meter.deps.stack import Clock, utc_now
from pancake_meter.usecases.selling.act_on_order import Acting
from pancake_meter.usecases.selling.offer import Offers
from pancake_pages.deps.customer_pages import CustomerPagesDeps, PortalDeps
from pancake_pages.site import Site
from tests.support.token_keys import NOBODY_ERASED, TOKEN_KEYS


def pages_deps(shop: CheckoutDeps, site: Site, clock: Clock = utc_now) -> CustomerPagesDeps:
    """Return them, with a portal that sells and cancels as the shop does."""
    selling = shop.selling
    metering = selling.metering
    portal = PortalDeps(
        TOKEN_KEYS,
        Offers(selling.catalog, selling.environment, shop.link_secret),
        Acting(
            metering.table,
            metering.erasures or NOBODY_ERASED,
            selling.waffo,
            selling.environment,
            selling.store_id,
        ),
    )
    return CustomerPagesDeps(shop, site, portal, clock)
