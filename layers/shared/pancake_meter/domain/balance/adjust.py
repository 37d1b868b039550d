"""Structure changes that events bring: grants given and taken back, due overage paid, expired holds dropped, access cut.

Every function takes a balance already advanced to ``now`` (inside the same ``Change``) and returns the grown change.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import combinations

from pancake_meter.domain.balance.advance import make_due
from pancake_meter.domain.balance.balance import NEVER, ZERO, Balance, burn, left_over
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.grant import (
    DEFAULT_PRIORITY,
    GRANTS_NOT_SOLD,
    MAX_GRANTS,
    Grant,
    kept_grants,
    periodic_grant_id,
)
from pancake_meter.domain.balance.limits import Limits
from pancake_meter.domain.errors import TooManyGrants
from pancake_meter.domain.selling.overage import (
    MAX_CHANGED_LINES,
    NO_LINES,
    LineKey,
    Lines,
    OverageLine,
    SettledUnits,
    SoldLine,
    merged_line,
)
from pancake_meter.value import Value, replace


def add_grant(change: Change, grant: Grant, now: datetime, lines: Lines = NO_LINES) -> Change:
    """Add a grant, or add its units to the lot that is there.

    It pays at once for overage of the open period: overage is what lies beyond *every* grant. So does one whose news comes
    late: of ``lines`` (those with units due), it first pays those whose period had not ended when the grant started, the
    oldest first. A change has room for so many: beyond them the units stay in the grant. What was bought then pays for
    units that were refunded and gone (``claw_back``), and last for those of ``lines`` whose payment was refunded.

    Raises:
        TooManyGrants: the balance has ``MAX_GRANTS`` live grants already, none of which is the grant's lot.
    """
    change = change.burn()
    held = next((held for held in change.balance.grants if held.id == grant.id), None)
    others = tuple(other for other in change.balance.grants if other is not held)
    if held is None and sum(other.is_live for other in others) >= MAX_GRANTS:
        raise TooManyGrants("the balance has as many grants as it can carry", limit=MAX_GRANTS)
    change, grant = _cover_due(change.moved("granted", grant.quantity, grant.id), grant, lines)
    whole = held.plus(grant) if held else grant
    grown = replace(change.balance, grants=(*others, whole), as_of=max(change.balance.as_of, now))
    change = replace(change, balance=_in_turn(burn(grown)))
    paid_here = _covered_here if grant.is_bought else _given_to_reopened
    change = paid_here(change, lines, grown.overage, grown.overage - change.balance.overage)
    change = _in_rank(_pay_refund_debt(change), lines)
    kept = kept_grants(change.balance.grants, grant.id)
    return replace(change, balance=replace(change.balance, grants=kept))


def can_carry(balance: Balance, grant: Grant, now: datetime) -> bool:
    """Whether units may be sold that will come as this grant, without their payment meeting a balance that is full.

    Some places stay free for payments that nobody asks us about: those of old checkouts, or of one that is paid twice. Units
    that expire need a place of their own: their expiry is counted from the payment, so it is not yet known.
    """
    live = [held for held in balance.grants if held.is_live and (held.expires_at is None or held.expires_at > now)]
    has_lot = grant.expires_at is None and any(held.id == grant.id for held in live)
    return has_lot or len(live) < MAX_GRANTS - GRANTS_NOT_SOLD


def _cover_due(change: Change, grant: Grant, lines: Lines) -> tuple[Change, Grant]:
    """Pay due units with what a grant has left: those of periods that had not ended when it started, the oldest first.

    Bought units do not pay for reopened ones here: their turn comes after all others (``_in_rank``). Gifts leave no unit
    reopened that they pay for.
    """
    for line in change.lines_over(lines).values():
        wanted = line.due - line.again(line.due) if grant.is_bought else line.due
        paid = _payable(change, grant, line, wanted)
        covered = paid if grant.is_bought else ZERO
        more = line.more(closed=-paid, covered=covered, reopened=-line.reopened_of(line.due, paid))
        change, grant = _cover(change, grant, more)
    return change, grant


def _payable(change: Change, grant: Grant, line: OverageLine, wanted: Decimal) -> Decimal:
    """Return how many due units of a line a grant may pay for with what it has left."""
    return min(grant.remaining, wanted) if grant.starts_at < line.ends_at and _has_room(change, line) else ZERO


def _cover(change: Change, grant: Grant, more: OverageLine) -> tuple[Change, Grant]:
    """Pay for due units of a line with a grant, as the differences to the line say."""
    paid = -more.closed
    if paid <= ZERO:
        return change, grant
    change = _take_from_due(change, more, paid).moved("overage_covered", paid, grant.id)
    return change, replace(grant, remaining=grant.remaining - paid)


def _has_room(change: Change, *lines: OverageLine) -> bool:
    """Whether a change has room for more of these lines."""
    return len({*change.lines, *(line.key for line in lines)}) <= MAX_CHANGED_LINES


def _in_rank(change: Change, lines: Lines) -> Change:
    """Return the change with bought units where they belong while units are reopened, in whatever order we heard of all.

    They pay for what is owed otherwise, then for refunds, and last for reopened units, the oldest line first.
    """
    if change.balance.reopened <= ZERO:
        return change
    owed = change.balance.refund_debt
    left, change = _take_recovered(change, owed, lines)
    cleared = replace(change.balance, refund_debt=left)
    change = replace(change, balance=cleared).moved("refund_cleared", owed - left)
    for grant in change.balance.active_grants:
        if grant.is_bought:
            change = _pay_reopened(change, grant, lines)
    return _oldest_first(change, lines)


def _pay_reopened(change: Change, grant: Grant, lines: Lines) -> Change:
    """Pay reopened units that are due with what a grant of the balance has left."""
    left = grant
    for line in _reopened(change, lines):
        paid = _payable(change, left, line, line.again(line.due))
        change, left = _cover(change, left, line.more(closed=-paid, regained=paid))
    return _take_from_grant(change, grant.id, grant.remaining - left.remaining)


def _reopened(change: Change, lines: Lines) -> list[OverageLine]:
    """Return the lines with reopened units, paid for or not, the oldest first."""
    return [line for line in change.lines_over(lines).values() if line.reopened > ZERO]


def _owed(change: Change, line: OverageLine) -> Decimal:
    """Return the units of a line that are due, and those of the open period's that will be; the change is burned."""
    return line.due + (change.balance.overage if line.key == change.balance.line else ZERO)


