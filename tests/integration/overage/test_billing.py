"""How overage is billed: by the line, from where billing stopped, each unit once, whatever the order of events."""

import itertools
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from pancake_meter.domain.errors import BelowMinimum, NothingOwed
from pancake_meter.domain.selling.checkout import Checkout
from pancake_meter.domain.selling.pricing import PerUnit
from pancake_meter.store.selling.checkouts import read_checkout
from pancake_meter.store.table import Table
from pancake_meter.value import replace
from tests.support.billing import BEGAN, Billing
from tests.support.webhook_world import CUSTOMER, World, event, lifecycle, refund

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture
def billing(dynamodb: "DynamoDBClient", table: str) -> Billing:
    world = World(Table(dynamodb, table), BEGAN)
    return Billing(world, world.metering)


def ranges(checkout: Checkout) -> list[tuple[str | None, int, int, str]]:
    return [(line.key.plan, int(line.start), int(line.end), line.amount.display) for line in checkout.lines]


def test_overage_sold_in_parts_costs_what_it_costs_at_once(billing: Billing) -> None:
    # Given the scale plan: 10 million, then a million at 0.015 a thousand, 9 million at 0.012, the rest at 0.010
    billing.subscribe("scale")
    billing.use(10_000_000)

    # When 12 million more are used and paid in three checkouts
    sold = []
    for units in (700_000, 8_000_000, 3_300_000):
        billing.use(units)
        sold.append(billing.ask())
        assert billing.pay(sold[-1]) is None
        assert billing.owes()[:2] == (0, 0)

    # Then each goes on in the price where the one before stopped: 15 + 108 + 20 dollars in all
    assert [ranges(checkout) for checkout in sold] == [
        [("scale", 0, 700_000, "10.50")],
        [("scale", 700_000, 8_700_000, "96.90")],
        [("scale", 8_700_000, 12_000_000, "35.60")],
    ]
    assert sum(checkout.amount.amount for checkout in sold) == Decimal("143.00")


def test_a_period_is_sold_under_its_own_plan(billing: Billing) -> None:
    # Given 20,350 tokens over on pro (0.02 for each started thousand), then another month on scale
    billing.subscribe("pro")
    billing.use(1_020_350)
    billing.wait(31)
    billing.subscribe("scale", "plan_changed", "ORD_B")
    billing.use(10_500_000)

    # When everything is asked for
    checkout = billing.ask()

    # Then each line has its own price
    assert ranges(checkout) == [("pro", 0, 20_350, "0.42"), ("scale", 0, 500_000, "7.50")]
    assert (int(checkout.quantity), checkout.amount.display) == (520_350, "7.92")
    assert billing.pay(checkout) is None
    assert billing.owes() == (0, 0, 0)


@pytest.mark.parametrize("renewals", [0, 1], ids=["just closed", "due for a month"])
def test_a_closed_period_keeps_the_prices_under_which_it_was_sold(billing: Billing, renewals: int) -> None:
    # Given overage of a month on pro, and a catalog that has become dearer before a renewal
    billing.subscribe("pro")
    billing.use(1_100_000)
    billing.wait(31)
    for _ in range(renewals):
        billing.subscribe("pro", "renewed")
        billing.wait(31)
    catalog = billing.metering.catalog
    pro = catalog.plans["pro"]
    dearer = replace(pro.allowances["tokens"], prices={"USD": PerUnit(Decimal("0.001"))})
    plans = {**catalog.plans, "pro": replace(pro, allowances={"tokens": dearer})}
    billing.metering = replace(billing.metering, catalog=replace(catalog, plans=plans))
    billing.selling = replace(billing.selling, metering=billing.metering)

    # When it renews, and another thousand too many are used
    billing.subscribe("pro", "renewed")
    billing.use(1_001_000)

    # Then the old month costs what it cost, the new one what it costs now
    assert ranges(billing.ask()) == [("pro", 0, 100_000, "2.00"), ("pro", 0, 1_000, "1.00")]


