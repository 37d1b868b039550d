"""Cancelling and reactivating a subscription for a customer: Waffo does it, and its webhook changes the standing here.

How the order stands is asked of Waffo first: webhooks may be late. What the caller wishes is kept before Waffo is called, so
that a repeat after a lost answer finds it, and goes on.
"""

from datetime import datetime
from typing import Final

from pancake_meter.domain.access.pseudonym import is_pseudonym
from pancake_meter.domain.errors import CustomerErased, OrderNotFound, WrongOrderStatus
from pancake_meter.domain.instant import floor_ms, timestamp
from pancake_meter.domain.selling.plan import Environment
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.errors import WriteRefused
from pancake_meter.store.selling.order_actions import Action, OrderAction, action_write, latest_write, read_action
from pancake_meter.store.table import Table
from pancake_meter.store.webhooks.deliveries import read_order_customer
from pancake_meter.usecases.selling.waffo_refusal import is_about_the_request, words_of
from pancake_meter.value import Value, replace
from pancake_meter.waffo.checkout import CanceledOrder, check_short_id
from pancake_meter.waffo.client import WaffoClient
from pancake_meter.waffo.errors import InvalidRequest, WaffoRejected, WrongMode, WrongStore
from pancake_meter.waffo.pinning import check_snapshot_pinned
from pancake_meter.waffo.snapshots import SubscriptionOrderSnapshot

_TAKES: Final[dict[Action, frozenset[str]]] = {
    "cancel": frozenset({"pending", "active", "trialing", "past_due"}),
    "reactivate": frozenset({"canceling"}),
}
"""Statuses in which Waffo does it. What is pending or past due ends at once, anything else with its period."""

_MISSING: Final = "the customer has no such subscription order"

_DONE: Final[dict[Action, frozenset[str]]] = {
    "cancel": frozenset({"canceling", "canceled"}),
    "reactivate": frozenset({"active", "trialing"}),
}
"""Statuses that it leads to: who asks again after a lost answer finds one of them."""


class Acting(Value):
    """The collaborators: Waffo, one store and mode of it, and the customers who were erased."""

    table: Table
    erasures: Erasures
    waffo: WaffoClient
    environment: Environment
    store_id: str


class Wish(Value):
    """What an operator or a customer wants. ``id`` is the caller's, if any; ``by`` names the API key.

    ``while_in`` are the statuses in which it is wanted, because what was said of it before holds in no other. Without it, it
    is wanted in each in which Waffo does it.
    """

    action: Action
    id: str | None = None
    reason: str | None = None
    by: str | None = None
    while_in: frozenset[str] | None = None


class Acted(Value):
    """What Waffo answered, now or to an earlier request (``is_replay``)."""

    action: OrderAction
    is_replay: bool


def act_on_order(acting: Acting, customer_id: str, order_id: str, wish: Wish, now: datetime) -> Acted:
    """Have Waffo cancel or reactivate a subscription.

    An order that is canceling already is not cancelled again. With an id, a repeat gets the first answer; without one, the
    order's state decides.

    Raises:
        OrderNotFound: the customer has no such subscription order.
        WrongOrderStatus: Waffo does not do it as the order stands, or it is not wanted as the order stands.
        CustomerErased: the customer was erased.
        WaffoApiError: Waffo did not answer, or not as it should; the same request is safe to repeat.
        StoreBusy, StoreUnavailable: passing trouble; the same request is safe to repeat.
    """
    _check_id(order_id)
    known = read_action(acting.table, customer_id, order_id, wish.action, wish.id) if wish.id is not None else None
    if known is not None and known.status is not None:
        return Acted(known, is_replay=True)
    snapshot = _order(acting, customer_id, order_id)
    ends_at = floor_ms(snapshot.period_end.instant) if snapshot.period_end else None
    # Made from the action, not from the order: to cancel once more after a reactivation is another action.
    since = timestamp(floor_ms(snapshot.updated_at)) if snapshot.updated_at else snapshot.period_number
    fresh = OrderAction(order_id, wish.action, wish.id or f"{snapshot.status}@{since}", now, wish.by, wish.reason)
    action = known or fresh
    is_done = snapshot.status in _DONE[wish.action] and (known is not None or snapshot.status == "canceling")
    if is_done:
        done = _answered(action, snapshot.status, ends_at)
        _keep(acting, customer_id, done, is_new=known is None)
        return Acted(done, is_replay=True)
    if snapshot.status not in _TAKES[wish.action] & (wish.while_in or _TAKES[wish.action]):
        raise _wrong(wish.action, snapshot)
    _keep(acting, customer_id, action, is_new=known is None)
    done = _answered(action, _asked(acting, snapshot, action).status, ends_at)
    _keep(acting, customer_id, done, is_new=False)
    return Acted(done, is_replay=False)


def _check_id(order_id: str) -> None:
    try:
        check_short_id("orderId", order_id, "ORD")
    except InvalidRequest:
        raise OrderNotFound(_MISSING) from None


def _order(acting: Acting, customer_id: str, order_id: str) -> SubscriptionOrderSnapshot:
    """Return the customer's order as Waffo has it now."""
    missing = OrderNotFound(_MISSING)
    if is_pseudonym(customer_id):
        raise missing
    bound = read_order_customer(acting.table, order_id)
    if bound not in (None, customer_id):
        raise missing
    snapshot = acting.waffo.subscription_order(order_id)
    if snapshot is None or (bound is None and snapshot.buyer_identity != customer_id):
        raise missing
    try:
        check_snapshot_pinned(snapshot, acting.environment, acting.store_id)
    except (WrongMode, WrongStore):
        raise missing from None
    return snapshot


def _asked(acting: Acting, snapshot: SubscriptionOrderSnapshot, action: OrderAction) -> CanceledOrder:
    try:
        if action.action == "cancel":
            return acting.waffo.cancel_order(snapshot.id, action_id=action.id)
        if snapshot.buyer_identity is None or snapshot.product_id is None:
            raise WrongOrderStatus(
                "the order was bought without a customer's identity: only its buyer can reactivate it, at Waffo",
                action=action.action,
                order_status=snapshot.status,
            )
        return acting.waffo.reactivate_order(
            snapshot.id,
            product_id=snapshot.product_id,
            buyer_identity=snapshot.buyer_identity,
            action_id=action.id,
            is_test=acting.environment == "test",
        )
    except WaffoRejected as refusal:
        if not is_about_the_request(refusal):
            raise
        raise _wrong(action.action, snapshot, words_of(refusal)) from refusal


def _wrong(action: Action, snapshot: SubscriptionOrderSnapshot, refusal: str | None = None) -> WrongOrderStatus:
    verb = "cancelled" if action == "cancel" else "reactivated"
    said = {"refusal": refusal} if refusal else {}
    return WrongOrderStatus(
        f"the subscription is {snapshot.status}: it cannot be {verb}",
        action=action,
        order_status=snapshot.status,
        **said,
    )


def _answered(action: OrderAction, status: str, ends_at: datetime | None) -> OrderAction:
    return replace(action, status=status, ends_at=ends_at if status == "canceling" else None)


def _keep(acting: Acting, customer_id: str, action: OrderAction, *, is_new: bool) -> None:
    latest = [latest_write(acting.table, customer_id, action)] if is_new else []
    try:
        acting.table.transact([action_write(customer_id, action), *latest, acting.erasures.unless_erased(customer_id)])
    except WriteRefused:
        raise CustomerErased("the customer was erased, and the id is not used again") from None
