"""A customer's books: subscription and balances read together, changed together, and written in one transaction."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.ledger import Cause
from pancake_meter.domain.selling.overage import NO_LINES, Lines
from pancake_meter.domain.standing.follow import follow, open_following
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.store.balance.balances import read_balances
from pancake_meter.store.balance.structure import opening_writes, structure_writes
from pancake_meter.store.errors import WriteRefused
from pancake_meter.store.keys import balance_key
from pancake_meter.store.selling.overage_lines import read_due_lines_of
from pancake_meter.store.standing.subscriptions import read_subscription, subscription_unchanged, subscription_write
from pancake_meter.store.table import TRANSACTION_WRITES_MAX, Check, Write
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.value import Value, field, replace


class CustomerBooks(Value):
    """``known`` is the subscription as read, ``learned`` as it will be; ``changes`` has a change for every balance read.

    Only ``touched`` balances are written: what time alone has changed is left to those who come for the balance.
    ``moved`` says that the customer stands elsewhere than before: no balance may be opened meanwhile under the old standing.
    ``lines`` are, by meter, the overage lines with units due or reopened, as they are kept. ``by`` names the API key of the
    operator who has them changed, for the ledger.
    """

    metering: Metering
    customer_id: str
    now: datetime
    known: Subscription | None
    learned: Subscription
    changes: Mapping[str, Change] = field(default_factory=dict)
    touched: frozenset[str] = frozenset()
    moved: bool = False
    lines: Mapping[str, Lines] = field(default_factory=dict)
    by: str | None = None

    @classmethod
    def read(cls, metering: Metering, customer_id: str, now: datetime, *, by: str | None = None) -> "CustomerBooks":
        """Read the books, every balance advanced to ``now``: one read and one query, and one more where units are due."""
        known = read_subscription(metering.table, customer_id)
        balances = read_balances(metering.table, customer_id)
        changes = {balance.meter: metering.advanced(balance, now, known) for balance in balances}
        due = {each.meter: (each.overage_due, each.reopened) for each in balances}
        lines = read_due_lines_of(metering.table, customer_id, due)
        books = cls(metering, customer_id, now, known, known or Subscription(customer_id), changes, lines=lines, by=by)
        return books._after_lapses()

    def _after_lapses(self) -> "CustomerBooks":
        """Bring balances whose paid term has lapsed under the order that governs since: time alone knows of none."""
        changes, learned = dict(self.changes), self.learned
        for meter, change in self.changes.items():
            if change.before.term.order_id is not None and change.balance.term.order_id is None:
                default, lines = self.metering.fallback(meter), self.due_lines(meter)
                changes[meter], learned = follow(change, learned, learned, default, lines, self.now)
        moved = frozenset(meter for meter, change in changes.items() if change is not self.changes[meter])
        return replace(self, learned=learned, changes=changes, touched=moved) if moved else self

    def learn(self, facts: OrderFacts) -> "CustomerBooks":
        """Return the books with the facts of an order known, and every balance following them.

        Raises:
            TooManyOrders: more orders would stand than can be remembered.
        """
        learned = self.learned.learn(facts)
        return self if learned == self.learned else self._follow(learned)

    def _follow(self, learned: Subscription) -> "CustomerBooks":
        known, changes = self.learned, dict(self.changes)
        for meter, change in self.changes.items():
            default, lines = self.metering.fallback(meter), self.due_lines(meter)
            changes[meter], learned = follow(change, known, learned, default, lines, self.now)
        touched = {meter for meter, change in changes.items() if change is not self.changes[meter]}
        absent = (meter for meter in self.metering.catalog.meters if meter not in changes)
        moved = bool(touched) or any(self._opened(meter, known) != self._opened(meter, learned) for meter in absent)
        return replace(
            self, learned=learned, changes=changes, touched=self.touched | touched, moved=self.moved or moved
        )

    def _opened(self, meter: str, subscription: Subscription) -> Balance:
        default = self.metering.fallback(meter)
        return open_following(self.customer_id, meter, subscription, default, self.now, self.now).balance

    def change_of(self, meter: str, since: datetime | None = None) -> Change:
        """Return the change of a balance so far; a balance that is not there yet is opened under what is learned.

        ``since``: when the customer was there already, though we hear of it only now; the default plan begins then.
        """
        change = self.changes.get(meter)
        if change is not None:
            return change
        default = self.metering.fallback(meter)
        return open_following(self.customer_id, meter, self.learned, default, since or self.now, self.now)

    def due_lines(self, meter: str) -> Lines:
        """Return the overage lines of a meter with units due or reopened, as they are kept."""
        return self.lines.get(meter, NO_LINES)

    def with_change(self, change: Change) -> "CustomerBooks":
        """Return the books with one balance changed further."""
        meter = change.balance.meter
        return replace(self, changes={**self.changes, meter: change}, touched=self.touched | {meter})

    def write_ahead(self, cause: Cause, reference: str | None) -> bool:
        """Write some of the balances that follow, where all of them are more than one transaction writes.

        With them goes what is filed of the periods that they leave, and no new fact. Whoever reads the books again finds
        these balances where the same facts will put them, and the others as they were: so the work may stop and begin
        again anywhere. Return whether to read the books again: not, where no balance fits into a transaction.
        """
        ahead: list[Write] = []
        uses = dict(self.known.uses if self.known else {})
        for meter in sorted(self.touched):
            change = replace(self.changes[meter], by=self.by)
            more = structure_writes(change, cause, reference, self.now) if change.before.segment else []
            if not change.is_empty and len(ahead) + len(more) < TRANSACTION_WRITES_MAX:
                ahead += more
                uses[meter] = self.learned.uses_of(meter)
        if not ahead:
            return False
        filed = replace(self.known or Subscription(self.customer_id), uses=uses)
        # Where somebody else was faster, the books have changed: they are read again all the same.
        with suppress(WriteRefused):
            self.metering.table.transact([subscription_write(filed), *ahead])
        return True

    def writes(self, cause: Cause, reference: str | None) -> list[Write]:
        """Return all writes: what was read must be unchanged, or the transaction is refused."""
        grown = self.learned != (self.known or Subscription(self.customer_id))
        guard = subscription_write(self.learned) if grown else subscription_unchanged(self.customer_id, self.known)
        writes: list[Write] = [guard]
        for meter in sorted(self.touched):
            change = replace(self.changes[meter], by=self.by)
            if change.before.segment == 0:
                writes += opening_writes(change, cause, reference, self.now)
            elif not change.is_empty:
                writes += structure_writes(change, cause, reference, self.now)
        if self.moved:
            absent = (meter for meter in self.metering.catalog.meters if meter not in self.changes)
            writes += (Check(balance_key(self.customer_id, meter), "attribute_not_exists(PK)") for meter in absent)
        return writes
