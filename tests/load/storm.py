"""A million balances that are due at one instant: minute by minute until the last one is reset, followed and told of."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from pancake_meter.store.keys import REPORT_SHARDS, due_shards
from pancake_meter.usecases.side_by_side import WORKERS_MAX
from tests.load.aws_rules import INDEX_MOVE_WRITES, PARTITION_WRITES, TABLE_WRITES, TRANSACTION_FACTOR
from tests.load.settings import TEMPLATE, Settings, memory_of, work_rate
from tools import costs

CUSTOMERS: Final = 1_000_000
ENDPOINT_MS: Final = 200
"""Until an endpoint has answered an alert. Assumed."""

SWEEP_RESERVE_SECONDS: Final = 5
RESET: Final = "balances that were reset"
FOLLOWED: Final = "balances that were reset, followed"


@dataclass(frozen=True, slots=True)
class Storm:
    """What was left at the end of each minute: balances due, resets not followed, alerts not sent."""

    due: Sequence[float]
    unfollowed: Sequence[float]
    unsent: Sequence[float]

    @property
    def reset_hours(self) -> float:
        """Until the last balance was reset."""
        return _hours(self.due)

    @property
    def followed_hours(self) -> float:
        """Until live figures and lists were right again."""
        return max(self.reset_hours, _hours(self.unfollowed))

    @property
    def sent_hours(self) -> float:
        """Until the last endpoint knew."""
        return max(self.followed_hours, _hours(self.unsent))


@dataclass(frozen=True, slots=True)
class Sweep:
    """How the sweep works: its memory, and how many balances at once."""

    memory_mb: int
    at_once: int

    @property
    def resets_a_minute(self) -> float:
        """Of one run, as long as it lasts; runs follow each other every minute."""
        timeout: int = TEMPLATE["Resources"]["RenewalResetFunction"]["Properties"]["Timeout"]
        each_ms = costs.DURATION_MS[RESET] / costs.BEHIND_BALANCES
        rate = work_rate(each_ms, memory_mb=self.memory_mb, at_once=self.at_once)
        return rate * min(60, timeout - SWEEP_RESERVE_SECONDS)


BEFORE: Final = Sweep(512, 1)
"""The sweep until this simulation showed how long it takes: one balance after another."""

AS_BUILT: Final = Sweep(memory_of("RenewalResetFunction"), WORKERS_MAX)


@dataclass(slots=True)
class _Left:
    due: float = CUSTOMERS
    unfollowed: float = 0
    unsent: float = 0
    story: list[tuple[float, float, float]] = field(default_factory=list)


def run(sweep: Sweep, settings: Settings) -> Storm:
    """Run the storm. Nobody calls: a customer who does is reset by the call."""
    each_ms = costs.DURATION_MS[FOLLOWED] / costs.BEHIND_BALANCES
    resets = min(sweep.resets_a_minute, 60 * resets_a_second(settings))
    followed = 60 * settings.partitions * settings.stream_factor * work_rate(each_ms)
    sent = 60 * settings.alert_concurrency * 1000 / ENDPOINT_MS
    left = _Left()
    while left.due + left.unfollowed + left.unsent > 0:
        done = min(left.due, resets)
        left.due -= done
        told = min(left.unfollowed + done, followed)
        left.unfollowed += done - told
        left.unsent = max(0, left.unsent + told - sent)
        left.story.append((left.due, left.unfollowed, left.unsent))
    due, unfollowed, unsent = zip(*left.story, strict=True)
    return Storm(due, unfollowed, unsent)


def resets_a_second(settings: Settings) -> float:
    """Return how many resets a second the table takes: by its units, its index of due times, and the report by month."""
    each = (costs.BEHIND[RESET].write_units + costs.BEHIND[FOLLOWED].write_units) / costs.BEHIND_BALANCES
    return min(min(settings.table_warm, TABLE_WRITES.value) / each, *resets_of_partitions())


def resets_of_partitions() -> tuple[float, float]:
    """Return how many resets a second two sets of partitions take: of the index of due times, of the month's report."""
    return (
        len(due_shards()) * PARTITION_WRITES.value / INDEX_MOVE_WRITES.value,
        REPORT_SHARDS * PARTITION_WRITES.value / TRANSACTION_FACTOR.value,
    )


def dollars() -> float:
    """Return what it costs to reset and follow all of them."""
    return float(costs.behind(RESET).total + costs.behind(FOLLOWED).total) * CUSTOMERS / costs.MILLION


def _hours(left: Sequence[float]) -> float:
    return sum(each > 0 for each in left) / 60
