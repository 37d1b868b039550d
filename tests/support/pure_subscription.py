"""A customer in memory: the same decisions as in the use case, with no store. For tests of order and repetition."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pancake_meter.catalog import Catalog, load_catalog
from pancake_meter.domain.balance.advance import advance
from pancake_meter.domain.balance.balance import Balance, burn
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.closed_period import ClosedPeriod, period_of
from pancake_meter.domain.balance.spend import record_usage
from pancake_meter.domain.selling.overage import LineKey, OverageLine
from pancake_meter.domain.selling.payment import Charge, Payment
from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.selling.refund import Refund, RefundMarks, find_refund
from pancake_meter.domain.standing.bought_twice import bought_twice
from pancake_meter.domain.standing.follow import follow, open_following
from pancake_meter.domain.standing.late_use import file_late_use
from pancake_meter.domain.standing.lifecycle import Bound, LifecycleEvent, LifecycleKind, StatedPeriod
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.domain.standing.paid_period import Charged
from pancake_meter.domain.standing.standing import Covered, standing_of
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.domain.usage.late import count_late, is_late, is_open_again
from pancake_meter.domain.usage.usage_event import UsageEvent
from pancake_meter.store.balance.balance_item import balance_from_item, balance_item
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.standing.customer_books import CustomerBooks
from pancake_meter.usecases.webhooks.purchase import buy_stated
from pancake_meter.usecases.webhooks.refund import follow_refunds
from pancake_meter.value import Value, replace
from pancake_meter.waffo.events import EventKind, Order, PaymentFacts
from tests.support.webhook_world import utc

if TYPE_CHECKING:
    from pancake_meter.store.table import Table

CUSTOMER = "acct_1001"
CATALOG: Catalog = load_catalog(Path(__file__).parents[2] / "layers" / "catalog" / "catalog.toml")


def _hoarder() -> Plan:
    """A plan like scale that rolls over more than one month's allowance: what was left of each period shows in the next."""
    scale = CATALOG.plans["scale"]
    tokens = replace(scale.allowances["tokens"], rollover_maximum=Decimal(15_000_000))
    return replace(scale, key="hoarder", allowances={**scale.allowances, "tokens": tokens})


TOP_UP_PRICE = Decimal("3.00")
PLANS = {**CATALOG.plans, "hoarder": _hoarder()}


class Step(Value):
    """One event: what it says of an order, and when it happened."""

    at: datetime
    facts: OrderFacts


def bound(text: str) -> Bound:
    """A day (``2026-03-10``) or an instant (``2026-03-10T15:14:30``)."""
    return Bound(utc(text), is_day="T" not in text)


def step(
    kind: LifecycleKind,
    order_id: str,
    at: str,
    start: str,
    end: str,
    plan: str | Plan = "starter",
    number: int = 0,
    **said: Any,
) -> Step:
    """A lifecycle event, with its period and plan; ``said`` are further fields of it."""
    happened = utc(at)
    sold = PLANS[plan] if isinstance(plan, str) else plan
    period = StatedPeriod(bound(start), bound(end), number)
    return Step(happened, OrderFacts.of(LifecycleEvent(kind, order_id, happened, period, sold, **said)))


def refunded(order_id: str, payment_id: str, at: str, paid_at: str, share: str) -> Step:
    """A share of a payment that went back."""
    paid = utc(paid_at)
    charge = Charged(Decimal(10), 10 * Decimal(share), paid, refunded_at=utc(at))
    return Step(utc(at), OrderFacts.of_charge(order_id, payment_id, charge))


class TopUp(Value):
    """A top-up of ``tokens`` that was paid for."""

    at: datetime
    payment_id: str
    units: int


class Receipt(Value):
    """A charge for an order: money for a plan, whose list price is ``price``."""

    at: datetime
    payment_id: str
    order_id: str
    charged: Decimal
    price: Decimal
    plan: str
    number: int


class MoneyBack(Value):
    """A share of a payment that went back, or did not after all. ``paid`` is the whole payment."""

    at: datetime
    payment_id: str
    id: str
    share: str
    has_failed: bool = False
    paid: Decimal = TOP_UP_PRICE
    order_id: str | None = None


Happening = Step | Receipt | TopUp | MoneyBack
"""What a webhook tells."""


