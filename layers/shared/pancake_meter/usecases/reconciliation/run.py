"""One run of reconciliation: what its passes share. Bounded everywhere; one bad entry never stops the others."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeVar

from pancake_meter.domain.errors import DomainError
from pancake_meter.domain.standing.bought_twice import bought_twice
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.store.errors import CorruptItem, StoreBusy
from pancake_meter.store.reconciliation.progress import Place, read_place, write_place
from pancake_meter.store.webhooks.deliveries import Pin, read_delivery
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.webhooks.judge import Outcome, Pause, judge_arrival, stays_dismissed
from pancake_meter.usecases.webhooks.take import read_arrival
from pancake_meter.value import Value, field
from pancake_meter.waffo.client import WaffoClient
from pancake_meter.waffo.errors import WaffoApiError, WaffoUnavailable, WebhookRefused, WrongMode, WrongStore
from pancake_meter.waffo.platform_keys import Mode
from pancake_meter.waffo.snapshots import Page

Judged = Literal["healed", "flagged", "unchanged", "parked", "failed", "refused"]
"""``flagged``: healed, and a person has to look at the money. ``refused``: no event of this stack (another mode, another
store), and never will be.
"""

_GRAVITY: Final[Sequence[Judged]] = ("unchanged", "healed", "refused", "flagged", "parked", "failed")

Key = Mapping[str, Any]

_Entry = TypeVar("_Entry")


class Reconciling(Value):
    """The collaborators: one mode, one store, Waffo's API. ``pause`` is the wait between lost races."""

    metering: Metering
    mode: Mode
    store_id: str
    waffo: WaffoClient
    pause: Pause = time.sleep


@dataclass(slots=True)
class Tally:
    """What one pass came to. ``is_left``: it ended before the end of its list; the next run goes on from there."""

    pages: int = 0
    failed_pages: int = 0
    read: int = 0
    healed: int = 0
    unchanged: int = 0
    parked: int = 0
    failed: int = 0
    refused: int = 0
    flagged: int = 0
    is_left: bool = False

    def count(self, judged: Judged) -> None:
        """Count one entry."""
        setattr(self, judged, getattr(self, judged) + 1)
        self.healed += judged == "flagged"


def _judged(outcome: Outcome) -> Judged:
    match outcome.verdict:
        case "applied":
            return "healed" if outcome.own_flag is None else "flagged"
        case "ignored" | "duplicate" | "dismissed":
            return "unchanged"
        case "parked":
            return "parked"
        case "failed":
            return "failed"


def gravest(results: Sequence[Judged]) -> Judged:
    """Return what an entry came to that took several steps."""
    return max(results, key=_GRAVITY.index)


BOUGHT_TWICE_MAX: Final = 100
"""Customers that one report names; the others show in later reports, once these are dealt with."""


class BoughtTwice(Value):
    """A customer with two orders for one meter; ``is_new``: this run found it."""

    customer_id: str
    order_ids: tuple[str, ...]
    is_new: bool


FOUND_MAX: Final = 100
"""Events that one report names."""


class Found(Value):
    """An event that no webhook had told, or that could not be applied before, and what it came to."""

    event_type: str
    order_id: str | None
    customer_id: str | None
    judged: Judged


