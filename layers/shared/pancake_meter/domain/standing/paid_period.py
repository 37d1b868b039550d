"""A paid period of an order: its bounds, the plans sold in it, and how much of them its money keeps.

Both parts are joins: statements and charges may become known in any order, and each twice.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Final

from pancake_meter.domain.quantity import part_of
from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.lifecycle import PeriodKey, StatedPeriod
from pancake_meter.value import Value, replace

CHANGE_MAX: Final = timedelta(minutes=5)
"""How far the events of one plan change lie apart: the end of one order, the beginning of another, and the charge."""

_WHOLE = Fraction(1)
_DAY = timedelta(days=1)


class Charged(Value):
    """The money of one payment for an order: ``charged`` came in, ``refunded`` of it went back, last at ``refunded_at``.

    ``price`` is the list price with tax, ``None`` where Waffo states none. ``number`` counts the order's charges. ``plan``
    is the key of the plan that was paid for, ``None`` where the charge does not say. ``revision`` counts the facts that are
    known of the payment: of two values, the one of more facts holds.
    """

    charged: Decimal
    refunded: Decimal
    paid_at: datetime
    number: int | None = None
    plan: str | None = None
    price: Decimal | None = None
    refunded_at: datetime | None = None
    revision: int = 1

    @property
    def left(self) -> Decimal:
        """What of the money still stands."""
        return max(Decimal(0), self.charged - self.refunded)

    def was_refunded_before(self, instant: datetime) -> bool:
        """Whether all of it had gone back by then."""
        return not self.left and self.refunded_at is not None and self.refunded_at <= instant

    def join(self, other: "Charged") -> "Charged":
        """Return the value of more facts."""
        return max(self, other, key=lambda charge: (charge.revision, charge.refunded))


Charges = Mapping[str, Charged]
"""By payment id."""


class Sale(Value):
    """A plan as it was sold at ``sold_at``; ``price`` is its list price where Waffo states one.

    ``is_trial`` says that the period is one of a trial, or that it is not; ``None``: an ``activated`` that does not tell.
    """

    plan: Plan
    sold_at: datetime
    is_trial: bool | None = None
    price: Decimal | None = None


class PaidPeriod(Value, dict=True):
    """One period that was paid for, or is on trial. ``statements`` are all that was said of its plan, oldest first."""

    period: StatedPeriod
    statements: tuple[Sale, ...]
    numbers: frozenset[int] = frozenset()

    @classmethod
    def of(cls, period: StatedPeriod, sale: Sale) -> "PaidPeriod":
        """Return what one event says of a period."""
        return cls(period, (sale,), frozenset({period.number} - {0}))

    @property
    def key(self) -> PeriodKey:
        """What makes it the same period as another of its order."""
        return self.period.key

    @cached_property
    def sales(self) -> tuple[Sale, ...]:
        """What was sold in it, oldest first: statements that only repeat the one before are left out."""
        sales: list[Sale] = []
        for statement in self.statements:
            if not sales or sales[-1].plan != statement.plan:
                sales.append(statement)
        return tuple(sales)

    @property
    def plan(self) -> Plan:
        """The plan that was sold last."""
        return self.statements[-1].plan

    @property
    def sold_at(self) -> datetime:
        """When it was last said to be paid for."""
        return self.statements[-1].sold_at

    @property
    def list_price(self) -> Decimal | None:
        """The list price, tax included, of the plan that was sold last; ``None`` where none is known."""
        sales = (
            sale for sale in reversed(self.statements) if sale.plan.key == self.plan.key and sale.is_trial is not True
        )
        return next((sale.price for sale in sales if sale.price is not None), None)

    @cached_property
    def is_trial(self) -> bool:
        """Whether nothing was paid for it yet: some statement calls it a trial, and none says that it is paid."""
        told = {statement.is_trial for statement in self.statements}
        return True in told and False not in told

    def join(self, other: "PaidPeriod") -> "PaidPeriod":
        """Return all that two values of one period say: the finer bounds, and every statement."""
        # A bare day stands for its midnight, so the greater of two bounds of one day is the finer one; and an end that
        # was once stated never moves back.
        period = StatedPeriod(
            start=max(self.period.start, other.period.start, key=lambda bound: (bound.at, not bound.is_day)),
            end=max(self.period.end, other.period.end, key=lambda bound: (bound.at, not bound.is_day)),
            number=max(self.period.number, other.period.number),
        )
        statements: dict[tuple[datetime, str], Sale] = {}
        for sale in (*self.statements, *other.statements):
            said = (sale.sold_at, sale.plan.key)
            known = statements.get(said)
            statements[said] = _both(known, sale) if known else sale
        told = tuple(statements[said] for said in sorted(statements))
        return replace(self, period=period, statements=told, numbers=self.numbers | other.numbers)

    def allowance(self, meter: str, charges: Collection[Charged], replaced: Collection["Funded"] = ()) -> Decimal:
        """Return the units of a meter that the plan sold last grants, less what was given back of its money.

        While one charge stands, what it paid for stands: the plan is worth no less than a lower one that was sold before
        it in this period and is still paid for. A change of plan that made a new order changes nothing of that: the money
        of the periods that it ``replaced`` counts with the period's own, and keeps at least what it bought.
        """
        kept, sold = self._allowance(meter, charges), self.plan.allowances.get(meter)
        if sold is None or not replaced:
            return kept
        granted = self._on_trial(sold.quantity, self.plan)
        together = [*charges, *(charge for before in replaced for charge in before.charges)]
        before = [period.paid.allowance(meter, period.charges) for period in replaced]
        return max(kept, part_of(granted, _share_left(together)), *(min(granted, units) for units in before))

    def _allowance(self, meter: str, charges: Collection[Charged]) -> Decimal:
        """Return what the period's own money keeps of a meter."""
        last = self.sales[-1]
        sold = last.plan.allowances.get(meter)
        if sold is None:
            return Decimal(0)
        granted = self._on_trial(sold.quantity, last.plan)
        share = self.kept(charges)
        if share == _WHOLE:
            return granted
        kept = part_of(granted, share)
        for sale in self.sales[:-1]:
            lower = sale.plan.allowances.get(meter)
            if lower is not None and sale.plan.rank < last.plan.rank:
                share = _share_left(self._charges_of(sale, charges) or charges)
                kept = max(kept, min(granted, part_of(self._on_trial(lower.quantity, sale.plan), share)))
        return kept

    def kept(self, charges: Collection[Charged]) -> Fraction:
        """Return the share (0 to 1) of the plan sold last that the period's money keeps: by money, never by counting.

        It is what is left of all that was charged in the period. Where the plan was charged in full, whatever had been paid
        before it, that charge alone may keep more. Without a charge that we know, the period stands as it was stated.
        """
        paid = [charge for charge in charges if charge.charged > 0]
        of_all = _share_left(paid)
        if of_all == _WHOLE:
            return of_all
        last, shares = self.sales[-1], [of_all]
        paid.sort(key=lambda charge: charge.paid_at)
        for index, charge in enumerate(paid):
            if self._plan_of(charge) == last.plan.key and _is_in_full(charge, paid[:index], last):
                shares.append(_share_left([charge]))
        return max(shares)

    def _on_trial(self, quantity: Decimal, plan: Plan) -> Decimal:
        """Return what a plan grants here: on trial, what it says; a plan that says nothing grants all."""
        is_cut = self.is_trial and plan.trial is not None
        return part_of(quantity, Fraction(plan.trial or 0)) if is_cut else quantity

    def _charges_of(self, sale: Sale, charges: Iterable[Charged]) -> list[Charged]:
        return [charge for charge in charges if self._plan_of(charge) == sale.plan.key]

    def _plan_of(self, charge: Charged) -> str:
        """Return the key of the plan that a charge is for: as it says, else the one in force when it was paid."""
        in_force = (sale.plan.key for sale in reversed(self.sales) if sale.sold_at - CHANGE_MAX <= charge.paid_at)
        return charge.plan or next(in_force, self.sales[0].plan.key)


