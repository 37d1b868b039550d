"""Issue 11, points 11 and 17: owed overage can always be sold, however many lines it has, and in parts costs the same."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import pytest

from pancake_meter.catalog.catalog import TopUp
from pancake_meter.domain.balance.grant import GRANTS_NOT_SOLD, MAX_GRANTS
from pancake_meter.domain.balance.ledger import EventCause
from pancake_meter.domain.errors import BelowMinimum, NothingOwed, TooManyGrants
from pancake_meter.domain.selling.checkout import Checkout
from pancake_meter.domain.selling.overage import MAX_CHANGED_LINES, MAX_SOLD_LINES, LineKey, OverageLine
from pancake_meter.domain.selling.pricing import PerUnit, Price
from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.store.balance.balances import write_change
from pancake_meter.store.errors import StoreBusy
from pancake_meter.store.selling.checkouts import read_checkout
from pancake_meter.store.selling.overage_lines import read_due_lines, read_remainder
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.selling import forgive_overage
from pancake_meter.usecases.selling.forgive_overage import Forgiven, forgive
from pancake_meter.usecases.selling.offer import Offers
from pancake_meter.value import replace
from tests.support.billing import BEGAN, Billing
from tests.support.meters import catalog_of
from tests.support.webhook_world import CUSTOMER, World, refund

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CENTS: Final = "0.01"
Daily = Callable[..., Billing]


@pytest.fixture
def daily(dynamodb: "DynamoDBClient", table: str) -> Daily:
    """A customer of a plan with 1,000 tokens a day, and a price for each token more."""

    def sells(unit_price: str = CENTS, minimum: str = "0.50", *, pack_days: int = 0) -> Billing:
        prices = f'prices = {{ USD = {{ model = "per_unit", unit_price = "{unit_price}" }} }}'
        catalog = catalog_of(1000, cadence="day", overage=f'overage = "allowed"\n{prices}')
        catalog = replace(catalog, minimum_charges={"USD": Decimal(minimum)})
        if pack_days:
            tokens = replace(catalog.meters["tokens"], top_up=TopUp(Decimal(20_000), timedelta(days=pack_days), 90))
            catalog = replace(catalog, meters={"tokens": tokens})
        world = World(Table(dynamodb, table), BEGAN)
        return Billing(world, Metering(world.table, catalog))

    return sells


def over(billing: Billing, *units: int) -> None:
    """Use so many tokens too many on each of the days."""
    for each in units:
        billing.use(1000 + each)
        billing.wait(1)


def owe(billing: Billing, lines: int, units: int, prices: dict[str, Price] | None = None, plan: str = "free") -> None:
    """Have so many lines due of the days before the first, as if that time had passed."""
    billing.use(0)
    prices = prices or {"USD": PerUnit(Decimal(CENTS))}
    start = billing.metering.current_balance(CUSTOMER, "tokens", billing.now).period.start
    for first in range(0, lines, 80):
        change = billing.metering.begin_change(CUSTOMER, "tokens", billing.now).change
        batch = range(first, min(first + 80, lines))
        for number in batch:
            day = start - timedelta(days=lines - number)
            line = OverageLine(LineKey(day, plan), day + timedelta(days=1), Decimal(units), prices=prices)
            change = change.line_moved(line)
        due = change.balance.overage_due + units * len(batch)
        change = replace(change, balance=replace(change.balance, overage_due=due))
        assert write_change(billing.metering.table, change, EventCause("closed"), None, billing.now)


def costs(billing: Billing, unit_price: str, key: str = "free") -> None:
    """Have the catalog sell the plan at another price from now on."""
    catalog = billing.metering.catalog
    plan = catalog.plans[key]
    allowance = replace(plan.allowances["tokens"], prices={"USD": PerUnit(Decimal(unit_price))})
    plans = {**catalog.plans, key: replace(plan, allowances={"tokens": allowance})}
    billing.metering = replace(billing.metering, catalog=replace(catalog, plans=plans))
    billing.selling = replace(billing.selling, metering=billing.metering)


def status(billing: Billing, checkout: Checkout) -> str | None:
    found = read_checkout(billing.metering.table, checkout.id)
    return found.status if found else None


@pytest.mark.parametrize("small", [24, MAX_SOLD_LINES + 5])
def test_point_11_a_line_of_a_thousand_dollars_is_not_hidden_behind_lines_of_two_cents(
    daily: Daily, small: int
) -> None:
    # Given days with 2 tokens too many at a cent, and then one with 100,000
    billing = daily()
    owe(billing, small, 2)
    over(billing, 100_000)

    # Then the first checkout sells it
    checkout = billing.ask()
    assert checkout.amount.amount >= 1000
    assert billing.pay(checkout) is None

    # And what the small ones then come to is owed
    left = max(0, small + 1 - MAX_SOLD_LINES)
    assert billing.owes() == (2 * left, 0, 1000)


def test_point_11_lines_are_sold_by_worth_and_listed_oldest_first(daily: Daily) -> None:
    # Given five days more than one checkout holds, the first five with the least
    billing = daily()
    over(billing, *[90] * 5, *[100] * MAX_SOLD_LINES)

    # When the first are sold and paid
    first = billing.ask()
    assert (len(first.lines), first.amount.display) == (MAX_SOLD_LINES, "60.00")
    assert list(first.lines) == sorted(first.lines, key=lambda line: line.key.order)
    assert billing.pay(first) is None

    # Then the other five follow
    assert billing.owes() == (450, 0, 1000)
    rest = billing.ask()
    assert (len(rest.lines), rest.amount.display) == (5, "4.50")
    assert billing.pay(rest) is None
    assert billing.owes() == (0, 0, 1000)


def test_point_11_five_hundred_lines_that_only_together_make_the_minimum_are_sold(daily: Daily) -> None:
    # Given 500 days with 4 tokens too many at 0.1 cents: 60 of them are 0.24 dollars, and half a dollar is the least
    billing = daily("0.001")
    owe(billing, 500, 4, {"USD": PerUnit(Decimal("0.001"))})
    assert billing.owes() == (2000, 0, 1000)

    # Then all of them are sold, at what they cost
    checkout = billing.ask()
    assert (int(checkout.quantity), checkout.amount.display) == (2000, "2.00")
    assert len(checkout.lines) <= MAX_SOLD_LINES
    assert billing.ask().id == checkout.id
    assert billing.pay(checkout) is None
    assert (billing.owes(), status(billing, checkout)) == ((0, 0, 1000), "paid")


def test_point_11_what_is_below_the_minimum_all_together_stays_as_it_is(daily: Daily) -> None:
    billing = daily("0.001")
    owe(billing, 120, 4, {"USD": PerUnit(Decimal("0.001"))})
    with pytest.raises(BelowMinimum):
        billing.ask()
    lines = read_due_lines(billing.metering.table, CUSTOMER, "tokens", Decimal(480))
    assert len(lines) == 120


def test_point_11_120_unpaid_lines_and_a_renewal_at_another_price(dynamodb: "DynamoDBClient", table: str) -> None:
    # Given a subscriber with 120 lines due under pro, and a catalog that has become dearer
    world = World(Table(dynamodb, table), BEGAN)
    billing = Billing(world, world.metering)
    billing.subscribe("pro")
    owe(billing, 120, 100, plan="pro")
    costs(billing, "0.05", "pro")

    # When the subscription renews, and what is owed is paid
    billing.wait(31)
    billing.subscribe("pro", "renewed")
    checkout = billing.ask()

    # Then the lines cost what they cost
    assert checkout.amount.display == "60.00"
    assert billing.pay(checkout) is None
    assert billing.owes() == (6_000, 0, 1_000_000)


def test_point_11_a_pack_whose_news_come_late_pays_for_as_many_lines_as_one_change_has_room_for(daily: Daily) -> None:
    # Given 120 days with 100 tokens too many, and a pack of 20,000 that was paid on the first of them
    billing = daily(pack_days=365)
    owe(billing, 120, 100)
    paid = billing.paid(billing.ask(kind="top_up"))
    paid["timestamp"] = f"{billing.now - timedelta(days=120):%Y-%m-%dT%H:%M:%S.000Z}"

    # When it is told
    assert billing.take(paid) is None

    # Then every unit of it is there or has paid for overage
    assert billing.owes() == (12_000 - 100 * MAX_CHANGED_LINES, 0, 1000 + 20_000 - 100 * MAX_CHANGED_LINES)


def test_point_11_a_paid_checkout_whose_lines_were_let_go_meanwhile_is_credit(daily: Daily) -> None:
    # Given a checkout of 60 of 90 lines, and a seller who lets all 90 go before it is paid
    billing = daily()
    owe(billing, 90, 100)
    checkout = billing.ask()
    forgive(billing.metering, CUSTOMER, "tokens", "all", Decimal(9_000), billing.now)

    # When it is paid after all, then its units are credit, and a person is told
    assert billing.pay(checkout) == "no_longer_owed"
    assert billing.owes() == (0, 0, 7_000)


def test_point_11_a_refund_of_a_checkout_of_many_lines_is_applied(daily: Daily) -> None:
    billing = daily()
    owe(billing, 90, 100)
    billing.take(billing.paid(billing.ask(), "PAY_X"))
    assert billing.owes() == (3_000, 0, 1000)
    billing.take(refund("ORD_PAY_X", "PAY_X", "REF_1", "2026-03-11", amount="60.00", of="60.00"))
    assert billing.owes() == (9_000, 0, 1000)


def test_point_11_everything_is_forgiven_however_many_lines_there_are(daily: Daily) -> None:
    # Given 500 lines due and overage of the open period
    billing = daily()
    owe(billing, 500, 100)
    billing.use(1_050)

    # When all is let go, twice
    everything = Decimal(10) ** 15
    first, again = (forgive(billing.metering, CUSTOMER, "tokens", "all", everything, billing.now) for _ in range(2))

    # Then nothing is owed
    assert first == Forgiven(Decimal(50_050), is_replay=False)
    assert again == Forgiven(Decimal(50_050), is_replay=True)
    assert billing.owes() == (0, 0, 0)
    with pytest.raises(NothingOwed):
        billing.ask()


def test_point_11_a_forgiveness_that_was_cut_off_goes_on_when_it_is_repeated(
    daily: Daily, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a request that has time for two transactions
    billing = daily()
    owe(billing, 200, 100)
    with monkeypatch.context() as patch:
        patch.setattr(forgive_overage, "_STEPS_MAX", 2)
        with pytest.raises(StoreBusy):
            forgive(billing.metering, CUSTOMER, "tokens", "most", Decimal(19_950), billing.now)
    assert billing.owes() == (6_000, 0, 1000)

    # When it is repeated, and once more
    told = [forgive(billing.metering, CUSTOMER, "tokens", "most", Decimal(19_950), billing.now) for _ in range(2)]

    # Then just what was asked for was let go
    assert told == [Forgiven(Decimal(19_950), is_replay=False), Forgiven(Decimal(19_950), is_replay=True)]
    assert billing.owes() == (50, 0, 1000)


@pytest.mark.parametrize(("unit_price", "amount"), [("0.004", "0.11"), ("0.006", "0.17")])
def test_point_17_28_lines_of_less_than_a_cent_are_rounded_once(daily: Daily, unit_price: str, amount: str) -> None:
    billing = daily(unit_price, minimum="0.01")
    over(billing, *[1] * 28)
    checkout = billing.ask()
    assert checkout.amount.display == amount
    assert sum(line.amount.amount for line in checkout.lines) == checkout.amount.amount


@pytest.mark.parametrize("unit_price", ["0.004", "0.006", "0.0149"])
@pytest.mark.parametrize("days", [(3, 20, 5), (1,) * 28])
def test_point_17_checkouts_of_a_month_cost_to_the_cent_what_one_would(
    daily: Daily, unit_price: str, days: tuple[int, ...]
) -> None:
    # Given 28 days with one token too many, paid in one checkout or in several, each as soon as it can be
    billing = daily(unit_price, minimum="0.01")
    paid = Decimal(0)
    for count in days:
        over(billing, *[1] * count)
        try:
            checkout = billing.ask()
        except BelowMinimum:
            continue
        assert billing.pay(checkout) is None
        paid += checkout.amount.amount

    # Then all of it costs the exact sum, rounded once, as far as it has been sold
    settled = 28 - billing.owes()[0]
    exact = settled * Decimal(unit_price)
    assert abs(paid - exact) <= Decimal("0.005")
    if settled == 28:
        assert paid == {"0.004": Decimal("0.11"), "0.006": Decimal("0.17")}.get(unit_price, paid)


def test_point_17_one_line_sold_in_three_parts_costs_what_it_costs_at_once(daily: Daily) -> None:
    # Given a token at 1.4 cents, in three checkouts of 51 tokens of one day: 2.142 dollars
    billing = daily("0.014")
    billing.use(1000)
    amounts = []
    for _ in range(3):
        billing.use(51)
        checkout = billing.ask()
        assert billing.pay(checkout) is None
        amounts.append(checkout.amount.display)
    assert amounts == ["0.71", "0.72", "0.71"]


def test_point_3_a_line_that_a_hot_write_closed_keeps_the_price_of_its_time(daily: Daily) -> None:
    # Given a day with overage, which the next day's usage closes; then the price rises
    billing = daily()
    over(billing, 100)
    billing.use(1)
    costs(billing, "0.05")

    # Then the day costs what it cost, and the next one what it costs now
    assert billing.ask().amount.display == "1.00"
    over(billing, 1000)
    assert billing.ask().amount.display == "51.05"


def test_point_3_late_usage_is_due_at_the_price_of_the_time_when_it_is_told(daily: Daily) -> None:
    # Given a day that was used up, and usage of it that is told the day after; then the price rises
    billing = daily()
    billing.use(1000)
    used_at = billing.now
    billing.wait(1)
    late = usage_event("late", Decimal(100), used_at, billing.now)
    assert record_events(billing.metering, CUSTOMER, "tokens", [late], billing.now) == {"late": "counted"}
    costs(billing, "0.05")
    assert billing.ask().amount.display == "1.00"


def test_point_14_no_pack_is_sold_that_the_balance_cannot_carry_and_all_that_were_sold_are_credited(
    daily: Daily,
) -> None:
    # Given a customer who buys a pack each day and uses none, and pays each of them a day late
    billing = daily(pack_days=90)
    billing.use(0)
    bought: list[Checkout] = []
    for _ in range(MAX_GRANTS - GRANTS_NOT_SOLD):
        bought.append(billing.ask(kind="top_up"))
        billing.wait(1)
        if len(bought) > 1:
            assert billing.pay(bought[-2]) is None
    billing.wait(1)
    with pytest.raises(TooManyGrants):
        billing.ask(kind="top_up")

    # Then what was sold before the refusal is credited, also where it is paid twice
    sessions = len(billing.waffo.sessions)
    assert billing.pay(bought[-1]) is None
    assert billing.pay(bought[-1]) == "paid_twice"
    assert billing.owes() == (0, 0, 1000 + 20_000 * (len(bought) + 1))

    # And nothing was asked of Waffo for the refused one, nor is a pack offered
    assert len(billing.waffo.sessions) == sessions == len(bought)
    billing.wait(1)
    balance = billing.metering.current_balance(CUSTOMER, "tokens", billing.now)
    offers = Offers(billing.metering.catalog, "test", lambda: "a secret")
    assert offers.links(balance, "https://api.example.com", billing.now) == {}

    # When the first have expired, then packs are sold again
    billing.wait(70)
    assert billing.ask(kind="top_up").kind == "top_up"


def test_point_17_overage_that_is_paid_and_refunded_again_and_again_costs_the_same_each_time(daily: Daily) -> None:
    # Given 28 days with one token too many at 0.4 cents: 11.2 cents
    billing = daily("0.004", minimum="0.01")
    over(billing, *[1] * 28)

    # When they are paid and refunded in full, four times, and paid once more
    amounts = []
    for number in range(5):
        checkout = billing.ask()
        amounts.append(checkout.amount.display)
        billing.take(billing.paid(checkout, f"PAY_R{number}"))
        if number < 4:
            at = f"{billing.now:%Y-%m-%d}"
            billing.take(refund(f"ORD_PAY_R{number}", f"PAY_R{number}", f"REF_R{number}", at, amount="0.11", of="0.11"))
            assert billing.owes()[0] == 28

    # Then no rounding of a sale that was undone is carried on
    assert amounts == ["0.11"] * 5
    assert read_remainder(billing.metering.table, CUSTOMER, "tokens", "USD") == Decimal("0.002")


def test_point_17_half_a_refund_leaves_the_half_of_what_rounding_left_out(daily: Daily) -> None:
    # Given 28 tokens of 0.4 cents, paid with 11 cents: 0.2 are carried
    billing = daily("0.004", minimum="0.01")
    over(billing, *[1] * 28)
    billing.take(billing.paid(billing.ask(), "PAY_H"))

    # When some of the money goes back, 5 of 11 cents for 12 of 28 tokens, and these are paid again
    billing.take(refund("ORD_PAY_H", "PAY_H", "REF_H", f"{billing.now:%Y-%m-%d}", amount="0.05", of="0.11"))
    assert billing.owes()[0] == 12
    remainder = read_remainder(billing.metering.table, CUSTOMER, "tokens", "USD")
    assert abs(remainder - Decimal("0.002") * 16 / 28) < Decimal("1e-17")
    checkout = billing.ask()

    # Then all together costs 11 cents, as it did at once
    assert checkout.amount.display == "0.05"
    assert billing.pay(checkout) is None
    assert billing.owes()[0] == 0
