"""Limits of one customer: what holds, what money comes to, and what becomes of the open period (issue 14, point 2)."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.domain.balance.adjust import forgive_overage, pay_overage, reopen_overage, set_limits
from pancake_meter.domain.balance.advance import advance, open_balance, start_term
from pancake_meter.domain.balance.balance import Balance, Policy, Term
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.hold import Hold
from pancake_meter.domain.balance.ledger import Movement
from pancake_meter.domain.balance.limits import Limits, SpendCap, units_for
from pancake_meter.domain.balance.spend import Refusal, place_hold, record_usage, refusal, release_hold
from pancake_meter.domain.quantity import MAX_QUANTITY, SMALLEST_QUANTITY
from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.selling.overage import SoldLine
from pancake_meter.domain.selling.plan import OverageAllowed, OverageBlocked, OverageCapped, OveragePolicy
from pancake_meter.domain.selling.pricing import Graduated, Package, PerUnit, Price, Tier, Volume, price_of, steps_of
from pancake_meter.store.balance.balance_item import balance_from_item, balance_item
from pancake_meter.value import replace

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
ONE_CENT = PerUnit(Decimal("0.01"))
FALLBACK = Policy("free", Decimal(10), "month")


def opened(overage: OveragePolicy, allowance: int = 100, rollover: int = 0) -> Balance:
    policy = Policy("pro", Decimal(allowance), "month", overage, Decimal(rollover), prices={"USD": ONE_CENT})
    return open_balance("acct_1001", "tokens", policy, Term(None, NOW), NOW).after


def limited(balance: Balance, limits: Limits) -> Balance:
    return set_limits(Change.begin(balance), limits).after


@pytest.mark.parametrize(
    ("plan", "operator", "customer", "holds"),
    [
        (OverageAllowed(), None, None, None),
        (OverageAllowed(), 50, None, 50),
        (OverageAllowed(), None, 20, 20),
        (OverageAllowed(), 50, 20, 20),
        (OverageAllowed(), 0, 20, 0),
        (OverageCapped(Decimal(30)), 50, None, 30),
        (OverageCapped(Decimal(30)), 50, 20, 20),
        (OverageCapped(Decimal(30)), 10, 20, 10),
        (OverageBlocked(), 50, 20, 0),
    ],
)
def test_the_lowest_of_all_caps_holds(
    plan: OveragePolicy, operator: int | None, customer: int | None, holds: int | None
) -> None:
    spend = SpendCap(Decimal(customer)) if customer is not None else None
    cap = Decimal(operator) if operator is not None else None
    balance = limited(opened(plan), Limits(overage_cap=cap, spend_cap=spend))
    assert (balance.is_uncapped, balance.overage_limit) == (holds is None, Decimal(holds or 0))
    if holds is not None:
        assert refusal(balance, Decimal(100 + holds)) is None
        assert isinstance(refusal(balance, 100 + holds + SMALLEST_QUANTITY), Refusal)
    assert balance_from_item(balance_item(balance)) == balance


def test_a_refusal_by_a_limit_of_nothing_says_that_it_is_a_cap() -> None:
    balance = limited(opened(OverageAllowed()), Limits(overage_cap=Decimal(0)))
    assert refusal(balance, Decimal(101)) == Refusal("overage_cap_reached")
    for nothing in (OverageBlocked(), OverageCapped(Decimal(0))):
        assert refusal(opened(nothing), Decimal(101)) == Refusal("quota_exhausted")


def test_paid_units_make_room_under_the_operator_s_cap_and_none_under_a_spend_cap() -> None:
    # Given 140 units used of 100, and the 40 units beyond paid inside the period
    for limits, room in ((Limits(overage_cap=Decimal(50)), 50), (Limits(spend_cap=SpendCap(Decimal(50))), 10)):
        balance = record_usage(limited(opened(OverageAllowed()), limits), Decimal(140), NOW)
        sold = SoldLine(balance.line, Decimal(0), Decimal(40), Money(Decimal(0), "USD"), Decimal(0))
        change, _ = pay_overage(Change.begin(balance), [sold], {})
        paid = change.after
        assert (paid.current_overage, paid.headroom) == (0, room)
        # When the payment is refunded, the units are owed again and there is as much room as before it
        again = reopen_overage(Change.begin(paid), balance.line, Decimal(40), change.lines).after
        assert (again.current_overage, again.headroom) == (40, 10)
        # And what the seller forgives is not spent
        forgiven, _ = forgive_overage(Change.begin(again), Decimal(40), {})
        assert (forgiven.after.spent, forgiven.after.headroom) == (0, 50)
        # And a new period begins with all of it
        later = advance(paid, NOW + timedelta(days=40), FALLBACK).after
        assert (later.spent, later.headroom) == (0, 150)


def test_money_is_worth_other_units_under_another_plan_and_none_without_a_price() -> None:
    cap = SpendCap.of_money(Money(Decimal(2), "USD"), {"USD": ONE_CENT})
    balance = limited(opened(OverageAllowed()), Limits(spend_cap=cap))
    assert balance.overage_limit == 200
    dear = Policy("dear", Decimal(5), "month", OverageAllowed(), prices={"USD": PerUnit(Decimal("0.5"))})
    yen = replace(dear, plan="yen", prices={"JPY": ONE_CENT})
    free = replace(dear, plan="gratis", prices={"USD": PerUnit(Decimal(0))})
    for policy, holds in ((dear, 4), (yen, 0), (dear, 4)):
        balance = start_term(Change.begin(balance), policy, Term(None, NOW), NOW, is_renewal=False).after
        assert (balance.is_uncapped, balance.overage_limit) == (False, holds)
    assert start_term(Change.begin(balance), free, Term(None, NOW), NOW, is_renewal=False).after.is_uncapped


def test_a_cap_of_nothing_leaves_no_grant_and_one_that_is_removed_gives_it_back() -> None:
    grant_id = "plan:2026-03-10T12:00:00.000Z"
    change = set_limits(Change.begin(opened(OverageBlocked())), Limits(allowance_cap=Decimal(0)))
    assert change.after.grants == ()
    assert change.movements == (Movement("clawed_back", Decimal(100), grant_id),)
    change = set_limits(Change.begin(change.after), Limits())
    assert [(each.id, each.remaining) for each in change.after.grants] == [(grant_id, 100)]
    assert change.movements == (Movement("granted", Decimal(100), grant_id),)


def test_a_plan_without_an_allowance_can_be_limited_too() -> None:
    balance = limited(opened(OverageAllowed(), allowance=0), Limits(overage_cap=Decimal(5)))
    assert (balance.grants, balance.headroom) == ((), 5)


def test_a_limit_on_overage_takes_nothing_of_the_allowance() -> None:
    # Given a cap below what a hold had reserved, which left the hold its units, and the hold was released
    held = place_hold(opened(OverageAllowed()), "h", Hold(Decimal(50), NOW + timedelta(days=1)))
    assert isinstance(held, Balance)
    balance = release_hold(limited(held, Limits(allowance_cap=Decimal(40))), "h")
    assert balance.available == 50
    both = limited(balance, Limits(allowance_cap=Decimal(40), overage_cap=Decimal(7)))
    assert (both.available, both.overage_limit) == (50, 7)


def test_what_becomes_of_an_earlier_period_spends_nothing_of_this_one() -> None:
    # Given 30 units due of the period before, and 40 beyond the plan that were paid in this one
    balance = record_usage(opened(OverageAllowed()), Decimal(130), NOW)
    change = advance(balance, NOW + timedelta(days=35), FALLBACK)
    balance = record_usage(change.after, Decimal(140), NOW + timedelta(days=35))
    sold = SoldLine(balance.line, Decimal(0), Decimal(40), Money(Decimal(0), "USD"), Decimal(0))
    paid, _ = pay_overage(Change.begin(balance), [sold], change.lines)
    assert (paid.after.spent, paid.after.overage_due) == (40, 30)
    # When the seller lets go what is due
    forgiven, _ = forgive_overage(Change.begin(paid.after), Decimal(30), paid.lines_over(change.lines))
    assert (forgiven.after.spent, forgiven.after.overage_due) == (40, 0)


def test_money_pays_for_all_free_units_though_the_last_unit_of_all_costs_something() -> None:
    price = Graduated((Tier(MAX_QUANTITY - SMALLEST_QUANTITY, Decimal(0)), Tier(None, Decimal(1))), Decimal(0))
    assert units_for(Decimal(0), price) == MAX_QUANTITY - SMALLEST_QUANTITY
    assert units_for(Decimal(1), price) is None


def test_free_units_come_before_the_first_tier() -> None:
    tiers = (Tier(Decimal(10), Decimal(2)), Tier(Decimal(100), Decimal(1)), Tier(None, Decimal(0)))
    assert steps_of(Volume(tiers, Decimal(7))) == (7, 17, 107)
    assert steps_of(Graduated(tiers, Decimal(0))) == (0, 10, 100)
    assert steps_of(ONE_CENT) == (0,)


def test_an_allowance_cap_holds_in_later_periods_and_rolls_over_no_more_than_it_grants() -> None:
    balance = limited(opened(OverageBlocked(), rollover=1000), Limits(allowance_cap=Decimal(40)))
    assert balance.headroom == 40
    assert advance(balance, NOW + timedelta(days=35), FALLBACK).after.headroom == 80
    # Several idle periods at once, and then the default plan's smaller allowance
    assert advance(balance, NOW + timedelta(days=100), FALLBACK).after.headroom == 160


@given(st.integers(0, 150), st.lists(st.none() | st.integers(0, 150), min_size=1, max_size=6))
def test_whatever_caps_come_and_go_what_was_used_stays_used_and_the_last_one_holds(
    used: int, caps: list[int | None]
) -> None:
    balance = record_usage(opened(OverageAllowed()), Decimal(used), NOW)
    for cap in caps:
        balance = limited(balance, Limits(allowance_cap=Decimal(cap) if cap is not None else None))
    last = min(100, caps[-1]) if caps[-1] is not None else 100
    assert balance.used == used
    assert balance.available == max(0, last - used)
    # A cap that is lowered below what was used makes no overage of it
    if caps[-1] is None:
        assert (balance.available, balance.current_overage) == (max(0, 100 - used), max(0, used - 100))
    assert balance.current_overage <= max(0, used - min(100, used))


rates = st.sampled_from([Decimal(0), Decimal("0.01"), Decimal("0.5"), Decimal("1.25"), Decimal("0.000001")])
some_tiers = st.builds(
    lambda first, second, last: (Tier(Decimal(10), first, last), Tier(Decimal(100), second, first), Tier(None, last)),
    rates,
    rates,
    rates,
)
frees = st.sampled_from([Decimal(0), Decimal(7)])
prices = st.one_of(
    st.builds(PerUnit, rates, rates, frees),
    st.builds(Package, st.just(Decimal(8)), rates, rates, frees, st.sampled_from(["up", "down"])),
    st.builds(Graduated, some_tiers, frees),
    st.builds(Volume, some_tiers, frees),
)


@given(prices, st.integers(0, 5000).map(lambda cents: Decimal(cents) / 100), st.integers(1, 2000))
def test_money_pays_for_just_the_units_that_it_pays_for(price: Price, amount: Decimal, probe: int) -> None:
    units = units_for(amount, price)
    within = units if units is not None else MAX_QUANTITY
    assert price_of(price, within) <= amount
    # Nothing on the way costs more, and the next millionth does
    assert price_of(price, min(Decimal(probe), within)) <= amount
    if units is not None:
        assert price_of(price, units + SMALLEST_QUANTITY) > amount


def test_an_item_of_earlier_code_has_no_limits_and_one_with_limits_reads_as_its_headroom_says() -> None:
    balance = limited(opened(OverageAllowed()), Limits(overage_cap=Decimal(50)))
    item = balance_item(balance)
    del item["policy"]["limits"]
    # Earlier code, which does not know the limits, finds the headroom that it expects
    assert balance_from_item(item).headroom == item["headroom"] == 150
