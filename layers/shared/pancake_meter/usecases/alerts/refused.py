"""Ringing a refusal: by the request that was refused, since a check leaves nothing in the table that could tell of it.

It costs the gate nothing while nobody is refused. The first refusal of a period that a process meets costs it a read, the
first of all a transaction; the others cost nothing. The answer waits for it for a short time, and never fails with it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from threading import Lock
from typing import Final

from pancake_meter.domain.alerts.quota import refused_alert
from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.balance.spend import Refusal
from pancake_meter.usecases.alerts.ringing import Bell, Due
from pancake_meter.usecases.briefly import briefly

RING_SECONDS_MAX: Final = 1.0
"""How long a refusal waits for its alert; with less, the table is not even asked. The next refusal tries again."""

_KNOWN_MAX: Final = 10_000
"""Alerts that a process remembers as rung: about 1 MB."""


def _nobody_listens(_: Exception) -> None:
    """Make nothing of a failure."""


class Rung:
    """A bounded memory of alerts that have rung, the oldest of which are forgotten first. A hint: the store decides."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._ids: dict[str, None] = {}
        self._lock = Lock()

    def __contains__(self, alert_id: str) -> bool:
        """Return whether an alert is remembered."""
        return alert_id in self._ids

    def add(self, alert_id: str) -> None:
        """Remember an alert."""
        with self._lock:
            self._ids[alert_id] = None
            for _ in range(len(self._ids) - _KNOWN_MAX):
                del self._ids[next(iter(self._ids))]


@dataclass(frozen=True, slots=True)
class RefusalBell:
    """Rings refusals: each customer, meter and period once."""

    bell: Bell
    on_trouble: Callable[[Exception], None] = _nobody_listens
    rung: Rung = field(default_factory=Rung)

    def tell(self, balance: Balance, refusal: Refusal, wanted: Decimal, base_url: str) -> None:
        """Ring a refusal, if that is possible in a short time. Links begin with ``base_url`` where no other is set."""
        alert = refused_alert(balance, refusal, wanted, self.bell.clock())
        if alert is not None and alert.id not in self.rung:
            briefly(lambda: self._ring(Due(alert, balance), base_url), RING_SECONDS_MAX)

    def _ring(self, due: Due, base_url: str) -> None:
        bell = replace(self.bell, base_url=self.bell.base_url or base_url)
        try:
            for each in bell.not_rung([due]):
                bell.ring(each)
        except Exception as error:
            self.on_trouble(error)
            raise
        self.rung.add(due.alert.id)
