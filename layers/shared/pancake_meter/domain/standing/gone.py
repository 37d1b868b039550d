"""What is gone of a paid period's allowance, and what rolled over into it: folds over facts and filed uses.

Which uses count in a quota window:

- those of the same period, of its earlier sales by the new plan's quota policy;
- at the beginning of an order, those of the order that it replaced, or that stood beside it: bought twice gives one
  allowance, and a plan change gives nothing twice;
- those of a later order that came and went meanwhile, back under the one that stood before it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import zip_longest

from pancake_meter.domain.balance.balance import ZERO, window_in
from pancake_meter.domain.balance.limits import NO_LIMITS, Limits
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.quantity import part_of
from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.order import MAX_PERIODS, OrderFacts
from pancake_meter.domain.standing.paid_period import PaidPeriod, Sale
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.domain.standing.use import PeriodUse
from pancake_meter.value import Value

_MILLISECOND = timedelta(milliseconds=1)
_DAY = timedelta(days=1)


class _Spell(Value):
    """One sale of one order, as a step of the fold; ``allowance`` is what it grants in a window."""

    sale: Sale
    window: Period
    allowance: Decimal
    uses: tuple[PeriodUse, ...]

    def enter(self, gone: Decimal, before: "_Spell | None") -> Decimal:
        """Return how much of this sale's allowance is gone from the start, by its quota policy."""
        if before is None:
            return gone
        match self.sale.plan.quota_change:
            case "reset":
                return ZERO
            case "carry":
                return gone
            case "prorate":
                return self._prorated(gone, before)

    def _prorated(self, gone: Decimal, before: "_Spell") -> Decimal:
        """Each plan's allowance for its share of the window, less what is gone; a window that begins anew is all its own."""
        window = self.window
        if before.window.start < window.start:
            return ZERO
        elapsed = min(max(self.sale.sold_at, window.start), window.end) - window.start
        share = Fraction(elapsed // _MILLISECOND, (window.end - window.start) // _MILLISECOND)
        prorated = part_of(before.allowance, share) + part_of(self.allowance, 1 - share)
        return max(ZERO, self.allowance - max(ZERO, prorated - gone))


def begins_whole(plan: Plan, meter: str, before: datetime, start: datetime) -> bool:
    """Whether nothing that was used before a change to ``plan`` counts under it.

    The quota windows of the plan before and of this one start at ``before`` and at ``start``.
    """
    if meter not in plan.allowances or plan.quota_change == "reset":
        return True
    return plan.quota_change == "prorate" and before < start


def gone_in(subscription: Subscription, order: OrderFacts, paid: PaidPeriod, meter: str, window: Period) -> Decimal:
    """Return the units that are gone of what a period gives in one of its quota windows, as far as they are filed."""
    uses = subscription.uses_of(meter)
    chain = [order, *_before(subscription, order, paid, window)]
    gone, before = ZERO, None
    for earlier in reversed(chain):
        period = paid if earlier is order else earlier.period_at(order.began[1])
        if period is None:
            continue
        for spell in _spells(subscription, earlier, period, meter, window):
            gone = spell.enter(gone, before) + sum((use.gone for use in spell.uses), ZERO)
            before = spell
    # The uses of orders that came after and are gone again: they happened in this window.
    chained = {each.order_id for each in chain}
    began = chain[-1].began
    since = (each for each in subscription.orders if each.order_id not in chained and each.began >= began)
    later = {each.order_id for each in since if not each.is_add_on}
    return gone + sum((use.gone for use in uses if use.order_id in later and use.until > window.start), ZERO)


def _before(subscription: Subscription, order: OrderFacts, paid: PaidPeriod, window: Period) -> Iterator[OrderFacts]:
    """Orders whose uses count at the beginning of an order, the newest first."""
    if paid.key != order.all_periods[-1].key or window.start > paid.statements[0].sold_at:
        return
    replaced, live = subscription.replaced, {each.order_id for each in subscription.live_plans}
    current = order
    for earlier in subscription.orders:
        if earlier.began >= current.began or earlier.is_add_on:
            continue
        of = replaced.get(current.order_id, frozenset())
        if earlier.order_id in of or (not of and earlier.order_id in live):
            yield earlier
            current = earlier


def _spells(
    subscription: Subscription, order: OrderFacts, paid: PaidPeriod, meter: str, window: Period
) -> Iterator[_Spell]:
    """The sales of a period, oldest first, each with its uses that reach into the window.

    Where the window began after a sale, what was used before that sale is of another window.
    """
    term, sales, uses = order.term(paid), paid.sales, subscription.uses_of(meter)
    for sale, following in zip_longest(sales, sales[1:]):
        if following is not None and following.sold_at <= window.start:
            continue
        allowance = sale.plan.allowances.get(meter)
        sold = allowance.quantity if allowance else ZERO
        quantity = subscription.granted(order, paid, meter) if following is None else sold
        cadence = allowance.cadence if allowance else "billing"
        _, own_window = window_in(term, cadence, max(sale.sold_at, window.start))
        own = (use for use in uses if (use.order_id, use.key) == (order.order_id, paid.key))
        of_sale = (use for use in own if _is_of(use, sale, following) and use.reaches(window.start))
        yield _Spell(sale, own_window, quantity, tuple(of_sale))


def _is_of(use: PeriodUse, sale: Sale, following: Sale | None) -> bool:
    """Whether a use is of a sale: statements that came later may have split the sale that it was filed under."""
    return sale.sold_at <= use.sold_at and (following is None or use.sold_at < following.sold_at)


def rolled_into(
    subscription: Subscription,
    order: OrderFacts,
    paid: PaidPeriod,
    meter: str,
    maximum: Decimal,
    limits: Limits = NO_LIMITS,
) -> Decimal:
    """Return what rolls over into a period from those that lead up to it on the same plan and without a gap.

    A period that no balance went through, because its events came late, rolls over whole: nobody can have used it. Where the
    customer's ``limits`` grant less than was sold, no more than that rolls over.
    """
    if maximum == ZERO:
        return ZERO
    lead = _lead(order, paid)
    uses = [use for use in subscription.uses_of(meter) if use.order_id == order.order_id]
    # Where there may have been more than is remembered, what came over is known from the balance alone.
    rolled = None if len(lead) == MAX_PERIODS - 1 else ZERO
    for earlier in reversed(lead):
        allowance = limits.allowance(subscription.granted(order, earlier, meter))
        sold = earlier.plan.allowances.get(meter)
        cadence = sold.cadence if sold else "billing"
        last, _ = window_in(order.term(earlier), cadence, earlier.period.ends_at - _MILLISECOND)
        use = max((use for use in uses if use.key == earlier.key), key=lambda use: use.window.end, default=None)
        if use is not None:
            came = use.rolled if rolled is None or last else rolled
            gone = gone_in(subscription, order, earlier, meter, use.window)
            rolled = min(maximum, max(ZERO, came + allowance - gone))
        else:
            rolled = idle(rolled or ZERO, last + 1, maximum, allowance)
    return rolled or ZERO


def idle(rolled: Decimal, windows: int, maximum: Decimal, allowance: Decimal) -> Decimal:
    """Return what rolls over out of quota windows that nobody used."""
    return min(maximum, rolled + windows * allowance)


def _lead(order: OrderFacts, paid: PaidPeriod) -> list[PaidPeriod]:
    """The paid periods right before one, the latest first."""
    lead: list[PaidPeriod] = []
    start = paid.period.start.at
    for earlier in order.all_periods:
        if earlier.key >= paid.key:
            continue
        if earlier.period.ends_at + _DAY < start or earlier.plan.key != paid.plan.key or earlier.is_trial:
            break
        start = earlier.key[0]
        lead.append(earlier)
    return lead
