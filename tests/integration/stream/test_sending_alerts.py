"""Issue 14, point 10: alerts are sent to the seller's endpoints, each once as far as the endpoint takes it, and in order."""

import json
import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from pancake_meter.catalog import load_catalog
from pancake_meter.domain.alerts.sending import DELAYS, GIVEN_UP_AFTER
from pancake_meter.domain.balance.spend import refusal
from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.standard_webhooks.client import WebhookClient
from pancake_meter.store.alerts.sendings import list_sendings
from pancake_meter.store.errors import StoreUnavailable
from pancake_meter.usecases.alerts.refused import RefusalBell
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.value import replace
from tests.integration.stream.conftest import NOW
from tests.support.alert_world import PRIVATE, PUBLIC, AlertWorld, is_recent
from tests.support.followed import CATALOG, Reader

HOUR = timedelta(hours=1)


@pytest.fixture
def world(reads: Reader) -> AlertWorld:
    return AlertWorld(reads, NOW)


def numbers(payloads: list[dict[str, Any]], customer: str | None = None) -> list[int]:
    return [each["data"]["number"] for each in payloads if customer in (None, each["data"]["customer_id"])]


def test_an_endpoint_that_is_down_for_an_hour_gets_everything_once_and_each_customers_in_order(
    world: AlertWorld,
) -> None:
    # Given an endpoint that is down, and alerts of two customers that ring while it is
    endpoint_id, receiver = world.endpoint("hooks.example.com")
    began = world.now
    receiver.answers = lambda _: 204 if world.now - began >= HOUR else 503
    rung = []
    for minute in range(0, 60, 6):
        rung += [world.ring(customer="acct_1"), world.ring(customer="acct_2")]
        world.pass_time(timedelta(minutes=6) if minute else timedelta(minutes=6, seconds=1))
    assert receiver.taken == []
    failures = len(receiver.attempts)
    assert failures >= 6
    assert {each["status"] for each in world.sendings(rung[-1]).values()} == {"pending"}
    # When the stream repeats all of it, and the endpoint is up again
    world.follow(again=True)
    world.pass_time(timedelta(hours=3))
    # Then
    for customer in ("acct_1", "acct_2"):
        assert numbers(receiver.taken, customer) == [
            alert.data["number"] for alert in rung if alert.customer_id == customer
        ]
    assert len(receiver.ids) == len(set(receiver.ids)) == len(rung)
    assert set(receiver.ids) == {alert.id for alert in rung}
    assert all(is_recent(headers["webhook-timestamp"]) for headers in receiver.headers)
    assert {world.sendings(alert)[endpoint_id]["status"] for alert in rung} == {"sent"}
    assert world.fifo.messages == world.dead.messages == []
    # And the stream once more, long after SQS has forgotten them, sends nothing
    attempts = len(receiver.attempts)
    world.pass_time(HOUR)
    world.follow(again=True)
    world.pass_time(HOUR)
    assert len(receiver.attempts) == attempts


def test_a_refusal_that_comes_before_the_stream_is_read_is_sent_after_the_thresholds_that_led_to_it(
    world: AlertWorld,
) -> None:
    # Given usage that reaches both thresholds, and refusals before anybody has read the stream
    _, receiver = world.endpoint("hooks.example.com")
    metering = Metering(world.reads.table, load_catalog(CATALOG), erasures=world.reads.erasures)
    record_events(metering, "acct_1", "tokens", [usage_event("e", Decimal(10_000), None, NOW)], NOW)
    for _ in range(2):
        # Two processes, neither of which knows of the other
        refusals = RefusalBell(replace(world.reads.bell, clock=lambda: world.now))
        balance = metering.current_balance("acct_1", "tokens", NOW)
        refused = refusal(balance, Decimal(1))
        assert refused is not None
        refusals.tell(balance, refused, Decimal(1), "https://api.example.com")
    # When the stream is read, and read again
    world.follow()
    world.follow()
    world.follow(again=True)
    world.pass_time(timedelta(seconds=1))
    # Then
    told = [(each["type"], each["data"].get("threshold")) for each in receiver.taken]
    assert told == [("quota.threshold_reached", 0.8), ("quota.threshold_reached", 1), ("quota.refused", None)]
    times = [each["timestamp"] for each in receiver.taken]
    assert times == sorted(set(times))
    assert receiver.taken[-1]["data"]["purchase_url"].startswith("https://api.example.com/buy/")


