"""Issue 16, point 2: what the days were made of, where known (model, source), kept exactly off the request path."""

import random
from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from pancake_meter.domain.balance.hold import HoldHandle
from pancake_meter.domain.usage.made_of import NAMES_MAX, NAMES_OF_WRITE_MAX, MadeOf, Parts
from pancake_meter.domain.usage.usage_event import UsageEvent, usage_event
from pancake_meter.store.balance.balances import charts_put_away, read_balance
from pancake_meter.store.balance.made_of import MADE_OF
from pancake_meter.store.balance.short_form import stored_day
from pancake_meter.store.keys import balance_key
from pancake_meter.store.table import Update
from pancake_meter.usecases.access.erase import erase_customer
from pancake_meter.usecases.access.export import Exported, Place, export_customer
from pancake_meter.usecases.balance.hold_quota import HoldPlaced, hold_quota, release_hold, settle_hold
from pancake_meter.usecases.balance.operate import block_customer
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.reports.usage_made_of import dated_charts, usage_made_of
from tests.integration.stream.conftest import NOW
from tests.support.followed import Reader, items_of
from tests.support.webhook_world import World

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TTL = timedelta(minutes=5)


def event(number: int, units: int, model: str | None, source: str | None = None, at: datetime = NOW) -> UsageEvent:
    return usage_event(f"e{number}", Decimal(units), at if at != NOW else None, max(at, NOW)).made_of(model, source)


def use(world: World, *events: UsageEvent, customer_id: str = "c1", now: datetime = NOW) -> None:
    results = record_events(world.metering, customer_id, "tokens", events, now)
    assert set(results.values()) <= {"counted", "duplicate"}


def hold(world: World, hold_id: str, units: int) -> HoldHandle:
    placed = hold_quota(world.metering, "c1", "tokens", hold_id, Decimal(units), TTL, NOW)
    assert isinstance(placed, HoldPlaced)
    return placed.handle


def made_of(world: World, customer_id: str = "c1") -> dict[str, MadeOf]:
    """Return what is known of each day, over all charts."""
    balance = read_balance(world.table, customer_id, "tokens")
    assert balance is not None
    charts = dated_charts(balance, list(charts_put_away(world.table, customer_id, "tokens", page=25)))
    parts = usage_made_of(world.table, customer_id, "tokens", charts)
    assert len(parts) == len(charts)
    known: dict[str, MadeOf] = {}
    for each in parts:
        for day, of in each.items():
            known[f"{day}"] = known[f"{day}"].plus(of) if f"{day}" in known else of
    return known


def parts(**units: int) -> Parts:
    return Parts({name: Decimal(quantity) for name, quantity in units.items()})


def test_a_batch_a_settlement_and_a_record_are_told_of_whatever_else_the_balance_does(
    followed: World, reads: Reader
) -> None:
    # Given usage of two models on two days, some of it of nobody knows what
    yesterday = NOW - timedelta(days=1)
    use(
        followed,
        event(1, 5, "large", "api"),
        event(2, 7, "small"),
        event(3, 1, None),
        event(4, 2, "large", None, yesterday),
    )
    settled = usage_event("h", Decimal(30), None, NOW).made_of("small", "app")
    settle_hold(followed.metering, "c1", hold(followed, "h", 40), settled, NOW)
    # And a hold and a release after it, which count nothing
    release_hold(followed.metering, "c1", hold(followed, "h2", 3))
    use(followed, event(5, 1000, None))
    # When
    reads.follow()
    # Then
    assert made_of(followed) == {
        "2026-03-09": MadeOf(parts(large=2)),
        "2026-03-10": MadeOf(parts(large=5, small=37), parts(api=5, app=30)),
    }


def test_whatever_comes_again_counts_once(followed: World, reads: Reader) -> None:
    use(followed, event(1, 5, "large", "api"))
    use(followed, event(1, 5, "another name", "api"), event(2, 1, "small"))
    records = reads.records()
    reads.follow(records[:1])
    reads.follow(records)
    reads.follow(records[1:])
    reads.follow(records)
    assert made_of(followed) == {"2026-03-10": MadeOf(parts(large=5, small=1), parts(api=5))}


