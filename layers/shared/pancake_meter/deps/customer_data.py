"""The collaborators of exporting and erasing a customer: the table, the key of pseudonyms, the clock; and the followers of
the stream, who are told of what earlier versions wrote.
"""

from collections.abc import Callable, Sequence

from pancake_meter.deps.config import reads_stream
from pancake_meter.deps.erasures import stack_erasures
from pancake_meter.deps.stack import Clock, utc_now
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.usecases.stream.follow import Follower
from pancake_meter.usecases.stream.keepers import keepers_of
from pancake_meter.value import Value


class CustomerDataDeps(Value):
    """The erasures of the table, the clock, whether the table's stream is read, and the catalog's default plan."""

    erasures: Erasures
    clock: Clock = utc_now
    reads_stream: bool = True
    default_plan: Callable[[], str | None] = lambda: None

    @property
    def followers(self) -> Sequence[Follower]:
        """Those who keep figures and lists of the table; nobody where its stream is not read. No alert is of old items."""
        return keepers_of(self.erasures.table, self.erasures, self.default_plan()) if self.reads_stream else ()


def customer_data_deps() -> CustomerDataDeps:
    """Return the collaborators of this stack. The key of pseudonyms is read by the first erasure."""
    return CustomerDataDeps(stack_erasures(), reads_stream=reads_stream(), default_plan=_default_plan)


def _default_plan() -> str | None:
    # Only the walk after an upgrade needs the catalog: exporting and erasing do not pay for reading it.
    from pancake_meter.deps.metering import stack_metering  # noqa: PLC0415

    return stack_metering().catalog.default_plan_key
