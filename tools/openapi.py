"""Writes docs/openapi.json from the wire models and the table of routes, or checks that it is in step.

Usage: ``python -m tools.openapi [--check]``. A route that the table has and this file does not describe, or the other
way round, is an error: the document covers the API, no more and no less.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NotRequired

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from pancake_meter.domain.access.customer_token import SCOPE_MEANING, SCOPES
from pancake_meter.domain.access.role import MEANING, ROLES
from pancake_meter.http.access.customer_data import ErasureBody, ExportBody
from pancake_meter.http.access.keys import (
    KEYS_PAGE_MAX,
    CreateKeyRequest,
    KeyBody,
    KeyList,
    NewKeyBody,
    OwnKeyBody,
    RotateKeyRequest,
)
from pancake_meter.http.access.routes import ROUTE_OF_KEY, ROUTES, Route
from pancake_meter.http.access.tokens import TokenBody, TokenRequest
from pancake_meter.http.balance.holds import HoldBody, HoldRequest, ReleasedBody, SettledBody, SettleRequest
from pancake_meter.http.balance.quota import QuotaBody, QuotasBody
from pancake_meter.http.balance.readback import LedgerPage, UsageReport
from pancake_meter.http.fields import DismissRequest
from pancake_meter.http.reconciliation.reconciliation import ReportBody
from pancake_meter.http.reports.reports import (
    CUSTOMERS_PAGE_MAX,
    MONTH_PATTERN,
    CustomerPage,
    RevenueReport,
    UsageMonths,
)
from pancake_meter.http.selling.checkouts import CheckoutBody, CheckoutPage, CheckoutRequest
from pancake_meter.http.selling.overage import ForgivenBody, ForgiveRequest
from pancake_meter.http.selling.plans import PlansBody
from pancake_meter.http.usage.batch import BatchBody, UsageRequest
from pancake_meter.http.usage.bulk import BulkBody
from pancake_meter.http.usage.healing import HealingBody, HealingRequest
from pancake_meter.http.usage.intake import PARKED_PAGE_MAX, IntakeBody, ParkedBody, ParkedPage, ReplayedBody
from pancake_meter.http.webhooks.deliveries import (
    DELIVERIES_PAGE_MAX,
    AssignRequest,
    DeliveryBody,
    DeliveryPage,
    ReplayBody,
)
from pancake_meter.store.webhooks.deliveries import VERDICTS

DOCUMENT: Final = Path(__file__).parent.parent / "docs" / "openapi.json"
_REF: Final = "#/components/schemas/{model}"


class ProblemBody(TypedDict):
    """RFC 9457 problem: ``code`` is stable; ``request_id`` finds the request in the logs."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    quota: NotRequired[QuotaBody]
    purchase_url: NotRequired[str]
    upgrade_url: NotRequired[str]


class GatewayBody(TypedDict):
    """What API Gateway answers by itself, before any code of the stack runs: no ``code``, no ``request_id``."""

    message: str


@dataclass(frozen=True)
class Query:
    """A query parameter."""

    name: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    required: bool = False


@dataclass(frozen=True)
class Described:
    """What a route takes and answers; problems beyond the common ones are named by status."""

    summary: str
    answers: Mapping[HTTPStatus, Any]
    body: Any = None
    media_types: Sequence[str] = ("application/json",)
    query: Sequence[Query] = ()
    problems: Sequence[HTTPStatus] = ()


_DESCRIPTION: Final = (
    "Usage billing for Waffo Pancake sellers. API Gateway answers some requests by itself, on every route: 400, 401, 403,"
    " 404 (no such route), 413 (body too large), 429 (too many requests), 500, 503 and 504, each as a GatewayBody and"
    " without Retry-After."
)
_API_KEY: Final = "An API key. Its roles: " + "; ".join(f"{role}: {MEANING[role]}" for role in ROLES) + "."
_CUSTOMER_TOKEN: Final = "A customer token, of POST /v1/customers/{customer_id}/tokens. Its scopes: " + "; ".join(
    f"{scope}: {SCOPE_MEANING[scope]}" for scope in SCOPES
)
_CUSTOMER_ID: Final = (
    "The seller's own id, percent-encoded; or ~b64. and the id in base64url, which an id with % or ? needs"
    " on API Gateway."
)