@pytest.mark.parametrize("seed", range(4))
def test_split_shards_lost_checkpoints_and_retries_give_the_same_sums(
    followed: World, reads: Reader, seed: int
) -> None:
    # Given
    chance = random.Random(seed)  # noqa: S311 - a replayable shuffle
    wanted: defaultdict[str, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for number in range(40):
        customer, model = f"c{chance.randrange(3)}", chance.choice(["large", "small", None])
        units, days = chance.randrange(1, 100), chance.randrange(2)
        use(
            followed,
            event(number, units, model, None, NOW - timedelta(days=days) if days else NOW),
            customer_id=customer,
        )
        if model is not None:
            wanted[customer][f"{NOW - timedelta(days=days):%Y-%m-%d}#{model}"] += units
    # When
    reads.follow_in_trouble(reads.records(), seed)
    reads.follow()
    # Then
    for customer, sums in wanted.items():
        found = {
            f"{day}#{name}": units
            for day, of in made_of(followed, customer).items()
            for name, units in of.models.named.items()
        }
        assert found == sums


def test_late_usage_goes_to_the_day_and_the_period_it_counts_for(followed: World, reads: Reader) -> None:
    # Given a period that has closed with usage, and one that is open
    use(followed, event(1, 5, "large", "api"))
    later = NOW + timedelta(days=32)
    use(followed, usage_event("e2", Decimal(3), None, later).made_of("small", None), now=later)
    # When usage of the first is told of late
    late = usage_event("late", Decimal(4), NOW + timedelta(hours=1), later).made_of("large", "app")
    use(followed, late, now=later)
    use(followed, usage_event("e3", Decimal(2), None, later).made_of("small", None), now=later)
    reads.follow()
    reads.follow()
    # Then
    assert made_of(followed) == {
        "2026-03-10": MadeOf(parts(large=9), parts(api=5, app=4)),
        f"{later:%Y-%m-%d}": MadeOf(parts(small=5)),
    }


def test_a_day_of_more_names_than_its_bound_keeps_the_rest_together(followed: World, reads: Reader) -> None:
    for batch in range(6):
        use(
            followed,
            *(event(batch * 90 + n, 1, f"{'m' * 58}{batch * 90 + n:06}", f"{'s' * 58}{n:06}") for n in range(90)),
        )
        reads.follow()
    (day,) = made_of(followed).values()
    for view in (day.models, day.sources):
        assert view.known == 540
        assert view.other
    assert (len(day.models.named), len(day.sources.named)) == (NAMES_MAX, NAMES_OF_WRITE_MAX)
    (item,) = [each for each in items_of(reads.client, reads.name) if each["SK"].startswith("MADE_OF#")]
    assert len(str(item)) < 8000


def test_a_hold_takes_away_what_the_write_before_it_has_told(followed: World) -> None:
    # The balance carries what the latest write told: the next one does not pay for it twice
    use(followed, *(event(n, 1, f"model {n}") for n in range(30)))
    (item,) = [
        each for each in items_of(followed.table._client, followed.table._name) if each["SK"] == "BALANCE#tokens"
    ]
    assert (len(item[MADE_OF]["n"]), item[MADE_OF]["0310"]["m"]) == (16, 14)
    hold_quota(followed.metering, "c1", "tokens", "h", Decimal(40), TTL, NOW)
    (item,) = [
        each for each in items_of(followed.table._client, followed.table._name) if each["SK"] == "BALANCE#tokens"
    ]
    assert MADE_OF not in item


def test_what_earlier_code_leaves_on_a_balance_is_not_counted_again(followed: World, reads: Reader) -> None:
    # Given usage that was told, and then a write of code that knows nothing of it, a walk, and a change of the plan
    use(followed, event(1, 5, "large"))
    left = Update(
        balance_key("c1", "tokens"),
        "SET used = used + :q, headroom = headroom - :q, days.#day = days.#day + :q",
        None,
        {":q": 3},
        {"#day": stored_day("0310")},
    )
    followed.table.write(left)
    block_customer(followed.metering, "c1", "abuse", NOW)
    reads.follow()
    *_, last = reads.records()
    reads.read([{**last, "dynamodb": {name: each for name, each in last["dynamodb"].items() if name != "OldImage"}}])
    # Then
    assert made_of(followed) == {"2026-03-10": MadeOf(parts(large=5))}


def test_an_export_has_it_and_an_erasure_takes_it_away_for_good(
    followed: World, reads: Reader, dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given
    use(followed, event(1, 5, "large", "api"))
    records = reads.records()
    reads.follow()
    exported: list[Exported] = []
    place: Place | None = Place()
    while place is not None:
        page = export_customer(followed.table, "c1", place, lambda: True)
        exported += page.items
        place = page.following
    kept = [each for each in exported if each.kind == "day_made_of"]
    assert [(each.data["m"], each.data["s"]) for each in kept] == [({"large": 5}, {"api": 5})]
    assert [each.data["model"] for each in exported if each.kind == "usage_event"] == ["large"]
    # When
    erase_customer(reads.erasures, "c1", NOW, may_go_on=lambda: True)
    reads.read(records)
    reads.follow()
    # Then
    assert [item for item in items_of(dynamodb, table) if "large" in str(item)] == []
