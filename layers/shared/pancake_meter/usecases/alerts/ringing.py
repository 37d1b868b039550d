"""Ringing: an alert is put once, with the links by which its customer can buy."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import cast

from pancake_meter.domain.access.pseudonym import is_pseudonym
from pancake_meter.domain.alerts.alert import Alert
from pancake_meter.domain.balance.balance import Balance
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.alerts.alerts import put_alert, rung_already
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.operate import read_blocked
from pancake_meter.usecases.selling.offer import Links, Offers
from pancake_meter.value import Value, replace


class Due(Value):
    """An alert to ring. Its links sell what ``balance`` needs, or a plan that grants ``meter``, or there are none."""

    alert: Alert
    balance: Balance | None = None
    meter: str | None = None


class Bell(Value):
    """Rings alerts. ``base_url`` is the address of links, where there is no request whose host they could name.

    An erased customer has none: nothing is read or kept under a pseudonym, nor under an id that was erased.
    """

    table: Table
    erasures: Erasures
    offers: Offers
    base_url: str | None
    clock: Callable[[], datetime]

    def not_rung(self, due: Iterable[Due]) -> list[Due]:
        """Return those that have not rung yet: one read for a hundred of them."""
        mine = [each for each in due if not is_pseudonym(each.alert.customer_id)]
        rung = rung_already(self.table, [each.alert.id for each in mine]) if mine else set()
        return [each for each in mine if each.alert.id not in rung]

    def ring(self, due: Due) -> bool:
        """Ring an alert, unless it has rung before or its customer was erased; return whether it rings.

        Raises:
            StoreBusy, StoreUnavailable: passing trouble; ringing it again is safe.
        """
        alert = self.linked(due)
        demands = [self.erasures.unless_erased(alert.customer_id)] if alert.customer_id is not None else []
        return put_alert(self.table, alert, demands)

    def linked(self, due: Due) -> Alert:
        """Return an alert with its links."""
        return replace(due.alert, data={**due.alert.data, **cast("Mapping[str, str]", self._links(due))})

    def _links(self, due: Due) -> Links:
        now = self.clock()
        if due.balance is not None:
            return self.offers.links(due.balance, self.base_url, now)
        if due.meter is None or due.alert.customer_id is None:
            return {}
        if read_blocked(self.table, due.alert.customer_id, due.meter) is not None:
            return {}
        return self.offers.plans(due.alert.customer_id, due.meter, self.base_url, now)
