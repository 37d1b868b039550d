"""The hot operations, each as one call of its handler: made ready, so that a call can be counted or timed by itself."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final

import quota_check
import usage_batch
import usage_recording
from pancake_meter.catalog import load_catalog
from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.deps.quota import QuotaDeps
from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import UsageLine
from pancake_meter.usecases.selling.offer import Offers
from pancake_meter.usecases.usage.bulk import bulk_messages
from tests.support.api import LambdaContext, api_event
from tests.support.sqs import sqs_event

CATALOG: Final = load_catalog(Path(__file__).resolve().parents[2] / "layers" / "catalog" / "catalog.toml")
NOW: Final = datetime(2026, 3, 10, 15, 20, tzinfo=UTC)
CUSTOMER: Final = "3f2b8c1e-9d47-4f0a-8a55-1c6e2b7d9a10"
METER: Final = "tokens"
EVENT_UNITS: Final = 3
HELD_UNITS, USED_UNITS = 400, 312

Call = Callable[[], dict[str, Any]]


@dataclass
class HotOperations:
    """The operations on one customer. Ids are UUIDs: the ``made`` of each call, and the ``writer`` that makes it."""

    metering: Metering
    customer_id: str = CUSTOMER
    now: datetime = NOW
    writer: int = 0
    made: int = 0

    def check(self) -> Call:
        """One quota."""
        return self._gate("quota_one_meter", f"/quota/{METER}")

    def hold(self) -> Call:
        """Reserve units, under the next id."""
        self.made += 1
        return self._gate("holds_place", "/holds", {"meter": METER, "quantity": HELD_UNITS, "id": self._id()})

    def settle(self) -> Call:
        """Settle what was held last."""
        path = f"/holds/{METER}~{HELD_UNITS}~{self._id()}/settle"
        return self._gate("holds_settle", path, {"quantity": USED_UNITS})

    def release(self) -> Call:
        """Release what was held last."""
        return self._gate("holds_release", f"/holds/{METER}~{HELD_UNITS}~{self._id()}")

    def record(self, count: int = 1) -> Call:
        """Count so many new events."""
        event = api_event("usage_batch", body={"events": self._events(count)})
        return partial(usage_recording.handler, event, LambdaContext(), MeteringDeps(self.metering, lambda: self.now))

    def bulk_message(self) -> Call:
        """Count a message of the queue with 99 new events."""
        lines = [
            UsageLine(each["customer_id"], METER, usage_event(each["id"], Decimal(EVENT_UNITS), None, self.now))
            for each in self._events(99)
        ]
        (message,) = bulk_messages(lines)
        deps = MeteringDeps(self.metering, lambda: self.now)
        return partial(usage_batch.handler, sqs_event([message]), LambdaContext(), deps)

    def of(self, name: str) -> Call:
        """Return the operation that ``tools.costs.COUNTED`` names so."""
        operations: dict[str, Callable[[], Call]] = {
            "check": self.check,
            "hold": self.hold,
            "settle": self.settle,
            "release": self.release,
            "record": self.record,
            "batch of 99": lambda: self.record(99),
            "bulk message of 99": self.bulk_message,
        }
        return operations[name]()

    def _gate(self, name: str, path: str, body: Any = None, query: dict[str, str] | None = None) -> Call:
        offers = Offers(self.metering.catalog, "test", lambda: "a secret of the tests, of 32 characters or more")
        event = api_event(name, path=f"/v1/customers/{self.customer_id}{path}", body=body, query=query)
        deps = QuotaDeps(self.metering, offers, lambda: self.now)
        return partial(quota_check.handler, event, LambdaContext(), deps)

    def _id(self, number: int = 0) -> str:
        return f"0b7c1d2e-4f50-4{self.writer:03d}-8{number:03d}-{self.made:012d}"

    def _events(self, count: int) -> list[dict[str, Any]]:
        self.made += 1
        return [
            {"id": self._id(number), "customer_id": self.customer_id, "meter": METER, "quantity": EVENT_UNITS}
            for number in range(count)
        ]
