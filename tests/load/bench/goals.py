"""What each figure is to reach, and why one that does not reach it does not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.load.bench.figures import Figure
from tests.load.bench.first_minute import FIRST, SECOND


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound of a figure's ratio, or where it has none, of the figure itself. ``reason``: why it may not be met."""

    most: float | None = None
    least: float | None = None
    reason: str = ""

    def is_met(self, figure: Figure) -> bool:
        """Return whether the figure is within the bound."""
        value = figure.ratio if figure.ratio is not None else figure.ours
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)

    def __str__(self) -> str:
        """The bound as the table has it."""
        return f"at most {self.most:g}" if self.most is not None else f"at least {self.least:g}"


_WARM: Final = ("check", "hold", "settle", "release", "record", "batch of 99", "webhook")
_WITH_ROUTES: Final = (
    *("access", "alerts", "customer_controls", "customer_data", "customers", "payments", "quota_check", "reports"),
    *("usage_batch", "usage_bulk", "usage_recording", "webhook_deliveries"),
)
_CALLERS: Final = ("overage_checkout", "reconciliation", "usage_healing", "waffo_actions")
_WIRE_MODELS: Final = "wire models, and Powertools' resolver: see *Cold starts*"
_CALLS_OTHERS: Final = f"httpx with all certificates, beside {_WIRE_MODELS}"
_TEMPLATES: Final = f"Jinja and Babel, beside {_CALLS_OTHERS}"
_HANDLER: Final = "the handler around the call: see *Warm calls*"
_MACHINE: Final = "what it installs, builds and deploys: see *The first minute*"
_WITHOUT_ROUTES: Final = ("alert_sender", "renewal_reset", "stream_reader", "usage_forwarding", "webhook_intake")
_SCATTER: Final = "figures of one run scatter, and it imports little: see *Cold starts*"
_GROWTH: Final = Goal(
    most=1.05, reason="noise of a busy machine: units and requests are the same, and so is the code that runs"
)
_BUSY: Final = "handlers, engine and all else share 2 processors here: what a handler computes, the engine cannot"

GOALS: Final[Mapping[str, Mapping[str, Goal]]] = {
    "warm": {
        **{name: Goal(most=1.2, reason=_HANDLER) for name in _WARM},
        **{f"{name}, over boto3 as it comes": Goal(most=1.2, reason=_HANDLER) for name in _WARM},
    },
    "cold": {
        **{name: Goal(most=1.6, reason=_WIRE_MODELS) for name in _WITH_ROUTES},
        **{name: Goal(most=1.6, reason=_CALLS_OTHERS) for name in _CALLERS},
        **{name: Goal(most=1.6, reason=_TEMPLATES) for name in ("customer_pages", "operator_console")},
        **{name: Goal(most=1.6, reason=_SCATTER) for name in _WITHOUT_ROUTES},
        "api_key_authorizer": Goal(most=1.1, reason=_SCATTER),
    },
    "counts": {
        **{f"{name}: requests": Goal(most=1) for name in ("check", "hold", "release", "record", "batch of 99")},
        "settle: requests": Goal(most=2),
        "hold: write units": Goal(most=1),
        "settle: write units": Goal(most=4),
        "release: write units": Goal(most=1),
        "record: write units": Goal(most=4),
        "batch of 99: write units": Goal(most=2.1 * 99),
        "hold, 20 in flight: write units": Goal(most=1),
        "settle, 20 in flight: write units": Goal(most=4),
        "hold, 50 in flight: write units": Goal(most=2),
        "settle, 50 in flight: write units": Goal(most=6),
        "batch of 99, sent again: requests": Goal(most=2),
        "batch of 99, sent again: write units": Goal(most=0),
        "webhook: requests": Goal(most=4),
    },
    "rates": {
        "record, 4 customers": Goal(least=0.85, reason=_BUSY),
        "hold and settle, 4 customers": Goal(least=0.85, reason=_BUSY),
        "batches of 99, 4 customers": Goal(least=0.85, reason=_BUSY),
        "record, 16 writers of one customer": Goal(least=0.9, reason=_BUSY),
    },
    "growth": dict.fromkeys(("check", "hold", "settle", "release", "record", "batch of 99"), _GROWTH),
    "peers": {},
    "first": {
        FIRST: Goal(most=30, reason=_MACHINE),
        SECOND: Goal(most=10, reason=_MACHINE),
    },
}

TITLES: Final[Mapping[str, str]] = {
    "warm": "Warm: the handler over the bare calls of the same requests",
    "cold": "Cold: importing the built function over boto3 and a DynamoDB client",
    "counts": "Counts, by AWS's rules: exact, on any machine",
    "rates": "Throughput over the engine's own rate for the same requests; sums are compared, nothing may be lost",
    "growth": "Growth: 100,000 customers and 1,000,000 events, over an empty table",
    "peers": "Peers, and what the client costs",
    "first": "The first minute, in seconds until a stack answers",
}
