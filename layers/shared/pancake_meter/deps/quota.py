"""The collaborators of the quota check: metering, and the offers that a refusal carries."""

from decimal import Decimal
from functools import partial

from pancake_meter.deps.alerts import stack_bell
from pancake_meter.deps.metering import stack_metering
from pancake_meter.deps.stack import Clock, utc_now
from pancake_meter.deps.telemetry import report_not_rung
from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.balance.spend import Refusal
from pancake_meter.usecases.alerts.refused import RefusalBell
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.selling.offer import Offers
from pancake_meter.usecases.selling.owed_overage import due_lines
from pancake_meter.value import Value, replace


class QuotaDeps(Value):
    """Metering, offers, the clock, and what rings a refusal; ``None``: nobody is told."""

    metering: Metering
    offers: Offers
    clock: Clock = utc_now
    refusals: RefusalBell | None = None

    def tell_refused(self, balance: Balance, refusal: Refusal, wanted: Decimal, base_url: str) -> None:
        """Tell whoever wants to hear of it that a customer was refused."""
        if self.refusals is not None:
            self.refusals.tell(balance, refusal, wanted, base_url)


def quota_deps() -> QuotaDeps:
    """Return the collaborators of this stack. The secret that signs links is read when the first link is made."""
    bell, metering = stack_bell(), stack_metering()
    offers = replace(bell.offers, due_lines=partial(due_lines, metering.table))
    return QuotaDeps(metering, offers, refusals=RefusalBell(bell, report_not_rung))
