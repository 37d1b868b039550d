"""Export and erase, for the operator. Both do a bounded part of the work in each request, and go on with the next."""

from datetime import timedelta
from http import HTTPStatus
from typing import Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response

from pancake_meter.deps.customer_data import CustomerDataDeps
from pancake_meter.domain.instant import timestamp
from pancake_meter.http.access.customer_data import (
    ExportQuery,
    erasure_body,
    erasure_status,
    export_body,
    read_place,
)
from pancake_meter.http.request import answer
from pancake_meter.http.resolver import Router
from pancake_meter.invocation import time_left
from pancake_meter.usecases.access.erase import erase_customer
from pancake_meter.usecases.access.export import Place, export_customer

logger = Logger()
router = Router[CustomerDataDeps]()

RESERVE: Final = timedelta(seconds=12)
"""Nothing new is begun with less of the function's 29 seconds left: the caller waits, and what is begun has to end."""


@router.get("/v1/customers/<customer_id>/export")
def get_export(customer_id: str, query: ExportQuery) -> Response[str]:
    """A page of everything that is kept of a customer."""
    deps = router.deps
    may_go_on = time_left(router.lambda_context, RESERVE)
    pages = query.pages(customer_id)
    place = pages.place(query.cursor, read_place) or Place()
    page = export_customer(deps.erasures.table, customer_id, place, may_go_on)
    return answer(HTTPStatus.OK, export_body(customer_id, timestamp(deps.clock()), page, pages))


@router.delete("/v1/customers/<customer_id>")
def delete_customer(customer_id: str) -> Response[str]:
    """Erase a customer, or go on with it: 202 while there is more to do, 200 once it is done."""
    deps = router.deps
    may_go_on = time_left(router.lambda_context, RESERVE)
    erased = erase_customer(deps.erasures, customer_id, deps.clock(), may_go_on=may_go_on)
    body = erasure_body(erased)
    logger.info("customer erased", pseudonym=body["pseudonym"], status=body["status"], items=body["items"])
    return answer(erasure_status(erased), body)
