"""The collaborators of the scheduled sweep: metering, and the bell for what ends soon."""

from pancake_meter.deps.alerts import stack_bell
from pancake_meter.deps.metering import stack_metering
from pancake_meter.deps.stack import Clock, utc_now
from pancake_meter.usecases.alerts.ringing import Bell
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.value import Value


class ResetDeps(Value):
    """Metering, the bell and the clock."""

    metering: Metering
    bell: Bell
    clock: Clock = utc_now


def reset_deps() -> ResetDeps:
    """Return the collaborators of this stack."""
    return ResetDeps(stack_metering(), stack_bell())
