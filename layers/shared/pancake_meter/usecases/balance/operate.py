"""What the operator does to one balance by hand: give units, cut access off, and open it again."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from pancake_meter.domain.balance.adjust import add_grant, set_blocked
from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.balance.gift import Gift
from pancake_meter.domain.errors import GiftConflict, InvalidReason
from pancake_meter.store.balance.balances import write_change
from pancake_meter.store.balance.given_units import gift_write, read_gift
from pancake_meter.store.errors import StoreBusy
from pancake_meter.store.selling.overage_lines import read_due_lines
from pancake_meter.usecases.balance.metering import ATTEMPTS_MAX, Metering

REASON_LENGTH_MAX: Final = 200


def give_units(
    metering: Metering,
    customer_id: str,
    meter: str,
    gift_id: str,
    gift: Gift,
    now: datetime,
    *,
    by: str | None = None,
) -> Balance:
    """Give units, once for each ``gift_id``; return the balance. ``by`` names the operator's API key, for the ledger.

    Raises:
        UnknownMeter: the catalog has no such meter.
        CustomerErased: the customer was erased.
        InvalidGift: nothing is given, or it would end before it starts or is given.
        GiftConflict: the id was used to give other units.
        TooManyGrants: the balance cannot carry another grant.
        StoreBusy, StoreUnavailable: passing trouble; the same request is safe to repeat.
    """
    metering.check_meter(meter)
    for _ in range(ATTEMPTS_MAX):
        known = read_gift(metering.table, customer_id, meter, gift_id)
        if known is not None:
            if known != gift:
                raise GiftConflict("the id was used to give other units")
            return metering.current_balance(customer_id, meter, now)
        grant = gift.grant(gift_id, now)
        begun = metering.begin_change(customer_id, meter, now)
        lines = read_due_lines(metering.table, customer_id, meter, begun.due)
        change = replace(add_grant(begun.change, grant, now, lines), by=by)
        once = gift_write(customer_id, meter, gift_id, gift, now)
        written = write_change(metering.table, change, "given", gift_id, now, demands=[once, *begun.demands])
        if written is not None:
            return written
        metering.check_not_erased(customer_id)
    raise StoreBusy("the balance kept changing")


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
    if reason is not None and not 1 <= len(reason) <= REASON_LENGTH_MAX:
        raise InvalidReason(f"a reason has 1 to {REASON_LENGTH_MAX} characters")
    for _ in range(ATTEMPTS_MAX):
        begun = metering.begin_change(customer_id, meter, now)
        if begun.change.balance.blocked == reason:
            return begun.change.balance
        change = replace(set_blocked(begun.change, reason), by=by)
        cause = "unblocked" if reason is None else "blocked"
        written = write_change(metering.table, change, cause, reason, now, demands=begun.demands)
        if written is not None:
            return written
        metering.check_not_erased(customer_id)
    raise StoreBusy("the balance kept changing")
