"""Subscriptions and payments at Waffo: cancel, take back a cancellation, refund, and say what a payment is."""

from decimal import Decimal
from typing import Final

from aws_lambda_powertools import Logger

from pancake_meter.domain.selling.resolution import Resolution
from pancake_meter.http.selling.order_actions import OrderActionRequest
from pancake_meter.http.selling.payments import RefundPaymentRequest, ResolveRequest
from pancake_meter.store.selling.order_actions import Action
from pancake_meter.usecases.selling.act_on_order import Wish, act_on_order
from pancake_meter.usecases.selling.refund_payment import RefundWish, refund_payment
from pancake_meter.usecases.webhooks.resolve_payment import resolve_payment
from pancake_pages.console.desk import ConsoleRouter, Done, Form, address

logger = Logger()
router = ConsoleRouter()

_ORDER: Final = "/console/customers/<customer_id>/subscriptions/<order_id>"


@router.action(f"{_ORDER}/cancel", "POST /v1/customers/{customer_id}/subscriptions/{order_id}/cancel")
def post_cancel(form: Form, customer_id: str, order_id: str) -> Done:
    """Have Waffo end a subscription: with its period, or at once where nothing is paid."""
    return _act(form, customer_id, order_id, "cancel")


@router.action(f"{_ORDER}/reactivate", "POST /v1/customers/{customer_id}/subscriptions/{order_id}/reactivate")
def post_reactivate(form: Form, customer_id: str, order_id: str) -> Done:
    """Have Waffo withdraw a cancellation."""
    return _act(form, customer_id, order_id, "reactivate")


@router.action("/console/payments/<payment_id>/refund", "POST /v1/payments/{payment_id}/refund")
def post_refund(form: Form, payment_id: str) -> Done:
    """Ask Waffo for a refund: once, however often the button is pressed."""
    request = form.read(RefundPaymentRequest, "amount", "reason", id=form.once)
    amount = Decimal(request.amount) if request.amount is not None else None
    desk = form.desk
    wish = RefundWish(form.once, amount, request.reason, desk.operator.name)
    asked = refund_payment(desk.deps.waffo.refunding, payment_id, wish, desk.now)
    logger.info("refund requested", payment=payment_id, ticket=asked.request.ticket_id, replayed=asked.is_replay)
    return Done(address("payments", payment_id), "refund_asked")


@router.action("/console/payments/<payment_id>/resolve", "POST /v1/payments/{payment_id}/resolve")
def post_resolve(form: Form, payment_id: str) -> Done:
    """Say what a flagged payment is, and have it credited and counted as that."""
    kind = form.fields.get("as", "")
    named = {"units": ("meter", "quantity"), "checkout": ("checkout_id",)}.get(kind, ())
    request = form.read(ResolveRequest, "as", "reason", *named, id=form.once)
    desk = form.desk
    wanted = Resolution(
        form.once,
        request.as_,
        request.reason,
        desk.now,
        desk.operator.name,
        request.meter,
        request.quantity,
        checkout_id=request.checkout_id,
    )
    resolved = resolve_payment(desk.deps.metering, payment_id, wanted, desk.now)
    logger.info("payment resolved", payment=payment_id, resolved_as=request.as_, replayed=resolved.is_replay)
    return Done(address("payments", payment_id), "resolved")


def _act(form: Form, customer_id: str, order_id: str, action: Action) -> Done:
    request = form.read(OrderActionRequest, "reason", id=form.once)
    desk = form.desk
    wish = Wish(action, form.once, request.reason, desk.operator.name)
    acted = act_on_order(desk.deps.waffo.acting, customer_id, order_id, wish, desk.now)
    logger.info("order acted on", order=order_id, action=action, status=acted.action.status)
    if acted.is_replay:
        return Done(address("customers", customer_id), "waffo_had_done")
    return Done(address("customers", customer_id), "canceled" if action == "cancel" else "reactivated")
