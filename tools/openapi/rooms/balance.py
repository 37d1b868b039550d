"""Quotas, holds, and what was used."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from pancake_meter.http.balance.holds import (
    HoldBody,
    HoldRequest,
    ReleasedBody,
    ReleaseQuery,
    SettledBody,
    SettleRequest,
)
from pancake_meter.http.balance.quota import QuotaBody, QuotaQuery, QuotasBody
from pancake_meter.http.balance.readback import LedgerPage, LedgerQuery, UsageQuery, UsageReport
from tools.openapi.described import RATE_LIMIT, Answer, Body, Described

_MONEY: Final = ("quota_exhausted", "overage_cap_reached", "no_plan", "blocked", "past_due")
_NAMES_A_HOLD: Final = ("invalid_hold_id", "invalid_quantity", "hold_not_found", "unknown_meter")
_REFUSED: Final = {HTTPStatus.PAYMENT_REQUIRED: RATE_LIMIT, HTTPStatus.TOO_MANY_REQUESTS: RATE_LIMIT}

ROUTES: Final[Mapping[str, Described]] = {
    "GET /v1/customers/{customer_id}/quota": Described(
        "get_quotas",
        "Every meter's quota",
        {HTTPStatus.OK: Answer(QuotasBody)},
        refusals=("customer_erased",),
    ),
    "GET /v1/customers/{customer_id}/quota/{meter}": Described(
        "get_quota",
        "One meter's quota; with an amount, whether it may be spent",
        {HTTPStatus.OK: Answer(QuotaBody, RATE_LIMIT)},
        query=QuotaQuery,
        refusals=(*_MONEY, "unknown_meter", "invalid_quantity", "customer_erased"),
        refusal_headers=_REFUSED,
    ),
    "POST /v1/customers/{customer_id}/holds": Described(
        "place_hold",
        "Reserve units before the work",
        {HTTPStatus.CREATED: Answer(HoldBody, RATE_LIMIT), HTTPStatus.OK: Answer(HoldBody, RATE_LIMIT)},
        body=Body(HoldRequest),
        refusals=(*_MONEY, "unknown_meter", "hold_conflict", "past_due_throttled", "too_many_holds", "customer_erased"),
        refusal_headers=_REFUSED,
        description="200 repeats the answer of an earlier request with the same id and quantity.",
    ),
    "POST /v1/customers/{customer_id}/holds/{hold_id}/settle": Described(
        "settle_hold",
        "Count what was really used and end the hold",
        {HTTPStatus.OK: Answer(SettledBody, RATE_LIMIT)},
        body=Body(SettleRequest),
        refusals=(*_NAMES_A_HOLD, "event_conflict", "event_time_out_of_range", "period_closed", "customer_erased"),
        description="The RateLimit headers are there where quota is.",
    ),
    "DELETE /v1/customers/{customer_id}/holds/{hold_id}": Described(
        "release_hold",
        "End a hold with nothing used",
        {HTTPStatus.OK: Answer(ReleasedBody)},
        query=ReleaseQuery,
        refusals=_NAMES_A_HOLD,
    ),
    "GET /v1/customers/{customer_id}/usage": Described(
        "get_usage",
        "Usage of one meter, by period and day",
        {HTTPStatus.OK: Answer(UsageReport)},
        query=UsageQuery,
        refusals=("unknown_meter", "customer_erased"),
    ),
    "GET /v1/customers/{customer_id}/ledger": Described(
        "get_ledger",
        "One meter's ledger, newest first",
        {HTTPStatus.OK: Answer(LedgerPage)},
        query=LedgerQuery,
        refusals=("unknown_meter",),
    ),
}
