"""What a run of reconciliation answers."""

from dataclasses import asdict
from typing import cast

from typing_extensions import TypedDict

from pancake_meter.domain.instant import timestamp
from pancake_meter.usecases.reconcile import Report


class PassBody(TypedDict):
    """One pass: ``pages`` of ``read`` entries, and what became of them.

    ``unchanged``: known already. ``parked``: kept, cannot be applied yet. ``refused``: no event of this stack.
    ``flagged``: of those healed, payments that a person has to look at. ``is_left``: the next run goes on from here.
    """

    pages: int
    failed_pages: int
    read: int
    healed: int
    flagged: int
    unchanged: int
    parked: int
    failed: int
    refused: int
    is_left: bool


class ReportBody(TypedDict):
    """A run: what was missing and is ``healed``, what ``failed``, and the passes that are ``left`` for the next run."""

    started_at: str
    healed: int
    parked: int
    failed: int
    left: list[str]
    passes: dict[str, PassBody]


def report_body(report: Report) -> ReportBody:
    """Return a run's report."""
    return {
        "started_at": timestamp(report.started_at),
        "healed": report.healed,
        "parked": report.parked,
        "failed": report.failed,
        "left": report.left,
        "passes": {name: cast("PassBody", asdict(tally)) for name, tally in report.passes.items()},
    }
