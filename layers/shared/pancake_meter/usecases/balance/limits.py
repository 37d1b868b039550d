"""Limits of one customer: the operator's caps, and what the customer wants to spend at most."""

from collections.abc import Set as AbstractSet
from datetime import datetime

from pancake_meter.domain.balance.adjust import set_limits
from pancake_meter.domain.balance.balance import Balance, Policy
from pancake_meter.domain.balance.limits import Limits
from pancake_meter.domain.errors import NotForSale
from pancake_meter.store.balance.balances import write_change
from pancake_meter.store.errors import StoreBusy
from pancake_meter.usecases.balance.metering import ATTEMPTS_MAX, Metering
from pancake_meter.value import Value, replace


class LimitsWanted(Value):
    """The limits to set: of ``limits``, those that are ``named``. The others stay as they are."""

    limits: Limits
    named: AbstractSet[str]

    def over(self, known: Limits) -> Limits:
        """Return the limits as they will be."""
        return replace(known, **{name: getattr(self.limits, name) for name in self.named})


def limit(
    metering: Metering, customer_id: str, meter: str, wanted: LimitsWanted, now: datetime, *, by: str | None = None
) -> Balance:
    """Set limits on one meter of a customer, whatever the plan; return the balance.

    They hold at once: what is held or used beyond them stays, and nothing more is let through. ``by`` names the API key that
    sets them, for the ledger; it is ``None`` where the customer does.

    Raises:
        UnknownMeter: the catalog has no such meter.
        NotForSale: the plan sells overage, and has no price of it in the currency of the spend cap.
        CustomerErased: the customer was erased.
        StoreBusy, StoreUnavailable: passing trouble; the same request is safe to repeat.
    """
    metering.check_meter(meter)
    for _ in range(ATTEMPTS_MAX):
        begun = metering.begin_change(customer_id, meter, now)
        known = begun.change.balance
        _check_currency(wanted, known.policy)
        change = set_limits(begun.change, wanted.over(known.limits))
        if change.balance.limits == known.limits:
            metering.check_not_erased(customer_id)
            return known
        changed = replace(change, by=by)
        written = write_change(
            metering.table,
            changed,
            "limited" if by is not None else "limited_by_customer",
            None,
            now,
            demands=begun.demands,
        )
        if written is not None:
            return written
        metering.check_not_erased(customer_id)
    raise StoreBusy("the balance kept changing")


def _check_currency(wanted: LimitsWanted, policy: Policy) -> None:
    cap = wanted.limits.spend_cap
    if cap is None or cap.money is None or not policy.allows_overage:
        return
    if cap.money.currency not in policy.prices:
        raise NotForSale("the plan has no price of overage in this currency", currencies=sorted(policy.prices))
