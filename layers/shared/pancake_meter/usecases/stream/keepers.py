"""Those who keep figures and lists of the table: told by the stream, and of what was there before it by a walk."""

from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.table import Table
from pancake_meter.usecases.stream.directory import Directory
from pancake_meter.usecases.stream.follow import Follower
from pancake_meter.usecases.stream.live_totals import LiveTotals


def keepers_of(table: Table, erasures: Erasures) -> tuple[Follower, ...]:
    """Return them. They are exact by the item itself, so they may be told of an old item as of a change."""
    return (LiveTotals(table, erasures).follow, Directory(table, erasures).follow)
