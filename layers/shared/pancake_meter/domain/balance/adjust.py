"""Structure changes that events bring: grants given and taken back, due overage paid, expired holds dropped, access cut.

Every function takes a balance already advanced to ``now`` (inside the same ``Change``) and returns the grown change.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from pancake_meter.domain.balance.advance import make_due
from pancake_meter.domain.balance.balance import ZERO, burn, left_over
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.grant import MAX_GRANTS, Grant
from pancake_meter.domain.errors import TooManyGrants
from pancake_meter.domain.selling.overage import NO_LINES, LineKey, Lines, OverageLine, SettledUnits, SoldLine


def add_grant(change: Change, grant: Grant, now: datetime, lines: Lines = NO_LINES) -> Change:
    """Add a grant. It pays at once for overage of the open period: overage is what lies beyond *every* grant.

    So does one whose news comes late: of ``lines`` (those with units due), it first pays those whose period had not ended
    when the grant started.

    Raises:
        TooManyGrants: the balance has ``MAX_GRANTS`` live grants already.
    """
    change = change.burn()
    live = tuple(held for held in change.balance.grants if held.remaining > ZERO or held.is_periodic)
    if len(live) >= MAX_GRANTS:
        raise TooManyGrants("the balance has as many grants as it can carry", limit=MAX_GRANTS)
    change = change.moved("granted", grant.quantity, grant.id)
    for line in change.lines_over(lines).values():
        covered = min(grant.remaining, line.due)
        if covered > ZERO and grant.starts_at < line.ends_at:
            change = _take_from_due(change, replace(line, closed=-covered, settled=ZERO, forgiven=ZERO), covered)
            change = change.moved("overage_covered", covered, grant.id)
            grant = replace(grant, remaining=grant.remaining - covered)
    grown = replace(change.balance, grants=(*live, grant), as_of=max(change.balance.as_of, now))
    return replace(change, balance=burn(grown))


def pay_overage(change: Change, sold: Iterable[SoldLine], lines: Lines) -> tuple[Change, tuple[SettledUnits, ...]]:
    """Settle the units that a checkout sold and that are still owed; return the grown change, and what was settled.

    ``lines`` are the sold lines as they are kept. Units that are not owed any more (another payment settled them, a grant
    paid for them, the seller let them go) are not settled: what becomes of their money is the caller's to say.
    """
    change = change.burn()
    settled: list[SettledUnits] = []
    for part in sold:
        line = change.lines_over(lines).get(part.key) or OverageLine(part.key, change.balance.period.end)
        is_open = part.key == change.balance.line
        owed = line.closed + (change.balance.overage if is_open else ZERO)
        quantity = min(part.end, owed) - max(part.start, line.settled)
        if quantity <= ZERO:
            continue
        if quantity > line.due:
            change = make_due(change, quantity - line.due, change.balance.period.end)
        change = _take_from_due(change, replace(line, closed=ZERO, settled=quantity, forgiven=ZERO), quantity)
        change = change.moved("overage_paid", quantity, str(part.key))
        settled.append(SettledUnits(part.key, quantity))
    return change, tuple(settled)


def reopen_overage(change: Change, key: LineKey, quantity: Decimal, lines: Lines) -> Change:
    """Make up to ``quantity`` settled units of a line due again: their payment was refunded."""
    change = change.burn()
    line = change.lines_over(lines).get(key)
    reopened = min(quantity, line.settled) if line else ZERO
    if line is None or reopened <= ZERO:
        return change
    due = replace(change.balance, overage_due=change.balance.overage_due + reopened)
    change = replace(change, balance=due).line_moved(replace(line, closed=ZERO, settled=-reopened, forgiven=ZERO))
    return resume_overage(change.moved("overage_reopened", reopened, str(key)), lines)


def resume_overage(change: Change, lines: Lines) -> Change:
    """Take what is due in the open period's own line back as open overage: only closed periods have units due."""
    balance = change.balance
    line = change.lines_over(lines).get(balance.line)
    if line is None or line.due <= ZERO:
        return change
    resumed = replace(balance, overage=balance.overage + line.due)
    change = _take_from_due(
        replace(change, balance=resumed), replace(line, closed=-line.due, settled=ZERO, forgiven=ZERO), line.due
    )
    return change.moved("overage_resumed", line.due).burn()


