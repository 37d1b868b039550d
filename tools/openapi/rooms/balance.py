"""Quotas, holds, and what was used."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from pancake_meter.http.balance.access import AccessBody, BlockRequest, UnblockRequest
from pancake_meter.http.balance.grants import GrantBody, GrantRequest, GrantsBody, GrantsQuery, VoidedBody
from pancake_meter.http.balance.holds import (
    HoldBody,
    HoldRequest,
    ReleasedBody,
    ReleaseQuery,
    SettledBody,
    SettleRequest,
)
from pancake_meter.http.balance.limits import LimitsBody, LimitsList, LimitsQuery, LimitsRequest
from pancake_meter.http.balance.quota import QuotaBody, QuotaQuery, QuotasBody
from pancake_meter.http.balance.readback import LedgerPage, LedgerQuery, UsageQuery, UsageReport
from tools.openapi.described import RATE_LIMIT, REPLAYED, Answer, Body, Described

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
        is_once=True,
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
    "POST /v1/customers/{customer_id}/grants": Described(
        "give_units",
        "Give units by hand, once for each id",
        {HTTPStatus.CREATED: Answer(GrantBody, REPLAYED)},
        body=Body(GrantRequest),
        refusals=(
            "unknown_meter",
            "invalid_gift",
            "gift_conflict",
            "too_many_grants",
            "too_many_lines",
            "customer_erased",
        ),
        description="A repeat with the same id and content is answered as the first request was.",
        is_once=True,
    ),
    "GET /v1/customers/{customer_id}/grants": Described(
        "list_grants",
        "Grants on a customer's balances, with what is left of each",
        {HTTPStatus.OK: Answer(GrantsBody)},
        query=GrantsQuery,
        refusals=("unknown_meter", "customer_erased"),
    ),
    "POST /v1/customers/{customer_id}/grants/{grant_id}/void": Described(
        "void_grant",
        "Take away what is left of units that were given by hand; never what was used",
        {HTTPStatus.OK: Answer(VoidedBody)},
        refusals=("grant_not_found", "grant_not_voidable", "too_many_lines", "customer_erased"),
    ),
    "POST /v1/customers/{customer_id}/block": Described(
        "block_customer",
        "Cut a customer's access off, with a reason that refusals repeat",
        {HTTPStatus.OK: Answer(AccessBody)},
        body=Body(BlockRequest),
        refusals=("unknown_meter", "invalid_reason", "too_many_lines", "customer_erased"),
        description="Holds in flight may settle, and usage that is recorded counts. Blocking again changes the reason.",
    ),
    "POST /v1/customers/{customer_id}/unblock": Described(
        "unblock_customer",
        "Open a customer's access again",
        {HTTPStatus.OK: Answer(AccessBody)},
        body=Body(UnblockRequest, is_required=False),
        refusals=("unknown_meter", "too_many_lines", "customer_erased"),
    ),
    "GET /v1/customers/{customer_id}/limits": Described(
        "get_limits",
        "Limits of a customer, those of the plan, and which hold",
        {HTTPStatus.OK: Answer(LimitsList)},
        query=LimitsQuery,
        refusals=("unknown_meter", "customer_erased"),
    ),
    "PUT /v1/customers/{customer_id}/limits": Described(
        "set_limits",
        "Set limits of one meter; null removes one",
        {HTTPStatus.OK: Answer(LimitsBody)},
        body=Body(LimitsRequest),
        refusals=(
            "unknown_meter",
            "limit_not_allowed",
            "not_for_sale",
            "unknown_currency",
            "invalid_money",
            "too_many_lines",
            "customer_erased",
        ),
        description="allowance_cap and overage_cap ask for the role operate; a customer token sets the spend_cap alone.",
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
