"""Keeping a refusal for the stream to ring: by the request that was refused, since a check leaves nothing in the table.

The stream reader rings it like every other alert, and so in its order: a threshold that was reached before rings before.

It costs the gate nothing while nobody is refused. The first refusal of a period that a process meets costs it a read, the
first of all a transaction; the others cost nothing. The answer waits for it for a short time, and never fails with it.
"""

from collections.abc import Callable
from decimal import Decimal
from threading import Lock
from typing import Final

from pancake_meter.domain.access.pseudonym import is_pseudonym
from pancake_meter.domain.alerts.quota import refused_alert
from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.balance.spend import Refusal
from pancake_meter.store.alerts.alerts import has_refusal, keep_refusal
from pancake_meter.usecases.alerts.ringing import Bell, Due
from pancake_meter.usecases.briefly import briefly
from pancake_meter.value import Value, field, replace

RING_SECONDS_MAX: Final = 1.0
"""How long a refusal waits for its alert; with less, the table is not even asked. The next refusal tries again."""

_KNOWN_MAX: Final = 10_000
"""Refusals that a process remembers as kept: about 1 MB."""


def _nobody_listens(_: Exception) -> None:
    """Make nothing of a failure."""


class Kept:
    """A bounded memory of refusals that were kept, the oldest of which are forgotten first. A hint: the store decides."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._ids: dict[str, None] = {}
        self._lock = Lock()

    def __contains__(self, alert_id: str) -> bool:
        """Return whether the refusal of an alert is remembered."""
        return alert_id in self._ids

    def add(self, alert_id: str) -> None:
        """Remember the refusal of an alert."""
        with self._lock:
            self._ids[alert_id] = None
            for _ in range(len(self._ids) - _KNOWN_MAX):
                del self._ids[next(iter(self._ids))]


class RefusalBell(Value):
    """Has refusals rung: each customer, meter and period once."""

    bell: Bell
    on_trouble: Callable[[Exception], None] = _nobody_listens
    kept: Kept = field(default_factory=Kept)

    def tell(self, balance: Balance, refusal: Refusal, wanted: Decimal, base_url: str) -> None:
        """Keep a refusal, if that is possible in a short time. Links begin with ``base_url`` where no other is set."""
        alert = refused_alert(balance, refusal, wanted, self.bell.clock())
        if alert is not None and alert.id not in self.kept and not is_pseudonym(balance.customer_id):
            briefly(lambda: self._keep(Due(alert, balance), balance.customer_id, base_url), RING_SECONDS_MAX)

    def _keep(self, due: Due, customer_id: str, base_url: str) -> None:
        bell = replace(self.bell, base_url=self.bell.base_url or base_url)
        try:
            if not has_refusal(bell.table, customer_id, due.alert.id):
                keep_refusal(bell.table, customer_id, bell.linked(due), [bell.erasures.unless_erased(customer_id)])
        except Exception as error:
            self.on_trouble(error)
            raise
        self.kept.add(due.alert.id)