def forgive_overage(change: Change, quantity: Decimal, lines: Lines) -> tuple[Change, Decimal]:
    """Let go up to ``quantity`` owed units, the oldest line first; return the grown change and how many there were.

    They no longer count as overage: in their line, later units move down into their place.
    """
    change = change.burn()
    left = quantity
    for line in change.lines_over(lines).values():
        forgiven = min(left, line.due)
        if forgiven > ZERO:
            change = _forgive(change, line, forgiven)
            left -= forgiven
    forgiven = min(left, change.balance.overage)
    if forgiven > ZERO:
        change = make_due(change, forgiven, change.balance.period.end)
        change = _forgive(change, change.lines[change.balance.line], forgiven)
    return change, quantity - left + forgiven


def _forgive(change: Change, line: OverageLine, quantity: Decimal) -> Change:
    more = replace(line, closed=-quantity, settled=ZERO, forgiven=quantity)
    return _take_from_due(change, more, quantity).moved("overage_forgiven", quantity, str(line.key))


def _take_from_due(change: Change, more: OverageLine, quantity: Decimal) -> Change:
    balance = replace(change.balance, overage_due=change.balance.overage_due - quantity)
    return replace(change, balance=balance).line_moved(more)


def claw_back(change: Change, grant_id: str, quantity: Decimal) -> tuple[Change, Decimal]:
    """Take up to ``quantity`` unused units of a grant back; return the change and the shortfall that was gone already.

    The shortfall stays with the balance as a debt: never below zero, and never forgotten.
    """
    change = change.burn()
    taken = min(quantity, sum((grant.remaining for grant in change.balance.grants if grant.id == grant_id), ZERO))
    grants = tuple(
        replace(grant, remaining=grant.remaining - taken) if grant.id == grant_id else grant
        for grant in change.balance.grants
    )
    shortfall = quantity - taken
    after = replace(change.balance, grants=grants, refund_debt=change.balance.refund_debt + shortfall)
    change = (
        replace(change, balance=after).moved("clawed_back", taken, grant_id).moved("refund_owed", shortfall, grant_id)
    )
    return change, shortfall


def take_rollover(change: Change, wanted: Decimal) -> tuple[Change, Decimal]:
    """Take back up to ``wanted`` units that rolled over into the open period; return also how many it was.

    What was used of them was used of the period's other units, then. Units that are gone all the same are not taken back.
    """
    change = change.burn()
    rolled = next((grant for grant in change.balance.grants if grant.kind == "rollover"), None)
    taken = min(wanted, rolled.quantity, left_over(change.balance)) if rolled else ZERO
    if rolled is None or taken == ZERO:
        return change, ZERO
    used, kept = rolled.quantity - rolled.remaining, rolled.quantity - taken
    others = tuple(grant for grant in change.balance.grants if grant is not rolled)
    shrunk = replace(rolled, quantity=kept, remaining=max(ZERO, kept - used))
    grants = (*others, shrunk) if kept else others
    # `overage` is what the burn below takes out of the grants.
    owed = change.balance.overage + max(ZERO, used - kept)
    taking = replace(change, balance=burn(replace(change.balance, grants=grants, overage=owed)))
    return taking.moved("clawed_back", taken, rolled.id), taken


def drop_expired_holds(change: Change, now: datetime) -> Change:
    """End the holds whose time is up: their units are available again."""
    over = {hold_id: hold for hold_id, hold in change.balance.holds.items() if hold.expires_at <= now}
    if not over:
        return change
    change = change.burn()
    for hold_id, hold in over.items():
        change = change.moved("hold_expired", hold.quantity, hold_id)
    live = {hold_id: hold for hold_id, hold in change.balance.holds.items() if hold_id not in over}
    return replace(change, balance=replace(change.balance, holds=live))


def set_blocked(change: Change, reason: str | None) -> Change:
    """Cut access with a reason, or give it back with ``None``."""
    if change.balance.blocked == reason:
        return change
    change = change.burn()
    return replace(change, balance=replace(change.balance, blocked=reason))
