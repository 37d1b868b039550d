"""A crash at any DynamoDB call of selling overage, then the retry: sold once, settled once, owed again once."""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.store.balance.balances import read_balance, read_ledger
from pancake_meter.store.errors import StoreUnavailable
from pancake_meter.store.table import Table
from pancake_meter.usecases.selling.forgive_overage import forgive
from tests.support.billing import Billing
from tests.support.fake_waffo import FakeWaffo
from tests.support.faulty_dynamodb import FaultyDynamoDB, When
from tests.support.webhook_world import CUSTOMER, Document, World, refund, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CALLS_MAX = 40
NOW = utc("2026-03-10T15:15:00")


def billing_of(client: Any, table: str, number: int, waffo: FakeWaffo) -> Billing:
    world = World(Table(client, table, sleep=lambda _: None), NOW)
    return Billing(world, world.metering, NOW, f"{CUSTOMER}_{number}", waffo)


def owing(client: Any, table: str, number: int) -> Billing:
    """A customer of their own who owes 50,000 tokens of a closed month and 100,000 of the open one: 3 dollars."""
    billing = billing_of(client, table, number, FakeWaffo())
    billing.wait(-31)
    billing.subscribe("pro", order=f"ORD_S{number}")
    billing.use(1_050_000)
    billing.wait(31)
    billing.subscribe("pro", "renewed", f"ORD_S{number}")
    billing.use(1_100_000)
    return billing


def ask(billing: Billing, _: Document) -> None:
    billing.ask()


def take(billing: Billing, document: Document) -> None:
    billing.take(document)


def let_go(billing: Billing, _: Document) -> None:
    forgive(billing.metering, billing.customer_id, "tokens", "f1", Decimal(70_000), billing.now)


Action = Callable[[Billing, Document], None]


@pytest.mark.parametrize("when", ["before", "after", "lost"])
@pytest.mark.parametrize(
    ("name", "action", "due", "over"),
    [
        ("ask", ask, 50_000, 100_000),
        ("payment", take, 0, 0),
        ("refund", take, 25_000, 50_000),
        ("forgive", let_go, 0, 80_000),
    ],
)
def test_scenario_71_a_crash_at_any_call_and_a_retry_happen_once(
    dynamodb: "DynamoDBClient", table: str, name: str, action: Action, due: int, over: int, when: When
) -> None:
    writes: list[int] = []
    for fails_at in range(1, CALLS_MAX):
        if writes and when == "lost" and fails_at not in writes:
            # A lost answer of a read is nothing but a read.
            if fails_at > max(writes):
                return
            continue
        # Given: a customer of their own for every point of failure
        sound = owing(dynamodb, table, fails_at)
        paid = {} if name in ("ask", "forgive") else sound.paid(sound.ask(), f"PAY_{fails_at}")
        document = paid
        if name == "refund":
            sound.take(paid)
            order, payment = f"ORD_PAY_{fails_at}", f"PAY_{fails_at}"
            document = refund(order, payment, "REF_1", "2026-03-11", amount="1.50", of="3.00", **sound.mine)
        faulty = FaultyDynamoDB(dynamodb, fails_at, when)

        # When
        try:
            action(billing_of(faulty, table, fails_at, sound.waffo), document)
        except StoreUnavailable:
            action(sound, document)

        writes = faulty.writes
        # Then
        assert sound.owes()[:2] == (due, over)
        assert len(sound.waffo.sessions) == (0 if name == "forgive" else 1)
        balance = read_balance(sound.metering.table, sound.customer_id, "tokens")
        assert balance is not None
        entries = read_ledger(sound.metering.table, sound.customer_id, "tokens", limit=20)
        assert [entry.segment for entry in entries] == list(range(balance.segment, 0, -1))
        if faulty.calls < fails_at:
            return
    pytest.fail("the use case makes more calls than the test looks at")
