"""The follower that keeps the directory of customers."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from pancake_meter.domain.access.pseudonym import is_pseudonym
from pancake_meter.domain.standing.directory import BalanceFacts, DirectoryLine, OrdersFacts
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.errors import StoreBusy, StoreError, WriteRefused
from pancake_meter.store.standing.directory import line_writes, read_lines
from pancake_meter.store.stream.changes import BalanceChanged, Change, SubscriptionChanged
from pancake_meter.store.table import Table
from pancake_meter.usecases.stream.follow import NotFollowed
from pancake_meter.value import Value

_ATTEMPTS_MAX: Final = 8


class Directory(Value):
    """The directory of a table. An erased customer is not in it, and does not come back by a late change.

    ``default_plan`` is on the line of a customer whom no order covers, and who has used nothing yet.
    """

    table: Table
    erasures: Erasures
    default_plan: str | None = None

    def follow(self, changes: Sequence[Change]) -> Sequence[NotFollowed]:
        """Bring the lines to what the changes say; return the changes that could not be followed."""
        by_customer: dict[str, list[BalanceChanged | SubscriptionChanged]] = {}
        for change in changes:
            if isinstance(change, BalanceChanged | SubscriptionChanged) and not is_pseudonym(change.customer_id):
                by_customer.setdefault(change.customer_id, []).append(change)
        missed: list[NotFollowed] = []
        try:
            lines = read_lines(self.table, list(by_customer), consistent=False)
        except StoreError as trouble:
            return [NotFollowed(news[0].record, trouble) for news in by_customer.values()]
        for customer_id, news in by_customer.items():
            try:
                self._learn(customer_id, lines.get(customer_id), news)
            except Exception as trouble:  # noqa: BLE001 - the caller tells passing trouble from other
                missed.append(NotFollowed(news[0].record, trouble))
        return missed

    def _learn(
        self, customer_id: str, known: DirectoryLine | None, news: Sequence[BalanceChanged | SubscriptionChanged]
    ) -> None:
        for _ in range(_ATTEMPTS_MAX):
            line = self._learned(known or DirectoryLine(customer_id), news)
            if known is not None and line == known:
                return
            demands = [] if known is not None else [self.erasures.unless_erased(customer_id)]
            with suppress(WriteRefused):
                self.table.transact([*line_writes(line, known), *demands])
                return
            if self.erasures.is_erased(customer_id):
                return
            known = read_lines(self.table, [customer_id]).get(customer_id)
        raise StoreBusy("the customer's line kept changing")

    def _learned(self, line: DirectoryLine, news: Sequence[BalanceChanged | SubscriptionChanged]) -> DirectoryLine:
        for change in news:
            match change:
                case BalanceChanged(record, _, after):
                    line = line.learn_balance(after.meter, BalanceFacts.of(after))
                    if _is_use(change):
                        line = line.learn_use(record.at)
                case SubscriptionChanged(_, _, after):
                    line = line.learn_orders(OrdersFacts.of(after, self.default_plan))
        return line


def _is_use(change: BalanceChanged) -> bool:
    """Whether something was used, or is about to be: a hold was placed."""
    before, after = change.before, change.after
    if before is None:
        return after.used > 0 or bool(after.holds)
    return after.used > before.used or not after.holds.keys() <= before.holds.keys()
