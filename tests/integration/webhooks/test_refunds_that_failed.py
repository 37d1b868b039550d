"""Issue 11, point 9 (scenario 92): a refund that failed after it had succeeded gives back what was taken, in any order.

The last word counts, by Waffo's time of the events and never by their arrival.
"""

import itertools
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from pancake_meter.domain.reports.revenue import RevenueTotal
from pancake_meter.domain.selling.checkout import Checkout
from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.selling.overage import LineKey, SoldLine
from pancake_meter.store.balance.balances import read_balance
from pancake_meter.store.reports.revenue import read_customer, read_facts, read_sold
from pancake_meter.store.selling.checkouts import write_new_checkout
from pancake_meter.store.selling.overage_lines import read_lines
from pancake_meter.store.selling.payments import read_payment
from pancake_meter.usecases.webhooks.judge import Outcome
from tests.support.webhook_world import CUSTOMER, Document, World, event, lifecycle, payment, refund

DAY, ORDER = "2026-03-10", "ORD_A"
MONTHS = ("2026-03", "2026-04")


def bought(who: str, units: int = 50_000, amount: str = "10.00") -> Document:
    product: dict[str, Any] = {"productName": "Tokens", "productMetadata": {"top_up_tokens": str(units)}}
    own = ids(who)
    return event(
        "order.completed", own[0], DAY, own[1], paymentId=own[1], chargedAmount=amount, amount=amount,
        merchantProvidedBuyerIdentity=who, **product,
    )  # fmt: skip


def ids(who: str) -> tuple[str, str]:
    return f"ORD_{who}", f"PAY_{who}"


def done(who: str, at: str = "2026-03-11", refund_id: str = "REF_1", *, amount: str = "5.00", **data: Any) -> Document:
    fields = {"refundCreatedAt": "2026-03-11T09:00:00.000Z", "of": "10.00", **data}
    return refund(*ids(who), refund_id, at, amount=amount, merchantProvidedBuyerIdentity=who, **fields)


def failed(who: str, at: str, refund_id: str = "REF_1", **data: Any) -> Document:
    told = done(who, at, refund_id, amount="0.00", refundStatus="failed", **data)
    del told["data"]["refundedAmount"]
    return told | {"eventType": "refund.failed"}


def state(world: World, who: str) -> tuple[Any, ...]:
    """What a customer has, and what the reports say of it."""
    balance = world.metering.current_balance(who, "tokens", world.now)
    totals = [[row.total for row in read_customer(world.table, month, who)] for month in MONTHS]
    facts = [[(fact.kind, fact.amount, fact.at) for fact in read_facts(world.table, month, who)] for month in MONTHS]
    return balance.available, balance.refund_debt, balance.current_overage, balance.overage_due, totals, facts


def take(world: World, documents: Sequence[Document], order: Sequence[int]) -> list[Outcome]:
    return [world.take(documents[index]) for index in order]


def test_point_9_a_refund_that_failed_after_it_succeeded_gives_the_units_back_in_any_order(world: World) -> None:
    # Given a customer whose refund was never told of
    world.take(bought("acct_never"))
    expected = state(world, "acct_never")
    # When: each of the events twice, in any order
    for number, order in enumerate(itertools.permutations(range(3))):
        who = f"acct_{number}"
        documents = [bought(who), done(who, "2026-03-11"), failed(who, "2026-04-02")]
        take(world, documents, (*order, *order))
        # Then: units, revenue and the facts behind it are as if nothing had been
        assert state(world, who) == expected, order
    assert [sold.total.refunded for month in MONTHS for sold in read_sold(world.table, month)] == [0]


def test_point_9_the_last_word_stands_by_waffos_time(world: World) -> None:
    world.take(bought("acct_once"))
    world.take(done("acct_once", "2026-03-11"))
    expected = state(world, "acct_once")
    for number, order in enumerate(itertools.permutations(range(4))):
        who = f"acct_{number}"
        documents = [bought(who), done(who, "2026-03-11"), failed(who, "2026-03-20"), done(who, "2026-04-02")]
        take(world, documents, order)
        assert state(world, who) == expected, order


@pytest.mark.parametrize(("first", "then"), [("2026-03-11", "2026-03-12"), ("2026-03-11", "2026-03-11")])
def test_point_9_a_ticket_that_failed_may_succeed_later_and_at_one_instant_the_success_counts(
    world: World, first: str, then: str
) -> None:
    for number, order in enumerate(itertools.permutations(range(3))):
        who = f"acct_{number}"
        take(world, [bought(who), failed(who, first), done(who, then)], order)
        assert state(world, who)[0] == 35_000, order


def test_point_9_outcomes_say_what_became_of_it(world: World) -> None:
    documents = [bought("acct_1"), done("acct_1"), failed("acct_1", "2026-03-12"), failed("acct_1", "2026-03-12")]
    outcomes = [(each.verdict, each.reason) for each in take(world, documents, range(4))]
    assert outcomes == [("applied", None), ("applied", None), ("applied", None), ("ignored", "refund_failed")]


