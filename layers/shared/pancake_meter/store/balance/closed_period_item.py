"""Closed periods and charts as items.

Earlier code wrote one item for both, and none where nothing was used: ``PERIOD#<meter>#<chart start>#<segment>``. A long
period left one a month, of which the last has the period's figures. These items are read, and no longer written.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pancake_meter.domain.balance.closed_period import Chart, ClosedPeriod, Windows
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.instant import from_ms, to_ms
from pancake_meter.domain.selling.overage import LineKey
from pancake_meter.store.keys import chart_key, closed_period_key
from pancake_meter.store.table import Item

_ZERO = Decimal(0)


def closed_period_item(customer_id: str, meter: str, closed: ClosedPeriod) -> dict[str, Any]:
    """Return the item of a closed period."""
    item: dict[str, Any] = {
        **closed_period_key(customer_id, meter, closed.counts_from, closed.segment),
        "period": _span_item(closed.period),
        "until": to_ms(closed.until),
        "closed_at": to_ms(closed.closed_at),
        "segment": closed.segment,
        "allowance": closed.allowance,
        "rolled": closed.rolled,
        "gone": closed.gone,
        "left": closed.left,
        "passed": closed.passed,
        "overage": closed.overage,
    }
    if closed.since is not None:
        item["since"] = to_ms(closed.since)
    if closed.order_id is not None:
        item["order"] = closed.order_id
    if closed.plan is not None:
        item["plan"] = closed.plan
    if closed.line.period_start != closed.period.start:
        item["line_start"] = to_ms(closed.line.period_start)
    if closed.idle is not None:
        idle = closed.idle
        item["idle"] = {"cadence": idle.cadence, "anchor": to_ms(idle.anchor), "count": idle.count}
    return item


def closed_period_from_item(item: Item) -> ClosedPeriod:
    """Return the closed period of an item."""
    return ClosedPeriod(
        period=_span(item["period"]),
        since=from_ms(item["since"]) if "since" in item else None,
        until=from_ms(item["until"]),
        closed_at=from_ms(item["closed_at"]),
        segment=int(item["segment"]),
        order_id=item.get("order"),
        line=_line(item),
        allowance=item["allowance"],
        rolled=item["rolled"],
        gone=item["gone"],
        left=item["left"],
        passed=item["passed"],
        overage=item["overage"],
        idle=_idle(item["idle"]) if "idle" in item else None,
    )


def chart_item(customer_id: str, meter: str, chart: Chart) -> dict[str, Any]:
    """Return the item of a chart."""
    item: dict[str, Any] = {
        **chart_key(customer_id, meter, chart.span.start, chart.segment),
        "span": _span_item(chart.span),
        "closed_at": to_ms(chart.closed_at),
        "segment": chart.segment,
        "days": dict(chart.days),
    }
    if chart.overage:
        item["overage"] = chart.overage
    return item if chart.plan is None else {**item, "plan": chart.plan}


def chart_from_item(item: Item) -> Chart:
    """Return the chart of an item, of earlier code too."""
    return Chart(
        span=_span(item["span"] if "span" in item else item["chart"]),
        closed_at=from_ms(item["closed_at"]),
        segment=int(item["segment"]),
        overage=item.get("overage", _ZERO),
        days=dict(item["days"]),
        plan=item.get("plan"),
    )


def closed_period_of_summary(item: Item) -> ClosedPeriod | None:
    """Return the closed period of an item of earlier code; ``None`` where it only put a chart of a long period away.

    It did not say what rolled over, in or out, nor what was gone of the plan's units: that is at most the allowance here.
    """
    period, chart, closed_at = _span(item["period"]), _span(item["chart"]), from_ms(item["closed_at"])
    if chart.end < period.end and closed_at == chart.end:
        return None
    return ClosedPeriod(
        period=period,
        since=period.start,
        until=max(period.end, closed_at),
        closed_at=closed_at,
        segment=int(item["segment"]),
        order_id=None,
        line=_line(item),
        allowance=item["allowance"],
        rolled=_ZERO,
        gone=max(_ZERO, item["allowance"] - item["left"]),
        left=item["left"],
        passed=_ZERO,
        overage=item["overage"],
    )


def _line(item: Item) -> LineKey:
    return LineKey(from_ms(item.get("line_start", item["period"]["start"])), item.get("plan"))


def _idle(item: Mapping[str, Any]) -> Windows:
    return Windows(item["cadence"], from_ms(item["anchor"]), int(item["count"]))


def _span_item(span: Period) -> dict[str, Any]:
    return {"start": to_ms(span.start), "end": to_ms(span.end)}


def _span(item: Mapping[str, Any]) -> Period:
    return Period(from_ms(item["start"]), from_ms(item["end"]))
