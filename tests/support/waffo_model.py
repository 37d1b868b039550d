"""A small model of Waffo: every history that one customer's orders can have, event by event.

A ``Life`` is what Waffo knows; ``moves`` are all that may happen next, each with the one event it sends. Duplicates are no
part of the model: ``tests/support/permutations.py`` repeats every event at every point.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from pancake_meter.domain.balance.period import add_months
from tests.support.pure_subscription import Step, refunded, step
from tests.support.webhook_world import utc

if TYPE_CHECKING:
    from collections.abc import Iterator

BEGAN = utc("2026-03-01")
"""When our customer came to us, on the free plan."""

LIVE_ORDERS_MAX = 2
_FIRST_EVENT = utc("2026-03-10T15:14:33")
_GRACE = timedelta(days=7)
_HALF_A_DAY = timedelta(hours=12)
_DAY = timedelta(days=1)
_EARLY_IN_THE_DAY = timedelta(hours=15)

Status = Literal["active", "canceling", "past_due", "ended"]


@dataclass(frozen=True)
class Order:
    """One subscription order. ``due`` is the plan that a scheduled change will bring, ``paid_at`` the latest payment."""

    id: str
    plan: str
    start: datetime
    paid_at: datetime
    status: Status = "active"
    due: str | None = None
    refunds: int = 0

    @property
    def end(self) -> datetime:
        """End of the paid period."""
        return add_months(self.start, 1)


@dataclass(frozen=True)
class Life:
    """One customer's orders at Waffo, and the events so far in their true order; ``plans`` are those he moves between."""

    plans: tuple[str, ...]
    now: datetime = _FIRST_EVENT
    orders: tuple[Order, ...] = ()
    steps: tuple[Step, ...] = ()
    names: tuple[str, ...] = ()
    moving: str | None = None

    @property
    def live(self) -> list[Order]:
        """Orders that have not ended, oldest first."""
        return [order for order in self.orders if order.status != "ended"]

    def moves(self) -> "Iterator[Life]":
        """All that may happen next: one event each."""
        if self.moving is not None:
            # A plan change that made a new order ends the old one, and nothing comes between.
            old = next(order for order in self.orders if order.id == self.moving)
            yield replace(self._ends("replaced", old), moving=None)
            return
        live = self.live
        if not live:
            yield self._buys("activated", self.plans[len(self.orders) % len(self.plans)])
            return
        if len(live) < LIVE_ORDERS_MAX:
            yield self._buys("activated", live[-1].plan, name="bought twice")
            yield self._buys("activated", self._other_than(live[-1].plan), name="bought beside")
        for order in live[:-1]:
            yield self._ends("older canceled", order)
        yield from self._moves_of(live[-1])

    def _moves_of(self, order: Order) -> "Iterator[Life]":
        other = self._other_than(order.plan)
        yield self._ends("canceled", order)
        if order.status == "past_due":
            yield self._pays("recovered", order, self.now + _HALF_A_DAY)
            return
        if order.status == "canceling":
            yield self._says("uncanceled", order, status="active")
            if order.end > self.now:
                yield replace(self, now=order.end + _EARLY_IN_THE_DAY)._ends("ended", order)
            return
        yield self._renews("renewed", order)
        yield self._falls_due(order)
        yield self._says("canceling", order, status="canceling")
        yield self._says("plan_changed", order, plan=other)
        yield replace(self._buys("plan_changed", other, name="moved"), moving=order.id)
        if order.refunds == 0:
            yield self._refunds(order)
        if order.due is None:
            yield self._says("plan_change_scheduled", order, plan=other, scheduled=True)
        else:
            yield self._says("plan_change_failed", order, due=None)

    def _other_than(self, plan: str) -> str:
        return next(other for other in (*self.plans[::-1], plan) if other != plan or len(self.plans) == 1)

    def _emit(
        self, kind: str, order: Order, at: datetime, *, name: str | None = None, plan: str | None = None,
        end: datetime | None = None,
    ) -> "Life":  # fmt: skip
        bounds = (f"{order.start:%Y-%m-%d}", f"{end or order.end:%Y-%m-%d}")
        sent = step(kind, order.id, f"{at:%Y-%m-%dT%H:%M:%S}", *bounds, plan=plan or order.plan)  # type: ignore[arg-type]
        kept = {known.id: known for known in self.orders} | {order.id: order}
        return replace(
            self, now=at, orders=tuple(kept.values()), steps=(*self.steps, sent), names=(*self.names, name or kind)
        )

    def _buys(self, kind: str, plan: str, *, name: str | None = None) -> "Life":
        at = self.now + _DAY if self.orders else self.now
        today = at.replace(hour=0, minute=0, second=0)
        return self._emit(kind, Order(f"ORD_{len(self.orders)}", plan, today, at), at, name=name)

    def _says(
        self, kind: str, order: Order, *, status: Status | None = None, plan: str | None = None, scheduled: bool = False,
        due: str | None = None,
    ) -> "Life":  # fmt: skip
        after = replace(order, status=status or order.status, due=plan if scheduled else due)
        if plan is not None and not scheduled:
            after = replace(after, plan=plan, due=None)
        return self._emit(kind, after, self.now + _DAY, plan=plan)

    def _ends(self, name: str, order: Order) -> "Life":
        return self._emit("canceled", replace(order, status="ended"), self.now + timedelta(seconds=9), name=name)

    def _renews(self, kind: str, order: Order) -> "Life":
        due_at = max(self.now, order.end + _EARLY_IN_THE_DAY)
        return self._pays(kind, replace(order, start=order.end), due_at)

    def _pays(self, kind: str, order: Order, at: datetime) -> "Life":
        paid = replace(order, paid_at=at, status="active", plan=order.due or order.plan, due=None, refunds=0)
        return self._emit(kind, paid, at)

    def _falls_due(self, order: Order) -> "Life":
        late = replace(order, start=order.end, status="past_due")
        return self._emit("past_due", late, max(self.now, order.end + _EARLY_IN_THE_DAY), end=late.start + _GRACE)

    def _refunds(self, order: Order) -> "Life":
        at = self.now + _DAY
        share = refunded(
            order.id, f"PAY_{order.id}_{order.start:%m%d}", f"{at:%Y-%m-%dT%H:%M:%S}",
            f"{order.paid_at:%Y-%m-%dT%H:%M:%S}", "0.5",
        )  # fmt: skip
        kept = tuple(replace(known, refunds=1) if known.id == order.id else known for known in self.orders)
        return replace(self, now=at, orders=kept, steps=(*self.steps, share), names=(*self.names, "refunded half"))


def histories(events_max: int, plans: tuple[str, ...]) -> "Iterator[Life]":
    """Every history of 1 to ``events_max`` events, shorter ones first along each branch."""
    waiting = [Life(plans)]
    while waiting:
        life = waiting.pop()
        for following in life.moves():
            if following.moving is None:
                yield following
            if len(following.steps) < events_max:
                waiting.append(following)
