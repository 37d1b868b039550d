"""What a snapshot adds to what is known: pure. Newer by (period, time, rank), never by where it comes from."""

import itertools
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from pancake_meter.domain.standing.lifecycle import Bound, LifecycleEvent, LifecycleKind, StatedPeriod
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.usecases.reconciliation.snapshot_events import missing_events, snapshot_body, snapshot_period
from pancake_meter.waffo.events import parse_event
from pancake_meter.waffo.fields import PeriodBound
from pancake_meter.waffo.snapshots import SubscriptionOrderSnapshot
from tests.support.pure_subscription import CATALOG
from tests.support.webhook_world import STORE_ID, utc

ORDER = "ORD_4kPz8sYvN1qJ6tGwB2dXfR"
MARCH, APRIL, MAY = (utc(f"2026-0{month}-10T15:14:30") for month in (3, 4, 5))
STARTER, PRO = CATALOG.plans["starter"], CATALOG.plans["pro"]
SECOND = timedelta(seconds=1)


def snapshot(
    status: str, start: datetime, end: datetime, changed: datetime | None, **other: object
) -> SubscriptionOrderSnapshot:
    known = SubscriptionOrderSnapshot(
        id=ORDER,
        store_id=STORE_ID,
        is_test=True,
        status=status,
        currency="USD",
        buyer_email="buyer@example.com",
        buyer_identity="acct_1001",
        external_id=None,
        metadata={},
        product_id=None,
        product_name="Starter",
        product_metadata={"plan": "starter"},
        billing_period="monthly",
        period_start=PeriodBound(start, is_date_only=False),
        period_end=PeriodBound(end, is_date_only=False),
        period_number=1,
        canceled_at=None,
        will_renew=True,
        updated_at=changed,
        origin_order_id=None,
        superseded_by_order_id=None,
    )
    return replace(known, **other)  # type: ignore[arg-type]


def fact(kind: LifecycleKind, start: datetime, end: datetime, at: datetime, *, days: bool = False) -> OrderFacts:
    bounds = [bound.replace(hour=0, minute=0, second=0) if days else bound for bound in (start, end)]
    period = StatedPeriod(Bound(bounds[0], days), Bound(bounds[1], days))
    return OrderFacts.of(LifecycleEvent(kind, ORDER, at, period, STARTER))


ACTIVATED = fact("activated", MARCH, APRIL, MARCH + 3 * SECOND)
RENEWED = ACTIVATED.join(fact("renewed", APRIL, MAY, APRIL + 3 * SECOND))


def kinds(seen: SubscriptionOrderSnapshot, known: OrderFacts | None) -> list[str]:
    return [event.kind for event in missing_events(seen, known, STARTER)]


@pytest.mark.parametrize(
    ("seen", "known", "missing"),
    [
        (snapshot("active", MARCH, APRIL, MARCH), None, ["activated"]),
        (snapshot("active", MARCH, APRIL, MARCH), ACTIVATED, []),
        (snapshot("active", APRIL, MAY, APRIL), ACTIVATED, ["renewed"]),
        (snapshot("active", APRIL, MAY, APRIL), RENEWED, []),
        # A lagging GraphQL: the period before, whatever its status says.
        (snapshot("active", MARCH, APRIL, MARCH + SECOND), RENEWED, []),
        (snapshot("past_due", MARCH, APRIL, APRIL - SECOND), RENEWED, []),
        (snapshot("canceling", MARCH, APRIL, APRIL - SECOND), RENEWED, []),
        (snapshot("canceling", APRIL, MAY, APRIL + 60 * SECOND), RENEWED, ["canceling"]),
        (snapshot("canceling", APRIL, MAY, APRIL + 60 * SECOND), ACTIVATED, ["renewed", "canceling"]),
        (snapshot("past_due", APRIL, APRIL + timedelta(days=7), APRIL), ACTIVATED, ["past_due"]),
        (snapshot("past_due", MARCH, APRIL, APRIL), ACTIVATED, ["past_due"]),
        (snapshot("canceled", MARCH, APRIL, APRIL), ACTIVATED, ["canceled"]),
        (snapshot("expired", MARCH, APRIL, APRIL), ACTIVATED, ["canceled"]),
        (snapshot("canceled", MARCH, APRIL, APRIL), None, []),
        # Nothing is paid yet, and what a trial grants its events say.
        (snapshot("pending", MARCH, APRIL, MARCH), None, []),
        (snapshot("trialing", MARCH, APRIL, MARCH), None, []),
        (snapshot("a status of next year", MARCH, APRIL, MARCH), ACTIVATED, []),
        # Without the time of the last change, a payment is proved and a status is not.
        (snapshot("active", APRIL, MAY, None), ACTIVATED, ["renewed"]),
        (snapshot("canceling", MARCH, APRIL, None), ACTIVATED, []),
        (snapshot("active", MARCH, APRIL, MARCH, period_start=None), ACTIVATED, []),
        (snapshot("active", APRIL, MAY, APRIL, origin_order_id="ORD_0"), None, ["plan_changed"]),
        (snapshot("active", MARCH, APRIL, MARCH, origin_order_id="ORD_0"), ACTIVATED, ["plan_changed"]),
    ],
)
def test_the_fewest_events_that_lead_to_the_snapshot(
    seen: SubscriptionOrderSnapshot, known: OrderFacts | None, missing: list[str]
) -> None:
    assert kinds(seen, known) == missing


