"""The quota on the wire: one body for checks, holds and refusals, and the IETF RateLimit headers beside it."""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import NotRequired

from typing_extensions import TypedDict

from pancake_meter.domain.balance.balance import ZERO, Balance
from pancake_meter.domain.balance.quota import alert_threshold
from pancake_meter.domain.balance.spend import Refusal
from pancake_meter.domain.balance.throttle import seconds_to_next_minute
from pancake_meter.domain.instant import timestamp
from pancake_meter.http.balance.limits import OwnLimitsBody, own_limits
from pancake_meter.http.fields import QuantityText, Timestamp, Units, Url, WireModel
from pancake_meter.http.problem import Problem
from pancake_meter.usecases.selling.offer import Links

_DETAIL = {
    "quota_exhausted": "The customer has not enough units left.",
    "overage_cap_reached": "The customer has used all overage that the plan, or a limit of the customer's own, allows.",
    "no_plan": "No plan of the customer covers this meter.",
    "blocked": "The customer's access is suspended.",
    "too_many_holds": "The customer has too many holds in flight.",
    "past_due": "The customer's payment is overdue, and the grace is over: only units that were bought may be used.",
    "past_due_throttled": "The customer's payment is overdue, and this minute has had its holds.",
}
_TOO_MANY_HOLDS_RETRY_SECONDS = 5


class QuotaQuery(WireModel):
    """Query of ``GET .../quota/{meter}``: units that the customer would like to spend."""

    amount: QuantityText | None = None


class PeriodBody(TypedDict):
    """A period: two RFC 3339 instants, the end exclusive."""

    start: Timestamp
    end: Timestamp


class _Limited(TypedDict, total=False):
    """The customer's own limits, where there are any."""

    limits: OwnLimitsBody


class QuotaBody(TypedDict):
    """What a caller is told of a balance. Quantities are units of the meter.

    ``used`` are the units that the plan in force counts: those of the open period, without what an earlier plan had
    counted before a cancellation or a change of plan inside the period. ``resets_at`` is the end of the period; past it, a
    renewal is awaited. ``refund_debt`` are units that were bought and refunded, but gone; only the next pack pays them.

    ``overage_limit`` caps ``overage``: holds are refused that would bring the open period's units beyond every grant above
    it. Units that are paid or forgiven inside the period leave ``overage`` and make room again; recorded usage is counted
    whatever it comes to. It is null where overage has no cap, and 0 where there is none.

    ``past_due``: the plan's payment is overdue and its grace is over, so that nothing but bought units is left.
    ``holds_per_minute`` is null unless an overdue payment throttles holds; ``alert`` is the highest alert threshold reached;
    ``limits`` is there where the customer has limits of its own: ``allowance`` and ``overage_limit`` have the lower one.
    ``purchase_url`` and ``upgrade_url`` come with an alert, where there is something to buy.
    """

    customer_id: str
    meter: str
    plan: str | None
    allowance: Units
    used: Units
    held: Units
    available: Units
    overage: Units
    overage_due: Units
    refund_debt: Units
    overage_limit: Units | None
    period: PeriodBody
    resets_at: Timestamp
    blocked: str | None
    past_due: bool
    holds_per_minute: int | None
    alert: Units | None
    limits: NotRequired[OwnLimitsBody]
    purchase_url: NotRequired[Url]
    upgrade_url: NotRequired[Url]


class QuotasBody(TypedDict):
    """Every meter's quota of one customer."""

    customer_id: str
    quotas: list[QuotaBody]


def quota_body(balance: Balance, links: Links) -> QuotaBody:
    """Return what a caller is told of a current balance; quantities are units of the meter, ``links`` where to buy."""
    policy = balance.policy
    return {
        "customer_id": balance.customer_id,
        "meter": balance.meter,
        "plan": policy.plan,
        "allowance": balance.allowance,
        "used": balance.used_of_plan,
        "held": balance.held,
        "available": balance.available,
        "overage": balance.current_overage,
        "overage_due": balance.overage_due,
        "refund_debt": balance.refund_debt,
        "overage_limit": None if balance.is_uncapped else balance.overage_limit,
        "period": {"start": timestamp(balance.period.start), "end": timestamp(balance.period.end)},
        "resets_at": timestamp(balance.period.end),
        "blocked": balance.blocked,
        "past_due": policy.is_unpaid,
        "holds_per_minute": policy.holds_per_minute,
        "alert": alert_threshold(balance),
        **_limited(balance),
        **links,
    }


def _limited(balance: Balance) -> _Limited:
    limits = own_limits(balance)
    return {"limits": limits} if limits is not None else {}


def rate_limit_headers(balance: Balance, now: datetime) -> dict[str, str]:
    """Return the ``RateLimit`` and ``RateLimit-Policy`` fields: whole units, seconds to the reset."""
    quota = balance.used_of_plan + max(ZERO, balance.net)
    window = _seconds(balance.period.end - balance.period.start)
    reset = max(0, _seconds(balance.period.end - now))
    return {
        "RateLimit-Policy": f'"{balance.meter}";q={int(quota)};w={window}',
        "RateLimit": f'"{balance.meter}";r={int(balance.available)};t={reset}',
    }


def refusal_problem(refusal: Refusal, balance: Balance, links: Links, now: datetime) -> Problem:
    """Return the answer that refuses: 402 with reason, balance, reset time and where to buy; 429 for too many holds."""
    status = HTTPStatus.PAYMENT_REQUIRED
    retry_after = None
    if refusal.reason == "too_many_holds":
        status, retry_after = HTTPStatus.TOO_MANY_REQUESTS, _TOO_MANY_HOLDS_RETRY_SECONDS
    elif refusal.reason == "past_due_throttled":
        status, retry_after = HTTPStatus.TOO_MANY_REQUESTS, seconds_to_next_minute(now)
    quota = quota_body(balance, {})
    extra = {"reason": refusal.detail or refusal.reason, "quota": quota, "resets_at": quota["resets_at"], **links}
    headers = rate_limit_headers(balance, now)
    return Problem(status, refusal.reason, _DETAIL[refusal.reason], extra, retry_after, headers)


def _seconds(span: timedelta) -> int:
    return span // timedelta(seconds=1)
