"""What usage was made of, on the wire."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from typing_extensions import TypedDict

from pancake_meter.domain.balance.balance import ZERO
from pancake_meter.domain.usage.made_of import NAMES_MAX, NOTHING_KNOWN, MadeOf, Parts
from pancake_meter.http.fields import Day, Units


class PartsBody(TypedDict):
    """Units by name, the largest first; of names that are not kept apart (``other``), and of which none is known.

    All of them together are what was used.
    """

    named: dict[str, Units]
    other: Units
    unknown: Units


class DayMadeOfBody(TypedDict):
    """What the usage of a day was made of: by model and by source."""

    models: PartsBody
    sources: PartsBody


class MadeOfBody(TypedDict):
    """What the usage of a period was made of, in all and by day. Models and sources are two views of the same units."""

    models: PartsBody
    sources: PartsBody
    days: dict[Day, DayMadeOfBody]


def made_of_body(used: Mapping[date, Decimal], made_of: Mapping[date, MadeOf]) -> MadeOfBody:
    """Return what usage by day was made of."""
    total = NOTHING_KNOWN
    for each in made_of.values():
        total = total.plus(each, names_max=None)
    return {
        **_day(sum(used.values(), ZERO), total),
        "days": {day.isoformat(): _day(units, made_of.get(day, NOTHING_KNOWN)) for day, units in sorted(used.items())},
    }


def _day(used: Decimal, made_of: MadeOf) -> DayMadeOfBody:
    return {"models": _parts(used, made_of.models), "sources": _parts(used, made_of.sources)}


def _parts(used: Decimal, parts: Parts) -> PartsBody:
    shown = parts.largest(NAMES_MAX)
    return {"named": dict(shown.named), "other": shown.other, "unknown": used - shown.known}
