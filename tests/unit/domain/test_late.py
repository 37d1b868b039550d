"""Late usage: which period it belongs to, and what pays for it there."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.domain.balance.adjust import add_grant
from pancake_meter.domain.balance.advance import advance, open_balance, start_term
from pancake_meter.domain.balance.balance import Balance, Policy, Term
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.closed_period import Chart, ClosedPeriod, period_of
from pancake_meter.domain.balance.grant import Grant
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.balance.spend import record_usage
from pancake_meter.domain.selling.plan import Cadence, OverageAllowed
from pancake_meter.domain.usage.late import chart_start, count_late, is_late, is_open_again
from pancake_meter.domain.usage.usage_event import UsageEvent
from pancake_meter.value import replace

START = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)
END = datetime(2026, 4, 10, 15, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
PLAN = Policy("free", Decimal(1000), "month")


def event(quantity: int, at: datetime) -> UsageEvent:
    return UsageEvent("late", Decimal(quantity), at, at)


def closed(policy: Policy, used: int) -> tuple[Balance, ClosedPeriod]:
    """A balance in its second period, and the record of its first."""
    opened = open_balance("acct_1001", "tokens", policy, Term(None, START), START).after
    change = advance(record_usage(opened, Decimal(used), START), END, policy)
    (period,) = change.closed
    return change.after, period


@dataclass
class Books:
    """A balance, and what it leaves behind."""

    balance: Balance
    closed: list[ClosedPeriod] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)

    @classmethod
    def opened(cls, policy: Policy, term: Term, now: datetime = START) -> "Books":
        books = cls(Balance("acct_1001", "tokens", policy, term, Period(START, END), as_of=now))
        books.keep(open_balance("acct_1001", "tokens", policy, term, now))
        return books

    def keep(self, change: Change) -> None:
        self.balance = change.after
        every = {(each.counts_from, each.segment): each for each in (*self.closed, *change.closed)}
        self.closed = [every[key] for key in sorted(every, reverse=True)]
        drawn = {(chart.span.start, chart.segment): chart for chart in (*self.charts, *change.charts)}
        self.charts = [drawn[key] for key in sorted(drawn, reverse=True)]

    def at(self, now: datetime) -> "Books":
        """Let time pass, and nobody use anything."""
        self.keep(advance(self.balance, now, self.balance.policy))
        return self

    def use(self, quantity: int, at: datetime) -> "Books":
        self.at(at)
        self.balance = record_usage(self.balance, Decimal(quantity), at)
        return self

    def use_late(self, quantity: int, at: datetime) -> Change:
        assert is_late(self.balance, event(quantity, at))
        assert period_of(self.closed, at) is not None
        change = count_late(Change.begin(self.balance), self.closed, self.charts, [event(quantity, at)])
        self.keep(change)
        return change

    def period(self, at: datetime) -> ClosedPeriod:
        period = period_of(self.closed, at)
        assert period is not None
        return period

    @property
    def picture(self) -> object:
        """All that does not say when it was told."""
        windows = [window for period in self.closed for window in _windows(period) if window.overage or window.gone]
        figures = [(w.period, w.rolled, w.gone, w.left, w.passed, w.overage) for w in windows]
        return figures, self.balance.available, self.balance.used, self.balance.overage_due


def _windows(period: ClosedPeriod) -> Iterator[ClosedPeriod]:
    at = period.period.start
    while at < period.period.end:
        window = period.window(at) if period.idle else period
        yield window
        at = window.period.end


def test_the_instant_of_the_boundary_belongs_to_the_new_period() -> None:
    balance, _ = closed(PLAN, 1)
    assert not is_late(balance, event(1, END))
    assert is_late(balance, event(1, END - timedelta(milliseconds=1)))


def test_usage_while_a_renewal_was_awaited_belongs_to_the_period_that_was_still_open() -> None:
    # Given a paid period that went on for three hours past its end, until its renewal was heard of
    opened = open_balance("acct_1001", "tokens", PLAN, Term("ORD_1", START, END, END + DAY), START).after
    heard_at = END + timedelta(hours=3)
    renewal = Term("ORD_1", heard_at, heard_at + 30 * DAY, heard_at + 31 * DAY)
    (period,) = start_term(Change.begin(record_usage(opened, Decimal(1), START)), PLAN, renewal, heard_at).closed

    assert period_of([period], END + timedelta(hours=2)) is period
    assert period_of([period], heard_at) is None


def test_usage_from_before_the_first_period_belongs_to_it_also_once_that_has_closed() -> None:
    _, period = closed(PLAN, 1)
    assert period_of([period], START - timedelta(days=3)) is period


def test_what_is_used_before_a_period_that_was_entered_early_is_that_period_s_own() -> None:
    # Given a renewal heard of a day before the new period begins
    opened = open_balance("acct_1001", "tokens", PLAN, Term("ORD_1", START, END, END + DAY), START).after
    heard_at = END - DAY
    early = start_term(Change.begin(opened), PLAN, Term("ORD_1", END, END + 30 * DAY, END + 31 * DAY), heard_at).after

    assert not is_late(early, event(1, heard_at + timedelta(hours=1)))
    assert is_late(early, event(1, heard_at - timedelta(hours=1)))


def test_units_that_rolled_over_and_are_not_gone_are_taken_back_before_anything_is_owed() -> None:
    # Given 600 unused units of which 250 rolled over
    books = Books.opened(replace(PLAN, rollover_maximum=Decimal(250)), Term(None, START)).use(400, START).at(END)
    assert (books.period(START).left, books.period(START).passed) == (Decimal(350), Decimal(250))
    assert books.balance.available == Decimal(1250)

    # When 400 come late
    change = books.use_late(400, START)

    # Then 350 were left for them and 50 had rolled over: nothing is owed
    told = books.period(START)
    assert (told.gone, told.left, told.passed, told.overage) == tuple(map(Decimal, (800, 0, 200, 0)))
    assert (books.balance.available, books.balance.overage_due) == (Decimal(1200), Decimal(0))
    assert [(movement.kind, int(movement.quantity)) for movement in change.movements] == [
        ("clawed_back", 50),
        ("restored", 400),
        ("used", 400),
    ]

    # And of 300 more, 200 are taken back and 100 are overage: no unit of the open period's own
    books.use_late(300, START)
    assert (books.balance.available, books.balance.overage_due) == (Decimal(1000), Decimal(100))


@pytest.mark.parametrize("days", [2, 60, 61, 62, 89])
def test_point_15_units_that_rolled_over_through_every_day_of_the_longest_grace_are_taken_back(days: int) -> None:
    # Given days that each use their whole allowance, after a first one that left 5 units, which rolled over through them all
    policy = Policy("free", Decimal(10), "day", OverageAllowed(), Decimal(5))
    books = Books.opened(policy, Term(None, START)).use(5, START)
    for day in range(1, days):
        books.use(10, START + day * DAY)
    books.at(START + days * DAY)
    assert books.balance.available == Decimal(15)

    # When 5 more of the first day are told
    books.use_late(5, START + timedelta(hours=1))

    # Then they are those, and nothing is owed
    assert (books.balance.available, books.balance.overage_due) == (Decimal(10), Decimal(0))


def test_units_that_rolled_over_and_were_used_there_are_taken_back_from_what_that_period_has_left() -> None:
    # Given 250 units that rolled over and that the open period used, which has its own 1,000 left
    books = Books.opened(replace(PLAN, rollover_maximum=Decimal(250)), Term(None, START)).use(400, START).use(250, END)
    assert books.balance.available == Decimal(1000)
    books.use_late(600, START)
    assert (books.balance.available, books.balance.overage_due) == (Decimal(750), Decimal(0))


def test_units_that_rolled_over_and_are_gone_are_owed() -> None:
    books = Books.opened(replace(PLAN, rollover_maximum=Decimal(250)), Term(None, START)).use(400, START).use(1300, END)
    assert (books.balance.available, books.balance.current_overage) == (Decimal(0), Decimal(50))
    books.use_late(600, START)
    assert (books.balance.overage_due, books.balance.current_overage) == (Decimal(250), Decimal(50))


def test_a_pack_that_was_bought_after_the_period_does_not_pay_for_it() -> None:
    books = Books.opened(PLAN, Term(None, START)).use(1000, START).at(END)
    pack = Grant("payment:PAY_1", "top_up", Decimal(70), Decimal(70), 90, END)
    books.keep(add_grant(Change.begin(books.balance), pack, END))
    before = books.balance.available
    books.use_late(50, START)
    assert (books.period(START).overage, books.balance.overage_due) == (Decimal(50), Decimal(50))
    assert books.balance.available == before


@pytest.mark.parametrize("before_end", [31 * DAY, DAY, timedelta(milliseconds=1)])
def test_point_15_a_pack_that_was_bought_in_the_period_pays_for_its_late_usage_of_any_hour(
    before_end: timedelta,
) -> None:
    # Given a month that was used up, and a pack bought in it after the usage that is told late
    books = Books.opened(PLAN, Term(None, START)).use(1000, START).at(END - before_end)
    pack = Grant("payment:PAY_1", "top_up", Decimal(70), Decimal(70), 90, END - before_end)
    books.keep(add_grant(Change.begin(books.balance), pack, END - before_end))
    books.at(END)

    # When more is told than the pack has
    books.use_late(50, START)
    books.use_late(30, START)

    # Then the pack pays for what it has, as it would have paid for open overage
    assert (books.period(START).overage, books.balance.overage_due) == (Decimal(10), Decimal(10))
    assert books.balance.available == Decimal(1000)


def test_scenario_112_late_usage_of_an_idle_month_counts_there_and_takes_nothing_of_the_next() -> None:
    # Given a February in which nothing was used, closed with March and April in one step
    february, march, april = (datetime(2026, month, 1, tzinfo=UTC) for month in (2, 3, 4))
    books = Books.opened(PLAN, Term(None, datetime(2026, 1, 1, tzinfo=UTC)), datetime(2026, 1, 1, tzinfo=UTC))
    books.use(10, datetime(2026, 1, 2, tzinfo=UTC)).at(april + timedelta(hours=1))
    assert [period.windows for period in books.closed] == [2, 1]

    # When the first usage of each is told after April has begun
    books.use_late(1200, february)
    books.use_late(300, april - timedelta(milliseconds=1))

    # Then each has its own, and April is whole
    assert (books.period(february).gone, books.period(february).overage) == (Decimal(1000), Decimal(200))
    assert (books.period(march).gone, books.period(march).left) == (Decimal(300), Decimal(700))
    assert (books.balance.used, books.balance.available, books.balance.overage_due) == tuple(
        map(Decimal, (0, 1000, 200))
    )
    assert [(int(chart.used), chart.span) for chart in books.charts[:2]] == [
        (300, Period(march, april)),
        (1200, Period(february, march)),
    ]


def test_point_15_the_last_day_of_a_year_used_only_in_january_finds_what_the_year_had_left() -> None:
    # Given a yearly period whose charts since January were empty, renewed on time
    new_year, next_year = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    yearly = replace(PLAN, cadence="billing")
    books = Books.opened(yearly, Term("ORD_1", new_year, next_year, next_year + DAY), new_year)
    books.use(900, new_year + 9 * DAY).at(next_year)
    renewed = Term("ORD_1", next_year, next_year + 365 * DAY, next_year + 366 * DAY)
    books.keep(start_term(Change.begin(books.balance), yearly, renewed, next_year))

    # When something of 31 December is told
    books.use_late(130, next_year - DAY)

    # Then 100 were left, 30 are that year's overage, and the day is on December's chart
    (year,) = books.closed
    assert (year.gone, year.left, year.overage) == tuple(map(Decimal, (1000, 0, 30)))
    assert (books.balance.available, books.balance.overage_due) == (Decimal(1000), Decimal(30))
    assert (books.charts[0].days, books.charts[0].span.start.month) == ({"1231": Decimal(130)}, 12)


def test_point_15_a_day_between_a_chart_put_away_and_another_order_finds_what_the_period_had_left() -> None:
    # Given 47 days under one order, of which the second chart is empty, and another order after them
    ends, begins = START + 47 * DAY, START + 48 * DAY
    billing = replace(PLAN, cadence="billing")
    books = Books.opened(billing, Term("ORD_1", START, ends, begins + DAY)).use(900, START).at(END + DAY)
    assert len(books.charts) == 1
    other = Term("ORD_2", begins, begins + 30 * DAY, begins + 31 * DAY)
    books.keep(start_term(Change.begin(books.balance), billing, other, begins))

    # When usage of the days between is told
    books.use_late(60, ends - DAY)
    books.use_late(40, ends + timedelta(hours=1))

    # Then nothing is owed, and nothing is taken of the new order's
    assert (books.period(ends).gone, books.period(ends).left) == (Decimal(1000), Decimal(0))
    assert (books.balance.available, books.balance.overage_due) == (Decimal(1000), Decimal(0))


@given(
    st.sampled_from(["month", "week", "day"]),
    st.integers(0, 40),
    st.integers(0, 100),
    st.integers(1, 60),
    st.integers(0, 1000),
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 60)), max_size=4),
)
def test_scenario_112_usage_told_late_counts_as_if_it_had_come_in_time(
    cadence: Cadence, allowance: int, rollover: int, quantity: int, permille: int, uses: list[tuple[int, int]]
) -> None:
    """Without bought units and without overage anywhere, to be told late makes no difference at all."""
    policy = Policy("free", Decimal(allowance), cadence, OverageAllowed(), Decimal(rollover))
    told_at = START + 61 * DAY
    used_at = START + (told_at - START) * permille / 1000
    in_order = sorted((START + day * DAY, units) for day, units in uses)

    # Given the same usage in time, and told late
    in_time = Books.opened(policy, Term(None, START))
    for at, units in sorted([*in_order, (used_at, quantity)]):
        in_time.use(units, at)
    in_time.at(told_at)
    late = Books.opened(policy, Term(None, START))
    for at, units in in_order:
        late.use(units, at)
    late.at(told_at)
    if not is_late(late.balance, event(quantity, used_at)):
        return
    late.use_late(quantity, used_at)

    # Then what is owed and what is left is the same; and so is every period, where nothing is owed
    def owed(books: Books) -> Decimal:
        return books.balance.overage_due + books.balance.current_overage

    assert owed(late) == owed(in_time)
    assert late.balance.net == in_time.balance.net or owed(late)
    if not owed(in_time):
        assert late.picture == in_time.picture


@given(
    st.sampled_from(["week", "day"]),
    st.integers(0, 20),
    st.lists(
        st.tuples(st.integers(0, 500).map(lambda hours: hours / 24), st.integers(1, 40), st.booleans()),
        min_size=1,
        max_size=6,
    ),
    st.lists(st.tuples(st.integers(0, 500).map(lambda hours: hours / 24), st.integers(1, 60)), max_size=1),
)
def test_point_15_late_usage_owes_and_leaves_what_it_would_have_in_time_with_a_pack_too(
    cadence: Cadence,
    allowance: int,
    uses: list[tuple[float, int, bool]],
    packs: list[tuple[float, int]],
) -> None:
    """Told after all else, usage comes to as much overage and as many bought units as in time."""
    policy = Policy("free", Decimal(allowance), cadence, OverageAllowed())
    told_at = START + 28 * DAY
    bought = [(START + day * DAY, units, f"pack:{number}") for number, (day, units) in enumerate(packs)]
    used = [(START + day * DAY, units, None) for day, units, _ in uses]
    in_order = sorted([*bought, *used], key=lambda each: each[0])
    late = [(at, units) for (at, units, _), (_, _, is_late_one) in zip(used, uses, strict=True) if is_late_one]

    def lived(skipped: list[tuple[datetime, int]]) -> Books:
        left_out = list(skipped)
        books = Books.opened(policy, Term(None, START))
        for at, units, pack in in_order:
            if pack is not None:
                grant = Grant(pack, "top_up", Decimal(units), Decimal(units), 90, at)
                books.keep(add_grant(Change.begin(books.at(at).balance), grant, at))
            elif (at, units) in left_out:
                left_out.remove((at, units))
            else:
                books.use(units, at)
        return books.at(told_at)

    in_time, told_late = lived([]), lived(late)
    for at, units in sorted(late):
        told_late.use_late(units, at)

    def outcome(books: Books) -> tuple[Decimal, Decimal]:
        owed = books.balance.overage_due + books.balance.current_overage
        return owed, sum((grant.remaining for grant in books.balance.grants if grant.is_bought), Decimal(0))

    assert outcome(told_late) == outcome(in_time)


def test_a_chart_ends_with_the_month_unless_too_little_of_the_period_is_left() -> None:
    # Given terms of 46 and of 47 days, both starting on 10 March
    lengths = {days: Term("ORD_1", START, START + days * DAY, START + days * DAY) for days in (46, 47)}
    balances = {
        days: open_balance("a", "tokens", replace(PLAN, cadence="billing"), t, START).after
        for days, t in lengths.items()
    }

    # Then the rest after a month is 15 days in the one, which get no chart of their own, and 16 in the other
    assert balances[46].next_chart_at is None
    assert balances[47].next_chart_at == END


# Bought units, charts and the ledger


def test_units_bought_before_the_period_ends_pay_for_it_and_the_rest_is_owed_in_its_period() -> None:
    for started, paid in ((START, 30), (START + DAY + HOUR, 30), (END - timedelta(milliseconds=1), 30), (END, 0)):
        books = Books.opened(replace(PLAN, overage=OverageAllowed()), Term(None, START)).use(990, START)
        other = Grant("other", "top_up", Decimal(10), Decimal(10), 80, started)
        pack = Grant("pack", "top_up", Decimal(20), Decimal(20), 90, started)
        books.balance = replace(books.balance, grants=(*books.balance.grants, pack, other))
        books.at(END)
        change = books.use_late(50, START + DAY)

        # 10 units were left of the plan, the packs pay, and the rest is due
        owed = 40 - paid
        left = {grant.id: int(grant.remaining) for grant in books.balance.grants if grant.kind == "top_up"}
        assert sum(left.values()) == 30 - paid
        assert (books.balance.overage_due, books.balance.available) == (owed, 1000 + 30 - paid)
        period = books.period(START)
        assert (period.gone, period.left, period.overage) == (1000, 0, owed)
        reference = f"plan:{START:%Y-%m-%dT%H:%M:%S}.000Z"
        moved = [(each.kind, int(each.quantity), each.reference) for each in change.movements]
        expected = [("restored", 10, reference), ("used", 50, reference), ("overage_closed", owed, reference)]
        assert moved == [each for each in expected if each[1]]
        assert [(line.key, int(line.closed), line.ends_at) for line in change.lines.values()] == (
            [(period.line, owed, END)] if owed else []
        )


def test_late_usage_is_drawn_on_the_chart_of_its_day_with_what_is_owed() -> None:
    books = Books.opened(replace(PLAN, overage=OverageAllowed()), Term(None, START)).use(1010, START)
    books.at(END + 40 * DAY).use_late(5, START + timedelta(hours=1))
    books.use_late(7, START + DAY)
    (chart,) = [chart for chart in books.charts if chart.span.start == START]
    assert (chart.days, chart.overage) == ({"0310": 1015, "0311": 7}, 10 + 5 + 7)

    # A period that had no chart gets one, and those of other periods stay as they are
    books.use_late(3, END + DAY)
    assert [(drawn.span.start, int(drawn.used)) for drawn in books.charts] == [(END, 3), (START, 1022)]


def test_late_usage_of_a_window_amid_idle_ones_counts_to_it_alone() -> None:
    books = Books.opened(replace(PLAN, overage=OverageAllowed()), Term(None, START)).use(1, START).at(END + 120 * DAY)
    third = END + 35 * DAY
    books.use_late(1200, third)
    windows = [window for period in reversed(books.closed) for window in _windows(period)]
    assert [(int(window.gone), int(window.left), int(window.overage)) for window in windows] == [
        (1, 999, 0),
        (0, 1000, 0),
        (1000, 0, 200),
        (0, 1000, 0),
    ]


def test_units_that_rolled_on_and_on_are_taken_back_along_their_way() -> None:
    # Given 100 a month of which up to 100 roll over, used 40, 0 and 150 in three months
    policy = Policy("free", Decimal(100), "month", OverageAllowed(), Decimal(100))
    books = Books.opened(policy, Term(None, START)).use(40, START).at(END).at(END + 30 * DAY).use(150, END + 31 * DAY)
    books.at(END + 61 * DAY)
    figures = [(int(w.rolled), int(w.gone), int(w.left), int(w.passed)) for w in reversed(books.closed)]
    assert figures == [(0, 40, 0, 60), (60, 0, 60, 100), (100, 150, 0, 50)]

    # When 70 units more are told of the first month
    books.use_late(70, START + DAY)

    # Then the second had 60 fewer come over, which it had left; and 10 are owed
    figures = [(int(w.rolled), int(w.gone), int(w.left), int(w.passed)) for w in reversed(books.closed)]
    assert figures == [(0, 100, 0, 0), (0, 0, 0, 100), (100, 150, 0, 50)]
    assert (books.balance.overage_due, books.balance.available) == (10, 150)

    # And 120 of the second month: its own 100 rolled over, of which the third used 50 and passed 50 on
    books.use_late(120, END + DAY)
    figures = [(int(w.rolled), int(w.gone), int(w.left), int(w.passed)) for w in reversed(books.closed)]
    assert figures == [(0, 100, 0, 0), (0, 50, 0, 50), (50, 150, 0, 0)]
    assert (books.balance.overage_due, books.balance.available) == (80, 100)


def test_late_usage_is_on_the_chart_of_its_month() -> None:
    books = Books.opened(PLAN, Term(None, START)).use(10, START).use(20, END).at(END + 40 * DAY)
    starts = [chart_start(books.closed, event(1, at)) for at in (START + DAY, END, END + 9 * DAY)]
    assert starts == [START, END, END]
    with pytest.raises(ValueError, match="none of the closed periods"):
        chart_start(books.closed, event(1, END + 90 * DAY))


def test_several_late_events_are_drawn_each_on_its_own_chart() -> None:
    books = Books.opened(PLAN, Term(None, START)).use(10, START).use(20, END).at(END + 40 * DAY)
    events = [replace(event(3, START + DAY), id="e1"), replace(event(4, END + DAY), id="e2")]
    change = count_late(Change.begin(books.balance), books.closed, books.charts, events)
    assert {chart.span.start: int(chart.used) for chart in change.charts} == {START: 13, END: 24}


def test_late_usage_is_not_drawn_on_the_chart_of_a_period_that_began_alike_and_closed_later() -> None:
    _, early = closed(PLAN, 10)
    later = replace(early, since=START + 9 * DAY, segment=early.segment + 1)
    early = replace(early, until=START + 9 * DAY)
    charts = [Chart(each.period, END, each.segment, days={"0310": Decimal(10)}) for each in (later, early)]
    balance, _ = closed(PLAN, 10)
    change = count_late(Change.begin(balance), [later, early], charts, [event(3, START + DAY)])
    assert [(chart.segment, int(chart.used)) for chart in change.charts] == [(early.segment, 13)]


def test_a_chart_that_late_usage_begins_is_of_the_plan_that_governed() -> None:
    balance, period = closed(PLAN, used=0)
    late = count_late(Change.begin(balance), [period], [], [event(3, START + DAY)])
    assert [(chart.plan, chart.used) for chart in late.charts] == [("free", 3)]


def test_a_record_is_of_the_open_period_where_order_plan_and_start_are_its_own() -> None:
    _, record = closed(PLAN, 7)
    balance = open_balance("acct_1001", "tokens", PLAN, Term(None, START), START).after
    assert is_open_again(balance, record)
    assert not is_open_again(balance, replace(record, line=replace(record.line, plan="other")))
    assert not is_open_again(balance, replace(record, order_id="ORD_1"))
    assert not is_open_again(balance, replace(record, period=Period(START + DAY, END)))