@pytest.mark.parametrize(
    ("status", "since", "missing"),
    [
        ("active", "past_due", ["recovered"]),
        ("active", "canceling", ["uncanceled"]),
        ("past_due", "canceling", ["past_due"]),
    ],
)
@pytest.mark.parametrize("later", [-60, 60])
def test_of_two_statuses_of_one_period_the_later_counts(
    status: str, since: LifecycleKind, missing: list[str], later: int
) -> None:
    known = ACTIVATED.join(fact(since, MARCH, APRIL, MARCH + 600 * SECOND))
    seen = snapshot(status, MARCH, APRIL, MARCH + (600 + later) * SECOND)
    assert kinds(seen, known) == (missing if later > 0 else [])


def test_another_plan_counts_when_it_is_newer_than_the_sale_that_we_know() -> None:
    for later, missing in ((-60, []), (60, ["plan_changed"])):
        seen = snapshot("active", MARCH, APRIL, MARCH + timedelta(seconds=3 + later))
        assert [event.kind for event in missing_events(seen, ACTIVATED, PRO)] == missing


def test_a_plan_that_the_catalog_does_not_know_is_no_difference() -> None:
    assert missing_events(snapshot("active", MARCH, APRIL, MAY), ACTIVATED, None) == ()


def test_scenario_64_a_day_and_an_instant_are_one_period() -> None:
    known = fact("activated", MARCH, APRIL, MARCH + 3 * SECOND, days=True)
    assert kinds(snapshot("active", MARCH, APRIL, MAY), known) == []


def test_an_order_ends_at_its_last_change_and_no_later_than_its_period() -> None:
    for changed, ended in ((APRIL - 5 * SECOND, APRIL - 5 * SECOND), (MAY, APRIL), (None, APRIL)):
        (event,) = missing_events(snapshot("canceled", MARCH, APRIL, changed), ACTIVATED, STARTER)
        assert event.at == ended


def test_only_an_active_order_proves_that_its_period_is_paid() -> None:
    (paid,) = missing_events(snapshot("active", APRIL, MAY, APRIL), ACTIVATED, STARTER)
    doubtful, _ = missing_events(snapshot("canceling", APRIL, MAY, APRIL), ACTIVATED, STARTER)
    assert (paid.is_proved, doubtful.is_proved) == (True, False)


def test_the_real_event_says_nothing_new_but_its_time() -> None:
    """In either order: the state is the same, and no second period comes of it."""
    real = fact("renewed", APRIL, MAY, APRIL + 3 * SECOND, days=True)
    (event,) = missing_events(snapshot("active", APRIL, MAY, APRIL + 2 * SECOND), ACTIVATED, STARTER)
    period = snapshot_period(snapshot("active", APRIL, MAY, APRIL))
    healed = OrderFacts.of(LifecycleEvent(event.kind, ORDER, event.at, period, STARTER))
    one, other = (ACTIVATED.join(first).join(second) for first, second in itertools.permutations([real, healed]))
    assert one == other
    paid = one.paid
    assert paid is not None
    assert len(one.periods) == 2
    assert (paid.period.start, paid.sold_at) == (Bound(APRIL), APRIL + 3 * SECOND)


def test_the_event_is_one_that_waffo_could_have_sent_and_always_the_same_bytes() -> None:
    seen = snapshot("active", APRIL, MAY, APRIL, metadata={"customer_id": "acct_1001"})
    (missing,) = missing_events(seen, ACTIVATED, STARTER)
    body = snapshot_body(seen, missing, "test", STORE_ID)
    assert body == snapshot_body(seen, missing, "test", STORE_ID)
    event = parse_event(body, "reconciliation")
    assert (event.order_id, event.mode, event.store_id) == (ORDER, "test", STORE_ID)
    assert (event.cause, event.timestamp) == ("reconciliation:subscription.renewed", APRIL)
