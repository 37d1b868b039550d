"""What a sale is decided from, as far as its request names it: read in one request."""

from collections.abc import Iterator
from itertools import islice

from pancake_meter.catalog import Catalog
from pancake_meter.domain.access.once import Once
from pancake_meter.domain.selling.checkout import CheckoutKind
from pancake_meter.store.access.once import done_key
from pancake_meter.store.keys import Key, balance_key, remainder_key, subscription_key
from pancake_meter.store.selling.checkouts import slot_key
from pancake_meter.store.table import READ_ITEMS_MAX
from pancake_meter.usecases.selling.quote_sale import SaleRequest

_PLAN_KINDS: tuple[CheckoutKind, ...] = ("subscription", "plan_change")


def keys_of_sale(catalog: Catalog, customer_id: str, request: SaleRequest, once: Once | None = None) -> list[Key]:
    """Return the keys of the customer's orders, of the balances that a sale is about, of its slots, and of its repetition.

    At most 100. What has no room among them is read when it is needed.
    """
    return list(islice(_keys(catalog, customer_id, request, once), READ_ITEMS_MAX))


def meters_of_sale(catalog: Catalog, request: SaleRequest) -> list[str]:
    """Return the meters that a sale gives units of: those of the plan, or the one of the request."""
    plan = catalog.plans.get(request.plan) if request.plan is not None else None
    if plan is not None:
        return list(plan.allowances)
    return [request.meter] if request.meter is not None else []


def _keys(catalog: Catalog, customer_id: str, request: SaleRequest, once: Once | None) -> Iterator[Key]:
    yield subscription_key(customer_id)
    if once is not None:
        yield done_key(once)
    for meter in meters_of_sale(catalog, request):
        yield balance_key(customer_id, meter)
    if request.kind in ("overage", "top_up"):
        meter = request.meter or ""
        yield slot_key(customer_id, request.kind, meter)
        if request.kind == "overage":
            yield remainder_key(customer_id, meter)
        return
    for plan in [request.plan] if request.plan is not None else catalog.plans:
        for kind in _PLAN_KINDS:
            yield slot_key(customer_id, kind, plan)
