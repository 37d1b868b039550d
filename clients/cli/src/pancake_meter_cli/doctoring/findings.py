"""A finding, and what a check is given."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

from pancake_meter.catalog.catalog import Catalog
from pancake_meter_cli.cli import Cli
from pancake_meter_cli.commands.catalog import CATALOG_PROBLEMS, catalog_path, load
from pancake_meter_cli.failures import ExitStatus, Failure

Json = dict[str, Any]
Status = Literal["ok", "fault", "warning", "open", "not_checked"]
"""``open``: a step of the launch that has not been taken yet. ``not_checked``: nobody looked; it may be wrong."""

MARKS: Final[dict[Status, str]] = {"ok": "✓", "fault": "✗", "warning": "!", "open": "○", "not_checked": "?"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. ``fix`` says what to do; ``repair`` does it, where that is safe."""

    status: Status
    text: str
    fix: str | None = None
    repair: Callable[[], object] | None = field(default=None, repr=False)

    def shown(self, check: str) -> Json:
        """Return it as JSON."""
        return {"check": check, "status": self.status, "text": self.text, "fix": self.fix, "mark": MARKS[self.status]}


@dataclass
class Patient:
    """The stack that is looked at. What several checks need is read once; each property raises ``Failure``."""

    cli: Cli
    stale_after_days: int = 7

    @cached_property
    def key(self) -> Json:
        """What the profile's key may do."""
        return self.cli.api.get("/v1/key")

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog in this folder, or the profile's."""
        return load(catalog_path(self.cli, None))

    @cached_property
    def prices(self) -> Json:
        """What is for sale, as customers see it."""
        return self.cli.api.get("/v1/plans")

    @property
    def environment(self) -> Literal["test", "prod"]:
        """The environment of the stack: that of its keys."""
        return "prod" if self.key["mode"] == "live" else "test"


Check = Callable[[Patient], Iterator[Finding]]


def examine(name: str, check: Check, patient: Patient) -> list[tuple[str, Finding]]:
    """Run a check. What keeps it from looking is told as not checked, and never as fine."""
    found: list[tuple[str, Finding]] = []
    try:
        found.extend((name, finding) for finding in check(patient))
    except Failure as failure:
        if failure.code == CATALOG_PROBLEMS and name != "catalog":
            found.append((name, Finding("not_checked", "the catalog cannot be used", "see the check of the catalog")))
        else:
            status: Status = "fault" if failure.status is ExitStatus.REFUSED else "not_checked"
            found.append((name, Finding(status, failure.detail, failure.helps or None)))
    return found
