"""Issue 11, point 16: an order of more payments or deliveries than are looked through is refused loudly, or waits for the
schedule. Nothing is decided by the part that was seen.
"""

import pytest

from pancake_meter.domain.errors import OrderTooLarge
from pancake_meter.store.selling import payments
from pancake_meter.store.selling.payments import payment_ids_of_order
from pancake_meter.store.standing import subscriptions
from pancake_meter.store.webhooks import deliveries
from pancake_meter.store.webhooks.deliveries import count_deliveries, each_of_order, read_delivery
from pancake_meter.usecases.reconciliation.open_deliveries import BOUND_REASONS
from pancake_meter.usecases.webhooks.judge import replay_delivery
from tests.support.webhook_world import World, event, lifecycle, payment, refund

ORDER = "ORD_A"
PERIOD = ("2026-03-10", "2026-03-10", "2026-04-10")
SMALL_PAGE, PAGES = 3, 2
BOUND = SMALL_PAGE * PAGES


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look through six payments, and six deliveries, of an order."""
    monkeypatch.setattr(payments, "_PAYMENTS_PAGE", SMALL_PAGE)
    monkeypatch.setattr(payments, "_PAYMENTS_PAGES_MAX", PAGES)
    monkeypatch.setattr(deliveries, "_OF_ORDER_PAGE_SIZE", SMALL_PAGE)
    monkeypatch.setattr(deliveries, "_OF_ORDER_PAGES_MAX", PAGES)


def test_the_bounds_are_beyond_any_order() -> None:
    # A weekly order has a thousand payments in 19 years
    assert payments._PAYMENTS_PAGE * payments._PAYMENTS_PAGES_MAX == 1_000
    assert deliveries._OF_ORDER_PAGE_SIZE * deliveries._OF_ORDER_PAGES_MAX == 5_000


@pytest.mark.usefixtures("small_pages")
def test_point_16_payments_of_an_order_are_all_found_or_refused(world: World) -> None:
    # Given as many payments as are looked through
    for number in range(1, BOUND + 1):
        world.take(payment(ORDER, f"PAY_{number}", "2026-03-10", number=number))
    assert len(payment_ids_of_order(world.table, ORDER)) == BOUND

    # When there is one more
    world.take(payment(ORDER, "PAY_MORE", "2026-03-10", number=BOUND))

    # Then none of them is taken for the only one of its number: a refund that names none is kept, failed and listed
    with pytest.raises(OrderTooLarge):
        payment_ids_of_order(world.table, ORDER)
    bare = refund(ORDER, "PAY_6", "REF_1", "2026-03-11", amount="9.00", periodNumber=BOUND, paymentId=None)
    outcome = world.take(bare)
    assert (outcome.verdict, outcome.reason) == ("failed", "order_too_large")
    assert count_deliveries(world.table, "failed", limit=10) == 1


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("count", [BOUND - 1, BOUND])
def test_point_16_deliveries_of_an_order_are_all_looked_through(world: World, count: int) -> None:
    for number in range(count):
        world.take(event("subscription.renewed", ORDER, f"2026-03-09T10:00:{number:02d}"))
    assert len(list(each_of_order(world.table, ORDER))) == count


@pytest.mark.usefixtures("small_pages")
def test_point_16_more_deliveries_of_an_order_than_are_looked_through_are_refused(world: World) -> None:
    for number in range(BOUND + 1):
        world.take(event("subscription.renewed", ORDER, f"2026-03-09T10:00:{number:02d}"))
    with pytest.raises(OrderTooLarge):
        list(each_of_order(world.table, ORDER))


@pytest.mark.usefixtures("small_pages")
def test_point_16_an_event_of_an_order_with_too_many_deliveries_applies_and_the_schedule_tries_those_that_wait(
    world: World,
) -> None:
    # Given an order with more parked deliveries than are looked through
    digests = [
        world.take(
            payment(ORDER, f"PAY_{number}", "2026-03-10", number=number, merchantProvidedBuyerIdentity=None)
        ).digest
        for number in range(1, BOUND + 3)
    ]

    # When its owner becomes known
    outcome = world.take(lifecycle("activated", ORDER, *PERIOD))

    # Then it is applied, and so are those that were seen; the others stay parked and listed
    assert outcome.verdict == "applied"
    kept = [read_delivery(world.table, digest) for digest in digests]
    verdicts = [each.verdict for each in kept if each is not None]
    assert len(verdicts) == BOUND + 2
    assert verdicts.count("applied") == outcome.unparked >= BOUND - 1
    assert count_deliveries(world.table, "parked", limit=50) == verdicts.count("parked")


def test_point_16_an_event_whose_orders_are_more_than_one_item_is_kept_and_applied_once_they_fit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given orders that leave no room for another
    with monkeypatch.context() as full:
        full.setattr(subscriptions, "ITEM_BYTES_MAX", 100)
        outcome = world.take(lifecycle("activated", ORDER, *PERIOD))

    # Then the event is kept, listed and open
    assert (outcome.verdict, outcome.reason) == ("failed", "subscription_too_large")
    assert outcome.reason in BOUND_REASONS
    assert count_deliveries(world.table, "failed", limit=10) == 1

    # When there is room, then it is applied
    assert replay_delivery(world.metering, outcome.digest, world.now).verdict == "applied"
    assert world.plan() == "starter"
