"""API keys, customer tokens, and one customer's data."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from pancake_meter.http.access.customer_data import ErasureBody, ExportBody, ExportQuery
from pancake_meter.http.access.keys import (
    CreateKeyRequest,
    KeyBody,
    KeyList,
    KeysQuery,
    NewKeyBody,
    OwnKeyBody,
    RotateKeyRequest,
)
from pancake_meter.http.access.tokens import TokenBody, TokenRequest
from tools.openapi.described import REPLAYED, Answer, Body, Described

_SHOWN_ONCE: Final = Answer(NewKeyBody, ("Cache-Control", *REPLAYED))

ROUTES: Final[Mapping[str, Described]] = {
    "GET /v1/customers/{customer_id}/export": Described(
        "export_customer",
        "A page of everything that is kept of a customer",
        {HTTPStatus.OK: Answer(ExportBody)},
        query=ExportQuery,
    ),
    "DELETE /v1/customers/{customer_id}": Described(
        "erase_customer",
        "Erase a customer, or go on with it: 202 while there is more to do",
        {HTTPStatus.OK: Answer(ErasureBody), HTTPStatus.ACCEPTED: Answer(ErasureBody)},
        refusals=("customer_not_found",),
    ),
    "POST /v1/customers/{customer_id}/tokens": Described(
        "create_customer_token",
        "Make a short-lived token with which a browser or an app acts for this customer",
        {HTTPStatus.CREATED: Answer(TokenBody, ("Cache-Control", *REPLAYED))},
        body=Body(TokenRequest, is_required=False),
        refusals=("scope_not_allowed", "caller_key_not_active", "customer_erased", "idempotency_conflict"),
        is_once=True,
    ),
    "GET /v1/key": Described(
        "get_own_key",
        "What the API key of the call may do",
        {HTTPStatus.OK: Answer(OwnKeyBody)},
        refusals=("api_key_not_found",),
    ),
    "GET /v1/keys": Described(
        "list_keys", "API keys, the latest made first", {HTTPStatus.OK: Answer(KeyList)}, query=KeysQuery
    ),
    "POST /v1/keys": Described(
        "create_key",
        "Make an API key of the stack's mode; its text is in this answer alone",
        {HTTPStatus.CREATED: _SHOWN_ONCE},
        body=Body(CreateKeyRequest),
        refusals=("invalid_api_key", "caller_key_not_active", "idempotency_conflict"),
        is_once=True,
    ),
    "POST /v1/keys/{key_id}/rotate": Described(
        "rotate_key",
        "Make a key like another, which ends after an overlap",
        {HTTPStatus.CREATED: _SHOWN_ONCE},
        body=Body(RotateKeyRequest, is_required=False),
        refusals=("api_key_not_found", "api_key_not_active", "caller_key_not_active", "idempotency_conflict"),
        is_once=True,
    ),
    "DELETE /v1/keys/{key_id}": Described(
        "revoke_key",
        "Revoke a key; it opens nothing within a minute",
        {HTTPStatus.OK: Answer(KeyBody)},
        refusals=("api_key_not_found", "own_api_key", "longer_lived_admin", "caller_key_not_active"),
    ),
}