SAME: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "event id alone": ({}, {"refundCreatedAt": None}),
    "another date": ({}, {"refundCreatedAt": "2026-03-12T09:00:00.000Z"}),
    "ticket": (
        {"refund_id": "{order}", "refundTicketMerchantExternalId": "T1", "refundCreatedAt": DAY},
        {"refund_id": "{order}", "refundTicketMerchantExternalId": "T1", "refundCreatedAt": None},
    ),
    "ticket, with the order's id and a time as event id": (
        {"refund_id": "{order}-2026-03-11T09:00:00.000Z", "refundTicketMerchantExternalId": "T1"},
        {"refund_id": "{order}-2026-03-12T09:00:00.000Z", "refundTicketMerchantExternalId": "T1"},
    ),
    "instant": ({"refund_id": "{order}"}, {"refund_id": "{payment}"}),
}


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("is_first", [True, False])
def test_point_9_a_failure_finds_its_refund_by_event_id_ticket_or_instant(
    world: World, name: str, *, is_first: bool
) -> None:
    success, failure = (
        {key: value.format(order=ids("acct_1")[0], payment=ids("acct_1")[1]) if value else value
         for key, value in each.items()}
        for each in SAME[name]
    )  # fmt: skip
    words = [done("acct_1", "2026-03-11", **success), failed("acct_1", "2026-03-12", **failure)]
    take(world, [bought("acct_1"), *words], (0, 2, 1) if is_first else (0, 1, 2))
    assert state(world, "acct_1")[0] == 60_000
    kept = read_payment(world.table, ids("acct_1")[1])
    assert kept is not None
    assert len(kept.refunds) == 1


def test_point_9_a_failure_of_another_refund_gives_nothing_back(world: World) -> None:
    world.take(bought("acct_1"))
    world.take(done("acct_1", refundTicketMerchantExternalId="T1"))
    others = [
        failed("acct_1", "2026-03-12", "REF_2", refundCreatedAt="2026-03-12T09:00:00.000Z"),
        failed("acct_1", "2026-03-12", ids("acct_1")[0], refundTicketMerchantExternalId="T2"),
    ]
    assert [(each.verdict, each.reason) for each in take(world, others, range(2))] == [("ignored", "refund_failed")] * 2
    assert state(world, "acct_1")[0] == 35_000


def test_point_9_a_failure_that_may_be_of_the_refund_or_not_is_shown_to_a_person(world: World) -> None:
    world.take(bought("acct_1"))
    world.take(done("acct_1", refund_id=ids("acct_1")[0], refundCreatedAt=DAY))
    outcome = world.take(failed("acct_1", "2026-03-12", ids("acct_1")[0], refundCreatedAt=DAY))
    assert (outcome.verdict, outcome.reason) == ("parked", "refund_not_told_apart")
    assert state(world, "acct_1")[0] == 35_000


def test_point_9_one_of_two_refunds_fails_and_the_other_stands(world: World) -> None:
    for number, order in enumerate(itertools.permutations(range(4))):
        who = f"acct_{number}"
        documents = [
            bought(who),
            done(who, "2026-03-11", "REF_1", amount="2.00"),
            done(who, "2026-03-11", "REF_2", amount="5.00"),
            failed(who, "2026-03-12", "REF_2"),
        ]
        take(world, documents, order)
        assert state(world, who)[0] == 50_000, order
        (row,) = read_customer(world.table, "2026-03", who)
        assert (int(row.total.refunded), row.total.refunds) == (2, 1)


def test_point_9_used_units_are_no_debt_any_more(world: World) -> None:
    # Given: all of it was used, and refunded
    world.take(bought(CUSTOMER))
    world.use(60_000)
    world.take(done(CUSTOMER, amount="10.00"))
    assert state(world, CUSTOMER)[:2] == (0, 50_000)
    # When
    world.take(failed(CUSTOMER, "2026-03-12"))
    # Then
    assert state(world, CUSTOMER)[:2] == (0, 0)


def test_point_9_a_subscriptions_period_is_whole_again(world: World) -> None:
    documents = [
        lifecycle("activated", ORDER, DAY, DAY, "2026-04-10"),
        payment(ORDER, "PAY_S", DAY),
        refund(ORDER, "PAY_S", "REF_S", "2026-03-11", amount="4.50"),
        refund(ORDER, "PAY_S", "REF_S", "2026-03-12", amount="0.00") | {"eventType": "refund.failed"},
    ]
    documents[3]["data"]["refundCreatedAt"] = documents[2]["data"]["refundCreatedAt"]
    for number, order in enumerate(itertools.permutations(range(4))):
        who, own = f"acct_{number}", f"ORD_{number}"
        for index in order:
            data = {**documents[index]["data"], "orderId": own, "merchantProvidedBuyerIdentity": who}
            data |= {"paymentId": f"PAY_{number}"} if "paymentId" in data else {}
            world.take({**documents[index], "data": data, "eventId": f"{documents[index]['eventId']}_{number}"})
        assert world.available(customer_id=who) == 100_000, order


