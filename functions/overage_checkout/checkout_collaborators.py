"""What the routes of the overage checkout work with: the sale, and the secret that signs purchase links."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from aws_lambda_powertools import Logger

from pancake_meter.deps.config import LinkSettings, WaffoApiSettings
from pancake_meter.deps.production import Clock, production_metering, utc_now
from pancake_meter.deps.secret import Secret
from pancake_meter.deps.telemetry import tell_lookup_failed
from pancake_meter.deps.waffo_key import RotatingSigner
from pancake_meter.usecases.selling.open_checkout import Selling
from pancake_meter.waffo.client import WaffoClient


@dataclass(frozen=True, slots=True)
class CheckoutCollaborators:
    """Collaborators, with production defaults in ``production_collaborators``."""

    selling: Selling
    link_secret: Callable[[], str]
    clock: Clock = utc_now


@cache
def production_collaborators(logger: Logger) -> CheckoutCollaborators:
    """Return those of this stack, made at the first request. A secret is read by the first route that needs it."""
    links, settings = LinkSettings.from_environment(), WaffoApiSettings.from_environment()
    signer = RotatingSigner(settings.merchant_id, Secret(settings.private_key_secret_id))
    waffo = WaffoClient(signer, api_url=settings.api_url, log=logger)
    selling = Selling(
        production_metering(),
        waffo,
        settings.environment,
        settings.success_url,
        settings.store_id,
        settings.is_local,
        on_lookup_failure=tell_lookup_failed,
    )
    return CheckoutCollaborators(selling, Secret(links.secret_id))
