"""What a customer is due: a small calculation of its own, beside the domain and without it.

It reads DESIGN section 4 and what the catalog says, knows what truly happened (``waffo_model.py``) and never asks in which
order it was told. An ``Account`` follows a life move by move; ``Due`` is what there is to see.

- Each meter has its own governing order: of the live ones whose plan grants it the highest rank, then the newest.
- A plan is kept by the money of its period that still stands; a lower plan that was sold before in the period, and is still
  paid for, is kept at least. A trial grants its fraction, an add-on its own units on top.
- What is used burns the plan's units, then the add-on's, then bought ones. The rest is owed under the plan that governed,
  and the units that come next in the same period pay for it.
- Bought units are one pool: refunds take of it, and what is gone already is a debt that the next purchase pays. What was
  bought before the end of a period pays for what is owed of it, whatever plan took over meanwhile.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from pancake_meter.domain.balance.period import add_months
from pancake_meter.domain.selling.plan import PastDueBlock
from pancake_meter.value import Value, field, replace
from tests.support.pure_subscription import CATALOG
from tests.support.waffo_model import BEGAN, SOLD, TOP_UP_UNITS, Life, Order, Payment, Use

FREE = CATALOG.default_plan
_DAY = timedelta(days=1)
_PAST_DUE = timedelta(days=7)
_TOKENS = "tokens"

Place = tuple[str, datetime]
"""An order and the start of its paid period; no order and the start of a month on the free plan."""


class Used(Value):
    """Units that were taken of what a place gives."""

    place: Place
    at: datetime
    units: int


class Due(Value):
    """What the customer has, and owes: plan units and those on top, bought ones, overage by plan, refunded ones gone."""

    plan: str | None
    plan_left: int
    add_on_left: int
    bought: int
    owed: Mapping[tuple[datetime, str | None], int]
    debt: int
    runs: int

    @property
    def in_sum(self) -> tuple[str | None, int, int]:
        """What holds although units were used beyond the plan: who pays for those depends on what was heard first."""
        total = self.plan_left + self.add_on_left + self.bought - sum(self.owed.values()) - self.debt
        return self.plan, total, self.runs


class Account(Value):
    """What was used and bought so far; ``owed`` is by line: the start of a period, and its plan, ``ends`` when it is over.

    ``beyond``: units were used for which no grant was there. ``stretch`` are the moves since the customer last used units.
    ``is_open``: an add-on that may have paid for units from before it was changed in the same stretch. What has paid stays
    paid (decision 5), so there it matters what was heard first.
    """

    used: tuple[Used, ...] = ()
    bought: int = 0
    debt: int = 0
    owed: Mapping[tuple[datetime, str | None], int] = field(default_factory=dict)
    ends: Mapping[tuple[datetime, str | None], datetime] = field(default_factory=dict)
    beyond: bool = False
    stretch: tuple[str, ...] = ()
    is_open: bool = False

    def lives(self, before: Life, after: Life) -> "Account":
        """Return the account after one move. Until it, what the life before has to offer is there."""
        name = after.names[-1]
        is_torn = self.beyond and name.startswith("add-on") and self._is_mixed(name)
        account = replace(self, stretch=(*self.stretch, name), is_open=self.is_open or is_torn)
        account = account._given_and_taken(before, after)
        for told in after.sent:
            if isinstance(told, Use):
                account = replace(account._uses(after, told), stretch=())
        return account._covers(after)

    def _is_mixed(self, name: str) -> bool:
        """Whether an add-on's move follows others of its stretch that may change whom or what it pays for."""
        is_first = not any(each.startswith("add-on") for each in self.stretch)
        has_others = any(not each.startswith("add-on") for each in self.stretch)
        return not is_first and (has_others or name == "add-on renewed")

    def due(self, life: Life, now: datetime) -> Due:
        """Return what there is to see."""
        account = self._covers(replace(life, now=now))
        _, plan = _governing(life, _TOKENS, now)
        runs = _governing(life, "agent_runs", now)
        return Due(
            plan,
            account._plan_left(life, now),
            sum(account._left_of(order, life) for order in _add_ons(life, now)),
            account.bought,
            {line: units for line, units in account.owed.items() if units},
            account.debt,
            _allowance(life, *runs, "agent_runs"),
        )

    def _given_and_taken(self, before: Life, after: Life) -> "Account":
        """Buy top-ups, and let refunds take and failed ones give."""
        known = {paid.id: _units(paid) for paid in before.payments}
        account = self
        for paid in after.payments:
            more = _units(paid) - known.get(paid.id, 0)
            if more < 0:
                taken = min(account.bought, -more)
                account = replace(account, bought=account.bought - taken, debt=account.debt - more - taken)
            elif more > 0:
                cleared = min(account.debt, more) if paid.id in known else 0
                account = replace(account, debt=account.debt - cleared, bought=account.bought + more - cleared)
                account = account._pays_lines(after, paid.at)._covers(after)._clears()
        return account

    def _pays_lines(self, life: Life, paid_at: datetime) -> "Account":
        """Pay what is owed of other periods that were not over when the units were bought, the oldest first."""
        bought, owed = self.bought, dict(self.owed)
        for line in sorted(owed, key=lambda line: (line[0], line[1] or "")):
            if line != _line(life, life.now) and self.ends[line] > paid_at:
                paid = min(bought, owed[line])
                bought, owed[line] = bought - paid, owed[line] - paid
        return replace(self, bought=bought, owed=owed)

    def _clears(self) -> "Account":
        paid = min(self.bought, self.debt)
        return replace(self, bought=self.bought - paid, debt=self.debt - paid)

    def _uses(self, life: Life, use: Use) -> "Account":
        line = _line(life, use.at)
        owed, ends = {**self.owed, line: self.owed.get(line, 0) + use.units}, {**self.ends, line: _ends(life, use.at)}
        owes = replace(self, owed=owed, ends=ends)._covers(life)
        return replace(owes, beyond=self.beyond or owes.owed[line] > 0)

    def _covers(self, life: Life) -> "Account":
        """Let units that are there pay for what is owed in the open period: the plan's, the add-ons', bought ones."""
        now = life.now
        line, (place, _) = _line(life, now), _governing(life, _TOKENS, now)
        owed, used = self.owed.get(line, 0), list(self.used)
        lots = [(place, self._plan_left(life, now))]
        lots += [((order.id, order.start), self._left_of(order, life)) for order in _add_ons(life, now)]
        for lot, left in lots:
            if owed and left:
                paid = min(owed, left)
                owed -= paid
                used.append(Used(lot, now, paid))
        paid = min(owed, self.bought)
        owes = {**self.owed, line: owed - paid} if line in self.owed else self.owed
        return replace(self, used=tuple(used), bought=self.bought - paid, owed=owes)

    def _plan_left(self, life: Life, now: datetime) -> int:
        place, plan = _governing(life, _TOKENS, now)
        order = next((order for order in life.orders if order.id == place[0]), None)
        places = {place} if order is None else {place, *_places_before(life, order)}
        gone = sum(use.units for use in self.used if use.place in places)
        if order is not None:
            later = {each.id for each in life.orders if each.began > order.began and not each.is_add_on}
            gone += sum(use.units for use in self.used if use.place[0] in later and use.at > order.start)
        return max(0, _allowance(life, place, plan, _TOKENS) - gone)

    def _left_of(self, order: Order, life: Life) -> int:
        place = (order.id, order.start)
        gone = sum(use.units for use in self.used if use.place == place)
        return max(0, _allowance(life, place, order.plan, _TOKENS) - gone)


