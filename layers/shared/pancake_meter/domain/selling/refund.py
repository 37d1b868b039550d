"""Refunds: which of a payment's refunds an event is about, and whether the money went back.

Two rules.

*What differs tells apart.* Two refunds that succeeded are two when their event id, ticket, date or amount differ. They are
one when nothing differs, and their own event id, their instant or the time of their events is equal. Else nobody can tell,
and the second is shown to a person. A failure belongs to the success with its event id, its ticket or its instant.

*The last word stands.* Of a success and a failure of one refund the later counts, by Waffo's time of the events, never by
their arrival. Of two at one instant it is the success: a ticket that failed may be tried again at once, while money that
bounces takes days.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

from pancake_meter.value import Value, replace

Relation = Literal["same", "other", "unclear"]

_REFUND_IDS: Final = ("REF_", "RFD_")
"""How Waffo's refund ids begin: an event with one of them is about that refund and no other."""


class RefundMarks(Value):
    """What tells a refund from the others of its payment; ``None``: not said.

    ``event_id`` is left out where it is the order's or the payment's. ``made_at`` is an instant, or with ``is_day`` a day.
    """

    event_id: str | None = None
    ticket: str | None = None
    made_at: datetime | None = None
    is_day: bool = False

    @property
    def instant(self) -> datetime | None:
        """When the refund was made, where that is known to the instant."""
        return None if self.is_day else self.made_at

    def differ(self, other: "RefundMarks") -> bool:
        """Whether both say something, and not the same."""
        return (
            _differ(self.event_id, other.event_id)
            or _differ(self.ticket, other.ticket)
            or self._made_otherwise_than(other)
        )

    def name_two(self, other: "RefundMarks") -> bool:
        """Whether both have ids of refunds, and not the same."""
        ids = self.event_id, other.event_id
        return all(each is not None and each.startswith(_REFUND_IDS) for each in ids) and ids[0] != ids[1]

    def plus(self, other: "RefundMarks") -> "RefundMarks":
        """Return what the two say together; of a day and an instant of it the instant."""
        finer = other if self.made_at is None or (self.is_day and other.made_at is not None) else self
        return RefundMarks(self.event_id or other.event_id, self.ticket or other.ticket, finer.made_at, finer.is_day)

    def _made_otherwise_than(self, other: "RefundMarks") -> bool:
        if self.made_at is None or other.made_at is None:
            return False
        if self.is_day or other.is_day:
            return self.made_at.date() != other.made_at.date()
        return self.made_at != other.made_at


NO_MARKS: Final = RefundMarks()


class Refund(Value):
    """One refund: ``amount`` of a payment that had collected ``of``; ``None`` where nobody says.

    ``at`` is the instant when it was made, or first told as done: the month of the report. ``succeeded_at`` and
    ``failed_at`` are Waffo's times of the latest event that says so.
    """

    id: str
    amount: Decimal | None
    of: Decimal | None
    at: datetime
    marks: RefundMarks = NO_MARKS
    succeeded_at: datetime | None = None
    failed_at: datetime | None = None

    @property
    def done_at(self) -> datetime | None:
        """When Waffo last said that the money went back; ``None`` where only its failure is known."""
        return self.succeeded_at or (self.at if self.failed_at is None else None)

    @property
    def stands(self) -> bool:
        """Whether the last word is that the money went back."""
        return self.done_at is not None and (self.failed_at is None or self.done_at >= self.failed_at)

    @property
    def rank(self) -> int:
        """Grows with every word: of two states of one refund, the greater knows more. Milliseconds."""
        return sum(int(each.timestamp() * 1000) for each in (self.done_at, self.failed_at) if each is not None)

    def join(self, other: "Refund") -> "Refund":
        """Return what is known together. A success names the refund: only it becomes a fact of the report."""
        first, second = sorted((self, other), key=lambda refund: (refund.done_at is None, refund.id))
        told = [refund.at for refund in (first, second) if refund.done_at is not None] or [first.at, second.at]
        return replace(
            first,
            amount=first.amount if first.amount is not None else second.amount,
            of=first.of if first.of is not None else second.of,
            at=min(told),
            marks=first.marks.plus(second.marks),
            succeeded_at=_later(first.done_at, second.done_at),
            failed_at=_later(first.failed_at, second.failed_at),
        )

    def relation(self, known: "Refund") -> Relation:
        """Whether this and a known refund of its payment are one."""
        if self.done_at is None or known.done_at is None:
            return self._relation_of_failure(known)
        if self.marks.differ(known.marks) or _differ(self.amount, known.amount):
            return "other"
        pairs = (
            (self.marks.event_id, known.marks.event_id),
            (self.marks.instant, known.marks.instant),
            (self.done_at, known.done_at),
        )
        return "same" if any(_agree(*pair) for pair in pairs) else "unclear"

    def matters_to(self, other: "Refund") -> bool:
        """Whether it changes something if the two are one: two successes do, and a failure after a success."""
        if self.done_at is not None and other.done_at is not None:
            return True
        done, failed = self.done_at or other.done_at, self.failed_at or other.failed_at
        return done is not None and failed is not None and failed > done

    def _relation_of_failure(self, known: "Refund") -> Relation:
        """The same where one of the two only failed. Its event may have an id of its own, and needs no amount."""
        mine, theirs = self.marks, known.marks
        if _agree(mine.event_id, theirs.event_id):
            return "same"
        if mine.name_two(theirs) or _differ(self.amount, known.amount):
            return "other"
        if _agree(mine.ticket, theirs.ticket):
            return "same"
        if replace(mine, event_id=None).differ(theirs):
            return "other"
        is_about_failures = self.done_at is None and known.done_at is None
        return "same" if is_about_failures or _agree(mine.instant, theirs.instant) else "unclear"


def find_refund(told: Refund, known: Iterable[Refund]) -> Refund | Literal["unclear"] | None:
    """Return the known refund that an event is about, ``None`` if it is a new one, or ``unclear``.

    It is unclear only where it matters: a failure before the success that it may belong to changes nothing.
    """
    refunds = [(each, told.relation(each)) for each in known]
    same = [each for each, relation in refunds if relation == "same"]
    same = [each for each in same if each.done_at is not None] or same
    if len(same) > 1:
        same = [each for each in same if not told.marks.differ(each.marks)]
        if len(same) != 1:
            return "unclear"
    if same:
        return same[0]
    return "unclear" if any(rel == "unclear" and told.matters_to(each) for each, rel in refunds) else None


def _differ(left: object, right: object) -> bool:
    return left is not None and right is not None and left != right


def _agree(left: object, right: object) -> bool:
    return left is not None and left == right


def _later(left: datetime | None, right: datetime | None) -> datetime | None:
    return max((each for each in (left, right) if each is not None), default=None)
