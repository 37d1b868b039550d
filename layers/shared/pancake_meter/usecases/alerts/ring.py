"""The follower that rings: it makes alerts and reminders of what changed, and puts each once."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from pancake_meter.domain.access.pseudonym import is_pseudonym
from pancake_meter.domain.alerts.checkout import checkout_alert
from pancake_meter.domain.alerts.delivery import delivery_alert
from pancake_meter.domain.alerts.quota import quota_alerts
from pancake_meter.domain.alerts.reminder import Reminder, end_reminders, grant_reminders, trial_reminders
from pancake_meter.domain.alerts.subscription import meter_to_sell, subscription_alerts
from pancake_meter.domain.instant import floor_ms
from pancake_meter.store.alerts.reminders import put_reminder
from pancake_meter.store.errors import StoreError
from pancake_meter.store.stream.changes import (
    BalanceChanged,
    Change,
    CheckoutSettled,
    DeliveryOpen,
    Record,
    RefusalKept,
    SubscriptionChanged,
)
from pancake_meter.usecases.alerts.ringing import Bell, Due
from pancake_meter.usecases.stream.follow import NotFollowed
from pancake_meter.value import Value, replace

_STEP: Final = timedelta(milliseconds=1)


class Ringer(Value):
    """Rings what the changes of a table mean."""

    bell: Bell

    def follow(self, changes: Sequence[Change]) -> Sequence[NotFollowed]:
        """Ring what has not rung yet; return the changes that could not be followed.

        The changes of one customer come in order, and so do the alerts. A customer whose alert meets trouble gets no later
        one in this batch.
        """
        now = floor_ms(self.bell.clock())
        missed: list[NotFollowed] = []
        due: list[tuple[Record, Due]] = []
        for change in changes:
            try:
                due += [(change.record, each) for each in _meaning(change, now)]
                self._remind(change, now)
            except Exception as trouble:  # noqa: BLE001 - the caller tells passing trouble from other
                missed.append(NotFollowed(change.record, trouble))
        try:
            waiting = {each.alert.id for each in self.bell.not_rung(each for _, each in due)}
        except StoreError as trouble:
            return [*missed, *(NotFollowed(record, trouble) for record, _ in due)]
        held_up: set[str | None] = set()
        for number, (record, each) in enumerate(due):
            if each.alert.id not in waiting or each.alert.customer_id in held_up:
                continue
            waiting.discard(each.alert.id)
            try:
                # A millisecond apart, so that lists keep their order.
                self.bell.ring(replace(each, alert=replace(each.alert, occurred_at=now + number * _STEP)))
            except Exception as trouble:  # noqa: BLE001 - the caller tells passing trouble from other
                missed.append(NotFollowed(record, trouble))
                if isinstance(trouble, StoreError):
                    held_up.add(each.alert.customer_id)
        return missed

    def _remind(self, change: Change, now: datetime) -> None:
        for reminder in _reminders(change, now):
            put_reminder(self.bell.table, reminder, [self.bell.erasures.unless_erased(reminder.customer_id)])


def _meaning(change: Change, now: datetime) -> Iterator[Due]:
    match change:
        case BalanceChanged(_, before, after):
            for alert in quota_alerts(before, after, now):
                yield Due(alert, after)
        case SubscriptionChanged(_, before, after):
            for alert in subscription_alerts(before, after, now):
                yield Due(alert, meter=meter_to_sell(after, alert))
        case RefusalKept(_, alert):
            # It has its links: the request knew the address of the stack.
            yield Due(alert)
        case CheckoutSettled(_, _, after):
            if (settled := checkout_alert(after, now)) is not None:
                yield Due(settled)
        case DeliveryOpen(_, _, after) if after.verdict in ("parked", "failed"):
            yield Due(
                delivery_alert(
                    after.digest,
                    after.verdict,
                    after.customer_id,
                    now,
                    event_type=after.event_type,
                    order_id=after.order_id,
                    reason=after.reason,
                )
            )
        case _:
            pass


def _reminders(change: Change, now: datetime) -> Iterator[Reminder]:
    match change:
        case BalanceChanged(_, before, after) if not is_pseudonym(after.customer_id):
            yield from grant_reminders(before, after)
        case SubscriptionChanged(_, before, after) if not is_pseudonym(after.customer_id):
            yield from trial_reminders(before, after)
            yield from end_reminders(before, after, now)
        case _:
            pass