@dataclass
class PureCustomer:
    """Subscription and balances of one customer, and what the ledger would have said."""

    now: datetime
    subscription: Subscription = field(default_factory=lambda: Subscription(CUSTOMER))
    balances: dict[str, Balance] = field(default_factory=dict)
    moved: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    lines: dict[str, dict[LineKey, OverageLine]] = field(default_factory=dict)
    payments: dict[str, Payment] = field(default_factory=dict)
    checks_store: bool = True
    closed: dict[str, list[ClosedPeriod]] = field(default_factory=dict)

    def copy(self) -> "PureCustomer":
        """Another customer who has come just as far."""
        moved, lines = dict(self.moved), {meter: dict(kept) for meter, kept in self.lines.items()}
        closed = {meter: list(kept) for meter, kept in self.closed.items()}
        return PureCustomer(
            self.now,
            self.subscription,
            dict(self.balances),
            moved,
            lines,
            dict(self.payments),
            self.checks_store,
            closed,
        )

    def stands_like(self, other: "PureCustomer") -> bool:
        """Whether the two will answer everything alike."""
        return (
            self.now == other.now
            and self.subscription == other.subscription
            and self.balances == other.balances
            and (self.moved, self.lines, self.payments) == (other.moved, other.lines, other.payments)
        )

    @property
    def metering(self) -> Metering:
        """The catalog; nothing here ever asks the table."""
        return Metering(cast("Table", None), CATALOG)

    def open(self, *meters: str) -> None:
        """Open balances under what is known now."""
        for meter in meters:
            default = self.metering.fallback(meter)
            self._write(open_following(CUSTOMER, meter, self.subscription, default, self.now, self.now))

    def take(self, told: Happening, at: datetime | None = None) -> None:
        """Learn of an event."""
        self.pass_to(max(self.now, at or self.now))
        if isinstance(told, Step):
            self._keep(self._books().learn(told.facts))
            return
        payment = self._payment(told)
        if isinstance(told, MoneyBack):
            self._settle(_with_refund(payment, told), self._books())
        elif payment.charge is None and isinstance(told, Receipt):
            charge = Charge("USD", told.charged, told.price, told.at, "subscription", told.plan, told.number)
            self._settle(payment.with_charge(charge), self._books())
        elif payment.charge is None and isinstance(told, TopUp):
            bought = buy_stated(self._books(), CATALOG, _top_up_facts(told), min(told.at, self.now))
            assert bought is not None
            charge = Charge("USD", TOP_UP_PRICE, TOP_UP_PRICE, told.at, "top_up")
            self._settle(replace(payment.with_charge(charge), credits=bought.credits), bought.books)

    def knows(self, told: Happening) -> bool:
        """Whether an event is plainly no news: the facts have it already."""
        if isinstance(told, Step):
            return self.subscription.learn(told.facts) == self.subscription
        payment = self._payment(told)
        return _with_refund(payment, told) == payment if isinstance(told, MoneyBack) else payment.charge is not None

    def _payment(self, told: Receipt | TopUp | MoneyBack) -> Payment:
        order_id = told.payment_id if isinstance(told, TopUp) else told.order_id or told.payment_id
        return self.payments.get(told.payment_id) or Payment(told.payment_id, order_id, CUSTOMER)

    def _books(self) -> CustomerBooks:
        changes = {
            meter: advance(balance, self.now, self.metering.fallback(meter)) for meter, balance in self.balances.items()
        }
        due = {meter: self._due_lines(meter) for meter in self.lines}
        return CustomerBooks(
            self.metering, CUSTOMER, self.now, self.subscription, self.subscription, changes, lines=due
        )

    def _due_lines(self, meter: str) -> dict[LineKey, OverageLine]:
        return {key: line for key, line in self.lines.get(meter, {}).items() if line.due or line.reopened}

    def _settle(self, payment: Payment, books: CustomerBooks) -> None:
        payment, books = follow_refunds(payment, books)
        self.payments[payment.payment_id] = payment
        self._keep(books)

    def _keep(self, books: CustomerBooks) -> None:
        self.subscription = books.learned
        for meter in books.touched:
            self._write(books.changes[meter])

    def take_all(self, steps: Iterable[Step]) -> None:
        """Learn of events in this order, all of them now."""
        for each in steps:
            self.take(each)

    def use(self, units: int, meter: str = "tokens") -> None:
        """Record usage now."""
        self.pass_to(self.now)
        self.balances[meter] = record_usage(self.balances[meter], Decimal(units), self.now)

    def tell(self, units: int, used_at: str, meter: str = "tokens") -> None:
        """Record usage that happened before, and is told only now; the first use of a meter opens its balance."""
        self.pass_to(self.now)
        is_first = meter not in self.balances
        if is_first:
            self.open(meter)
        balance, event = self.balances[meter], UsageEvent("told", Decimal(units), utc(used_at), None)
        closed = [period for period in self.closed.get(meter, []) if not is_open_again(balance, period)]
        if is_late(balance, event) and period_of(closed, event.used_at):
            late = count_late(Change.begin(balance), closed, (), [event])
            change, self.subscription = file_late_use(late, closed, self.subscription, self.now)
            self._write(change)
        else:
            self.balances[meter] = record_usage(balance, event.quantity, event.used_at)

    def pass_to(self, now: datetime) -> None:
        """Let time pass."""
        self.now = now
        for meter, balance in self.balances.items():
            default = self.metering.fallback(meter)
            change = advance(balance, now, default)
            if balance.term.order_id is not None and change.balance.term.order_id is None:
                # Where a paid term has lapsed, another order may govern from then on.
                known, lines = self.subscription, self._due_lines(meter)
                change, self.subscription = follow(change, known, known, default, lines, now)
            if not change.is_empty:
                self._write(change)

    def available(self, meter: str = "tokens") -> int:
        """Units left."""
        return int(self.balances[meter].available)

    def plan(self, meter: str = "tokens") -> str | None:
        """Plan that governs the balance."""
        return self.balances[meter].policy.plan

    def picture(self) -> dict[str, Any]:
        """Everything that must not depend on the order of events: not how many writes it took, nor when."""
        return {
            "orders": self.subscription.orders,
            "standing": {meter: self._standing(meter) for meter in CATALOG.meters},
            "bought_twice": bought_twice(self.subscription),
            "balances": {meter: _balance_picture(balance) for meter, balance in sorted(self.balances.items())},
            "ledger": {meter: self._ledger_totals(meter) for meter in sorted(self.balances)},
        }

    def _standing(self, meter: str) -> object:
        standing = standing_of(self.subscription, meter, self.now)
        return (standing.place, standing.plan, standing.term) if isinstance(standing, Covered) else standing

    def _write(self, change: Change) -> None:
        if self.checks_store:
            assert balance_from_item(balance_item(change.after)) == change.after, "the store would forget something"
        for movement in change.movements:
            moved = (change.balance.meter, movement.kind)
            self.moved[moved] = self.moved.get(moved, Decimal(0)) + movement.quantity
        self.lines[change.balance.meter] = change.lines_over(self.lines.get(change.balance.meter, {}))
        kept = {closed.counts_from: closed for closed in (*self.closed.get(change.balance.meter, []), *change.closed)}
        self.closed[change.balance.meter] = [kept[start] for start in sorted(kept, reverse=True)]
        # How many writes it took is no part of how a customer stands.
        self.balances[change.balance.meter] = replace(change.after, segment=0)

    def _ledger_totals(self, meter: str) -> dict[str, Decimal]:
        totals = {kind: quantity for (of_meter, kind), quantity in self.moved.items() if of_meter == meter}
        given = totals.get("granted", Decimal(0)) - totals.get("expired", Decimal(0))
        return {
            # An allowance that was given and expired untouched, and one that came too late to be given, are the same.
            "kept": given - totals.get("clawed_back", Decimal(0)),
            "used": totals.get("used", Decimal(0)) + self.balances[meter].used - self.balances[meter].burned,
            # What was open again, or paid for by a top-up that was told of late, is not overage of a closed period.
            "overage_closed": totals.get("overage_closed", Decimal(0))
            - totals.get("overage_resumed", Decimal(0))
            - totals.get("overage_covered", Decimal(0)),
        }


