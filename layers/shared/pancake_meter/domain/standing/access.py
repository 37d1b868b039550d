"""Access: which meters of a customer the operator has cut off."""

from collections.abc import Collection, Mapping

from pancake_meter.value import Value


class Access(Value):
    """Why access is off: by meter for those that the customer has used, ``otherwise`` for all others. ``None``: it is on."""

    by_meter: Mapping[str, str | None]
    otherwise: str | None = None

    def blocked(self, meter: str) -> str | None:
        """Return why a meter is cut off; ``None`` where it is open."""
        return self.by_meter.get(meter, self.otherwise)

    def all_blocked(self, meters: Collection[str]) -> str | None:
        """Return why all of the meters are cut off; ``None`` where one of them is open, or there are none."""
        reasons = [self.blocked(meter) for meter in sorted(meters)]
        return next((reason for reason in reasons if reason), None) if all(reasons) else None
