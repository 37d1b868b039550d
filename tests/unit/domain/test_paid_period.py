"""A paid period: what its statements say together, and how much of the plan its money keeps."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import permutations

import pytest

from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.lifecycle import Bound, StatedPeriod
from pancake_meter.domain.standing.paid_period import (
    CHANGE_MAX,
    Charged,
    PaidPeriod,
    Sale,
    charges_by_period,
)
from pancake_meter.value import replace
from tests.support.pure_subscription import CATALOG, bound
from tests.support.webhook_world import utc

STARTER, PRO, SCALE = (CATALOG.plans[key] for key in ("starter", "pro", "scale"))
BEGAN = utc("2026-03-10T15:14:30")
INSTANT = timedelta.resolution
UNITS = {plan.key: plan.allowances["tokens"].quantity for plan in (STARTER, PRO, SCALE)}


def stated(start: str = "2026-03-10", end: str = "2026-04-10", number: int = 0) -> StatedPeriod:
    return StatedPeriod(bound(start), bound(end), number)


def period(*plans: Plan, number: int = 0, is_trial: bool | None = False) -> PaidPeriod:
    """Plans sold a day after each other in one period."""
    sales = tuple(Sale(plan, BEGAN + day * timedelta(days=1), is_trial) for day, plan in enumerate(plans))
    return PaidPeriod(stated(number=number), sales, frozenset({number} - {0}))


def charge(amount: str, day: int = 0, *, back: str = "0", plan: str | None = None, price: str | None = None) -> Charged:
    paid_at = BEGAN + timedelta(days=day)
    refunded_at = BEGAN + timedelta(days=20) if Decimal(back) else None
    return Charged(Decimal(amount), Decimal(back), paid_at, None, plan, Decimal(price) if price else None, refunded_at)


# The money


@pytest.mark.parametrize(
    ("charges", "share"),
    [
        ([], Fraction(1)),
        ([charge("10")], Fraction(1)),
        ([charge("10", back="5")], Fraction(1, 2)),
        ([charge("10", back="10")], Fraction(0)),
        ([charge("10", back="11")], Fraction(0)),
        ([charge("9.90", back="4.95"), charge("18", 1, back="9")], Fraction(1, 2)),
        ([charge("10", back="10"), charge("30", 1)], Fraction(3, 4)),
        ([charge("0"), charge("10", back="5")], Fraction(1, 2)),
        ([charge("0")], Fraction(1)),
    ],
)
def test_point_5_the_money_keeps_what_is_left_of_all_that_was_charged(charges: list[Charged], share: Fraction) -> None:
    assert period(STARTER, PRO).kept([replace(each, plan="starter") for each in charges]) == share


@pytest.mark.parametrize(
    ("first", "second", "share"),
    [
        # The whole price of the plan sold last was charged: what came before it takes nothing of it
        (charge("9.90", back="9.90", plan="starter"), charge("29", 1, plan="pro", price="29"), Fraction(1)),
        (charge("9.90", back="9.90", plan="starter"), charge("29.01", 1, plan="pro", price="29"), Fraction(1)),
        # Only the difference was
        (charge("9.90", back="9.90", plan="starter"), charge("18", 1, plan="pro", price="29"), Fraction(180, 279)),
        # No price is stated, and what was paid before was still there when it was charged
        (charge("9.90", back="9.90", plan="starter"), charge("18", 1, plan="pro"), Fraction(180, 279)),
        # It had all gone back by then, to the instant
        (
            replace(charge("9.90", back="9.90", plan="starter"), refunded_at=BEGAN + timedelta(days=1)),
            charge("18", 1, plan="pro"),
            Fraction(1),
        ),
        (
            replace(charge("9.90", back="9.90", plan="starter"), refunded_at=BEGAN + timedelta(days=1) + INSTANT),
            charge("18", 1, plan="pro"),
            Fraction(180, 279),
        ),
        (
            replace(charge("9.90", back="9.89", plan="starter"), refunded_at=BEGAN),
            charge("18", 1, plan="pro"),
            Fraction(1801, 2790),
        ),
        # The plan that was charged in full is not the one sold last
        (charge("9.90", plan="pro", price="9.90"), charge("18", 1, back="18", plan="starter"), Fraction(1)),
    ],
)
def test_point_5_a_plan_that_was_charged_in_full_keeps_at_least_what_is_left_of_that_charge(
    first: Charged, second: Charged, share: Fraction
) -> None:
    for charges in permutations([first, second]):
        assert period(STARTER, PRO).kept(charges) == share


def test_point_5_a_charge_of_nothing_keeps_nothing_of_a_plan_whose_money_went_back() -> None:
    assert period(PRO).kept([charge("0"), charge("10", 1, back="5")]) == Fraction(1, 2)


def test_a_price_may_be_stated_by_the_sale_and_the_higher_of_two_counts() -> None:
    first, second = charge("9.90", back="9.90", plan="starter"), charge("18", 1, plan="pro", price="18")
    sold = period(STARTER, PRO)
    at_price = replace(sold, statements=(sold.statements[0], replace(sold.statements[1], price=Decimal(29))))
    assert (sold.kept([first, second]), at_price.kept([first, second])) == (Fraction(1), Fraction(180, 279))


def test_a_charge_that_names_no_plan_is_for_the_one_in_force_give_or_take_a_plan_change() -> None:
    gone = charge("9.90", back="9.90")
    changed_at = BEGAN + timedelta(days=1)
    for paid_at, share in (
        (changed_at - CHANGE_MAX, Fraction(1)),
        (changed_at - CHANGE_MAX - INSTANT, Fraction(290, 389)),
    ):
        charges = [gone, replace(charge("29", price="29"), paid_at=paid_at)]
        assert period(STARTER, PRO).kept(charges) == share


def test_a_charge_from_before_the_first_sale_is_for_that() -> None:
    early = replace(charge("10", back="10", price="10"), paid_at=BEGAN - timedelta(days=1))
    assert period(STARTER, PRO).kept([early, charge("10", 2)]) == Fraction(1, 2)
    assert period(STARTER).kept([charge("10", back="10"), replace(early, refunded=Decimal(0))]) == Fraction(1)


@pytest.mark.parametrize(
    ("sold", "charges", "units"),
    [
        ((PRO,), [], UNITS["pro"]),
        ((PRO,), [charge("29", back="14.50")], UNITS["pro"] / 2),
        ((PRO,), [charge("29", back="29")], 0),
        # While one charge stands, what it paid for stands
        ((STARTER, PRO), [charge("1", plan="starter"), charge("99", 1, back="99", plan="pro")], UNITS["starter"]),
        ((STARTER, PRO), [charge("9.90", back="9.90", plan="starter"), charge("18", 1, back="18", plan="pro")], 0),
        # A plan that was sold before and is no lower does not
        (
            (SCALE, PRO),
            [charge("99", plan="scale"), charge("1", 1, back="1", plan="pro")],
            UNITS["pro"] * 99 // 100,
        ),
        # Of several lower ones, that which is still paid for, whichever it is
        (
            (STARTER, PRO, SCALE),
            [
                charge("9.90", back="9.90", plan="starter"),
                charge("1", 1, plan="pro"),
                charge("99", 2, back="99", plan="scale"),
            ],
            UNITS["pro"],
        ),
        # Nor does one of the same rank
        (
            (replace(PRO, key="peer"), PRO),
            [charge("1", plan="peer"), charge("99", 1, back="99", plan="pro")],
            UNITS["pro"] / 100,
        ),
        # Without a charge of its own the lower plan keeps the share of all
        ((STARTER, PRO), [charge("29", 1, back="14.50", plan="pro")], UNITS["pro"] / 2),
    ],
)
def test_point_5_a_plan_is_worth_no_less_than_a_lower_one_that_is_still_paid_for(
    sold: tuple[Plan, ...], charges: list[Charged], units: Decimal
) -> None:
    assert period(*sold).allowance("tokens", charges) == units


def test_a_meter_that_the_plan_sold_last_does_not_grant_has_no_units() -> None:
    assert period(PRO).allowance("unheard_of", []) == 0


@pytest.mark.parametrize(
    ("trial", "is_trial", "units"),
    [
        (Decimal("0.25"), True, UNITS["pro"] / 4),
        (Decimal(0), True, 0),
        (Decimal(1), True, UNITS["pro"]),
        (None, True, UNITS["pro"]),
        (Decimal("0.25"), False, UNITS["pro"]),
        (Decimal("0.25"), None, UNITS["pro"]),
    ],
)
def test_point_8_a_trial_grants_what_the_plan_says(
    trial: Decimal | None, is_trial: bool | None, units: Decimal
) -> None:
    assert period(replace(PRO, trial=trial), is_trial=is_trial).allowance("tokens", []) == units


# What is said of it


@pytest.mark.parametrize(
    ("told", "is_trial"),
    [
        ([None], False),
        ([True], True),
        ([False], False),
        ([None, True], True),
        ([True, False], False),
        ([False, True, None], False),
    ],
)
def test_point_8_a_period_is_a_trial_when_one_event_says_so_and_none_says_it_is_paid(
    told: list[bool | None], *, is_trial: bool
) -> None:
    sales = [Sale(PRO, BEGAN + day * timedelta(days=1), each) for day, each in enumerate(told)]
    assert PaidPeriod(stated(), tuple(sales)).is_trial is is_trial


def test_statements_that_only_repeat_the_one_before_are_no_sales() -> None:
    sold = period(STARTER, STARTER, PRO, PRO, STARTER)
    assert [(sale.plan.key, sale.sold_at.day) for sale in sold.sales] == [("starter", 10), ("pro", 12), ("starter", 14)]
    assert (sold.plan, sold.sold_at.day) == (STARTER, 14)


def test_two_values_of_a_period_say_together_what_either_says() -> None:
    day = PaidPeriod(
        stated(end="2026-04-10T15:14:30", number=2), (Sale(PRO, BEGAN, None, Decimal(29)),), frozenset({2})
    )
    instant = PaidPeriod(stated(start="2026-03-10T15:14:30", number=1), (Sale(PRO, BEGAN, True),), frozenset({1}))
    both = day.join(instant)
    assert both == replace(instant.join(day))
    assert both.period == stated("2026-03-10T15:14:30", "2026-04-10T15:14:30", 2)
    assert both.statements == (Sale(PRO, BEGAN, True, Decimal(29)),)
    assert both.numbers == {1, 2}


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [(None, None, None), (None, False, False), (True, False, True), (False, False, False), (None, True, True)],
)
def test_two_readings_of_one_statement_know_a_trial_as_soon_as_one_does(
    one: bool | None, other: bool | None, said: bool | None
) -> None:
    left, right = (PaidPeriod(stated(), (Sale(PRO, BEGAN, each),)) for each in (one, other))
    assert [each.statements[0].is_trial for each in (left.join(right), right.join(left))] == [said, said]


def test_a_bound_that_is_a_day_gives_way_to_the_instant_even_at_midnight() -> None:
    midnight = StatedPeriod(Bound(utc("2026-03-10")), Bound(utc("2026-04-10")))
    both = PaidPeriod(stated(), (Sale(PRO, BEGAN),)).join(PaidPeriod(midnight, (Sale(PRO, BEGAN),)))
    assert (both.period.start.is_day, both.period.end.is_day) == (False, False)


def test_every_statement_is_remembered_however_often_the_plan_is_changed() -> None:
    told = period(*(STARTER if number % 2 else PRO for number in range(40)))
    more = told.join(PaidPeriod(stated(), (Sale(SCALE, BEGAN + timedelta(days=99)),)))
    assert (len(more.statements), more.plan, more.statements[0].sold_at) == (41, SCALE, BEGAN)


def test_of_two_values_of_a_charge_that_of_more_facts_holds() -> None:
    known = charge("10")
    refunded = replace(known, refunded=Decimal(4), revision=2)
    given_back = replace(known, revision=3)
    for left, right, held in ((known, refunded, refunded), (refunded, given_back, given_back)):
        assert left.join(right) == right.join(left) == held
    assert known.join(replace(known, refunded=Decimal(1))).refunded == 1


# Which period a charge is of

MARCH = PaidPeriod(stated("2026-03-10", "2026-04-10", 1), (Sale(PRO, BEGAN),), frozenset({1}))
APRIL = PaidPeriod(stated("2026-04-10", "2026-05-10", 2), (Sale(PRO, BEGAN),), frozenset({2}))
UNNUMBERED = replace(MARCH, period=stated(), numbers=frozenset())


@pytest.mark.parametrize(
    ("number", "paid_at", "periods", "of"),
    [
        (1, "2026-03-10T15:14:30", [APRIL, MARCH], MARCH),
        (2, "2026-04-10T15:14:30", [APRIL, MARCH], APRIL),
        # The number decides, whenever it was paid
        (2, "2026-04-09T15:14:30", [APRIL, MARCH], APRIL),
        # Of several of one number the one in which it was paid, else the latest
        (1, "2026-03-20", [replace(APRIL, numbers=frozenset({1, 2})), MARCH], MARCH),
        (1, "2026-06-20", [replace(APRIL, numbers=frozenset({1, 2})), MARCH], APRIL),
        # Without a number, by when it was paid, to the instant
        (None, "2026-03-10", [APRIL, MARCH], MARCH),
        (None, "2026-03-09T23:59:59", [APRIL, MARCH], None),
        (None, "2026-04-09T23:59:59", [APRIL, MARCH], MARCH),
        (None, "2026-04-10", [APRIL, MARCH], APRIL),
        (None, "2026-05-10", [APRIL, MARCH], None),
        (0, "2026-03-20", [APRIL, MARCH], MARCH),
        # A change of plan is charged under the next number; a later one is of a period not known yet
        (2, "2026-03-20", [MARCH], MARCH),
        (3, "2026-03-20", [MARCH], None),
        (7, "2026-03-20", [UNNUMBERED], UNNUMBERED),
    ],
)
def test_a_charge_is_of_the_period_of_its_number_else_of_the_one_it_was_paid_in(
    number: int | None, paid_at: str, periods: list[PaidPeriod], of: PaidPeriod | None
) -> None:
    money = Charged(Decimal(10), Decimal(0), utc(paid_at), number)
    found = charges_by_period(periods, {"PAY_1": money})
    assert found == {each.key: ["PAY_1"] if of and each.key == of.key else [] for each in periods}


def test_the_list_price_is_the_last_one_that_was_stated_of_the_plan_that_was_sold_last() -> None:
    def priced(*sales: tuple[Plan, str | None, bool | None]) -> Decimal | None:
        statements = tuple(
            Sale(plan, BEGAN + day * timedelta(days=1), is_trial, Decimal(price) if price else None)
            for day, (plan, price, is_trial) in enumerate(sales)
        )
        return PaidPeriod(stated(), statements).list_price

    assert priced((PRO, None, False)) is None
    assert priced((PRO, "29", False), (PRO, None, False)) == 29
    assert priced((PRO, "29", None), (PRO, "31", False)) == 31
    assert priced((STARTER, "9.90", False), (PRO, None, False)) is None
    assert priced((PRO, "29", False), (STARTER, "9.90", False)) == Decimal("9.90")
    # What a trial costs is no price of the plan
    assert priced((PRO, "1", True)) is None
    assert priced((PRO, "29", False), (PRO, "1", True)) == 29
