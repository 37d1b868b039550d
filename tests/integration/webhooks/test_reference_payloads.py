"""Every reference event through the intake: kept with a verdict, and done or parked when it comes again."""

import pytest

from tests.support.waffo_webhooks import DATA, reference
from tests.support.webhook_world import World, utc

NOW = utc("2026-06-15T12:00:00")


@pytest.mark.parametrize("name", sorted(path.name for path in DATA.glob("events/*.json")))
def test_a_reference_event_is_kept_with_a_verdict(world: World, name: str) -> None:
    document = reference(f"events/{name}")
    taken = World(world.table, NOW, mode=document["mode"])
    assert taken.take(document).verdict in {"applied", "ignored", "parked"}
    assert taken.take(document).verdict in {"duplicate", "parked"}
