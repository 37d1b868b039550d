"""A firehose: very many events of one customer, in bodies as a client posts them, some of them again."""

import json
import random
from dataclasses import dataclass

EVENTS = 100_000
BODY_EVENTS = 4_000
TAIL_EVENTS = 1_000


@dataclass(frozen=True)
class Firehose:
    """``bodies`` are lines of JSON; ``total`` is what distinct events come to; ``posted`` events are more than these."""

    bodies: tuple[str, ...]
    total: int
    posted: int


def firehose(customer_id: str, seed: int = 1) -> Firehose:
    """Return 100,000 events of a customer, in any order; one body comes twice, and of another its last 1,000 events."""
    dice = random.Random(seed)  # noqa: S311 - replayable
    events = [
        {"id": f"e{n:06}", "customer_id": customer_id, "meter": "tokens", "quantity": n % 9 + 1} for n in range(EVENTS)
    ]
    bodies = [events[first : first + BODY_EVENTS] for first in range(0, EVENTS, BODY_EVENTS)]
    whole, part = dice.sample(bodies, 2)
    posted = [*bodies, whole, part[-TAIL_EVENTS:]]
    dice.shuffle(posted)
    total = sum(n % 9 + 1 for n in range(EVENTS))
    return Firehose(tuple("\n".join(map(json.dumps, body)) for body in posted), total, sum(map(len, posted)))
