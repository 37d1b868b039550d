"""What the routes of the quota check work with: metering, and something to sell when it refuses."""

from dataclasses import dataclass

from pancake_meter.deps.config import LinkSettings
from pancake_meter.deps.production import Clock, production_metering, utc_now
from pancake_meter.deps.secret import Secret
from pancake_meter.deps.telemetry import tell_links_unavailable
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.selling.offer import Offers


@dataclass(frozen=True, slots=True)
class QuotaCollaborators:
    """Collaborators, with production defaults in ``production_collaborators``."""

    metering: Metering
    offers: Offers
    clock: Clock = utc_now


def production_collaborators() -> QuotaCollaborators:
    """Return those of this stack. The signing secret is fetched when the first link is made, then cached."""
    settings = LinkSettings.from_environment()
    metering = production_metering()
    offers = Offers(
        metering.catalog,
        settings.environment,
        Secret(settings.secret_id),
        settings.public_base_url,
        tell_links_unavailable,
    )
    return QuotaCollaborators(metering, offers)