def _units(paid: Payment) -> int:
    """Units that a payment bought as a top-up, less what was refunded of them."""
    return TOP_UP_UNITS - _part(TOP_UP_UNITS, paid.back) if paid.plan is None else 0


def _part(units: int | Decimal, share: Decimal | Fraction) -> int:
    return int(Fraction(units) * Fraction(share))


def _line(life: Life, now: datetime) -> tuple[datetime, str | None]:
    place, plan = _governing(life, _TOKENS, now)
    return place[1], plan


def _ends(life: Life, now: datetime) -> datetime:
    """When the period that is open is over: a paid one with its term, one of the free plan after a month."""
    place, _ = _governing(life, _TOKENS, now)
    order = next((order for order in life.orders if order.id == place[0]), None)
    return order.end if order else add_months(place[1], 1)


def _covers_until(order: Order) -> datetime:
    """When access to an order's paid period ends, if nothing else is heard."""
    if order.ended_at is not None:
        return order.ended_at
    overdue = SOLD[order.plan].past_due
    if order.status != "past_due":
        return order.end + _DAY
    return order.end + (overdue.grace if isinstance(overdue, PastDueBlock) else _PAST_DUE + _DAY)


def _governing(life: Life, meter: str, now: datetime) -> tuple[Place, str | None]:
    """Return where a meter stands, and under which plan."""
    live = [order for order in life.live if now < _covers_until(order)]
    if live:
        given = {each.id: _allowance(life, (each.id, each.start), each.plan, meter) for each in live}
        whole = (max(given.values()),)
        # One that gives less than it sold, because money went back, takes nothing away from another that gives more.
        live = [each for each in live if given[each.id] in (*whole, _sold(None, each.plan, meter))]
        best = max(live, key=lambda each: (meter in SOLD[each.plan].allowances, SOLD[each.plan].rank, each.began))
        return (best.id, best.start), best.plan
    unpaid = [
        each for each in life.live if each.status == "past_due" and isinstance(SOLD[each.plan].past_due, PastDueBlock)
    ]
    replaced = {order.took_place_of for order in life.orders}
    plans = [order for order in life.orders if not order.is_add_on and order.id not in replaced]
    since = max((_covers_until(order) for order in plans), default=BEGAN)
    if unpaid:
        return ("", since), unpaid[-1].plan
    months = 0
    while add_months(since, months + 1) <= now:
        months += 1
    return ("", add_months(since, months)), FREE.key if FREE else None


