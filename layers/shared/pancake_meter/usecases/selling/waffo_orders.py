"""What Waffo says of a customer's subscription orders, asked before a plan is sold.

Webhooks may be late or lost, so what we know is not all. Asking is bounded: one page, two seconds. If it fails, the sale
goes on with what we know; the failure is counted.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Final, TypeVar

from pancake_meter.catalog import Catalog
from pancake_meter.domain.errors import PlanNotChangeable
from pancake_meter.domain.instant import floor_ms
from pancake_meter.domain.selling.checkout import UNIT_KINDS, Checkout
from pancake_meter.domain.selling.plan import Environment, Plan
from pancake_meter.domain.standing.held_order import HeldOrder, stands_for
from pancake_meter.domain.standing.order import StatusKind
from pancake_meter.value import Value, replace
from pancake_meter.waffo.client import GRAPHQL, MAX_PAGE_SIZE, WaffoClient
from pancake_meter.waffo.errors import WaffoApiError, WaffoUnavailable, WrongMode, WrongStore
from pancake_meter.waffo.pinning import check_snapshot_pinned
from pancake_meter.waffo.snapshots import SubscriptionOrderSnapshot

LOOKUP_SECONDS_MAX: Final = 2.0

_STATUSES: Final[dict[str, StatusKind]] = {
    "active": "active",
    "trialing": "active",
    "past_due": "past_due",
    "canceling": "canceling",
}
"""Statuses of an order that is live or overdue. ``pending`` is not: nothing is paid, and it may never be."""

_SUBMITTED: Final = ("active", "trialing", "past_due", "canceling", "canceled", "expired", "closed")
"""Statuses of an order that used up its payment page. ``pending`` is none: it may yet be paid, and so may a second page."""
_CHANGEABLE: Final = ("active", "trialing")

_PAID: Final = "succeeded"
_UNPAID: Final = frozenset({"failed", "canceled"})
"""Statuses of a payment that came through, and of those that never will."""

Answer = TypeVar("Answer")


class WaffoOrders(Value):
    """Asks Waffo about orders of one store and mode. ``on_failure`` hears of each question that failed.

    One question answers up to 100 orders of a buyer, those with refused cards among them.

    A customer's orders are those that a sale of the plan ``wanted`` has to mind (``held_order.stands_for``).
    """

    waffo: WaffoClient
    catalog: Catalog
    environment: Environment
    store_id: str
    on_failure: Callable[[Exception], None]
    wanted: Plan | None = None

    def of_buyer(self, customer_id: str, *, besides: str | None = None) -> HeldOrder | None:
        """Return the buyer's live order, the best plan where there are several; ``None``: none, or the question failed.

        Orders of products that are no plans of the catalog are left out: the store may sell other things. ``besides`` is
        the id of an order that is left out too.
        """
        waffo = self.waffo
        page = self._ask(
            lambda: waffo.buyers_subscription_orders(
                self.store_id, customer_id, statuses=tuple(_STATUSES), limit=MAX_PAGE_SIZE
            )
        )
        found = [self._held(order) for order in (page.items if page else ()) if order.buyer_identity == customer_id]
        held = [order for order in found if order is not None and order.order_id != besides]
        return max(held, key=lambda order: (order.plan.rank, order.order_id), default=None)

    def is_used_up(self, checkout: Checkout) -> bool:
        """Return whether the payment page of a plan's checkout can be paid no more; not where the question failed.

        Waffo closes the page when the buyer submits it, also with a card that is refused. And no plan change can be paid
        once the order that it changes has ended, waits for a payment, or was replaced.
        """
        waffo = self.waffo
        page = self._ask(
            lambda: waffo.buyers_subscription_orders(
                self.store_id, checkout.customer_id, statuses=_SUBMITTED, limit=MAX_PAGE_SIZE
            )
        )
        orders = page.items if page else ()
        return any(_uses_up(order, checkout) for order in orders if order.buyer_identity == checkout.customer_id)

    def has_paid(self, checkout: Checkout) -> bool | None:
        """Return whether a checkout has a payment that came through; ``None``: one is under way, or the question failed.

        A plan may have an order that runs, and no payment yet: one on trial is as good as paid.
        """
        waffo = self.waffo
        if checkout.kind not in UNIT_KINDS and self._runs(checkout):
            return True
        payments = self._ask(lambda: waffo.payments_by_external_id(checkout.id))
        if payments is None:
            return None
        statuses = {payment.status for payment in payments}
        if _PAID in statuses:
            return True
        return False if statuses <= _UNPAID else None

    def _runs(self, checkout: Checkout) -> bool:
        """Return whether an order that a plan's checkout made runs; not where the question failed."""
        waffo = self.waffo
        page = self._ask(
            lambda: waffo.buyers_subscription_orders(
                self.store_id, checkout.customer_id, statuses=tuple(_STATUSES), limit=MAX_PAGE_SIZE
            )
        )
        orders = page.items if page else ()
        return any(_is_of(order, checkout) for order in orders if order.buyer_identity == checkout.customer_id)

    def as_it_stands(self, held: HeldOrder, customer_id: str) -> HeldOrder | None:
        """Return ``held`` as Waffo has it now; where it has ended, the buyer's other live order, or ``None``.

        Where the question failed, or Waffo shows no such order, it is ``held`` as it was.
        """
        (snapshot,) = self._shown(held) or (None,)
        if snapshot is None:
            return held
        return self._held(snapshot, held) or self.of_buyer(customer_id, besides=held.order_id)

    def after_refusal(self, held: HeldOrder, customer_id: str) -> HeldOrder | None:
        """Return what the customer has after all, when Waffo has refused to change the plan of ``held``.

        ``None``: the order has ended, and there is no other.

        Raises:
            PlanNotChangeable: the order stands, and its plan cannot be changed as it stands.
        """
        shown, standing = self._shown(held), held
        if shown is not None:
            (snapshot,) = shown
            after = self._held(snapshot, held) if snapshot else None
            if after is None:
                return self.of_buyer(customer_id, besides=held.order_id)
            standing = after
        if standing.status != "active":
            raise not_changeable(standing)
        return standing

    def _shown(self, held: HeldOrder) -> tuple[SubscriptionOrderSnapshot | None] | None:
        """Return what Waffo shows of an order, which may be nothing; ``None``: the question failed."""
        waffo = self.waffo
        return self._ask(lambda: (waffo.subscription_order(held.order_id),))

    def _held(self, order: SubscriptionOrderSnapshot, known: HeldOrder | None = None) -> HeldOrder | None:
        """Return an order as one that is held; ``None``: it is not ours, has ended, or another has taken its place."""
        status = _STATUSES.get(order.status)
        if status is None or order.superseded_by_order_id is not None:
            return None
        try:
            check_snapshot_pinned(order, self.environment, self.store_id)
        except (WrongMode, WrongStore):
            return None
        ends_at = floor_ms(order.period_end.instant) if order.period_end else None
        if known is not None:
            currency = order.currency or known.currency
            return replace(known, status=status, ends_at=ends_at or known.ends_at, currency=currency, is_of_waffo=True)
        if self.catalog.not_ours.covers(order.product_name or "", order.product_metadata, order.metadata):
            return None
        resolved = self.catalog.resolve_plan(order.product_metadata, order.metadata, order.product_name or "")
        if resolved is None or not stands_for(resolved.plan, self.wanted):
            return None
        return HeldOrder(order.id, resolved.plan, status, ends_at, order.currency, is_of_waffo=True)

    def _ask(self, question: Callable[[], Answer]) -> Answer | None:
        """Return Waffo's answer, or ``None`` when there is none in time. A thread that is late ends by itself."""
        pool = ThreadPoolExecutor(max_workers=1)
        try:
            return pool.submit(copy_context().run, question).result(LOOKUP_SECONDS_MAX)
        except TimeoutError:
            self.on_failure(WaffoUnavailable(GRAPHQL, f"no answer within {LOOKUP_SECONDS_MAX} seconds"))
        except WaffoApiError as error:
            self.on_failure(error)
        finally:
            pool.shutdown(wait=False)
        return None


def _uses_up(order: SubscriptionOrderSnapshot, checkout: Checkout) -> bool:
    if order.id == checkout.origin_order_id:
        return order.status not in _CHANGEABLE or order.superseded_by_order_id is not None
    return _is_of(order, checkout)


def _is_of(order: SubscriptionOrderSnapshot, checkout: Checkout) -> bool:
    return checkout.id in (order.external_id, order.metadata.get("checkout_id"))


def not_changeable(held: HeldOrder) -> PlanNotChangeable:
    """Return the error that says why the plan of an order cannot be changed as it stands."""
    message = (
        "the last payment of the subscription is overdue; its plan can be changed once it is paid"
        if held.status == "past_due"
        else "the subscription was cancelled and runs until its period ends; withdraw the cancellation to change its plan"
    )
    return PlanNotChangeable(
        message,
        order_id=held.order_id,
        plan=held.plan.key,
        order_status=held.status,
        ends_at=held.ends_at_text,
    )
