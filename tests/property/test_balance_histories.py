"""Whatever happens to a balance, in whatever order: the invariants that make it trustworthy.

A history is a list of steps. Each is played against the pure core, and after every step all invariants are checked.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.domain.balance.adjust import (
    add_grant,
    claw_back,
    drop_expired_holds,
    forgive_overage,
    pay_overage,
    reopen_overage,
    set_blocked,
    set_limits,
)
from pancake_meter.domain.balance.advance import advance, open_balance, start_term
from pancake_meter.domain.balance.balance import ZERO, Balance, Policy, Term
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.closed_period import Chart, ClosedPeriod, period_of
from pancake_meter.domain.balance.credit import bought_lot
from pancake_meter.domain.balance.grant import MAX_GRANTS, Grant
from pancake_meter.domain.balance.hold import Hold
from pancake_meter.domain.balance.limits import Limits, SpendCap
from pancake_meter.domain.balance.spend import Refusal, place_hold, record_usage, release_hold, settle_hold
from pancake_meter.domain.quantity import SMALLEST_QUANTITY
from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.selling.overage import LineKey, OverageLine, SettledUnits, SoldLine
from pancake_meter.domain.selling.plan import OverageAllowed, OverageBlocked, OverageCapped
from pancake_meter.domain.usage.late import count_late, is_late
from pancake_meter.domain.usage.usage_event import UsageEvent
from pancake_meter.store.balance.balance_item import balance_from_item, balance_item
from pancake_meter.value import replace

T = TypeVar("T")

BEGIN = datetime(2024, 1, 31, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Use:
    quantity: Decimal


@dataclass(frozen=True)
class PlaceHold:
    quantity: Decimal
    hours: int


@dataclass(frozen=True)
class Release:
    number: int


@dataclass(frozen=True)
class Settle:
    number: int
    quantity: Decimal


@dataclass(frozen=True)
class Give:
    quantity: Decimal
    starts_in_hours: int
    lasts_hours: int | None


@dataclass(frozen=True)
class Buy:
    """A pack without expiry, or with one that others share: it goes to a lot."""

    quantity: Decimal
    expires: bool


@dataclass(frozen=True)
class RefundPack:
    expires: bool
    quantity: Decimal


@dataclass(frozen=True)
class TakeBack:
    number: int
    quantity: Decimal


@dataclass(frozen=True)
class Offer:
    """A checkout for everything owed, or its first units."""

    quantity: Decimal


@dataclass(frozen=True)
class Pay:
    """An offer is paid: the latest, an old one, one that was paid before."""

    number: int


@dataclass(frozen=True)
class Refund:
    """Some of the units that the payments so far settled go back."""

    number: int
    quantity: Decimal


@dataclass(frozen=True)
class Forgive:
    quantity: Decimal


@dataclass(frozen=True)
class Block:
    reason: str | None


@dataclass(frozen=True)
class Limit:
    """The customer's limits become these, or none."""

    limits: Limits


@dataclass(frozen=True)
class Renew:
    days: int


@dataclass(frozen=True)
class Wait:
    hours: int


@dataclass(frozen=True)
class UseLate:
    """Usage of some hours ago that comes only now."""

    quantity: Decimal
    hours: int


Step = (
    UseLate
    | Use
    | PlaceHold
    | Release
    | Settle
    | Give
    | Buy
    | RefundPack
    | TakeBack
    | Offer
    | Pay
    | Refund
    | Forgive
    | Block
    | Limit
    | Renew
    | Wait
)

