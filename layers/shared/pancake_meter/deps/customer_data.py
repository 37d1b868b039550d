"""The collaborators of exporting and erasing a customer: the table, the key of pseudonyms, the clock; and the followers of
the stream, who are told of what earlier versions wrote.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pancake_meter.deps.config import reads_stream
from pancake_meter.deps.erasures import stack_erasures
from pancake_meter.deps.stack import Clock, utc_now
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.usecases.stream.follow import Follower
from pancake_meter.usecases.stream.keepers import keepers_of


@dataclass(frozen=True, slots=True)
class CustomerDataDeps:
    """The erasures of the table, the clock, and whether the table's stream is read."""

    erasures: Erasures
    clock: Clock = utc_now
    reads_stream: bool = True

    @property
    def followers(self) -> Sequence[Follower]:
        """Those who keep figures and lists of the table; nobody where its stream is not read. No alert is of old items."""
        return keepers_of(self.erasures.table, self.erasures) if self.reads_stream else ()


def customer_data_deps() -> CustomerDataDeps:
    """Return the collaborators of this stack. The key of pseudonyms is read by the first erasure."""
    return CustomerDataDeps(stack_erasures(), reads_stream=reads_stream())
