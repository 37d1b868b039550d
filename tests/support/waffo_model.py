"""A small model of Waffo: every history that one customer's orders can have.

A ``Life`` is what Waffo knows; ``moves`` are all that may happen next, each with the events that it sends. What a life
offers is chosen: subscriptions alone, or also second orders, refunds, add-ons, trials, top-ups and the customer's usage.

Duplicates are no part of the model: ``tests/support/permutations.py`` repeats every event at every point. What the customer
is due after each move is computed in ``tests/support/what_is_due.py``.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, get_args

from pancake_meter.domain.balance.period import add_months
from pancake_meter.domain.selling.plan import Plan
from pancake_meter.value import Value, replace
from tests.support.catalogs import WITH_ADD_ONS
from tests.support.pure_subscription import PLANS, TOP_UP_PRICE, Happening, MoneyBack, Receipt, Step, TopUp, step
from tests.support.webhook_world import utc

if TYPE_CHECKING:
    from collections.abc import Iterator

BEGAN = utc("2026-03-01")
"""When our customer came to us, on the free plan."""

LIVE_ORDERS_MAX = 2
USES_MAX = 2
TOP_UPS_MAX = 2
TOP_UP_UNITS = 100_000
USED_UNITS = (70_000, 40_000)
"""What the customer uses at once: the first is within every plan, both together are beyond the smallest."""

ADD_ON = "boost"
ADD_ON_LATER = timedelta(minutes=1)

_FIRST_EVENT = utc("2026-03-10T15:14:33")
_GRACE = timedelta(days=7)
_TRIAL = timedelta(days=14)
_HALF_A_DAY = timedelta(hours=12)
_DAY = timedelta(days=1)
_EARLY_IN_THE_DAY = timedelta(hours=15)

Status = Literal["active", "canceling", "past_due", "ended"]
Offer = Literal["second orders", "refunds", "add-ons", "trials", "top-ups", "usage"]
EVERYTHING: frozenset[Offer] = frozenset(get_args(Offer))
ORDERS_AND_MONEY: frozenset[Offer] = frozenset({"second orders", "refunds"})

_PRICES = {"starter": "9.00", "pro": "29.00", "scale": "199.00", "hoarder": "199.00", "agent": "99.00", ADD_ON: "5.00"}
SOLD: dict[str, Plan] = {
    **PLANS,
    "starter": replace(PLANS["starter"], trial=Decimal("0.25")),
    ADD_ON: WITH_ADD_ONS.plans[ADD_ON],
}
"""The plans as they are sold here: a trial of starter grants a quarter, of another plan all."""


class Use(Value):
    """The customer uses units, whatever webhooks are still to come."""

    at: datetime
    units: int


class Refund(Value):
    """A share of a payment that went back; ``failed``: it did not after all."""

    share: Decimal
    at: datetime
    failed: bool = False


class Payment(Value):
    """Money for a period of an order, or for a top-up (``plan`` is ``None``). ``is_told``: its own event is sent."""

    id: str
    order_id: str
    at: datetime
    charged: Decimal
    price: Decimal
    plan: str | None = None
    period: datetime | None = None
    number: int = 0
    is_told: bool = True
    refunds: tuple[Refund, ...] = ()

    @property
    def back(self) -> Decimal:
        """The share of it that went back."""
        return sum((refund.share for refund in self.refunds if not refund.failed), Decimal(0))

    @property
    def left(self) -> Decimal:
        """The money of it that still stands."""
        return self.charged * (1 - self.back)

    @property
    def receipt(self) -> Receipt:
        """The event of the charge."""
        return Receipt(self.at, self.id, self.order_id, self.charged, self.price, self.plan or "", self.number)


class Order(Value):
    """One subscription order, with the period that is paid for.

    ``due`` is the plan that a scheduled change will bring; ``starts`` are the paid periods so far, the present one last;
    ``sales`` are the plans sold in the present one, the plan that counts last. ``number`` counts the charges.
    """

    id: str
    began: datetime
    starts: tuple[datetime, ...]
    end: datetime
    sales: tuple[str, ...]
    status: Status = "active"
    due: str | None = None
    number: int = 0
    is_trial: bool = False
    ended_at: datetime | None = None
    took_place_of: str | None = None

    @property
    def plan(self) -> str:
        """The plan that was sold last."""
        return self.sales[-1]

    @property
    def start(self) -> datetime:
        """Start of the paid period."""
        return self.starts[-1]

    @property
    def spans(self) -> list[tuple[datetime, datetime]]:
        """The paid periods so far, the latest first."""
        return list(zip(self.starts, (*self.starts[1:], self.end), strict=True))[::-1]

    @property
    def is_add_on(self) -> bool:
        """Whether it is bought beside a plan."""
        return self.plan == ADD_ON


class Life(Value):
    """One customer's orders and payments at Waffo, and what happened so far in its true order.

    ``plans`` are those that the customer moves between, ``sent`` is what the last move sent. ``receipts``: every charge is
    told at once; else only once money of its period goes back, since till then it changes nothing.
    """

    plans: tuple[str, ...]
    offers: frozenset[Offer] = EVERYTHING
    receipts: bool = False
    now: datetime = _FIRST_EVENT
    orders: tuple[Order, ...] = ()
    payments: tuple[Payment, ...] = ()
    names: tuple[str, ...] = ()
    steps: tuple[Happening | Use, ...] = ()
    sent: tuple[Happening | Use, ...] = ()
    moving: str | None = None

    @property
    def live(self) -> list[Order]:
        """Orders of plans that have not ended, oldest first."""
        return [order for order in self.orders if order.status != "ended" and not order.is_add_on]

    @property
    def told(self) -> list[Happening]:
        """All events, in their true order."""
        return [each for each in self.steps if not isinstance(each, Use)]

    @property
    def uses(self) -> int:
        """How often the customer used units."""
        return sum(isinstance(each, Use) for each in self.steps)

    @property
    def has_more(self) -> bool:
        """Whether there were units on top of plans."""
        return any(paid.plan is None for paid in self.payments) or any(order.is_add_on for order in self.orders)

    def of_period(self, order: Order) -> list[Payment]:
        """Return the payments for the present period of an order, and for that whose place it took, oldest first."""
        places = {(order.id, order.start)}
        replaced = next((each for each in self.orders if each.id == order.took_place_of), None)
        if replaced is not None and len(order.starts) == 1 and not replaced.is_trial and replaced.end > order.start:
            places |= {(paid.order_id, paid.period or BEGAN) for paid in self.of_period(replaced)}
        return [paid for paid in self.payments if (paid.order_id, paid.period) in places]

    def moves(self) -> "Iterator[Life]":
        """All that may happen next."""
        if self.moving is not None:
            # A plan change that made a new order ends the old one, and nothing comes between.
            old = next(order for order in self.orders if order.id == self.moving)
            yield replace(self._ends("replaced", old), moving=None)
            return
        live = self.live
        if not live:
            yield self._buys("activated", self.plans[len(self.orders) % len(self.plans)])
        else:
            yield from self._moves_of_plans(live)
        if "trials" in self.offers and len(live) < LIVE_ORDERS_MAX and not any(order.is_trial for order in self.orders):
            yield self._buys("activated", self.plans[0], name="tried", is_trial=True)
        if "add-ons" in self.offers:
            yield from self._moves_of_add_ons()
        if "top-ups" in self.offers:
            yield from self._moves_of_top_ups()
        if "usage" in self.offers and self.uses < USES_MAX:
            yield self._sends("used", self.now + _DAY, Use(self.now + _DAY, USED_UNITS[self.uses]))

    def _moves_of_plans(self, live: list[Order]) -> "Iterator[Life]":
        newest = live[-1]
        if "second orders" in self.offers and len(live) < LIVE_ORDERS_MAX:
            yield self._buys("activated", newest.plan, name="bought twice")
            yield self._buys("activated", self._other_than(newest.plan), name="bought beside")
        for order in live[:-1]:
            yield self._ends("older canceled", order)
        yield from self._moves_of(newest)
        if "refunds" in self.offers:
            yield from self._refunds_of(newest)

    def _moves_of(self, order: Order) -> "Iterator[Life]":
        yield self._ends("canceled", order)
        if order.status == "past_due":
            yield self._renews("recovered", order, self.now + _HALF_A_DAY)
            return
        if order.status == "canceling":
            yield self._says("uncanceled", replace(order, status="active"))
            if order.end > self.now:
                yield replace(self, now=order.end + _EARLY_IN_THE_DAY)._ends("ended", order)
            return
        yield self._renews("renewed", order)
        yield self._falls_due(order)
        yield self._says("canceling", replace(order, status="canceling"))
        other = self._other_than(order.plan)
        moved = self._buys("plan_changed", other, name="moved", took_place_of=order.id)
        yield replace(moved, moving=order.id)
        if order.is_trial:
            yield self._renews("charged", order, name="charged after the trial")
            return
        yield self._changes(order, other)
        if order.due is None:
            yield self._says("plan_change_scheduled", replace(order, due=other), plan=other)
        else:
            yield self._says("plan_change_failed", replace(order, due=None))

    def _moves_of_add_ons(self) -> "Iterator[Life]":
        live = [order for order in self.orders if order.is_add_on and order.status != "ended"]
        if not live:
            yield self._buys("activated", ADD_ON, name="add-on bought")
            return
        for order in live:
            yield self._renews("renewed", order, name="add-on renewed")
            yield self._ends("add-on canceled", order)
            if "refunds" in self.offers:
                for refunded in self._refunds_of(order):
                    yield replace(refunded, names=(*self.names, f"add-on: {refunded.names[-1]}"))

    def _moves_of_top_ups(self) -> "Iterator[Life]":
        bought = [paid for paid in self.payments if paid.plan is None]
        at = self.now + _DAY
        if len(bought) < TOP_UPS_MAX:
            paid = Payment(f"PAY_TOP_UP_{len(bought)}", f"ORD_TOP_UP_{len(bought)}", at, TOP_UP_PRICE, TOP_UP_PRICE)
            yield replace(self, payments=(*self.payments, paid))._sends(
                "topped up", at, TopUp(at, paid.id, TOP_UP_UNITS)
            )
        if "refunds" in self.offers:
            for paid in bought:
                for refunded in self._refunds(paid, (), "half"):
                    yield replace(refunded, names=(*self.names, f"top-up: {refunded.names[-1]}"))

    def _other_than(self, plan: str) -> str:
        return next(other for other in (*self.plans[::-1], plan) if other != plan or len(self.plans) == 1)

    # --- What a move sends

    def _sends(self, name: str, at: datetime, *told: Happening | Use) -> "Life":
        names, steps = (*self.names, name), (*self.steps, *told)
        return replace(self, now=max(self.now, at), names=names, steps=steps, sent=told)

    def _with(self, order: Order) -> "Life":
        kept = {known.id: known for known in self.orders} | {order.id: order}
        return replace(self, orders=tuple(kept.values()))

    def _emits(
        self, kind: str, order: Order, at: datetime, *paid: Payment, name: str | None = None, **said: Any
    ) -> "Life":
        """Send an event of an order's life, and the receipts of its payments where they are told."""
        bounds, plan = said.pop("bounds", (order.start, order.end)), said.pop("plan", order.plan)
        if order.took_place_of is not None and len(self.live) > 1:
            # Where several stand, nobody can tell which one was replaced, unless it was our checkout.
            said["replaces"] = order.took_place_of
        told = self._event(kind, order, at, bounds, plan, **said)
        receipts = [payment.receipt for payment in paid if payment.is_told]
        return replace(self._with(order), payments=(*self.payments, *paid))._sends(name or kind, at, told, *receipts)

    @staticmethod
    def _event(
        kind: str, order: Order, at: datetime, bounds: tuple[datetime, datetime], plan: str, *,
        number: int = 0, replaces: str | None = None,
    ) -> Step:  # fmt: skip
        said: dict[str, Any] = {"billing_period": "monthly", "price": Decimal(_PRICES[plan])}
        if order.is_trial:
            said |= {"is_trial": True, "price": Decimal(0)}
        start, end = (f"{bound:%Y-%m-%d}" for bound in bounds)
        told = step(kind, order.id, f"{at:%Y-%m-%dT%H:%M:%S}", start, end, SOLD[plan], number, **said)  # type: ignore[arg-type]
        return replace(told, facts=replace(told.facts, replaces=frozenset({replaces} - {None}))) if replaces else told

    def _payment(self, order: Order, at: datetime, charged: Decimal | None = None) -> Payment:
        price = Decimal(_PRICES[order.plan])
        money = price if charged is None else charged
        payment_id = f"PAY_{order.id}_{order.number}"
        is_told = self.receipts or any(paid.is_told for paid in self.of_period(order))
        return Payment(payment_id, order.id, at, money, price, order.plan, order.start, order.number, is_told)

    # --- The moves

    def _buys(
        self, kind: str, plan: str, *, name: str | None = None, is_trial: bool = False, took_place_of: str | None = None
    ) -> "Life":
        at = self.now + _DAY if self.orders else self.now
        if plan == ADD_ON:
            at += ADD_ON_LATER
        today = at.replace(hour=0, minute=0, second=0)
        end = today + _TRIAL if is_trial else add_months(today, 1)
        order = Order(
            f"ORD_{len(self.orders)}", at, (today,), end, (plan,), number=0 if is_trial else 1, is_trial=is_trial,
            took_place_of=took_place_of,
        )  # fmt: skip
        paid = () if is_trial else (self._payment(order, at),)
        return self._emits(kind, order, at, *paid, name=name, number=order.number)

    def _says(self, kind: str, order: Order, *, plan: str | None = None) -> "Life":
        return self._emits(kind, order, self.now + _DAY, plan=plan or order.plan)

    def _changes(self, order: Order, plan: str) -> "Life":
        """Another plan on the same order: more is charged for, less is not."""
        more = Decimal(_PRICES[plan]) - Decimal(_PRICES[order.plan])
        after = replace(order, sales=(*order.sales, plan), due=None, number=order.number + (more > 0))
        at = self.now + _DAY
        paid = (self._payment(after, at, more),) if more > 0 else ()
        return self._emits("plan_changed", after, at, *paid, number=after.number)

    def _ends(self, name: str, order: Order) -> "Life":
        at = self.now + timedelta(seconds=9)
        return self._emits("canceled", replace(order, status="ended", ended_at=at), at, name=name)

    def _renews(self, kind: str, order: Order, at: datetime | None = None, *, name: str | None = None) -> "Life":
        """A payment opens the next period; one that is ``charged`` is told by its receipt alone."""
        at = at or max(self.now, order.end + _EARLY_IN_THE_DAY)
        start, plan = order.end, order.due or order.plan
        paid_for = replace(
            order, starts=(*order.starts, start), end=add_months(start, 1), sales=(plan,), status="active", due=None,
            number=order.number + 1, is_trial=False,
        )  # fmt: skip
        paid = self._payment(paid_for, at)
        if kind == "charged":
            known = replace(self._with(paid_for), payments=(*self.payments, replace(paid, is_told=True)))
            return known._sends(name or kind, at, paid.receipt)
        return self._emits(kind, paid_for, at, paid, name=name, number=paid_for.number)

    def _falls_due(self, order: Order) -> "Life":
        late = replace(order, status="past_due", number=order.number + 1)
        bounds = (order.end, order.end + _GRACE)
        at = max(self.now, order.end + _EARLY_IN_THE_DAY)
        return self._emits("past_due", late, at, bounds=bounds, number=late.number)

    def _refunds_of(self, order: Order) -> "Iterator[Life]":
        """Refund what an order's present period cost, charge by charge."""
        paid = self.of_period(order)
        for index, payment in enumerate(paid):
            yield from self._refunds(payment, paid, "half" if len(paid) == 1 else f"half of charge {index + 1}")
            if index == 0 and len(paid) > 1 and not payment.refunds:
                yield self._refund(payment, paid, Decimal(1), "refunded all of charge 1")

    def _refunds(self, payment: Payment, beside: "list[Payment] | tuple[()]", what: str) -> "Iterator[Life]":
        if payment.back < 1 and len(payment.refunds) < 2:
            yield self._refund(payment, beside, Decimal("0.5"), f"refunded {what}")
        if payment.back > 0:
            yield self._refund_fails(payment)

    def _refund(self, payment: Payment, beside: "list[Payment] | tuple[()]", share: Decimal, name: str) -> "Life":
        at = self.now + _DAY
        refunded = replace(payment, refunds=(*payment.refunds, Refund(share, at)))
        untold = [paid.receipt for paid in beside if not paid.is_told]
        told = {paid.id: replace(paid, is_told=True) for paid in beside} | {payment.id: replace(refunded, is_told=True)}
        kept = tuple(told.get(paid.id, paid) for paid in self.payments)
        back = self._money_back(payment, len(payment.refunds), share, at)
        return replace(self, payments=kept)._sends(name, at, *untold, back)

    def _refund_fails(self, payment: Payment) -> "Life":
        """The last refund that stands did not reach the buyer after all."""
        at = self.now + _DAY
        index = max(index for index, refund in enumerate(payment.refunds) if not refund.failed)
        failed = replace(payment.refunds[index], failed=True, at=at)
        refunds = (*payment.refunds[:index], failed, *payment.refunds[index + 1 :])
        kept = tuple(replace(paid, refunds=refunds) if paid.id == payment.id else paid for paid in self.payments)
        back = self._money_back(payment, index, failed.share, at, has_failed=True)
        return replace(self, payments=kept)._sends("refund failed", at, back)

    @staticmethod
    def _money_back(
        payment: Payment, index: int, share: Decimal, at: datetime, *, has_failed: bool = False
    ) -> MoneyBack:
        refund_id = f"REF_{payment.id}_{index}"
        return MoneyBack(at, payment.id, refund_id, str(share), has_failed, payment.charged, payment.order_id)


def histories(life: Life, moves_max: int) -> "Iterator[Life]":
    """Every history of 1 to ``moves_max`` moves that begins with ``life``, shorter ones first along each branch."""
    waiting = [life]
    while waiting:
        for following in waiting.pop().moves():
            if following.moving is None:
                yield following
            if len(following.names) < moves_max:
                waiting.append(following)
