"""Writes docs/costs.md: what a million calls cost, from counts that tests hold and a table of list prices.

Usage: ``python -m tools.costs [--check]``. ``tests/integration/handlers/test_costs.py`` runs each operation through its
handler and compares it with ``COUNTED``, so that the page says no count that a test does not hold.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from tools.cfn_template import ROOT, load_template

PAGE: Final = ROOT / "docs" / "costs.md"
MILLION: Final = 1_000_000
BYTES_OF_GB: Final = 1_000_000_000

# --- Prices -------------------------------------------------------------------------------------------------------

PRICES_NOTED: Final = "November 2026"


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars of one unit, from AWS's list for us-east-1, without any free tier."""

    dollars: Decimal
    unit: str


def _price(dollars: str, unit: str) -> Price:
    return Price(Decimal(dollars), unit)


PRICES: Final[Mapping[str, Price]] = {
    "HTTP API": _price("1.00", "million requests"),
    "Lambda requests": _price("0.20", "million"),
    "Lambda duration, arm64": _price("0.0000133334", "GB-second"),
    "DynamoDB writes, on demand": _price("0.625", "million write units"),
    "DynamoDB reads, on demand": _price("0.125", "million read units"),
    "DynamoDB storage": _price("0.25", "GB-month"),
    "DynamoDB point-in-time recovery": _price("0.20", "GB-month"),
    "CloudWatch Logs": _price("0.50", "GB taken in"),
    "CloudWatch Logs, infrequent access": _price("0.25", "GB taken in"),
    "SQS": _price("0.40", "million requests of up to 64 KB"),
    "Data out": _price("0.09", "GB"),
    "CloudWatch alarm": _price("0.10", "month"),
    "CloudWatch dashboard": _price("3.00", "month"),
    "CloudWatch metric of our own": _price("0.30", "month"),
    "Secret": _price("0.40", "month"),
    "EventBridge Scheduler": _price("1.00", "million runs"),
    "X-Ray": _price("5.00", "million traces"),
    "KMS key": _price("1.00", "month"),
    "NAT gateway": _price("32.85", "month"),
    "SnapStart cache": _price("0.0000015046", "GB-second"),
    "SnapStart restore": _price("0.0001397998", "GB"),
    "Provisioned concurrency, arm64": _price("0.0000033334", "GB-second"),
}

# --- Counts, held by tests ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Counted:
    """What one call uses. Units are exact, bytes are upper bounds.

    ``logged_bytes``: what the function writes, without the access log. ``answered_bytes``: the answer with our headers.
    ``stored_bytes``: items that stay for 90 days.
    """

    read_units: int = 0
    write_units: int = 0
    logged_bytes: int = 0
    answered_bytes: int = 0
    stored_bytes: int = 0


EVENT_BYTES: Final = 155
"""Of a usage event's item, with the id as a UUID."""

COUNTED: Final[Mapping[str, Counted]] = {
    "check": Counted(read_units=1, answered_bytes=550),
    "hold": Counted(write_units=1, answered_bytes=750),
    "settle": Counted(read_units=1, write_units=4, answered_bytes=670, stored_bytes=EVENT_BYTES),
    "release": Counted(write_units=1, answered_bytes=130),
    "record": Counted(write_units=4, logged_bytes=400, answered_bytes=170, stored_bytes=EVENT_BYTES),
    "batch of 99": Counted(write_units=200, logged_bytes=400, answered_bytes=7_000, stored_bytes=99 * EVENT_BYTES),
    "bulk message of 99": Counted(write_units=200, logged_bytes=400, stored_bytes=99 * EVENT_BYTES),
}

BEHIND_BALANCES: Final = 25
"""Balances of each count below: as many as a small batch of the stream has, in every shard of the reports."""

BEHIND: Final[Mapping[str, Counted]] = {
    "balances that changed, followed": Counted(read_units=25, write_units=75),
    "balances that were reset": Counted(read_units=29, write_units=300),
    "balances that were reset, followed": Counted(read_units=63, write_units=442),
}
"""What happens behind a call, for 25 balances: the sweep, and the stream reader with totals, directory and alerts.

Read units are rounded up. A batch of the stream has each balance once, however often it changed.
"""

ACCESS_LOG_BYTES: Final = 300
"""Of a line of the access log; a test fills the template's format with an example."""

# --- Assumptions, to be replaced by one's own figures -----------------------------------------------------------------

MEMORY_GB: Final = Decimal(512) / 1024
DURATION_MS: Final[Mapping[str, int]] = {
    "check": 9,
    "hold": 10,
    "settle": 18,
    "release": 10,
    "record": 14,
    "batch of 99": 80,
    "bulk message of 99": 80,
    "balances that changed, followed": 200,
    "balances that were reset": 575,
    "balances that were reset, followed": 800,
}
GATEWAY_HEADER_BYTES: Final = 200
"""Headers that API Gateway adds to an answer."""