def _take_recovered(change: Change, quantity: Decimal, lines: Lines) -> tuple[Decimal, Change]:
    """Take bought units back out of reopened ones that they paid for, the newest line first; return how many more to take.

    What they paid for is owed again.
    """
    for line in reversed(_reopened(change, lines)):
        taken = min(quantity, line.regained)
        if taken > ZERO and _has_room(change, line):
            change = _owe_again(change, line, taken).moved("clawed_back", taken, str(line.key))
            quantity -= taken
    # What was given meanwhile pays for open overage.
    overage = change.balance.overage
    change = change.burn()
    return quantity, _given_to_reopened(change, lines, overage, overage - change.balance.overage)


def _owe_again(change: Change, line: OverageLine, quantity: Decimal) -> Change:
    """Make reopened units of a line owed that bought ones had paid for."""
    balance = change.balance
    if line.key == balance.line:
        owed = replace(balance, overage=balance.overage + quantity)
        return replace(change, balance=owed).line_moved(line.more(regained=-quantity))
    due = replace(balance, overage_due=balance.overage_due + quantity)
    change = replace(change, balance=due).line_moved(line.more(closed=quantity, regained=-quantity))
    return change.moved("overage_closed", quantity)


def _oldest_first(change: Change, lines: Lines) -> Change:
    """Let bought units pay for reopened ones of older lines in place of newer ones, if bought before the older one's end."""
    since = min((grant.starts_at for grant in change.balance.active_grants if grant.is_bought), default=NEVER)
    known = _reopened(change, lines)
    newer = [(line, line.regained) for line in known]
    for place, old in enumerate(known):
        wanted = old.again(old.due) if since < old.ends_at else ZERO
        while wanted > ZERO and len(newer) > place + 1:
            new, recovered = newer.pop()
            moved = min(wanted, recovered) if _has_room(change, old, new) else ZERO
            if moved > ZERO:
                less = old.more(closed=-moved, regained=moved)
                change = _take_from_due(change, less, moved).moved("overage_covered", moved)
                change = _owe_again(change, new, moved)
                wanted -= moved
            if recovered > moved and wanted == ZERO:
                newer.append((new, recovered - moved))
    return change


