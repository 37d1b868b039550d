"""Overage lines: the overage of one period under one plan, unit by unit, and how far it has been billed.

The units of a line are numbered in the order in which they were used. Up to ``settled`` they are paid, from there to
``closed`` they are due, and in the line of the open period those above ``closed`` are the balance's own ``overage``, not yet
due.

**What a refunded payment settled is owed again**, and bought units may pay for it, after all else that they pay for: so it
comes to the same whether the pack or the refund is told of first. A line counts its ``reopened`` units, and of these the
``regained`` ones, which bought units have paid for. A refund that takes bought units, of which none are left, takes these:
they are owed once more, and are no debt (``adjust.claw_back``).

**A payment for overage goes before bought units**, whichever of the two is told of first: it settles also those of its
units that bought ones have paid for meanwhile, and these are there again. For that a line counts its ``covered`` units.

**Money in parts is money at once.** A price always counts from the start of the line: units cost what all units of the line
up to them cost, less what the units before them cost, exactly (``price_of``). A sale adds up the exact prices of its parts
and the *remainder* of the sales before it, and rounds once. What the rounding left out or added is the new remainder. It is
carried to the customer's next sale of the meter in the currency. So all that was sold, in one checkout or in many, of one
line or of many, costs the exact price of all of it, rounded once (``sale_of``).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Final

from pancake_meter.domain.instant import timestamp
from pancake_meter.domain.selling.money import Money, round_half_up
from pancake_meter.domain.selling.pricing import EXACT, Price, lump_price, price_of
from pancake_meter.value import Value, replace

_ZERO = Decimal(0)

MAX_SOLD_LINES: Final = 60
"""Lines of one checkout: settling it is one transaction, of at most 100 items."""

MAX_CHANGED_LINES: Final = 70
"""Lines that one change of a balance touches: beside them its transaction has room for all else that goes with it."""


class LineKey(Value):
    """Names a line: when its period began, as first known, and the plan that governed it.

    A line that others were merged into is named after the oldest of them, and after the balance's segment in which they
    were ``merged``; that of a period has 0 there.
    """

    period_start: datetime
    plan: str | None
    merged: int = 0

    @property
    def order(self) -> tuple[datetime, str, int]:
        """Sort key: oldest first."""
        return self.period_start, self.plan or "", self.merged

    def __str__(self) -> str:
        """Return the name of the line in keys and in the ledger; it sorts as ``order`` does, the merged lines by text."""
        name = f"{timestamp(self.period_start)}#{self.plan or ''}"
        return f"{name}#{self.merged}" if self.merged else name


class OverageLine(Value):
    """One line, or what a change adds to one: there the quantities are differences, and may be negative.

    ``forgiven`` units no longer count as overage; the number is kept to be seen. ``ends_at`` is when the period ended, or
    will: what was bought before then still pays for what is due here. ``prices``, by currency, are those of the plan when
    units of the line first became due, and stay. Only a line of earlier code, or of a plan without a price, has none.
    ``reopened`` units had a payment that was refunded, and no other payment, gift or grace has settled them since.
    ``regained`` ones of them are not owed, since bought units have paid for them. ``covered`` units, no reopened ones among
    them, were owed until bought units paid for them. Both are not in ``closed``. ``unkept`` is what the item of an earlier
    version does not say of the regained ones: it is written with the next change.
    """

    key: LineKey
    ends_at: datetime
    closed: Decimal = _ZERO
    settled: Decimal = _ZERO
    forgiven: Decimal = _ZERO
    prices: Mapping[str, Price] | None = None
    reopened: Decimal = _ZERO
    covered: Decimal = _ZERO
    regained: Decimal = _ZERO
    unkept: Decimal = _ZERO

    @property
    def due(self) -> Decimal:
        """Units of the line that are due and not paid."""
        return self.closed - self.settled

    @property
    def moves(self) -> bool:
        """Whether differences to a line change it, or there is something of it yet to be written."""
        figures = (self.closed, self.settled, self.forgiven, self.reopened, self.covered, self.regained, self.unkept)
        return any(figures)

    def again(self, owed: Decimal) -> Decimal:
        """Return how many of the units that the line owes are reopened ones, if it owes so many."""
        return min(owed, self.reopened - self.regained)

    def reopened_of(self, owed: Decimal, quantity: Decimal) -> Decimal:
        """Return how many of ``quantity`` units are reopened ones, of the ``owed`` of which they are paid: the last ones.

        So a payment and the refund of another one come to the same in either order.
        """
        return max(_ZERO, min(quantity, owed) - (owed - self.again(owed)))

    def more(
        self,
        *,
        closed: Decimal = _ZERO,
        settled: Decimal = _ZERO,
        forgiven: Decimal = _ZERO,
        reopened: Decimal = _ZERO,
        covered: Decimal = _ZERO,
        regained: Decimal = _ZERO,
    ) -> "OverageLine":
        """Return differences to this line."""
        return replace(
            self,
            closed=closed,
            settled=settled,
            forgiven=forgiven,
            reopened=reopened,
            covered=covered,
            regained=regained,
        )

    def plus(self, more: "OverageLine") -> "OverageLine":
        """Return the line with the differences added; the newer word on its end stands, and the older one on its prices."""
        return replace(
            self,
            ends_at=more.ends_at,
            closed=self.closed + more.closed,
            settled=self.settled + more.settled,
            forgiven=self.forgiven + more.forgiven,
            prices=self.prices or more.prices,
            reopened=self.reopened + more.reopened,
            covered=self.covered + more.covered,
            regained=self.regained + more.regained,
        )


Lines = Mapping[LineKey, OverageLine]
NO_LINES: Final[Lines] = {}


class SoldLine(Value):
    """What a checkout sells of a line: the units above ``start``, up to and with ``end``.

    ``price`` is their exact price. ``amount`` is the line's share of the checkout's amount: the shares add up to it.
    """

    key: LineKey
    start: Decimal
    end: Decimal
    amount: Money
    price: Decimal

    @property
    def quantity(self) -> Decimal:
        """Units sold."""
        return self.end - self.start


class PricedLine(Value):
    """A line and the exact price of its units due, in one currency."""

    line: OverageLine
    price: Decimal


def price_due(line: OverageLine, price: Price) -> PricedLine:
    """Return the line with the exact price of its units due."""
    return PricedLine(line, price_of(price, line.due, line.settled))


def worth_most(priced: Sequence[PricedLine], lines_max: int = MAX_SOLD_LINES) -> tuple[PricedLine, ...]:
    """Return at most so many lines, in the order given: those worth most, and of several worth the same the first.

    So no line waits behind others that are worth less, or that round to nothing.
    """
    best = sorted(range(len(priced)), key=lambda index: (-priced[index].price, index))[:lines_max]
    return tuple(priced[index] for index in sorted(best))


def sale_of(priced: Iterable[PricedLine], remainder: Decimal, currency: str) -> tuple[SoldLine, ...]:
    """Return the parts of a checkout that sells all units due in the lines, with the ``remainder`` of the sales before it.

    The module's docstring has the rule. Each line's amount is what the sum up to it comes to, less the sum before it.

    Raises:
        UnknownCurrency: the currency is unknown.
    """
    sold: list[SoldLine] = []
    before = Money(_ZERO, currency)
    for each in priced:
        remainder = exact_sum(remainder, each.price)
        after = round_half_up(max(_ZERO, remainder), currency)
        sold.append(SoldLine(each.line.key, each.line.settled, each.line.closed, after - before, each.price))
        before = after
    return tuple(sold)


def exact_sum(*amounts: Decimal) -> Decimal:
    """Return the sum of exact prices, exactly."""
    with localcontext(EXACT):
        return sum(amounts, _ZERO)


def merged_line(lines: Sequence[OverageLine], segment: int) -> OverageLine:
    """Return one line with all units that are due in ``lines`` of one plan, at what they cost there.

    It has the currencies in which all of them have a price. It is named after the first, the oldest.
    """
    quantity = sum((line.due for line in lines), _ZERO)
    currencies = set.intersection(*(set(line.prices or ()) for line in lines))
    totals = {
        currency: exact_sum(*(price_due(line, line.prices[currency]).price for line in lines if line.prices))
        for currency in sorted(currencies)
    }
    return OverageLine(
        LineKey(lines[0].key.period_start, lines[0].key.plan, segment),
        max(line.ends_at for line in lines),
        closed=quantity,
        prices={currency: lump_price(quantity, total) for currency, total in totals.items()},
        reopened=sum((line.again(line.due) for line in lines), _ZERO),
    )


class SettledUnits(Value):
    """``quantity`` units of a line that a payment settled."""

    key: LineKey
    quantity: Decimal
