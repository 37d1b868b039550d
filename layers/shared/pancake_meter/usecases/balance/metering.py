"""What all use cases of the balance share: the collaborators, opening a balance, and keeping one current."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pancake_meter.catalog import Catalog
from pancake_meter.domain.balance.adjust import drop_expired_holds
from pancake_meter.domain.balance.advance import advance, open_balance
from pancake_meter.domain.balance.balance import Balance, Policy
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.quota import balance_at
from pancake_meter.domain.errors import UnknownMeter
from pancake_meter.domain.standing.coverage import Coverage
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.store.balance.balances import read_balance, read_balances, write_change
from pancake_meter.store.standing.subscriptions import read_subscription, subscription_unchanged
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.recent_events import RecentEvents

ATTEMPTS_MAX: Final = 8
"""Tries of a hot write that finds its balance missing, due or raced. Each lost try means that another request won."""


def _nobody_listens(customer_id: str, meter: str) -> None:
    """Leave an unprovisioned customer to the ledger alone."""


@dataclass(frozen=True, slots=True)
class Metering:
    """The collaborators of every use case of the balance.

    ``on_unprovisioned`` is told (customer id, meter) when a balance is opened that no plan covers: whatever is used there is
    counted, all of it as overage. ``recent`` is a hint at repeats.
    """

    table: Table
    catalog: Catalog
    on_unprovisioned: Callable[[str, str], None] = _nobody_listens
    recent: RecentEvents = field(default_factory=RecentEvents, compare=False)

    def fallback(self, meter: str) -> Policy:
        """Return the policy of a customer without a subscription."""
        return Policy.of(self.catalog.default_plan, meter)

    def check_meter(self, meter: str) -> None:
        """Raise ``UnknownMeter`` for a meter that the catalog does not have."""
        if meter not in self.catalog.meters:
            raise UnknownMeter(f"the catalog has no meter named {meter!r}", meters=sorted(self.catalog.meters))

    def current_balance(self, customer_id: str, meter: str, now: datetime) -> Balance:
        """Return the balance as it is now, written or not: one read for a balance that exists."""
        return self.current_change(customer_id, meter, now)[1].balance

    def current_change(self, customer_id: str, meter: str, now: datetime) -> tuple[Balance | None, Change]:
        """Return the balance as written, if it is, and the change that makes it what it is now."""
        balance = read_balance(self.table, customer_id, meter)
        if balance is None:
            subscription = read_subscription(self.table, customer_id)
            return None, self._opening(subscription, customer_id, meter, now)
        return balance, drop_expired_holds(advance(balance, now, self.fallback(meter)), now)

    def current_balances(self, customer_id: str, now: datetime) -> list[Balance]:
        """Return the customer's balances for every meter of the catalog, as they are now, written or not."""
        written = {balance.meter: balance for balance in read_balances(self.table, customer_id)}
        missing = [meter for meter in self.catalog.meters if meter not in written]
        subscription = read_subscription(self.table, customer_id) if missing else None
        opened = [self._opening(subscription, customer_id, meter, now).balance for meter in missing]
        current = [balance_at(balance, now, self.fallback(meter)) for meter, balance in written.items()]
        return sorted([*current, *opened], key=lambda balance: balance.meter)

    def open(self, customer_id: str, meter: str, now: datetime) -> Balance | None:
        """Create a balance under the customer's coverage and return it; ``None`` if somebody else was faster."""
        subscription = read_subscription(self.table, customer_id)
        change = self._opening(subscription, customer_id, meter, now)
        # A subscription that starts between the read and this write must not leave a balance of the plan before it.
        unchanged = subscription_unchanged(customer_id, subscription)
        opened = write_change(self.table, change, "opened", None, now, demands=[unchanged])
        if opened is not None and opened.policy.plan is None:
            self.on_unprovisioned(customer_id, meter)
        return opened

    def keep_current(self, balance: Balance, now: datetime) -> bool:
        """Write what time alone has changed: boundaries crossed, holds expired; return whether there was anything."""
        change = drop_expired_holds(advance(balance, now, self.fallback(balance.meter)), now)
        if change.is_empty:
            return False
        write_change(self.table, change, _cause(change), None, now)
        return True

    def _opening(self, subscription: Subscription | None, customer_id: str, meter: str, now: datetime) -> Change:
        """Return the first state of a balance, under the customer's subscription or else the default plan."""
        coverage = subscription.coverage(now) if subscription else None
        if coverage is None:
            coverage = Coverage.by_default(self.catalog.default_plan, now)
        return open_balance(customer_id, meter, Policy.of(coverage.plan, meter), coverage.term, now)


def _cause(change: Change) -> str:
    """Name what time has done, for the ledger."""
    before, after = change.before, change.balance
    if before.term != after.term:
        return "lapsed"
    if before.period != after.period:
        return "reset"
    if before.charts != after.charts:
        return "chart_put_away"
    return "grants_changed" if len(before.grants) != len(after.grants) else "holds_expired"
