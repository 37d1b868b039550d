"""The collaborators of the pages for customers: the shop, the secrets of links and tokens, and the site."""

from dataclasses import dataclass

from pancake_meter.deps.checkout import CheckoutDeps, checkout_deps
from pancake_meter.deps.stack import Clock, utc_now
from pancake_pages.deps.site import stack_site
from pancake_pages.site import Site


@dataclass(frozen=True, slots=True)
class CustomerPagesDeps:
    """The shop with the secret of purchase links, the site and the clock."""

    shop: CheckoutDeps
    site: Site
    clock: Clock = utc_now


def customer_pages_deps() -> CustomerPagesDeps:
    """Return the collaborators of this stack. A secret is read by the first page that needs it."""
    return CustomerPagesDeps(checkout_deps(), stack_site())