def deliver(
    order: Sequence[Happening],
    *,
    began: datetime,
    until: datetime,
    at_once: bool,
    meters: Sequence[str],
    used: int = 0,
) -> PureCustomer:
    """A customer whose events came in this order: each as soon as it can, or all of them only at the end."""
    customer = PureCustomer(began)
    customer.open(*meters)
    if used:
        customer.use(used, meters[0])
    clock = began
    for each in order:
        clock = until if not at_once else max(clock, each.at)
        customer.take(each, clock)
    customer.pass_to(until)
    return customer


def _with_refund(payment: Payment, told: MoneyBack) -> Payment:
    refund = Refund(
        told.id,
        None if told.has_failed else told.paid * Decimal(told.share),
        told.paid,
        told.at,
        RefundMarks(told.id),
        None if told.has_failed else told.at,
        told.at if told.has_failed else None,
    )
    known = find_refund(refund, payment.refunds.values())
    assert known != "unclear"
    return payment.with_refund(refund, known)


def left(steps: Iterable[Step], began: str = "2026-03-01", now: str = "2026-03-22") -> int:
    """Tokens left to a customer who learned of all steps at once, in this order."""
    customer = PureCustomer(utc(began))
    customer.open("tokens")
    for each in steps:
        customer.take(each, utc(now))
    return customer.available()


def left_in_any_order(*steps: Step) -> int:
    """Tokens left whatever the order, which is held to give one figure."""
    found = {left(order) for order in permutations(steps)}
    assert len(found) == 1, found
    return found.pop()


def _top_up_facts(step: TopUp) -> PaymentFacts:
    stated = {"kind": "top_up", "meter": "tokens", "quantity": str(step.units)}
    order = Order(step.payment_id, None, CUSTOMER, None, None, {}, None, stated)
    return PaymentFacts(
        kind=EventKind.ORDER_COMPLETED,
        order=order,
        payment_id=step.payment_id,
        status=None,
        currency="USD",
        charged=TOP_UP_PRICE,
        amount=None,
        list_price=None,
        paid_on=None,
        method=None,
        failure_reason=None,
        period_number=None,
    )


def _balance_picture(balance: Balance) -> dict[str, Any]:
    # How much of a plan's allowance is left says all: the same may have been given whole, or less what was gone already.
    left = burn(balance).grants
    grants = sorted((grant.id, grant.kind, grant.remaining) for grant in left if grant.remaining)
    return {
        "plan": balance.policy,
        "term": balance.term,
        "period": balance.period,
        "used": balance.used_of_plan,
        "overage": balance.current_overage,
        "overage_due": balance.overage_due,
        "refund_debt": balance.refund_debt,
        "grants": grants,
        "headroom": balance.headroom,
    }