def _given_to_reopened(change: Change, lines: Lines, owed: Decimal, paid: Decimal) -> Change:
    """Return the change after given units paid for so many of the open period's ``owed``: those are reopened no more."""
    line = change.lines_over(lines).get(change.balance.line)
    freed = line.reopened_of(line.due + owed, paid) if line else ZERO
    return change.line_moved(line.more(reopened=-freed)) if line and freed > ZERO else change


def _covered_here(change: Change, lines: Lines, owed: Decimal, paid: Decimal) -> Change:
    """Return the change after bought units paid for so many of the open period's ``owed``: its line says how many."""
    balance = change.balance
    line = change.lines_over(lines).get(balance.line) or OverageLine(balance.line, balance.period.end)
    regained = line.reopened_of(line.due + owed, paid)
    return change.line_moved(line.more(covered=paid - regained, regained=regained)) if paid > ZERO else change


def _take_from_grant(change: Change, grant_id: str, quantity: Decimal) -> Change:
    grants = tuple(
        replace(grant, remaining=grant.remaining - quantity) if grant.id == grant_id else grant
        for grant in change.balance.grants
    )
    return replace(change, balance=replace(change.balance, grants=grants))


def _pay_refund_debt(change: Change) -> Change:
    """Take what is owed for refunds out of the bought units that are left."""
    owed = change.balance.refund_debt
    left, change = _take_bought(change, owed)
    cleared = replace(change.balance, refund_debt=left)
    return replace(change, balance=cleared).moved("refund_cleared", owed - left)


def _take_bought(change: Change, quantity: Decimal) -> tuple[Decimal, Change]:
    """Take units back out of whatever was bought, in burn order; return how many were not there too."""
    for grant in change.balance.active_grants:
        taken = min(quantity, grant.remaining) if grant.is_bought else ZERO
        change = _take_from_grant(change, grant.id, taken).moved("clawed_back", taken, grant.id)
        quantity -= taken
    return quantity, change


def _in_turn(balance: Balance) -> Balance:
    """Return the balance with its bought units used in their turn, in whatever order we heard of them.

    Of two lots, one that burns first and was there first has units left only while nothing of the other is used.
    """
    lots = {grant.id: grant for grant in balance.active_grants if grant.is_bought}
    for earlier, later in combinations(lots, 2):
        moved = min(lots[earlier].remaining, lots[later].quantity - lots[later].remaining)
        if moved > ZERO and lots[earlier].starts_at <= lots[later].starts_at:
            lots[earlier] = replace(lots[earlier], remaining=lots[earlier].remaining - moved)
            lots[later] = replace(lots[later], remaining=lots[later].remaining + moved)
    return replace(balance, grants=tuple(lots.get(grant.id, grant) for grant in balance.grants))


def pay_overage(change: Change, sold: Iterable[SoldLine], lines: Lines) -> tuple[Change, tuple[SettledUnits, ...]]:
    """Settle the units that a checkout sold and that are still owed; return the grown change, and what was settled.

    ``lines`` are the sold lines as they are kept, and those with units due. What bought units have paid for meanwhile is
    settled too, and these units come back: so it is the same whether the payment or the pack is told of first. Units that
    are not owed any more (another payment settled them, a gift paid for them, the seller let them go) are not settled:
    what becomes of their money is the caller's to say.
    """
    change = change.burn()
    settled: list[SettledUnits] = []
    for part in sold:
        line = change.lines_over(lines).get(part.key) or OverageLine(part.key, change.balance.period.end)
        owed = _owed(change, line)
        sold_to = min(part.end, line.settled + owed + line.covered + line.regained)
        quantity = max(ZERO, sold_to - max(part.start, line.settled))
        again = line.again(owed)
        due, covered, again, regained = _parts(quantity, owed - again, line.covered, again, line.regained)
        change, quantity = _settle(change, line, _Settling(due, covered, again, regained), lines)
        if quantity > ZERO:
            change = _in_rank(change.moved("overage_paid", quantity, str(part.key)), lines)
            settled.append(SettledUnits(part.key, quantity))
    return change, tuple(settled)