units = st.integers(0, 1000).map(Decimal) | st.decimals(0, 1000, places=6)
some_units = units.filter(lambda quantity: quantity > ZERO)
numbers = st.integers(0, 8)
spend_caps = st.builds(SpendCap, units | st.none()) | st.builds(
    SpendCap, st.none(), st.integers(0, 50).map(lambda amount: Money(Decimal(amount), "USD"))
)
limits = st.builds(Limits, st.none() | units, st.none() | units, st.none() | spend_caps)
steps = st.one_of(
    st.builds(Use, units),
    st.builds(UseLate, units, st.integers(1, 24 * 60)),
    st.builds(PlaceHold, some_units, st.integers(1, 2000)),
    st.builds(Release, numbers),
    st.builds(Settle, numbers, units),
    st.builds(Give, some_units, st.integers(-24 * 60, 24 * 40), st.none() | st.integers(1, 24 * 60)),
    st.builds(Buy, some_units, st.booleans()),
    st.builds(RefundPack, st.booleans(), units),
    st.builds(TakeBack, numbers, units),
    st.builds(Offer, some_units),
    st.builds(Pay, st.integers(0, 3)),
    st.builds(Refund, st.integers(0, 3), some_units),
    st.builds(Forgive, some_units),
    st.builds(Block, st.sampled_from([None, "past_due"])),
    st.builds(Limit, limits),
    st.builds(Renew, st.integers(1, 400)),
    st.builds(Wait, st.integers(1, 24 * 100)),
)
histories = st.lists(steps, max_size=15)
overages = st.just(OverageBlocked()) | st.just(OverageAllowed()) | st.builds(OverageCapped, some_units)
cadences = st.sampled_from(["billing", "month", "week", "day"])
policies = st.builds(Policy, st.just("sold"), units, cadences, overages, units)
fallbacks = st.builds(Policy, st.just("free"), units, st.sampled_from(["month", "week", "day"]))


@st.composite
def terms(draw: st.DrawFn) -> Term:
    """From a sandbox's 13 minutes to a leap year, or without end."""
    length = draw(
        st.none()
        | st.sampled_from([1, 7, 28, 29, 30, 31, 59, 90, 365, 366]).map(timedelta)
        | st.just(timedelta(minutes=13))
    )
    leeway = timedelta(hours=draw(st.sampled_from([0, 24, 72])))
    end = BEGIN + length if length is not None else None
    return Term("ORD_1", BEGIN, end, end + leeway if end is not None else None)


