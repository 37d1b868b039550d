"""Everything of a world that must not depend on when we heard of what: not how many writes it took, nor their causes."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from pancake_meter.domain.balance.adjust import drop_expired_holds
from pancake_meter.domain.balance.advance import advance
from pancake_meter.domain.balance.balance import Balance, burn
from pancake_meter.domain.selling.payment import Payment
from pancake_meter.domain.standing.standing import plan_at
from pancake_meter.store.balance.balances import read_balances, read_ledger
from pancake_meter.store.selling.checkouts import list_checkouts
from pancake_meter.store.selling.payments import read_payment
from pancake_meter.store.standing.subscriptions import read_subscription
from tests.support.waffo_world import WaffoWorld

ENTRIES_MAX = 100


def pictures(world: WaffoWorld, customers: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Each customer's subscription, balances, ledger totals, checkouts and payments."""
    kept = [read_payment(world.table, payment_id) for payment_id in world.waffo.state.payments]
    payments = [payment for payment in kept if payment is not None]
    return {customer_id: _picture(world, customer_id, payments) for customer_id in customers}


def _picture(world: WaffoWorld, customer_id: str, payments: Sequence[Payment]) -> dict[str, Any]:
    subscription = read_subscription(world.table, customer_id)
    metering = world.stack.metering
    balances = [
        drop_expired_holds(advance(balance, world.now, metering.fallback(balance.meter)), world.now).balance
        for balance in read_balances(world.table, customer_id)
    ]
    checkouts, _ = list_checkouts(world.table, customer_id, limit=ENTRIES_MAX)
    return {
        "orders": subscription.orders if subscription else (),
        "plans": {meter: plan_at(subscription, meter, world.now) for meter in metering.catalog.meters},
        "balances": {balance.meter: _balance(balance) for balance in balances},
        "available": {
            balance.meter: balance.available for balance in metering.current_balances(customer_id, world.now)
        },
        "ledger": {balance.meter: _totals(world, customer_id, balance) for balance in balances},
        "checkouts": checkouts,
        "payments": {
            payment.payment_id: (payment.charge, dict(payment.refunds), payment.credits)
            for payment in payments
            if payment.customer_id == customer_id
        },
    }


def _balance(balance: Balance) -> dict[str, Any]:
    left = burn(balance).grants
    return {
        "plan": balance.policy,
        "term": balance.term,
        "period": balance.period,
        "used": balance.used,
        "days": dict(balance.days),
        "overage": balance.current_overage,
        "overage_due": balance.overage_due,
        # How much of a grant is left says all: the same may have been given whole, or less what was gone already.
        "grants": sorted(
            (grant.id, grant.kind, grant.remaining, grant.expires_at) for grant in left if grant.remaining
        ),
        "headroom": balance.headroom,
    }


def _totals(world: WaffoWorld, customer_id: str, balance: Balance) -> dict[str, Decimal]:
    entries = read_ledger(world.table, customer_id, balance.meter, limit=ENTRIES_MAX)
    assert len(entries) < ENTRIES_MAX
    totals: dict[str, Decimal] = {}
    for movement in (movement for entry in entries for movement in entry.movements):
        totals[movement.kind] = totals.get(movement.kind, Decimal(0)) + movement.quantity
    given = totals.get("granted", Decimal(0)) - totals.get("expired", Decimal(0))
    return {
        # An allowance that was given and expired untouched, and one that came too late to be given, are the same.
        "kept": given - totals.get("clawed_back", Decimal(0)),
        "used": totals.get("used", Decimal(0)) + balance.used - balance.burned,
        "overage_closed": totals.get("overage_closed", Decimal(0)),
    }
