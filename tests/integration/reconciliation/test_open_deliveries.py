"""Open deliveries: tried again once catalog, code or Waffo's GraphQL say more, by bounded runs that go on."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from local.waffo_simulator.model import Order
from pancake_meter.catalog import Catalog, load_catalog, parse_catalog
from pancake_meter.domain.balance.gift import Gift
from pancake_meter.domain.balance.grant import MAX_GRANTS
from pancake_meter.domain.standing.lifecycle import ToldBy
from pancake_meter.store.selling.payments import read_payment
from pancake_meter.store.webhooks.deliveries import Delivery, deliveries_by_verdict, read_delivery
from pancake_meter.usecases.balance.grants import give_units
from pancake_meter.usecases.reconciliation import open_deliveries as reconcile_open
from pancake_meter.usecases.webhooks import judge as judge_delivery
from pancake_meter.usecases.webhooks.judge import dismiss_delivery
from pancake_meter.usecases.webhooks.judged_with import code_digest, judged_with
from pancake_meter.value import replace
from pancake_meter.waffo.events import WaffoEvent, parse_event
from tests.support.waffo_webhooks import encode
from tests.support.waffo_world import WaffoWorld
from tests.support.webhook_world import CATALOG, Document, lifecycle, refund

PERIOD = ("2026-03-10", "2026-03-10", "2026-04-10")


def of_an_unknown_plan(number: int = 0, **data: Any) -> Document:
    """An activated of a plan that the catalog does not know."""
    fields = {
        "productName": "Mystery",
        "productMetadata": {"plan": "mystery"},
        "merchantProvidedBuyerIdentity": f"acct_{number}",
    }
    return lifecycle("activated", f"ORD_{number}", *PERIOD, **{**fields, **data})


def catalog_with(text: str) -> Catalog:
    return parse_catalog(CATALOG.read_text("utf-8") + text)


KNOWS_MYSTERY = '\n[plans.mystery]\nname = "Mystery"\nrank = 55\nallowances.tokens = { quantity = 777 }\n'


def change_catalog(world: WaffoWorld, text: str) -> None:
    world.stack = replace(world.stack, catalog=catalog_with(text))


def kept(world: WaffoWorld, digest: str) -> Delivery:
    delivery = read_delivery(world.table, digest)
    assert delivery is not None
    return delivery


def open_ones(world: WaffoWorld) -> int:
    return sum(
        len(deliveries_by_verdict(world.table, verdict, limit=50).deliveries) for verdict in ("parked", "failed")
    )


def test_a_parked_delivery_is_applied_once_after_the_catalog_changed(world: WaffoWorld) -> None:
    # Given it stays as it was while nothing has changed, and costs no try
    digest = world.stack.take(of_an_unknown_plan()).digest
    tally = world.reconcile().passes["parked_deliveries"]
    assert (tally.read, tally.unchanged, kept(world, digest).attempts) == (1, 1, 1)
    # When
    change_catalog(world, KNOWS_MYSTERY)
    reports = [world.reconcile() for _ in range(2)]
    # Then
    assert [report.passes["parked_deliveries"].healed for report in reports] == [1, 0]
    assert (world.plan("acct_0"), world.available("acct_0")) == ("mystery", 777)
    assert (kept(world, digest).verdict, kept(world, digest).attempts) == ("applied", 2)


def test_what_another_catalog_does_not_help_is_tried_once_and_raises_no_second_alarm(world: WaffoWorld) -> None:
    digest = world.stack.take(of_an_unknown_plan()).digest
    change_catalog(world, "\n# a comment\n")
    reports = [world.reconcile() for _ in range(2)]
    assert [report.parked for report in reports] == [0, 0]
    assert (kept(world, digest).verdict, kept(world, digest).attempts) == ("parked", 2)


def test_scenario_96_what_could_not_be_read_is_applied_by_the_schedule_after_an_upgrade(
    world: WaffoWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    digest = world.stack.take_bytes(b"a shape that nobody knew").digest
    world.reconcile()
    assert kept(world, digest).attempts == 1
    # When another version is deployed, with the same catalog
    meaning = encode(of_an_unknown_plan(productName="Starter", productMetadata={"plan": "starter"}))

    def parse(_: bytes, told_by: ToldBy = "webhook") -> WaffoEvent:
        return parse_event(meaning, told_by)

    monkeypatch.setattr(judge_delivery, "parse_event", parse)
    for module in (judge_delivery, reconcile_open):
        monkeypatch.setattr(module, "judged_with", lambda catalog: f"upgraded {catalog.version}")
    reports = [world.reconcile() for _ in range(2)]
    # Then
    assert [report.passes["failed_deliveries"].healed for report in reports] == [1, 0]
    assert (world.plan("acct_0"), world.available("acct_0"), open_ones(world)) == ("starter", 100_000, 0)


def test_other_code_and_another_catalog_are_both_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = load_catalog(CATALOG)
    here = judged_with(catalog)
    assert here == judged_with(load_catalog(CATALOG)) != judged_with(catalog_with("\n# other\n"))
    monkeypatch.setattr("pancake_meter.usecases.webhooks.judged_with.code_digest", lambda: "other code")
    assert judged_with(catalog) != here
    assert len(code_digest()) == 64


def test_what_turns_out_to_be_not_ours_is_closed_by_the_schedule(world: WaffoWorld) -> None:
    digest = world.stack.take(of_an_unknown_plan()).digest
    change_catalog(world, '\n[not_ours]\nproduct_names = ["mystery"]\n')
    assert world.reconcile().parked == 0
    assert (kept(world, digest).verdict, kept(world, digest).reason) == ("ignored", "not_ours")
    assert open_ones(world) == 0


def test_bounded_runs_get_through_all_open_deliveries(world: WaffoWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given more than a run may look at
    monkeypatch.setattr(reconcile_open, "PAGE_SIZE", 2)
    monkeypatch.setattr(reconcile_open, "PAGES_MAX", 1)
    for number in range(5):
        world.stack.take(of_an_unknown_plan(number))
    change_catalog(world, KNOWS_MYSTERY)
    # When
    tallies = [world.reconcile().passes["parked_deliveries"] for _ in range(4)]
    # Then: each run goes on where the one before stopped
    assert [(tally.read, tally.healed, tally.is_left) for tally in tallies] == [
        (2, 2, True),
        (2, 2, True),
        (1, 1, False),
        (0, 0, False),
    ]
    assert {world.plan(f"acct_{number}") for number in range(5)} == {"mystery"}


def test_bounded_runs_get_past_what_stays_open(world: WaffoWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    monkeypatch.setattr(reconcile_open, "PAGE_SIZE", 2)
    monkeypatch.setattr(reconcile_open, "PAGES_MAX", 1)
    digests = [world.stack.take(of_an_unknown_plan(number)).digest for number in range(5)]
    change_catalog(world, "\n# nothing that helps\n")
    # When
    read = [world.reconcile().passes["parked_deliveries"].read for _ in range(4)]
    # Then: every one is tried once, and the list is begun again after its end
    assert read == [2, 2, 1, 2]
    assert [kept(world, digest).attempts for digest in digests] == [2] * 5


def test_a_dismissed_delivery_is_left_alone(world: WaffoWorld) -> None:
    digest = world.stack.take(of_an_unknown_plan()).digest
    dismiss_delivery(world.stack.metering, digest, "a test order", world.now)
    change_catalog(world, KNOWS_MYSTERY)
    assert world.reconcile().passes["parked_deliveries"].read == 0
    assert (kept(world, digest).verdict, world.plan("acct_0")) == ("dismissed", "free")


def test_promise_14_a_delivery_that_met_a_bound_is_tried_again_each_hour_until_it_fits(world: WaffoWorld) -> None:
    # Given a pack that was opened, and a balance that became full before it was paid
    began, metering = world.now, world.stack.metering
    opened = world.top_up("acct_1")
    for number in range(MAX_GRANTS - 1):
        gift = Gift("promotion", Decimal(1), expires_at=began + timedelta(hours=3, minutes=number))
        give_units(metering, "acct_1", "tokens", f"gift-{number}", gift, began)
    world.pay(opened, "acct_1")
    (met,) = deliveries_by_verdict(world.table, "failed", limit=50).deliveries
    assert (met.reason, kept(world, met.digest).attempts) == ("too_many_grants", 1)
    # When
    attempts = []
    for minutes in (30, 61, 90, 130, 250):
        world.at(began + timedelta(minutes=minutes))
        world.reconcile()
        attempts.append(kept(world, met.digest).attempts)
    # Then: it is left for an hour each time, and fits once the first gifts have expired
    assert attempts == [1, 2, 2, 3, 4]
    assert kept(world, met.digest).verdict == "applied"
    assert world.available("acct_1") > 100_000


# Refunds that name no payment, of payments that no webhook has told of


def lose_charge(world: WaffoWorld, order: Order, event_type: str) -> bytes:
    """Waffo gives up on the charge's webhook, and forgets it; return what it would have said."""
    deliveries = world.waffo.state.deliveries.values()
    content = next(
        each.content for each in deliveries if each.event_type == event_type and order.id in str(each.content)
    )
    world.forget_deliveries(event_type)
    world.deliverer.lost = False
    return content


