"""The collaborators of what an operator has Waffo do: the table, Waffo, and the customers who were erased."""

from pancake_meter.deps.config import WaffoApiSettings
from pancake_meter.deps.erasures import stack_erasures
from pancake_meter.deps.stack import Clock, stack_table, utc_now
from pancake_meter.deps.waffo import waffo_client
from pancake_meter.usecases.selling.act_on_order import Acting
from pancake_meter.usecases.selling.refund_payment import Refunding
from pancake_meter.value import Value


class WaffoActionsDeps(Value):
    """Refunds, actions on orders, and the clock."""

    refunding: Refunding
    acting: Acting
    clock: Clock = utc_now


def waffo_actions_deps() -> WaffoActionsDeps:
    """Return the collaborators of this stack. Waffo's private key is read by the first call of Waffo."""
    settings = WaffoApiSettings.from_environment()
    table, erasures, waffo = stack_table(), stack_erasures(), waffo_client(settings)
    return WaffoActionsDeps(
        Refunding(table, erasures, waffo),
        Acting(table, erasures, waffo, settings.environment, settings.store_id),
    )
