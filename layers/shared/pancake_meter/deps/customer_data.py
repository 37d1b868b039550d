"""The collaborators of exporting and erasing a customer: the table, the key of pseudonyms, the clock."""

from dataclasses import dataclass

from pancake_meter.deps.erasures import stack_erasures
from pancake_meter.deps.stack import Clock, utc_now
from pancake_meter.store.access.erasures import Erasures


@dataclass(frozen=True, slots=True)
class CustomerDataDeps:
    """The erasures of the table, and the clock."""

    erasures: Erasures
    clock: Clock = utc_now


def customer_data_deps() -> CustomerDataDeps:
    """Return the collaborators of this stack. The key of pseudonyms is read by the first erasure."""
    return CustomerDataDeps(stack_erasures())
