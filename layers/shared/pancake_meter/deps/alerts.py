"""The bell of this stack: what rings an alert."""

from functools import partial

from pancake_meter.deps.config import LinkSettings
from pancake_meter.deps.erasures import stack_erasures
from pancake_meter.deps.metering import stack_metering
from pancake_meter.deps.secret import Secret
from pancake_meter.deps.stack import utc_now
from pancake_meter.deps.telemetry import report_links_unavailable
from pancake_meter.store.standing.subscriptions import read_subscription
from pancake_meter.usecases.alerts.ringing import Bell
from pancake_meter.usecases.selling.offer import Offers


def stack_bell() -> Bell:
    """Return the bell, with its offers. The secret that signs links is read when the first link is made."""
    settings, metering = LinkSettings.from_environment(), stack_metering()
    secret = Secret(settings.secret_id)
    offers = Offers(
        metering.catalog,
        settings.environment,
        secret,
        settings.public_base_url,
        report_links_unavailable,
        orders_of=partial(read_subscription, metering.table),
    )
    return Bell(metering.table, stack_erasures(), offers, settings.public_base_url, utc_now)
