"""Issue 11, point 14: packs of one kind, priority and expiry are one lot, whatever the order of payments and refunds."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.domain.balance.adjust import add_grant, can_carry, claw_back
from pancake_meter.domain.balance.advance import open_balance
from pancake_meter.domain.balance.balance import ZERO, Balance, Policy, Term
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.credit import bought_lot
from pancake_meter.domain.balance.grant import GRANTS_NOT_SOLD, MAX_GRANTS, Grant
from pancake_meter.domain.balance.spend import record_usage
from pancake_meter.domain.errors import TooManyGrants
from pancake_meter.value import replace

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
UNCAPPED = Policy("pro", ZERO)
FOREVER = timedelta(days=365)

Pack = tuple[Decimal, Decimal, int]
"""Units bought, units of them refunded, and minutes after which they were paid."""

packs = st.lists(
    st.tuples(st.integers(1, 500).map(Decimal), st.integers(0, 500).map(Decimal), st.integers(0, 60)),
    min_size=1,
    max_size=6,
)


def opened(used: Decimal) -> Balance:
    return record_usage(open_balance("acct_1001", "tokens", UNCAPPED, Term(None, NOW), NOW).after, used, NOW)


def lot(quantity: Decimal, minutes: int = 0, *, expires: bool = False) -> Grant:
    paid_at = NOW + timedelta(minutes=minutes)
    return bought_lot("top_up", quantity, 90, paid_at, NOW + FOREVER - paid_at if expires else None)


def told(balance: Balance, bought: list[Pack], order: list[tuple[int, str]], *, expires: bool) -> Balance:
    """Payments and refunds become known in ``order``: a refund before its payment waits for it."""
    paid: set[int] = set()
    refunded: set[int] = set()
    for number, event in order:
        quantity, back, minutes = bought[number]
        change = Change.begin(balance)
        if event == "paid":
            paid.add(number)
            change = add_grant(change, lot(quantity, minutes, expires=expires), NOW + timedelta(hours=2))
        else:
            refunded.add(number)
        if number in paid and number in refunded:
            change = claw_back(change, lot(ZERO, expires=expires).id, min(quantity, back))
        balance = change.after
    return replace(balance, segment=0)


@given(packs, st.integers(0, 2000).map(Decimal), st.booleans(), st.randoms(use_true_random=False))
def test_packs_and_their_refunds_in_any_order_give_one_balance_and_one_debt(
    bought: list[Pack], used: Decimal, expires: bool, dice: random.Random
) -> None:
    events = [(number, event) for number in range(len(bought)) for event in ("paid", "refunded")]
    shuffled = dice.sample(events, len(events))
    one, other = (told(opened(used), bought, order, expires=expires) for order in (events, shuffled))
    assert (one.available, one.current_overage, one.refund_debt) == (
        other.available,
        other.current_overage,
        other.refund_debt,
    )
    if not expires:
        assert one == other
    # What was bought, less what was used and what went back
    net = sum((quantity - min(quantity, back) for quantity, back, _ in bought), ZERO) - used
    assert one.available - one.current_overage - one.refund_debt == net


def test_the_issues_own_case_of_overage_two_packs_and_half_a_refund() -> None:
    bought = [(Decimal(300), Decimal(150), 0), (Decimal(300), ZERO, 1)]
    first = [(0, "paid"), (0, "refunded"), (1, "paid")]
    for order in (
        first,
        [first[0], first[2], first[1]],
        [first[2], first[0], first[1]],
        [first[1], first[2], first[0]],
    ):
        balance = told(opened(Decimal(250)), bought, order, expires=False)
        assert [int(each) for each in (balance.available, balance.refund_debt, balance.overage)] == [200, 0, 0]


@pytest.mark.parametrize("expires", [False, True])
def test_packs_that_expire_together_or_never_are_one_grant_however_many_are_bought(expires: bool) -> None:
    balance = opened(ZERO)
    for minutes in range(2 * MAX_GRANTS):
        balance = add_grant(Change.begin(balance), lot(Decimal(10), minutes, expires=expires), NOW).after
    assert len(balance.grants) == 1
    assert balance.grants[0].quantity == 20 * MAX_GRANTS


def test_a_grant_of_a_payment_that_was_kept_by_itself_is_still_taken_back_by_its_id() -> None:
    # Given what the version before wrote, and a pack of the same kind bought since
    old = Grant("payment:PAY_1", "top_up", Decimal(100), Decimal(100), 90, NOW)
    balance = add_grant(Change.begin(opened(ZERO)), old, NOW).after
    balance = add_grant(Change.begin(balance), lot(Decimal(10)), NOW).after

    # When
    change = claw_back(Change.begin(balance), "payment:PAY_1", Decimal(40))

    # Then
    assert change.balance.refund_debt == ZERO
    assert {grant.id: grant.remaining for grant in change.balance.grants} == {"payment:PAY_1": 60, lot(ZERO).id: 10}


def test_a_pack_is_offered_only_while_its_payment_will_find_room() -> None:
    # Given packs that all expire at different times, as many as are sold
    balance = opened(ZERO)

    def pack(days: int) -> Grant:
        return bought_lot("top_up", Decimal(1), 90, NOW, timedelta(days=days))

    sold = 0
    while can_carry(balance, pack(sold + 1), NOW):
        sold += 1
        balance = add_grant(Change.begin(balance), pack(sold), NOW).after
    assert sold == MAX_GRANTS - GRANTS_NOT_SOLD

    # Then none is offered, not even one that would expire with another if it were paid at once, until some have expired
    assert not can_carry(balance, pack(1), NOW)
    assert can_carry(balance, pack(99), NOW + timedelta(days=1))

    # And payments that come all the same find the places that are not sold
    for days in range(100, 100 + GRANTS_NOT_SOLD):
        balance = add_grant(Change.begin(balance), pack(days), NOW).after
    with pytest.raises(TooManyGrants):
        add_grant(Change.begin(balance), pack(200), NOW)


def test_a_pack_that_never_expires_is_offered_to_a_full_balance_that_has_its_lot() -> None:
    balance = add_grant(Change.begin(opened(ZERO)), lot(Decimal(1)), NOW).after
    for days in range(1, MAX_GRANTS):
        pack = bought_lot("top_up", Decimal(1), 90, NOW, timedelta(days=days))
        balance = add_grant(Change.begin(balance), pack, NOW).after
    assert can_carry(balance, lot(Decimal(1), minutes=5), NOW)
    assert add_grant(Change.begin(balance), lot(Decimal(1), minutes=5), NOW).after.available == MAX_GRANTS + 1
