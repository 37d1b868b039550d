"""Checkouts for the seller's backend: open, list, read."""

from http import HTTPStatus

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response

from pancake_meter import metrics
from pancake_meter.deps.checkout import CheckoutDeps
from pancake_meter.domain.access.pseudonym import check_live_customer_id
from pancake_meter.domain.errors import CheckoutNotFound
from pancake_meter.http.idempotency import REPLAYED, once_of
from pancake_meter.http.request import answer, body, problem_answer
from pancake_meter.http.resolver import Router, takes_body
from pancake_meter.http.selling.checkouts import (
    CheckoutRequest,
    CheckoutsQuery,
    checkout_body,
    checkout_page,
    problem_of_waffo,
    read_listed,
)
from pancake_meter.store.selling.checkouts import list_checkouts, read_checkout
from pancake_meter.usecases.selling.open_checkout import open_checkout
from pancake_meter.usecases.selling.quote_sale import SaleRequest
from pancake_meter.waffo.errors import InvalidRequest, WaffoApiError

logger = Logger()
router = Router[CheckoutDeps]()


@router.post("/v1/customers/<customer_id>/checkouts")
@takes_body
def post_checkout(customer_id: str) -> Response[str]:
    """Open a checkout: 201, or 200 when the customer has one open for just that."""
    check_live_customer_id(customer_id)
    request = CheckoutRequest.model_validate(body(router))
    deps = router.deps
    now = deps.clock()
    wanted = request.wanted_kind
    sale = SaleRequest(wanted, request.meter, request.quantity, request.plan, request.currency, request.timing)
    try:
        once = once_of(router, request, customer_id)
        opened = open_checkout(deps.selling, customer_id, sale, request.success_url, now, once)
    except (WaffoApiError, InvalidRequest) as error:
        # The reason is for the log, not for the caller.
        operation = error.operation if isinstance(error, WaffoApiError) else None
        logger.warning("Waffo did not open the checkout", extra={"operation": operation, "reason": str(error)})
        return problem_answer(problem_of_waffo(error), router)
    if opened.is_new and not opened.is_replay:
        metrics.add(metrics.CHECKOUT_OPENED)
    status = HTTPStatus.CREATED if opened.is_new else HTTPStatus.OK
    body_of_checkout = {**checkout_body(opened.checkout, now), "url": opened.url}
    return answer(status, body_of_checkout, REPLAYED if opened.is_replay else None)


@router.get("/v1/customers/<customer_id>/checkouts")
def get_checkouts(customer_id: str, query: CheckoutsQuery) -> Response[str]:
    """A customer's checkouts, newest first, in pages."""
    deps = router.deps
    table, pages = deps.selling.metering.table, query.pages(customer_id)
    after = pages.place(query.cursor, read_listed)
    checkouts, following = list_checkouts(table, customer_id, limit=query.limit, after=after)
    return answer(HTTPStatus.OK, checkout_page(checkouts, following, pages, deps.clock()))


@router.get("/v1/customers/<customer_id>/checkouts/<checkout_id>")
def get_checkout(customer_id: str, checkout_id: str) -> Response[str]:
    """One checkout of a customer."""
    deps = router.deps
    checkout = read_checkout(deps.selling.metering.table, checkout_id)
    if checkout is None or checkout.customer_id != customer_id:
        raise CheckoutNotFound("the customer has no such checkout")
    return answer(HTTPStatus.OK, checkout_body(checkout, deps.clock()))
