"""Writes the tables of docs/access.md from the roles and the table of routes, or checks that they are in step.

Usage: ``python -m tools.access [--check]``. What stands outside of the two markers is written by hand.
"""

import sys
from collections.abc import Sequence
from typing import Final

from pancake_meter.domain.access.customer_token import SCOPE_MEANING, SCOPES
from pancake_meter.domain.access.role import MEANING, ROLES
from pancake_meter.http.access.routes import ROUTES, Route
from tools.cfn_template import ROOT

PAGE: Final = ROOT / "docs" / "access.md"
_BEGIN: Final = "<!-- Made by `make access` from the table of routes; do not edit it. -->\n"
_END: Final = "<!-- end of what is made -->\n"


def rendered(page: str) -> str:
    """Return the page with its tables made anew."""
    before, _, rest = page.partition(_BEGIN)
    _, found, after = rest.partition(_END)
    if not found:
        raise ValueError("docs/access.md lacks a marker")
    return f"{before}{_BEGIN}\n{_roles()}\n{_scopes()}\n{_routes()}\n{_END}{after}"


def _roles() -> str:
    return _table(("role", "what it is for"), [(f"`{role}`", MEANING[role]) for role in ROLES])


def _routes() -> str:
    rows = [(f"`{route.key}`", _keys(route), _scope(route), route.function, _limit(route)) for route in ROUTES]
    return _table(("route", "API key with", "customer token with", "function", "limit of its own"), rows)


def _scopes() -> str:
    return _table(("scope", "what it allows"), [(f"`{scope}`", SCOPE_MEANING[scope]) for scope in SCOPES])


def _keys(route: Route) -> str:
    if route.is_open:
        return _DOORS[route.door]
    return ", ".join(f"`{role}`" for role in ROLES if role in route.roles)


def _scope(route: Route) -> str:
    return f"`{route.scope}`" if route.scope else ""


def _limit(route: Route) -> str:
    return f"`{route.throttle}`" if route.throttle else ""


_DOORS: Final = {
    "link": "a purchase link",
    "portal": "a session of the portal",
    "console": "a session of the console",
    "browser": "open to all",
}


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, ["---"] * len(head), *rows])


def main(arguments: Sequence[str]) -> int:
    """Write the page, or with ``--check`` compare; return the exit status."""
    page = PAGE.read_text(encoding="utf-8")
    if "--check" not in arguments:
        PAGE.write_text(rendered(page), encoding="utf-8")
        return 0
    if rendered(page) != page:
        print("docs/access.md is out of step: run `make access`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