def test_a_customers_alert_that_is_refused_holds_up_no_other_customers(world: AlertWorld) -> None:
    _, receiver = world.endpoint("hooks.example.com")
    receiver.answers = lambda payload: 400 if payload["data"]["customer_id"] == "acct_1" else 200
    world.ring(customer="acct_1")
    world.ring(customer="acct_2")
    world.ring(customer="acct_1")
    world.ring("delivery.parked", customer=None)
    world.ring("delivery.parked", customer=None)
    world.pass_time(timedelta(seconds=1))
    assert numbers(receiver.taken) == [2, 4, 5]
    assert len(receiver.attempts) == 4


def test_both_secrets_verify_for_a_day_after_a_rotation_and_the_new_one_alone_after_it(world: AlertWorld) -> None:
    endpoint_id, receiver = world.endpoint("hooks.example.com")
    (old,) = receiver.secrets
    rotated = world.ask("alert_secret_rotate", body={}, endpoint_id=endpoint_id)
    assert rotated.status == 201
    new = rotated.body["secret"]
    assert new != old
    assert rotated.headers["Cache-Control"] == "no-store"
    assert len(rotated.body["earlier_secrets_until"]) == 1
    # Both verify what is sent now
    receiver.secrets = [old, new]
    world.ring()
    world.pass_time(timedelta(seconds=1))
    assert len(receiver.headers[-1]["webhook-signature"].split(" ")) == len(receiver.taken) + 1 == 2
    # A day later the new one alone does
    world.pass_time(timedelta(hours=25))
    receiver.secrets = [new]
    world.ring()
    world.pass_time(timedelta(seconds=1))
    assert len(receiver.taken) == 2
    assert len(receiver.headers[-1]["webhook-signature"].split(" ")) == 1
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(json.dumps(receiver.taken[-1]), dict(receiver.headers[-1]))


def test_a_rotation_without_an_overlap_ends_every_earlier_secret_and_three_sign_at_most(world: AlertWorld) -> None:
    endpoint_id, receiver = world.endpoint("hooks.example.com")
    for _ in range(2):
        assert world.ask("alert_secret_rotate", body={}, endpoint_id=endpoint_id).status == 201
    refused = world.ask("alert_secret_rotate", body={}, endpoint_id=endpoint_id)
    assert (refused.status, refused.body["code"]) == (409, "too_many_secrets")
    alone = world.ask("alert_secret_rotate", body={"overlap_seconds": 0}, endpoint_id=endpoint_id)
    assert alone.body["earlier_secrets_until"] == []
    receiver.secrets = [alone.body["secret"]]
    world.ring()
    world.pass_time(timedelta(seconds=1))
    assert len(receiver.headers[-1]["webhook-signature"].split(" ")) == 1


def test_an_alert_that_is_never_taken_is_tried_for_a_day_then_put_aside_seen_and_sent_by_a_replay(
    world: AlertWorld,
) -> None:
    # Given an endpoint that takes nothing
    endpoint_id, receiver = world.endpoint("hooks.example.com")
    receiver.answers = lambda _: 500
    alert = world.ring()
    began = world.now
    # When its day is over
    world.pass_time(GIVEN_UP_AFTER - timedelta(minutes=1))
    assert world.sendings(alert)[endpoint_id]["status"] == "pending"
    world.pass_time(timedelta(minutes=2))
    # Then it was tried eight times, is a dead letter, and says why
    assert len(receiver.attempts) == len(DELAYS) + 1 == 8
    assert world.now - began >= timedelta(days=1)
    assert len(world.dead.messages) == 1
    shown = world.sendings(alert)[endpoint_id]
    assert (shown["status"], shown["attempts"], shown["http_status"], shown["reason"]) == ("failed", 8, 500, "answered")
    assert shown["next_at"] is None
    # And a replay sends it under the same webhook-id
    receiver.answers = lambda _: 200
    replayed = world.ask("alert_replay", body={}, alert_id=alert.id)
    assert (replayed.status, replayed.body["endpoints"][0]["status"]) == (202, "pending")
    world.pass_time(timedelta(seconds=1))
    assert receiver.ids == [alert.id]
    assert {webhook_id for webhook_id, _ in receiver.attempts} == {alert.id}
    # And moving the dead letter back does not send it a second time
    world.dead.move_back(world.fifo)
    world.pass_time(timedelta(seconds=1))
    assert receiver.ids == [alert.id]


