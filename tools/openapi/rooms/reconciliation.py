"""Reconciliation with Waffo."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from pancake_meter.http.reconciliation.reconciliation import ReconcileQuery, ReportBody
from tools.openapi.described import Answer, Described

ROUTES: Final[Mapping[str, Described]] = {
    "POST /v1/reconciliations": Described(
        "reconcile",
        "Ask Waffo now for what no webhook reported, and heal it; the schedule does so too",
        {HTTPStatus.OK: Answer(ReportBody)},
        query=ReconcileQuery,
    ),
}
