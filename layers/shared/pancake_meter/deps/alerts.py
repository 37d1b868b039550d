"""The bell of this stack: what rings an alert."""

from pancake_meter.catalog import load_catalog
from pancake_meter.deps.config import LinkSettings, catalog_path
from pancake_meter.deps.erasures import stack_erasures
from pancake_meter.deps.secret import Secret
from pancake_meter.deps.stack import stack_table, utc_now
from pancake_meter.deps.telemetry import report_links_unavailable
from pancake_meter.usecases.alerts.ringing import Bell
from pancake_meter.usecases.selling.offer import Offers


def stack_bell() -> Bell:
    """Return the bell. The secret that signs links is read when the first link is made."""
    settings = LinkSettings.from_environment()
    secret, catalog = Secret(settings.secret_id), load_catalog(catalog_path())
    offers = Offers(catalog, settings.environment, secret, on_trouble=report_links_unavailable)
    return Bell(stack_table(), stack_erasures(), offers, settings.public_base_url, utc_now)
