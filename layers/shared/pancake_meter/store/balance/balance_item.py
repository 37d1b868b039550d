"""The balance as an item: attribute names, and the two mappings.

``headroom`` and ``valid_until`` are stored although they follow from the rest: they are what the conditions of the hot
writes compare. ``headroom`` is checked against the rest at every read.

Every write costs a unit per KB, so the item leaves out what is nothing or follows from the rest, and the parts of which
there are many have short names.

The version before wrote ``holds`` where there is ``held`` now, and longer names. Such an item is read as it is. No hot write
changes it: the first write that meets it writes it whole, in the form of now, so that no item is ever in both.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from pancake_meter.domain.balance.balance import NEVER, ZERO, Balance, Lapse, Policy, Term
from pancake_meter.domain.balance.grant import DEFAULT_PRIORITY, Grant, GrantKind, periodic_grant_id
from pancake_meter.domain.balance.hold import Hold, hold_name
from pancake_meter.domain.balance.limits import NO_LIMITS, Limits, SpendCap
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.balance.throttle import Throttle
from pancake_meter.domain.instant import ceil_second, from_ms, to_ms
from pancake_meter.domain.selling.money import Money
from pancake_meter.store.balance.short_form import (
    day_from_stored,
    hold_from_number,
    hold_number,
    stored_day,
)
from pancake_meter.store.errors import CorruptItem
from pancake_meter.store.keys import balance_key, customer_of, due_shard
from pancake_meter.store.selling.plan_item import overage_policy, overage_policy_attribute
from pancake_meter.store.table import Item

_PREFIX = "BALANCE#"
_ANY = "any"
"""Units of a spend cap whose money pays for any number of them."""


def balance_item(balance: Balance) -> dict[str, Any]:
    """Return the whole item, as it is first written."""
    counters: dict[str, Any] = {"headroom": balance.headroom, "used": balance.used, HELD: _held_item(balance.holds)}
    if balance.told:
        counters[TOLD] = balance.told
    return {
        **balance_key(balance.customer_id, balance.meter),
        **counters,
        "days": {stored_day(day): quantity for day, quantity in balance.days.items()},
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
        "term": _term_item(balance),
        "period": _period_item(balance),
        "grants": [_grant_item(grant, balance.period) for grant in balance.grants],
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


HELD = "held"
"""Live holds by name, each as one number: see ``short_form``."""

EARLIER_HOLDS = "holds"
"""Holds as the version before wrote them: by id, ``q`` units until ``until`` (ms)."""

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
    period = Period(from_ms(item["period"]["start"]), from_ms(item["period"]["end"]))
    earlier = _earlier(item)
    balance = Balance(
        customer_id=customer_of(item["PK"]),
        meter=item["SK"].removeprefix(_PREFIX),
        policy=_policy(item["policy"]),
        term=_term(item["term"], period),
        period=period,
        charts=int(item["period"].get("charts", 0)),
        told=int(item.get(TOLD, 0)),
        earlier=earlier,
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
        grants=tuple(_grant(grant, period) for grant in item["grants"]),
        holds=_holds(item) if earlier is None else _earlier_holds(item),
        days={day_from_stored(day) if earlier is None else day: units for day, units in item["days"].items()},
        blocked=item.get("blocked"),
        limits=_limits(item["policy"]),
        spent=item.get("spent", ZERO),
    )
    if balance.headroom != item["headroom"]:
        raise CorruptItem(f"headroom of {item['PK']} {item['SK']} is {item['headroom']}, not {balance.headroom}")
    return balance


def _earlier(item: Item) -> Item | None:
    """Return the attributes that hot writes of the version before change, ``None`` for an item of this one."""
    if EARLIER_HOLDS not in item:
        return None
    return {name: item[name] for name in (EARLIER_HOLDS, "days", TOLD, MINUTE_HOLDS) if name in item}


def _held_item(holds: Mapping[str, Hold]) -> dict[str, int]:
    return {name: hold_number(hold) for name, hold in holds.items()}


def _holds(item: Item) -> dict[str, Hold]:
    return {name: hold_from_number(number) for name, number in item[HELD].items()}


def _earlier_holds(item: Item) -> dict[str, Hold]:
    return {
        hold_name(hold_id): Hold(hold["q"], ceil_second(from_ms(hold["until"])))
        for hold_id, hold in item[EARLIER_HOLDS].items()
    }


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


def _term_item(balance: Balance) -> dict[str, Any]:
    """Start and end are left out where they are those of the period."""
    term = balance.term
    item: dict[str, Any] = {}
    if term.start != balance.period.start:
        item["start"] = to_ms(term.start)
    if term.order_id is not None:
        item["order"] = term.order_id
    if term.end is not None and term.lapses_at is not None:
        if term.end != balance.period.end:
            item["end"] = to_ms(term.end)
        item["leeway"] = (term.lapses_at - term.end) // timedelta(milliseconds=1)
    if term.is_unpaid_after:
        item["unpaid_after"] = True
    return item


def _term(item: Mapping[str, Any], period: Period) -> Term:
    ends = "leeway" in item
    end = from_ms(item["end"]) if "end" in item else period.end if ends else None
    return Term(
        order_id=item.get("order"),
        start=from_ms(item["start"]) if "start" in item else period.start,
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


def _grant_item(grant: Grant, period: Period) -> dict[str, Any]:
    """What follows from the kind is left out: a periodic grant's id, and the usual priority.

    So are the units left where none is gone, and the start where it is the period's.
    """
    is_trial = grant.kind == "trial"
    # Code of format 1, which knew no such kind, read it as a promotion.
    kind: GrantKind = "promotion" if is_trial else grant.kind
    item: dict[str, Any] = {"k": kind, "g": grant.quantity}
    if grant.remaining != grant.quantity:
        item["l"] = grant.remaining
    if grant.starts_at != period.start:
        item["f"] = to_ms(grant.starts_at)
    if grant.id != periodic_grant_id(grant.kind, grant.starts_at):
        item["id"] = grant.id
    if grant.priority != DEFAULT_PRIORITY[kind]:
        item["p"] = grant.priority
    if is_trial:
        item["t"] = True
    if grant.expires_at is not None:
        item["u"] = to_ms(grant.expires_at)
    return item


_GRANT_NAMES: Final = {
    "kind": "k",
    "given": "g",
    "left": "l",
    "from": "f",
    "priority": "p",
    "trial": "t",
    "until": "u",
}
"""Names in a grant: of the version before, and of now."""


def _grant(stored: Mapping[str, Any], period: Period) -> Grant:
    item = {_GRANT_NAMES.get(name, name): value for name, value in stored.items()}
    kind, starts_at = item["k"], from_ms(item["f"]) if "f" in item else period.start
    return Grant(
        id=item.get("id", periodic_grant_id(kind, starts_at)),
        kind="trial" if "t" in item else kind,
        quantity=item["g"],
        remaining=item.get("l", item["g"]),
        priority=int(item.get("p", DEFAULT_PRIORITY[kind])),
        starts_at=starts_at,
        expires_at=from_ms(item["u"]) if "u" in item else None,
    )
