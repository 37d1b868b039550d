"""Sendings: an alert at an endpoint is tried eight times over more than a day, and can begin anew."""

from datetime import UTC, datetime, timedelta

from pancake_meter.domain.alerts.alert import Alert
from pancake_meter.domain.alerts.sending import DELAYS, GIVEN_UP_AFTER, Sending, group_of, message_of
from pancake_meter.value import replace

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
LATER, A_MOMENT = NOW + timedelta(seconds=3), timedelta.resolution
NEW = Sending("alrt_1", "aep_1", "pending", NOW)
ALERT = Alert("m", "quota.reset", "ada", "tokens", NOW)


def test_a_taken_alert_is_sent_and_not_tried_again() -> None:
    waiting = NEW.missed(NOW, 503, "answered")
    assert waiting.sent(LATER, 204) == replace(
        NEW, status="sent", attempts=2, attempted_at=LATER, http_status=204, reason=None, next_at=None
    )


def test_a_missed_attempt_is_followed_by_the_next_after_its_delay() -> None:
    assert NEW.missed(LATER, 503, "answered") == replace(
        NEW,
        status="pending",
        attempts=1,
        attempted_at=LATER,
        http_status=503,
        reason="answered",
        next_at=LATER + timedelta(seconds=5),
    )
    assert NEW.missed(LATER, None, "timeout").reason == "timeout"
    assert NEW.missed(LATER, None, "timeout").http_status is None


def test_an_alert_is_tried_eight_times_and_then_has_failed() -> None:
    sending, now, waits = NEW, NOW, []
    while sending.status == "pending":
        sending = sending.missed(now, 500, "answered")
        if sending.next_at is not None:
            waits.append(sending.next_at - now)
            now = sending.next_at
        assert (sending.next_at is None) == (sending.status == "failed")
    assert waits == list(DELAYS)
    assert (sending.attempts, sending.status, sending.attempted_at) == (8, "failed", now)
    assert (sending.http_status, sending.reason) == (500, "answered")
    # The eighth is the last, however soon it comes
    last = replace(NEW, attempts=7).missed(LATER, 500, "answered")
    assert (last.status, last.next_at) == ("failed", None)


def test_an_alert_that_waited_behind_others_for_all_that_time_gets_one_attempt() -> None:
    assert NEW.missed(NOW + GIVEN_UP_AFTER - A_MOMENT, None, "timeout").status == "pending"
    given_up = NEW.missed(NOW + GIVEN_UP_AFTER, None, "timeout")
    assert (given_up.status, given_up.next_at, given_up.attempts) == ("failed", None, 1)


def test_an_endpoint_that_says_never_again_is_obeyed_at_once() -> None:
    waiting = NEW.missed(NOW, 503, "answered")
    assert waiting.refused(LATER, 410) == replace(
        NEW, status="failed", attempts=2, attempted_at=LATER, http_status=410, reason="answered", next_at=None
    )


def test_a_sending_that_ends_without_an_attempt_counts_none() -> None:
    waiting = NEW.missed(NOW, 503, "answered")
    assert waiting.ended(LATER, "endpoint_deleted") == replace(
        NEW,
        status="failed",
        attempts=1,
        attempted_at=LATER,
        http_status=None,
        reason="endpoint_deleted",
        next_at=None,
    )


def test_a_replay_begins_anew_as_another_round() -> None:
    failed = NEW.missed(NOW, 503, "answered").refused(LATER, 410)
    again = failed.again(LATER)
    assert again == replace(NEW, since=LATER, round=2, attempted_at=LATER)
    assert replace(failed, next_at=LATER).again(LATER) == again
    assert again.deduplication_id != NEW.deduplication_id
    assert NEW.deduplication_id == failed.deduplication_id
    # And says who asked for it, of several who did the last one
    assert again.again(LATER, "key_1").by == "key_1"
    assert again.again(LATER, "key_1").again(LATER).by is None


def test_messages_of_two_alerts_or_two_endpoints_are_two() -> None:
    assert len({NEW.deduplication_id, replace(NEW, alert_id="2").deduplication_id}) == 2
    assert replace(NEW, endpoint_id="2").deduplication_id != NEW.deduplication_id
    assert message_of(NEW) == {"alert_id": "alrt_1", "endpoint_id": "aep_1"}


def test_the_alerts_of_one_customer_reach_one_endpoint_in_order_and_hold_up_nobody_else() -> None:
    own = group_of(ALERT, "aep_1")
    assert group_of(replace(ALERT, meaning="n", type="overage.due"), "aep_1") == own
    assert len({own, group_of(ALERT, "aep_2"), group_of(replace(ALERT, customer_id="bob"), "aep_1")}) == 3


def test_alerts_of_no_known_customer_have_no_order_among_them() -> None:
    parked = replace(ALERT, customer_id=None)
    groups = {
        group_of(parked, "aep_1"),
        group_of(replace(parked, meaning="n"), "aep_1"),
        group_of(parked, "aep_2"),
        # Nor does a customer share their group who calls itself so
        group_of(replace(ALERT, customer_id=parked.id), "aep_1"),
    }
    assert len(groups) == 4
    assert group_of(replace(parked, type="delivery.failed"), "aep_1") == group_of(parked, "aep_1")
