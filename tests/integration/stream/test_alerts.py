"""Issue 14, point 10: each alert rings once for its meaning, whatever writers, streams and sweeps do."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.domain.alerts.alert import Alert
from pancake_meter.domain.balance.gift import Gift
from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.store.alerts.alerts import list_alerts, read_alert
from pancake_meter.store.balance.balances import read_balance
from pancake_meter.store.errors import StoreBusy
from pancake_meter.store.selling.checkouts import settled_write, write_new_checkout
from pancake_meter.store.stream.changes import AlertRung, BalanceChanged, read_changes
from pancake_meter.store.table import Table
from pancake_meter.usecases.access.erase import erase_customer
from pancake_meter.usecases.access.export import Place, export_customer
from pancake_meter.usecases.alerts.remind import remind
from pancake_meter.usecases.alerts.ring import Ringer
from pancake_meter.usecases.balance.grants import give_units, void_units
from pancake_meter.usecases.balance.operate import block, block_customer
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.value import replace
from tests.integration.stream.conftest import NOW
from tests.support.alert_schemas import check_payload
from tests.support.followed import Reader, items_of
from tests.support.webhook_world import CUSTOMER, World, event, lifecycle
from tests.unit.domain.test_checkout import SALE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MONTH = ("2026-03-10", "2026-04-10")
ORDER = "ORD_7Hq2mVb9KxT4cLr8WnZ3aE"


def rung(world: World, kind: str | None = None) -> list[Alert]:
    """Return what has rung, oldest first."""
    alerts, following = list_alerts(world.table, limit=100)
    assert following is None
    for alert in alerts:
        check_payload(alert)
    return [alert for alert in reversed(alerts) if kind in (None, alert.type)]


def thresholds(world: World) -> list[tuple[str, str]]:
    return [
        (f"{alert.data['threshold']}", f"{alert.occurred_at:%m-%d}") for alert in rung(world, "quota.threshold_reached")
    ]


def use(world: World, units: int, at: datetime = NOW, name: str = CUSTOMER) -> None:
    used = usage_event(f"e-{name}-{units}-{at.timestamp()}", Decimal(units), None, at)
    record_events(world.metering, name, "tokens", [used], at)


def swept(reads: Reader, at: datetime) -> None:
    failures: list[Any] = []
    bell = replace(reads.bell, clock=lambda: at)
    remind(bell, may_go_on=lambda: True, on_failure=lambda *failure: failures.append(failure))
    assert failures == []


def test_16_writers_that_cross_a_threshold_at_once_ring_one_alert(
    dynamodb: "DynamoDBClient", streaming_table: str
) -> None:
    # Given a table whose own stream is read, and 16 writers of 1,000 on 10,000
    world = World(Table(dynamodb, streaming_table, sleep=lambda _: None), NOW)
    reads = Reader(dynamodb, world.table, streaming_table, lambda: NOW)

    def write(number: int) -> None:
        used = usage_event(f"writer-{number}", Decimal(1000), None, NOW)
        record_events(world.metering, CUSTOMER, "tokens", [used], NOW)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(16)))
    # When two readers follow at once, and one of them begins again
    records = reads.records()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: reads.read(records), range(2)))
    assert thresholds(world) == [("0.8", "03-10"), ("1", "03-10")]
    reads.follow(records)
    # Then
    assert thresholds(world) == [("0.8", "03-10"), ("1", "03-10")]
    told = [change for change in read_changes({"Records": reads.records()}).changes if isinstance(change, AlertRung)]
    assert [change.alert for change in told] == rung(world)


def test_the_stream_replayed_from_its_start_rings_nothing_more(followed: World, reads: Reader) -> None:
    for name in ("ada", "bo"):
        use(followed, 9_000, name=name)
        use(followed, 5_000, name=name, at=NOW + timedelta(minutes=1))
    reads.follow()
    once = rung(followed)
    reads.follow()
    reads.follow_in_trouble(reads.records(), seed=7)
    assert rung(followed) == once
    assert {alert.id for alert in once} == {each.alert.id for each in told_of(reads)}
    assert len(told_of(reads)) == len(once) == 4


def told_of(reads: Reader) -> list[AlertRung]:
    return [each for each in read_changes({"Records": reads.records()}).changes if isinstance(each, AlertRung)]


def test_a_jump_over_several_thresholds_rings_each_once_from_the_lowest(followed: World, reads: Reader) -> None:
    use(followed, 15_000)
    reads.follow()
    assert thresholds(followed) == [("0.8", "03-10"), ("1", "03-10")]
    low, high = rung(followed, "quota.threshold_reached")
    assert (low.data["highest_threshold"], high.data["highest_threshold"]) == (1, 1)
    assert low.occurred_at < high.occurred_at


def test_a_threshold_that_is_crossed_again_after_a_grant_does_not_ring_again(followed: World, reads: Reader) -> None:
    # Given
    use(followed, 9_000)
    reads.follow()
    # When more units bring the share down, and usage brings it up again
    give_units(followed.metering, CUSTOMER, "tokens", "sorry", Gift("promotion", Decimal(50_000)), NOW)
    reads.follow()
    use(followed, 48_000, NOW + timedelta(hours=1))
    reads.follow()
    # Then
    assert thresholds(followed) == [("0.8", "03-10")]
    # And the one that was not reached before does
    use(followed, 3_000, NOW + timedelta(hours=2))
    reads.follow()
    assert [threshold for threshold, _ in thresholds(followed)] == ["0.8", "1"]


def test_the_next_period_rings_its_reset_and_its_thresholds(followed: World, reads: Reader) -> None:
    use(followed, 9_000)
    reads.follow()
    # When
    later = NOW + timedelta(days=40)
    followed.metering.keep_current(balance_of(followed), later)
    use(followed, 8_500, later)
    reads.follow()
    # Then
    assert [alert.type for alert in rung(followed)] == [
        "quota.threshold_reached",
        "quota.reset",
        "quota.threshold_reached",
    ]
    first, _, second = rung(followed)
    assert first.id != second.id


def balance_of(world: World, name: str = CUSTOMER) -> Any:
    balance = read_balance(world.table, name, "tokens")
    assert balance is not None
    return balance


def test_who_used_nothing_hears_of_no_reset_and_nobody_of_a_share_of_nothing(followed: World, reads: Reader) -> None:
    followed.metering.open("idle", "tokens", NOW)
    followed.metering.open("nothing", "agent_runs", NOW)
    record_events(followed.metering, "nothing", "agent_runs", [usage_event("e", Decimal(5), None, NOW)], NOW)
    followed.metering.keep_current(balance_of(followed, "idle"), NOW + timedelta(days=40))
    reads.follow()
    assert rung(followed) == []


def test_overage_that_becomes_due_with_a_period_rings_with_a_link_to_pay_it(followed: World, reads: Reader) -> None:
    use(followed, 12_000)
    followed.metering.keep_current(balance_of(followed), NOW + timedelta(days=40))
    reads.follow()
    (due,) = rung(followed, "overage.due")
    quota: Any = due.data["quota"]
    assert quota["overage_due"] == 2_000
    assert str(due.data["purchase_url"]).startswith("https://api.example.com/buy/")


def test_point_11_an_alert_carries_links_that_sell(followed: World, reads: Reader) -> None:
    use(followed, 9_000)
    reads.follow()
    (alert,) = rung(followed)
    assert str(alert.data["purchase_url"]).startswith("https://api.example.com/buy/")
    assert str(alert.data["upgrade_url"]).startswith("https://api.example.com/buy/")


@pytest.mark.parametrize("meter", ["tokens", None])
def test_promise_11_alerts_of_a_customer_who_is_cut_off_carry_no_links(
    followed: World, reads: Reader, meter: str | None
) -> None:
    followed.take(lifecycle("activated", ORDER, "2026-03-10", *MONTH, plan="pro"))
    followed.take(lifecycle("canceling", ORDER, "2026-03-11", *MONTH, plan="pro"))
    if meter is None:
        block_customer(followed.metering, CUSTOMER, "fraud", NOW)
    else:
        block(followed.metering, CUSTOMER, meter, "fraud", NOW)
    use(followed, 900_000)
    followed.take(lifecycle("canceled", ORDER, "2026-04-10", *MONTH, plan="pro"))
    reads.follow()
    told = rung(followed)
    assert {"quota.threshold_reached", "subscription.canceled"} <= {alert.type for alert in told}
    assert [alert for alert in told if {"purchase_url", "upgrade_url"} & alert.data.keys()] == []


def test_trouble_in_the_shop_costs_the_links_and_not_the_alert(followed: World, reads: Reader) -> None:
    def broken() -> str:
        raise OSError("no secret")

    troubled = replace(reads.bell, offers=replace(reads.bell.offers, secret=broken))
    reads.follow_with(troubled)
    use(followed, 9_000)
    reads.follow()
    (alert,) = rung(followed)
    assert "purchase_url" not in alert.data


def test_a_subscription_rings_past_due_recovered_and_canceled(followed: World, reads: Reader) -> None:
    followed.take(lifecycle("activated", ORDER, "2026-03-10", *MONTH, plan="pro"))
    followed.take(lifecycle("past_due", ORDER, "2026-04-10", "2026-04-10", "2026-05-10", plan="pro", number=2))
    followed.take(lifecycle("past_due", ORDER, "2026-04-11", "2026-04-10", "2026-05-10", plan="pro", number=2))
    followed.take(lifecycle("recovered", ORDER, "2026-04-12", "2026-04-10", "2026-05-10", plan="pro", number=2))
    followed.take(lifecycle("canceled", ORDER, "2026-05-10", "2026-04-10", "2026-05-10", plan="pro", number=2))
    reads.follow()
    reads.follow()
    swept(reads, NOW + timedelta(minutes=2))
    kinds = [alert.type for alert in rung(followed) if alert.type.startswith("subscription.")]
    assert kinds == ["subscription.past_due", "subscription.recovered", "subscription.canceled"]
    (canceled,) = rung(followed, "subscription.canceled")
    assert str(canceled.data["purchase_url"]).startswith("https://api.example.com/buy/")
    assert {alert.data["order_id"] for alert in rung(followed) if "order_id" in alert.data} == {ORDER}


def test_an_order_that_a_plan_change_replaced_is_not_canceled(followed: World, reads: Reader) -> None:
    followed.take(lifecycle("activated", "ORD_old", "2026-03-10", *MONTH, plan="starter"))
    followed.take(lifecycle("plan_changed", "ORD_new", "2026-03-12T10:00:00.000", *MONTH, plan="pro"))
    followed.take(lifecycle("canceled", "ORD_old", "2026-03-12T10:00:01.000", *MONTH, plan="starter"))
    reads.follow()
    swept(reads, NOW + timedelta(minutes=2))
    assert rung(followed, "subscription.canceled") == []


@pytest.mark.parametrize("kind", ["plan_changed", "activated"])
@pytest.mark.parametrize("is_read_between", [True, False])
def test_nor_is_it_canceled_where_its_end_is_told_before_the_change(
    followed: World, reads: Reader, kind: str, *, is_read_between: bool
) -> None:
    followed.take(lifecycle("activated", "ORD_old", "2026-03-10", *MONTH, plan="starter"))
    followed.take(lifecycle("canceled", "ORD_old", "2026-03-12T10:00:01.000", *MONTH, plan="starter"))
    if is_read_between:
        reads.follow()
        swept(reads, NOW + timedelta(seconds=59))
    followed.take(lifecycle(kind, "ORD_new", "2026-03-12T10:00:00.000", *MONTH, plan="pro"))
    reads.follow()
    swept(reads, NOW + timedelta(minutes=2))
    assert rung(followed, "subscription.canceled") == []


def test_an_active_order_that_ends_for_good_is_canceled_once_a_minute_later(followed: World, reads: Reader) -> None:
    followed.take(lifecycle("activated", ORDER, "2026-03-10", *MONTH, plan="starter"))
    followed.take(lifecycle("canceled", ORDER, "2026-03-12T10:00:01.000", *MONTH, plan="starter"))
    reads.follow()
    assert rung(followed, "subscription.canceled") == []
    swept(reads, NOW + timedelta(minutes=1))
    reads.follow()
    swept(reads, NOW + timedelta(minutes=2))
    (canceled,) = rung(followed, "subscription.canceled")
    assert (canceled.data["order_id"], canceled.data["plan"]) == (ORDER, "starter")
    assert str(canceled.data["purchase_url"]).startswith("https://api.example.com/buy/")


def test_orders_that_are_known_to_be_bought_twice_ring_once(followed: World, reads: Reader) -> None:
    followed.take(lifecycle("activated", "ORD_one", "2026-03-10", *MONTH, plan="pro"))
    followed.take(lifecycle("activated", "ORD_two", "2026-03-10", *MONTH, plan="pro"))
    for order in ("ORD_one", "ORD_two"):
        followed.take(lifecycle("renewed", order, "2026-04-10", "2026-04-10", "2026-05-10", plan="pro", number=2))
    reads.follow()
    (alert,) = rung(followed, "subscription.bought_twice")
    assert alert.data["order_ids"] in (["ORD_one", "ORD_two"], ["ORD_two", "ORD_one"])


def test_a_grant_that_expires_soon_rings_once_and_only_while_units_are_left(followed: World, reads: Reader) -> None:
    # Given gifts of 30 days, of which one is voided
    ends = NOW + timedelta(days=30)
    for name in ("kept", "voided"):
        gift = Gift("promotion", Decimal(500), expires_at=ends)
        give_units(followed.metering, CUSTOMER, "tokens", name, gift, NOW)
    reads.follow()
    void_units(followed.metering, CUSTOMER, "voided", NOW)
    # When
    swept(reads, ends - timedelta(days=3, seconds=1))
    assert rung(followed, "grant.expiring") == []
    swept(reads, ends - timedelta(days=3))
    swept(reads, ends - timedelta(days=2))
    reads.follow()
    swept(reads, ends - timedelta(days=1))
    # Then
    (alert,) = rung(followed, "grant.expiring")
    grant: Any = alert.data["grant"]
    assert (grant["kind"], grant["remaining"]) == ("promotion", 500)


def test_a_trial_rings_some_time_before_it_ends(followed: World, reads: Reader) -> None:
    trial: dict[str, Any] = {"isInTrial": True, "number": 0}
    followed.take(lifecycle("activated", ORDER, "2026-03-10", "2026-03-10", "2026-03-24", plan="pro", **trial))
    reads.follow()
    subscribed = [each for each in rung(followed) if each.type == "subscription.trial_ending"]
    assert subscribed == []
    swept(reads, NOW + timedelta(days=12))
    (alert,) = rung(followed, "subscription.trial_ending")
    assert alert.data["plan"] == "pro"
    assert (alert.data["amount"], alert.data["currency"], alert.data["billing_period"]) == ("29.00", "USD", "monthly")


def test_a_trial_whose_currency_the_catalog_does_not_sell_rings_without_an_amount(
    followed: World, reads: Reader
) -> None:
    trial: dict[str, Any] = {"isInTrial": True, "number": 0, "currency": "EUR"}
    followed.take(lifecycle("activated", ORDER, "2026-03-10", "2026-03-10", "2026-03-24", plan="pro", **trial))
    reads.follow()
    swept(reads, NOW + timedelta(days=12))
    (alert,) = rung(followed, "subscription.trial_ending")
    assert (alert.data["amount"], alert.data["currency"]) == (None, None)


def test_a_checkout_rings_when_it_is_paid_and_again_when_it_is_flagged(followed: World, reads: Reader) -> None:
    opened = replace(SALE, customer_id=CUSTOMER)
    assert write_new_checkout(followed.table, opened, None)
    paid = replace(opened, status="paid", payment_ids=("PAY_1",))
    followed.table.transact([settled_write(opened, paid)])
    twice = replace(paid, status="flagged", flag="paid_twice", payment_ids=("PAY_1", "PAY_2"))
    followed.table.transact([settled_write(paid, twice)])
    reads.follow()
    reads.follow()
    assert [alert.type for alert in rung(followed)] == ["checkout.paid", "checkout.flagged"]
    assert rung(followed)[1].data["reason"] == "paid_twice"


def test_a_delivery_that_cannot_be_applied_rings_once_however_often_it_is_tried(followed: World, reads: Reader) -> None:
    document = event("refund.succeeded", ORDER, "2026-03-10", "REF_1", merchantProvidedBuyerIdentity=None)
    followed.take(document)
    followed.take(document)
    reads.follow()
    reads.follow()
    (alert,) = rung(followed)
    assert alert.type in ("delivery.parked", "delivery.failed")
    assert alert.customer_id is None
    assert read_alert(followed.table, alert.id) == alert


def test_no_alert_is_kept_of_a_customer_who_was_erased(
    followed: World, reads: Reader, dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given alerts, a reminder, and changes that nobody has followed yet
    gift = Gift("promotion", Decimal(500), expires_at=NOW + timedelta(days=30))
    give_units(followed.metering, CUSTOMER, "tokens", "g", gift, NOW)
    use(followed, 9_000)
    reads.follow()
    use(followed, 9_000, NOW + timedelta(minutes=1))
    late = reads.records()
    exported = export_customer(followed.table, CUSTOMER, Place(), lambda: True).items
    assert {"alert", "alert_mark", "reminder"} <= {item.kind for item in exported}
    # When
    assert followed.erasures is not None
    erase_customer(followed.erasures, CUSTOMER, NOW, may_go_on=lambda: True)
    reads.follow(late)
    reads.follow()
    swept(reads, NOW + timedelta(days=29))
    # Then
    named = [item for item in items_of(dynamodb, table) if CUSTOMER in str(item)]
    assert named == []
    assert rung(followed) == []


def test_an_alert_that_meets_passing_trouble_rings_when_the_stream_comes_again(
    followed: World, reads: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(followed, 15_000)
    transact, failures = Table.transact, iter([True])

    def busy(table: Table, writes: Any) -> None:
        is_alert = any(getattr(write, "item", {}).get("PK", "").startswith("ALERT#") for write in writes)
        if is_alert and next(failures, False):
            raise StoreBusy("later")
        transact(table, writes)

    monkeypatch.setattr(Table, "transact", busy)
    # The first is refused, and the second waits for it: they keep their order.
    assert reads.read(reads.records()) is not None
    assert rung(followed) == []
    reads.follow()
    assert thresholds(followed) == [("0.8", "03-10"), ("1", "03-10")]


def pages(world: World, **asked: Any) -> Iterator[list[Alert]]:
    after = None
    while True:
        alerts, after = list_alerts(world.table, limit=3, after=after, **asked)
        yield alerts
        if after is None:
            return


def test_alerts_are_listed_newest_first_by_customer_and_by_type_in_pages(followed: World, reads: Reader) -> None:
    for number, name in enumerate(("ada", "bo", "cy", "#%")):
        use(followed, 15_000, name=name)
        followed.metering.keep_current(balance_of(followed, name), NOW + timedelta(days=40 + number))
    reads.follow()
    everything = [alert for page in pages(followed) for alert in page]
    assert len(everything) == len({alert.id for alert in everything}) == 16
    assert everything == sorted(everything, key=lambda alert: (alert.occurred_at, alert.id), reverse=True)
    for name in ("ada", "#%"):
        mine = [alert for alert in everything if alert.customer_id == name]
        assert [alert for page in pages(followed, customer_id=name) for alert in page] == mine
        both = pages(followed, customer_id=name, kind="quota.threshold_reached")
        wanted = [alert for alert in mine if alert.type == "quota.threshold_reached"]
        assert [alert for page in both for alert in page] == wanted
    resets = [alert for alert in everything if alert.type == "quota.reset"]
    assert [alert for page in pages(followed, kind="quota.reset") for alert in page] == resets


def test_a_change_that_says_nothing_new_costs_no_request(followed: World, reads: Reader) -> None:
    use(followed, 100)
    asked: list[str] = []

    class Watched(Table):
        def get_all(self, *_: Any, **__: Any) -> Any:
            asked.append("get_all")

        def transact(self, *_: Any) -> None:
            asked.append("transact")

    watched = replace(reads.bell, table=Watched(None, "none"))  # type: ignore[arg-type]
    changes = read_changes({"Records": reads.records()}).changes
    assert any(isinstance(change, BalanceChanged) for change in changes)
    assert Ringer(watched).follow(changes) == []
    assert asked == []
