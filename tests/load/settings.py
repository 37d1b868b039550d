"""What bounds a stack: its parameters as template.yaml has them, AWS's quotas, and the table's age."""

from dataclasses import dataclass
from typing import Any, Final

from tests.load.aws_rules import API_REQUESTS, CONCURRENCY, FULL_CPU_MB, NEW_TABLE_WRITES, PARTITION_WRITES
from tools.cfn_template import load_template

TEMPLATE: Final = load_template()
GLOBAL_MB: Final[int] = TEMPLATE["Globals"]["Function"]["MemorySize"]

OWN_SHARE: Final = 0.5
"""Of a request's duration, what is the function's own work at 512 MB; the rest is waiting. Assumed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator, or AWS at their request, can change."""

    api_rate: float
    bulk_concurrency: int
    alert_concurrency: int
    stream_batch: int
    stream_factor: int
    api_account: float = API_REQUESTS.value
    concurrency: int = CONCURRENCY.value
    table_warm: float = NEW_TABLE_WRITES.value

    @property
    def partitions(self) -> int:
        """Partitions of the table, each with a shard of the stream: as many as its write units need."""
        return max(1, int(self.table_warm // PARTITION_WRITES.value))


def as_deployed() -> Settings:
    """Return the settings of a stack that was deployed a moment ago, with every parameter at its default."""
    stream = mapping_of("StreamReaderFunction")
    return Settings(
        api_rate=default_of("ThrottlingRateLimit"),
        bulk_concurrency=default_of("BulkConcurrency"),
        alert_concurrency=default_of("AlertConcurrency"),
        stream_batch=stream["BatchSize"],
        stream_factor=stream.get("ParallelizationFactor", 1),
    )


def default_of(parameter: str) -> int:
    """Return the default of a number among the template's parameters."""
    return int(TEMPLATE["Parameters"][parameter]["Default"])


def mapping_of(function: str) -> Any:
    """Return the properties of the queue or stream that calls a function: it has one."""
    (event,) = TEMPLATE["Resources"][function]["Properties"]["Events"].values()
    return event["Properties"]


def memory_of(function: str) -> int:
    """Return the memory of a function in MB."""
    memory: int = TEMPLATE["Resources"][function]["Properties"].get("MemorySize", GLOBAL_MB)
    return memory


def work_rate(duration_ms: float, *, memory_mb: int = GLOBAL_MB, at_once: int = 1) -> float:
    """Return how many pieces of work one execution does in a second, so many at once.

    ``duration_ms`` is that of one piece at 512 MB. More at once wait side by side, and share the processor.
    """
    own_ms = duration_ms * OWN_SHARE * GLOBAL_MB / min(memory_mb, FULL_CPU_MB.value)
    waiting_ms = duration_ms * (1 - OWN_SHARE)
    return 1000 * min(at_once / (own_ms + waiting_ms), 1 / own_ms)