def subscribed_without_charge(world: WaffoWorld) -> tuple[Order, bytes]:
    world.deliverer.lost = True
    order = world.subscribe("acct_1")
    return order, lose_charge(world, order, "subscription.payment_succeeded")


def test_scenario_91_graphql_says_which_charge_a_subscriptions_refund_is_of(world: WaffoWorld) -> None:
    # Given
    order, charge = subscribed_without_charge(world)
    world.refund(order)
    assert (world.outcomes[-1].verdict, world.outcomes[-1].reason) == ("parked", "payment_unknown")
    # When
    reports = [world.reconcile() for _ in range(2)]
    # Then
    assert [report.passes["parked_deliveries"].healed for report in reports] == [1, 0]
    payment = read_payment(world.table, world.payment_of(order).id)
    assert payment is not None
    assert (len(payment.refunds), open_ones(world)) == (1, 0)
    # And GraphQL tells the charge too, so that its share is taken: once, though the charge's own webhook comes as well
    assert [report.passes["uncharged_payments"].healed for report in reports] == [1, 0]
    assert (payment.charge is not None, world.available("acct_1")) == (True, 0)
    assert world.stack.take_bytes(charge, world.now).reason == "no_news"
    assert world.available("acct_1") == 0


def test_a_refund_whose_charge_nobody_knows_is_flagged_and_its_share_is_taken_once_graphql_shows_it(
    world: WaffoWorld,
) -> None:
    # Given a refund that names its payment, of which no webhook ever comes
    order, _ = subscribed_without_charge(world)
    world.reconcile()
    named = refund(order.id, world.payment_of(order).id, "REF_x", "2026-03-10", amount="4.50",
                   periodNumber=1, merchantProvidedBuyerIdentity="acct_1")  # fmt: skip
    world.failing_pages = {"PaymentsOfOneTimeOrder"}
    outcome = world.stack.take(named)
    # Then it is recorded, and flagged once, as long as Waffo does not say either
    assert (outcome.verdict, outcome.flags) == ("applied", ("charge_unknown",))
    first = world.reconcile()
    assert (first.passes["uncharged_payments"].failed, first.flagged, world.available("acct_1")) == (1, 0, 100_000)
    # When
    world.failing_pages = set()
    reports = [world.reconcile() for _ in range(2)]
    # Then half of what it paid for is taken
    assert [report.passes["uncharged_payments"].read for report in reports] == [1, 0]
    assert world.available("acct_1") == 50_000


