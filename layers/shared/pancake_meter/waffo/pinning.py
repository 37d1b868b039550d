"""A stack has one mode and one store. An event of another is refused however well it is signed."""

from pancake_meter.waffo.errors import WrongMode, WrongStore
from pancake_meter.waffo.events import WaffoEvent
from pancake_meter.waffo.platform_keys import Mode


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
