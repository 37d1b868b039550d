"""What balances used of paid periods: the only source for what is gone of an allowance, and for what rolls over.

A balance counts what is used of the allowance in its open window. Whenever it leaves a period, or goes on in it with another
allowance, what was used is filed here, under the order, the period and the sale. What is gone of any window is then one fold
over the filed uses (``gone.py``), so it never matters in which order the events came.
"""

from datetime import datetime
from decimal import Decimal

from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.standing.lifecycle import PeriodKey
from pancake_meter.value import Value, replace


class PeriodUse(Value):
    """``gone`` units were used of what a sale gave in the quota ``window`` of a period, the last of them by ``until``.

    ``rolled`` units had come over into that window. ``sold_at`` names the sale.
    """

    order_id: str
    key: PeriodKey
    sold_at: datetime
    window: Period
    until: datetime
    gone: Decimal
    rolled: Decimal = Decimal(0)

    @property
    def place(self) -> tuple[str, PeriodKey, datetime]:
        """What it was used of."""
        return self.order_id, self.key, self.sold_at

    def reaches(self, instant: datetime) -> bool:
        """Whether it is of a window that still ran after ``instant``."""
        return self.window.end > instant

    def then(self, later: "PeriodUse") -> "PeriodUse":
        """Return both uses of one sale: added up in one window, the later one alone in another."""
        if not self.reaches(later.window.start):
            return later
        return replace(later, gone=self.gone + later.gone)


def filed(uses: tuple[PeriodUse, ...], use: PeriodUse) -> tuple[PeriodUse, ...]:
    """Return the uses, newest first, with one more."""
    known = next((each for each in uses if each.place == use.place), None)
    others = tuple(each for each in uses if each.place != use.place)
    return (known.then(use) if known else use, *others)
