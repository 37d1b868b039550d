"""What docs/costs.md counts behind a call: the sweep that resets a balance, and the stream reader that follows a change."""

from datetime import UTC, datetime
from decimal import Decimal
from math import ceil
from typing import TYPE_CHECKING

import pytest

from pancake_meter.catalog import load_catalog
from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.store.keys import REPORT_SHARDS, report_shard
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.balance.sweep_due import sweep_due
from tests.support.followed import CATALOG, Reader, ToldTable
from tests.support.metered_dynamodb import Meter, metered
from tools.costs import BEHIND, BEHIND_BALANCES

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

USED = datetime(2026, 3, 10, 15, 20, tzinfo=UTC)
LATER = datetime(2026, 4, 20, 0, 1, tzinfo=UTC)
CUSTOMERS = [f"acct_{number}" for number in range(BEHIND_BALANCES)]


def use(metering: Metering, event: str) -> None:
    for customer_id in CUSTOMERS:
        record_events(metering, customer_id, "tokens", [usage_event(event, Decimal(5), None, USED)], USED)


def assert_counted(name: str, meter: Meter, told_reads: int = 0) -> None:
    """``told_reads`` are those of the test's own table, which looks at what it tells of."""
    written = meter.write_units_of_aws
    assert (ceil(meter.units - written - told_reads), written) == (BEHIND[name].read_units, BEHIND[name].write_units)


@pytest.mark.dynoxide("MiniStack counts each read as one unit or half of one, whatever it reads")
def test_what_follows_behind_a_call_uses_what_the_page_says(dynamodb: "DynamoDBClient", table: str) -> None:
    # Given customers of every shard of the reports, who are known and used something today
    assert {report_shard(each) for each in CUSTOMERS} == set(range(REPORT_SHARDS))
    told = ToldTable(dynamodb, table)
    metering = Metering(told, load_catalog(CATALOG))
    times = [USED]
    reader = Reader(dynamodb, told, table, lambda: times[-1])
    use(metering, "first")
    reader.follow()
    told.records.clear()

    # When each uses something once more, and the stream reader follows
    use(metering, "second")
    with metered(dynamodb) as meter:
        assert reader.read(list(told.records)) is None
    assert_counted("balances that changed, followed", meter)
    told.records.clear()

    # When their month is over, and the sweep advances them
    times.append(LATER)
    with metered(dynamodb) as meter:
        swept = sweep_due(metering, LATER, may_go_on=lambda: True, on_failure=lambda *_: None)
    assert swept.advanced == BEHIND_BALANCES
    told_reads = 2 * BEHIND_BALANCES
    assert_counted("balances that were reset", meter, told_reads)

    # And the stream reader follows that, and rings
    records = list(told.records)
    assert len(records) == 2 * BEHIND_BALANCES
    with metered(dynamodb) as meter:
        assert reader.read(records) is None
    assert_counted("balances that were reset, followed", meter)
