"""What a run of reconciliation answers."""

from dataclasses import asdict
from typing import Literal, cast

from typing_extensions import TypedDict

from pancake_meter.domain.instant import timestamp
from pancake_meter.http.fields import Timestamp, WireModel
from pancake_meter.usecases.reconciliation.reconcile import Report
from pancake_meter.usecases.reconciliation.run import Judged


class ReconcileQuery(WireModel):
    """Query of ``POST /v1/reconciliations``: with ``dry_run`` it says what it would heal, and changes nothing."""

    dry_run: Literal["true", "false"] = "false"


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


class FoundBody(TypedDict):
    """An event that no webhook had told, or that could not be applied before. ``result`` is the count that it is in."""

    event_type: str
    order_id: str | None
    customer_id: str | None
    result: Judged


class ReportBody(TypedDict):
    """A run: what was missing and is ``healed``, what ``failed``, and the passes that are ``left`` for the next run.

    ``bought_twice`` names at most 100 customers, for as long as both their orders stand. ``bodies_removed`` counts webhooks
    whose body reached its age. ``found`` names the first 100 events. Of a ``dry_run`` all of it is what would be, and
    nothing was changed.
    """

    dry_run: bool
    started_at: Timestamp
    healed: int
    parked: int
    failed: int
    left: list[str]
    bought_twice: list[BoughtTwiceBody]
    passes: dict[str, PassBody]
    found: list[FoundBody]
    bodies_removed: int


def report_body(report: Report, bodies_removed: int, *, is_dry: bool = False) -> ReportBody:
    """Return a run's report."""
    return {
        "dry_run": is_dry,
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
        "found": [
            {
                "event_type": found.event_type,
                "order_id": found.order_id,
                "customer_id": found.customer_id,
                "result": found.judged,
            }
            for found in report.found
        ],
        "bodies_removed": bodies_removed,
    }
