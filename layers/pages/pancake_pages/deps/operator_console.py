"""The collaborators of the console: what operators' keys open, and the site."""

from dataclasses import dataclass

from pancake_meter.deps.stack import Clock, utc_now
from pancake_pages.deps.site import stack_site
from pancake_pages.site import Site


@dataclass(frozen=True, slots=True)
class OperatorConsoleDeps:
    """The site and the clock."""

    site: Site
    clock: Clock = utc_now


def operator_console_deps() -> OperatorConsoleDeps:
    """Return the collaborators of this stack."""
    return OperatorConsoleDeps(stack_site())
