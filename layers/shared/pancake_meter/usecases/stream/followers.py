"""Everybody who follows the changes of a table."""

from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.table import Table
from pancake_meter.usecases.stream.directory import Directory
from pancake_meter.usecases.stream.follow import Follower
from pancake_meter.usecases.stream.live_totals import LiveTotals


def followers_of(table: Table, erasures: Erasures) -> tuple[Follower, ...]:
    """Return the followers of a table, in the order in which they get its changes."""
    return (LiveTotals(table, erasures).follow, Directory(table, erasures).follow)
