"""What all use cases of the balance share: the collaborators, opening a balance, and keeping one current."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

from pancake_meter.catalog import Catalog
from pancake_meter.domain.balance.adjust import drop_expired_holds
from pancake_meter.domain.balance.advance import advance
from pancake_meter.domain.balance.balance import ZERO, Balance, Policy
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.ledger import OwnCause
from pancake_meter.domain.errors import UnknownMeter
from pancake_meter.domain.selling.overage import Lines
from pancake_meter.domain.selling.pricing import Price
from pancake_meter.domain.standing.follow import follow, open_following
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.balance.balances import read_balance, read_balances, write_anew, write_change
from pancake_meter.store.selling.overage_lines import read_due_lines
from pancake_meter.store.standing.subscriptions import read_subscription, subscription_unchanged, subscription_write
from pancake_meter.store.table import Check, Table, Write
from pancake_meter.usecases.balance.recent_events import RecentEvents
from pancake_meter.value import Value, field, same_but_for

ATTEMPTS_MAX: Final = 8
"""Tries of a hot write that finds its balance missing, due or raced. Each lost try means that another request won."""


def _nobody_listens(customer_id: str, meter: str) -> None:
    """Leave an unprovisioned customer to the ledger alone."""


@same_but_for("recent", "erasures")
class Metering(Value):
    """The collaborators of every use case of the balance.

    ``on_unprovisioned`` is told (customer id, meter) when a balance is opened that no plan covers: whatever is used there is
    counted, all of it as overage. ``recent`` is a hint at repeats. ``erasures`` are the customers who were erased.
    """

    table: Table
    catalog: Catalog
    on_unprovisioned: Callable[[str, str], None] = _nobody_listens
    recent: RecentEvents = field(default_factory=RecentEvents)
    erasures: Erasures | None = None

    def unless_erased(self, *customer_ids: str) -> list[Check]:
        """Return the demands that none of the customers has been erased."""
        return [self.erasures.unless_erased(each) for each in customer_ids] if self.erasures is not None else []

    def check_not_erased(self, customer_id: str) -> None:
        """Raise ``CustomerErased`` for a customer who was erased: one read."""
        if self.erasures is not None:
            self.erasures.check_not_erased(customer_id)

    def fallback(self, meter: str) -> Policy:
        """Return the policy of a customer without a subscription."""
        return Policy.of(self.catalog.default_plan, meter)

    def check_meter(self, meter: str) -> None:
        """Raise ``UnknownMeter`` for a meter that the catalog does not have."""
        if meter not in self.catalog.meters:
            raise UnknownMeter("the catalog has no such meter", meters=sorted(self.catalog.meters))

    def current_balance(self, customer_id: str, meter: str, now: datetime) -> Balance:
        """Return the balance as it is now, written or not: one read for a balance that exists."""
        return self.current_change(customer_id, meter, now)[1].balance

    def current_change(self, customer_id: str, meter: str, now: datetime) -> tuple[Balance | None, Change]:
        """Return the balance as written, if it is, and the change that makes it what it is now: to look at, not to write.

        One read for a balance that exists.

        Raises:
            CustomerErased: the customer was erased.
        """
        balance = read_balance(self.table, customer_id, meter)
        if balance is None:
            self.check_not_erased(customer_id)
            subscription = read_subscription(self.table, customer_id)
            return None, self._opening(subscription, customer_id, meter, now)
        return balance, self._advanced(balance, now).change

    def begin_change(self, customer_id: str, meter: str, now: datetime) -> "Begun":
        """Return the change that makes the balance what it is now, to be grown and written with its ``demands``.

        Two reads, and a query where a paid term has lapsed and units are due.
        """
        balance = read_balance(self.table, customer_id, meter)
        if balance is None:
            return self.opening(customer_id, meter, now)
        subscription = read_subscription(self.table, customer_id)
        advanced = self._advanced(balance, now, subscription)
        return Begun(advanced.change, subscription, advanced.demands)

    def advanced(self, balance: Balance, now: datetime, subscription: Subscription | None) -> Change:
        """Return the change that carries a stored balance up to ``now``, to be grown and written.

        Every written change of a stored balance begins here. So the balance has the prices of its plan before any of its
        units become due. ``subscription`` is read after the balance: one with other prices would come with a new segment.
        """
        prices = self.prices(subscription, balance.policy.plan, balance.meter)
        return advance(balance.at_prices(prices), now, self.fallback(balance.meter))

    def prices(self, subscription: Subscription | None, plan: str | None, meter: str) -> Mapping[str, Price]:
        """Return the prices of a meter in a plan: as last sold to the customer, else as the catalog has them now."""
        sold = subscription.prices_sold(plan, meter) if subscription else None
        if sold is not None:
            return sold
        listed = self.catalog.plans.get(plan) if plan is not None else None
        allowance = listed.allowances.get(meter) if listed else None
        return allowance.prices if allowance else {}

    def current_balances(self, customer_id: str, now: datetime) -> list[Balance]:
        """Return the customer's balances for every meter of the catalog, as they are now, written or not.

        Raises:
            CustomerErased: the customer was erased.
        """
        written = {balance.meter: balance for balance in read_balances(self.table, customer_id)}
        if not written:
            self.check_not_erased(customer_id)
        missing = [meter for meter in self.catalog.meters if meter not in written]
        needs_orders = missing or any(_may_lapse(balance, now) for balance in written.values())
        subscription = read_subscription(self.table, customer_id) if needs_orders else None
        changes = self.current_changes(customer_id, list(written.values()), subscription, now)
        return [change.balance for change in changes]

    def current_changes(
        self,
        customer_id: str,
        written: Collection[Balance],
        subscription: Subscription | None,
        now: datetime,
        lines: Mapping[str, Lines] | None = None,
    ) -> list[Change]:
        """Return the changes that make balances what they are now: of each meter of the catalog, and each one ``written``.

        To look at, not to write. ``lines`` are the customer's overage lines by meter; where they are given, nothing is read.
        """
        missing = self.catalog.meters.keys() - {balance.meter for balance in written}
        opened = [self._opening(subscription, customer_id, meter, now) for meter in missing]
        current = [self._advanced(balance, now, subscription, lines).change for balance in written]
        return sorted([*current, *opened], key=lambda change: change.balance.meter)

    def opening(self, customer_id: str, meter: str, now: datetime) -> "Begun":
        """Return the change that opens a balance under the customer's coverage, to be written by ``write_opening``."""
        subscription = read_subscription(self.table, customer_id)
        # A subscription that starts between the read and the write must not leave a balance of the plan before it.
        demands = (subscription_unchanged(customer_id, subscription), *self.unless_erased(customer_id))
        return Begun(self._opening(subscription, customer_id, meter, now), subscription, demands)

    def open(self, customer_id: str, meter: str, now: datetime) -> Balance | None:
        """Create a balance under the customer's coverage and return it; ``None`` if somebody else was faster.

        Raises:
            CustomerErased: the customer was erased.
        """
        return self.write_opening(self.opening(customer_id, meter, now), now)

    def write_opening(self, begun: "Begun", now: datetime) -> Balance | None:
        """Write an ``opening``. Returns and raises as ``open``."""
        customer_id, meter = begun.change.balance.customer_id, begun.change.balance.meter
        opened = write_change(self.table, begun.change, "opened", None, now, demands=begun.demands)
        if opened is None:
            self.check_not_erased(customer_id)
        if opened is not None and opened.policy.plan is None:
            self.on_unprovisioned(customer_id, meter)
        return opened

    def keep_current(self, balance: Balance, now: datetime) -> bool:
        """Write what time alone has changed: boundaries crossed, holds expired; return whether there was anything.

        A balance of the version before is brought to the form of now, at least.
        The subscription is read only where a period closes with overage, whose prices are fixed then, or a term lapses.
        """
        may_owe = balance.period_ends_at <= now and balance.current_overage > ZERO
        subscription = read_subscription(self.table, balance.customer_id) if may_owe else None
        advanced = self._advanced(balance, now, subscription)
        if advanced.change.is_empty:
            if balance.earlier is not None:
                write_anew(self.table, balance)
            return balance.earlier is not None
        write_change(self.table, advanced.change, _cause(advanced.change), None, now, demands=advanced.demands)
        return True

    def _advanced(
        self,
        balance: Balance,
        now: datetime,
        subscription: Subscription | None = None,
        lines: Mapping[str, Lines] | None = None,
    ) -> "_Advanced":
        """Return the balance as time alone makes it, whatever has been written.

        Where a paid term has lapsed, another order may govern from then on: the subscription is read and followed.
        """
        change = self.advanced(balance, now, subscription)
        demands: tuple[Write, ...] = ()
        if balance.term.order_id is not None and change.balance.term.order_id is None:
            known = subscription or read_subscription(self.table, balance.customer_id)
            change, demands = self._after_lapse(change, known, now, lines)
        return _Advanced(drop_expired_holds(change, now), demands)

    def _after_lapse(
        self, change: Change, known: Subscription | None, now: datetime, lines: Mapping[str, Lines] | None
    ) -> tuple[Change, tuple[Write, ...]]:
        if known is None:
            return change, ()
        customer_id, meter = change.balance.customer_id, change.balance.meter
        due = (
            {key: line for key, line in lines.get(meter, {}).items() if line.due > ZERO}
            if lines is not None
            else read_due_lines(self.table, customer_id, meter, change.before.overage_due)
        )
        change, learned = follow(change, known, known, self.fallback(meter), due, now)
        is_filed = learned != known
        return change, (subscription_write(learned) if is_filed else subscription_unchanged(customer_id, known),)

    def _opening(self, subscription: Subscription | None, customer_id: str, meter: str, now: datetime) -> Change:
        """Return the first state of a balance, under the customer's subscription or else the default plan."""
        return open_following(customer_id, meter, subscription, self.fallback(meter), now, now)


class _Advanced(Value):
    """A balance as time alone makes it; ``demands`` are further writes of the same transaction."""

    change: Change
    demands: tuple[Write, ...] = ()


class Begun(Value):
    """A change of one balance, begun, and the subscription that it was begun with.

    ``demands`` are further writes of the same transaction: what was read of the subscription has to be so still.
    """

    change: Change
    subscription: Subscription | None
    demands: tuple[Write, ...]

    @property
    def due(self) -> Decimal:
        """Units that are due in the lines as they are kept."""
        return self.change.before.overage_due

    @property
    def reopened(self) -> Decimal:
        """Units in the lines as they are kept whose payment was refunded."""
        return self.change.before.reopened


def _may_lapse(balance: Balance, now: datetime) -> bool:
    return balance.term.lapses_at is not None and balance.term.lapses_at <= now


def _cause(change: Change) -> OwnCause:
    """Name what time has done, for the ledger."""
    before, after = change.before, change.balance
    if before.term != after.term:
        return "lapsed"
    if before.period != after.period:
        return "reset"
    if before.charts != after.charts:
        return "chart_put_away"
    return "grants_changed" if len(before.grants) != len(after.grants) else "holds_expired"
