"""What the customers use: by day, by model and by source, in the three formats that sellers send."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

from local.demo.acts import LAST_DAY
from local.demo.cast import Customer
from local.demo.world import World

MODELS = ("openai/gpt-4o", "openai/gpt-4o-mini", "anthropic/claude-sonnet-4", "gemini/gemini-2.5-flash")
EMBEDDINGS = "text-embedding-3-large"
SOURCES = ("web-app", "batch-jobs", "mobile-app")
EVENTS_MAX = 100
BEFORE_MAX = 20
"""Days before the month that have usage."""

_WEEKEND = 5
_QUIET = 0.4
_GROWTH = 0.5


def use(world: World, day: int) -> int:
    """Have all customers use what they use on a day; return how many events it was. A repeat counts nothing twice."""
    using = [customer for customer in world.customers if -customer.days_before <= day <= customer.stops]
    calls = [call for customer in using for call in _model_calls(world, customer, day)]
    events = [event for customer in using for event in _cloud_events(world, customer, day)]
    items = [item for customer in using for item in _items(world, customer, day)]
    if calls:
        world.post("/v1/usage/litellm", calls)
    if events:
        world.post_events(events)
    _record(world, items)
    return len(calls) + len(events) + len(items)


def use_before(world: World) -> int:
    """Tell what was used before the month, by those who had subscribed by then."""
    items = [
        _item(world, customer, meter, day, units)
        for customer in world.customers
        for day in range(-min(customer.days_before, BEFORE_MAX) + 1, 0)
        for meter, units in _units(customer, day).items()
    ]
    _record(world, items)
    return len(items)


def _record(world: World, items: Sequence[dict[str, Any]]) -> None:
    for start in range(0, len(items), EVENTS_MAX):
        world.post("/v1/usage", {"events": items[start : start + EVENTS_MAX]})


def _units(customer: Customer, day: int) -> dict[str, int]:
    """Return what a customer uses on a day, by meter: less at weekends, more from week to week."""
    chance = Random(f"{customer.id}/{day}")  # noqa: S311 - made-up figures
    rhythm = _QUIET if (day + len(customer.id)) % 7 >= _WEEKEND else 1.0
    growth = 1 + _GROWTH * max(day, 0) / LAST_DAY
    return {
        meter: max(1, round(daily * rhythm * growth * chance.uniform(0.75, 1.3)))
        for meter, daily in customer.daily.items()
    }


def _model_calls(world: World, customer: Customer, day: int) -> Iterator[dict[str, Any]]:
    """Yield the larger part of a day's tokens, as LiteLLM tells of calls of two models."""
    units = _units(customer, day).get("tokens")
    if units is None:
        return
    first = sum(customer.id.encode()) % len(MODELS)
    for index, share in enumerate((0.5, 0.2)):
        model, tokens = MODELS[(first + index) % len(MODELS)], max(2, round(units * share))
        said = tokens // 4
        at = _hour(world, customer, day, index)
        yield {
            "litellm_call_id": f"{_name(world, customer, day)}-{index}",
            "status": "success",
            "startTime": at.timestamp() - 2,
            "endTime": at.timestamp(),
            "model": model,
            "model_group": model.partition("/")[2],
            "metadata": {
                "user_api_key_team_id": customer.id,
                "usage_object": {"prompt_tokens": tokens - said, "completion_tokens": said, "total_tokens": tokens},
            },
        }


def _cloud_events(world: World, customer: Customer, day: int) -> Iterator[dict[str, Any]]:
    """Yield the rest of a day's tokens, or its agent runs, as an application tells OpenMeter of them."""
    units = _units(customer, day)
    runs = units.get("agent_runs")
    data: dict[str, Any] = {"runs": runs} if runs is not None else {"tokens": max(1, round(units["tokens"] * 0.3))}
    if runs is None and day % 3 == 0:
        # On other days the application does not say which model it was.
        data["model"] = EMBEDDINGS
    yield {
        "specversion": "1.0",
        "id": _name(world, customer, day),
        "source": SOURCES[sum(customer.id.encode()) % len(SOURCES)],
        "type": "agent-run" if runs is not None else "tokens-used",
        "subject": customer.id,
        "time": _hour(world, customer, day, 2).isoformat(),
        "data": data,
    }


def _items(world: World, customer: Customer, day: int) -> Iterator[dict[str, Any]]:
    """Yield a day's requests, as the seller's own backend counts them."""
    requests = _units(customer, day).get("requests")
    if requests is not None:
        yield _item(world, customer, "requests", day, requests)


def _item(world: World, customer: Customer, meter: str, day: int, units: int) -> dict[str, Any]:
    return {
        "id": f"{_name(world, customer, day)}-{meter}",
        "customer_id": customer.id,
        "meter": meter,
        "quantity": units,
        "time": _hour(world, customer, day, 1).isoformat(),
        "source": SOURCES[sum(customer.id.encode()) % len(SOURCES)],
    }


def _name(world: World, customer: Customer, day: int) -> str:
    return f"demo-{customer.id}-{world.at(day):%Y%m%d}"


def _hour(world: World, customer: Customer, day: int, index: int) -> datetime:
    """Return an instant in the hours before the day's acts."""
    minutes = 30 + sum(customer.id.encode()) % 60 + 60 * index
    return world.at(day) - timedelta(minutes=minutes)