ITEM_OVERHEAD_BYTES: Final = 100
"""DynamoDB counts so much for each item beside its attributes."""

STORED_MONTHS: Final = Decimal(90) / 30
MESSAGES_A_BULK_REQUEST: Final = 4
BULK_EVENTS_A_POST: Final = 10_000

# --- Arithmetic ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cost:
    """US dollars of a million calls, by what they are for."""

    parts: Mapping[str, Decimal]

    @property
    def total(self) -> Decimal:
        """All parts together."""
        return sum(self.parts.values(), Decimal(0))

    def plus(self, more: "Cost") -> "Cost":
        """Both together."""
        names = [*self.parts, *(name for name in more.parts if name not in self.parts)]
        none = Decimal(0)
        return Cost({name: self.parts.get(name, none) + more.parts.get(name, none) for name in names})

    def of_each(self, events: int) -> "Cost":
        """Of a million events, where one call carries so many."""
        return Cost({name: part / events for name, part in self.parts.items()})


def _dollars(name: str, units: Decimal | int) -> Decimal:
    return PRICES[name].dollars * units


def _gigabytes(bytes_each: int) -> Decimal:
    """Of a million calls."""
    return Decimal(bytes_each) * MILLION / BYTES_OF_GB


def call(name: str, *, over_http: bool = True) -> Cost:
    """Cost of a million calls of an operation. ``over_http`` is false where a queue calls the function."""
    counted = {**COUNTED, **BEHIND}[name]
    items = counted.stored_bytes // EVENT_BYTES if counted.stored_bytes else 0
    stored = _gigabytes(counted.stored_bytes + items * ITEM_OVERHEAD_BYTES) * STORED_MONTHS
    seconds = Decimal(DURATION_MS[name]) / 1000 * MILLION
    access_log, out = _gigabytes(ACCESS_LOG_BYTES), _gigabytes(counted.answered_bytes + GATEWAY_HEADER_BYTES)
    parts = {
        "HTTP API": _dollars("HTTP API", 1) if over_http else Decimal(0),
        "Lambda": _dollars("Lambda requests", 1) + _dollars("Lambda duration, arm64", seconds * MEMORY_GB),
        "DynamoDB writes": _dollars("DynamoDB writes, on demand", counted.write_units),
        "DynamoDB reads": _dollars("DynamoDB reads, on demand", counted.read_units),
        "Events kept": _dollars("DynamoDB storage", stored) + _dollars("DynamoDB point-in-time recovery", stored),
        "Logs": _dollars("CloudWatch Logs", _gigabytes(counted.logged_bytes))
        + (_dollars("CloudWatch Logs, infrequent access", access_log) if over_http else Decimal(0)),
        "Data out": _dollars("Data out", out) if over_http else Decimal(0),
    }
    return Cost(parts)


def bulk_event() -> Cost:
    """Cost of a million events by the bulk route: the post, the queue's three requests a message, the counting."""
    # Sent four at a time, each billed as one request of up to 64 KB; received and deleted one by one at worst.
    queue = Cost({"SQS": _dollars("SQS", 3)}).of_each(99)
    post = call("check").of_each(BULK_EVENTS_A_POST)
    return call("bulk message of 99", over_http=False).of_each(99).plus(queue).plus(post)


WORKED: Final[Mapping[str, tuple[str, ...]]] = {
    "check + hold + settle": ("check", "hold", "settle"),
    "hold + settle": ("hold", "settle"),
    "hold + release (a call that failed)": ("hold", "release"),
    "record": ("record",),
}
GOALS: Final[Mapping[str, Decimal]] = {
    "check + hold + settle": Decimal("8.50"),
    "hold + settle": Decimal("6.50"),
}


def behind(name: str) -> Cost:
    """Cost of a million balances of one of ``BEHIND``."""
    return call(name, over_http=False).of_each(BEHIND_BALANCES)


def worked() -> Mapping[str, Cost]:
    """Cost of a million of each worked example, by its name."""
    costs = {}
    for name, calls in WORKED.items():
        cost = Cost({})
        for each in calls:
            cost = cost.plus(call(each))
        costs[name] = cost
    return {
        **costs,
        "an event in a batch of 99": call("batch of 99").of_each(99),
        "an event by bulk": bulk_event(),
    }


# --- The page -----------------------------------------------------------------------------------------------------


