"""The collaborators of exporting and erasing a customer: the table, the key of pseudonyms, the clock; and the followers of
the stream, who are told of what earlier versions wrote.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pancake_meter.deps.erasures import stack_erasures
from pancake_meter.deps.stack import Clock, utc_now
from pancake_meter.deps.stream import followers_of
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.usecases.stream.follow import Follower


@dataclass(frozen=True, slots=True)
class CustomerDataDeps:
    """The erasures of the table, and the clock."""

    erasures: Erasures
    clock: Clock = utc_now

    @property
    def followers(self) -> Sequence[Follower]:
        """Everybody who follows the changes of the table."""
        return followers_of(self.erasures.table, self.erasures)


def customer_data_deps() -> CustomerDataDeps:
    """Return the collaborators of this stack. The key of pseudonyms is read by the first erasure."""
    return CustomerDataDeps(stack_erasures())
