"""Every unconfirmed or odd shape that Waffo may send: each ends in one stated, visible state, alone and after its order."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from pancake_meter.catalog import parse_catalog
from pancake_meter.domain.selling.payment import Payment
from pancake_meter.store.selling.payments import read_payment
from pancake_meter.store.standing.subscriptions import read_subscription
from pancake_meter.store.table import Table
from pancake_meter.store.webhooks.deliveries import deliveries_by_verdict, read_delivery
from pancake_meter.usecases.webhooks.judge import Outcome
from pancake_meter.waffo.errors import WrongMode
from tests.support.waffo_webhooks import DATA, encode, reference
from tests.support.webhook_world import CUSTOMER, Document, World, utc

CATALOG = parse_catalog("""
default_plan = "free"

[checkout]
currency = "USD"
success_urls = ["https://app.example.com/billing"]

[meters.tokens]
name = "Tokens"
unit = "token"

[plans.free]
name = "Free"
rank = 0
allowances.tokens = { quantity = 1000, cadence = "month" }

[plans.pro-monthly]
name = "Pro monthly"
rank = 10
allowances.tokens = { quantity = 2_000_000 }

[plans.scale-monthly]
name = "Scale monthly"
rank = 20
allowances.tokens = { quantity = 10_000_000 }
""")
ORDER = "ORD_4kPz8sYvN1qJ6tGwB2dXfR"
PAYMENT = "PAY_2wEr5tYu8iOp1aSd4fGh7J"

FREE = ("free", 1_000)
PRO = ("pro-monthly", 2_000_000)
SCALE = ("scale-monthly", 10_000_000)


@dataclass(frozen=True)
class End:
    """What becomes of it when it comes alone, and what the customer then has."""

    verdict: str
    reason: str | None = None
    has: tuple[str, int] = FREE


ENDS = {
    "buyer_identity_is_email": [End("applied", has=PRO)],
    "charge_of_zero_paid_by_credit_period_1": [End("applied")],
    "charged_amount_absent": [End("applied")],
    "checkout_rebuilt_without_metadata_or_external_id": [End("parked", "purchase_unknown")],
    "id_equals_order_id_canceling": [End("applied")],
    "id_equals_order_id_uncanceled": [End("applied")],
    "jpy_zero_decimals": [End("parked", "purchase_unknown")],
    "late_past_due_for_older_period": [End("applied")],
    "obsolete_old_docs_shape": [End("failed", "malformed_event")],
    "plan_change_scheduled_under_the_new_order_period_0": [End("applied")],
    "plan_changed_arrives_as_new_order": [End("applied", has=SCALE), End("ignored", "order_superseded", SCALE)],
    "refund_of_subscription_without_payment_id": [End("parked", "payment_unknown")],
    "refund_without_payment_id": [End("parked", "payment_unknown")],
    "sandbox_simulated_renewal_short_period": [End("applied", has=PRO)],
    "trial_converted_by_a_charge_alone": [End("applied")],
    "trial_start_status_active_period_1": [End("applied", has=PRO)],
    "trial_start_status_trialing_period_0": [End("applied", has=PRO)],
    "unknown_event_type": [End("ignored", "unknown_event_type")],
    "zero_amount_authorization_period_0": [End("ignored", "card_check")],
}


def quirk(name: str) -> list[Document]:
    """The events of a quirk; one quirk takes two to tell."""
    stated = reference(f"quirks/{name}.json")
    return [stated["first"], stated["second"]] if "first" in stated else [stated]


def at_its_time(table: Table, document: Document, mode: str | None = None) -> World:
    """A stack at the moment at which the event was sent."""
    now = utc(document["timestamp"][:19]) if "timestamp" in document else utc("2026-03-10T15:15:00")
    return World(table, now, mode=mode or document.get("mode", "test"), catalog=CATALOG)


def take(table: Table, document: Document) -> Outcome:
    return at_its_time(table, document).take(document)


def standing(table: Table, document: Document) -> tuple[str | None, int]:
    world = at_its_time(table, document)
    return world.plan(), world.available()


def paid(table: Table, payment_id: str = PAYMENT) -> Payment:
    payment = read_payment(table, payment_id)
    assert payment is not None
    return payment


def activated(**data: Any) -> Document:
    """The event that starts what the quirks are about."""
    document: Document = reference("events/02_subscription.activated.json")
    return {**document, "data": {**document["data"], **data}}


def test_every_quirk_has_a_stated_end() -> None:
    assert {path.stem for path in DATA.glob("quirks/*.json")} == {*ENDS, "test_mode_event_sent_to_production"}


@pytest.mark.parametrize("name", ENDS)
def test_a_quirk_that_comes_alone_ends_visibly(world: World, name: str) -> None:
    for document, end in zip(quirk(name), ENDS[name], strict=True):
        # When
        outcome = take(world.table, document)
        # Then
        assert (outcome.verdict, outcome.reason) == (end.verdict, end.reason)
        assert standing(world.table, document) == end.has
        kept = read_delivery(world.table, outcome.digest)
        assert kept is not None
        assert kept.body == encode(document)
        listed = deliveries_by_verdict(world.table, kept.verdict, limit=10).deliveries
        assert outcome.digest in [each.digest for each in listed]
        # And again: it is done, or still waits
        again = take(world.table, document)
        assert again.verdict == (end.verdict if end.verdict in {"parked", "failed"} else "duplicate")
        assert standing(world.table, document) == end.has


def test_scenario_15_a_test_event_at_a_production_stack_is_refused(world: World) -> None:
    (document,) = quirk("test_mode_event_sent_to_production")
    with pytest.raises(WrongMode):
        at_its_time(world.table, document, mode="prod").take(document)


@pytest.mark.parametrize("is_charge_first", [True, False])
def test_scenario_94_a_charge_of_zero_in_a_period_books_nothing_and_the_status_grants(
    world: World, is_charge_first: bool
) -> None:
    # Given a period that credit or a full discount paid for
    charge = quirk("charge_of_zero_paid_by_credit_period_1")[0]
    documents = [charge, activated()] if is_charge_first else [activated(), charge]
    # When
    outcomes = [take(world.table, document) for document in documents]
    # Then
    assert [outcome.verdict for outcome in outcomes] == ["applied", "applied"]
    assert standing(world.table, charge) == PRO
    charged = paid(world.table).charge
    assert charged is not None
    assert (charged.amount, charged.number) == (Decimal(0), 1)


@pytest.mark.parametrize("kind", ["activated", "renewed", "recovered", "plan_changed"])
def test_scenario_41_94_period_0_grants_nothing_whatever_the_event(world: World, kind: str) -> None:
    document = activated(periodNumber=0) | {"eventType": f"subscription.{kind}"}
    outcome = take(world.table, document)
    assert (outcome.verdict, outcome.reason) == ("ignored", "card_check")
    assert standing(world.table, document) == FREE


def test_scenario_94_a_card_check_takes_nothing_from_a_plan_that_stands(world: World) -> None:
    take(world.table, activated())
    check = quirk("zero_amount_authorization_period_0")[0]
    assert take(world.table, check).reason == "card_check"
    assert standing(world.table, check) == PRO
    assert read_payment(world.table, "PAY_0000000000000000000000") is None


def test_issue_11_point_8_a_trial_that_a_charge_alone_converts_grants_once_a_period(world: World) -> None:
    # Given a trial that started as period 0, and its conversion by a charge alone
    start, charge = quirk("trial_start_status_trialing_period_0")[0], quirk("trial_converted_by_a_charge_alone")[0]
    assert take(world.table, start).verdict == "applied"
    assert take(world.table, charge).verdict == "applied"
    # When the same period is told as a paid one, by a webhook or by reconciliation
    take(world.table, activated())
    # Then
    assert standing(world.table, charge) == PRO
    assert not deliveries_by_verdict(world.table, "parked", limit=10).deliveries


def test_a_plan_change_scheduled_under_the_new_order_leaves_the_old_one(world: World) -> None:
    # Given
    (scheduled,) = quirk("plan_change_scheduled_under_the_new_order_period_0")
    take(world.table, activated(currentPeriodStart="2026-05-10", currentPeriodEnd="2026-06-10"))
    # When
    outcome = take(world.table, scheduled)
    # Then
    assert (outcome.verdict, outcome.reason) == ("applied", None)
    assert standing(world.table, scheduled) == PRO


def test_scenario_77_a_charge_of_unknown_amount_counts_its_price(world: World) -> None:
    take(world.table, quirk("charged_amount_absent")[0])
    charge = paid(world.table).charge
    assert charge is not None
    assert (charge.collected, charge.amount) == (None, Decimal("31.90"))


def test_a_late_past_due_of_an_older_period_does_not_touch_the_newer_one(world: World) -> None:
    # Given
    (late,) = quirk("late_past_due_for_older_period")
    take(world.table, activated())
    renewed = activated(periodNumber=4, currentPeriodStart="2026-05-10", currentPeriodEnd="2026-06-10")
    take(world.table, renewed | {"eventType": "subscription.renewed", "timestamp": "2026-05-10T15:14:33.018Z"})
    # When
    outcome = take(world.table, late)
    # Then
    assert outcome.verdict in {"ignored", "applied"}
    assert standing(world.table, late) == PRO


def test_canceling_and_uncanceled_under_one_id_and_without_a_number_both_apply(world: World) -> None:
    # Given
    take(world.table, activated(currentPeriodStart="2026-05-10", currentPeriodEnd="2026-06-10", periodNumber=3))
    for name, status in (("canceling", "canceling"), ("uncanceled", "active")):
        (document,) = quirk(f"id_equals_order_id_{name}")
        # When
        outcome = take(world.table, document)
        # Then
        assert (outcome.verdict, standing(world.table, document)) == ("applied", PRO)
        subscription = read_subscription(world.table, CUSTOMER)
        assert subscription is not None
        (order,) = subscription.orders
        assert order.status is not None
        assert order.status.kind == status


def test_a_plan_changed_to_a_new_order_survives_the_end_of_the_old_one_in_any_order(world: World) -> None:
    changed, ended = quirk("plan_changed_arrives_as_new_order")
    take(world.table, activated(currentPeriodStart="2026-05-10", currentPeriodEnd="2026-06-10", periodNumber=3))
    take(world.table, ended)
    take(world.table, changed)
    assert standing(world.table, ended) == SCALE
