"""Coverage: the plan and the term under which a customer's balances stand."""

from dataclasses import dataclass
from datetime import datetime

from pancake_meter.domain.balance.balance import Term
from pancake_meter.domain.selling.plan import Plan


@dataclass(frozen=True, slots=True)
class Coverage:
    """``plan`` is ``None`` for a customer whom no plan covers: usage is still counted, all of it as overage."""

    plan: Plan | None
    term: Term

    @classmethod
    def by_default(cls, default_plan: Plan | None, now: datetime) -> "Coverage":
        """Return the coverage of a customer without a subscription, from ``now`` on and without end."""
        return cls(default_plan, Term(order_id=None, start=now))