def test_a_dead_letter_that_is_moved_back_begins_a_new_day(world: AlertWorld) -> None:
    endpoint_id, receiver = world.endpoint("hooks.example.com")
    receiver.answers = lambda _: 500
    alert = world.ring()
    world.pass_time(GIVEN_UP_AFTER + HOUR)
    world.dead.move_back(world.fifo)
    world.pass_time(timedelta(minutes=1))
    assert world.sendings(alert)[endpoint_id]["status"] == "pending"
    receiver.answers = lambda _: 200
    world.pass_time(HOUR)
    assert receiver.ids == [alert.id]
    assert world.sendings(alert)[endpoint_id]["status"] == "sent"


def test_alerts_behind_one_that_took_a_day_get_an_attempt_each_and_no_day_of_their_own(world: AlertWorld) -> None:
    _, receiver = world.endpoint("hooks.example.com")
    receiver.answers = lambda _: 500
    for _ in range(30):
        world.ring()
    world.pass_time(GIVEN_UP_AFTER + HOUR)
    assert world.fifo.messages == []
    assert len(world.dead.messages) == 30
    assert len(receiver.attempts) == 8 + 29


def test_a_replay_does_not_wait_for_the_next_attempt(world: AlertWorld) -> None:
    _, receiver = world.endpoint("hooks.example.com")
    receiver.answers = lambda _: 500
    alert = world.ring()
    world.pass_time(timedelta(hours=3))
    receiver.answers = lambda _: 200
    world.ask("alert_replay", body={}, alert_id=alert.id)
    world.pass_time(timedelta(seconds=1))
    assert receiver.ids == [alert.id]
    # And the message that waited sends nothing more
    world.pass_time(timedelta(hours=12))
    assert receiver.ids == [alert.id]
    assert world.fifo.messages == []


def test_two_endpoints_with_different_filters_get_only_theirs(world: AlertWorld) -> None:
    quota_id, quotas = world.endpoint("quotas.example.com", ["quota.refused", "quota.reset"])
    all_id, everything = world.endpoint("all.example.com")
    refused, paid = world.ring("quota.refused"), world.ring("checkout.paid")
    world.pass_time(timedelta(seconds=1))
    assert quotas.ids == [refused.id]
    assert everything.ids == [refused.id, paid.id]
    assert set(world.sendings(refused)) == {quota_id, all_id}
    assert set(world.sendings(paid)) == {all_id}
    # Also where they are replayed
    world.ask("alert_replay", body={}, alert_id=paid.id)
    world.pass_time(timedelta(seconds=1))
    assert quotas.ids == [refused.id]
    assert everything.ids == [refused.id, paid.id, paid.id]


def test_a_test_event_goes_the_way_of_all_alerts_to_its_endpoint_alone_and_once_for_its_key(world: AlertWorld) -> None:
    first_id, first = world.endpoint("first.example.com", ["checkout.paid"])
    _, second = world.endpoint("second.example.com")
    rung = [world.ask("alert_endpoint_test", key="t-1", endpoint_id=first_id) for _ in range(2)]
    assert [each.status for each in rung] == [202, 202]
    assert rung[0].body == rung[1].body
    world.follow()
    world.pass_time(timedelta(seconds=1))
    assert first.ids == [rung[0].body["alert_id"]]
    assert first.taken[0]["type"] == "endpoint.test"
    assert second.ids == []
    again = world.ask("alert_endpoint_test", key="t-2", endpoint_id=first_id)
    assert again.body["alert_id"] != rung[0].body["alert_id"]


def test_an_endpoint_that_is_gone_is_disabled_and_gets_no_more(world: AlertWorld) -> None:
    endpoint_id, receiver = world.endpoint("hooks.example.com")
    receiver.answers = lambda _: 410
    first, second = world.ring(), world.ring()
    world.pass_time(timedelta(days=2))
    assert len(receiver.attempts) == 1
    shown = world.ask("alert_endpoint_read", endpoint_id=endpoint_id).body
    assert (shown["enabled"], shown["disabled_because"]) == (False, "gone")
    assert world.sendings(first)[endpoint_id]["http_status"] == 410
    assert world.sendings(second)[endpoint_id]["reason"] == "endpoint_disabled"
    refused = world.ask("alert_replay", body={"endpoint_id": endpoint_id}, alert_id=first.id)
    assert (refused.status, refused.body["code"]) == (409, "endpoint_disabled")
    # Enabled again, it gets what is replayed
    receiver.answers = lambda _: 200
    assert world.ask("alert_endpoint_change", body={"enabled": True}, endpoint_id=endpoint_id).body["enabled"]
    assert world.ask("alert_replay", body={"endpoint_id": endpoint_id}, alert_id=second.id).status == 202
    world.pass_time(timedelta(seconds=1))
    assert receiver.ids == [second.id]


