"""Writes docs/scale.md and docs/scale.svg: where a stack meets its first bounds beyond one machine.

Usage: ``python -m tests.load.scale [--check]``. It is a simulation, from AWS's documented rules, and from counts of our own
that tests hold. It calls nothing, and each run gives the same.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from pancake_meter.store.balance.spending import RECORD_EVENTS_MAX
from tests.load import hot_item
from tests.load.aws_rules import (
    API_REQUESTS,
    HELD_MS_LARGE,
    HELD_MS_SMALL,
    PARTITION_READS,
    RULES,
    SCALING,
    TABLE_WRITES,
)
from tests.load.growth import taken
from tests.load.paths import (
    HELD_CALL_SECONDS,
    Limit,
    Path,
    bulk_outcome,
    dollars_an_hour,
    followed_units,
    limits,
    paths,
)
from tests.load.plot import Bars, Lines, svg
from tests.load.settings import GLOBAL_MB, OWN_SHARE, Settings, as_deployed, mapping_of
from tests.load.storm import (
    AS_BUILT,
    BEFORE,
    CUSTOMERS,
    ENDPOINT_MS,
    Storm,
    dollars,
    resets_a_second,
    resets_of_partitions,
    run,
)
from tools import costs
from tools.cfn_template import ROOT

PAGE: Final = ROOT / "docs" / "scale.md"
PICTURE: Final = ROOT / "docs" / "scale.svg"

MANY: Final = 10_000
"""Events a second of a million customers."""

ONE: Final = 5_000
"""Events a second of one customer."""

POTS: Final = 5
SUMMERS: Final = 10
"""Workers of a caller, each of which adds up what it used."""


def raised() -> Settings:
    """Return the settings for ``MANY``: what an operator sets in a minute. No quota of AWS's is raised."""
    return replace(as_deployed(), api_rate=API_REQUESTS.value, bulk_concurrency=100, table_warm=TABLE_WRITES.value)


def page() -> str:
    """Return docs/scale.md."""
    resets = CUSTOMERS / (30 * 86_400)
    new_table, warm_table = resets_a_second(as_deployed()), resets_a_second(raised())
    summed = dollars_an_hour(_path("record"), SUMMERS)
    by_index, by_report = resets_of_partitions()
    first_call_ms = costs.DURATION_MS["balances that were reset"] // costs.BEHIND_BALANCES
    return f"""\
# Beyond one machine

<!-- Made by `make scale` from tests/load/scale.py; do not edit it. -->

Nobody has run these loads on AWS. This is a simulation, from [AWS's documented rules](#the-rules) and from counts of
requests and units that tests hold ([costs](costs.md)). What AWS does not publish is assumed, and
[named](#assumptions).

A table says, for each way in which usage comes, at which rate it meets a bound: in events a second, the first one
**bold**. A bound beyond the rate that is wanted is left out. After 503 and 429 the same request is safe to repeat;
API Gateway's own say nothing of when.

![What one customer's ways take, and a month's start](scale.svg)

## {MANY:,} events a second of a million customers

Each event is of another customer: no batch can count two of them together. Dollars are those of an hour at {MANY:,}
events a second, with what follows behind each call.

### As deployed

{_bounds_table(as_deployed(), one_customer=False, wanted=MANY)}

### With settings raised

`ThrottlingRateLimit={API_REQUESTS.value}`, `BulkConcurrency=100`, and a table that is warm: `WarmThroughput` of
{TABLE_WRITES.value:,} write units a second, once, `aws dynamodb update-table`, which is billed once. No quota is raised.
Lambda starts {SCALING.value:,} executions of a function in 10 seconds: more than any way needs.

{_bounds_table(raised(), one_customer=False, wanted=MANY)}

{_many_conclusion()}

A new table that is not warmed {_growth()}.

## One customer at {ONE:,} events a second

All events are of one customer and one meter. The balance is one item: DynamoDB refuses the later of two transactions
on it, and charges for both. Checks are reads, of which it takes {PARTITION_READS.value:,} a second.
Dollars are those of an hour at {ONE:,} events a second, if the way took them.

{_bounds_table(as_deployed(), one_customer=True, wanted=ONE)}

**No way takes {ONE:,} single events a second of one balance.** Neither the partition nor a setting is in the way, but
the transactions: one after the other, each as long as DynamoDB takes for it. More consumers of the queue are hardly
faster, and cost more, since what is refused is charged:

{_consumers_table()}

How long a transaction keeps an item is not published. The rates with other times:

{_held_table()}

### The way past it

1. **Add up before sending.** What counts is the quantity, not the number of events. {SUMMERS} workers that each send
   one event a second with the sum of their calls are {SUMMERS} events a second, whatever number of calls they stand
   for: far within what one balance takes, for {_money(summed)} dollars an hour. The id must be the same when the
   event is repeated: the worker's name and the second, say. This works today, by every way.
2. **Hold for many calls.** A worker holds units for some seconds of work at once, and settles the sum. One hold in
   flight for each worker, instead of one for each call.
3. **More than one balance.** A customer of yours with teams is better one customer for each team: each has its own
   balance.

### Proposed, not built: pots

Bulk usage cannot be refused by a quota, so it need not meet the balance at once. A consumer of the queue would count
its events into a *pot* beside the balance (`POT#<meter>#<number>`), one for each consumer: the same transaction, on
another item. A moment later the pots are emptied into the balance, one transaction for all that came in a second.
Consumers no longer meet: {POTS} pots take {_pots(POTS):,.0f} events a second. It costs 4 write units a second and pot
beside the events.

It is not built, because it is not small: a reset, an export and an erasure must empty the pots first; an event of a
closed period does not belong in a pot; and what is read shows a second less than what was counted. Ways 1 to 3 cost
nothing.

## A month's start

{CUSTOMERS:,} balances are due at the same instant, and nobody calls. That is the worst case: `month`, `week` and
`day` begin with the subscription or the first use, so a million customers mostly reset {resets:.1f} times a second,
all month long.

{_storm_table()}

Resetting all of them, and following that, costs {_money(dollars())} dollars.

**What customers see: nothing.** Whoever calls is reset by the call, which takes {first_call_ms} ms longer. What waits
is the record of the closed period, live figures and alerts of those who stay away. `ResetLagAlarm` rings after a
quarter of an hour.

If all come back at once, each first call is a reset too. Then the table takes {new_table:,.0f} resets a second when
it is new, {warm_table:,.0f} when it is warm; more are answered 503 `unavailable` and are safe to repeat. Its
partitions would take more: {by_index:,.0f} by the index of due times, {by_report:,.0f} by the report of the month.

The sweep was slower until this simulation: it went from balance to balance. Now it advances 8 at once, with a whole
processor. Alerts are sent by {as_deployed().alert_concurrency} senders at once; those of one customer stay in order.
Their number is
`AlertConcurrency`. Until all are sent, other alerts wait behind them.

## The rules

{_rules_table()}

## Assumptions

{_assumptions_table()}
"""