class Run(Value):
    """One run. ``may_go_on`` says whether there is time; ``on_failure`` hears of (pass, reference, error).

    ``bought_twice`` collects the customers that have bought twice, as far as this run has seen; ``unparked_flags`` the flags
    of deliveries that others allowed to apply; ``found`` the first events.
    """

    reconciling: Reconciling
    now: datetime
    may_go_on: Callable[[], bool]
    on_failure: Callable[[str, str, Exception], None]
    bought_twice: list[BoughtTwice] = field(default_factory=list)
    unparked_flags: list[str] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)

    def judged(self, outcome: Outcome) -> Judged:
        """Return the line of the report that an outcome counts on, and note what was found and what it unparked."""
        self.unparked_flags.extend(outcome.unparked_flags)
        judged = _judged(outcome)
        if judged != "unchanged" and len(self.found) < FOUND_MAX:
            self.found.append(Found(outcome.event_type, outcome.order_id, outcome.customer_id, judged))
        return judged

    def note_bought_twice(self, subscription: Subscription, *, is_new: bool) -> None:
        """Put a customer on the report who has bought twice."""
        order_ids = sorted({order_id for pair in bought_twice(subscription) for order_id in pair})
        if order_ids and len(self.bought_twice) < BOUGHT_TWICE_MAX:
            self.bought_twice.append(BoughtTwice(subscription.customer_id, tuple(order_ids), is_new))

    def take(self, body: bytes, *, is_made: bool = False) -> Judged:
        """Take an event that Waffo's API told us, because no webhook had.

        ``body`` is the payload that Waffo kept of a delivery, or one that ``is_made`` of a snapshot. There is no signature
        to check: it came over our own authenticated call. Mode and store are checked as ever. What is kept already, whatever
        became of it, costs one read. A dismissal stands: what was dismissed of an order is not parked again under a body
        that was made. Once Waffo says enough of the order for it to be applied, it is.

        Raises:
            WrongMode, WrongStore: it is not ours. Nothing was kept.
            StoreBusy, StoreUnavailable: passing trouble; the same call is safe to repeat.
        """
        reconciling = self.reconciling
        delivery, event = read_arrival(
            body, {}, Pin(reconciling.mode, reconciling.store_id), self.now, "reconciliation"
        )
        if read_delivery(reconciling.metering.table, delivery.digest) is not None:
            return "unchanged"
        if is_made and stays_dismissed(reconciling.metering, event, self.now):
            return "unchanged"
        return self.judged(judge_arrival(reconciling.metering, delivery, event, self.now, reconciling.pause))

    def heal_each(
        self,
        name: str,
        tally: Tally,
        entries: Sequence[_Entry],
        heal: Callable[[_Entry], Judged],
        of: Callable[[_Entry], str],
    ) -> bool:
        """Heal entry by entry; return whether there was time for all. ``of`` names an entry for the log.

        Raises:
            StoreUnavailable: the store cannot be reached; the next run starts where this one did.
        """
        for entry in entries:
            if not self.may_go_on():
                return False
            tally.read += 1
            try:
                tally.count(heal(entry))
            except (WrongMode, WrongStore):
                tally.count("refused")
            except WebhookRefused as error:
                tally.count("refused")
                self.on_failure(name, of(entry), error)
            except (StoreBusy, CorruptItem, DomainError, WaffoApiError) as error:
                tally.count("failed")
                self.on_failure(name, of(entry), error)
        return True

    def walk_waffo(
        self,
        name: str,
        fetch: Callable[[int], Page[_Entry]],
        heal: Callable[[_Entry], Judged],
        *,
        of: Callable[[_Entry], str],
        page_size: int,
        pages_max: int,
    ) -> Tally:
        """Walk one of Waffo's lists from where the last run stopped. ``fetch`` reads the page at an offset.

        A page that cannot be read is left out, and read again when the list is next begun; when Waffo does not answer at
        all, the next run tries the same page first.
        """
        tally = Tally()
        place = read_place(self.reconciling.metering.table, name)
        offset = place if isinstance(place, int) else 0
        total: int | None = None
        while tally.pages + tally.failed_pages < pages_max and self.may_go_on():
            try:
                page = fetch(offset)
            except WaffoApiError as error:
                tally.failed_pages += 1
                self.on_failure(name, f"page at {offset}", error)
                if isinstance(error, WaffoUnavailable):
                    break
                offset += page_size
                if total is None or offset >= total:
                    return self._ended(name, tally)
                continue
            tally.pages += 1
            tally.refused += page.received - len(page.items)
            if not self.heal_each(name, tally, page.items, heal, of):
                break
            total, offset = page.total, offset + page.received
            if page.received < page_size or (total is not None and offset >= total):
                return self._ended(name, tally)
        return self._stopped(name, tally, offset)

    def walk_ours(
        self,
        name: str,
        fetch: Callable[[Key | None], tuple[list[_Entry], Key | None]],
        heal: Callable[[_Entry], Judged],
        *,
        of: Callable[[_Entry], str],
        pages_max: int,
    ) -> Tally:
        """Walk one of our own listings from where the last run stopped. ``fetch`` reads the page after a key."""
        tally = Tally()
        kept = read_place(self.reconciling.metering.table, name)
        place = kept if isinstance(kept, Mapping) else None
        while tally.pages < pages_max and self.may_go_on():
            entries, following = fetch(place)
            tally.pages += 1
            if not self.heal_each(name, tally, entries, heal, of):
                break
            if following is None:
                return self._ended(name, tally)
            place = following
        return self._stopped(name, tally, place)

    def _ended(self, name: str, tally: Tally) -> Tally:
        write_place(self.reconciling.metering.table, name, None)
        return tally

    def _stopped(self, name: str, tally: Tally, place: Place | None) -> Tally:
        write_place(self.reconciling.metering.table, name, place)
        tally.is_left = True
        return tally
