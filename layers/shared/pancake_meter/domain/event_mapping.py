"""Event types: how a stream of events, each with a type and data, feeds meters."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EventMapping:
    """One line of the catalog's ``[[openmeter.events]]``: events of ``type`` feed ``meter``.

    ``value`` is the path of the quantity in the event's data (``usage.total``), ``model`` that of the model's name;
    ``usage`` that of an object with token counts, ``""`` being the data itself.
    """

    type: str
    meter: str
    value: str | None = None
    model: str | None = None
    usage: str = ""