@dataclass
class Story:
    """A balance, the clock, and the totals of its ledger."""

    balance: Balance
    policy: Policy
    fallback: Policy
    now: datetime = BEGIN
    totals: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    held: dict[str, Decimal] = field(default_factory=dict)
    closed: list[ClosedPeriod] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    lines: dict[LineKey, OverageLine] = field(default_factory=dict)
    offers: list[tuple[SoldLine, ...]] = field(default_factory=list)
    paid: list[SettledUnits] = field(default_factory=list)
    count: int = 0

    def apply(self, change: Change) -> None:
        """Keep a change as the store would: an empty one is not written."""
        self.keep(change.closed, change.charts)
        for movement in change.movements:
            assert movement.quantity > ZERO
            self.totals[movement.kind] += movement.quantity
        if change.is_empty:
            assert not change.lines
            return
        assert balance_from_item(balance_item(change.after)) == change.after, "the store would forget something"
        self.balance = change.after
        self.lines = change.lines_over(self.lines)

    def keep(self, closed: Sequence[ClosedPeriod], charts: Sequence[Chart]) -> None:
        """Keep what a change says of closed periods under their keys, newest first."""
        every = {(each.counts_from, each.segment): each for each in (*self.closed, *closed)}
        self.closed = [every[key] for key in sorted(every, reverse=True)]
        drawn = {(chart.span.start, chart.segment): chart for chart in (*self.charts, *charts)}
        self.charts = [drawn[key] for key in sorted(drawn, reverse=True)]
        assert all(min(each.left, each.gone, each.passed, each.rolled, each.overage) >= ZERO for each in self.closed)
        assert all(len(chart.days) <= 50 for chart in charts)

    def current(self) -> Change:
        """What every structure change begins with: the balance brought up to now."""
        return drop_expired_holds(advance(self.balance, self.now, self.fallback), self.now)

    def next_name(self) -> str:
        """A name for the next hold or grant."""
        self.count += 1
        return f"n{self.count - 1}"

    def play(self, step: Step, parts: int = 1) -> None:  # noqa: C901, PLR0912 - one case a step
        """Play one step; a wait is taken in so many parts."""
        match step:
            case Wait(hours):
                until, part = self.now + timedelta(hours=hours), timedelta(hours=hours) / parts
                for _ in range(parts):
                    self.now = min(until, self.now + part)
                    self.apply(advance(self.balance, self.now, self.fallback))
                self.now = until
                self.apply(self.current())
            case Use(quantity):
                self.balance = record_usage(self.balance, quantity, self.now)
            case UseLate(quantity, hours):
                self._use_late(quantity, self.now - timedelta(hours=hours))
            case PlaceHold(quantity, hours):
                self._hold(quantity, self.now + timedelta(hours=hours))
            case Release(number):
                self.balance = release_hold(self.balance, f"n{number}")
            case Settle(number, quantity):
                self.balance = settle_hold(self.balance, f"n{number}", quantity, self.now)
            case Give(quantity, starts_in_hours, lasts_hours):
                self._give(quantity, starts_in_hours, lasts_hours)
            case Buy(quantity, expires):
                lot = self.pack(quantity, expires=expires)
                if lot.expires_at is None or lot.expires_at > self.now:
                    self.apply(add_grant(self.current(), lot, self.now, self.lines))
            case RefundPack(expires, quantity):
                self.apply(claw_back(self.current(), self.pack(ZERO, expires=expires).id, quantity, self.lines))
            case TakeBack(number, quantity):
                self.apply(claw_back(self.current(), f"n{number}", quantity, self.lines))
            case Offer(quantity):
                self.apply(self.current())
                self.offers.insert(0, self._offer(quantity))
            case Pay(number):
                change, settled = pay_overage(self.current(), self._nth(self.offers, number) or (), self.lines)
                self.paid += settled
                self.apply(change)
            case Refund(number, quantity):
                if units_paid := self._nth(self.paid, number):
                    self.apply(reopen_overage(self.current(), units_paid.key, quantity, self.lines))
            case Forgive(quantity):
                self._forgive(quantity)
            case Block(reason):
                self.apply(set_blocked(self.current(), reason))
            case Limit(limits):
                self.apply(set_limits(self.current(), limits))
            case Renew(days):
                end = self.now + timedelta(days=days)
                term = Term("ORD_2", self.now, end, end + timedelta(days=1))
                self.apply(start_term(self.current(), self.policy, term, self.now))
        self.check()

    @staticmethod
    def _nth(things: Sequence[T], number: int) -> T | None:
        return things[number] if number < len(things) else None

    def _offer(self, quantity: Decimal) -> tuple[SoldLine, ...]:
        """The first of the units owed, as a checkout sells them."""
        sold, free = [], Money(ZERO, "USD")
        for line in self.owed():
            end = min(line.closed, line.settled + quantity)
            quantity -= end - line.settled
            if end > line.settled:
                sold.append(SoldLine(line.key, line.settled, end, free, ZERO))
        return tuple(sold)

    def owed(self) -> list[OverageLine]:
        """The lines with units owed, those of the open period as if they were due."""
        change = Change.begin(self.balance).line_moved(
            OverageLine(self.balance.line, self.balance.period.end, closed=self.balance.current_overage)
        )
        return [line for line in change.lines_over(self.lines).values() if line.due]

    def _forgive(self, quantity: Decimal) -> None:
        owed = self.current().balance
        owed_units = owed.overage_due + owed.current_overage
        change, forgiven = forgive_overage(self.current(), quantity, self.lines)
        assert forgiven == min(quantity, owed_units)
        self.apply(change)

    def _use_late(self, quantity: Decimal, used_at: datetime) -> None:
        self.apply(self.current())
        event = UsageEvent("late", quantity, used_at, used_at)
        period = period_of(self.closed, used_at) if is_late(self.balance, event) else None
        if period is None:
            self.balance = record_usage(self.balance, quantity, used_at)
            return
        before = self.balance
        change = count_late(Change.begin(before), self.closed, self.charts, [event])
        # The periods' own units pay first, then what was bought, and the open period's allowance pays for nothing
        assert sum((chart.used for chart in change.charts), ZERO) >= quantity
        self.apply(change)
        told = period_of(self.closed, used_at)
        assert told is not None
        beyond = max(ZERO, quantity - period.left)
        overage = told.overage - period.overage
        assert ZERO <= overage <= beyond
        assert self.balance.overage_due - before.overage_due == overage
        assert before.net - self.balance.net <= beyond - overage
        assert (self.balance.used, self.balance.days) == (before.used, before.days)

    def _hold(self, quantity: Decimal, until: datetime) -> None:
        headroom = self.balance.headroom
        placed = place_hold(self.balance, name := self.next_name(), Hold(quantity, until))
        if isinstance(placed, Refusal):
            assert self.balance.blocked or (not self.balance.is_uncapped and quantity > headroom)
            return
        assert self.balance.is_uncapped or quantity <= headroom
        self.balance = placed
        self.held[name] = quantity

    def _give(self, quantity: Decimal, starts_in_hours: int, lasts_hours: int | None) -> None:
        if len(self.balance.grants) >= MAX_GRANTS:
            return
        starts = self.now + timedelta(hours=starts_in_hours)
        ends = max(starts, self.now) + timedelta(hours=lasts_hours) if lasts_hours is not None else None
        grant = Grant(self.next_name(), "top_up", quantity, quantity, 90, starts, ends)
        self.apply(add_grant(self.current(), grant, self.now, self.lines))

    def pack(self, quantity: Decimal, *, expires: bool) -> Grant:
        """What a payment buys now."""
        lasts = BEGIN + timedelta(days=20) - self.now if expires else None
        return bought_lot("top_up", quantity, 90, self.now, lasts)

    @property
    def policy_now(self) -> Policy:
        """The policy in force."""
        return self.balance.policy

    def check(self) -> None:
        """Every invariant, after every step."""
        balance, totals = self.balance, self.totals
        assert ZERO <= balance.burned <= balance.used
        assert balance.overage >= ZERO
        assert all(ZERO <= grant.remaining <= grant.quantity for grant in balance.grants)
        assert balance.overage == ZERO or all(grant.remaining == ZERO for grant in balance.active_grants)
        # Every unit is on one chart: an open one, or one that was put away.
        charted = sum((chart.used for chart in self.charts), ZERO)
        assert charted + sum(balance.days.values(), ZERO) == totals["used"] + balance.used - balance.burned
        assert balance.charts > 0 or sum(balance.days.values(), ZERO) == balance.used
        assert balance.chart.end - balance.chart.start <= timedelta(days=47)
        assert balance.term.end is None or balance.period.end <= balance.term.end
        # Conservation: what was given, or used without being given, is used, gone, or still there.
        remaining = sum((grant.remaining for grant in balance.grants), ZERO)
        over = totals["overage_closed"] - totals["overage_covered"] - totals["overage_resumed"] + balance.overage
        given_or_owed = totals["granted"] + totals["restored"] + over
        assert given_or_owed == totals["used"] + totals["expired"] + totals["clawed_back"] + remaining
        # Promise 8: each unit of overage is sold, open, or forgiven.
        sold = totals["overage_paid"] - totals["overage_reopened"]
        assert sold + balance.overage_due + balance.overage + totals["overage_forgiven"] == over
        lines = self.lines.values()
        assert all(ZERO <= line.settled <= line.closed for line in lines)
        assert sum((line.settled for line in lines), ZERO) == sold
        assert sum((line.due for line in lines), ZERO) == balance.overage_due
        assert sum((line.forgiven for line in lines), ZERO) == totals["overage_forgiven"]
        assert sum((line.reopened for line in lines), ZERO) == balance.reopened
        assert all(line.reopened >= ZERO for line in lines)
        # What was refunded and gone is owed until the lot's next units pay it.
        assert totals["refund_owed"] - totals["refund_cleared"] == balance.refund_debt
        # A limit holds whatever has happened: nothing more is let through than the lowest says.
        caps = [self.policy_now.overage.limit] if isinstance(self.policy_now.overage, OverageCapped) else []
        caps += [cap for cap in (balance.limits.overage_cap,) if cap is not None]
        spend = balance.limits.spend_cap.units if balance.limits.spend_cap is not None else None
        caps += [max(ZERO, spend - balance.spent)] if spend is not None else []
        caps = [ZERO] if isinstance(self.policy_now.overage, OverageBlocked) else caps
        assert balance.is_uncapped == (not caps)
        assert balance.overage_limit == min(caps, default=ZERO)
        if (line := self.lines.get(balance.line)) is not None and balance.limits.spend_cap is not None:
            assert balance.spent <= line.closed
        # A hold is what it was when it was placed, until it ends.
        assert all(self.held[name] == hold.quantity for name, hold in balance.holds.items())


