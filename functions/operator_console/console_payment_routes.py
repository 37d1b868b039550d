"""Payments: what came in, what it gave, and what a person has to say about."""

from typing import Final

from aws_lambda_powertools.event_handler import Response

from pancake_meter.domain.errors import PaymentNotFound
from pancake_meter.domain.selling.payment import PAYMENT_STATUSES, Payment
from pancake_meter.http.resolver import tolerates_query
from pancake_meter.http.selling.payments import PaymentsQuery, payment_body, payment_page, read_place
from pancake_meter.store.selling.payments import list_payments, read_payment
from pancake_pages.console.desk import ConsoleRouter

router = ConsoleRouter()

_PAGE: Final = 25


@router.get("/console/payments")
@tolerates_query
def get_payments() -> Response[str]:
    """Payments, newest first, all or of a status."""
    desk = router.desk("GET /v1/payments")
    query = desk.query(PaymentsQuery, limit=str(_PAGE))
    pages = query.pages()
    before = pages.place(query.cursor, read_place)
    payments, following = list_payments(desk.deps.table, query.status, limit=query.limit, before=before)
    page = payment_page(payments, following, pages)
    return desk.page("console/payments.html", "payments", page=page, query=query, statuses=PAYMENT_STATUSES)


@router.get("/console/payments/<payment_id>")
@tolerates_query
def get_payment(payment_id: str) -> Response[str]:
    """One payment with its credits and refunds, and what may be done with it."""
    desk = router.desk("GET /v1/payments/{payment_id}")
    payment = read_payment(desk.deps.table, payment_id)
    if payment is None:
        raise PaymentNotFound("no payment has that id")
    return desk.page(
        "console/payment.html",
        "payments",
        payment=payment_body(payment),
        why_nothing=_why_nothing(payment),
        has_units=any(credit.quantity > credit.taken_back for credit in payment.credits),
        unanswered=[each for each in payment.requests.values() if not each.is_answered and not payment.refund_of(each)],
    )


def _why_nothing(payment: Payment) -> str:
    """Return why a payment gives no units: ``console.payment.gave_nothing.<why>`` says it."""
    charge = payment.told_charge
    if payment.status in ("flagged", "not_ours"):
        return payment.status
    return "subscription" if charge is not None and charge.is_subscription else "rest"
