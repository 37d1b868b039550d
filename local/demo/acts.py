"""An act: one thing that happens on one day of the month."""

from collections.abc import Callable
from dataclasses import dataclass

from local.demo.world import World

LAST_DAY = 30


@dataclass(frozen=True, slots=True)
class Act:
    """Something that happens on `day` (0 to 30). It takes place where its customer does, or where it has none."""

    day: int
    customer: str | None
    says: str
    do: Callable[[World], object]

    def takes_place(self, world: World) -> bool:
        """Return whether the one whom it is about takes part."""
        return self.customer is None or world.has(self.customer)
