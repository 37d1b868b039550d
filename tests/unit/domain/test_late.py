"""Late usage: which period it belongs to, and what pays for it there."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from pancake_meter.domain.balance.adjust import add_grant
from pancake_meter.domain.balance.advance import advance, open_balance, start_term
from pancake_meter.domain.balance.balance import Balance, Policy, Term
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.grant import Grant
from pancake_meter.domain.balance.ledger import PeriodSummary
from pancake_meter.domain.balance.spend import record_usage
from pancake_meter.domain.usage.late import count_late, is_late, summary_of
from pancake_meter.domain.usage.usage_event import UsageEvent

START = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)
END = datetime(2026, 4, 10, 15, 0, tzinfo=UTC)
DAY = timedelta(days=1)
PLAN = Policy("free", Decimal(1000), "month")


def event(quantity: int, at: datetime) -> UsageEvent:
    return UsageEvent("late", Decimal(quantity), at, at)


def closed(policy: Policy, used: int) -> tuple[Balance, PeriodSummary]:
    """A balance in its second period, and the summary of its first."""
    opened = open_balance("acct_1001", "tokens", policy, Term(None, START), START).after
    change = advance(record_usage(opened, Decimal(used), START), END, policy)
    (summary,) = change.closed
    return change.after, summary


def test_the_instant_of_the_boundary_belongs_to_the_new_period() -> None:
    balance, _ = closed(PLAN, 1)
    assert not is_late(balance, event(1, END))
    assert is_late(balance, event(1, END - timedelta(milliseconds=1)))


def test_usage_while_a_renewal_was_awaited_belongs_to_the_period_that_was_still_open() -> None:
    # Given a paid period that went on for three hours past its end, until its renewal was heard of
    opened = open_balance("acct_1001", "tokens", PLAN, Term("ORD_1", START, END, END + DAY), START).after
    heard_at = END + timedelta(hours=3)
    renewal = Term("ORD_1", heard_at, heard_at + 30 * DAY, heard_at + 31 * DAY)
    (summary,) = start_term(Change.begin(record_usage(opened, Decimal(1), START)), PLAN, renewal, heard_at).closed

    assert summary_of([summary], END + timedelta(hours=2)) is summary
    assert summary_of([summary], heard_at) is None
    assert summary_of([summary], START - timedelta(milliseconds=1)) is None


def test_what_is_used_before_a_period_that_was_entered_early_is_that_period_s_own() -> None:
    # Given a renewal heard of a day before the new period begins
    opened = open_balance("acct_1001", "tokens", PLAN, Term("ORD_1", START, END, END + DAY), START).after
    heard_at = END - DAY
    early = start_term(Change.begin(opened), PLAN, Term("ORD_1", END, END + 30 * DAY, END + 31 * DAY), heard_at).after

    assert not is_late(early, event(1, heard_at + timedelta(hours=1)))
    assert is_late(early, event(1, heard_at - timedelta(hours=1)))


def test_units_that_rolled_over_are_not_left_in_the_period_that_they_came_from() -> None:
    # Given 600 unused units of which 250 rolled over
    balance, summary = closed(replace(PLAN, rollover_maximum=Decimal(250)), 400)
    assert summary.left == Decimal(350)

    # When 400 come late
    change, told = count_late(Change.begin(balance), summary, [event(400, START)])

    # Then 350 were there for them, and 50 are overage
    assert (told.left, told.overage) == (Decimal(0), Decimal(50))
    assert change.balance.available == balance.available


def test_a_pack_that_was_bought_after_the_usage_does_not_pay_for_it() -> None:
    balance, summary = closed(PLAN, 1000)
    pack = Grant("payment:PAY_1", "top_up", Decimal(70), Decimal(70), 90, END)
    bought = add_grant(Change.begin(balance), pack, END).after
    change, told = count_late(Change.begin(bought), summary, [event(50, START)])
    assert (told.overage, change.balance.overage_due) == (Decimal(50), Decimal(50))
    assert change.balance.available == bought.available


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