def picture() -> str:
    """Return docs/scale.svg."""
    settings = as_deployed()
    first = {
        path.name: limits(path, settings, one_customer=True)[0].events_a_second for path in paths(one_customer=True)
    }
    bars = {**first, f"proposed: {POTS} pots": _pots(POTS)}
    before, now = run(BEFORE, raised()), run(AS_BUILT, raised())
    lines = {
        "due, one balance after another (before)": (CUSTOMERS, *before.due),
        "due, 8 at once on a whole processor": (CUSTOMERS, *now.due),
        f"alerts to send, {settings.alert_concurrency} senders": (0, *now.unsent),
    }
    return svg(
        [
            Bars(f"One customer: events a second of each way, as deployed ({ONE:,} wanted)", bars, ONE),
            Lines(f"{CUSTOMERS:,} balances due at once: what is left", "", lines),
        ]
    )


def summary() -> str:
    """Return the first bound of each way, to be printed."""
    rows = []
    for one, wanted in ((False, MANY), (True, ONE)):
        for path in paths(one_customer=one):
            first = limits(path, as_deployed(), one_customer=one)[0]
            who = "one customer" if one else "a million"
            rows.append((who, path.name, f"{wanted:,}", f"{first.events_a_second:,.0f}", first.name, first.moved_by))
    return _table(("customers", "way", "wanted", "first bound at", "which", "moved by"), rows)


def _bounds_table(settings: Settings, *, one_customer: bool, wanted: float) -> str:
    ways = paths(one_customer=one_customer)
    met = {
        way.name: [e for e in limits(way, settings, one_customer=one_customer) if e.events_a_second < wanted]
        for way in ways
    }
    bounds = {each.name: each for way in ways for each in met[way.name]}
    rows = [
        (name, *(_cell(met[way.name], name) for way in ways), each.seen, each.moved_by) for name, each in bounds.items()
    ]
    busy = ("*executions at once*", *(f"{way.executions(wanted):,.0f}" for way in ways), "", "")
    prices = ("*dollars an hour*", *(_money(dollars_an_hour(way, wanted)) for way in ways), "", "")
    return _table(("bound", *(way.name for way in ways), "what is seen", "what moves it"), [*rows, busy, prices])


def _cell(met: Sequence[Limit], name: str) -> str:
    """Return the rate at which a way meets a bound: bold for its first one, nothing where it is beyond what is wanted."""
    rates = [f"{each.events_a_second:,.0f}" for each in met if each.name == name]
    return f"**{rates[0]}**" if rates and met[0].name == name else "".join(rates)


def _many_conclusion() -> str:
    units = _path("record", one_customer=False).units
    followed = followed_units(as_deployed().stream_batch)
    needed, hours = MANY * (units + followed), _stream_hours()
    return f"""\
An event takes {units:.0f} write units, and {followed:.1f} more to follow it: {MANY:,} events take {needed:,.0f} units
a second. So one quota of AWS's must be raised, *table-level write throughput*, and the table be warmed to that. Live
figures, lists and alerts fall behind earlier. They are right again after the peak; what they have not followed after
{hours} hours is set aside, and rings. For {MANY:,} events a second all day long there would have to be more
`REPORT_SHARDS`. Customers see nothing of that.
`ParallelizationFactor` of the stream would help too, but it keeps the order of each item only:
one alert of a customer could overtake another."""


