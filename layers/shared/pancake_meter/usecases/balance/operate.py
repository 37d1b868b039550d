"""What the operator does to a customer's access by hand: cut it off, and open it again."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from pancake_meter.domain.balance.adjust import set_blocked
from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.errors import InvalidReason
from pancake_meter.domain.standing.access import Access
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.store.balance.balances import read_balance, read_balances, write_change
from pancake_meter.store.errors import StoreBusy, WriteRefused
from pancake_meter.store.standing.subscriptions import read_subscription, subscription_write
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.metering import ATTEMPTS_MAX, Metering
from pancake_meter.value import replace

REASON_LENGTH_MAX: Final = 200


def block(
    metering: Metering, customer_id: str, meter: str, reason: str | None, now: datetime, *, by: str | None = None
) -> Balance:
    """Cut access to a meter off, with a ``reason`` that refusals repeat, or open it again with ``None``.

    Usage that is recorded or settled still counts. Blocking again changes the reason. ``by`` names the operator's API key,
    for the ledger.

    Raises:
        UnknownMeter: the catalog has no such meter.
        CustomerErased: the customer was erased.
        InvalidReason: the reason is empty, or longer than 200 characters.
        StoreBusy, StoreUnavailable: passing trouble; the same request is safe to repeat.
    """
    metering.check_meter(meter)
    _check_reason(reason)
    for _ in range(ATTEMPTS_MAX):
        begun = metering.begin_change(customer_id, meter, now)
        if begun.change.balance.blocked == reason:
            metering.check_not_erased(customer_id)
            return begun.change.balance
        change = replace(set_blocked(begun.change, reason), by=by)
        written = write_change(
            metering.table, change, "unblocked" if reason is None else "blocked", reason, now, demands=begun.demands
        )
        if written is not None:
            return written
        metering.check_not_erased(customer_id)
    raise StoreBusy("the balance kept changing")


def block_customer(
    metering: Metering, customer_id: str, reason: str | None, now: datetime, *, by: str | None = None
) -> list[Balance]:
    """Cut off, or open with ``None``, all that a customer has: every balance, and those that are opened later.

    First it is kept for balances that are opened later, then every balance follows: whoever opens one meanwhile demands
    that what was kept has not changed. Where another request kept something else meanwhile, every balance follows that: so
    two at once leave all meters alike. A request that was cut off is repeated as it was. Return the balances.

    Raises:
        As ``block``.
    """
    _check_reason(reason)
    for _ in range(ATTEMPTS_MAX):
        if _keep_blocked(metering, customer_id, reason):
            break
        metering.check_not_erased(customer_id)
    else:
        raise StoreBusy("the customer's orders kept changing")
    for _ in range(ATTEMPTS_MAX):
        held = [balance.meter for balance in read_balances(metering.table, customer_id)]
        # A balance of a meter that the catalog has no more is nobody's to use.
        listed = [meter for meter in held if meter in metering.catalog.meters]
        balances = [block(metering, customer_id, meter, reason, now, by=by) for meter in listed]
        kept = read_subscription(metering.table, customer_id)
        if kept is None or kept.blocked == reason:
            return balances
        reason = kept.blocked
    raise StoreBusy("others kept changing the customer's access")


def read_access(table: Table, customer_id: str, meters: Collection[str]) -> Access:
    """Return which of some meters of a customer are cut off: one read, and one for each meter."""
    kept = read_subscription(table, customer_id)
    held = [balance for meter in meters if (balance := read_balance(table, customer_id, meter)) is not None]
    by_meter = {balance.meter: balance.blocked for balance in held}
    return Access(by_meter, kept.blocked if kept is not None else None)


def read_blocked(table: Table, customer_id: str, meter: str) -> str | None:
    """Return why a meter of a customer is cut off, if it is: a read, or two where the customer has not used it yet."""
    balance = read_balance(table, customer_id, meter)
    kept = read_subscription(table, customer_id) if balance is None else None
    return balance.blocked if balance is not None else kept.blocked if kept is not None else None


def _keep_blocked(metering: Metering, customer_id: str, reason: str | None) -> bool:
    """Keep the reason for balances that are opened later; return whether it is kept."""
    known = read_subscription(metering.table, customer_id)
    kept = known or Subscription(customer_id)
    if kept.blocked == reason:
        metering.check_not_erased(customer_id)
        return True
    try:
        write = subscription_write(replace(kept, blocked=reason))
        metering.table.transact([write, *metering.unless_erased(customer_id)])
    except WriteRefused:
        return False
    return True


def _check_reason(reason: str | None) -> None:
    if reason is not None and not 1 <= len(reason) <= REASON_LENGTH_MAX:
        raise InvalidReason(f"a reason has 1 to {REASON_LENGTH_MAX} characters")
