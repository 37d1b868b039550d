"""Every order of a history's events, with every event repeated at every point.

Orders are not walked one by one. How a customer stands after some of the events depends on what came before only through
the state itself, so orders that lead to the same state go on as one: the walk is over sets of events, with all the states
that any order of each set leads to. Nothing is left out, and six events take hundreds of steps instead of thousands.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tests.support.pure_subscription import PureCustomer, Step

Clock = Callable[[Sequence[Step]], datetime]
"""When the last of the events that have come so far arrives: of all their orders alike."""


@dataclass(frozen=True)
class Ending:
    """A state that some order ends in; ``order`` is one such."""

    customer: PureCustomer
    order: tuple[int, ...]


def endings(begin: PureCustomer, steps: Sequence[Step], clock: Clock, until: datetime) -> list[Ending]:
    """Return every state that delivering ``steps`` in any order ends in.

    Raises:
        AssertionError: an event that came a second time changed something.
    """
    reached: list[list[Ending]] = [[] for _ in range(1 << len(steps))]
    reached[0] = [Ending(begin, ())]
    for delivered, states in enumerate(reached):
        come = [index for index in range(len(steps)) if delivered >> index & 1]
        for state in states:
            _check_repeats(state, [steps[index] for index in come])
        for index in range(len(steps)):
            if delivered >> index & 1:
                continue
            following = reached[delivered | 1 << index]
            arrives = clock([steps[known] for known in (*come, index)])
            for state in states:
                customer = state.customer.copy()
                customer.take(steps[index], arrives)
                if not any(customer.stands_like(known.customer) for known in following):
                    following.append(Ending(customer, (*state.order, index)))
    for ending in reached[-1]:
        ending.customer.pass_to(until)
    return reached[-1]


def _check_repeats(state: Ending, come: Sequence[Step]) -> None:
    for step in come:
        again = state.customer.copy()
        again.take(step, again.now)
        assert again.stands_like(state.customer), ("a repeat changed something", state.order, step)
