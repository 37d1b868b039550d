"""Every order of a history's events, with every event repeated at every point.

Orders are not walked one by one. How a customer stands after some of the events depends on what came before only through
the state itself, so orders that lead to the same state go on as one: the walk is over sets of events, with all the states
that any order of each set leads to. Nothing is left out, and six events take hundreds of steps instead of thousands.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tests.support.pure_subscription import Happening, PureCustomer

Clock = Callable[[Sequence[Happening]], datetime]
"""When the last of the events that have come so far arrives: of all their orders alike."""


@dataclass(frozen=True)
class Ending:
    """A state that some order ends in; ``order`` is one such."""

    customer: PureCustomer
    order: tuple[int, ...]


class Orders:
    """What every order of every set of events leads to; events are added one at a time, in any order.

    Where arrival does not depend on events still to be added, histories that begin alike share what they have in common:
    ``with_event`` leaves the value as it is and returns the longer one. ``then`` ends a stretch: all of its events have
    come, in whatever order, before something else happens; those of the next stretch come after it.
    """

    def __init__(
        self, steps: tuple[Happening, ...], reached: list[list[Ending]], earlier: tuple[Happening, ...] = ()
    ) -> None:
        self.steps = steps
        self._earlier = earlier
        self._reached = reached
        """By set of events, as a number with a bit for each."""

    @classmethod
    def of_none(cls, begin: PureCustomer) -> "Orders":
        """Before any event."""
        return cls((), [[Ending(begin, ())]])

    def with_event(self, step: Happening, clock: Clock) -> "Orders":
        """Return the orders of one event more.

        Raises:
            AssertionError: an event that came a second time changed something.
        """
        steps, known = (*self.steps, step), len(self._reached)
        reached = [*self._reached, *([] for _ in self._reached)]
        for delivered in range(known, 2 * known):
            come = [index for index in range(len(steps)) if delivered >> index & 1]
            arrives = clock([steps[index] for index in come])
            for last in come:
                for state in reached[delivered & ~(1 << last)]:
                    _add(reached[delivered], state, last, steps[last], arrives)
            for state in reached[delivered]:
                _check_repeats(state, [*self._earlier, *(steps[index] for index in come)])
        return Orders(steps, reached, self._earlier)

    def then(self, happens: Callable[[PureCustomer], None]) -> "Orders":
        """Return the orders that go on after all events so far have come and something has happened."""
        after: list[Ending] = []
        for ending in self._reached[-1]:
            customer = ending.customer.copy()
            happens(customer)
            _keep(after, Ending(customer, ending.order))
        return Orders((), [after], (*self._earlier, *self.steps))

    def endings(self, until: datetime) -> list[Ending]:
        """Return every state that delivering all events in any order ends in, at ``until``."""
        ends = [Ending(ending.customer.copy(), ending.order) for ending in self._reached[-1]]
        for ending in ends:
            ending.customer.pass_to(until)
        return ends


def _add(following: list[Ending], state: Ending, index: int, step: Happening, arrives: datetime) -> None:
    customer = state.customer.copy()
    customer.take(step, arrives)
    _keep(following, Ending(customer, (*state.order, index)))


def _keep(known: list[Ending], ending: Ending) -> None:
    if not any(ending.customer.stands_like(each.customer) for each in known):
        known.append(ending)


def _check_repeats(state: Ending, come: Sequence[Happening]) -> None:
    for step in come:
        if state.customer.knows(step):
            continue
        again = state.customer.copy()
        again.take(step, again.now)
        assert again.stands_like(state.customer), ("a repeat changed something", state.order, step)
