"""The table's stream: each record as a typed change, with the item before and after.

The stream tells every change at least once, and those of one item in order. It repeats itself after a failure, and a shard
may split at any time: whoever follows it has to know a repetition from the item itself.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pancake_meter.domain.alerts.alert import Alert
from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.balance.closed_period import Chart
from pancake_meter.domain.selling.checkout import Checkout
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.domain.usage.made_of import MadeOf
from pancake_meter.store.alerts.alerts import alert_from_item
from pancake_meter.store.attribute_values import read, read_item
from pancake_meter.store.balance.balance_item import balance_from_item
from pancake_meter.store.balance.closed_period_item import chart_from_item
from pancake_meter.store.balance.made_of import made_of_from_item
from pancake_meter.store.errors import NewerFormat
from pancake_meter.store.item_format import readable
from pancake_meter.store.keys import Key, customer_of
from pancake_meter.store.selling.checkouts import checkout_from_item
from pancake_meter.store.standing.subscriptions import subscription_from_item
from pancake_meter.store.table import Item
from pancake_meter.store.webhooks.deliveries import Delivery, delivery_from_item
from pancake_meter.value import Value, field

_SOURCE = "aws:dynamodb"


class Record(Value):
    """Where a change stands in the stream: its sequence number, the item's key, and about when it was made."""

    sequence: str
    key: Key
    at: datetime


class BalanceChanged(Value):
    """A balance as it became; ``before`` is ``None`` where it was made, or was written by code that cannot be read.

    ``made_of`` is what the usage that the change counted was made of, by the place of its days.
    """

    record: Record
    before: Balance | None
    after: Balance
    made_of: Mapping[str, MadeOf] = field(default_factory=dict)

    @property
    def customer_id(self) -> str:
        """Whose balance."""
        return self.after.customer_id


class ChartChanged(Value):
    """A chart that was put away, or amended by late usage."""

    record: Record
    customer_id: str
    meter: str
    before: Chart | None
    after: Chart


class SubscriptionChanged(Value):
    """A customer's orders as they became."""

    record: Record
    before: Subscription | None
    after: Subscription

    @property
    def customer_id(self) -> str:
        """Whose orders."""
        return self.after.customer_id


class CheckoutSettled(Value):
    """A checkout as a payment left it: paid, or flagged. ``before`` may have been the same."""

    record: Record
    before: Checkout | None
    after: Checkout

    @property
    def customer_id(self) -> str:
        """Whose checkout."""
        return self.after.customer_id


class DeliveryOpen(Value):
    """A delivery that is parked or failed. ``before`` may have been the same."""

    record: Record
    before: Delivery | None
    after: Delivery

    @property
    def customer_id(self) -> str | None:
        """Whom it is about, as far as that is known."""
        return self.after.customer_id


class RefusalKept(Value):
    """The alert of a refusal, as a request has kept it: it has not rung yet."""

    record: Record
    alert: Alert

    @property
    def customer_id(self) -> str | None:
        """Who was refused."""
        return self.alert.customer_id


class AlertRung(Value):
    """An alert that was put: once, whatever the stream repeats."""

    record: Record
    alert: Alert

    @property
    def customer_id(self) -> str | None:
        """Whom it is about, if anybody."""
        return self.alert.customer_id


Change = BalanceChanged | ChartChanged | SubscriptionChanged | CheckoutSettled | DeliveryOpen | RefusalKept | AlertRung


class Unreadable(Value):
    """A record that is no change that we know: it is set aside, and the shard goes on."""

    record: Record
    reason: str


class Batch(Value):
    """The records of one call of the function, in order; ``latest`` is about when the newest of them was written."""

    changes: Sequence[Change]
    unreadable: Sequence[Unreadable]
    earliest: datetime | None
    latest: datetime | None


def read_changes(event: Mapping[str, Any]) -> Batch:
    """Return what a Lambda event of the stream tells. The template's filter lets in no items but those of a change."""
    changes: list[Change] = []
    unreadable: list[Unreadable] = []
    at: list[datetime] = []
    for told in event.get("Records", ()):
        if told.get("eventSource") != _SOURCE:
            continue
        record = _record(told["dynamodb"])
        at.append(record.at)
        try:
            changes.append(_told(record, told["dynamodb"]))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one record must not stop the shard
            unreadable.append(Unreadable(record, f"{type(error).__name__}: {error}"))
    return Batch(changes, unreadable, min(at, default=None), max(at, default=None))


def change_of_item(item: Item, at: datetime) -> Change:
    """Return a stored item as the change that made it so, at about ``at``. Raises `ValueError` for another kind of item."""
    return _change(Record("0", {"PK": item["PK"], "SK": item["SK"]}, at), item, lambda _: None)


def _record(told: Mapping[str, Any]) -> Record:
    key = {name: str(read(told["Keys"][name])) for name in ("PK", "SK")}
    at = datetime.fromtimestamp(float(told["ApproximateCreationDateTime"]), UTC)
    return Record(str(told["SequenceNumber"]), key, at)


def _told(record: Record, told: Mapping[str, Any]) -> Change:
    return _change(record, _image(told["NewImage"]), lambda read: _before(told, read))


def _change(record: Record, after: Item, before: Callable[[Any], Any]) -> Change:
    kind, _, rest = record.key["SK"].partition("#")
    match kind:
        case "BALANCE":
            return BalanceChanged(record, before(balance_from_item), balance_from_item(after), made_of_from_item(after))
        case "CHART":
            meter, _, _ = rest.partition("#")
            customer_id = customer_of(record.key["PK"])
            return ChartChanged(record, customer_id, meter, before(chart_from_item), chart_from_item(after))
        case "SUBSCRIPTION":
            return SubscriptionChanged(record, before(subscription_from_item), subscription_from_item(after))
        case "CHECKOUT":
            return CheckoutSettled(record, before(checkout_from_item), checkout_from_item(after))
        case "DELIVERY":
            return DeliveryOpen(record, before(delivery_from_item), delivery_from_item(after))
        case "REFUSED" | "ALERT":
            alert = alert_from_item(after)
            return AlertRung(record, alert) if kind == "ALERT" else RefusalKept(record, alert)
        case _:
            raise ValueError("no item whose changes are followed")


def _before(told: Mapping[str, Any], read: Any) -> Any:
    """Return the item as it was; ``None`` where there was none, or none that this code can read."""
    if "OldImage" not in told:
        return None
    try:
        return read(_image(told["OldImage"]))
    except NewerFormat:
        return None


def _image(image: Mapping[str, Any]) -> Item:
    return readable(read_item(image))
