"""Payments for the operator: list, read, resolve."""

from http import HTTPStatus

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response

from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.domain.errors import PaymentNotFound
from pancake_meter.domain.selling.resolution import Resolution
from pancake_meter.http.idempotency import REPLAYED, required_id
from pancake_meter.http.request import answer, body
from pancake_meter.http.resolver import Router, takes_body
from pancake_meter.http.selling.payments import (
    PaymentsQuery,
    ResolveRequest,
    payment_body,
    payment_page,
    read_place,
    resolved_body,
)
from pancake_meter.store.selling.payments import list_payments, read_payment
from pancake_meter.usecases.webhooks.resolve_payment import resolve_payment

logger = Logger()
router = Router[MeteringDeps]()


@router.get("/v1/payments")
def get_payments(query: PaymentsQuery) -> Response[str]:
    """Payments, newest first, in pages: one query, or one for each status where none is named."""
    table, pages = router.deps.metering.table, query.pages()
    before = pages.place(query.cursor, read_place)
    payments, following = list_payments(table, query.status, limit=query.limit, before=before)
    return answer(HTTPStatus.OK, payment_page(payments, following, pages))


@router.get("/v1/payments/<payment_id>")
def get_payment(payment_id: str) -> Response[str]:
    """One payment: what it gave, what was decided of it, and its refunds. One read."""
    payment = read_payment(router.deps.metering.table, payment_id)
    if payment is None:
        raise PaymentNotFound("no payment has that id")
    return answer(HTTPStatus.OK, payment_body(payment))


@router.post("/v1/payments/<payment_id>/resolve")
@takes_body
def post_resolve(payment_id: str) -> Response[str]:
    """Say what a flagged payment is, and have it credited and counted as that; once for each payment."""
    request = ResolveRequest.model_validate(body(router))
    deps = router.deps
    now = deps.clock()
    wanted = Resolution(
        required_id(router, request.id),
        request.as_,
        request.reason,
        now,
        router.key_name,
        request.meter,
        request.quantity,
        request.priority,
        request.expires_at,
        request.checkout_id,
    )
    resolved = resolve_payment(deps.metering, payment_id, wanted, now)
    logger.info("payment resolved", payment=payment_id, resolved_as=request.as_, replayed=resolved.is_replay)
    shown = resolved_body(resolved.payment, replayed=resolved.is_replay)
    return answer(HTTPStatus.OK, shown, REPLAYED if resolved.is_replay else None)
