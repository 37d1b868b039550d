"""Wire models of what is for sale."""

from typing import Annotated

from pydantic import StringConstraints
from typing_extensions import TypedDict

from pancake_meter.domain.selling.plan import Cadence
from pancake_meter.domain.standing.lifecycle import BillingPeriod
from pancake_meter.http.fields import Amount, Currency, QueryCustomerId, Units, WireModel
from pancake_meter.usecases.selling.list_plans import ForSale, PackForSale, PlanForSale


class PlansQuery(WireModel):
    """Query of ``GET /v1/plans``: the customer who would buy, and a currency in place of the customer's.

    A customer token names its customer itself.
    """

    customer_id: QueryCustomerId | None = None
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = None


class AllowanceBody(TypedDict):
    """Units of a meter that a plan grants, and how often: with each billing period, or each month, week or day."""

    meter: str
    name: str
    quantity: Units
    cadence: Cadence


class PlanBody(TypedDict):
    """A plan that is for sale. ``price`` is before tax, in the units of ``currency``, for each ``billing_period``.

    The currency is that of the order which a checkout would change, where the customer has one.
    ``trial`` is the fraction of the allowances that a trial grants, and null where the catalog knows of no trial.
    """

    plan: str
    name: str
    rank: int
    add_on: bool
    is_current: bool
    price: Amount
    currency: Currency
    billing_period: BillingPeriod | None
    trial: Units | None
    allowances: list[AllowanceBody]


class PackBody(TypedDict):
    """Units of a meter that are bought ahead; ``expires_after_days`` is null where they stay for good."""

    meter: str
    name: str
    quantity: Units
    price: Amount
    currency: Currency
    expires_after_days: int | None


class PlansBody(TypedDict):
    """What is for sale: plans by rank with add-ons last, and packs of units, at the prices that a checkout asks.

    ``currency`` is that of the customer. A plan or pack has another where it has no price in it, or changes an order in
    another. ``currency_guessed``: the payment provider did not say the currency of the customer's order in time, so that
    these are prices in the seller's usual currency, and a checkout may ask another. Ask again before you show them.
    """

    currency: Currency
    currency_guessed: bool
    plans: list[PlanBody]
    top_ups: list[PackBody]


def plans_body(sale: ForSale, names: dict[str, str]) -> PlansBody:
    """Return what is for sale; ``names`` are those of the meters."""
    return {
        "currency": sale.currency,
        "currency_guessed": sale.is_guessed,
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
        "currency": each.price.currency,
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
        "currency": each.price.currency,
        "expires_after_days": each.expires_after.days if each.expires_after is not None else None,
    }