class _Settling(Value):
    """Units of a line that are to be settled: owed ones, those that bought ones have paid for, and of both reopened ones."""

    due: Decimal
    covered: Decimal
    again: Decimal
    regained: Decimal


def _parts(quantity: Decimal, *places: Decimal) -> list[Decimal]:
    """Return how many of so many units each place takes, one after the other."""
    parts: list[Decimal] = []
    for place in places:
        parts.append(min(place, quantity - sum(parts)))
    return parts


def _settle(change: Change, line: OverageLine, wanted: _Settling, lines: Lines) -> tuple[Change, Decimal]:
    """Settle units of a line; return how many were: bought units that have no lot any more do not come back."""
    owed = wanted.due + wanted.again
    if owed > line.due:
        change = make_due(change, owed - line.due, change.balance.period.end)
    if owed > ZERO:
        change = _take_from_due(change, line.more(settled=owed, reopened=-wanted.again), owed)
    back, change = _bring_back(change, line, wanted, lines)
    if back <= ZERO:
        return change, owed
    covered, regained = _parts(back, wanted.covered, wanted.regained)
    more = line.more(closed=back, settled=back, covered=-covered, reopened=-regained, regained=-regained)
    return change.line_moved(more).moved("overage_closed", back), owed + back


def _bring_back(change: Change, line: OverageLine, wanted: _Settling, lines: Lines) -> tuple[Decimal, Change]:
    """Bring units back that bought ones paid for in a line: as if they had not, they pay for what else is owed since then.

    That is what no payment was refunded for, the oldest line first, and then refunds; the rest is in its lots again. Return
    how many came back.
    """
    left = wanted.covered
    for other in change.lines_over(lines).values():
        is_since = other.ends_at >= line.ends_at and other.key != line.key
        paid = min(left, other.due - other.again(other.due)) if is_since and _has_room(change, line, other) else ZERO
        if paid > ZERO:
            change = _take_from_due(change, other.more(closed=-paid, covered=paid), paid)
            change = change.moved("overage_covered", paid)
            left -= paid
    here = change.balance.overage
    paid = min(left, here)
    change = replace(change, balance=replace(change.balance, overage=here - paid))
    change = _covered_here(change, lines, here, paid)
    left += wanted.regained - paid
    cleared = min(left, change.balance.refund_debt)
    less = replace(change.balance, refund_debt=change.balance.refund_debt - cleared)
    change = replace(change, balance=less).moved("clawed_back", cleared, str(line.key)).moved("refund_cleared", cleared)
    here = change.balance.overage
    returned, change = _return_bought(change, left - cleared)
    change = _covered_here(change, lines, here, here - change.balance.overage)
    return wanted.covered + wanted.regained - (left - cleared - returned), change


def reopen_overage(change: Change, key: LineKey, quantity: Decimal, lines: Lines) -> Change:
    """Make up to ``quantity`` settled units of a line due again: their payment was refunded.

    What was bought before the end of its period pays for them, as it does when it is told of only now, until a refund
    takes that too (``claw_back``).
    """
    change = change.burn()
    line = change.lines_over(lines).get(key)
    reopened = min(quantity, line.settled) if line else ZERO
    if line is None or reopened <= ZERO:
        return change
    due = replace(change.balance, overage_due=change.balance.overage_due + reopened)
    change = replace(change, balance=due).line_moved(line.more(settled=-reopened, reopened=reopened))
    left = _left(change)
    change = resume_overage(change.moved("overage_reopened", reopened, str(key)), lines)
    # While units are left there is no other overage: they have paid for these.
    given, bought = (before - after for before, after in zip(left, _left(change), strict=True))
    change = _given_to_reopened(change, lines, reopened, given)
    if bought > ZERO:
        change = change.line_moved(line.more(regained=bought))
    return _in_rank(change, lines)


def _left(change: Change) -> tuple[Decimal, Decimal]:
    """Return the units that are left of what nobody bought, and of what was bought."""
    grants = change.balance.active_grants
    bought = sum((grant.remaining for grant in grants if grant.is_bought), ZERO)
    return sum((grant.remaining for grant in grants), ZERO) - bought, bought