def _add_ons(life: Life, now: datetime) -> Iterator[Order]:
    for order in life.orders:
        if order.is_add_on and order.status != "ended" and now < _covers_until(order):
            yield order


def _places_before(life: Life, order: Order) -> Iterator[Place]:
    """The places whose use counts at the beginning of an order: periods that ran then, of what it replaced or found."""
    if len(order.starts) > 1:
        return
    current = order
    plans = [each for each in life.orders if not each.is_add_on]
    for earlier in sorted(plans, key=lambda each: each.began, reverse=True):
        replaces = current.took_place_of
        stands = earlier.id == replaces or (replaces is None and earlier.status != "ended")
        if earlier.began < current.began and stands:
            start, end = next(span for span in earlier.spans if span[0] <= current.began)
            if end > order.start:
                yield earlier.id, start
            current = earlier


def _allowance(life: Life, place: Place, plan: str | None, meter: str) -> int:
    """Return the units that a place grants: as sold, less what was refunded of its money."""
    order = next((order for order in life.orders if order.id == place[0]), None)
    if order is None:
        free = FREE.allowances.get(meter) if FREE and plan == FREE.key else None
        return int(free.quantity) if free else 0
    paid = life.of_period(order)
    granted, share = _sold(order, order.plan, meter), _kept(order, paid)
    if share == 1:
        return granted
    kept = [_part(granted, share)]
    for sale in order.sales[:-1]:
        if SOLD[sale].rank < SOLD[order.plan].rank:
            of_sale = [each for each in paid if each.plan == sale] or paid
            kept.append(min(granted, _part(_sold(order, sale, meter), _share(of_sale))))
    return max(kept)


def _sold(order: Order | None, plan: str, meter: str) -> int:
    allowance, trial = SOLD[plan].allowances.get(meter), SOLD[plan].trial
    if allowance is None:
        return 0
    is_cut = order is not None and order.is_trial and trial is not None
    return _part(allowance.quantity, trial or Decimal(0)) if is_cut else int(allowance.quantity)


def _kept(order: Order, paid: list[Payment]) -> Fraction:
    """The share of the plan that its money keeps: what is left of all of it, or more where one charge bought all of it."""
    shares = [_share(paid)]
    for index, payment in enumerate(paid):
        gone_before = all(
            each.back == 1 and max(refund.at for refund in each.refunds if not refund.failed) <= payment.at
            for each in paid[:index]
        )
        if payment.plan == order.plan and (payment.charged >= payment.price or gone_before):
            shares.append(_share([payment]))
    return max(shares)


def _share(paid: list[Payment]) -> Fraction:
    charged = sum((each.charged for each in paid), Decimal(0))
    return Fraction(sum((each.left for each in paid), Decimal(0))) / Fraction(charged) if charged else Fraction(1)
