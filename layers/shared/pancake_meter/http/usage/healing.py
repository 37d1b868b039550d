"""What a run of healing answers."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from pancake_meter.domain.instant import timestamp
from pancake_meter.http.fields import WHOLE, Timestamp, Units, WireModel
from pancake_meter.usecases.usage.heal import PATIENCE, Healing


class HealingRequest(WireModel):
    """A run on demand. Calls younger than ``patience_seconds`` may still be told of in the usual way, and are left alone."""

    patience_seconds: Annotated[int, Field(strict=True, ge=0, le=86_400), WHOLE] = int(PATIENCE.total_seconds())


class HealingBody(TypedDict):
    """A run over LiteLLM's spend log: calls that started from ``since`` to ``until``, or to where it was ``is_left``.

    ``read`` calls: ``known`` (told of before), ``differing`` (known with other units, which stay), ``ignored`` (of a kind
    that does not count), ``missed`` (nobody told us; ``missed_units`` by meter), ``uncountable``. With ``mode`` ``record``
    missed calls are ``recorded`` and uncountable ones ``parked``; with ``report`` nothing changes. ``failure``: why the run
    ended early; the next one begins there.
    """

    mode: str
    since: Timestamp
    until: Timestamp
    read: int
    known: int
    differing: int
    ignored: int
    missed: int
    missed_units: dict[str, Units]
    uncountable: int
    recorded: int
    parked: int
    is_left: bool
    failure: str | None


def healing_body(healing: Healing) -> HealingBody:
    """Return a run's report."""
    return {
        "mode": healing.mode,
        "since": timestamp(healing.since),
        "until": timestamp(healing.until),
        "read": healing.read,
        "known": healing.known,
        "differing": healing.differing,
        "ignored": healing.ignored,
        "missed": healing.missed,
        "missed_units": dict(sorted(healing.missed_units.items())),
        "uncountable": healing.uncountable,
        "recorded": healing.recorded,
        "parked": healing.parked,
        "is_left": healing.is_left,
        "failure": healing.failure,
    }
