"""How many requests to DynamoDB an event costs: each kind that Waffo sends, with one meter in the catalog and with many."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pytest

from pancake_meter.catalog import parse_catalog
from pancake_meter.domain.selling.checkout import Checkout
from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.selling.overage import SoldLine
from pancake_meter.store.balance.balances import read_balances
from pancake_meter.store.selling.checkouts import write_new_checkout
from pancake_meter.store.selling.order_actions import OrderAction, latest_write
from pancake_meter.store.table import Table
from pancake_meter.usecases.webhooks.judge import Outcome
from pancake_meter.waffo.events import EventKind
from tests.support.catalogs import FREE, toml_of_meters
from tests.support.metered_dynamodb import metered
from tests.support.webhook_world import CUSTOMER, Document, World, event, lifecycle, payment, refund, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW, NEXT, LATER = utc("2026-03-10T15:15:00"), utc("2026-03-11T15:15:00"), utc("2026-04-10T15:15:00")
APPLIED: Final = ["BatchGetItem", "Query", "TransactWriteItems", "Query"]
"""What the event names, the balances, the transaction, and what waits for it."""
AGREED: Final = ["BatchGetItem", "Query", "Query", "BatchGetItem", "TransactWriteItems", "Query"]
"""The same where the event does not say which of the customer's checkouts it is of: their slots, and the checkouts."""
DAY, NEXT_DAY, END, NEXT_END = "2026-03-10", "2026-03-11", "2026-04-10", "2026-05-10"
ORDER: Final = "ORD_A"
METER: Final = "meter_00"
EXTRA: Final = f"""
[meters.{METER}.top_up]
quantity = 500
[plans.extra]
name = "Extra"
add_on = true
allowances.{METER} = {{ quantity = 50 }}
"""
CATALOGS: Final = {meters: parse_catalog(toml_of_meters(meters, "pro") + EXTRA) for meters in (1, 18)}
NOBODY: Final[dict[str, Any]] = {"merchantProvidedBuyerIdentity": None}


def told(kind: str, at: str = NEXT_DAY, start: str = DAY, end: str = END, **data: Any) -> Document:
    return lifecycle(kind, ORDER, at, start, end, **data)


def renewed(kind: str = "renewed") -> Document:
    return told(kind, END, END, NEXT_END, number=2)


ACTIVATED: Final = told("activated", DAY)
CHARGED: Final = payment(ORDER, "PAY_1", DAY)
PAST_DUE: Final = told("past_due", END, END, "2026-04-17", number=2)
REFUNDED: Final = refund(ORDER, "PAY_1", "REF_1", NEXT_DAY, amount="4.00")


def bought(payment_id: str = "PAY_9", **data: Any) -> Document:
    """A one-time order of a pack."""
    money = {"listPrice": {"total": "3.00", "subtotal": "3.00"}, "chargedAmount": "3.00", "amount": "3.00"}
    sold = {"productName": "Usage", "productMetadata": {"kind": "usage"}}
    return event("order.completed", "ORD_P", DAY, payment_id, paymentId=payment_id, **{**money, **sold, **data})


@dataclass(frozen=True)
class Case:
    """What comes before, the event, and when it arrives."""

    before: Sequence[Document]
    document: Document
    now: datetime = NEXT


