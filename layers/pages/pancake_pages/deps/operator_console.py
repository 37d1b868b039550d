"""The collaborators of the console. It does by hand what the API can do, so it has what those functions have together.

Each is made by the module that makes it for its own function: no setting is read in two ways.
"""

from pancake_meter.deps.access import AccessDeps, access_deps
from pancake_meter.deps.alert_endpoints import AlertsDeps, alerts_deps
from pancake_meter.deps.checkout import CheckoutDeps, checkout_deps
from pancake_meter.deps.config import LinkSettings
from pancake_meter.deps.stack import Clock, utc_now
from pancake_meter.deps.waffo_actions import WaffoActionsDeps, waffo_actions_deps
from pancake_meter.domain.access.api_key import Mode
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.value import Value
from pancake_pages.deps.site import stack_site
from pancake_pages.site import Site


class OperatorConsoleDeps(Value):
    """Keys and tokens, the shop, what Waffo is asked to do, alerts, the site and the clock.

    Links that are shown begin with ``public_base_url``; without one, with the address of the request.
    """

    access: AccessDeps
    shop: CheckoutDeps
    waffo: WaffoActionsDeps
    alerts: AlertsDeps
    site: Site
    public_base_url: str | None
    clock: Clock = utc_now

    @property
    def table(self) -> Table:
        """The table."""
        return self.access.table

    @property
    def mode(self) -> Mode:
        """The one mode of keys that the stack takes."""
        return self.access.mode

    @property
    def metering(self) -> Metering:
        """Metering, which all of the console's reading and counting goes through."""
        return self.shop.selling.metering


def operator_console_deps() -> OperatorConsoleDeps:
    """Return the collaborators of this stack. Each secret is read by the first page that needs it."""
    links = LinkSettings.from_environment()
    return OperatorConsoleDeps(
        access_deps(), checkout_deps(), waffo_actions_deps(), alerts_deps(), stack_site(), links.public_base_url
    )
