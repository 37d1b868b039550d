"""What a run of reconciliation answers."""

from dataclasses import asdict
from typing import cast

from typing_extensions import TypedDict

from pancake_meter.domain.instant import timestamp
from pancake_meter.http.fields import Timestamp
from pancake_meter.usecases.reconciliation.reconcile import Report


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


class BoughtTwiceBody(TypedDict):
    """A customer who has two live orders for one meter: only the better one gives, and both cost. Cancel or refund one.

    ``is_new``: this run found it; the alarm rings once.
    """

    customer_id: str
    order_ids: list[str]
    is_new: bool


class ReportBody(TypedDict):
    """A run: what was missing and is ``healed``, what ``failed``, and the passes that are ``left`` for the next run.

    ``bought_twice`` names at most 100 customers, for as long as both their orders stand. ``bodies_removed`` counts webhooks
    whose body reached its age.
    """

    started_at: Timestamp
    healed: int
    parked: int
    failed: int
    left: list[str]
    bought_twice: list[BoughtTwiceBody]
    passes: dict[str, PassBody]
    bodies_removed: int


def report_body(report: Report, bodies_removed: int) -> ReportBody:
    """Return a run's report."""
    return {
        "started_at": timestamp(report.started_at),
        "healed": report.healed,
        "parked": report.parked,
        "failed": report.failed,
        "left": report.left,
        "bought_twice": [
            {"customer_id": found.customer_id, "order_ids": list(found.order_ids), "is_new": found.is_new}
            for found in report.bought_twice
        ],
        "passes": {name: cast("PassBody", asdict(tally)) for name, tally in report.passes.items()},
        "bodies_removed": bodies_removed,
    }
