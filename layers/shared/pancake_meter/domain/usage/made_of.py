"""What usage was made of: the models and the sources of its events, as far as they are known, with the units of each.

Models and sources are two views of the same units. Neither decides anything: not whether an event counts, nor whether it
repeats another one.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from pancake_meter.domain.balance.balance import ZERO, day_key
from pancake_meter.domain.usage.usage_event import UsageEvent
from pancake_meter.value import Value, field, replace

NAMES_MAX: Final = 20
"""Models, and sources, that are kept by name of one day. The units of further ones are kept together."""

NAMES_OF_WRITE_MAX: Final = 16
"""Models, and sources, that are kept by name of one write: the balance, which carries them to the stream, stays small."""


class Parts(Value):
    """Units by name. ``other`` are units whose names are known but no longer kept apart."""

    named: Mapping[str, Decimal] = field(default_factory=dict)
    other: Decimal = ZERO

    @property
    def known(self) -> Decimal:
        """All units of which a name is known."""
        return sum(self.named.values(), self.other)

    def plus(self, more: "Parts", names_max: int | None = NAMES_MAX) -> "Parts":
        """Return the sum. Names that are there stay; of new ones the largest get in while there is room."""
        named, other = dict(self.named), self.other + more.other
        for name, quantity in _largest_first(more.named):
            if name in named or names_max is None or len(named) < names_max:
                named[name] = named.get(name, ZERO) + quantity
            else:
                other += quantity
        return Parts(named, other)

    def largest(self, names_max: int) -> "Parts":
        """Return the same units, with no more than the largest names kept apart, largest first."""
        return Parts().plus(self, names_max)


class MadeOf(Value):
    """What some units were made of, in both views."""

    models: Parts = field(default_factory=Parts)
    sources: Parts = field(default_factory=Parts)

    def plus(self, more: "MadeOf", names_max: int | None = NAMES_MAX) -> "MadeOf":
        """Return the sum of both views."""
        return MadeOf(self.models.plus(more.models, names_max), self.sources.plus(more.sources, names_max))

    def within(self, used: Decimal) -> "MadeOf":
        """Return the views that do not know of more units than were ``used``; of another one nothing is known.

        A view may know more where a period's start was corrected after the usage: part of it is on another chart.
        """
        models = self.models if self.models.known <= used else Parts()
        return replace(self, models=models, sources=self.sources if self.sources.known <= used else Parts())


NOTHING_KNOWN: Final = MadeOf()


def made_of_days(events: Iterable[UsageEvent]) -> dict[str, MadeOf]:
    """Return what events of one write were made of, by the key of their day; without days of which nothing is known."""
    return made_of_by((day_key(event.used_at), event) for event in events)


def made_of_by(placed: Iterable[tuple[str, UsageEvent]]) -> dict[str, MadeOf]:
    """Return what events of one write were made of, by the place of each. Names beyond a write's bound are ``other``."""
    models: dict[str, dict[str, Decimal]] = {}
    sources: dict[str, dict[str, Decimal]] = {}
    for place, event in placed:
        for name, units in ((event.model, models), (event.source, sources)):
            if name is not None and event.quantity > ZERO:
                there = units.setdefault(place, {})
                there[name] = there.get(name, ZERO) + event.quantity
    by_model, by_source = _bounded(models), _bounded(sources)
    return {
        place: MadeOf(by_model.get(place, Parts()), by_source.get(place, Parts()))
        for place in sorted(by_model.keys() | by_source.keys())
    }


def _bounded(places: Mapping[str, Mapping[str, Decimal]]) -> dict[str, Parts]:
    """Return the units of each place by name: the largest names of all places together, and the others as one."""
    total = Parts()
    for units in places.values():
        total = total.plus(Parts(units), names_max=None)
    kept = total.largest(NAMES_OF_WRITE_MAX).named
    return {
        place: Parts(
            {name: units[name] for name in sorted(units) if name in kept},
            sum((quantity for name, quantity in units.items() if name not in kept), ZERO),
        )
        for place, units in places.items()
    }


def _largest_first(units: Mapping[str, Decimal]) -> list[tuple[str, Decimal]]:
    return sorted(units.items(), key=lambda each: (-each[1], each[0]))