def test_scenario_75_what_is_below_the_minimum_is_carried_into_the_next_period(billing: Billing) -> None:
    # Given 18,000 tokens over in each of two months: 0.36 dollars each, and half a dollar is the least
    billing.subscribe("pro")
    billing.use(1_018_000)
    with pytest.raises(BelowMinimum):
        billing.ask()
    billing.wait(31)
    billing.subscribe("pro", "renewed")
    billing.use(1_018_000)

    # Then both are sold together, the older first
    assert ranges(billing.ask()) == [("pro", 0, 18_000, "0.36"), ("pro", 0, 18_000, "0.36")]


@pytest.mark.parametrize("first", ["payment", "renewal"])
def test_an_overage_payment_and_a_renewal_commute(billing: Billing, first: str) -> None:
    # Given a checkout for 100,000 tokens of the month, paid; then 30,000 more were used and the month is over
    billing.subscribe("pro")
    billing.use(1_100_000)
    payment = billing.paid(billing.ask())
    billing.use(30_000)

    # When payment and renewal are told in either order
    if first == "payment":
        assert billing.take(payment) is None
    billing.wait(31)
    billing.subscribe("pro", "renewed")
    if first == "renewal":
        assert billing.take(payment) is None

    # Then the payment settled what it sold, and the rest is due from there on
    assert billing.owes() == (30_000, 0, 1_000_000)
    assert ranges(billing.ask()) == [("pro", 100_000, 130_000, "0.60")]


@pytest.mark.parametrize("first", ["top-up", "renewal"])
def test_a_top_up_and_a_renewal_commute(billing: Billing, first: str) -> None:
    # Given a month with 40,000 tokens too many, and a pack of 100,000 bought in it
    billing.subscribe("pro")
    billing.use(1_040_000)
    payment = billing.paid(billing.ask(kind="top_up"))

    # When payment and renewal are told in either order
    if first == "top-up":
        assert billing.take(payment) is None
    billing.wait(31)
    billing.subscribe("pro", "renewed")
    if first == "renewal":
        assert billing.owes() == (40_000, 0, 1_000_000)
        assert billing.take(payment) is None

    # Then the pack has paid for the month's overage, and 60,000 of it are left
    assert billing.owes() == (0, 0, 1_060_000)
    with pytest.raises(NothingOwed):
        billing.ask()


def test_a_top_up_of_the_next_month_leaves_the_last_months_debt(billing: Billing) -> None:
    billing.subscribe("pro")
    billing.use(1_040_000)
    billing.wait(31)
    billing.subscribe("pro", "renewed")
    assert billing.pay(billing.ask(kind="top_up")) is None
    assert billing.owes() == (40_000, 0, 1_100_000)


@pytest.mark.parametrize("is_over", [False, True], ids=["open", "closed"])
@pytest.mark.parametrize("first", ["payment", "top-up"])
def test_promise_4_an_overage_payment_and_a_top_up_commute(billing: Billing, first: str, *, is_over: bool) -> None:
    # Given a checkout for 100,000 tokens of the month, and a top-up bought in it, which pays for them if it is told of
    billing.subscribe("pro")
    billing.use(1_100_000)
    old = billing.ask()
    top_up, payment = billing.paid(billing.ask(kind="top_up"), "PAY_P"), billing.paid(old, "PAY_O")
    if is_over:
        billing.wait(31)
        billing.subscribe("pro", "renewed")

    # When both are told in either order
    flags = [billing.take(each) for each in ((payment, top_up) if first == "payment" else (top_up, payment))]

    # Then the payment settled what it sold, and the top-up is there
    allowance = 1_000_000 if is_over else 0
    assert (flags, billing.owes()) == ([None, None], (0, 0, 100_000 + allowance))
    assert (stored(billing, old).status, stored(billing, old).flag) == ("paid", None)
    with pytest.raises(NothingOwed):
        billing.ask()

    # And when both go back, the units are owed as the overage that they were
    for payment_id, amount in (("PAY_O", "2.00"), ("PAY_P", "5.00")):
        billing.take(
            refund(f"ORD_{payment_id}", payment_id, f"REF_{payment_id}", "2026-03-11", amount=amount, of=amount)
        )
    assert billing.owes() == ((100_000, 0, allowance) if is_over else (0, 100_000, 0))


