"""Wire models of what is for sale."""

from typing import Annotated

from pydantic import StringConstraints
from typing_extensions import TypedDict

from pancake_meter.domain.selling.plan import Cadence
from pancake_meter.domain.standing.lifecycle import BillingPeriod
from pancake_meter.http.fields import Amount, Currency, CustomerId, Units, WireModel
from pancake_meter.usecases.selling.list_plans import ForSale, PackForSale, PlanForSale


class PlansQuery(WireModel):
    """Query of ``GET /v1/plans``: the customer who would buy, and a currency in place of the customer's.

    A customer token names its customer itself.
    """

    customer_id: CustomerId | None = None
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = None


class AllowanceBody(TypedDict):
    """Units of a meter that a plan grants, and how often: with each billing period, or each month, week or day."""

    meter: str
    name: str
    quantity: Units
    cadence: Cadence


class PlanBody(TypedDict):
    """A plan that is for sale. ``price`` is before tax, in the currency's own units, for each ``billing_period``.

    ``trial`` is the fraction of the allowances that a trial grants, and null where the catalog knows of no trial.
    """

    plan: str
    name: str
    rank: int
    add_on: bool
    is_current: bool
    price: Amount
    billing_period: BillingPeriod | None
    trial: Units | None
    allowances: list[AllowanceBody]


class PackBody(TypedDict):
    """Units of a meter that are bought ahead; ``expires_after_days`` is null where they stay for good."""

    meter: str
    name: str
    quantity: Units
    price: Amount
    expires_after_days: int | None


class PlansBody(TypedDict):
    """What is for sale, in one currency: plans by rank with add-ons last, and packs of units."""

    currency: Currency
    plans: list[PlanBody]
    top_ups: list[PackBody]


def plans_body(sale: ForSale, names: dict[str, str]) -> PlansBody:
    """Return what is for sale; ``names`` are those of the meters."""
    return {
        "currency": sale.currency,
        "plans": [_plan(each, names) for each in sale.plans],
        "top_ups": [_pack(each, names) for each in sale.packs],
    }


def _plan(each: PlanForSale, names: dict[str, str]) -> PlanBody:
    plan = each.plan
    return {
        "plan": plan.key,
        "name": plan.name,
        "rank": plan.rank,
        "add_on": plan.add_on,
        "is_current": each.is_current,
        "price": each.price.display,
        "billing_period": each.billing_period,
        "trial": plan.trial,
        "allowances": [
            {
                "meter": allowance.meter,
                "name": names.get(allowance.meter, allowance.meter),
                "quantity": allowance.quantity,
                "cadence": allowance.cadence,
            }
            for allowance in plan.allowances.values()
        ],
    }


def _pack(each: PackForSale, names: dict[str, str]) -> PackBody:
    return {
        "meter": each.meter,
        "name": names.get(each.meter, each.meter),
        "quantity": each.quantity,
        "price": each.price.display,
        "expires_after_days": each.expires_after.days if each.expires_after is not None else None,
    }
