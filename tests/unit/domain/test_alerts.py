"""Alerts: their ids and payloads, and what a change of a balance, an order or a checkout means."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from pancake_meter.domain.alerts.alert import Alert, alert_id, is_alert_id
from pancake_meter.domain.alerts.checkout import checkout_alert
from pancake_meter.domain.alerts.delivery import delivery_alert
from pancake_meter.domain.alerts.payload import identified_payload, payload_of
from pancake_meter.domain.alerts.quota import grant_alert, quota_alerts, refused_alert, used_share
from pancake_meter.domain.alerts.reminder import Reminder, end_reminders, grant_reminders, trial_reminders
from pancake_meter.domain.alerts.subscription import (
    ended_alert,
    meter_to_sell,
    subscription_alerts,
    trial_alert,
    trial_end,
)
from pancake_meter.domain.balance.adjust import add_grant
from pancake_meter.domain.balance.advance import advance, open_balance
from pancake_meter.domain.balance.balance import Balance, Policy, Term
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.gift import Gift
from pancake_meter.domain.balance.hold import Hold
from pancake_meter.domain.balance.spend import Refusal, RefusalReason, place_hold, record_usage
from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.selling.plan import MeterAllowance, OverageAllowed, OverageCapped, Plan
from pancake_meter.domain.standing.lifecycle import Bound, StatedPeriod
from pancake_meter.domain.standing.order import OrderFacts, Status, StatusKind
from pancake_meter.domain.standing.paid_period import PaidPeriod, Sale
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.value import replace
from tests.support.pure_subscription import step
from tests.unit.domain.test_checkout import SALE

NOW = datetime(2026, 3, 10, tzinfo=UTC)
LATER = NOW + timedelta(days=40)
REFUSED = Refusal("blocked")
POLICY = Policy("pro", Decimal(100), "month", OverageAllowed(), alert_thresholds=(Decimal("0.8"), Decimal(1)))


def balance(used: int = 0, policy: Policy = POLICY) -> Balance:
    return record_usage(open_balance("ada", "tokens", policy, Term(None, NOW), NOW).after, Decimal(used), NOW)


def thresholds(before: Balance | None, after: Balance) -> list[Any]:
    return [each.data["threshold"] for each in quota_alerts(before, after, NOW) if "threshold" in each.data]


def kinds(before: Balance | None, after: Balance) -> list[str]:
    return [each.type for each in quota_alerts(before, after, NOW)]


def test_one_meaning_has_one_id_which_shows_nothing_of_it() -> None:
    alert = Alert("quota.reset#ada#tokens#1", "quota.reset", "ada", "tokens", NOW)
    assert alert.id == replace(alert, data={"more": 1}, occurred_at=LATER).id == alert_id(alert.meaning)
    assert is_alert_id(alert.id)
    assert alert.id != replace(alert, meaning="quota.reset#ada#tokens#2").id
    assert not any(map(is_alert_id, ("", alert.id[:-1], f"{alert.id}0", alert.id.upper())))


def test_a_payload_is_plain_json_that_loses_no_digit() -> None:
    data: dict[str, Any] = {
        "whole": Decimal("1E+2"),
        "part": Decimal("0.25"),
        "beyond": Decimal(2) ** 60,
        "many": Decimal("1234567890.123456789"),
        "in": {"a": [Decimal(1), (Decimal(2),)]},
        "no": None,
        "yes": True,
        "text": "é",
    }
    alert = Alert("m", "quota.refused", "ada", "tokens", NOW, data, schema_version=3)
    assert payload_of(alert) == {
        "type": "quota.refused",
        "timestamp": "2026-03-10T00:00:00.000Z",
        "data": {
            "schema_version": 3,
            "customer_id": "ada",
            "meter": "tokens",
            "whole": 100,
            "part": 0.25,
            "beyond": "1152921504606846976",
            "many": "1234567890.123456789",
            "in": {"a": [1, [2]]},
            "no": None,
            "yes": True,
            "text": "é",
        },
    }
    assert json.loads(json.dumps(identified_payload(alert))) == {"id": alert.id, **payload_of(alert)}


@pytest.mark.parametrize(
    ("before", "after", "reached"),
    [
        (0, 79, []),
        (0, 80, ["0.8"]),
        (79, 80, ["0.8"]),
        (80, 81, []),
        (80, 99, []),
        (99, 100, ["1"]),
        (0, 100, ["0.8", "1"]),
        (10, 250, ["0.8", "1"]),
        (100, 250, []),
        (90, 90, []),
    ],
)
def test_a_threshold_is_reached_by_an_edge(before: int, after: int, reached: list[str]) -> None:
    assert thresholds(balance(before), balance(after)) == [Decimal(each) for each in reached]


def test_a_balance_that_was_not_there_had_used_nothing() -> None:
    assert thresholds(None, balance(80)) == [Decimal("0.8")]
    assert thresholds(None, balance()) == []


def test_what_is_only_held_is_not_used() -> None:
    holding = place_hold(balance(10), "h", Hold(Decimal(90), LATER))
    assert isinstance(holding, Balance)
    assert used_share(holding) == Decimal("0.1")
    assert thresholds(balance(10), holding) == []


def test_nobody_reaches_a_share_of_nothing() -> None:
    nothing = replace(POLICY, allowance=Decimal(0))
    assert thresholds(balance(policy=nothing), balance(5, nothing)) == []
    assert thresholds(None, balance(5, nothing)) == []


def test_who_had_nothing_left_reaches_no_share_of_units_that_are_used_later() -> None:
    # Given an allowance that is used up, below no threshold that has not rung
    before = balance(100, replace(POLICY, alert_thresholds=()))
    assert before.net == 0
    raised = replace(before, policy=replace(POLICY, alert_thresholds=(Decimal(1),)))
    assert thresholds(replace(before, used=Decimal(99)), raised) == [Decimal(1)]
    assert thresholds(before, record_usage(raised, Decimal(1), NOW)) == []


def test_who_owes_at_once_reaches_every_share_of_what_there_was() -> None:
    owing = balance(100)
    assert thresholds(None, owing) == [Decimal("0.8"), Decimal(1)]


def test_units_that_count_against_another_plan_reach_no_share_of_this_one() -> None:
    # What the plan before granted was used before: nothing of this plan's is
    moved = replace(balance(100), used_before=Decimal(100))
    assert moved.used_of_plan == 0
    assert thresholds(None, replace(moved, policy=replace(POLICY, allowance=Decimal(0)))) == []


def test_a_threshold_rings_again_in_the_next_period_and_not_by_what_was_used_in_the_last_one() -> None:
    spent = balance(100)
    renewed = record_usage(advance(spent, LATER, POLICY).after, Decimal(85), LATER)
    assert [each.data["threshold"] for each in quota_alerts(spent, renewed, LATER) if "threshold" in each.data] == [
        Decimal("0.8")
    ]


def test_units_that_are_taken_back_before_any_is_used_reach_no_share() -> None:
    assert thresholds(balance(), replace(balance(), grants=())) == []


def test_nothing_to_use_is_all_used() -> None:
    assert used_share(balance(policy=replace(POLICY, allowance=Decimal(0)))) == 1
    assert used_share(balance()) == 0


def test_bought_units_are_units_of_the_period() -> None:
    with_gift = add_grant(Change.begin(balance(79)), Gift("promotion", Decimal(100)).grant("g", NOW), NOW).after
    assert used_share(with_gift) == Decimal("0.395")
    assert thresholds(with_gift, record_usage(with_gift, Decimal(80), NOW)) == []


def test_each_threshold_of_a_jump_says_which_is_the_highest() -> None:
    alerts = list(quota_alerts(balance(), balance(150), NOW))
    assert [each.data["highest_threshold"] for each in alerts] == [1, 1]
    assert [each.data["share"] for each in alerts] == [1, 1]
    assert [each.meaning for each in alerts] == [
        "quota.threshold_reached#ada#tokens#2026-03-10T00:00:00.000Z#0.8",
        "quota.threshold_reached#ada#tokens#2026-03-10T00:00:00.000Z#1",
    ]
    assert (alerts[0].customer_id, alerts[0].meter, alerts[0].occurred_at) == ("ada", "tokens", NOW)


def test_a_new_period_is_told_where_the_one_before_was_used_and_what_it_owes() -> None:
    blocked = replace(POLICY, overage=OverageCapped(Decimal(50)))
    for used, policy, told in (
        (0, POLICY, []),
        (10, POLICY, ["quota.reset"]),
        (120, blocked, ["quota.reset", "overage.due"]),
    ):
        before = balance(used, policy)
        assert kinds(before, advance(before, LATER, policy).after) == told
    assert kinds(None, balance()) == []


def test_a_period_that_is_corrected_to_begin_earlier_is_no_reset() -> None:
    now = balance(10)
    earlier = replace(now, period=replace(now.period, start=now.period.start - timedelta(days=1)))
    assert "quota.reset" not in kinds(now, earlier)


def test_units_that_the_customer_asked_to_pay_do_not_ring_as_due() -> None:
    before = balance(120)
    asked = replace(before, overage_due=Decimal(20), spent=Decimal(20))
    assert "overage.due" not in kinds(before, asked)
    late = replace(before, overage_due=Decimal(20))
    assert kinds(before, late) == ["overage.due"]
    assert kinds(late, before) == []


@pytest.mark.parametrize(
    ("reason", "rings"),
    [
        ("quota_exhausted", True),
        ("overage_cap_reached", True),
        ("no_plan", True),
        ("blocked", True),
        ("past_due", True),
        ("too_many_holds", False),
        ("past_due_throttled", False),
    ],
)
def test_a_refusal_rings_unless_it_passes_by_itself(reason: RefusalReason, rings: bool) -> None:
    alert = refused_alert(balance(100), Refusal(reason, "why"), Decimal(7), NOW)
    assert (alert is not None) == rings
    if alert is not None:
        assert alert.meaning == "quota.refused#ada#tokens#2026-03-10T00:00:00.000Z"
        assert {name: alert.data[name] for name in ("reason", "detail", "wanted")} == {
            "reason": reason,
            "detail": "why",
            "wanted": 7,
        }


def test_the_figures_are_those_of_the_quota() -> None:
    alert = refused_alert(balance(120), Refusal("blocked"), Decimal(1), NOW)
    assert alert is not None
    assert alert.data["quota"] == {
        "plan": "pro",
        "allowance": 100,
        "used": 120,
        "held": 0,
        "available": 0,
        "overage": 20,
        "overage_due": 0,
        "overage_limit": None,
        "period": {"start": "2026-03-10T00:00:00.000Z", "end": "2026-04-10T00:00:00.000Z"},
        "resets_at": "2026-04-10T00:00:00.000Z",
    }


def test_the_figures_name_the_cap_where_there_is_one() -> None:
    alert = refused_alert(balance(policy=replace(POLICY, overage=OverageCapped(Decimal(50)))), REFUSED, Decimal(1), NOW)
    assert alert is not None
    quota: Any = alert.data["quota"]
    assert quota["overage_limit"] == 50


def test_who_has_used_nothing_yet_is_told_of_a_refusal_once_a_month() -> None:
    unborn = replace(balance(), segment=0)
    meanings = [
        alert.meaning
        for now in (NOW, NOW + timedelta(days=21), NOW + timedelta(days=22))
        if (alert := refused_alert(replace(unborn, period=replace(unborn.period, start=now)), REFUSED, Decimal(1), now))
    ]
    assert meanings == [
        "quota.refused#ada#tokens#2026-03",
        "quota.refused#ada#tokens#2026-03",
        "quota.refused#ada#tokens#2026-04",
    ]


def given(quantity: int = 50, days: int = 30, used: int = 0) -> Balance:
    gift = Gift("promotion", Decimal(quantity), expires_at=NOW + timedelta(days=days)).grant("g", NOW)
    return record_usage(add_grant(Change.begin(balance()), gift, NOW).after, Decimal(used), NOW)


@pytest.mark.parametrize(("days", "lead"), [(30, 3), (6, 3), (4, 2), (1, 0.5)])
def test_a_grant_is_looked_at_three_days_before_its_end_or_at_half_of_its_life(days: int, lead: float) -> None:
    (reminder,) = grant_reminders(balance(), given(days=days))
    assert reminder.ends_at - reminder.at == timedelta(days=lead)
    assert (reminder.customer_id, reminder.meter, reminder.kind) == ("ada", "tokens", "grant")
    assert list(grant_reminders(given(days=days), given(days=days))) == []
    assert list(grant_reminders(None, balance())) == []


def test_a_grant_rings_while_it_has_units_and_has_not_ended() -> None:
    (reminder,) = grant_reminders(None, given())
    name, ends = reminder.subject, reminder.ends_at
    alert = grant_alert(given(used=20), name, ends, NOW)
    assert alert is not None
    assert alert.data["grant"] == {
        "id": name,
        "kind": "promotion",
        "quantity": 50,
        "remaining": 30,
        "expires_at": "2026-04-09T00:00:00.000Z",
    }
    assert alert.meaning == f"grant.expiring#ada#tokens#2026-04-09T00:00:00.000Z#{name}"
    assert grant_alert(given(used=50), name, ends, NOW) is None
    assert grant_alert(given(), name, ends, ends) is None
    assert grant_alert(given(), name, ends + timedelta(days=1), NOW) is None
    assert grant_alert(given(), "another", ends, NOW) is None


def order(kind: StatusKind, period: int = 1, **changed: Any) -> OrderFacts:
    status = Status(kind, (NOW, period), NOW + timedelta(days=period))
    return replace(OrderFacts("ORD_1", (NOW, NOW), status=status), **changed)


def told(*orders: OrderFacts | None) -> list[str]:
    """Return what rings on the way from one state to the next."""
    states = [Subscription("ada", (each,)) if each is not None else None for each in orders]
    rung = [
        alert
        for before, after in pairwise(states)
        if after is not None
        for alert in subscription_alerts(before, after, NOW)
    ]
    return [alert.type.removeprefix("subscription.") for alert in rung]


def test_an_order_rings_at_each_turn_of_its_life() -> None:
    active, overdue, ended = order("active"), order("past_due", 2), order("active", ended_at=NOW)
    assert told(None, active) == []
    assert told(active, overdue, overdue) == ["past_due"]
    assert told(None, overdue) == ["past_due"]
    assert told(overdue, order("active", 2)) == ["recovered"]
    assert told(overdue, order("canceling", 2)) == []
    assert told(overdue, replace(overdue, ended_at=NOW)) == ["canceled"]
    assert told(order("canceling"), order("canceling", ended_at=NOW)) == ["canceled"]
    # A plan change may be behind the end of an active order: it is looked at again.
    assert told(active, ended, ended) == told(None, ended) == []


def paid(order_id: str, plan: str = "pro", meters: tuple[str, ...] = ("tokens",), **changed: Any) -> OrderFacts:
    """Return an order with a period that is paid."""
    allowances = {meter: MeterAllowance(meter, Decimal(100)) for meter in meters}
    sold = Sale(Plan(plan, plan, 1, allowances, add_on=changed.pop("add_on", False)), NOW)
    period = PaidPeriod.of(StatedPeriod(Bound(NOW), Bound(NOW + timedelta(days=30)), 1), sold)
    return replace(order("active", periods=(period,), **changed), order_id=order_id)


def looked_at(*orders: OrderFacts, ended: str = "ORD_old") -> str | None:
    """Return what rings when the end of an order is looked at again."""
    alert = ended_alert(Subscription("ada", orders), ended, NOW)
    return alert.meaning if alert is not None else None


def test_an_active_order_that_ends_is_looked_at_a_minute_later_and_rings_if_nothing_took_its_place() -> None:
    stood, ended = paid("ORD_old"), paid("ORD_old", ended_at=NOW)
    (reminder,) = end_reminders(Subscription("ada", (stood,)), Subscription("ada", (ended,)), NOW)
    assert (reminder.kind, reminder.subject, reminder.at - NOW) == ("ended", "ORD_old", timedelta(minutes=1))
    assert list(end_reminders(Subscription("ada", (ended,)), Subscription("ada", (ended,)), NOW)) == []
    assert looked_at(ended) == "subscription.canceled#ada#ORD_old"
    assert looked_at(stood) is looked_at(ended, ended="ORD_other") is None
    kinds: tuple[StatusKind, ...] = ("canceling", "past_due")
    for kind in kinds:
        status = Status(kind, (NOW, 1), NOW)
        gone = replace(ended, status=status)
        assert list(end_reminders(Subscription("ada", (stood,)), Subscription("ada", (gone,)), NOW)) == []


def test_an_order_that_ends_rings_only_if_the_customer_loses_something_by_it() -> None:
    ended = paid("ORD_old", ended_at=NOW)
    assert looked_at(ended, paid("ORD_new", replaces=frozenset({"ORD_old"}))) is None
    assert looked_at(ended, paid("ORD_new")) is None
    assert looked_at(ended, paid("ORD_new", meters=("requests",))) is not None
    assert looked_at(ended, paid("ORD_new", "extra", add_on=True)) is not None
    assert looked_at(paid("ORD_old", "extra", add_on=True, ended_at=NOW), paid("ORD_new")) is not None
    # One whose own time is over gives nothing.
    assert looked_at(ended, replace(paid("ORD_new"), status=Status("canceling", (NOW, 1), NOW))) is None
    over = Subscription("ada", (ended, replace(paid("ORD_new"), status=Status("canceling", (NOW, 1), NOW))))
    assert ended_alert(over, "ORD_old", NOW + timedelta(days=31)) is not None


def test_each_overdue_period_rings_by_itself() -> None:
    def meanings(before: OrderFacts, after: OrderFacts) -> set[str]:
        return {
            each.meaning
            for each in subscription_alerts(Subscription("ada", (before,)), Subscription("ada", (after,)), NOW)
        }

    first, second = order("past_due", 2), replace(order("past_due", 3), status=Status("past_due", (LATER, 3), LATER))
    assert meanings(order("active"), first) == {"subscription.past_due#ada#ORD_1#2026-03-10T00:00:00.000Z"}
    assert meanings(order("active"), second) == {"subscription.past_due#ada#ORD_1#2026-04-19T00:00:00.000Z"}
    assert meanings(first, order("active", 2)) == {"subscription.recovered#ada#ORD_1#2026-03-10T00:00:00.000Z"}


def sold(order_id: str, start: str, *kinds: str, **said: Any) -> OrderFacts:
    """An order of the plan pro that is paid for until 10 April, told of by events at 15:00 of the day that it starts."""
    facts = [step(kind, order_id, f"{start}T15:00:00", start, "2026-04-10", "pro", **said).facts for kind in kinds]  # type: ignore[arg-type]
    return facts[0] if len(facts) == 1 else facts[0].join(facts[1])


ABOUT = {"order_id": "A", "plan": "pro", "paid_until": "2026-04-10T00:00:00.000Z"}


@pytest.mark.parametrize(
    ("before", "after", "kind", "data"),
    [
        (
            sold("A", "2026-03-10", "activated"),
            sold("A", "2026-03-10", "activated", "past_due"),
            "past_due",
            {"retried_until": "2026-04-10T00:00:00.000Z"},
        ),
        (
            sold("A", "2026-03-10", "activated", "past_due"),
            sold("A", "2026-03-10", "activated", "recovered"),
            "recovered",
            {},
        ),
        (
            sold("A", "2026-03-10", "activated", "canceling"),
            sold("A", "2026-03-10", "canceling", "canceled").join(sold("A", "2026-03-10", "activated")),
            "canceled",
            {"ended_at": "2026-03-10T15:00:00.000Z"},
        ),
    ],
)
def test_an_alert_says_which_order_of_whom_it_is_about(
    before: OrderFacts, after: OrderFacts, kind: str, data: dict[str, str]
) -> None:
    (alert,) = subscription_alerts(Subscription("ada", (before,)), Subscription("ada", (after,)), NOW)
    assert (alert.type, alert.customer_id, alert.meter, alert.occurred_at) == (f"subscription.{kind}", "ada", None, NOW)
    assert alert.data == {**ABOUT, **data}


def test_an_alert_of_an_order_of_which_only_the_payment_is_known_names_what_is_known() -> None:
    overdue = replace(order("past_due"), status=Status("past_due", (NOW, 1), NOW, until=None))
    (alert,) = subscription_alerts(None, Subscription("ada", (overdue,)), NOW)
    assert alert.data == {"order_id": "ORD_1", "plan": None, "paid_until": None, "retried_until": None}


def test_two_orders_for_one_meter_ring_once_and_name_both() -> None:
    older = sold("A", "2026-03-10", "activated")
    newer = sold("B", "2026-03-12", "activated").join(sold("B", "2026-03-14", "renewed"))
    older = older.join(sold("A", "2026-03-14", "renewed"))
    states = [None, Subscription("ada").learn(older), Subscription("ada").learn(older).learn(newer)]
    states.append(states[-1])
    alerts = [
        alert
        for before, after in pairwise(states)
        if after is not None
        for alert in subscription_alerts(before, after, NOW)
    ]
    assert [(alert.meaning, alert.data) for alert in alerts] == [
        ("subscription.bought_twice#ada#B#A", {"order_ids": ["B", "A"]})
    ]


def test_an_order_that_a_plan_change_has_replaced_rings_no_more() -> None:
    older = sold("A", "2026-03-10", "activated", "canceling")
    ended = sold("A", "2026-03-12", "canceled").join(older)
    newer = replace(sold("B", "2026-03-12", "plan_changed"), replaces=frozenset({"A"}))
    assert told(older, ended) == ["canceled"]
    changed = Subscription("ada").learn(ended).learn(newer)
    assert list(subscription_alerts(Subscription("ada", (older,)), changed, NOW)) == []


TRIAL = sold("A", "2026-03-10", "activated", is_trial=True)
TRIAL_ENDS = datetime(2026, 4, 10, tzinfo=UTC)
TWENTY = Money(Decimal(20), "USD")


def test_a_trial_rings_before_it_ends() -> None:
    alert = trial_alert(Subscription("ada", (sold("B", "2026-03-10", "activated"), TRIAL)), "A", TRIAL_ENDS, NOW)
    assert alert == Alert(
        "subscription.trial_ending#ada#A#2026-04-10T00:00:00.000Z",
        "subscription.trial_ending",
        "ada",
        None,
        NOW,
        {
            **ABOUT,
            "ends_at": "2026-04-10T00:00:00.000Z",
            "is_canceling": False,
            "amount": None,
            "currency": None,
            "billing_period": None,
        },
    )
    priced = trial_alert(Subscription("ada", (replace(TRIAL, billing_period="monthly"),)), "A", TRIAL_ENDS, NOW, TWENTY)
    assert priced is not None
    assert [priced.data[name] for name in ("amount", "currency", "billing_period")] == ["20.00", "USD", "monthly"]
    canceling = TRIAL.join(sold("A", "2026-03-10", "canceling"))
    alert = trial_alert(Subscription("ada", (canceling,)), "A", TRIAL_ENDS, NOW)
    assert alert is not None
    assert alert.data["is_canceling"]


def test_a_trial_that_is_over_or_was_paid_or_ends_another_time_does_not_ring() -> None:
    customer = Subscription("ada", (TRIAL,))
    a_moment = timedelta.resolution
    assert trial_alert(customer, "A", TRIAL_ENDS, TRIAL_ENDS - a_moment) is not None
    assert trial_alert(customer, "A", TRIAL_ENDS, TRIAL_ENDS) is None
    assert trial_alert(customer, "A", TRIAL_ENDS + a_moment, NOW) is None
    assert trial_alert(customer, "B", TRIAL_ENDS, NOW) is None
    paid = TRIAL.join(step("renewed", "A", "2026-03-11T00:00:00", "2026-03-10", "2026-04-10", "pro").facts)
    assert (trial_end(TRIAL), trial_end(paid), trial_end(order("active"))) == (TRIAL_ENDS, None, None)
    assert trial_alert(Subscription("ada", (paid,)), "A", TRIAL_ENDS, NOW) is None
    ended = TRIAL.join(sold("A", "2026-03-10", "canceled"))
    assert trial_alert(Subscription("ada", (ended,)), "A", TRIAL_ENDS, NOW) is None


def test_a_trial_is_looked_at_three_days_before_its_end_once_for_each_end() -> None:
    customer = Subscription("ada", (sold("B", "2026-03-10", "activated"), TRIAL))
    (reminder,) = trial_reminders(None, customer)
    assert reminder == Reminder("ada", "trial", None, "A", TRIAL_ENDS, TRIAL_ENDS - timedelta(days=3))
    assert list(trial_reminders(Subscription("ada"), customer)) == [reminder]
    assert list(trial_reminders(customer, customer)) == []
    longer = step("activated", "A", "2026-03-10T15:00:00", "2026-03-10", "2026-04-20", "pro", is_trial=True).facts
    (moved,) = trial_reminders(customer, Subscription("ada", (longer,)))
    assert moved.ends_at == datetime(2026, 4, 20, tzinfo=UTC)
    short = step("activated", "A", "2026-03-10T15:00:00", "2026-03-10", "2026-03-14", "pro", is_trial=True).facts
    assert [each.at.day for each in trial_reminders(None, Subscription("ada", (short,)))] == [12]


def test_a_checkout_rings_when_it_is_paid_or_flagged_and_for_each_payment_that_flags_it() -> None:
    assert [checkout_alert(replace(SALE, status=each), NOW) for each in ("open", "expired", "superseded")] == [None] * 3
    paid = checkout_alert(replace(SALE, status="paid", payment_ids=("PAY_1",)), NOW)
    flagged = [
        checkout_alert(replace(SALE, status="flagged", flag="paid_twice", payment_ids=ids), NOW)
        for ids in (("PAY_1", "PAY_2"), ("PAY_1", "PAY_2"), ("PAY_1", "PAY_2", "PAY_3"))
    ]
    assert paid is not None
    assert (paid.type, paid.meaning, paid.customer_id, paid.meter) == (
        "checkout.paid",
        "checkout.paid#chk_1",
        "ada",
        "tokens",
    )
    assert paid.data == {
        "checkout_id": "chk_1",
        "kind": "overage",
        "plan": "pro",
        "quantity": "28",
        "amount": "0.11",
        "currency": "USD",
        "payment_ids": ["PAY_1"],
    }
    assert [each.meaning for each in flagged if each is not None] == [
        "checkout.flagged#chk_1#paid_twice#PAY_2",
        "checkout.flagged#chk_1#paid_twice#PAY_2",
        "checkout.flagged#chk_1#paid_twice#PAY_3",
    ]
    assert {(each.customer_id, each.meter) for each in flagged if each is not None} == {("ada", "tokens")}
    assert {each.data["reason"] for each in flagged if each is not None} == {"paid_twice"}


def test_a_checkout_of_a_plan_names_no_quantity() -> None:
    alert = checkout_alert(replace(SALE, kind="subscription", meter=None, quantity=Decimal(1), status="paid"), NOW)
    assert alert is not None
    assert (alert.data["quantity"], alert.data["plan"], alert.meter) == (None, "pro", None)


def test_a_flag_without_a_payment_has_a_meaning_of_its_own() -> None:
    alert = checkout_alert(replace(SALE, status="flagged", flag="amount_differs"), NOW)
    assert alert is not None
    assert alert.meaning == "checkout.flagged#chk_1#amount_differs#"


def test_a_delivery_rings_once_for_each_verdict() -> None:
    about: dict[str, Any] = {"event_type": "order.completed", "order_id": "ORD_1", "reason": "no_customer"}
    parked, failed = (delivery_alert("d" * 64, verdict, "ada", NOW, **about) for verdict in ("parked", "failed"))
    assert (parked.customer_id, delivery_alert("d" * 64, "parked", None, NOW, **about).customer_id) == ("ada", None)
    assert (parked.type, failed.type) == ("delivery.parked", "delivery.failed")
    assert parked.meaning != failed.meaning
    assert parked.data == {"delivery_id": "d" * 64, **about}


def test_a_link_after_an_end_sells_a_meter_of_the_plan_that_ended() -> None:
    ended = replace(sold("A", "2026-03-10", "activated"), ended_at=NOW)
    customer = Subscription("ada", (sold("B", "2026-03-10", "activated"), ended))
    (over,) = [each for each in [ended_alert(Subscription("ada", (ended,)), "A", NOW)] if each is not None]
    (overdue,) = subscription_alerts(None, Subscription("ada", (order("past_due"),)), NOW)
    assert ended.paid is not None
    assert meter_to_sell(customer, over) == min(ended.paid.plan.allowances)
    # A plan may give nothing, and then there is nothing to sell
    bare = replace(ended.paid.statements[-1], plan=replace(ended.paid.plan, allowances={}))
    without = replace(ended, periods=(replace(ended.paid, statements=(bare,)),))
    assert meter_to_sell(Subscription("ada", (without,)), over) is None
    # Not where another plan stands in its place, nothing is known of the order, or nothing has ended
    assert meter_to_sell(Subscription("ada"), over) is None
    assert meter_to_sell(Subscription("ada", (replace(order("active"), order_id="A"),)), over) is None
    assert meter_to_sell(Subscription("ada", (replace(ended, order_id="ORD_1"),)), overdue) is None


def test_an_order_that_was_over_before_or_is_replaced_says_nothing_of_its_payment() -> None:
    over = replace(order("past_due"), ended_at=NOW)
    assert told(over, over) == []
    replaced = sold("A", "2026-03-10", "activated", "past_due")
    newer = replace(sold("B", "2026-03-12", "plan_changed"), replaces=frozenset({"A"}))
    before = Subscription("ada").learn(sold("A", "2026-03-10", "activated")).learn(newer)
    after = Subscription("ada").learn(replaced).learn(newer)
    assert [each.type for each in subscription_alerts(before, after, NOW)] == []