CASES: Final = {
    EventKind.SUBSCRIPTION_ACTIVATED: Case((), ACTIVATED),
    EventKind.SUBSCRIPTION_PAYMENT_SUCCEEDED: Case((ACTIVATED,), CHARGED),
    EventKind.SUBSCRIPTION_RENEWED: Case((ACTIVATED, CHARGED), renewed(), now=LATER),
    EventKind.SUBSCRIPTION_RECOVERED: Case((ACTIVATED, PAST_DUE), renewed("recovered"), now=LATER),
    EventKind.SUBSCRIPTION_PLAN_CHANGED: Case((ACTIVATED, CHARGED), told("plan_changed", plan="pro")),
    EventKind.SUBSCRIPTION_PLAN_CHANGE_SCHEDULED: Case((ACTIVATED,), told("plan_change_scheduled", plan="pro")),
    EventKind.SUBSCRIPTION_PLAN_CHANGE_FAILED: Case(
        (ACTIVATED, told("plan_change_scheduled", DAY, plan="pro")), told("plan_change_failed")
    ),
    EventKind.SUBSCRIPTION_CANCELING: Case((ACTIVATED,), told("canceling")),
    EventKind.SUBSCRIPTION_UNCANCELED: Case((ACTIVATED, told("canceling", DAY)), told("uncanceled")),
    EventKind.SUBSCRIPTION_CANCELED: Case((ACTIVATED, told("canceling", DAY)), told("canceled")),
    EventKind.SUBSCRIPTION_PAST_DUE: Case((ACTIVATED,), PAST_DUE, now=LATER),
    EventKind.ORDER_COMPLETED: Case((), bought(orderMerchantExternalId="chk_1")),
    EventKind.REFUND_SUCCEEDED: Case((ACTIVATED, CHARGED), REFUNDED),
    EventKind.REFUND_FAILED: Case(
        (ACTIVATED, CHARGED, REFUNDED),
        {**refund(ORDER, "PAY_1", "REF_1", "2026-03-12", amount="4.00"), "eventType": "refund.failed"},
    ),
}