def test_what_waits_for_an_endpoint_that_is_deleted_is_not_sent(world: AlertWorld) -> None:
    endpoint_id, receiver = world.endpoint("hooks.example.com")
    receiver.answers = lambda _: 500
    alert = world.ring()
    world.pass_time(timedelta(seconds=1))
    assert world.ask("alert_endpoint_delete", endpoint_id=endpoint_id).status == 200
    world.pass_time(timedelta(days=2))
    assert len(receiver.attempts) == 1
    assert world.sendings(alert)[endpoint_id]["reason"] == "endpoint_deleted"
    assert world.ask("alert_endpoint_delete", endpoint_id=endpoint_id).body["code"] == "endpoint_not_found"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_counts_as_a_failure(world: AlertWorld, status: int) -> None:
    endpoint_id, receiver = world.endpoint("hooks.example.com")
    receiver.answers = lambda _: status
    alert = world.ring()
    world.pass_time(timedelta(seconds=1))
    assert receiver.attempts == [(alert.id, status)]
    assert world.sendings(alert)[endpoint_id]["status"] == "pending"


@pytest.mark.parametrize(
    "addresses",
    [[PRIVATE], ["127.0.0.1"], ["169.254.169.254"], ["::1"], ["fd00::1"], ["::ffff:10.0.0.1"], [PUBLIC, PRIVATE]],
)
def test_a_name_that_comes_to_mean_a_private_address_is_refused_when_something_is_sent(
    world: AlertWorld, addresses: list[str]
) -> None:
    endpoint_id, receiver = world.endpoint("hooks.example.com")
    world.addresses["hooks.example.com"] = addresses
    alert = world.ring()
    world.pass_time(timedelta(seconds=1))
    assert receiver.attempts == []
    assert world.sendings(alert)[endpoint_id]["reason"] == "address_refused"
    # It is tried again, since names do change
    world.addresses["hooks.example.com"] = [PUBLIC]
    world.pass_time(HOUR)
    assert receiver.ids == [alert.id]


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "ftp://hooks.example.com/",
        "https://user:secret@hooks.example.com/",
        "https://hooks.example.com/#part",
        "https:///hook",
        "https://hooks.example.com:0/",
        "https://hooks.example.com\\@127.0.0.1/",
        "https://hooks.example.com/ a",
        "http://localhost:8080/hook",
        "https://private.example.com/",
        "https://mixed.example.com/",
        "https://nowhere.example.com/",
    ],
)
def test_an_endpoint_that_may_not_be_called_is_not_made_and_not_changed_to(world: AlertWorld, url: str) -> None:
    endpoint_id, _ = world.endpoint("hooks.example.com")
    world.addresses |= {
        "private.example.com": [PRIVATE],
        "mixed.example.com": [PUBLIC, "::1"],
        "nowhere.example.com": [],
    }
    refused = world.ask("alert_endpoint_create", body={"url": url})
    assert (refused.status, refused.body["code"]) == (422, "invalid_endpoint_url"), refused.body
    refused = world.ask("alert_endpoint_change", body={"url": url}, endpoint_id=endpoint_id)
    assert (refused.status, refused.body["code"]) == (422, "invalid_endpoint_url")
    assert len(world.ask("alert_endpoints_list").body["endpoints"]) == 1


def test_an_endpoint_that_answers_slowly_is_given_up_in_time(world: AlertWorld) -> None:
    ends = threading.Event()

    def slow(_: httpx.Request) -> httpx.Response:
        ends.wait(30)
        return httpx.Response(200)

    endpoint_id, _ = world.endpoint("hooks.example.com")
    client = WebhookClient(world.resolve, seconds_max=0.2, transport=httpx.MockTransport(slow))
    world.sender = replace(world.sender, client=client)
    alert = world.ring()
    assert world.poll() == 1
    ends.set()
    shown = world.sendings(alert)[endpoint_id]
    assert (shown["status"], shown["reason"], shown["attempts"]) == ("pending", "timeout", 1)