def settle_again(change: Change, key: LineKey, quantity: Decimal, lines: Lines) -> tuple[Change, Decimal]:
    """Settle up to ``quantity`` units of a line again: the refund of their payment failed. Return how many were.

    Those that are owed are settled, and then those that bought units paid for meanwhile: these units come back.
    """
    change = change.burn()
    line = change.lines_over(lines).get(key) or OverageLine(key, change.balance.period.end)
    owed = _owed(change, line)
    again = line.again(owed)
    again, regained, due = _parts(quantity, again, line.regained, owed - again)
    change, settled = _settle(change, line, _Settling(due, ZERO, again, regained), lines)
    return _in_rank(change.moved("overage_paid", settled, str(key)), lines), settled


def _return_bought(change: Change, quantity: Decimal) -> tuple[Decimal, Change]:
    """Put units back into whatever was bought and is used, the last in burn order first; return how many had a place."""
    left = quantity
    for grant in reversed(change.balance.active_grants):
        put = min(left, grant.quantity - grant.remaining) if grant.is_bought else ZERO
        change = _take_from_grant(change, grant.id, -put)
        left -= put
    return quantity - left, replace(change, balance=_in_turn(burn(change.balance)))


def resume_overage(change: Change, lines: Lines) -> Change:
    """Take what is due in the open period's own line back as open overage: only closed periods have units due."""
    balance = change.balance
    line = change.lines_over(lines).get(balance.line)
    if line is None or line.due <= ZERO:
        return change
    resumed = replace(balance, overage=balance.overage + line.due)
    change = _take_from_due(replace(change, balance=resumed), line.more(closed=-line.due), line.due)
    return change.moved("overage_resumed", line.due).burn()


def forgive_overage(change: Change, quantity: Decimal, lines: Lines) -> tuple[Change, Decimal]:
    """Let go up to ``quantity`` owed units, the oldest line first; return the grown change and how many there were.

    They no longer count as overage: in their line, later units move down into their place. A change has room for so many
    lines: where more have units due, fewer units are let go than are owed, and the rest is for another change.
    """
    change = change.burn()
    left = quantity
    due = [line for line in change.lines_over(lines).values() if line.due > ZERO]
    for line in due[:MAX_CHANGED_LINES]:
        forgiven = min(left, line.due)
        if forgiven > ZERO:
            change = _forgive(change, line, _owed(change, line), forgiven)
            left -= forgiven
    forgiven = min(left, change.balance.overage) if len(due) <= MAX_CHANGED_LINES else ZERO
    if forgiven > ZERO:
        owed = change.balance.overage
        change = make_due(change, forgiven, change.balance.period.end)
        change = _forgive(change, change.lines_over(lines)[change.balance.line], owed, forgiven)
    return change, quantity - left + forgiven


def merge_lines(change: Change, lines: Sequence[OverageLine]) -> Change:
    """Put one line in the place of several of one plan, the oldest first: as many units due, at the same price.

    Each of ``lines`` is as it is kept, with the prices that it has. So lines of little worth, more of them than one checkout
    can sell, can be sold all the same.
    """
    for line in lines:
        change = change.line_moved(line.more(closed=-line.due, reopened=-line.reopened_of(line.due, line.due)))
    return change.line_moved(merged_line(lines, change.before.segment + 1))


def _forgive(change: Change, line: OverageLine, owed: Decimal, quantity: Decimal) -> Change:
    """Let go units of a line that owes so many."""
    more = line.more(closed=-quantity, forgiven=quantity, reopened=-line.reopened_of(owed, quantity))
    return _take_from_due(change, more, quantity).moved("overage_forgiven", quantity, str(line.key))


def _take_from_due(change: Change, more: OverageLine, quantity: Decimal) -> Change:
    balance = replace(change.balance, overage_due=change.balance.overage_due - quantity)
    return replace(change, balance=balance).line_moved(more)