@pytest.fixture(params=CATALOGS, ids=["1 meter", "18 meters"])
def world(dynamodb: "DynamoDBClient", table: str, request: pytest.FixtureRequest) -> World:
    """A customer who has a balance of every meter."""
    made = World(Table(dynamodb, table), NOW, catalog=CATALOGS[request.param])
    for meter in made.catalog.meters:
        made.use(FREE // 2, meter)
    return made


def sell(world: World, checkout_id: str = "chk_1", **facts: Any) -> Checkout:
    made = Checkout(
        id=checkout_id,
        customer_id=CUSTOMER,
        kind=facts.pop("kind", "top_up"),
        meter=facts.pop("meter", METER),
        plan=facts.pop("plan", None),
        quantity=facts.pop("quantity", Decimal(500)),
        amount=facts.pop("amount", Money(Decimal("3.00"), "USD")),
        status="open",
        created_at=NOW,
        expires_at=NOW + timedelta(minutes=45),
        **facts,
    )
    assert write_new_checkout(world.table, made, None)
    return made


def learn(world: World, *documents: Document) -> None:
    for document in documents:
        assert world.take(document).verdict == "applied"


def bill(world: World) -> Checkout:
    """Sell the overage of one meter under the default plan: units that are owed and not due yet."""
    world.use(FREE, METER)
    line = world.metering.current_balance(CUSTOMER, METER, NOW).line
    owed = SoldLine(line, Decimal(0), Decimal(50), Money(Decimal("0.50"), "USD"), Decimal("0.50"))
    return sell(world, kind="overage", amount=owed.amount, quantity=Decimal(50), lines=(owed,))


def requests(world: World, document: Document, now: datetime = NEXT) -> tuple[Outcome, list[str]]:
    """Deliver an event; return what became of it and the requests that were made."""
    with metered(world.table._client) as meter:
        outcome = world.take(document, now)
    return outcome, meter.operations


@pytest.mark.parametrize("kind", EventKind)
def test_an_event_of_each_kind_and_its_repeat(world: World, kind: EventKind) -> None:
    # Given
    case = CASES[kind]
    sell(world)
    learn(world, *case.before)
    # When
    outcome, first = requests(world, case.document, case.now)
    repeated, again = requests(world, case.document, case.now)
    # Then
    assert (outcome.verdict, repeated.verdict) == ("applied", "duplicate")
    assert first == (AGREED if kind is EventKind.SUBSCRIPTION_PLAN_CHANGE_SCHEDULED else APPLIED)
    assert again == ["BatchGetItem", "TransactWriteItems", "Query"]


def test_a_cancellation_that_an_operator_wished_costs_no_more(world: World) -> None:
    learn(world, ACTIVATED)
    world.table.write(latest_write(world.table, CUSTOMER, OrderAction(ORDER, "cancel", "a-1", NEXT, "ada")))
    outcome, made = requests(world, told("canceling", f"{NEXT:%Y-%m-%dT%H:%M:%S.000}"))
    assert (outcome.verdict, made) == ("applied", APPLIED)


def test_an_add_on_and_what_it_was_charged(world: World) -> None:
    learn(world, ACTIVATED)
    began = lifecycle("activated", "ORD_X", NEXT_DAY, NEXT_DAY, "2026-04-11", plan="extra")
    assert requests(world, began)[1] == APPLIED
    assert requests(world, payment("ORD_X", "PAY_X", NEXT_DAY))[1] == APPLIED


def test_one_that_is_parked_is_looked_at_once_more(world: World) -> None:
    outcome, made = requests(world, ACTIVATED | {"data": ACTIVATED["data"] | NOBODY})
    assert (outcome.verdict, made) == ("parked", ["BatchGetItem", "TransactWriteItems", "BatchGetItem"])


def test_one_whose_plan_is_not_known_is_parked_without_a_look_at_balances(world: World) -> None:
    outcome, made = requests(world, told("activated", plan="unheard"))
    assert (outcome.verdict, made) == ("parked", ["BatchGetItem", "TransactWriteItems", "BatchGetItem"])


@pytest.mark.parametrize("waiting", [1, 3])
def test_what_waits_is_read_at_once_and_costs_three_more_each(world: World, waiting: int) -> None:
    # Given charges that do not name their customer, of an order of which nothing is known
    for number in range(waiting):
        parked = world.take(payment(ORDER, f"PAY_{number}", DAY, **NOBODY))
        assert parked.verdict == "parked"
    # When
    outcome, made = requests(world, ACTIVATED)
    # Then: of each the customer is known from the order alone, so that its subscription is read by itself
    each = ["BatchGetItem", "GetItem", "Query", "TransactWriteItems"]
    assert (outcome.verdict, outcome.unparked) == ("applied", waiting)
    assert made == [*APPLIED, "BatchGetItem", *each * waiting]


def test_one_that_names_nobody_reads_the_subscription_by_itself(world: World) -> None:
    learn(world, ACTIVATED)
    assert requests(world, told("canceled", **NOBODY))[1] == [
        "BatchGetItem", "GetItem", "GetItem", "Query", "TransactWriteItems", "Query",
    ]  # fmt: skip


def test_a_payment_of_overage_and_its_refund_read_the_lines_too(world: World) -> None:
    # Given
    bill(world)
    price: dict[str, Any] = {
        "listPrice": {"total": "0.50", "subtotal": "0.50"},
        "chargedAmount": "0.50",
        "amount": "0.50",
    }
    # When
    paid = requests(world, bought(orderMerchantExternalId="chk_1", **price), NOW)
    back = requests(world, refund("ORD_P", "PAY_9", "REF_9", NEXT_DAY, amount="0.50", of="0.50"))
    # Then
    with_lines = ["BatchGetItem", "Query", "BatchGetItem", "TransactWriteItems", "Query"]
    assert [(outcome.verdict, outcome.reason, made) for outcome, made in (paid, back)] == [
        ("applied", None, with_lines),
        ("applied", None, with_lines),
    ]


def test_a_renewal_of_one_who_owes_of_every_meter_reads_all_lines_at_once(world: World) -> None:
    # Given units of every meter that are due of the month before
    for meter in world.catalog.meters:
        world.use(FREE, meter)
    learn(world, ACTIVATED)
    assert all(balance.overage_due for balance in read_balances(world.table, CUSTOMER))
    # When
    outcome, made = requests(world, renewed(), LATER)
    # Then
    assert (outcome.verdict, made) == (
        "applied",
        ["BatchGetItem", "Query", "Query", "TransactWriteItems", "Query"],
    )


def test_a_pack_whose_order_names_no_checkout_is_looked_for_among_the_latest(world: World) -> None:
    sell(world)
    outcome, made = requests(world, bought(), NOW)
    assert (outcome.verdict, outcome.reason, made) == ("applied", None, AGREED)


def test_a_change_for_the_next_period_that_was_agreed_to_in_a_checkout(world: World) -> None:
    learn(world, ACTIVATED)
    sell(world, "chk_2", kind="plan_change", meter=None, plan="pro", origin_order_id=ORDER, timing="next_period")
    at = f"{NOW:%Y-%m-%dT%H:%M:%S.000}"
    outcome, made = requests(world, told("plan_change_scheduled", at), NOW)
    assert (outcome.verdict, made) == ("applied", AGREED)


def test_no_kind_is_left_out() -> None:
    assert set(CASES) == set(EventKind)
