"""A customer in memory who owes overage, pays for it, buys packs and gets money back: the domain alone, without a store."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from pancake_meter.domain.balance.adjust import (
    add_grant,
    claw_back,
    forgive_overage,
    give_back,
    pay_overage,
    reopen_overage,
    settle_again,
)
from pancake_meter.domain.balance.advance import advance, open_balance
from pancake_meter.domain.balance.balance import ZERO, Balance, Policy, Term
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.credit import bought_lot
from pancake_meter.domain.balance.grant import Grant
from pancake_meter.domain.balance.period import add_months
from pancake_meter.domain.balance.spend import record_usage
from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.selling.overage import LineKey, OverageLine, SoldLine
from pancake_meter.domain.selling.plan import OverageAllowed
from pancake_meter.store.balance.balance_item import balance_from_item, balance_item
from pancake_meter.value import replace

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY, MONTH = timedelta(days=1), timedelta(days=31)
ALLOWANCE = 100
PLAN = Policy("pro", Decimal(ALLOWANCE), overage=OverageAllowed())


@dataclass(frozen=True)
class Overage:
    """A payment for so many units that were owed in a month, which is that of the moment if none is named."""

    name: str
    units: int
    month: int | None = None


@dataclass(frozen=True)
class Pack:
    """A pack that is paid for ``day`` days after the beginning. Packs of one ``priority`` are one lot."""

    name: str
    units: int
    day: int = 9
    priority: int = 90


@dataclass(frozen=True)
class Back:
    """So many percent of a payment go back; or did not after all."""

    name: str
    percent: int = 100
    number: int = 0
    has_failed: bool = False


@dataclass(frozen=True)
class Renewed:
    """The month is over, and the next one begins."""

    name: str = "renewed"


Told = Overage | Pack | Back | Renewed


@dataclass
class Bought:
    """Units that a payment bought: of a line, or of a lot."""

    quantity: Decimal
    line: LineKey | None = None
    lot: Grant | None = None
    taken: Decimal = ZERO


@dataclass
class Customer:
    """A balance with its lines, and what is known of payments: the use case's decisions, without a store."""

    now: datetime = START
    balance: Balance = field(
        default_factory=lambda: open_balance("ada", "tokens", PLAN, Term(None, START), START).after
    )
    lines: dict[LineKey, OverageLine] = field(default_factory=dict)
    bought: dict[str, list[Bought]] = field(default_factory=dict)
    refunds: dict[tuple[str, int], Back] = field(default_factory=dict)
    used: int = 0

    def use(self, beyond: int) -> None:
        """Use up the period's allowance, and so many units more."""
        self.used += beyond
        self.balance = record_usage(self.balance, Decimal(ALLOWANCE + beyond), self.now)

    def renew(self) -> None:
        """Begin the next month, a moment after this one is over."""
        self.now = self.balance.period.end
        self.write(advance(self.balance, self.now, PLAN))

    def forgive(self, units: int) -> None:
        """Let go so many of the units that are owed."""
        change, forgiven = forgive_overage(Change.begin(self.balance), Decimal(units), self.due)
        self.used -= int(forgiven)
        self.write(change)

    def take(self, told: Told) -> None:
        """Be told of a payment, a refund or a renewal."""
        match told:
            case Overage(name, units, month):
                key = self.balance.line if month is None else LineKey(add_months(START, month), PLAN.plan)
                line = self.lines.get(key)
                start = line.settled if line else ZERO
                sold = SoldLine(key, start, start + units, Money(ZERO, "USD"), ZERO)
                change, settled = pay_overage(Change.begin(self.balance), [sold], self.lines)
                self.bought[name] = [Bought(part.quantity, line=part.key) for part in settled]
                self.write(change)
            case Pack(name, units, day, priority):
                lot = bought_lot("top_up", Decimal(units), priority, START + day * DAY, None)
                self.bought[name] = [Bought(Decimal(units), lot=lot)]
                self.write(add_grant(Change.begin(self.balance), lot, self.now, self.due))
            case Renewed():
                self.renew()
            case Back(name, _, number):
                known = self.refunds.get((name, number))
                self.refunds[name, number] = told if known is None or told.has_failed else known
        self._follow(told.name)

    @property
    def due(self) -> dict[LineKey, OverageLine]:
        """The lines that the books are read with."""
        return {key: line for key, line in self.lines.items() if line.due or line.reopened}

    def _follow(self, name: str) -> None:
        standing = (each.percent for (of, _), each in self.refunds.items() if of == name and not each.has_failed)
        percent, change = sum(standing), Change.begin(self.balance)
        for bought in list(self.bought.get(name, ())):
            more = bought.quantity * percent / 100 - bought.taken
            bought.taken += more
            if more > ZERO and bought.line:
                change = reopen_overage(change, bought.line, more, self.lines)
            elif more > ZERO and bought.lot:
                change = claw_back(change, bought.lot.id, more, self.due)
            elif more < ZERO and bought.line:
                change, settled = settle_again(change, bought.line, -more, self.lines)
                assert settled == -more
            elif more < ZERO and bought.lot:
                lot = replace(bought.lot, quantity=-more, remaining=-more)
                change = give_back(change, lot, self.now, self.due)
        self.write(change)

    def write(self, change: Change) -> None:
        self._check_ledger(change)
        assert balance_from_item(balance_item(change.after)) == change.after, "the store would forget something"
        self.lines, self.balance = change.lines_over(self.lines), replace(change.after, segment=0)
        self._check()

    def _check_ledger(self, change: Change) -> None:
        """The ledger says how what is due, and what is owed for refunds, came to be what it is, and of what it speaks."""
        moved = Counter[str]()
        for each in change.movements:
            assert each.quantity > ZERO
            assert each.reference is not None or each.kind not in ("granted", "clawed_back", "overage_paid"), each
            assert each.reference != "None"
            moved[each.kind] += int(each.quantity)
        before, after = change.before, change.balance
        assert after.refund_debt - before.refund_debt == moved["refund_owed"] - moved["refund_cleared"]
        grown = moved["overage_closed"] + moved["overage_reopened"]
        less = moved["overage_paid"] + moved["overage_covered"] + moved["overage_resumed"] + moved["overage_forgiven"]
        assert after.overage_due - before.overage_due == grown - less
        # A line is written only where something of it changes
        assert all(line.moves for line in change.lines.values())

    def _check(self) -> None:
        balance, lines = self.balance, self.lines.values()
        assert sum((line.due for line in lines), ZERO) == balance.overage_due
        assert sum((line.reopened for line in lines), ZERO) == balance.reopened
        assert all(
            min(line.due, line.settled, line.regained, line.covered, line.reopened - line.regained) >= ZERO
            for line in lines
        )
        assert all(ZERO <= grant.remaining <= grant.quantity for grant in balance.grants)
        # What was bought, less what was used and what went back
        every = [each for of_payment in self.bought.values() for each in of_payment]
        net = sum((each.quantity - each.taken for each in every), ZERO) - self.used
        owed = balance.overage_due + balance.current_overage
        left = sum((grant.remaining for grant in balance.grants if grant.is_bought), ZERO)
        assert left - balance.refund_debt - owed == net
        # There is no debt while there are bought units, left or in the place of a refunded payment
        regained = [line.regained for line in lines]
        assert min(balance.refund_debt, left + sum(regained)) == ZERO

    def owed(self, line: OverageLine) -> Decimal:
        return line.due + (self.balance.current_overage if line.key == self.balance.line else ZERO)

    @property
    def picture(self) -> dict[str, object]:
        """All that must not depend on the order."""
        balance = self.balance
        lines = {
            key: (self.owed(line), line.settled, line.reopened, line.regained, line.covered)
            for key, line in self.lines.items()
        }
        lines = {key: figures for key, figures in lines.items() if any(figures)}
        lots = {grant.id: (grant.quantity, grant.remaining) for grant in balance.grants if grant.is_bought}
        return {
            "available": balance.available,
            "overage": balance.current_overage,
            "due": balance.overage_due,
            "debt": balance.refund_debt,
            "lines": lines,
            "lots": lots,
        }