def page() -> str:
    """Return docs/costs.md."""
    return f"""\
# What it costs

<!-- Made by `make costs` from tools/costs.py; do not edit it. -->

All figures are US dollars at AWS's list prices for us-east-1 ({PRICES_NOTED}), without any free tier and without tax.
Counts of requests, units and bytes are held by tests (`tests/integration/handlers/test_costs.py`,
`tests/integration/core/test_capacity.py`, `tests/integration/stream/test_costs_behind.py`). Durations are assumptions:
see the last table, and put in your own.

## A million of each

{_worked_table()}

**Is a check before a hold needed?** No, where the call will be made anyway: a hold answers the quota too, and refuses with
the same reason and the same purchase link. A check is for showing a quota, or for asking before work that cannot be held.

An event by itself costs four write units: two for the event and two for the balance, since the two are one transaction. A
batch writes the balance once. So send usage in batches where nobody waits for the answer.

## What a call uses

{_counts_table()}

A line of the access log has at most {ACCESS_LOG_BYTES} bytes. The access log is of the class *infrequent access*, which
costs half. A refusal writes a line and two metrics (about 900 bytes), a call that succeeds on the gate writes nothing:
placed holds are counted from the access log.

A write that DynamoDB refuses is charged like one that happened. So a batch with a repeat that nobody could foresee costs
up to three times its units, once; a batch that is sent again is read first, and costs reads only.

## What follows behind a call

A million balances of each. A balance that changes is followed once for each batch of the stream that it changes in: a busy
customer's balance once for many calls, a quiet one's once for each. So a call of a quiet customer costs the first line more.

{_behind_table()}

## Per month, whatever the traffic

{_fixed_table()}

Nothing runs when nothing happens, except the schedules. Their reads and writes stay below a dollar a month.

## What can be switched on

{_options_table()}

## Prices

{_table(("what", "dollars", "for one"), [(name, _plain(each.dollars), each.unit) for name, each in PRICES.items()])}

## Assumptions

{_assumptions_table()}
"""


def _worked_table() -> str:
    costs = worked()
    parts = [name for name in [*call("settle").parts, "SQS"] if any(_part(cost, name) for cost in costs.values())]
    rows = [
        (name, *(_money(_part(cost, part)) for part in parts), f"**{_money(cost.total)}**")
        for name, cost in costs.items()
    ]
    return _table(("", *parts, "all"), rows)


def _part(cost: Cost, name: str) -> Decimal:
    return cost.parts.get(name, Decimal(0))


def _counts_table() -> str:
    head = ("", "read units", "write units", "bytes logged", "bytes answered", "bytes kept")
    rows = [
        (
            name,
            str(each.read_units),
            str(each.write_units),
            str(each.logged_bytes),
            str(each.answered_bytes),
            str(each.stored_bytes),
        )
        for name, each in COUNTED.items()
    ]
    return _table(head, rows)


def _behind_table() -> str:
    parts = ("Lambda", "DynamoDB writes", "DynamoDB reads")
    rows = [
        (
            name,
            f"{Decimal(each.write_units) / BEHIND_BALANCES:.1f}",
            *(_money(_part(behind(name), part)) for part in parts),
            f"**{_money(behind(name).total)}**",
        )
        for name, each in BEHIND.items()
    ]
    return _table(("", "write units each", *parts, "all"), rows)


