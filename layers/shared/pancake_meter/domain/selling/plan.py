"""Plans: what a subscription product grants, and the rules that go with it."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Literal

from pancake_meter.domain.selling.pricing import Price
from pancake_meter.value import Value, field

Cadence = Literal["billing", "month", "week", "day"]
"""How often an allowance starts afresh: with each paid period, or on an anchored window inside it."""

QuotaChangePolicy = Literal["carry", "reset", "prorate"]
"""What becomes of the units already used when a customer moves to this plan inside a period."""

Environment = Literal["test", "prod"]
"""Waffo's two worlds."""

DEFAULT_ALERT_THRESHOLDS = (Decimal("0.8"), Decimal(1))
DEFAULT_RENEWAL_LEEWAY = timedelta(days=1)


class OverageBlocked(Value):
    """Nothing may be used beyond the grants."""


class OverageCapped(Value):
    """Holds are refused that would bring the open period's units beyond the grants above ``limit``."""

    limit: Decimal


class OverageAllowed(Value):
    """Usage beyond the grants is never refused."""


OveragePolicy = OverageBlocked | OverageCapped | OverageAllowed


class PastDueKeep(Value):
    """While a payment is being retried, everything stays."""


class PastDueReduce(Value):
    """While a payment is being retried, ``fraction`` (0 to 1) of the allowance stays."""

    fraction: Decimal


class PastDueThrottle(Value):
    """While a payment is being retried, at most ``rate_per_minute`` holds a minute are let through; usage always counts."""

    rate_per_minute: int


class PastDueBlock(Value):
    """Access ends once a payment has been overdue for ``grace``."""

    grace: timedelta


PastDuePolicy = PastDueKeep | PastDueReduce | PastDueThrottle | PastDueBlock


class MeterAllowance(Value):
    """What a plan grants on one meter: ``quantity`` units per ``cadence``, and what holds beyond them.

    ``rollover_maximum`` is how many unused units move to the next period (0: none); ``alert_thresholds`` are shares of
    the allowance, ascending; ``prices`` are by currency and apply to overage and top-ups; without any, no sale.
    """

    meter: str
    quantity: Decimal
    cadence: Cadence = "billing"
    overage: OveragePolicy = field(default_factory=OverageBlocked)
    rollover_maximum: Decimal = Decimal(0)
    alert_thresholds: tuple[Decimal, ...] = DEFAULT_ALERT_THRESHOLDS
    prices: Mapping[str, Price] = field(default_factory=dict)


class Plan(Value):
    """A plan of the catalog. A plan of higher ``rank`` is an upgrade.

    ``product_ids`` are the Waffo products that sell it, by environment; a plan without any cannot be bought.
    ``renewal_leeway`` is how long a paid period's units stay usable past its end while the renewal is awaited.
    ``holds_per_minute`` is no term of the sale: it is set on the plan as it counts while a payment is overdue.
    An ``add_on`` is bought beside a plan and grants on top of it; its ``rank`` decides nothing.
    ``trial`` is the fraction (0 to 1) of each allowance that a trial grants. With ``None`` the catalog knows of no trial; an
    order that Waffo calls a trial then grants in full.
    """

    key: str
    name: str
    rank: int
    allowances: Mapping[str, MeterAllowance]
    past_due: PastDuePolicy = field(default_factory=PastDueKeep)
    quota_change: QuotaChangePolicy = "carry"
    renewal_leeway: timedelta = DEFAULT_RENEWAL_LEEWAY
    product_ids: Mapping[Environment, str] = field(default_factory=dict)
    holds_per_minute: int | None = None
    add_on: bool = False
    trial: Decimal | None = None

    def is_rival_of(self, other: "Plan") -> bool:
        """Whether nobody should hold both: two plans that are no add-ons, or one add-on twice."""
        if self.add_on or other.add_on:
            return self.key == other.key
        return True
