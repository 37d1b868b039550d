"""Issue 14, point 10: alerts on an EventBridge bus, within its limits, none lost to passing trouble."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore import session
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.validate import validate_parameters

from pancake_meter.deps.stream import followers_of
from pancake_meter.domain.alerts.payload import payload_of
from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.store.alerts.alerts import list_alerts
from pancake_meter.store.alerts.bus import AlertBus
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.value import replace
from tests.integration.stream.conftest import NOW
from tests.support.followed import Reader
from tests.support.webhook_world import World

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

ENTRY_BYTES_MAX = 262_144
PUT_EVENTS = session.get_session().get_service_model("events").operation_model("PutEvents").input_shape


class MemoryBus:
    """Keeps the entries that it takes. ``fails`` is ``None``, ``"some"``, ``"all"`` or ``"for good"``."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.fails: str | None = None

    def put_events(self, **request: Any) -> dict[str, Any]:
        """Take entries as EventBridge does: at most ten, of 256 KB."""
        assert PUT_EVENTS is not None
        validate_parameters(request, PUT_EVENTS)
        entries = request["Entries"]
        assert 0 < len(entries) <= 10
        assert sum(len(json.dumps(entry, default=str)) for entry in entries) <= ENTRY_BYTES_MAX
        if self.fails == "all":
            raise EndpointConnectionError(endpoint_url="https://events.example.com")
        if self.fails == "for good":
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "PutEvents")
        refused = 1 if self.fails == "some" else 0
        self.entries += entries[refused:]
        return {"FailedEntryCount": refused, "Entries": []}


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus()


@pytest.fixture
def told(reads: Reader, bus: MemoryBus) -> Reader:
    """A stream reader with a bus."""
    there = AlertBus(cast("EventBridgeClient", bus), "ours", sleep=lambda _: None)
    reads.deps = replace(reads.deps, followers=followers_of(reads.bell, there))
    return reads


def use(world: World, customers: int) -> None:
    for number in range(customers):
        event = usage_event("e", Decimal(15_000), None, NOW)
        record_events(world.metering, f"customer-{number}", "tokens", [event], NOW)


def test_each_alert_is_put_on_the_bus_as_its_payload_with_its_id(followed: World, told: Reader, bus: MemoryBus) -> None:
    use(followed, 13)
    # When the alerts ring, and the stream tells of them
    told.follow()
    told.follow()
    # Then
    alerts, _ = list_alerts(followed.table, limit=100)
    assert len(alerts) == 26
    details = [json.loads(entry["Detail"]) for entry in bus.entries]
    assert {detail["id"]: detail for detail in details} == {
        alert.id: {"id": alert.id, **json.loads(json.dumps(payload_of(alert)))} for alert in alerts
    }
    assert {(entry["Source"], entry["DetailType"], entry["EventBusName"]) for entry in bus.entries} == {
        ("pancake-meter", "quota.threshold_reached", "ours")
    }
    assert {entry["Time"] - NOW < timedelta(minutes=1) for entry in bus.entries} == {True}


@pytest.mark.parametrize("trouble", ["some", "all"])
def test_what_a_bus_in_passing_trouble_does_not_take_comes_again(
    followed: World, told: Reader, bus: MemoryBus, trouble: str
) -> None:
    use(followed, 3)
    told.read(told.records())
    bus.fails = trouble
    assert told.read(told.records()) is not None
    bus.fails = None
    told.follow()
    alerts, _ = list_alerts(followed.table, limit=100)
    assert {json.loads(entry["Detail"])["id"] for entry in bus.entries} == {alert.id for alert in alerts}


def test_a_bus_that_is_not_there_stops_no_shard(followed: World, told: Reader, bus: MemoryBus) -> None:
    use(followed, 1)
    told.read(told.records())
    bus.fails = "for good"
    assert told.read(told.records()) is None
    assert len(told.aside.bodies) == 2


def test_without_a_bus_nothing_is_put(followed: World, reads: Reader) -> None:
    assert len(reads.deps.followers) == 4
    use(followed, 1)
    reads.follow()
