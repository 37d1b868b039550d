"""What an operator does to a customer, when calls fail at any moment or come many at once (issue 14, point 2)."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.domain.balance.gift import Gift
from pancake_meter.domain.balance.limits import Limits, SpendCap
from pancake_meter.store.balance.balances import read_balance, read_ledger
from pancake_meter.store.errors import StoreError
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.grants import give_units, void_units
from pancake_meter.usecases.balance.hold_quota import HoldPlaced, HoldRefused, hold_quota
from pancake_meter.usecases.balance.limits import LimitsWanted, limit
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.operate import block, block_customer
from tests.support.faulty_dynamodb import FaultyDynamoDB, When
from tests.support.meters import CUSTOMER, NOW, catalog_of, metering
from tests.support.table import create_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CATALOG = catalog_of(1000)
GIFT = Gift("promotion", Decimal(250), reason="sorry")
CAPS = LimitsWanted(Limits(Decimal(400), None, SpendCap(Decimal(9))), frozenset({"allowance_cap", "spend_cap"}))


def hold(stack: Metering, quantity: int, hold_id: str) -> HoldPlaced | HoldRefused:
    return hold_quota(stack, CUSTOMER, "tokens", hold_id, Decimal(quantity), timedelta(minutes=5), NOW)


def give(stack: Metering) -> None:
    give_units(stack, CUSTOMER, "tokens", "g1", GIFT, NOW)


def void(stack: Metering) -> None:
    void_units(stack, CUSTOMER, "g1", NOW)


def cut_off(stack: Metering) -> None:
    block_customer(stack, CUSTOMER, "chargeback", NOW)


def cap(stack: Metering) -> None:
    limit(stack, CUSTOMER, "tokens", CAPS, NOW)


def nothing(_: Metering) -> None:
    """No history."""


def given_and_held(stack: Metering) -> None:
    give(stack)
    assert isinstance(hold(stack, 100, "h1"), HoldPlaced)


def figures(stack: Metering) -> tuple[Any, ...]:
    balance = read_balance(stack.table, CUSTOMER, "tokens")
    if balance is None:
        return (stack.current_balance(CUSTOMER, "tokens", NOW).blocked,)
    causes = [entry.cause for entry in read_ledger(stack.table, CUSTOMER, "tokens", limit=10)]
    return balance.available, balance.headroom, balance.blocked, balance.limits, causes


@pytest.mark.parametrize("when", ["before", "after", "lost"])
@pytest.mark.parametrize(
    ("history", "act"),
    [(nothing, give), (given_and_held, void), (nothing, cut_off), (given_and_held, cut_off), (given_and_held, cap)],
)
def test_a_request_that_is_cut_off_anywhere_and_repeated_happens_once(
    dynamodb: "DynamoDBClient", history: Callable[[Metering], None], act: Callable[[Metering], None], when: When
) -> None:
    # Given what the request comes to where all is well
    well = metering(dynamodb, create_table(dynamodb, f"t{uuid.uuid4().hex}"), CATALOG)
    history(well)
    counting = FaultyDynamoDB(dynamodb)
    act(Metering(Table(counting, well.table._name, sleep=lambda _: None), CATALOG))  # type: ignore[arg-type]
    for fails_at in range(1, counting.calls + 1):
        name = create_table(dynamodb, f"t{uuid.uuid4().hex}")
        sound = metering(dynamodb, name, CATALOG)
        history(sound)
        # When a call fails, and the request is repeated
        faulty = FaultyDynamoDB(dynamodb, fails_at, when)
        try:
            act(Metering(Table(faulty, name, sleep=lambda _: None), CATALOG))  # type: ignore[arg-type]
        except StoreError:
            act(sound)
        act(sound)
        # Then it has happened once
        assert figures(sound) == figures(well), fails_at
        dynamodb.delete_table(TableName=name)


def test_of_many_requests_with_one_id_one_gives_and_one_voids(dynamodb: "DynamoDBClient", table: str) -> None:
    stack = metering(dynamodb, table, CATALOG)
    stack.open(CUSTOMER, "tokens", NOW)

    def at_once(act: Callable[[Metering], None]) -> None:
        def ask(_: int) -> None:
            try:
                act(stack)
            except StoreError:
                act(stack)

        with ThreadPoolExecutor(8) as clients:
            list(clients.map(ask, range(8)))

    at_once(give)
    assert stack.current_balance(CUSTOMER, "tokens", NOW).available == 1250
    at_once(void)
    assert stack.current_balance(CUSTOMER, "tokens", NOW).available == 1000
    causes = [entry.cause for entry in read_ledger(stack.table, CUSTOMER, "tokens", limit=10)]
    assert causes == ["voided", "given", "opened"]


def test_promise_2_no_hold_gets_past_a_cap_that_is_set_meanwhile(dynamodb: "DynamoDBClient", table: str) -> None:
    stack = metering(dynamodb, table, CATALOG)
    stack.open(CUSTOMER, "tokens", NOW)
    with ThreadPoolExecutor(9) as clients:
        holds = [clients.submit(hold, stack, 75, f"h{number}") for number in range(20)]
        capped = clients.submit(cap, stack)
        capped.result()
        placed = sum(isinstance(each.result(), HoldPlaced) for each in holds)
    balance = read_balance(stack.table, CUSTOMER, "tokens")
    assert balance is not None
    assert (int(balance.held), int(balance.headroom)) == (75 * placed, max(0, 400 - 75 * placed))
    assert isinstance(hold(stack, max(1, int(balance.headroom) + 1), "more"), HoldRefused)


def test_a_balance_that_is_opened_while_the_customer_is_cut_off_is_cut_off(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    stack = metering(dynamodb, table, CATALOG)
    for number in range(10):
        name = f"{CUSTOMER}-{number}"
        with ThreadPoolExecutor(2) as clients:
            opening = clients.submit(hold_quota, stack, name, "tokens", "h1", Decimal(1), timedelta(minutes=5), NOW)
            clients.submit(block_customer, stack, name, "chargeback", NOW).result()
            opening.result()
        assert stack.current_balance(name, "tokens", NOW).blocked == "chargeback"
        assert block(stack, name, "tokens", None, NOW).blocked is None
