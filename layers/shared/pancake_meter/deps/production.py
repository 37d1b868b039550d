"""The composition root: production collaborators, made once per cold start from the environment."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from pancake_meter import clock
from pancake_meter.catalog import load_catalog
from pancake_meter.deps.config import MeteringSettings
from pancake_meter.deps.telemetry import tell_unprovisioned
from pancake_meter.domain.instant import floor_ms
from pancake_meter.store.table import Table, dynamodb_client
from pancake_meter.usecases.balance.metering import Metering

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the present instant, in whole milliseconds: what every store and wire format here carries."""
    return floor_ms(clock.now())


@dataclass(frozen=True, slots=True)
class MeteringCollaborators:
    """What a handler works with that only counts."""

    metering: Metering
    clock: Clock = utc_now


@cache
def production_metering() -> Metering:
    """Return the metering of this stack; a missing setting or a faulty catalog stops the cold start."""
    settings = MeteringSettings.from_environment()
    table = Table(dynamodb_client(), settings.table_name)
    return Metering(table, load_catalog(settings.catalog_path), tell_unprovisioned)