def overage_checkout(world: World, key: LineKey, units: int) -> Checkout:
    amount = Money(Decimal("3.00"), "USD")
    made = Checkout(
        id="chk_over",
        customer_id=CUSTOMER,
        kind="overage",
        meter="tokens",
        plan=None,
        quantity=Decimal(units),
        amount=amount,
        status="open",
        created_at=world.now,
        expires_at=world.now + timedelta(minutes=45),
        lines=(SoldLine(key, Decimal(0), Decimal(units), amount, amount.amount),),
    )
    assert write_new_checkout(world.table, made, None)
    return made


@pytest.mark.parametrize("is_over", [False, True], ids=["open period", "closed period"])
def test_point_9_overage_that_a_refund_reopened_is_settled_again(world: World, *, is_over: bool) -> None:
    # Given overage of 300, sold and paid
    world.use(10_300)
    key = world.metering.current_balance(CUSTOMER, "tokens", world.now).line
    made = overage_checkout(world, key, 300)
    if is_over:
        world = World(world.table, world.now + timedelta(days=40))
    paid = event(
        "order.completed", ORDER, DAY, "PAY_O", paymentId="PAY_O", chargedAmount="3.00", amount="3.00",
        orderMerchantExternalId=made.id, productName="Usage",
    )  # fmt: skip
    assert world.take(paid).verdict == "applied"

    def owed() -> tuple[int, int]:
        balance = world.metering.current_balance(CUSTOMER, "tokens", world.now)
        line = read_lines(world.table, CUSTOMER, "tokens", [key])[key]
        return int(balance.overage_due + balance.current_overage), int(line.settled)

    assert owed() == (0, 300)
    # When
    world.take(refund(ORDER, "PAY_O", "REF_O", "2026-03-11", amount="1.00", of="3.00"))
    assert owed() == (100, 200)
    told = refund(ORDER, "PAY_O", "REF_O", "2026-03-12", amount="0.00", refundCreatedAt="2026-03-11T10:00:00.000Z")
    outcome = world.take(told | {"eventType": "refund.failed"})
    # Then
    assert (outcome.verdict, outcome.reason) == ("applied", None)
    assert owed() == (0, 300)
    balance = read_balance(world.table, CUSTOMER, "tokens")
    assert balance is not None
    assert balance.refund_debt == 0


def test_point_9_a_top_up_that_paid_reopened_overage_is_whole_again_once_the_refund_has_failed(world: World) -> None:
    # Given overage of 300, paid, refunded, and then paid for by a top-up
    world.use(10_300)
    key = world.metering.current_balance(CUSTOMER, "tokens", world.now).line
    made = overage_checkout(world, key, 300)
    paid = event(
        "order.completed", ORDER, DAY, "PAY_O", paymentId="PAY_O", chargedAmount="3.00", amount="3.00",
        orderMerchantExternalId=made.id, productName="Usage",
    )  # fmt: skip
    world.take(paid)
    world.take(refund(ORDER, "PAY_O", "REF_O", "2026-03-11", amount="3.00", of="3.00"))
    world.take(bought(CUSTOMER, units=1_000))
    assert world.available() == 700
    # When
    told = refund(ORDER, "PAY_O", "REF_O", "2026-03-12", amount="0.00", refundCreatedAt="2026-03-11T10:00:00.000Z")
    world.take(told | {"eventType": "refund.failed"})
    # Then
    assert world.available() == 1_000
    # And a refund after that takes it again
    world.take(refund(ORDER, "PAY_O", "REF_P", "2026-03-13", amount="3.00", of="3.00"))
    assert world.available() == 700


def test_point_9_a_report_takes_the_refunded_money_back(world: World) -> None:
    world.take(bought(CUSTOMER))
    world.take(done(CUSTOMER, "2026-04-01", refundCreatedAt="2026-04-01T09:00:00.000Z"))
    assert [sold.total.refunded for sold in read_sold(world.table, "2026-04")] == [5]
    # When
    world.take(failed(CUSTOMER, "2026-04-03", refundCreatedAt="2026-04-01T09:00:00.000Z"))
    # Then
    assert read_sold(world.table, "2026-04") == []
    assert read_customer(world.table, "2026-04", CUSTOMER) == []
    assert read_facts(world.table, "2026-04", CUSTOMER) == []
    assert [sold.total for sold in read_sold(world.table, "2026-03")] == [
        RevenueTotal(received=Decimal(10), payments=1)
    ]
