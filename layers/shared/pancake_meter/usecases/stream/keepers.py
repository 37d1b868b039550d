"""Those who keep figures and lists of the table: told by the stream, and of what was there before it by a walk."""

from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.table import Table
from pancake_meter.usecases.stream.directory import Directory
from pancake_meter.usecases.stream.follow import Follower
from pancake_meter.usecases.stream.live_totals import LiveTotals
from pancake_meter.usecases.stream.made_of import DaysMadeOf


def keepers_of(table: Table, erasures: Erasures, default_plan: str | None) -> tuple[Follower, ...]:
    """Return them. They are exact by the item itself, so they may be told of an old item as of a change.

    ``default_plan`` is the catalog's.
    """
    return (
        LiveTotals(table, erasures).follow,
        Directory(table, erasures, default_plan).follow,
        DaysMadeOf(table, erasures).follow,
    )
