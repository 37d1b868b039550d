"""The collaborators of the pages for customers: the shop, the portal, and the site."""

from pancake_meter.deps.checkout import CheckoutDeps, checkout_deps
from pancake_meter.deps.config import LinkSettings, TokenSettings
from pancake_meter.deps.erasures import stack_erasures
from pancake_meter.deps.secret import Secret
from pancake_meter.deps.stack import Clock, utc_now
from pancake_meter.deps.telemetry import report_links_unavailable
from pancake_meter.usecases.access.customer_token import TokenKeys
from pancake_meter.usecases.selling.act_on_order import Acting
from pancake_meter.usecases.selling.offer import Offers
from pancake_meter.value import Value
from pancake_pages.deps.site import stack_site
from pancake_pages.site import Site


class PortalDeps(Value):
    """The keys of customer tokens, what is on offer, and what Waffo does with subscriptions."""

    tokens: TokenKeys
    offers: Offers
    acting: Acting


class CustomerPagesDeps(Value):
    """The shop with the secret of purchase links, the portal, the site and the clock."""

    shop: CheckoutDeps
    site: Site
    portal: PortalDeps
    clock: Clock = utc_now


def customer_pages_deps() -> CustomerPagesDeps:
    """Return the collaborators of this stack. A secret is read by the first page that needs it."""
    shop = checkout_deps()
    return CustomerPagesDeps(shop, stack_site(), portal=_portal(shop))


def _portal(shop: CheckoutDeps) -> PortalDeps:
    selling, tokens, links = shop.selling, TokenSettings.from_environment(), LinkSettings.from_environment()
    base_url, on_trouble = links.public_base_url, report_links_unavailable
    return PortalDeps(
        TokenKeys(tokens.stack, Secret(tokens.secret_id)),
        Offers(selling.catalog, selling.environment, shop.link_secret, base_url, on_trouble),
        Acting(selling.metering.table, stack_erasures(), selling.waffo, selling.environment, selling.store_id),
    )
