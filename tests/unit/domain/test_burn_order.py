"""What burns first, what rolls over, and how much a balance can carry: the rules of grants and holds, at their bounds."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pancake_meter.domain.balance.adjust import (
    add_grant,
    can_carry,
    drop_expired_holds,
    give_back,
    take_rollover,
    void_grant,
)
from pancake_meter.domain.balance.advance import advance, open_balance, start_term
from pancake_meter.domain.balance.balance import ZERO, Balance, Policy, Term, burn
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.grant import (
    DEFAULT_PRIORITY,
    GRANTS_NOT_SOLD,
    MAX_GRANTS,
    SPENT_LOTS_KEPT,
    Grant,
    GrantKind,
    kept_grants,
    lot_id,
)
from pancake_meter.domain.balance.hold import MAX_HOLDS, Hold
from pancake_meter.domain.balance.spend import Refusal, place_hold, record_usage
from pancake_meter.domain.errors import TooManyGrants
from pancake_meter.value import replace

START = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)
END = datetime(2026, 4, 10, 15, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
INSTANT = timedelta.resolution
PAID = Term("ORD_1", START, END, END + DAY)
NOTHING = Policy("none")


def opened(policy: Policy = NOTHING, term: Term = PAID) -> Balance:
    return open_balance("acct_1001", "tokens", policy, term, START).after


def grant(
    name: str,
    quantity: int = 10,
    *,
    kind: GrantKind = "promotion",
    priority: int = 50,
    starts_at: datetime = START,
    expires_at: datetime | None = None,
) -> Grant:
    return Grant(name, kind, Decimal(quantity), Decimal(quantity), priority, starts_at, expires_at)


def left(balance: Balance) -> dict[str, int]:
    return {each.id: int(each.remaining) for each in burn(balance).grants}


FIRST_AND_SECOND = {
    "the lower priority": (grant("z", priority=1), grant("a", priority=2, expires_at=START + DAY)),
    "of one priority what expires sooner": (grant("z", expires_at=START + DAY), grant("a", expires_at=END)),
    "what expires before what never does": (grant("z", expires_at=END + 9 * DAY), grant("a", starts_at=START - DAY)),
    "what ends with its period before what lives on": (
        grant("z", kind="plan"),
        grant("a", expires_at=END + HOUR, starts_at=START - DAY),
    ),
    "what ends inside the period before what ends with it": (
        grant("z", expires_at=END - HOUR),
        grant("a", kind="plan"),
    ),
    "of one expiry the older": (grant("z", starts_at=START - HOUR), grant("a")),
    "of one expiry in the future the older": (
        grant("z", starts_at=START - HOUR, expires_at=END),
        grant("a", expires_at=END),
    ),
    "of two that are alike the one whose id comes first": (grant("a"), grant("z")),
}


@pytest.mark.parametrize("heard", [1, -1], ids=["heard of in turn", "heard of the other way round"])
@pytest.mark.parametrize("rule", FIRST_AND_SECOND)
def test_the_burn_order_is_total(rule: str, heard: int) -> None:
    first, second = FIRST_AND_SECOND[rule]
    balance = replace(opened(), grants=(first, second)[::heard], used=Decimal(13))
    assert left(balance) == {first.id: 0, second.id: 7}


@pytest.mark.parametrize(
    ("sooner", "later"),
    [("rollover", "promotion"), ("promotion", "plan"), ("plan", "add_on"), ("add_on", "credit"), ("credit", "top_up")],
)
def test_what_is_lost_soonest_burns_first_and_what_was_bought_last(sooner: GrantKind, later: GrantKind) -> None:
    assert DEFAULT_PRIORITY[sooner] < DEFAULT_PRIORITY[later]


def test_a_grant_is_used_from_its_very_instant_and_not_before() -> None:
    balance = replace(opened(), grants=(grant("soon", starts_at=START + HOUR),), used=Decimal(4))
    assert balance.available == ZERO
    assert advance(balance, START + HOUR - INSTANT, NOTHING).is_empty
    started = advance(balance, START + HOUR, NOTHING).balance
    assert (started.available, started.overage) == (Decimal(6), ZERO)


def test_a_grant_is_gone_at_its_very_instant_and_not_before() -> None:
    balance = replace(opened(), grants=(grant("short", expires_at=START + HOUR),))
    assert advance(balance, START + HOUR - INSTANT, NOTHING).is_empty
    over = advance(balance, START + HOUR, NOTHING)
    assert over.balance.grants == ()
    assert [(each.kind, each.reference, int(each.quantity)) for each in over.movements] == [("expired", "short", 10)]


# Rollover

ROLLS = Policy("pro", Decimal(100), "billing", rollover_maximum=Decimal(30))
NEXT = Term("ORD_1", END, END + 30 * DAY, END + 31 * DAY)


@pytest.mark.parametrize(("used", "rolled"), [(0, 30), (69, 30), (70, 30), (71, 29), (100, 0), (120, 0)])
def test_what_is_left_rolls_over_up_to_the_maximum(used: int, rolled: int) -> None:
    renewed = start_term(Change.begin(record_usage(opened(ROLLS), Decimal(used), START)), ROLLS, NEXT, END)
    came = [(each.id, each.priority, int(each.quantity)) for each in renewed.balance.grants if each.kind == "rollover"]
    assert came == ([(f"rollover:{END:%Y-%m-%dT%H:%M:%S}.000Z", 10, rolled)] if rolled else [])
    (closed,) = renewed.closed
    assert (closed.passed, closed.left) == (rolled, max(0, 100 - used) - rolled)


def test_what_rolled_over_burns_before_the_plan_and_ends_with_the_period() -> None:
    renewed = start_term(Change.begin(opened(ROLLS)), ROLLS, NEXT, END).after
    assert sorted(left(record_usage(renewed, Decimal(31), END)).values()) == [0, 99]
    # Nothing rolls over twice: what is left of the second period is its own, up to the maximum
    again = start_term(
        Change.begin(renewed), ROLLS, Term("ORD_1", NEXT.end or END, END + 60 * DAY, END + 61 * DAY), END
    )
    assert again.balance.available == Decimal(130)


def test_nothing_rolls_over_into_another_plan() -> None:
    other = replace(ROLLS, plan="scale")
    assert start_term(Change.begin(opened(ROLLS)), other, NEXT, END).balance.available == Decimal(100)


def test_nothing_bought_rolls_over() -> None:
    bought = replace(opened(ROLLS), grants=(grant("pack", 500, kind="top_up", priority=90),))
    renewed = start_term(Change.begin(bought), ROLLS, NEXT, END).balance
    assert (renewed.available, [each.kind for each in renewed.grants]) == (Decimal(600), ["top_up", "plan"])


@pytest.mark.parametrize(
    ("used", "wanted", "taken", "then_left"),
    [(0, 10, 10, 120), (0, 30, 30, 100), (0, 50, 30, 100), (25, 10, 10, 95), (125, 10, 5, 0), (130, 10, 0, 0)],
)
def test_rolled_over_units_that_late_usage_used_are_taken_back_as_far_as_they_are_there(
    used: int, wanted: int, taken: int, then_left: int
) -> None:
    renewed = record_usage(start_term(Change.begin(opened(ROLLS)), ROLLS, NEXT, END).after, Decimal(used), END)
    change, back = take_rollover(Change.begin(renewed), Decimal(wanted))
    assert (back, change.balance.available, change.balance.overage) == (taken, then_left, ZERO)
    back_moved = [(each.reference, int(each.quantity)) for each in change.movements if each.kind == "clawed_back"]
    assert back_moved == ([(f"rollover:{END:%Y-%m-%dT%H:%M:%S}.000Z", taken)] if taken else [])
    assert [int(each.quantity) for each in change.balance.grants if each.kind == "rollover"] == [30 - taken][
        : taken < 30
    ]


def test_without_anything_rolled_over_nothing_is_taken_back() -> None:
    change, back = take_rollover(Change.begin(opened(ROLLS)), Decimal(10))
    assert (back, change.is_empty) == (ZERO, True)


# How much a balance carries


def carrying(count: int) -> Balance:
    return replace(opened(), grants=tuple(grant(f"g{number:02d}") for number in range(count)))


def test_a_balance_carries_32_live_grants_and_refuses_one_more() -> None:
    assert MAX_GRANTS == 32
    full = add_grant(Change.begin(carrying(MAX_GRANTS - 1)), grant("last"), START).balance
    assert len(full.grants) == MAX_GRANTS
    with pytest.raises(TooManyGrants) as refused:
        add_grant(Change.begin(full), grant("one more"), START)
    assert refused.value.details == {"limit": MAX_GRANTS}
    # Units of a grant that is there find their place all the same
    assert left(add_grant(Change.begin(full), grant("last"), START).balance)["last"] == 20


def test_a_grant_that_is_used_up_takes_no_place() -> None:
    used_up = record_usage(carrying(MAX_GRANTS), Decimal(10), START)
    grown = add_grant(Change.begin(used_up), grant("one more"), START).balance
    assert len(grown.grants) == MAX_GRANTS
    assert "g00" not in left(grown)


@pytest.mark.parametrize(
    ("used_up", "is_kept"),
    [
        (grant("g"), False),
        (grant("g", kind="credit", expires_at=END), False),
        (grant(lot_id("top_up", 90, None)), True),
        (grant(lot_id("top_up", 90, END), expires_at=END), False),
        (grant("g", kind="add_on", expires_at=END), True),
        (grant("g", kind="plan"), True),
        (grant("g", kind="rollover"), True),
    ],
)
def test_what_is_used_up_is_kept_where_it_stands_for_a_period_or_more_may_be_added(
    used_up: Grant, *, is_kept: bool
) -> None:
    assert used_up.is_live
    assert replace(used_up, remaining=ZERO).is_live is is_kept


def test_promise_4_the_spent_lots_that_expire_last_are_kept_for_units_that_come_back() -> None:
    assert SPENT_LOTS_KEPT == 4

    def lot(days: int, remaining: int = 0) -> Grant:
        # Bought the later, the sooner it expires: what counts is the expiry.
        until, since = END + days * DAY, END - days * DAY
        lot = grant(lot_id("top_up", 90, until), expires_at=until)
        return replace(lot, starts_at=since, remaining=Decimal(remaining))

    spent = [lot(days) for days in (3, 6, 1, 5, 2, 4)]
    left, gone = lot(9, remaining=1), replace(lot(8), quantity=ZERO)
    assert kept_grants([*spent, left, gone], "") == (*(lot(days) for days in (3, 6, 5, 4)), left)
    assert kept_grants([*spent, left, gone], spent[2].id) == (*(lot(days) for days in (3, 6, 1, 5, 4)), left)
    # None that is no lot, has units, or never expires
    others = (grant("g", expires_at=END), lot(1, remaining=1), grant(lot_id("top_up", 90, None)))
    assert [replace(others[0], remaining=ZERO).is_spent_lot, *(each.is_spent_lot for each in others[1:])] == [False] * 3
    assert not replace(others[2], remaining=ZERO).is_spent_lot
    assert (lot(1).is_spent_lot, gone.is_spent_lot) == (True, False)


def test_a_lot_keeps_the_name_under_which_it_is_stored() -> None:
    assert lot_id("top_up", 90, None) == "lot:top_up:90:never"
    assert lot_id("credit", 80, END) == "lot:credit:80:2026-04-10T15:00:00.000Z"


@pytest.mark.parametrize(
    ("count", "may"), [(MAX_GRANTS - GRANTS_NOT_SOLD - 1, True), (MAX_GRANTS - GRANTS_NOT_SOLD, False)]
)
def test_point_14_units_are_sold_as_long_as_their_payment_finds_a_place(count: int, *, may: bool) -> None:
    assert can_carry(carrying(count), grant("new"), START) is may
    assert can_carry(carrying(count), grant("g00"), START)


def test_point_14_a_grant_that_has_just_ended_takes_no_place_of_a_sale() -> None:
    full = carrying(MAX_GRANTS - GRANTS_NOT_SOLD)
    ending = replace(full, grants=(*full.grants[1:], grant("ending", expires_at=END)))
    assert not can_carry(ending, grant("new"), END - INSTANT)
    assert can_carry(ending, grant("new"), END)


def test_units_of_a_failed_refund_clear_its_debt_before_they_come_back() -> None:
    owing = replace(opened(), refund_debt=Decimal(4))
    back = give_back(Change.begin(owing), grant("pack", 10, kind="top_up", priority=90), START)
    assert (back.balance.refund_debt, back.balance.available) == (ZERO, Decimal(6))
    assert [(each.kind, int(each.quantity), each.reference) for each in back.movements] == [
        ("clawed_back", 4, "pack"),
        ("refund_cleared", 4, None),
        ("granted", 10, "pack"),
    ]


# Holds


def test_a_balance_carries_100_holds_and_refuses_one_more() -> None:
    balance = opened(Policy("pro", Decimal(1000), "billing"))
    for number in range(MAX_HOLDS):
        held = place_hold(balance, f"h{number}", Hold(Decimal(1), END))
        assert isinstance(held, Balance)
        balance = held
    assert (MAX_HOLDS, balance.held) == (100, Decimal(100))
    assert place_hold(balance, "one more", Hold(Decimal(1), END)) == Refusal("too_many_holds")


def test_a_hold_ends_at_its_very_instant_and_not_before() -> None:
    held = place_hold(opened(Policy("pro", Decimal(10), "billing")), "h1", Hold(Decimal(4), START + HOUR))
    assert isinstance(held, Balance)
    assert drop_expired_holds(Change.begin(held), START + HOUR - INSTANT).is_empty
    dropped = drop_expired_holds(Change.begin(held), START + HOUR)
    assert (dropped.balance.holds, dropped.balance.available) == ({}, Decimal(10))
    assert [(each.kind, int(each.quantity), each.reference) for each in dropped.movements] == [
        ("hold_expired", 4, "h1")
    ]


# Gifts that are taken back


def test_what_is_left_of_a_gift_is_taken_away_and_what_was_used_of_it_stays_used() -> None:
    balance = replace(
        opened(), grants=(grant("a", priority=1), grant("gift:g"), grant("z", priority=99)), used=Decimal(13)
    )
    change, voided = void_grant(Change.begin(balance), "gift:g")
    assert voided == Decimal(7)
    assert left(change.after) == {"a": 0, "z": 10}
    assert (change.after.available, change.after.used, change.after.overage) == (Decimal(10), Decimal(13), ZERO)
    assert [(each.kind, each.quantity, each.reference) for each in change.movements] == [
        ("used", Decimal(13), None),
        ("clawed_back", Decimal(7), "gift:g"),
    ]


def test_a_gift_that_is_not_there_cannot_be_taken_away() -> None:
    balance = replace(opened(), grants=(grant("a"),), used=Decimal(3))
    change, voided = void_grant(Change.begin(balance), "gift:g")
    assert (change.is_empty, voided) == (True, ZERO)


@pytest.mark.parametrize(
    ("unused", "kind", "starts_at", "status"),
    [
        (1, "promotion", START, "live"),
        (1, "promotion", START + INSTANT, "future"),
        (1, "plan", START + INSTANT, "live"),
        (0, "promotion", START, "spent"),
        (0, "promotion", START + INSTANT, "spent"),
    ],
)
def test_a_grant_may_be_used_now_or_later_or_is_used_up(
    unused: int, kind: GrantKind, starts_at: datetime, status: str
) -> None:
    given = grant("a", kind=kind, starts_at=starts_at)
    less = given.left_with(Decimal(unused))
    assert less == replace(given, remaining=Decimal(unused))
    assert less.status_at(START) == status


def test_a_gift_is_known_by_its_id() -> None:
    assert [grant(name).is_gift for name in ("gift:g", "plan:1", "a gift:g")] == [True, False, False]