def test_a_queue_that_cannot_be_reached_loses_nothing_and_lets_no_alert_overtake_another(world: AlertWorld) -> None:
    _, receiver = world.endpoint("hooks.example.com")
    world.fifo.fails = 8
    alerts = [world.ring() for _ in range(3)]
    world.pass_time(timedelta(seconds=1))
    assert receiver.ids == [alert.id for alert in alerts]


def test_an_attempt_whose_outcome_is_not_kept_is_made_again_under_the_same_id(
    world: AlertWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint_id, receiver = world.endpoint("hooks.example.com")
    alert = world.ring()
    with monkeypatch.context() as patched:

        def fails(*_: object) -> None:
            raise StoreUnavailable("down")

        patched.setattr("pancake_meter.usecases.alerts.send.change_sending", fails)
        world.poll()
    assert receiver.ids == [alert.id]
    world.pass_time(timedelta(minutes=4))
    assert receiver.ids == [alert.id, alert.id]
    assert world.sendings(alert)[endpoint_id]["status"] == "sent"


def test_an_endpoint_is_made_once_for_its_key_and_at_most_twenty_are_there(world: AlertWorld) -> None:
    body = {"url": "https://hooks.example.com/", "events": ["quota.reset"], "description": "mailer"}
    made = [world.ask("alert_endpoint_create", body=body, key="e-1") for _ in range(2)]
    assert made[0].body == made[1].body
    assert made[0].body["secret"].startswith("whsec_")
    assert [each.headers.get("Idempotency-Replayed") for each in made] == [None, "true"]
    other = world.ask("alert_endpoint_create", body=body | {"description": "other"}, key="e-1")
    assert (other.status, other.body["code"]) == (409, "idempotency_conflict")
    shown = world.ask("alert_endpoint_read", endpoint_id=made[0].body["endpoint_id"]).body
    assert shown == {name: value for name, value in made[0].body.items() if name != "secret"}
    for _ in range(19):
        assert world.ask("alert_endpoint_create", body=body).status == 201
    refused = world.ask("alert_endpoint_create", body=body)
    assert (refused.status, refused.body["code"], refused.body["maximum"]) == (409, "too_many_endpoints", 20)


def test_a_repeat_is_answered_as_the_first_was_whatever_became_of_the_endpoint(world: AlertWorld) -> None:
    def asked(name: str, key: str, endpoint_id: str = "", body: Any = None) -> Any:
        answer = world.ask(name, key=key, body=body, endpoint_id=endpoint_id)
        return answer.status, answer.body

    new = {"url": "https://hooks.example.com/", "events": ["quota.reset"], "description": "mailer"}
    made = asked("alert_endpoint_create", "k", body=new)
    endpoint_id = made[1]["endpoint_id"]
    rotated = asked("alert_secret_rotate", "k", endpoint_id, {})
    test = asked("alert_endpoint_test", "k", endpoint_id)
    # When it is changed, and then deleted
    for change in ("alert_endpoint_change", "alert_endpoint_delete"):
        body = {"description": "other", "enabled": False} if change == "alert_endpoint_change" else None
        assert world.ask(change, body=body, endpoint_id=endpoint_id).status == 200
        # Then
        assert asked("alert_endpoint_create", "k", body=new) == made
        assert asked("alert_secret_rotate", "k", endpoint_id, {}) == rotated
        assert asked("alert_endpoint_test", "k", endpoint_id) == test
    assert world.ask("alert_endpoint_read", endpoint_id=endpoint_id).status == 404
    assert world.ask("alert_endpoint_test", key="another", endpoint_id=endpoint_id).status == 404


def test_the_table_holds_no_secret_and_a_sending_names_no_customer(world: AlertWorld) -> None:
    _, receiver = world.endpoint("hooks.example.com")
    alert = world.ring(customer="somebody@example.com")
    world.pass_time(timedelta(seconds=1))
    items, _ = world.reads.table.query("PK = :p", {":p": "ALERT_ENDPOINTS"}, limit=10)
    assert receiver.secrets[0].removeprefix("whsec_") not in str(items)
    (sending,) = list_sendings(world.reads.table, alert.id)
    assert "somebody" not in str(sending)
    assert all("somebody" not in message.body + message.group for message in world.fifo.messages)
