"""The balance as an item: attribute names, and the two mappings.

``headroom`` and ``valid_until`` are stored although they follow from the rest: they are what the conditions of the hot
writes compare. ``headroom`` is checked against the rest at every read.

Every write costs a unit per KB, so the item leaves out what is nothing or follows from the rest.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pancake_meter.domain.balance.balance import NEVER, ZERO, Balance, Lapse, Policy, Term
from pancake_meter.domain.balance.grant import DEFAULT_PRIORITY, Grant, periodic_grant_id
from pancake_meter.domain.balance.hold import Hold
from pancake_meter.domain.balance.limits import NO_LIMITS, Limits, SpendCap
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.balance.throttle import Throttle
from pancake_meter.domain.instant import from_ms, to_ms
from pancake_meter.domain.selling.money import Money
from pancake_meter.store.errors import CorruptItem
from pancake_meter.store.keys import balance_key, customer_of, due_shard
from pancake_meter.store.selling.plan_item import overage_policy, overage_policy_attribute
from pancake_meter.store.table import Item

_PREFIX = "BALANCE#"
_ANY = "any"
"""Units of a spend cap whose money pays for any number of them."""


def balance_item(balance: Balance) -> dict[str, Any]:
    """Return the whole item, as it is first written."""
    counters: dict[str, Any] = {"headroom": balance.headroom, "used": balance.used, "holds": _holds_item(balance.holds)}
    if balance.told:
        counters[TOLD] = balance.told
    return {
        **balance_key(balance.customer_id, balance.meter),
        **counters,
        "days": dict(balance.days),
        **structure_attributes(balance),
    }


def structure_attributes(balance: Balance) -> dict[str, Any]:
    """Return what only structure changes write; an attribute that is absent here must be absent from the item."""
    attributes: dict[str, Any] = {
        "segment": balance.segment,
        "as_of": to_ms(balance.as_of),
        "valid_until": to_ms(balance.valid_until),
        "burned": balance.burned,
        "policy": _policy_item(balance),
        "term": _term_item(balance.term),
        "period": _period_item(balance),
        "grants": [_grant_item(grant) for grant in balance.grants],
    }
    return attributes | {name: value for name, value in _sparse(balance).items() if value is not None}


def _sparse(balance: Balance) -> dict[str, Any]:
    """Return what most balances do not have; ``None`` for what does not apply."""
    return {
        "due_shard": due_shard(balance.customer_id) if balance.valid_until < NEVER else None,
        "uncapped": balance.is_uncapped or None,
        "blocked": balance.blocked,
        "used_before": balance.used_before or None,
        "overage": balance.overage or None,
        "overage_due": balance.overage_due or None,
        "reopened": balance.reopened or None,
        "refund_debt": balance.refund_debt or None,
        "line_start": to_ms(balance.line_start) if balance.line_start else None,
        "gone_before": balance.gone_before or None,
        "spent": balance.spent or None,
        "lapsed": _lapse_item(balance.lapsed) if balance.lapsed else None,
    }


MINUTE_HOLDS = "minute_holds"
"""Holds counted in the latest minute: ``m`` the minute, ``n`` the holds. Only hot writes write it, while throttled."""

TOLD = "told"
"""How many hot writes counted usage of days gone by on the open chart. Absent while none did."""

SPARSE_ATTRIBUTES = (
    "due_shard",
    "uncapped",
    "blocked",
    "used_before",
    "overage",
    "overage_due",
    "reopened",
    "refund_debt",
    "line_start",
    "gone_before",
    "spent",
    "lapsed",
)
"""Attributes that are absent when they do not apply."""


def hold_item(hold: Hold) -> dict[str, Any]:
    """Return a hold as stored in ``holds``: two short names, since a busy balance carries many."""
    return {"q": hold.quantity, "until": to_ms(hold.expires_at)}


def throttle_from_item(item: Item) -> Throttle | None:
    """Return how far the holds of the latest minute have come, or ``None`` where their pace is free."""
    per_minute = item["policy"].get("per_minute")
    if per_minute is None:
        return None
    counted = item.get(MINUTE_HOLDS, {"m": 0, "n": 0})
    return Throttle(int(per_minute), int(counted["m"]), int(counted["n"]))


def balance_from_item(item: Item) -> Balance:
    """Return the balance of an item.

    Raises:
        CorruptItem: the stored headroom does not follow from grants, usage and holds.
    """
    balance = Balance(
        customer_id=customer_of(item["PK"]),
        meter=item["SK"].removeprefix(_PREFIX),
        policy=_policy(item["policy"]),
        term=_term(item["term"]),
        period=Period(from_ms(item["period"]["start"]), from_ms(item["period"]["end"])),
        charts=int(item["period"].get("charts", 0)),
        told=int(item.get(TOLD, 0)),
        closed_until=_closed_until(item["period"]),
        as_of=from_ms(item["as_of"]),
        segment=int(item["segment"]),
        used=item["used"],
        used_before=item.get("used_before", ZERO),
        burned=item["burned"],
        overage=item.get("overage", ZERO),
        overage_due=item.get("overage_due", ZERO),
        reopened=item.get("reopened", ZERO),
        refund_debt=item.get("refund_debt", ZERO),
        gone_before=item.get("gone_before", ZERO),
        lapsed=_lapse(item["lapsed"]) if "lapsed" in item else None,
        line_start=from_ms(item["line_start"]) if "line_start" in item else None,
        grants=tuple(_grant(grant) for grant in item["grants"]),
        holds={hold_id: Hold(hold["q"], from_ms(hold["until"])) for hold_id, hold in item["holds"].items()},
        days=dict(item["days"]),
        blocked=item.get("blocked"),
        limits=_limits(item["policy"]),
        spent=item.get("spent", ZERO),
    )
    if balance.headroom != item["headroom"]:
        raise CorruptItem(f"headroom of {item['PK']} {item['SK']} is {item['headroom']}, not {balance.headroom}")
    return balance


def _holds_item(holds: Mapping[str, Hold]) -> dict[str, Any]:
    return {hold_id: hold_item(hold) for hold_id, hold in holds.items()}


def _period_item(balance: Balance) -> dict[str, Any]:
    item: dict[str, Any] = {"start": to_ms(balance.period.start), "end": to_ms(balance.period.end)}
    if balance.charts:
        item["charts"] = balance.charts
    if balance.closed_until is None:
        item["first"] = True
    elif balance.closed_until != balance.period.start:
        item["closed_until"] = to_ms(balance.closed_until)
    return item


def _closed_until(item: Mapping[str, Any]) -> datetime | None:
    if "first" in item:
        return None
    return from_ms(item.get("closed_until", item["start"]))


def _policy_item(balance: Balance) -> dict[str, Any]:
    """Return the policy, with the limits beside it.

    ``overage`` is what holds, so that earlier code, which knows no limits, reads the headroom that is stored.
    """
    policy = balance.policy
    item: dict[str, Any] = {
        "allowance": policy.allowance,
        "cadence": policy.cadence,
        "overage": overage_policy_attribute(balance.overage_policy),
    }
    if balance.limits != NO_LIMITS:
        item["limits"] = _limits_item(balance.limits) | {"overage_of_plan": overage_policy_attribute(policy.overage)}
    if policy.plan is not None:
        item["plan"] = policy.plan
    if policy.rollover_maximum != ZERO:
        item["rollover"] = policy.rollover_maximum
    if policy.holds_per_minute is not None:
        item["per_minute"] = policy.holds_per_minute
    if policy.is_unpaid:
        item["unpaid"] = True
    if policy.alert_thresholds:
        item["alerts"] = list(policy.alert_thresholds)
    return item


def _policy(item: Mapping[str, Any]) -> Policy:
    return Policy(
        plan=item.get("plan"),
        allowance=item["allowance"],
        cadence=item["cadence"],
        overage=overage_policy(item["limits"]["overage_of_plan"] if "limits" in item else item["overage"]),
        rollover_maximum=item.get("rollover", ZERO),
        alert_thresholds=tuple(item.get("alerts", ())),
        holds_per_minute=int(item["per_minute"]) if "per_minute" in item else None,
        is_unpaid=item.get("unpaid", False),
    )


def _limits_item(limits: Limits) -> dict[str, Any]:
    item: dict[str, Any] = {"allowance": limits.allowance_cap, "overage": limits.overage_cap}
    if (spend := limits.spend_cap) is not None:
        item |= {"spend": spend.units if spend.units is not None else _ANY}
        item |= {"amount": spend.money.amount, "currency": spend.money.currency} if spend.money else {}
    return {name: value for name, value in item.items() if value is not None}


def _limits(policy: Mapping[str, Any]) -> Limits:
    if "limits" not in policy:
        return NO_LIMITS
    item = policy["limits"]
    money = Money(item["amount"], item["currency"]) if "amount" in item else None
    units = item.get("spend")
    spend = SpendCap(None if units == _ANY else units, money) if units is not None else None
    return Limits(item.get("allowance"), item.get("overage"), spend)


def _term_item(term: Term) -> dict[str, Any]:
    item: dict[str, Any] = {"start": to_ms(term.start)}
    if term.order_id is not None:
        item["order"] = term.order_id
    if term.end is not None and term.lapses_at is not None:
        item["end"] = to_ms(term.end)
        item["leeway"] = (term.lapses_at - term.end) // timedelta(milliseconds=1)
    if term.is_unpaid_after:
        item["unpaid_after"] = True
    return item


def _term(item: Mapping[str, Any]) -> Term:
    end = from_ms(item["end"]) if "end" in item else None
    return Term(
        order_id=item.get("order"),
        start=from_ms(item["start"]),
        end=end,
        lapses_at=end + timedelta(milliseconds=int(item["leeway"])) if end is not None else None,
        is_unpaid_after=item.get("unpaid_after", False),
    )


def _lapse_item(lapse: Lapse) -> dict[str, Any]:
    return {
        "order": lapse.order_id,
        "term": to_ms(lapse.term_start),
        "from": to_ms(lapse.window.start),
        "to": to_ms(lapse.window.end),
        "at": to_ms(lapse.at),
        "gone": lapse.gone,
        "rolled": lapse.rolled,
    }


def _lapse(item: Mapping[str, Any]) -> Lapse:
    window = Period(from_ms(item["from"]), from_ms(item["to"]))
    # Before format 2 the window was the whole term.
    term_start, at = from_ms(item.get("term", item["from"])), from_ms(item.get("at", item["to"]))
    return Lapse(item["order"], term_start, window, at, item["gone"], item["rolled"])


def _grant_item(grant: Grant) -> dict[str, Any]:
    """What follows from the kind is left out: a periodic grant's id, and the usual priority."""
    is_trial = grant.kind == "trial"
    item: dict[str, Any] = {
        "kind": "promotion" if is_trial else grant.kind,
        "given": grant.quantity,
        "left": grant.remaining,
        "from": to_ms(grant.starts_at),
    }
    if grant.id != periodic_grant_id(grant.kind, grant.starts_at):
        item["id"] = grant.id
    if grant.priority != DEFAULT_PRIORITY[item["kind"]]:
        item["priority"] = grant.priority
    if is_trial:
        # Earlier code, which knows no such kind, reads it as a promotion.
        item["trial"] = True
    if grant.expires_at is not None:
        item["until"] = to_ms(grant.expires_at)
    return item


def _grant(item: Mapping[str, Any]) -> Grant:
    kind, starts_at = item["kind"], from_ms(item["from"])
    return Grant(
        id=item.get("id", periodic_grant_id(kind, starts_at)),
        kind="trial" if "trial" in item else kind,
        quantity=item["given"],
        remaining=item["left"],
        priority=int(item.get("priority", DEFAULT_PRIORITY[kind])),
        starts_at=starts_at,
        expires_at=from_ms(item["until"]) if "until" in item else None,
    )
