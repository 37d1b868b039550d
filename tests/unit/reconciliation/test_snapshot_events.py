"""What a snapshot adds to what is known: pure. Newer by (period, time, rank), never by where it comes from."""

import itertools
from datetime import datetime, timedelta

import pytest

from pancake_meter.catalog import Catalog
from pancake_meter.domain.standing.lifecycle import Bound, LifecycleEvent, LifecycleKind, StatedPeriod
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.usecases.reconciliation.snapshot_events import missing_events, snapshot_body, snapshot_period
from pancake_meter.usecases.webhooks.reading import lifecycle_event
from pancake_meter.value import replace
from pancake_meter.waffo.events import SubscriptionFacts, parse_event
from pancake_meter.waffo.fields import PeriodBound
from pancake_meter.waffo.snapshots import SubscriptionOrderSnapshot
from tests.support.catalogs import with_trial
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
        # Nothing is paid yet.
        (snapshot("pending", MARCH, APRIL, MARCH), None, []),
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


def _trial(status: str, is_in_trial: bool = True, **other: object) -> SubscriptionOrderSnapshot:
    """A trial of two weeks of a monthly plan."""
    return snapshot(status, MARCH, MARCH + timedelta(days=14), MARCH, is_in_trial=is_in_trial, **other)


def _read(seen: SubscriptionOrderSnapshot, known: OrderFacts | None, catalog: Catalog) -> list[LifecycleEvent]:
    """What the code that takes webhooks makes of the events of a snapshot."""
    read = []
    for missing in missing_events(seen, known, catalog.plans["starter"]):
        event = parse_event(snapshot_body(seen, missing, "test", STORE_ID), "reconciliation")
        assert isinstance(event.facts, SubscriptionFacts)
        lifecycle = lifecycle_event(event, event.facts, catalog, known)
        assert isinstance(lifecycle, LifecycleEvent)
        read.append(lifecycle)
    return read


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(("status", "is_in_trial"), [("trialing", True), ("active", True), ("trialing", False)])
def test_issue_11_point_8_an_order_in_its_trial_is_healed_as_a_trial(
    status: str, is_in_trial: bool, number: int
) -> None:
    seen = _trial(status, is_in_trial, period_number=number)
    (missing,) = missing_events(seen, None, STARTER)
    assert missing.is_proved
    (event,) = _read(seen, None, CATALOG)
    assert (event.kind, event.is_trial, event.billing_period) == ("activated", True, "monthly")


def test_issue_11_point_8_a_webhook_that_called_the_trial_an_active_order_is_put_right() -> None:
    (event,) = _read(snapshot("active", MARCH, APRIL, MARCH, is_in_trial=True), ACTIVATED, CATALOG)
    assert (event.kind, event.is_trial) == ("activated", True)


def test_issue_11_point_8_a_cancelled_trial_goes_on_though_waffo_no_longer_calls_it_one() -> None:
    """It was never charged, so nothing but the catalog and the length of its period proves it."""
    catalog = with_trial("starter", "0.25")
    cancelled = replace(_trial("canceling", is_in_trial=False), updated_at=MARCH + timedelta(days=3))
    begun, ends = missing_events(cancelled, None, catalog.plans["starter"])
    assert (begun.kind, begun.is_proved, ends.kind) == ("activated", True, "canceling")
    assert [event.is_trial for event in _read(cancelled, None, catalog)] == [True, False]
    # A plan without a trial: the period may be one whose payment failed.
    assert not missing_events(cancelled, None, STARTER)[0].is_proved


def test_issue_11_point_8_a_trial_converted_by_a_charge_alone_is_renewed_by_its_new_period() -> None:
    end = MARCH + timedelta(days=14)
    for number in (1, 2):
        seen = snapshot("active", end, end + timedelta(days=31), end, period_number=number)
        known = OrderFacts.of(
            LifecycleEvent("activated", ORDER, MARCH, snapshot_period(_trial("trialing")), STARTER, is_trial=True)
        )
        (event,) = _read(seen, known, CATALOG)
        assert (event.kind, event.is_trial) == ("renewed", False)


def test_a_plan_that_was_changed_in_the_trial_is_still_one_of_the_trial() -> None:
    seen = snapshot("trialing", MARCH, APRIL, MARCH + timedelta(days=2), is_in_trial=True)
    (event,) = missing_events(seen, ACTIVATED, PRO)
    assert event.kind == "plan_changed"
