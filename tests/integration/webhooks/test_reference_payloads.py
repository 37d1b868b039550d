"""Every reference payload through the intake: applied, ignored or parked, or refused for what it is."""

import pytest

from pancake_meter.waffo.errors import WrongMode
from tests.support.waffo_webhooks import DATA, reference
from tests.support.webhook_world import World, utc

PAYLOADS = sorted(
    f"{path.parent.name}/{path.name}" for kind in ("events", "quirks") for path in DATA.glob(f"{kind}/*.json")
)
REFUSED = {
    "quirks/test_mode_event_sent_to_production.json": WrongMode,
}
NOW = utc("2026-06-15T12:00:00")


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_reference_payload_is_kept_with_a_verdict_or_refused(world: World, name: str) -> None:
    if name in REFUSED:
        with pytest.raises(REFUSED[name]):
            World(world.table, NOW, mode="prod").take(reference(name))
        return
    stated = reference(name)
    if name == "quirks/obsolete_old_docs_shape.json":
        outcome = World(world.table, NOW).take(stated)
        assert (outcome.verdict, outcome.reason) == ("failed", "malformed_event")
        return
    # One quirk takes two events to tell, under names of their own.
    for document in [stated] if "eventType" in stated else [stated["first"], stated["second"]]:
        taken = World(world.table, NOW, mode=document["mode"])
        assert taken.take(document).verdict in {"applied", "ignored", "parked"}
        assert taken.take(document).verdict in {"duplicate", "parked"}
