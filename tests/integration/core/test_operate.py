"""What the operator does by hand: units given once, access cut off and opened again (issue 11, point 3)."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from pancake_meter.domain.balance.gift import Gift
from pancake_meter.domain.balance.ledger import EventCause
from pancake_meter.domain.balance.spend import Refusal
from pancake_meter.domain.errors import CustomerErased, GiftConflict, InvalidGift, InvalidReason, UnknownMeter
from pancake_meter.store.access.erasures import Erasure, Erasures
from pancake_meter.store.balance.balances import read_balance
from pancake_meter.usecases.balance.grants import give_units
from pancake_meter.usecases.balance.hold_quota import HoldPlaced, HoldRefused, hold_quota
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.operate import block
from pancake_meter.usecases.standing.customer_books import CustomerBooks
from pancake_meter.value import replace
from tests.support.meters import CUSTOMER, NOW, catalog_of, metering
from tests.support.pure_subscription import step
from tests.support.webhook_world import utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

WEEK, MINUTE = timedelta(weeks=1), timedelta(minutes=1)
GIFT = Gift("promotion", Decimal(250))


@pytest.fixture
def stack(dynamodb: "DynamoDBClient", table: str) -> Metering:
    return metering(dynamodb, table, catalog_of(1000))


def hold(stack: Metering, quantity: int, hold_id: str = "h1") -> HoldPlaced | HoldRefused:
    return hold_quota(stack, CUSTOMER, "tokens", hold_id, Decimal(quantity), timedelta(minutes=5), NOW)


def available(stack: Metering, after: timedelta = timedelta()) -> int:
    return int(stack.current_balance(CUSTOMER, "tokens", NOW + after).available)


def test_units_are_given_once_for_each_id(stack: Metering) -> None:
    for later in range(3):
        give_units(stack, CUSTOMER, "tokens", "welcome", GIFT, NOW + later * MINUTE)
    assert available(stack, 3 * MINUTE) == 1250
    with pytest.raises(GiftConflict):
        give_units(stack, CUSTOMER, "tokens", "welcome", replace(GIFT, quantity=Decimal(251)), NOW)
    give_units(stack, CUSTOMER, "tokens", "second", replace(GIFT, kind="credit"), NOW)
    assert available(stack, 3 * MINUTE) == 1500


def test_units_may_start_later_and_end(stack: Metering) -> None:
    gift = replace(GIFT, starts_at=NOW + WEEK, expires_at=NOW + 2 * WEEK)
    give_units(stack, CUSTOMER, "tokens", "later", gift, NOW)
    assert [available(stack, weeks * WEEK) for weeks in (0, 1, 2)] == [1000, 1250, 1000]


@pytest.mark.parametrize(
    "gift",
    [
        replace(GIFT, quantity=Decimal(0)),
        replace(GIFT, expires_at=NOW),
        replace(GIFT, starts_at=NOW + WEEK, expires_at=NOW + WEEK),
    ],
    ids=["nothing", "over already", "over before it starts"],
)
def test_a_gift_of_nothing_is_refused_and_changes_nothing(stack: Metering, gift: Gift) -> None:
    with pytest.raises(InvalidGift):
        give_units(stack, CUSTOMER, "tokens", "odd", gift, NOW)
    with pytest.raises(UnknownMeter):
        give_units(stack, CUSTOMER, "teapots", "odd", GIFT, NOW)
    assert available(stack) == 1000


def test_access_is_cut_off_with_a_reason_and_opened_again(stack: Metering) -> None:
    block(stack, CUSTOMER, "tokens", "chargeback", NOW)
    refused = hold(stack, 1)
    assert isinstance(refused, HoldRefused)
    assert refused.refusal == Refusal("blocked", "chargeback")
    assert block(stack, CUSTOMER, "tokens", "chargeback", NOW).blocked == "chargeback"
    assert block(stack, CUSTOMER, "tokens", None, NOW).blocked is None
    assert isinstance(hold(stack, 1), HoldPlaced)


@pytest.mark.parametrize("reason", ["", "x" * 201], ids=["empty", "long"])
def test_a_reason_has_a_length(stack: Metering, reason: str) -> None:
    with pytest.raises(InvalidReason):
        block(stack, CUSTOMER, "tokens", reason, NOW)


@pytest.mark.parametrize("meters", [("tokens",), ()], ids=["a balance", "no balance"])
def test_units_given_after_one_of_two_orders_lapsed_meet_the_other(stack: Metering, meters: tuple[str, ...]) -> None:
    # Given Pro, which lapses in April, and Starter beside it, which goes on to May
    pro = step("activated", "ORD_A", "2026-03-10T12:00:00", "2026-03-10T12:00:00", "2026-04-10T12:00:00", "pro", 1)
    beside = step("activated", "ORD_B", "2026-03-20T12:00:00", "2026-03-20T12:00:00", "2026-04-20T12:00:00", number=1)
    for meter in meters:
        stack.open(CUSTOMER, meter, pro.at)
    for each in (pro, beside):
        books = CustomerBooks.read(stack, CUSTOMER, each.at).learn(each.facts)
        stack.table.transact(books.writes(EventCause("order"), each.facts.order_id))
    # When units are given before anything else has met the lapse
    give_units(stack, CUSTOMER, "tokens", "welcome", GIFT, utc("2026-04-15T12:00:00"))
    # Then
    given = read_balance(stack.table, CUSTOMER, "tokens")
    assert given is not None
    assert (given.policy.plan, given.available) == ("starter", Decimal(100_250))


def test_units_are_given_to_nobody_who_was_erased(stack: Metering) -> None:
    erasures = Erasures(stack.table, lambda: "a secret of pseudonyms")
    erasures.write(Erasure(erasures.pseudonym(CUSTOMER), started_at=NOW))
    with pytest.raises(CustomerErased):
        give_units(replace(stack, erasures=erasures), CUSTOMER, "tokens", "welcome", GIFT, NOW)
    assert read_balance(stack.table, CUSTOMER, "tokens") is None