_METER = Query("meter", "The meter.", required=True)
_CURSOR = Query("cursor", "next_cursor of the page before.")
_MONTH_SCHEMA: Final = {"type": "string", "pattern": MONTH_PATTERN}
_MONTHS = (
    Query("month", "One month, such as 2026-03; this, or from and to.", _MONTH_SCHEMA),
    Query("from", "The first of up to twelve months.", _MONTH_SCHEMA),
    Query("to", "The last of them.", _MONTH_SCHEMA),
)
_OF_THE_GATEWAY: Final[Mapping[HTTPStatus, tuple[str, str]]] = {
    HTTPStatus.UNAUTHORIZED: (
        "there is no Authorization header",
        "a customer token has expired within the minute that API Gateway remembers it",
    ),
    HTTPStatus.FORBIDDEN: (
        "the key is malformed, unknown, revoked, expired, of the other mode or has no role for it, or the token no scope",
        "a customer token is for another customer, or a token is to allow more than the key that asks for it",
    ),
}
_MONEY = (HTTPStatus.PAYMENT_REQUIRED,)

DESCRIBED: Final[Mapping[tuple[str, str], Described]] = {
    ("GET", "/v1/customers/{customer_id}/export"): Described(
        "A page of everything that is kept of a customer",
        {HTTPStatus.OK: ExportBody},
        query=(_CURSOR,),
    ),
    ("DELETE", "/v1/customers/{customer_id}"): Described(
        "Erase a customer, or go on with it: 202 while there is more to do",
        {HTTPStatus.OK: ErasureBody, HTTPStatus.ACCEPTED: ErasureBody},
    ),
    ("GET", "/v1/customers/{customer_id}/quota"): Described("Every meter's quota", {HTTPStatus.OK: QuotasBody}),
    ("GET", "/v1/customers/{customer_id}/quota/{meter}"): Described(
        "One meter's quota; with an amount, whether it may be spent",
        {HTTPStatus.OK: QuotaBody},
        query=(Query("amount", "Units that the customer would like to spend."),),
        problems=(*_MONEY, HTTPStatus.NOT_FOUND),
    ),
    ("POST", "/v1/customers/{customer_id}/holds"): Described(
        "Reserve units before the work",
        {HTTPStatus.CREATED: HoldBody, HTTPStatus.OK: HoldBody},
        body=HoldRequest,
        problems=(HTTPStatus.GONE, *_MONEY, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS),
    ),
    ("POST", "/v1/customers/{customer_id}/holds/{hold_id}/settle"): Described(
        "Count what was really used and end the hold",
        {HTTPStatus.OK: SettledBody},
        body=SettleRequest,
        problems=(HTTPStatus.GONE, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    ),
    ("DELETE", "/v1/customers/{customer_id}/holds/{hold_id}"): Described(
        "End a hold with nothing used",
        {HTTPStatus.OK: ReleasedBody},
        query=(Query("meter", "The meter, where the path has the caller's own id."),),
        problems=(HTTPStatus.NOT_FOUND,),
    ),
    ("GET", "/v1/customers/{customer_id}/usage"): Described(
        "Usage of one meter, by period and day",
        {HTTPStatus.OK: UsageReport},
        query=(_METER, Query("periods", "How many closed periods.", {"type": "integer", "minimum": 0, "maximum": 24})),
        problems=(HTTPStatus.NOT_FOUND,),
    ),
    ("GET", "/v1/customers/{customer_id}/ledger"): Described(
        "One meter's ledger, newest first",
        {HTTPStatus.OK: LedgerPage},
        query=(_METER, _CURSOR, Query("limit", "Page size.", {"type": "integer", "minimum": 1, "maximum": 100})),
        problems=(HTTPStatus.NOT_FOUND,),
    ),
    ("POST", "/v1/usage"): Described(
        "Count 1 to 100 usage events, each judged for itself",
        {HTTPStatus.OK: BatchBody, HTTPStatus.MULTI_STATUS: BatchBody},
        body=UsageRequest,
        problems=(HTTPStatus.GONE, HTTPStatus.CONFLICT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    ),
    ("POST", "/v1/usage/bulk"): Described(
        "Accept usage events in bulk, to be counted exactly once within moments",
        {HTTPStatus.ACCEPTED: BulkBody},
        body={"description": "Events as in POST /v1/usage: a JSON array, or one a line.", "type": "array"},
        media_types=("application/json", "application/x-ndjson"),
        problems=(HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    ),
    ("POST", "/v1/usage/litellm"): Described(
        "Count what LiteLLM's generic_api callback sends: json_array, ndjson or single",
        {HTTPStatus.OK: IntakeBody},
        body={"description": "StandardLoggingPayload, one or many; only what counting needs is read."},
        media_types=("application/json", "application/x-ndjson"),
        problems=(HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    ),
    ("POST", "/api/v1/events"): Described(
        "Count CloudEvents as OpenMeter takes them, one or a batch",
        {HTTPStatus.NO_CONTENT: None},
        body={"description": "CloudEvents 1.0 with a subject, one or an array of at most 1,000."},
        media_types=("application/cloudevents+json", "application/cloudevents-batch+json", "application/json"),
        problems=(HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    ),
    ("POST", "/v1/usage/healings"): Described(
        "Search LiteLLM's spend log now for calls that nobody told us of",
        {HTTPStatus.OK: HealingBody},
        body=HealingRequest,
        problems=(HTTPStatus.BAD_REQUEST,),
    ),
    ("GET", "/v1/usage/parked"): Described(
        "Usage that could not be counted, the latest first",
        {HTTPStatus.OK: ParkedPage},
        query=(
            _CURSOR,
            Query("limit", "Page size.", {"type": "integer", "minimum": 1, "maximum": PARKED_PAGE_MAX}),
            Query("status", "What is open, or was dismissed.", {"type": "string", "enum": ["open", "dismissed"]}),
        ),
    ),
    ("POST", "/v1/usage/parked/{parked_id}/replay"): Described(
        "Try parked usage again", {HTTPStatus.OK: ReplayedBody}, problems=(HTTPStatus.NOT_FOUND,)
    ),
    ("POST", "/v1/usage/parked/{parked_id}/dismiss"): Described(
        "Take parked usage off the list, with a reason",
        {HTTPStatus.OK: ParkedBody},
        body=DismissRequest,
        problems=(HTTPStatus.NOT_FOUND,),
    ),
    ("POST", "/v1/customers/{customer_id}/checkouts"): Described(
        "Open a checkout, or find the open one",
        {HTTPStatus.CREATED: CheckoutBody, HTTPStatus.OK: CheckoutBody},
        body=CheckoutRequest,
        problems=(HTTPStatus.GONE, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    ),
    ("GET", "/v1/customers/{customer_id}/checkouts"): Described(
        "Checkouts of a customer, newest first", {HTTPStatus.OK: CheckoutPage}, query=(_CURSOR,)
    ),
    ("GET", "/v1/customers/{customer_id}/checkouts/{checkout_id}"): Described(
        "One checkout", {HTTPStatus.OK: CheckoutBody}, problems=(HTTPStatus.NOT_FOUND,)
    ),
    ("POST", "/v1/customers/{customer_id}/overage/{meter}/forgive"): Described(
        "Let owed overage go, the oldest first; once for each id",
        {HTTPStatus.OK: ForgivenBody},
        body=ForgiveRequest,
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    ),
    ("GET", "/v1/deliveries"): Described(
        "Webhook deliveries with a verdict, or of an order, newest first",
        {HTTPStatus.OK: DeliveryPage},
        query=(
            Query("verdict", "This or order_id.", {"type": "string", "enum": list(VERDICTS)}),
            Query("order_id", "This or verdict."),
            _CURSOR,
            Query("limit", "Page size.", {"type": "integer", "minimum": 1, "maximum": DELIVERIES_PAGE_MAX}),
        ),
    ),
    ("GET", "/v1/deliveries/{delivery_id}"): Described(
        "One delivery: verdict, why, times, headers and raw body",
        {HTTPStatus.OK: DeliveryBody},
        problems=(HTTPStatus.NOT_FOUND,),
    ),
    ("POST", "/v1/deliveries/{delivery_id}/replay"): Described(
        "Apply a delivery again; one that is done is not touched",
        {HTTPStatus.OK: ReplayBody},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    ),
    ("POST", "/v1/deliveries/{delivery_id}/assign"): Described(
        "Say whose event a delivery is, and apply it",
        {HTTPStatus.OK: ReplayBody},
        body=AssignRequest,
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    ),
    ("POST", "/v1/deliveries/{delivery_id}/dismiss"): Described(
        "Take an open delivery off the lists of what is open, for a reason; it is kept, and may be replayed",
        {HTTPStatus.OK: DeliveryBody},
        body=DismissRequest,
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    ),
    ("POST", "/v1/reconciliations"): Described(
        "Ask Waffo now for what no webhook told us, and heal it; the schedule does so too", {HTTPStatus.OK: ReportBody}
    ),
    ("GET", "/v1/reports/revenue"): Described(
        "Revenue by month and currency: subscriptions, overage, top-ups, plans",
        {HTTPStatus.OK: RevenueReport},
        query=_MONTHS,
    ),
    ("GET", "/v1/reports/revenue/customers"): Described(
        "A month's revenue by customer",
        {HTTPStatus.OK: CustomerPage},
        query=(
            Query("month", "The month, such as 2026-03.", _MONTH_SCHEMA, required=True),
            Query("customer_id", "Only this customer."),
            _CURSOR,
            Query("limit", "Page size.", {"type": "integer", "minimum": 1, "maximum": CUSTOMERS_PAGE_MAX}),
        ),
    ),
    ("GET", "/v1/reports/usage"): Described(
        "Usage by month and meter, of the periods that have closed",
        {HTTPStatus.OK: UsageMonths},
        query=(*_MONTHS, Query("meter", "Only this meter.")),
        problems=(HTTPStatus.NOT_FOUND,),
    ),
    ("GET", "/v1/plans"): Described(
        "What is for sale to a customer: plans, and packs of units",
        {HTTPStatus.OK: PlansBody},
        query=(
            Query("customer_id", "Who would buy; a customer token names its customer itself."),
            Query("currency", "In place of the customer's own.", {"type": "string", "pattern": "^[A-Z]{3}$"}),
        ),
    ),
    ("POST", "/v1/customers/{customer_id}/tokens"): Described(
        "Make a short-lived token with which a browser or an app acts for this customer",
        {HTTPStatus.CREATED: TokenBody},
        body=TokenRequest,
    ),
    ("GET", "/v1/key"): Described("What the API key of the call may do", {HTTPStatus.OK: OwnKeyBody}),
    ("GET", "/v1/keys"): Described(
        "API keys, the latest made first",
        {HTTPStatus.OK: KeyList},
        query=(_CURSOR, Query("limit", "Page size.", {"type": "integer", "minimum": 1, "maximum": KEYS_PAGE_MAX})),
    ),
    ("POST", "/v1/keys"): Described(
        "Make an API key of the stack's mode; its text is in this answer alone",
        {HTTPStatus.CREATED: NewKeyBody},
        body=CreateKeyRequest,
    ),
    ("POST", "/v1/keys/{key_id}/rotate"): Described(
        "Make a key like another, which ends after an overlap",
        {HTTPStatus.CREATED: NewKeyBody},
        body=RotateKeyRequest,
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    ),
    ("DELETE", "/v1/keys/{key_id}"): Described(
        "Revoke a key; it opens nothing within a minute",
        {HTTPStatus.OK: KeyBody},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    ),
    ("GET", "/buy/{token}"): Described(
        "A signed purchase link: opens the checkout and redirects to the payment page",
        {HTTPStatus.SEE_OTHER: None},
    ),
}


def build() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    schemas: dict[str, Any] = {}
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), described in DESCRIBED.items():
        route = ROUTE_OF_KEY[f"{method} {path}"]
        paths.setdefault(path, {})[method.lower()] = _operation(route, described, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "pancake-meter", "version": "1", "description": _DESCRIPTION},
        "security": [{"api_key": []}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "api_key": {"type": "http", "scheme": "bearer", "description": _API_KEY},
                "customer_token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": _CUSTOMER_TOKEN,
                },
            },
        },
    }


def undescribed() -> set[tuple[str, str]]:
    """Return (method, path) of the routes that only the table has, or only this file. Preflights are the browser's own."""
    return {(route.method, route.path) for route in ROUTES if route.method != "OPTIONS"} ^ set(DESCRIBED)


def _operation(route: Route, described: Described, schemas: dict[str, Any]) -> dict[str, Any]:
    names = [part.strip("{}") for part in route.path.split("/") if part.startswith("{")]
    parameters = [_path_parameter(name) for name in names]
    for query in described.query:
        parameter = {"name": query.name, "in": "query", "required": query.required, "schema": dict(query.schema)}
        parameters.append({**parameter, "description": query.description})
    operation: dict[str, Any] = {"summary": described.summary, "parameters": parameters}
    if described.body is not None:
        content = {
            name: media
            for kind in described.media_types
            for name, media in _content(kind, described.body, schemas).items()
        }
        operation["requestBody"] = {"required": True, "content": content}
    answers = {str(status.value): _answer(status, model, schemas) for status, model in described.answers.items()}
    operation["security"] = _security(route)
    if route.is_open:
        return {**operation, "responses": answers}
    operation["description"] = f"{_roles_text(route)}."
    common = (
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    )
    problems = {str(status.value): _problem(status, schemas) for status in sorted({*common, *described.problems})}
    return {**operation, "responses": {**answers, **problems}}


def _security(route: Route) -> list[dict[str, list[str]]]:
    """Return one alternative for each role that opens the route; OpenAPI 3.1 lets a bearer scheme name roles."""
    alternatives: list[dict[str, list[str]]] = [{"api_key": [role]} for role in ROLES if role in route.roles]
    return alternatives if route.scope is None else [*alternatives, {"customer_token": [route.scope]}]


def _roles_text(route: Route) -> str:
    keys = f"For API keys with the role {' or '.join(role for role in ROLES if role in route.roles)}"
    return keys if route.scope is None else f"{keys}, and for the customer's own tokens with the scope {route.scope}"


def _path_parameter(name: str) -> dict[str, Any]:
    parameter: dict[str, Any] = {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    return {**parameter, "description": _CUSTOMER_ID} if name == "customer_id" else parameter


def _answer(status: HTTPStatus, model: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": status.phrase}
    return answer if model is None else {**answer, "content": _content("application/json", model, schemas)}


def _problem(status: HTTPStatus, schemas: dict[str, Any]) -> dict[str, Any]:
    ours = _content("application/problem+json", ProblemBody, schemas)
    if status not in _OF_THE_GATEWAY:
        return {"description": status.phrase, "content": ours}
    by_gateway, by_us = _OF_THE_GATEWAY[status]
    description = f"{status.phrase}: answered by API Gateway where {by_gateway}; by the function where {by_us}"
    return {"description": description, "content": {**_content("application/json", GatewayBody, schemas), **ours}}


def _content(media_type: str, model: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    if isinstance(model, Mapping):
        return {media_type: {"schema": dict(model)}}
    schema = TypeAdapter(model).json_schema(ref_template=_REF, mode="validation")
    schemas.update(schema.pop("$defs", {}))
    schemas[model.__name__] = schema
    return {media_type: {"schema": {"$ref": _REF.format(model=model.__name__)}}}


def main(arguments: Sequence[str]) -> int:
    """Write the document, or with ``--check`` compare; return the exit status."""
    if undescribed():
        print("routes differ from the table of routes:", sorted(undescribed()))
        return 1
    text = json.dumps(build(), indent=2) + "\n"
    if "--check" not in arguments:
        DOCUMENT.write_text(text)
        return 0
    if not DOCUMENT.exists() or DOCUMENT.read_text() != text:
        print("docs/openapi.json is out of step: run `make openapi`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