def test_scenario_74_an_old_link_paid_after_a_newer_one_is_credit(billing: Billing) -> None:
    # Given a checkout for 100,000 tokens, superseded by one for 150,000
    billing.subscribe("pro")
    billing.use(1_100_000)
    old = billing.ask()
    billing.use(50_000)
    new = billing.ask()
    assert stored(billing, old).status == "superseded"

    # When both are paid, the newer first
    assert billing.pay(new) is None
    assert billing.pay(old) == "no_longer_owed"

    # Then nothing is owed, and what was paid twice is credit
    assert billing.owes() == (0, 0, 100_000)


def test_scenario_74_a_newer_link_paid_after_the_old_one_settles_the_rest(billing: Billing) -> None:
    billing.subscribe("pro")
    billing.use(1_100_000)
    old = billing.ask()
    billing.use(50_000)
    new = billing.ask()
    assert billing.pay(old) is None
    assert billing.owes() == (0, 50_000, 0)
    assert billing.pay(new) == "no_longer_owed"
    assert billing.owes() == (0, 0, 100_000)


def test_scenario_74_two_orders_of_one_session_settle_once(billing: Billing) -> None:
    billing.subscribe("pro")
    billing.use(1_100_000)
    checkout = billing.ask()
    assert [billing.pay(checkout), billing.pay(checkout)] == [None, "paid_twice"]
    assert billing.owes() == (0, 0, 100_000)
    assert len(stored(billing, checkout).payment_ids) == 2


@pytest.mark.parametrize(
    ("amount", "currency", "flag"), [("1.00", None, "amount_differs"), (None, "EUR", "currency_differs")]
)
def test_scenario_76_other_money_settles_nothing_and_the_right_money_still_does(
    billing: Billing, amount: str | None, currency: str | None, flag: str
) -> None:
    # Given
    billing.subscribe("pro")
    billing.use(1_100_000)
    checkout = billing.ask()
    wrong = billing.paid(checkout, amount=amount)
    if currency:
        wrong["data"]["currency"] = currency

    # When
    assert billing.take(wrong) == flag

    # Then all is owed, until it is paid as asked
    assert billing.owes() == (0, 100_000, 0)
    assert billing.pay(checkout) == "paid_twice"
    assert billing.owes() == (0, 0, 0)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
@pytest.mark.parametrize("closes", [False, True], ids=["open period", "closed period"])
def test_scenario_78_refunded_overage_is_owed_again_in_any_order(
    billing: Billing, order: tuple[int, ...], closes: bool
) -> None:
    # Given a payment of 2 dollars for 100,000 tokens, of which a quarter and a half went back
    billing.subscribe("pro")
    billing.use(1_100_000)
    payment = billing.paid(billing.ask(), "PAY_X")
    told = [
        payment,
        refund("ORD_PAY_X", "PAY_X", "REF_1", "2026-03-11", amount="0.50", of="2.00"),
        refund("ORD_PAY_X", "PAY_X", "REF_2", "2026-03-12", amount="1.00", of="2.00"),
    ]
    if closes:
        billing.wait(31)
        billing.subscribe("pro", "renewed")

    # When they are told in any order, each twice
    for index in (*order, *order):
        billing.take(told[index])

    # Then three quarters are owed again, from where billing then stands
    due, over, _ = billing.owes()
    assert (due, over) == ((75_000, 0) if closes else (0, 75_000))
    assert ranges(billing.ask()) == [("pro", 25_000, 100_000, "1.50")]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
