"""The stream reader: passing trouble brings the stream back to where it was met, anything else is set aside."""

import copy
import json
from collections.abc import Sequence
from decimal import Decimal

from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.store.errors import StoreBusy, StoreUnavailable
from pancake_meter.store.reports.live_totals import read_position, read_report
from pancake_meter.store.stream.changes import Change
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.stream.follow import NotFollowed
from pancake_meter.value import replace
from tests.integration.stream.conftest import NOW
from tests.support.followed import Reader
from tests.support.webhook_world import World


def use(world: World, *names: str) -> None:
    for name in names:
        record_events(world.metering, name, "tokens", [usage_event("e", Decimal(5), None, NOW)], NOW)


def used(world: World) -> Decimal:
    return read_report(world.table, "OPEN#tokens").get("free", {}).get("used", Decimal(0))


def test_a_record_that_nobody_can_read_is_set_aside_and_the_others_are_followed(followed: World, reads: Reader) -> None:
    use(followed, "ada", "bo", "cy")
    records = copy.deepcopy(reads.records())
    poison = next(each for each in records if each["dynamodb"]["Keys"]["PK"]["S"] == "CUSTOMER#bo")
    del poison["dynamodb"]["NewImage"]["headroom"]
    named = [each for each in records if each is poison or each["dynamodb"]["Keys"]["PK"]["S"] != "CUSTOMER#bo"]
    # When
    assert reads.read(named) is None
    # Then
    assert used(followed) == 10
    (message,) = map(json.loads, reads.aside.bodies)
    assert message["key"] == {"PK": "CUSTOMER#bo", "SK": "BALANCE#tokens"}
    assert "KeyError" in message["reason"]
    # And: the item's next change makes up for it.
    use(followed, "bo")
    record_events(followed.metering, "bo", "tokens", [usage_event("e2", Decimal(1), None, NOW)], NOW)
    reads.aside.bodies.clear()
    reads.follow()
    assert used(followed) == 16


def test_passing_trouble_brings_the_stream_back_to_the_first_change_that_met_it(followed: World, reads: Reader) -> None:
    use(followed, "ada", "bo", "cy")
    records = reads.records()

    def troubled(changes: Sequence[Change]) -> Sequence[NotFollowed]:
        met = [each for each in changes if each.customer_id in {"bo", "cy"}]
        return [NotFollowed(each.record, StoreBusy("later")) for each in met]

    reads.deps = replace(reads.deps, followers=(*reads.deps.followers, troubled))
    again = reads.read(records)
    first = next(each for each in records if each["dynamodb"]["Keys"]["PK"]["S"] == "CUSTOMER#bo")
    assert again == first["dynamodb"]["SequenceNumber"]
    # And nothing is said to be read, nor set aside
    assert read_position(followed.table) is None
    assert reads.aside.bodies == []


def test_an_outage_brings_all_of_it_back_and_no_further_follower_waits_for_the_same(
    followed: World, reads: Reader
) -> None:
    use(followed, "ada", "bo")
    records = reads.records()
    asked: list[str] = []

    def cut_off(changes: Sequence[Change]) -> Sequence[NotFollowed]:
        return [NotFollowed(changes[-1].record, StoreUnavailable("nobody answers"))]

    def next_one(_: Sequence[Change]) -> Sequence[NotFollowed]:
        asked.append("next")
        return []

    reads.deps = replace(reads.deps, followers=(cut_off, next_one))
    assert reads.read(records) == records[0]["dynamodb"]["SequenceNumber"]
    assert asked == []


def test_a_bug_in_following_one_change_stops_neither_the_others_nor_the_shard(followed: World, reads: Reader) -> None:
    use(followed, "ada", "bo")

    def broken(changes: Sequence[Change]) -> Sequence[NotFollowed]:
        return [NotFollowed(each.record, ValueError("a bug")) for each in changes if each.customer_id == "bo"]

    reads.deps = replace(reads.deps, followers=(*reads.deps.followers, broken))
    assert reads.read(reads.records()) is None
    assert used(followed) == 10
    assert {json.loads(body)["reason"] for body in reads.aside.bodies} == {"ValueError: a bug"}


def test_a_call_without_records_of_the_table_does_nothing(reads: Reader) -> None:
    assert reads.read([]) is None
    assert reads.read([{"eventSource": "aws:sqs", "body": "warm-up"}]) is None
