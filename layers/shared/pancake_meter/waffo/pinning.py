"""A stack has one mode and one store. An event of another is refused however well it is signed, and so is a snapshot."""

from pancake_meter.waffo.errors import WrongMode, WrongStore
from pancake_meter.waffo.events import WaffoEvent
from pancake_meter.waffo.loose_envelope import LooseEnvelope
from pancake_meter.waffo.platform_keys import Mode
from pancake_meter.waffo.snapshots import PaymentSnapshot, SubscriptionOrderSnapshot


def check_pinned(event: WaffoEvent, mode: Mode, store_id: str) -> None:
    """Check that the event is of this stack's mode and store.

    Raises:
        WrongMode: it says another mode.
        WrongStore: it is of another store. An empty ``store_id`` (a stack that was not told its store) refuses every
            event.
    """
    if event.mode != mode:
        raise WrongMode("the event is not of this stack's mode")
    if event.store_id != store_id:
        raise WrongStore("the event is not of this stack's store")


def check_loosely_pinned(envelope: LooseEnvelope, mode: Mode, store_id: str) -> None:
    """Check that a body which cannot be read as an event does not name another mode or store. It may name none.

    Raises:
        WrongMode: it says another mode.
        WrongStore: it is of another store.
    """
    if envelope.mode not in (None, mode):
        raise WrongMode("the body is not of this stack's mode")
    if envelope.store_id not in (None, store_id):
        raise WrongStore("the body is not of this stack's store")


def check_snapshot_pinned(snapshot: SubscriptionOrderSnapshot | PaymentSnapshot, mode: Mode, store_id: str) -> None:
    """Check that what GraphQL shows is of this stack's mode and store. A payment does not say its store: it is found by a
    name that we made.

    Raises:
        WrongMode: it is of another mode, or does not say of which.
        WrongStore: it is an order of another store, or does not say of which.
    """
    if snapshot.is_test is not (mode == "test"):
        raise WrongMode("what GraphQL shows is not of this stack's mode")
    if isinstance(snapshot, SubscriptionOrderSnapshot) and snapshot.store_id != store_id:
        raise WrongStore("what GraphQL shows is not of this stack's store")
