"""Ledger entries and period summaries as items."""

from collections.abc import Mapping
from typing import Any

from pancake_meter.domain.balance.ledger import LedgerEntry, Movement, PeriodSummary
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.instant import from_ms, to_ms
from pancake_meter.domain.selling.overage import LineKey
from pancake_meter.store.keys import ledger_key, period_key
from pancake_meter.store.table import Item


def ledger_item(customer_id: str, meter: str, entry: LedgerEntry) -> dict[str, Any]:
    """Return the item of a ledger entry."""
    item: dict[str, Any] = {
        **ledger_key(customer_id, meter, entry.segment),
        "segment": entry.segment,
        "at": to_ms(entry.at),
        "cause": entry.cause,
        "movements": [_movement_item(movement) for movement in entry.movements],
        "available": entry.available,
        "overage": entry.overage,
    }
    return item if entry.reference is None else {**item, "reference": entry.reference}


def ledger_from_item(item: Item) -> LedgerEntry:
    """Return the ledger entry of an item."""
    return LedgerEntry(
        segment=int(item["segment"]),
        at=from_ms(item["at"]),
        cause=item["cause"],
        reference=item.get("reference"),
        movements=tuple(
            Movement(movement["kind"], movement["quantity"], movement.get("reference"))
            for movement in item["movements"]
        ),
        available=item["available"],
        overage=item["overage"],
    )


def summary_item(customer_id: str, meter: str, summary: PeriodSummary) -> dict[str, Any]:
    """Return the item of a period summary."""
    item: dict[str, Any] = {
        **period_key(customer_id, meter, summary.chart.start, summary.segment),
        "period": _span_item(summary.period),
        "chart": _span_item(summary.chart),
        "closed_at": to_ms(summary.closed_at),
        "segment": summary.segment,
        "allowance": summary.allowance,
        "used": summary.used,
        "overage": summary.overage,
        "left": summary.left,
        "days": dict(summary.days),
    }
    if summary.line.period_start != summary.period.start:
        item["line_start"] = to_ms(summary.line.period_start)
    return item if summary.plan is None else {**item, "plan": summary.plan}


def summary_from_item(item: Item) -> PeriodSummary:
    """Return the period summary of an item."""
    return PeriodSummary(
        period=_span(item["period"]),
        chart=_span(item["chart"]),
        closed_at=from_ms(item["closed_at"]),
        segment=int(item["segment"]),
        plan=item.get("plan"),
        allowance=item["allowance"],
        used=item["used"],
        overage=item["overage"],
        left=item["left"],
        line=LineKey(from_ms(item.get("line_start", item["period"]["start"])), item.get("plan")),
        days=dict(item["days"]),
    )


def _span_item(span: Period) -> dict[str, Any]:
    return {"start": to_ms(span.start), "end": to_ms(span.end)}


def _span(item: Mapping[str, Any]) -> Period:
    return Period(from_ms(item["start"]), from_ms(item["end"]))


def _movement_item(movement: Movement) -> Mapping[str, Any]:
    item = {"kind": movement.kind, "quantity": movement.quantity}
    return item if movement.reference is None else {**item, "reference": movement.reference}
