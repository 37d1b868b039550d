"""Reconciliation: what no webhook told us is found in Waffo's GraphQL and applied, through the same code as webhooks.

Eight passes, each over its own list: deliveries that Waffo gave up on (with their payload), subscription orders that Waffo
calls live, orders that only we hold for live, checkouts of ours that were never heard of again, our own deliveries that
are parked or have failed, payments that were refunded and whose charge is not known, and refunds that an operator asked
for and whose answer was lost. Each may fail or run
out of time for itself; the next run goes on. Nothing here decides: it finds what may be missing, and events decide.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from pancake_meter.store.rehearsal import RehearsedTable
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.reconciliation.charges import reconcile_charges
from pancake_meter.usecases.reconciliation.checkouts import reconcile_checkouts
from pancake_meter.usecases.reconciliation.deliveries import reconcile_deliveries
from pancake_meter.usecases.reconciliation.open_deliveries import reconcile_open
from pancake_meter.usecases.reconciliation.orders import reconcile_held_orders, reconcile_orders
from pancake_meter.usecases.reconciliation.refunds import reconcile_refunds
from pancake_meter.usecases.reconciliation.run import BoughtTwice, Found, Reconciling, Run, Tally
from pancake_meter.value import Value, replace


class Report(Value):
    """What a run came to, pass by pass; ``bought_twice`` are customers with two orders for one meter.

    ``found`` are the first events that were missing. ``unparked_flags`` are flags of deliveries that an event of their order
    allowed to apply: no pass has them as entries.
    """

    started_at: datetime
    passes: Mapping[str, Tally]
    bought_twice: Sequence[BoughtTwice] = ()
    unparked_flags: Sequence[str] = ()
    found: Sequence[Found] = ()

    @property
    def healed(self) -> int:
        """How much was missing and is there now."""
        return sum(tally.healed for tally in self.passes.values())

    @property
    def parked(self) -> int:
        """What was found and cannot be applied yet."""
        return sum(tally.parked for tally in self.passes.values())

    @property
    def flagged(self) -> int:
        """Payments that a person has to look at."""
        return sum(tally.flagged for tally in self.passes.values()) + len(self.unparked_flags)

    @property
    def failed(self) -> int:
        """Pages and entries that could not be dealt with."""
        return sum(tally.failed + tally.failed_pages for tally in self.passes.values())

    @property
    def left(self) -> list[str]:
        """Passes that the next run goes on with."""
        return [name for name, tally in self.passes.items() if tally.is_left]


def reconcile(
    reconciling: Reconciling,
    now: datetime,
    *,
    may_go_on: Callable[[], bool],
    on_failure: Callable[[str, str, Exception], None],
) -> Report:
    """Run every pass while ``may_go_on`` says so. ``on_failure`` hears of each (pass, reference, error).

    Raises:
        StoreUnavailable: the store cannot be reached. What was done is done, and is not done again.
    """
    run = Run(reconciling, now, may_go_on, on_failure)
    # Deliveries first: they carry what happened, to the second. Snapshots only carry how it ended.
    deliveries = reconcile_deliveries(run)
    orders, seen = reconcile_orders(run)
    held = reconcile_held_orders(run, seen)
    checkouts = reconcile_checkouts(run)
    passes = {
        "deliveries": deliveries,
        "orders": orders,
        "held_orders": held,
        "checkouts": checkouts,
        # Last: what the other passes have found may be what these wait for.
        "parked_deliveries": reconcile_open(run, "parked"),
        "failed_deliveries": reconcile_open(run, "failed"),
        # After the refunds that have just found their payment.
        "uncharged_payments": reconcile_charges(run),
        "refunds": reconcile_refunds(run),
    }
    return Report(now, passes, tuple(run.bought_twice), tuple(run.unparked_flags), tuple(run.found))


def rehearsed(reconciling: Reconciling) -> Reconciling:
    """Return the collaborators of a run that finds and judges as any other, and changes nothing.

    What rests on something that the same run would write is found as far as it reads the very item.
    """
    metering = reconciling.metering
    tried = Metering(RehearsedTable(metering.table), metering.catalog, erasures=metering.erasures)
    return replace(reconciling, metering=tried)