@pytest.mark.parametrize("closes", [False, True], ids=["open period", "closed period"])
def test_promise_4_overage_and_a_pack_that_are_both_refunded_leave_overage_and_no_debt_in_any_order(
    billing: Billing, order: tuple[int, ...], closes: bool
) -> None:
    # Given 200,000 tokens over, paid for, and a pack of as many that is not used
    billing.subscribe("pro")
    billing.use(1_200_000)
    over = billing.ask()
    billing.take(billing.paid(over, "PAY_O"))
    price = over.amount.display
    pack = event(
        "order.completed", "ORD_PAY_P", "2026-03-11", paymentId="PAY_P", chargedAmount="5.00", amount="5.00",
        productName="Tokens", productMetadata={"top_up_tokens": "200000"},
    )  # fmt: skip
    back = [
        refund("ORD_PAY_O", "PAY_O", "REF_O", "2026-03-12", amount=price, of=price),
        refund("ORD_PAY_P", "PAY_P", "REF_P", "2026-03-13", amount="5.00", of="5.00"),
    ]
    if closes:
        billing.wait(31)
        billing.subscribe("pro", "renewed")

    # When both go back, told in any order, each twice
    told = [pack, *back]
    for index in (*order, *order):
        billing.take(told[index])

    # Then what was used is owed again, and can be sold again
    due, overage, _ = billing.owes()
    assert (due, overage) == ((200_000, 0) if closes else (0, 200_000))
    assert debt(billing) == 0
    assert ranges(billing.ask()) == [("pro", 0, 200_000, price)]

    # And where both refunds fail after all, all is as it was bought
    for each in back:
        data = {**each["data"], "refundStatus": "failed", "refundedAmount": "0.00", "amount": "0.00"}
        failed = {**each, "eventType": "refund.failed", "timestamp": "2026-03-14T10:00:00.000Z", "data": data}
        assert billing.take(failed) is None
    assert billing.owes()[:2] == (0, 0)
    assert debt(billing) == 0
    assert billing.world.available() == (1_200_000 if closes else 200_000)


def debt(billing: Billing) -> int:
    return int(billing.world.metering.current_balance(CUSTOMER, "tokens", billing.world.now).refund_debt)


def test_scenario_79_a_refund_of_credit_takes_the_grant_and_not_the_debt(billing: Billing) -> None:
    # Given a checkout paid twice: settled once, granted once
    billing.subscribe("pro")
    billing.use(1_100_000)
    checkout = billing.ask()
    billing.pay(checkout)
    billing.take(billing.paid(checkout, "PAY_Y"))

    # When the second payment goes back
    billing.take(refund("ORD_PAY_Y", "PAY_Y", "REF_1", "2026-03-11", amount="2.00", of="2.00"))

    # Then everything is as if it had been paid once
    assert billing.owes() == (0, 0, 0)


def test_the_cap_counts_overage_again_after_a_second_order_came_and_went(billing: Billing) -> None:
    # Given 400,000 tokens over on pro, whose cap is 500,000
    billing.subscribe("pro")
    billing.use(1_400_000)

    # When another order comes and goes
    billing.wait(1)
    billing.subscribe("scale", "activated", "ORD_B")
    assert billing.owes()[:2] == (400_000, 0)
    billing.take(lifecycle("canceled", "ORD_B", f"{billing.now:%Y-%m-%d}", "2026-03-11", "2026-04-11", plan="scale"))

    # Then the overage of the month is open again, and billed from its start
    assert billing.owes() == (0, 400_000, 0)
    assert billing.metering.current_balance(CUSTOMER, "tokens", billing.now).headroom == 100_000
    assert ranges(billing.ask()) == [("pro", 0, 400_000, "8.00")]


def stored(billing: Billing, checkout: Checkout) -> Checkout:
    found = read_checkout(billing.metering.table, checkout.id)
    assert found is not None
    return found
