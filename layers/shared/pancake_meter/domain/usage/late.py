"""Late usage: an event that tells, after its period has closed, of something used in it.

It counts to the period in which it happened, as if it had come in time: first what the plan had left there, then units
bought ahead, and the rest is that period's overage, due at once. The open period's allowance is not touched.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from pancake_meter.domain.balance.balance import ZERO, Balance, day_key
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.grant import Grant, periodic_grant_id
from pancake_meter.domain.balance.ledger import PeriodSummary
from pancake_meter.domain.selling.overage import OverageLine
from pancake_meter.domain.usage.usage_event import UsageEvent


def is_late(balance: Balance, event: UsageEvent) -> bool:
    """Whether the event happened before the open period, and not in the first one."""
    return balance.closed_until is not None and event.used_at < balance.closed_until


def summary_of(summaries: Iterable[PeriodSummary], instant: datetime) -> PeriodSummary | None:
    """Return the closed period that ``instant`` belongs to, from summaries newest first.

    ``None``: nothing was used in its period, or none was open. A period goes on while its renewal is awaited.
    """
    latest = next((summary for summary in summaries if summary.period.start <= instant), None)
    if latest is None or instant >= max(latest.period.end, latest.closed_at):
        return None
    return latest


def count_late(change: Change, summary: PeriodSummary, events: Iterable[UsageEvent]) -> tuple[Change, PeriodSummary]:
    """Count events of the closed period of ``summary``; return the grown change and the summary as it now is."""
    change = change.burn()
    for event in sorted(events, key=lambda event: (event.used_at, event.id)):
        change, summary = _count(change, summary, event.quantity, event.used_at)
    return change, summary


def _count(
    change: Change, summary: PeriodSummary, quantity: Decimal, used_at: datetime
) -> tuple[Change, PeriodSummary]:
    period = periodic_grant_id("plan", summary.period.start)
    restored = min(quantity, summary.left)
    grants, overage = _burn_bought(change.balance, quantity - restored, used_at)
    after = replace(change.balance, grants=grants, overage_due=change.balance.overage_due + overage)
    day = day_key(used_at)
    told = replace(
        summary,
        used=summary.used + quantity,
        overage=summary.overage + overage,
        left=summary.left - restored,
        days={**summary.days, day: summary.days.get(day, ZERO) + quantity},
    )
    moved = replace(change, balance=after).moved("restored", restored, period).moved("used", quantity, period)
    if overage != ZERO:
        ends_at = max(summary.period.end, summary.closed_at)
        moved = moved.line_moved(OverageLine(summary.line, ends_at, closed=overage))
    return moved.moved("overage_closed", overage, period), told


def _burn_bought(balance: Balance, quantity: Decimal, used_at: datetime) -> tuple[tuple[Grant, ...], Decimal]:
    """Take units from the grants that no period ends and that had started; return the grants, and what they lacked."""
    left: dict[str, Decimal] = {}
    for grant in balance.active_grants:
        if not grant.is_periodic and grant.starts_at <= used_at:
            taken = min(quantity, grant.remaining)
            left[grant.id] = grant.remaining - taken
            quantity -= taken
    return tuple(replace(grant, remaining=left.get(grant.id, grant.remaining)) for grant in balance.grants), quantity