def claw_back(change: Change, grant_id: str, quantity: Decimal, lines: Lines = NO_LINES) -> Change:
    """Take refunded units back: of their own lot first.

    What it has not left may have paid for overage whose own payment was refunded: of ``lines``, those units are owed again,
    as they are when the pack's refund is told of first. The others come from whatever else was bought, in burn order; what
    is left of that pays for what is owed again, where it may. The rest was used, or has expired: it stays with the balance
    as a debt, never below zero and never forgotten, which what is bought next pays. So at any time, whatever the order of
    purchases and refunds, ``left - debt - owed = bought - refunded + settled - used beyond the plan``, and there is no debt
    while there are bought units, nor while they have paid for reopened ones.
    """
    change = change.burn()
    own = next((grant for grant in change.balance.grants if grant.id == grant_id), None)
    missing = quantity
    if own is not None:
        taken = min(quantity, own.remaining)
        missing -= taken
        less = replace(own, quantity=max(ZERO, own.quantity - quantity), remaining=own.remaining - taken)
        grants = tuple(less if grant.id == grant_id else grant for grant in change.balance.grants)
        change = replace(change, balance=replace(change.balance, grants=grants)).moved("clawed_back", taken, grant_id)
    missing, change = _take_recovered(change, missing, lines)
    missing, change = _take_bought(change, missing)
    change = _in_rank(change, lines)
    owed = replace(change.balance, refund_debt=change.balance.refund_debt + missing)
    return replace(change, balance=_in_turn(owed)).moved("refund_owed", missing, grant_id)


def give_back(change: Change, lot: Grant, now: datetime, lines: Lines = NO_LINES) -> Change:
    """Give back the units of ``lot``, which a refund took and which failed after all.

    They first clear the debt that the refund may have left, and then are as if they were bought now (``add_grant``).

    Raises:
        TooManyGrants: the lot is gone, and the balance cannot carry another grant.
    """
    change = change.burn()
    cleared = min(change.balance.refund_debt, lot.remaining)
    less = replace(change.balance, refund_debt=change.balance.refund_debt - cleared)
    change = replace(change, balance=less).moved("clawed_back", cleared, lot.id).moved("refund_cleared", cleared)
    return add_grant(change, replace(lot, remaining=lot.remaining - cleared), now, lines)


def void_grant(change: Change, grant_id: str) -> tuple[Change, Decimal]:
    """Take away what is left of a grant, and the grant with it; return also how many units it was.

    What was used of it stays used. Without such a grant, nothing changes.
    """
    burned = change.burn()
    voided = next((grant for grant in burned.balance.grants if grant.id == grant_id), None)
    if voided is None:
        return change, ZERO
    others = tuple(grant for grant in burned.balance.grants if grant is not voided)
    rest = replace(burned, balance=replace(burned.balance, grants=others))
    return rest.moved("clawed_back", voided.remaining, grant_id), voided.remaining


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
    over = change.balance.expired_holds(now)
    if not over:
        return change
    change = change.burn()
    for hold_id, hold in over.items():
        change = change.moved("hold_expired", hold.quantity, hold_id)
    live = {hold_id: hold for hold_id, hold in change.balance.holds.items() if hold_id not in over}
    return replace(change, balance=replace(change.balance, holds=live))


def set_limits(change: Change, limits: Limits) -> Change:
    """Put other limits on a balance, at the prices that its policy has.

    What the open period's plan gave becomes less, but never less than is gone of it or held: a hold that was granted within
    the plan settles within it. Or it becomes more, and then pays at once for overage that is there.
    """
    limits = limits.priced(change.balance.policy.prices)
    if change.balance.limits == limits:
        return change
    change = change.burn()
    limited = replace(change.balance, limits=limits)
    held = next((grant for grant in limited.grants if grant.kind == "plan"), None)
    gone, remaining = (held.quantity - held.remaining, held.remaining) if held else (ZERO, ZERO)
    left = max(min(limited.held, remaining), limited.allowance - gone)
    more = left - remaining
    if limited.allowance == change.balance.allowance or more == ZERO:
        return replace(change, balance=limited)
    start, grant_id = limited.period.start, periodic_grant_id("plan", limited.period.start)
    given = Grant(grant_id, "plan", gone + left, left, DEFAULT_PRIORITY["plan"], start)
    others = tuple(grant for grant in limited.grants if grant is not held)
    grants = (*others, given) if given.quantity else others
    change = replace(change, balance=burn(replace(limited, grants=grants)))
    return change.moved("granted", max(ZERO, more), grant_id).moved("clawed_back", max(ZERO, -more), grant_id)


def set_blocked(change: Change, reason: str | None) -> Change:
    """Cut access with a reason, or give it back with ``None``."""
    if change.balance.blocked == reason:
        return change
    change = change.burn()
    return replace(change, balance=replace(change.balance, blocked=reason))
