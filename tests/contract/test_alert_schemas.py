"""The payloads of alerts against their schemas: each type has one for each version, and no payload has more than it says."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pancake_meter.domain.alerts.alert import ALERT_TYPES, SCHEMA_VERSION, Alert
from pancake_meter.domain.alerts.checkout import checkout_alert
from pancake_meter.domain.alerts.delivery import delivery_alert
from pancake_meter.domain.alerts.payload import payload_of
from pancake_meter.domain.alerts.quota import grant_alert, quota_alerts, refused_alert
from pancake_meter.domain.alerts.subscription import subscription_alerts, trial_alert
from pancake_meter.domain.balance.adjust import add_grant
from pancake_meter.domain.balance.advance import advance, open_balance
from pancake_meter.domain.balance.balance import Balance, Policy, Term
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.gift import Gift
from pancake_meter.domain.balance.spend import Refusal, record_usage
from pancake_meter.domain.selling.plan import OverageAllowed, OverageCapped
from pancake_meter.domain.standing.order import OrderFacts, Status
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.store.alerts.alerts import alert_from_item, alert_item
from pancake_meter.value import replace
from tests.support.alert_schemas import SCHEMAS, check_payload, schema_of
from tests.unit.domain.test_checkout import SALE

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
POLICY = Policy("pro", Decimal(100), "month", OverageAllowed(), alert_thresholds=(Decimal("0.8"), Decimal(1)))


def opened(policy: Policy = POLICY) -> Balance:
    return open_balance("acct_1", "tokens", policy, Term(None, NOW), NOW).after


def of_balances() -> Iterator[Alert]:
    begun = opened()
    used = record_usage(begun, Decimal("123.25"), NOW)
    yield from quota_alerts(begun, used, NOW)
    later = advance(used, NOW + timedelta(days=40), POLICY).after
    yield from quota_alerts(used, later, NOW)
    huge = replace(POLICY, overage=OverageCapped(Decimal(10) ** 15), allowance=Decimal(2) ** 60)
    for reason in ("quota_exhausted", "overage_cap_reached", "no_plan", "past_due"):
        alert = refused_alert(opened(huge), Refusal(reason), Decimal("0.000001"), NOW)
        assert alert is not None
        yield alert
    blocked = refused_alert(begun, Refusal("blocked", "abuse"), Decimal(1), NOW)
    ends = NOW + timedelta(days=2)
    given = add_grant(Change.begin(begun), Gift("promotion", Decimal(5), expires_at=ends).grant("g", NOW), NOW).after
    expiring = grant_alert(given, given.grants[-1].id, ends, NOW)
    assert blocked is not None
    assert expiring is not None
    yield from (blocked, expiring)


def of_orders() -> Iterator[Alert]:
    active = OrderFacts("ORD_1", (NOW, NOW), status=Status("active", (NOW, 1), NOW))
    overdue = replace(active, status=Status("past_due", (NOW, 2), NOW, until=NOW + timedelta(days=9)))
    without_end = replace(active, status=Status("past_due", (NOW, 2), NOW))
    canceling = replace(active, status=Status("canceling", (NOW, 1), NOW))
    states = (active, overdue, without_end, active, canceling, replace(canceling, ended_at=NOW))
    told = [Subscription("acct_1", (order,)) for order in states]
    for before, after in pairwise(told):
        yield from subscription_alerts(before, after, NOW)


def payloads() -> Iterator[Alert]:
    yield from of_balances()
    yield from of_orders()
    for checkout in (SALE, replace(SALE, kind="subscription", meter=None), replace(SALE, plan=None)):
        for status, flag in (("paid", None), ("flagged", "paid_twice"), ("flagged", "amount_differs")):
            alert = checkout_alert(replace(checkout, status=status, flag=flag, payment_ids=("PAY_1",)), NOW)  # type: ignore[arg-type]
            assert alert is not None
            yield alert
    for verdict in ("parked", "failed"):
        for customer_id in (None, "acct_1"):
            about: dict[str, Any] = {"event_type": "order.completed", "order_id": None, "reason": "no_customer"}
            yield delivery_alert("0" * 64, verdict, customer_id, NOW, **about)
    yield Alert("endpoint.test#1", "endpoint.test", None, None, NOW)


@pytest.mark.parametrize("kind", ALERT_TYPES)
def test_each_type_has_a_schema_of_each_version(kind: str) -> None:
    for version in range(1, SCHEMA_VERSION + 1):
        schema = schema_of(kind, version)
        Draft202012Validator.check_schema(schema)
        assert schema["$id"] == f"urn:pancake-meter:alert:{kind}:{version}"
        assert schema["properties"]["type"] == {"const": kind}
        assert schema["properties"]["data"]["properties"]["schema_version"] == {"const": version}


def test_there_is_no_schema_of_anything_else() -> None:
    names = {re.sub(r"\.v[0-9]+\.json$", "", path.name) for path in SCHEMAS.iterdir()}
    assert names == set(ALERT_TYPES)


@pytest.mark.parametrize("alert", list(payloads()), ids=lambda alert: alert.type)
def test_a_payload_is_what_its_schema_says_and_nothing_more(alert: Alert) -> None:
    check_payload(alert)
    # And it is the same after it was kept.
    assert payload_of(alert_from_item(alert_item(alert))) == payload_of(alert)


def test_the_payloads_of_the_test_are_of_every_type_but_those_that_need_a_plan() -> None:
    """Those are held in tests/integration/stream/test_alerts.py, with the events of Waffo that bring them about."""
    assert {alert.type for alert in payloads()} == set(ALERT_TYPES) - {
        "subscription.trial_ending",
        "subscription.bought_twice",
    }
    assert trial_alert(Subscription("acct_1"), "ORD_1", NOW, NOW) is None
