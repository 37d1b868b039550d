"""Limits of one customer, on the wire."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Self

from pydantic import StringConstraints, model_validator
from typing_extensions import TypedDict

from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.balance.limits import NO_LIMITS, Limits, SpendCap
from pancake_meter.domain.selling.money import parse_display
from pancake_meter.domain.selling.plan import OverageAllowed, OverageCapped
from pancake_meter.http.fields import Amount, Currency, MeterName, Quantity, Units, WireModel
from pancake_meter.usecases.balance.limits import LimitsWanted


class SpendCapRequest(WireModel):
    """What overage may cost in a period: ``units``, or an ``amount`` of a ``currency`` in which the plan has a price."""

    units: Quantity | None = None
    amount: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,15}(\.[0-9]{1,4})?$")] | None = None
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = None

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if (self.units is None) == (self.amount is None) or (self.amount is None) != (self.currency is None):
            raise ValueError("a spend cap has units, or an amount and its currency")
        return self

    @property
    def cap(self) -> SpendCap:
        """The cap. What money comes to in units is found out where the prices are."""
        if self.amount is not None and self.currency is not None:
            return SpendCap(None, parse_display(self.amount, self.currency))
        return SpendCap(self.units)


class LimitsRequest(WireModel):
    """Body of ``PUT .../limits``: limits of one meter. One that is left out stays as it is, null removes it.

    ``allowance_cap`` and ``overage_cap`` are the operator's. ``spend_cap`` is the customer's own, set by a token that may
    buy, or by an API key for the customer.
    """

    meter: MeterName
    allowance_cap: Quantity | None = None
    overage_cap: Quantity | None = None
    spend_cap: SpendCapRequest | None = None

    @property
    def wanted(self) -> LimitsWanted:
        """What is to be set, and to what."""
        limits = Limits(self.allowance_cap, self.overage_cap, self.spend_cap.cap if self.spend_cap else None)
        named = {name for name in ("allowance_cap", "overage_cap", "spend_cap") if name in self.model_fields_set}
        return LimitsWanted(limits, frozenset(named))


class LimitsQuery(WireModel):
    """Query of ``GET .../limits``: only those of one meter."""

    meter: MeterName | None = None


class SpendCapBody(TypedDict):
    """A spend cap: ``units`` of overage that a period may have, null where the amount pays for any number.

    ``amount`` and ``currency`` are null for a cap in units. ``spent`` units of the open period count against it: those that
    are overage now, and those that were paid or are due already.
    """

    units: Units | None
    amount: Amount | None
    currency: Currency | None
    spent: Units


class OwnLimitsBody(TypedDict):
    """Limits of the customer's own; null where none is set. The lower of these and the plan's holds."""

    allowance_cap: Units | None
    overage_cap: Units | None
    spend_cap: SpendCapBody | None


class LimitsBody(OwnLimitsBody):
    """The limits of one meter, the plan's beside them, and what holds: ``allowance`` and ``overage_limit``.

    The two of overage are null where it has no cap, and 0 where there is none.
    """

    meter: str
    plan: str | None
    plan_allowance: Units
    plan_overage_limit: Units | None
    allowance: Units
    overage_limit: Units | None


class LimitsList(TypedDict):
    """The limits of a customer, meter by meter."""

    customer_id: str
    limits: list[LimitsBody]


def own_limits(balance: Balance) -> OwnLimitsBody | None:
    """Return the customer's own limits, ``None`` where there are none."""
    return _own(balance) if balance.limits != NO_LIMITS else None


def limits_body(balance: Balance) -> LimitsBody:
    """Return the limits of one meter."""
    of_plan = balance.policy.overage
    plan_limit = of_plan.limit if isinstance(of_plan, OverageCapped) else Decimal(0)
    return {
        "meter": balance.meter,
        "plan": balance.policy.plan,
        "plan_allowance": balance.policy.allowance,
        "plan_overage_limit": None if isinstance(of_plan, OverageAllowed) else plan_limit,
        "allowance": balance.allowance,
        "overage_limit": None if balance.is_uncapped else balance.overage_limit,
        **_own(balance),
    }


def limits_list(customer_id: str, balances: Iterable[Balance]) -> LimitsList:
    """Return the limits of a customer."""
    return {"customer_id": customer_id, "limits": [limits_body(balance) for balance in balances]}


def _own(balance: Balance) -> OwnLimitsBody:
    limits = balance.limits
    return {
        "allowance_cap": limits.allowance_cap,
        "overage_cap": limits.overage_cap,
        "spend_cap": _spend_cap(limits.spend_cap, balance) if limits.spend_cap is not None else None,
    }


def _spend_cap(cap: SpendCap, balance: Balance) -> SpendCapBody:
    return {
        "units": cap.units,
        "amount": cap.money.display if cap.money is not None else None,
        "currency": cap.money.currency if cap.money is not None else None,
        "spent": balance.spent + balance.current_overage,
    }
