"""The collaborators of functions that only count: the table, the catalog and the clock."""

from functools import cache

from pancake_meter.catalog import load_catalog
from pancake_meter.deps.config import catalog_path
from pancake_meter.deps.erasures import stack_erasures
from pancake_meter.deps.stack import Clock, stack_table, utc_now
from pancake_meter.deps.telemetry import report_unprovisioned
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.value import Value


class MeteringDeps(Value):
    """Metering and the clock."""

    metering: Metering
    clock: Clock = utc_now


def metering_deps() -> MeteringDeps:
    """Return the collaborators of this stack."""
    return MeteringDeps(stack_metering())


@cache
def stack_metering() -> Metering:
    """Return the metering of this stack. A missing setting or a faulty catalog stops the cold start."""
    table, erasures = stack_table(), stack_erasures()
    return Metering(table, load_catalog(catalog_path()), report_unprovisioned, erasures=erasures)