def tell(policy: Policy, term: Term, fallback: Policy, history: list[Step], parts: int = 1) -> Story:
    opened = open_balance("acct_1001", "tokens", policy, term, BEGIN)
    story = Story(opened.before, policy, fallback)
    story.apply(opened)
    story.balance = opened.after  # an allowance of nothing is written too
    for step in history:
        story.play(step, parts)
    return story


@given(policies, terms(), fallbacks, histories)
def test_units_are_conserved_and_limits_hold_in_every_history(
    policy: Policy, term: Term, fallback: Policy, history: list[Step]
) -> None:
    tell(policy, term, fallback, history)


@given(policies, terms(), fallbacks, histories, st.integers(2, 40))
def test_promise_6_many_short_steps_through_time_equal_one_long_one(
    policy: Policy, term: Term, fallback: Policy, history: list[Step], parts: int
) -> None:
    # Given the same history, time passing at once or in parts
    whole, parted = tell(policy, term, fallback, history), tell(policy, term, fallback, history, parts)

    # Then nothing differs but how many ledger entries it took
    assert replace(whole.balance, segment=0) == replace(parted.balance, segment=0)


@given(policies, terms(), fallbacks, st.lists(units, min_size=1, max_size=4), some_units)
def test_a_grant_and_usage_of_one_period_commute(
    policy: Policy, term: Term, fallback: Policy, used: list[Decimal], granted: Decimal
) -> None:
    usage: list[Step] = [Use(quantity) for quantity in used]
    grant: list[Step] = [Give(granted, 0, None)]
    before, after = (tell(policy, term, fallback, history) for history in (grant + usage, usage + grant))
    assert _figures(before.balance) == _figures(after.balance)