class Funded(Value):
    """A paid period and the money of it."""

    paid: PaidPeriod
    charges: tuple[Charged, ...]


def charges_by_period(periods: Iterable[PaidPeriod], charges: Charges) -> dict[PeriodKey, list[str]]:
    """Return the ids of the payments of each period: by the number of the charge, else by when it was paid."""
    known = list(periods)
    by_period: dict[PeriodKey, list[str]] = {period.key: [] for period in known}
    for payment_id, charge in sorted(charges.items()):
        period = _period_of(charge, known)
        if period is not None:
            by_period[period.key].append(payment_id)
    return by_period


def _period_of(charge: Charged, periods: Collection[PaidPeriod]) -> PaidPeriod | None:
    numbered = [period for period in periods if charge.number in period.numbers]
    if numbered:
        return next((period for period in numbered if _is_paid_in(charge, period)), numbered[0])
    return next((period for period in periods if _may_be_of(charge, period) and _is_paid_in(charge, period)), None)


def _may_be_of(charge: Charged, period: PaidPeriod) -> bool:
    """Whether a charge fits a period that does not state its number: a change of plan is charged under the next."""
    return not charge.number or not period.numbers or charge.number == max(period.numbers) + 1


def _is_paid_in(charge: Charged, period: PaidPeriod) -> bool:
    return period.key[0] <= charge.paid_at < period.period.ends_at


def _is_in_full(charge: Charged, earlier: Collection[Charged], sale: Sale) -> bool:
    """Whether a charge pays for the whole plan, and not only for what it costs more than what was paid before."""
    if all(other.was_refunded_before(charge.paid_at) for other in earlier):
        return True
    price = max((price for price in (sale.price, charge.price) if price is not None), default=None)
    return price is not None and charge.charged >= price


def _share_left(charges: Collection[Charged]) -> Fraction:
    """Return the share of the money that still stands; without any, nothing was given back."""
    charged = sum(charge.charged for charge in charges)
    left = sum(charge.left for charge in charges)
    return _WHOLE if left == charged else Fraction(left) / Fraction(charged)


def _both(left: Sale, right: Sale) -> Sale:
    """Return two readings of one statement as one: known as a trial, and with a price, as soon as one of them says so."""
    price = left.price if left.price is not None else right.price
    told = [is_trial for is_trial in (left.is_trial, right.is_trial) if is_trial is not None]
    return replace(left, is_trial=any(told) if told else None, price=price)
