"""The collaborators of the quota check: metering, and the offers that a refusal carries."""

from dataclasses import dataclass

from pancake_meter.deps.config import LinkSettings
from pancake_meter.deps.metering import stack_metering
from pancake_meter.deps.secret import Secret
from pancake_meter.deps.stack import Clock, utc_now
from pancake_meter.deps.telemetry import report_links_unavailable
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.selling.offer import Offers


@dataclass(frozen=True, slots=True)
class QuotaDeps:
    """Metering, offers and the clock."""

    metering: Metering
    offers: Offers
    clock: Clock = utc_now


def quota_deps() -> QuotaDeps:
    """Return the collaborators of this stack. The secret that signs links is read when the first link is made."""
    settings, metering = LinkSettings.from_environment(), stack_metering()
    secret = Secret(settings.secret_id)
    offers = Offers(metering.catalog, settings.environment, secret, settings.public_base_url, report_links_unavailable)
    return QuotaDeps(metering, offers)
