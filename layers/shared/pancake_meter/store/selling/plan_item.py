"""A plan as kept with a subscription: everything that was sold, so that later edits of the catalog do not reach it."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from pancake_meter.domain.selling.plan import (
    MeterAllowance,
    OverageAllowed,
    OverageBlocked,
    OverageCapped,
    OveragePolicy,
    PastDueBlock,
    PastDueKeep,
    PastDuePolicy,
    PastDueReduce,
    PastDueThrottle,
    Plan,
)
from pancake_meter.domain.selling.pricing import Graduated, Package, PerUnit, Price, Tier, Volume

_SECOND = timedelta(seconds=1)


def plan_item(plan: Plan) -> dict[str, Any]:
    """Return the map of a plan."""
    item = {
        "key": plan.key,
        "name": plan.name,
        "rank": plan.rank,
        "allowances": {meter: _allowance_item(allowance) for meter, allowance in plan.allowances.items()},
        "past_due": _past_due_item(plan.past_due),
        "quota_change": plan.quota_change,
        "leeway_seconds": plan.renewal_leeway // _SECOND,
        "products": dict(plan.product_ids),
    }
    if plan.add_on:
        item["add_on"] = True
    return item if plan.trial is None else {**item, "trial": plan.trial}


def plan_from_item(item: Mapping[str, Any]) -> Plan:
    """Return the plan of a map."""
    return Plan(
        key=item["key"],
        name=item["name"],
        rank=int(item["rank"]),
        allowances={meter: _allowance(meter, allowance) for meter, allowance in item["allowances"].items()},
        past_due=_past_due(item["past_due"]),
        quota_change=item["quota_change"],
        renewal_leeway=int(item["leeway_seconds"]) * _SECOND,
        product_ids=dict(item["products"]),
        add_on=item.get("add_on", False),
        trial=item.get("trial"),
    )


def _allowance_item(allowance: MeterAllowance) -> dict[str, Any]:
    return {
        "quantity": allowance.quantity,
        "cadence": allowance.cadence,
        "overage": overage_policy_attribute(allowance.overage),
        "rollover": allowance.rollover_maximum,
        "alerts": list(allowance.alert_thresholds),
        "prices": {currency: price_item(price) for currency, price in allowance.prices.items()},
    }


def _allowance(meter: str, item: Mapping[str, Any]) -> MeterAllowance:
    return MeterAllowance(
        meter=meter,
        quantity=item["quantity"],
        cadence=item["cadence"],
        overage=overage_policy(item["overage"]),
        rollover_maximum=item["rollover"],
        alert_thresholds=tuple(item["alerts"]),
        prices={currency: price_from_item(price) for currency, price in item["prices"].items()},
    )


def _past_due_item(policy: PastDuePolicy) -> dict[str, Any]:
    match policy:
        case PastDueKeep():
            return {"policy": "keep"}
        case PastDueReduce():
            return {"policy": "reduce", "fraction": policy.fraction}
        case PastDueThrottle():
            return {"policy": "throttle", "rate_per_minute": policy.rate_per_minute}
        case PastDueBlock():
            return {"policy": "block", "grace_seconds": policy.grace // _SECOND}


def _past_due(item: Mapping[str, Any]) -> PastDuePolicy:
    match item["policy"]:
        case "reduce":
            return PastDueReduce(item["fraction"])
        case "throttle":
            return PastDueThrottle(int(item["rate_per_minute"]))
        case "block":
            return PastDueBlock(int(item["grace_seconds"]) * _SECOND)
        case _:
            return PastDueKeep()


def price_item(price: Price) -> dict[str, Any]:
    """Return the map of a price."""
    match price:
        case PerUnit():
            return {"model": "per_unit", "unit": price.unit_price, "flat": price.flat, "free": price.free_units}
        case Package():
            return {
                "model": "package",
                "price": price.price,
                "size": price.size,
                "rounding": price.rounding,
                "flat": price.flat,
                "free": price.free_units,
            }
        case Graduated():
            return {"model": "graduated", "tiers": [_tier_item(tier) for tier in price.tiers], "free": price.free_units}
        case Volume():
            return {"model": "volume", "tiers": [_tier_item(tier) for tier in price.tiers], "free": price.free_units}


def price_from_item(item: Mapping[str, Any]) -> Price:
    """Return the price of a map."""
    match item["model"]:
        case "per_unit":
            return PerUnit(unit_price=item["unit"], flat=item["flat"], free_units=item["free"])
        case "package":
            return Package(
                price=item["price"],
                size=item["size"],
                rounding=item["rounding"],
                flat=item["flat"],
                free_units=item["free"],
            )
        case "graduated":
            return Graduated(tuple(_tier(tier) for tier in item["tiers"]), free_units=item["free"])
        case _:
            return Volume(tuple(_tier(tier) for tier in item["tiers"]), free_units=item["free"])


def _tier_item(tier: Tier) -> dict[str, Any]:
    item = {"unit": tier.unit_price, "flat": tier.flat}
    return item if tier.up_to is None else {**item, "up_to": tier.up_to}


def _tier(item: Mapping[str, Any]) -> Tier:
    return Tier(up_to=item.get("up_to"), unit_price=item["unit"], flat=item["flat"])


def overage_policy_attribute(policy: OveragePolicy) -> str | Decimal:
    """Return the attribute of a policy."""
    match policy:
        case OverageCapped(limit=limit):
            return limit
        case OverageBlocked():
            return "blocked"
        case OverageAllowed():
            return "allowed"


def overage_policy(attribute: str | Decimal) -> OveragePolicy:
    """Return the policy of an attribute."""
    if isinstance(attribute, Decimal):
        return OverageCapped(attribute)
    return OverageAllowed() if attribute == "allowed" else OverageBlocked()