def _figures(balance: Balance) -> tuple[Decimal, ...]:
    return balance.used, balance.available, balance.headroom, balance.current_overage


@given(policies, terms(), fallbacks, some_units, units)
def test_promise_3_a_hold_gives_back_at_most_what_it_held(
    policy: Policy, term: Term, fallback: Policy, held: Decimal, used: Decimal
) -> None:
    story = tell(policy, term, fallback, [PlaceHold(held, 1)])
    if not story.balance.holds:
        return
    before = story.balance
    story.play(Settle(0, used))
    settled = story.balance
    assert settled.headroom - before.headroom == held - used <= held
    # Then it is over: to settle it again gives nothing more back, and to release it changes nothing
    story.play(Release(0))
    assert story.balance == settled


@given(policies.filter(lambda policy: not isinstance(policy.overage, OverageAllowed)), terms(), fallbacks, histories)
def test_promise_2_exactly_the_headroom_can_be_held_and_not_a_millionth_more(
    policy: Policy, term: Term, fallback: Policy, history: list[Step]
) -> None:
    story = tell(policy, term, fallback, [*history, Block(None)])
    headroom, until = story.balance.headroom, story.now + timedelta(hours=1)
    if story.balance.is_uncapped:
        return
    too_much = max(headroom, ZERO) + SMALLEST_QUANTITY
    assert isinstance(place_hold(story.balance, "more", Hold(too_much, until)), Refusal)
    if headroom > ZERO:
        everything = place_hold(story.balance, "all", Hold(headroom, until))
        assert isinstance(everything, Balance)
        assert everything.headroom == ZERO


@given(policies, terms(), fallbacks, histories)
def test_promise_8_what_is_owed_can_be_sold_once_and_settles_exactly(
    policy: Policy, term: Term, fallback: Policy, history: list[Step]
) -> None:
    # Given any history, and two checkouts for everything that is owed after it
    story = tell(policy, term, fallback, history)
    everything = Offer(Decimal(10) ** 15)
    story.play(everything)
    story.play(everything)
    due = story.balance.overage_due + story.balance.current_overage
    available = story.balance.available

    # When both are paid
    story.play(Pay(1))
    first = story.balance
    story.play(Pay(0))

    # Then the first payment settles all of it, and the second nothing
    assert sum((line.quantity for line in story.offers[0]), ZERO) == due
    assert (first.overage_due, first.current_overage, first.available) == (ZERO, ZERO, available)
    assert replace(story.balance, segment=0) == replace(first, segment=0)


@given(policies, terms(), fallbacks, st.lists(some_units, min_size=1, max_size=6), st.integers(0, 2))
def test_the_parts_of_a_line_follow_each_other_without_gap_or_overlap(
    policy: Policy, term: Term, fallback: Policy, used: list[Decimal], closes: int
) -> None:
    # When each use is sold and paid at once, in a period that may close on the way
    history: list[Step] = [step for quantity in used for step in (Use(quantity), Offer(quantity), Pay(0))]
    history.insert(len(history) // 2, Wait(24 * 40 * closes)) if closes else None
    story = tell(policy, term, fallback, history)

    # Then a line's parts go on where the one before stopped
    sold: dict[LineKey, Decimal] = {}
    for part in (part for offer in reversed(story.offers) for part in offer):
        assert part.start == sold.get(part.key, ZERO)
        sold[part.key] = part.end
    assert sold == {key: line.settled for key, line in story.lines.items() if line.settled}
