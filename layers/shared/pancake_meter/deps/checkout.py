"""The collaborators of the overage checkout: the sale, and the secret that signs purchase links."""

from collections.abc import Callable

from pancake_meter.deps.config import LinkSettings, WaffoApiSettings
from pancake_meter.deps.metering import stack_metering
from pancake_meter.deps.secret import Secret
from pancake_meter.deps.stack import Clock, utc_now
from pancake_meter.deps.telemetry import report_lookup_failed
from pancake_meter.deps.waffo import waffo_client
from pancake_meter.usecases.selling.open_checkout import Selling
from pancake_meter.value import Value


class CheckoutDeps(Value):
    """The sale, the secret of purchase links and the clock. ``public_base_url`` replaces the host asked."""

    selling: Selling
    link_secret: Callable[[], str]
    clock: Clock = utc_now
    public_base_url: str | None = None


def checkout_deps() -> CheckoutDeps:
    """Return the collaborators of this stack. A secret is read by the first route that needs it."""
    links, settings = LinkSettings.from_environment(), WaffoApiSettings.from_environment()
    selling = Selling(
        stack_metering(),
        waffo_client(settings),
        settings.environment,
        settings.success_url,
        settings.store_id,
        settings.is_local,
        on_lookup_failure=report_lookup_failed,
    )
    return CheckoutDeps(selling, Secret(links.secret_id), public_base_url=links.public_base_url)
