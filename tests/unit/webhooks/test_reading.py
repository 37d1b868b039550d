"""Issue 11, point 8: what makes an event one of a trial. No event is about trials; their start is an ``activated``."""

from typing import Any

import pytest

from pancake_meter.catalog import Catalog
from pancake_meter.domain.standing.lifecycle import Bound, LifecycleEvent, StatedPeriod
from pancake_meter.usecases.webhooks.reading import Ignored, Parked, lifecycle_event
from pancake_meter.waffo.events import SubscriptionFacts, parse_event
from tests.support.catalogs import with_trial
from tests.support.pure_subscription import CATALOG
from tests.support.waffo_webhooks import encode
from tests.support.webhook_world import utc

TRIED = with_trial("pro", "0.25")
MONTH = {"currentPeriodStart": "2026-03-10", "currentPeriodEnd": "2026-04-10"}
TWO_WEEKS = {"currentPeriodStart": "2026-03-10", "currentPeriodEnd": "2026-03-24"}
FREE = {"total": "0.00", "subtotal": "0.00", "taxAmount": "0.00"}


def read(catalog: Catalog, kind: str = "activated", **data: Any) -> LifecycleEvent | Parked | Ignored:
    """An event of a monthly Pro order, period 1, status active, unless ``data`` says otherwise."""
    stated = {
        "orderId": "ORD_4kPz8sYvN1qJ6tGwB2dXfR",
        "orderStatus": "active",
        "productName": "Pro",
        "productMetadata": {"plan": "pro"},
        "periodNumber": 1,
        "billingPeriod": "monthly",
        "planPrice": {"total": "31.90", "subtotal": "29.00", "taxAmount": "2.90"},
        **MONTH,
        **data,
    }
    document = {
        "id": "1",
        "timestamp": "2026-03-10T15:14:33.018Z",
        "eventType": f"subscription.{kind}",
        "eventId": "ORD_4kPz8sYvN1qJ6tGwB2dXfR",
        "storeId": "STO_7hQ2mVb9KxT4cLr8WnZ3aE",
        "mode": "test",
        "data": stated,
    }
    event = parse_event(encode(document))
    assert isinstance(event.facts, SubscriptionFacts)
    return lifecycle_event(event, event.facts, catalog, None)


def is_trial(event: LifecycleEvent | Parked | Ignored) -> bool:
    assert isinstance(event, LifecycleEvent)
    return event.is_trial


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("said", [{"orderStatus": "trialing"}, {"orderStatus": "Trialing"}, {"isInTrial": True}])
@pytest.mark.parametrize("catalog", [CATALOG, TRIED])
def test_waffo_calls_it_a_trial(catalog: Catalog, said: dict[str, Any], number: int) -> None:
    assert is_trial(read(catalog, **said, periodNumber=number))


@pytest.mark.parametrize(
    "said", [TWO_WEEKS, {"periodNumber": 0}, {"planPrice": FREE}, {**TWO_WEEKS, "billingPeriod": "yearly"}]
)
def test_the_catalog_calls_it_a_trial_where_waffo_says_active(said: dict[str, Any]) -> None:
    assert is_trial(read(TRIED, **said))


def test_without_a_trial_in_the_catalog_an_active_order_is_a_paid_one_whatever_its_period() -> None:
    assert not is_trial(read(CATALOG, **TWO_WEEKS))
    assert not is_trial(read(CATALOG, planPrice=FREE))
    assert read(CATALOG, periodNumber=0) == Ignored("card_check")


def test_a_paid_period_of_a_plan_with_a_trial_is_none() -> None:
    assert not is_trial(read(TRIED))
    assert not is_trial(read(TRIED, currentPeriodEnd=None))
    assert not is_trial(read(TRIED, billingPeriod="fortnightly"))


@pytest.mark.parametrize("kind", ["renewed", "recovered", "plan_changed"])
def test_only_the_start_of_an_order_is_a_trial_by_its_length(kind: str) -> None:
    """A plan change may state the rest of a period, and a sandbox's renewal any."""
    assert not is_trial(read(TRIED, kind, **TWO_WEEKS))
    assert read(TRIED, kind, periodNumber=0) == Ignored("card_check")


def test_an_overdue_payment_is_no_trial_however_short_its_grace() -> None:
    assert not is_trial(read(TRIED, "past_due", orderStatus="past_due", currentPeriodEnd="2026-03-17"))


def test_a_trial_without_period_or_plan_waits() -> None:
    assert read(CATALOG, orderStatus="trialing", currentPeriodStart=None) == Parked("period_unknown")
    assert read(CATALOG, orderStatus="trialing", productName="?", productMetadata={}) == Parked("plan_unknown")


@pytest.mark.parametrize(
    ("start", "end", "billing_period", "is_regular"),
    [
        ("2026-03-10", "2026-04-10", "monthly", True),
        ("2026-01-31", "2026-02-28", "monthly", True),
        ("2026-01-31", "2026-03-03", "monthly", True),
        ("2026-03-10", "2026-04-09", "monthly", True),
        ("2026-03-10", "2026-03-24", "monthly", False),
        ("2026-03-10", "2026-05-10", "monthly", False),
        ("2026-03-10", "2026-03-17", "weekly", True),
        ("2026-03-10", "2026-03-16", "weekly", True),
        ("2026-03-10", "2026-03-13", "weekly", False),
        ("2026-03-10", "2026-03-24", "weekly", False),
        ("2026-03-10", "2026-06-10", "quarterly", True),
        ("2026-03-10", "2026-04-10", "quarterly", False),
        ("2026-03-10", "2027-03-10", "yearly", True),
        ("2026-03-10", "2026-04-09", "yearly", False),
        # A sandbox's: thirteen minutes.
        ("2026-03-10T15:00:00", "2026-03-10T15:13:00", "monthly", True),
        ("2026-03-10", "2026-03-10", "monthly", True),
        ("2026-03-10", "2026-03-24", None, True),
    ],
)
def test_a_period_is_regular_or_clearly_not(start: str, end: str, billing_period: Any, is_regular: bool) -> None:
    first, last = (Bound(utc(text), is_day="T" not in text) for text in (start, end))
    assert StatedPeriod(first, last).is_regular(billing_period) is is_regular