def test_scenario_91_graphql_finds_the_charge_of_a_refund_that_has_no_number_by_the_refund(world: WaffoWorld) -> None:
    # Given
    order, _ = subscribed_without_charge(world)
    world.deliverer.lost = True
    world.refund(order)
    (sent,) = [each for each in world.waffo.state.deliveries.values() if each.event_type == "refund.succeeded"]
    world.forget_deliveries("refund.succeeded")
    document = json.loads(sent.content)
    del document["data"]["periodNumber"]
    assert world.stack.take(document, world.now).reason == "payment_unknown"
    # When
    assert world.reconcile().passes["parked_deliveries"].healed == 1
    # Then
    payment = read_payment(world.table, world.payment_of(order).id)
    assert payment is not None
    assert len(payment.refunds) == 1


def test_scenario_91_graphql_knows_a_one_time_orders_only_payment(world: WaffoWorld) -> None:
    # Given a payment that only its order shows
    opened = world.top_up("acct_1")
    world.deliverer.lost = True
    order = world.pay(opened, "acct_1")
    charge = lose_charge(world, order, "order.completed")
    world.failing_pages = {"PaymentsByExternalId"}
    world.refund(order)
    assert world.outcomes[-1].reason == "payment_unknown"
    # When
    assert world.reconcile().passes["parked_deliveries"].healed == 1
    # Then: the units come and go with the charge, which GraphQL tells too
    assert world.available("acct_1") == 10_000
    assert world.stack.take_bytes(charge, world.now).reason == "no_news"
    assert world.available("acct_1") == 10_000


def test_scenario_91_what_graphql_does_not_know_either_stays_parked(world: WaffoWorld) -> None:
    # Given an order that is known, and neither the refund nor a charge of that number
    order, _ = subscribed_without_charge(world)
    world.reconcile()
    world.at(world.now + timedelta(minutes=2))
    unnamed: dict[str, Any] = {"paymentId": None, "merchantProvidedBuyerIdentity": "acct_1"}
    documents = (
        refund(order.id, "", "REF_x", "2026-03-10", amount="1.00", periodNumber=7, **unnamed),
        refund("ORD_x", "", "REF_y", "2026-03-10", amount="1.00", **unnamed),
    )
    outcomes = [world.stack.take(document, world.now) for document in documents]
    # When
    tally = world.reconcile().passes["parked_deliveries"]
    # Then
    assert (tally.unchanged, tally.healed, tally.failed, open_ones(world)) == (2, 0, 0, 2)
    assert [kept(world, each.digest).attempts for each in outcomes] == [1, 1]


def test_waffo_being_down_leaves_a_parked_refund_for_the_next_run(world: WaffoWorld) -> None:
    order, _ = subscribed_without_charge(world)
    world.refund(order)
    world.is_down = True
    assert world.reconcile().passes["parked_deliveries"].failed == 1
    world.is_down = False
    assert world.reconcile().passes["parked_deliveries"].healed == 1
