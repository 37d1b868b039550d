"""The collaborators of the functions that know API keys: the table, the mode of the stack's keys, and the clock."""

from dataclasses import dataclass

from pancake_meter.deps.config import key_mode
from pancake_meter.deps.stack import Clock, stack_table, utc_now
from pancake_meter.domain.access.api_key import Mode
from pancake_meter.store.table import Table


@dataclass(frozen=True, slots=True)
class AccessDeps:
    """The table, the one mode of keys, and the clock."""

    table: Table
    mode: Mode
    clock: Clock = utc_now


def access_deps() -> AccessDeps:
    """Return the collaborators of this stack. A missing setting stops the cold start, so that nothing is let through."""
    return AccessDeps(stack_table(), key_mode())
