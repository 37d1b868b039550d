"""AWS's rules as named constants, each with the page that states it; and what AWS does not publish, which is assumed.

The pages are of AWS's documentation. Each figure was found in a stored copy of its page, or in a quotation of it, but for
what ``said`` says was not.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Rule:
    """A figure, its unit, what it bounds, and the page that states it."""

    value: int
    unit: str
    bounds: str
    said: str


PARTITION_WRITES: Final = Rule(
    1_000,
    "write units a second",
    "one partition of a table or an index, so also one item: a hot item gets a partition of its own, and no more",
    "DynamoDB, Burst and adaptive capacity; Key range throughput exceeded (hot partitions)",
)
PARTITION_READS: Final = Rule(
    3_000, "read units a second", "one partition", "DynamoDB, Key range throughput exceeded (hot partitions)"
)
BURST_SECONDS: Final = Rule(
    300,
    "seconds",
    "unused capacity that may be kept for a burst. Not counted on here: AWS may use it for itself",
    "DynamoDB, Burst and adaptive capacity",
)
NEW_TABLE_WRITES: Final = Rule(
    4_000,
    "write units a second",
    "a new on-demand table; `WarmThroughput` starts it higher",
    "DynamoDB, On-demand capacity mode; Understanding warm throughput",
)
GROWTH_FACTOR: Final = Rule(
    2,
    "times the previous peak",
    "what an on-demand table takes at once",
    "DynamoDB, On-demand capacity mode",
)
GROWTH_MINUTES: Final = Rule(
    30,
    "minutes",
    "within which more than double the previous peak may be throttled. Often it is not: taken at its worst here",
    "AWS re:Post, Why is my on-demand DynamoDB table being throttled?",
)
TABLE_WRITES: Final = Rule(
    40_000,
    "write units a second",
    "one on-demand table, until the quota is raised",
    "DynamoDB, On-demand capacity mode (default table throughput quota)",
)
TRANSACTION_FACTOR: Final = Rule(
    2,
    "units for one",
    "each write in a transaction: it is prepared, and then committed",
    "DynamoDB, Transactions: how it works (capacity management)",
)
ITEM_TRANSACTIONS: Final = Rule(
    1,
    "transaction at a time",
    "one item: the later one is refused (`TransactionConflict`), not queued, and charged",
    "DynamoDB, Transactions: how it works (conflict handling, capacity management)",
)
TRANSACTION_ITEMS: Final = Rule(100, "items", "one transaction", "DynamoDB, Transactions: how it works")
INDEX_MOVE_WRITES: Final = Rule(
    2,
    "write units",
    "an entry of an index whose key changes: one is deleted, one put. An index that is throttled throttles the table",
    "DynamoDB, Global secondary indexes; GSI write throttling and back pressure",
)
API_REQUESTS: Final = Rule(
    10_000, "requests a second", "all APIs of an account and region; 2,500 in some regions", "API Gateway quotas"
)
API_BURST: Final = Rule(5_000, "requests", "the same, at one instant", "API Gateway quotas")
CONCURRENCY: Final = Rule(
    1_000,
    "executions at once",
    "all functions of an account and region; often 10 in a new account",
    "Lambda, Understanding function scaling",
)
REQUESTS_A_SLOT: Final = Rule(
    10,
    "requests a second",
    "each execution of the account's concurrency, so 10,000 for 1,000, however short they are",
    "Lambda, Scaling behavior (10,000 requests a second for 1,000 environments)",
)
SCALING: Final = Rule(1_000, "new environments in 10 seconds", "one function", "Lambda, Scaling behavior")
FULL_CPU_MB: Final = Rule(
    1_769, "MB", "a function that has one whole processor; less has its share", "Lambda, Configuring function memory"
)
QUEUE_CONSUMERS: Final = Rule(
    1_000,
    "batches at once",
    "one queue's mapping; it begins with 5 and adds 300 a minute, up to MaximumConcurrency",
    "Lambda, Scaling behavior for SQS event source mappings",
)
FIFO_GROUP_SENDS: Final = Rule(
    300,
    "requests a second",
    "one partition of a FIFO queue, so one message group; 3,000 messages where they are sent in tens",
    "SQS, Message quotas; Troubleshoot FIFO throttling",
)
STREAM_BATCHES: Final = Rule(
    1,
    "batch at once",
    "one shard of the table's stream, of which each partition of the table has one; `ParallelizationFactor` makes it up to "
    "10, in order for each item only",
    "Lambda, Process DynamoDB records; the order by item was not found in the stored copy",
)
STREAM_HOURS: Final = Rule(24, "hours", "what a stream keeps", "DynamoDB Streams")

RULES: Final = (
    PARTITION_WRITES,
    PARTITION_READS,
    BURST_SECONDS,
    NEW_TABLE_WRITES,
    GROWTH_FACTOR,
    GROWTH_MINUTES,
    TABLE_WRITES,
    TRANSACTION_FACTOR,
    ITEM_TRANSACTIONS,
    TRANSACTION_ITEMS,
    INDEX_MOVE_WRITES,
    API_REQUESTS,
    API_BURST,
    CONCURRENCY,
    REQUESTS_A_SLOT,
    SCALING,
    FULL_CPU_MB,
    QUEUE_CONSUMERS,
    FIFO_GROUP_SENDS,
    STREAM_BATCHES,
    STREAM_HOURS,
)

# --- What AWS does not publish ------------------------------------------------------------------------------------

HELD_MS_SMALL: Final = 10
"""How long a transaction of two items keeps others from its items: about its latency."""

HELD_MS_LARGE: Final = 40
"""The same of a transaction of 100 items."""