def _fixed_table() -> str:
    # The table of alarms reads template.yaml, which the arithmetic does not need.
    from pancake_meter.metrics import Metric  # noqa: PLC0415
    from tools.alarms import alarms  # noqa: PLC0415

    # An alarm on several metrics is billed for each of them.
    count = sum(len(each.source.services) if isinstance(each.source, Metric) else 1 for each in alarms())
    gradual = _gradual_metrics()
    always, beside = schedules()
    runs = sum((each.runs_a_month for each in always), Decimal(0)) / MILLION
    more = sum((each.runs_a_month for each in beside), Decimal(0)) / MILLION
    rows = [
        (f"alarms, on {count} metrics", _money(_dollars("CloudWatch alarm", count))),
        (f"alarms of gradual deployments, on {gradual} metrics", _money(_dollars("CloudWatch alarm", gradual))),
        ("2 dashboards (the first three of an account are free)", _money(_dollars("CloudWatch dashboard", 2))),
        ("about 60 metrics of our own, those that are used", _money(_dollars("CloudWatch metric of our own", 60))),
        ("3 secrets", _money(_dollars("Secret", 3))),
        (_schedules_row(always, "schedules"), _money(_dollars("EventBridge Scheduler", runs))),
        (_schedules_row(beside, "more where it is switched on"), _money(_dollars("EventBridge Scheduler", more))),
    ]
    return _table(("what", "dollars"), rows)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule of the template: the function that it runs, and how often."""

    function: str
    every: timedelta

    @property
    def runs_a_month(self) -> Decimal:
        """Runs in 30 days."""
        return Decimal(timedelta(days=30) // self.every)


def schedules() -> tuple[list[Schedule], list[Schedule]]:
    """Return the schedules of template.yaml, by its defaults: those of every stack, and those that need a condition."""
    template = load_template()
    found: tuple[list[Schedule], list[Schedule]] = [], []
    for name, resource in template["Resources"].items():
        for event in resource.get("Properties", {}).get("Events", {}).values():
            if event["Type"] == "ScheduleV2":
                rate = event["Properties"]["ScheduleExpression"]
                text = template["Parameters"][rate["Ref"]]["Default"] if isinstance(rate, Mapping) else rate
                found["Condition" in resource].append(Schedule(name.removesuffix("Function"), _every(text)))
    return found


def _every(rate: str) -> timedelta:
    """Return the time between two runs of ``rate(15 minutes)``. Raises `ValueError` for another expression."""
    number, _, unit = rate.removeprefix("rate(").removesuffix(")").partition(" ")
    return timedelta(**{f"{unit.removesuffix('s')}s": int(number)})


def _schedules_row(found: Sequence[Schedule], what: str) -> str:
    minutes = sorted(each.every // timedelta(minutes=1) for each in found)
    often = ", ".join("1 minute" if each == 1 else f"{each} minutes" for each in minutes)
    return f"{len(found)} {what}: every {often}"


def _gradual_metrics() -> int:
    """Return how many metrics the alarms of gradual deployments are on."""
    resources: Mapping[str, Any] = load_template()["Resources"]
    watched = (each["Properties"] for name, each in resources.items() if name.startswith("GradualDeployment"))
    return sum(sum("MetricStat" in metric for metric in each.get("Metrics", ())) or 1 for each in watched)


def _options_table() -> str:
    month = Decimal(30 * 24 * 3600)
    rows = [
        (
            "`Tracing`",
            (
                f"{_money(_dollars('X-Ray', Decimal('0.05')))} a million requests at 5 %, and up to ten times that where "
                "traffic is thin: the first request of each second is always traced"
            ),
        ),
        (
            "`DetailedRouteMetrics`",
            f"{_money(_dollars('CloudWatch metric of our own', 1))} a month for each metric of each route that is used",
        ),
        (
            "`ProvisionedConcurrency`",
            (
                f"{_money(_dollars('Provisioned concurrency, arm64', month * MEMORY_GB))} a month for each environment that "
                "is kept warm"
            ),
        ),
        (
            "`SnapStart`",
            (
                f"{_money(_dollars('SnapStart cache', month * MEMORY_GB))} a month for each version that is kept, and "
                f"{_plain(_dollars('SnapStart restore', MEMORY_GB))} for each cold start"
            ),
        ),
        ("`SecretsKmsKeyArn`", f"{_money(_dollars('KMS key', 1))} a month, and the key's requests"),
        ("`VpcSubnetIds`", f"{_money(_dollars('NAT gateway', 1))} a month for each NAT gateway, and its traffic"),
    ]
    return _table(("parameter", "adds"), rows)


def _assumptions_table() -> str:
    rows = [
        ("memory of a function", f"{MEMORY_GB * 1024:.0f} MB, arm64"),
        *((f"billed duration of {_times(name)}, warm", f"{ms} ms") for name, ms in DURATION_MS.items()),
        ("authorizer", "cached for 60 seconds by key and route: not counted"),
        ("headers of API Gateway", f"{GATEWAY_HEADER_BYTES} bytes an answer"),
        ("DynamoDB's overhead", f"{ITEM_OVERHEAD_BYTES} bytes an item"),
        ("events are kept", f"{STORED_MONTHS:.0f} months"),
        ("a bulk post carries", f"{BULK_EVENTS_A_POST} events"),
        ("a balance", "within 1 KB: about 31 days of use, two grants, twenty holds (a test holds it)"),
    ]
    return _table(("what", "assumed"), rows)


def _times(name: str) -> str:
    return f"{BEHIND_BALANCES} {name}" if name in BEHIND else name


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]
    return "\n".join(lines)


def _money(dollars: Decimal) -> str:
    return f"{dollars.quantize(Decimal('0.01'), ROUND_HALF_UP)}"


def _plain(dollars: Decimal) -> str:
    return f"{dollars:f}"


def main(arguments: list[str]) -> int:
    """Write the page, or with ``--check`` say whether it is in step."""
    if arguments == ["--check"]:
        if PAGE.exists() and PAGE.read_text() == page():
            return 0
        print("docs/costs.md is not what tools/costs.py says: run `make costs`", file=sys.stderr)
        return 1
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
