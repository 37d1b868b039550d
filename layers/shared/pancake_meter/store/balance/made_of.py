"""What usage was made of: as a balance carries it for the stream reader, and by day as that keeps it.

``made_of`` of a balance says it of the latest write alone: each write replaces or removes it, so it never grows.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from pancake_meter.domain.balance.balance import ZERO
from pancake_meter.domain.instant import timestamp
from pancake_meter.domain.usage.made_of import MadeOf, Parts
from pancake_meter.store.keys import customer_partition, made_of_key, made_of_prefix
from pancake_meter.store.table import READ_ITEMS_MAX, Item, Put, Table
from pancake_meter.value import Value

MADE_OF: Final = "made_of"
"""The attribute of the balance: what the latest write counted was made of, by the place of its days."""

_MODELS: Final = "m"
_SOURCES: Final = "s"
_NAMES: Final = "n"
_OTHER: Final = " "
"""Stands for all names that are not kept apart. No name is white space."""
_PAGE: Final = 500
_PAGES_MAX: Final = 10
"""A page ends at 1 MB: so much is read of days with as many and as long names as there can be, for two years."""


class Day(NamedTuple):
    """A day of a chart, which is known by its start: two periods may share a day."""

    customer_id: str
    meter: str
    chart_start: datetime
    day: date


Version = tuple[Decimal, ...]
"""Segment and usage of the balance whose change was added last: they order all states of a balance."""


class DayMadeOf(Value):
    """What a day was made of, as of a version of the balance."""

    made_of: MadeOf
    version: Version


def late_place(chart_start: datetime, used_at: datetime) -> str:
    """Return the place of a day of a chart that was put away; a day of the open chart is at its own key (``MMDD``)."""
    return f"{timestamp(chart_start)}#{used_at.astimezone(UTC).date()}"


def made_of_attribute(made_of: Mapping[str, MadeOf]) -> dict[str, Any]:
    """Return what a write counted as the attribute of the balance: each name once, and by place the units of its number.

    ``m0`` are units of a model that has the first name, ``s0`` of such a source; ``m`` and ``s`` those of all other names.
    """
    numbers: dict[str, int] = {}
    places: dict[str, Any] = {}
    for place, each in made_of.items():
        places[place] = units = {}
        for view, parts in ((_MODELS, each.models), (_SOURCES, each.sources)):
            for name, quantity in parts.named.items():
                units[f"{view}{numbers.setdefault(name, len(numbers))}"] = quantity
            if parts.other:
                units[view] = parts.other
    return {_NAMES: list(numbers), **places}


def made_of_from_item(item: Item) -> dict[str, MadeOf]:
    """Return what the latest write of a balance counted; nothing where that is not known."""
    attribute = item.get(MADE_OF, {})
    names = attribute.get(_NAMES, ())
    return {
        place: MadeOf(_told(names, _MODELS, units), _told(names, _SOURCES, units))
        for place, units in attribute.items()
        if place != _NAMES
    }


def _told(names: Sequence[str], view: str, units: Mapping[str, Decimal]) -> Parts:
    numbered = {key.removeprefix(view): quantity for key, quantity in units.items() if key.startswith(view)}
    other = numbered.pop("", ZERO)
    return Parts({names[int(number)]: quantity for number, quantity in numbered.items()}, other)


def read_days(table: Table, days: Sequence[Day]) -> dict[Day, DayMadeOf]:
    """Return what is kept of those days: one request for 100 of them."""
    of_place = {_place(made_of_key(*day)): day for day in days}
    found: dict[Day, DayMadeOf] = {}
    for first in range(0, len(days), READ_ITEMS_MAX):
        keys = [made_of_key(*day) for day in days[first : first + READ_ITEMS_MAX]]
        for item in table.get_all(keys):
            found[of_place[_place(item)]] = DayMadeOf(_made_of(item), tuple(item["version"]))
    return found


def day_write(day: Day, kept: DayMadeOf, before: DayMadeOf | None) -> Put:
    """Return the write that keeps a day, refused where it is not as it was read."""
    item = {**made_of_key(*day), **_attribute(kept.made_of), "version": list(kept.version)}
    if before is None:
        return Put(item, "attribute_not_exists(PK)")
    return Put(item, "version = :known", {":known": list(before.version)})


def read_charts_made_of(
    table: Table, customer_id: str, meter: str, first: datetime, last: datetime
) -> dict[tuple[datetime, date], MadeOf]:
    """Return by chart start and day what is kept of the charts that start from ``first`` to ``last``: one query, or few."""
    prefix = made_of_prefix(meter)
    values = {
        ":partition": customer_partition(customer_id),
        ":lower": f"{prefix}{timestamp(first)}#",
        ":upper": f"{prefix}{timestamp(last)}#~",
    }
    found: dict[tuple[datetime, date], MadeOf] = {}
    start = None
    for _ in range(_PAGES_MAX):
        items, start = table.query(
            "PK = :partition AND SK BETWEEN :lower AND :upper", values, limit=_PAGE, forward=False, start=start
        )
        for item in items:
            began, _, day = item["SK"].removeprefix(prefix).partition("#")
            found[datetime.fromisoformat(began), date.fromisoformat(day)] = _made_of(item)
        if start is None:
            break
    return found


def _attribute(made_of: MadeOf) -> dict[str, Any]:
    views = {_MODELS: _parts_attribute(made_of.models), _SOURCES: _parts_attribute(made_of.sources)}
    return {name: parts for name, parts in views.items() if parts}


def _made_of(item: Mapping[str, Any]) -> MadeOf:
    return MadeOf(_parts(item.get(_MODELS, {})), _parts(item.get(_SOURCES, {})))


def _parts_attribute(parts: Parts) -> dict[str, Any]:
    return {**parts.named, **({_OTHER: parts.other} if parts.other else {})}


def _parts(item: Mapping[str, Decimal]) -> Parts:
    return Parts({name: units for name, units in item.items() if name != _OTHER}, item.get(_OTHER, ZERO))


def _place(key: Mapping[str, Any]) -> tuple[str, str]:
    return key["PK"], key["SK"]