def _stream_hours() -> int:
    seconds: int = mapping_of("StreamReaderFunction")["MaximumRecordAgeInSeconds"]
    return seconds // 3600


def _growth() -> str:
    record = _path("record", one_customer=False)
    needed = MANY * (record.units + followed_units(as_deployed().stream_batch))
    story = taken(needed)
    share, minutes = story[0] / needed, len(story) - 1
    return (
        f"takes {share:.0%} of that at first, and its whole quota after {minutes} minutes, if AWS keeps to its\n"
        "rule at its worst. The other requests are answered 503"
    )


def _consumers_table() -> str:
    rows = []
    for consumers in (2, 3, 4, 8, 16):
        outcome = bulk_outcome(consumers)
        extra = (outcome.charged - 1) * costs.COUNTED["bulk message of 99"].write_units / RECORD_EVENTS_MAX
        dollars_more = float(costs.PRICES["DynamoDB writes, on demand"].dollars) * extra
        event = float(costs.worked()["an event by bulk"].total) + dollars_more
        rows.append(
            (
                str(consumers),
                f"{outcome.rate * RECORD_EVENTS_MAX:,.0f}",
                f"{outcome.charged:.1f}",
                f"{event:.2f}",
            )
        )
    return _table(
        ("`BulkConcurrency`", "events a second", "transactions charged for one", "dollars a million events"), rows
    )


def _held_table() -> str:
    rows = []
    for factor in (0.5, 1.0, 2.0):
        small, large = HELD_MS_SMALL * factor, HELD_MS_LARGE * factor
        between = max(0, costs.DURATION_MS["bulk message of 99"] - HELD_MS_LARGE)
        bulk = hot_item.of_consumers(2, large, between).rate * RECORD_EVENTS_MAX
        rows.append(
            (
                f"{small:.0f} ms; {large:.0f} ms",
                f"{hot_item.rate_of_callers(small):,.0f}",
                f"{hot_item.rate_of_callers(large) * RECORD_EVENTS_MAX:,.0f}",
                f"{bulk:,.0f}",
            )
        )
    return _table(("two items; 100 items", "record", "batch of 99", "bulk, 2 consumers"), rows)


def _pots(pots: int) -> float:
    return pots * bulk_outcome(1).rate * RECORD_EVENTS_MAX


def _storm_table() -> str:
    warm = raised()
    stories: Sequence[tuple[str, Storm]] = (
        ("before: one after another, 512 MB", run(BEFORE, warm)),
        ("8 at once, a whole processor; a new table", run(AS_BUILT, as_deployed())),
        ("the same; a warm table", run(AS_BUILT, warm)),
        ("the same; 100 senders of alerts", run(AS_BUILT, replace(warm, alert_concurrency=100))),
    )
    rows = [
        (name, _hours(story.reset_hours), _hours(story.followed_hours), _hours(story.sent_hours))
        for name, story in stories
    ]
    return _table(("sweep", "all reset", "live figures right", "alerts sent to one endpoint"), rows)


def _rules_table() -> str:
    return _table(
        ("figure", "what it bounds", "AWS's page"), [(f"{r.value:,} {r.unit}", r.bounds, r.said) for r in RULES]
    )


def _assumptions_table() -> str:
    rows = [
        ("a transaction keeps its items from others, two items; 100 items", f"{HELD_MS_SMALL} ms; {HELD_MS_LARGE} ms"),
        ("a refused transaction is answered after", f"{hot_item.REFUSED_SECONDS * 1000:.0f} ms"),
        ("a rate is taken where so many requests are served within eight attempts", f"{hot_item.SHARE_SERVED:.1%}"),
        (f"of a duration of [costs](costs.md), own work at {GLOBAL_MB} MB; the rest is waiting", f"{OWN_SHARE:.0%}"),
        ("a call of a model holds its units for", f"{HELD_CALL_SECONDS} s"),
        ("an endpoint answers an alert after", f"{ENDPOINT_MS} ms"),
        (
            "partitions of a table",
            "one for each 1,000 write units a second that it is warm for; keys are spread evenly",
        ),
        ("cold starts", "none: the load lasts"),
    ]
    return _table(("what", "assumed"), rows)


def _path(name: str, *, one_customer: bool = True) -> Path:
    return next(each for each in paths(one_customer=one_customer) if each.name.startswith(name))


def _hours(hours: float) -> str:
    return f"{hours:.1f} h"


def _money(amount: float) -> str:
    return f"{amount:,.2f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def main(arguments: Sequence[str]) -> int:
    """Write the page and the picture and print the summary, or with ``--check`` say whether they are in step."""
    made = {PAGE: page(), PICTURE: picture()}
    if list(arguments) == ["--check"]:
        stale = [path.name for path, text in made.items() if not path.exists() or path.read_text() != text]
        if stale:
            print(f"docs: {', '.join(stale)} not in step with tests/load/scale.py: run `make scale`", file=sys.stderr)
        return len(stale)
    for path, text in made.items():
        path.write_text(text)
    print(summary())
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
