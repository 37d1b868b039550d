"""Builds the OpenAPI 3.1 document."""

import json
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from functools import cache
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter

from pancake_meter.domain.access.customer_token import SCOPE_MEANING, SCOPES
from pancake_meter.domain.access.role import MEANING, ROLES
from pancake_meter.http.access.browser import SHOWN
from pancake_meter.http.access.routes import ROUTE_OF_KEY, ROUTES, Route
from pancake_meter.http.csv import CSV
from pancake_meter.http.idempotency import HEADER as IDEMPOTENCY_KEY
from pancake_meter.http.idempotency import KEY_PATTERN
from tools.openapi.described import JSON, Answer, Body, Described
from tools.openapi.examples import answers_of, requests_of
from tools.openapi.parameters import PATH_PARAMETERS, QUERY_PARAMETERS
from tools.openapi.refusals import GATEWAY_MEANING, GatewayBody, ProblemBody, Refusal, refusals_by_status
from tools.openapi.rooms import DESCRIBED, ROOMS

PROBLEM_JSON: Final = "application/problem+json"
_REF: Final = "#/components/schemas/{model}"
_HEADER_REF: Final = "#/components/headers/"

Schema = dict[str, Any]

_DESCRIPTION: Final = """Usage billing for Waffo Pancake sellers.

What the stack refuses is answered as application/problem+json, with a stable `code`; docs/errors.md explains each code.
What API Gateway answers by itself, before any code of the stack runs, is application/json with a `message`: a GatewayBody,
without Retry-After. Requests whose fields nobody knows are refused, except where the format is another system's. Answers
may get further fields in later versions."""
_API_KEY: Final = "An API key. Its roles: " + "; ".join(f"{role}: {MEANING[role]}" for role in ROLES) + "."
_CUSTOMER_TOKEN: Final = "A customer token, of POST /v1/customers/{customer_id}/tokens. Its scopes: " + "; ".join(
    f"{scope}: {SCOPE_MEANING[scope]}" for scope in SCOPES
)
_TAGS: Final[Mapping[str, str]] = {
    "balance": "Quotas, holds, and what was used",
    "usage": "Usage in, and what could not be counted",
    "selling": "What is for sale, checkouts, purchase links and overage",
    "webhooks": "Deliveries of Waffo's webhooks",
    "reconciliation": "What no webhook reported",
    "reports": "Money and usage by month",
    "standing": "Customers, and how they stand",
    "alerts": "What has rung",
    "access": "API keys, customer tokens, and one customer's data",
}
_HEADERS: Final[Mapping[str, Schema]] = {
    "RateLimit": {
        "description": 'The quota (IETF draft): "meter";r=whole units left;t=seconds to the reset.',
        "schema": {"type": "string", "pattern": r'^"[a-z][a-z0-9_]{0,31}";r=[0-9]+;t=[0-9]+$'},
    },
    "RateLimit-Policy": {
        "description": 'The quota\'s policy (IETF draft): "meter";q=whole units;w=seconds of the period.',
        "schema": {"type": "string", "pattern": r'^"[a-z][a-z0-9_]{0,31}";q=[0-9]+;w=[0-9]+$'},
    },
    "Idempotency-Replayed": {
        "description": "An earlier request with the same id or Idempotency-Key was given this answer.",
        "schema": {"const": "true"},
    },
    "Retry-After": {
        "description": "Seconds after which the same request may be repeated. API Gateway's own answers lack it.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
    "Access-Control-Allow-Origin": {
        "description": "To a page of an allowed origin: that origin. API Gateway's own answers lack it.",
        "schema": {"type": "string", "format": "uri"},
    },
    "Access-Control-Expose-Headers": {
        "description": "To a page of an allowed origin: the headers that it may read.",
        "schema": {"const": SHOWN},
    },
    "Vary": {"description": "To a page of an allowed origin.", "schema": {"const": "Origin"}},
    "Next-Cursor": {"description": "Of a page as CSV that is not the last.", "schema": {"type": "string"}},
    "Location": {"description": "The payment page.", "schema": {"type": "string", "format": "uri"}},
    "Cache-Control": {"description": "Nobody may keep the answer.", "schema": {"const": "no-store"}},
    "Content-Security-Policy": {"description": "What the page may load.", "schema": {"type": "string"}},
    "Cross-Origin-Opener-Policy": {
        "description": "No other page keeps hold of it.",
        "schema": {"const": "same-origin"},
    },
    "Permissions-Policy": {"description": "What of the device the page may use.", "schema": {"type": "string"}},
    "Referrer-Policy": {"description": "The link is not passed on.", "schema": {"const": "no-referrer"}},
    "Strict-Transport-Security": {
        "description": "The browser comes back by HTTPS alone.",
        "schema": {"type": "string", "pattern": "^max-age=[0-9]+$"},
    },
    "X-Content-Type-Options": {"description": "The content type is not guessed.", "schema": {"const": "nosniff"}},
    "X-Frame-Options": {"description": "No page may frame it.", "schema": {"const": "DENY"}},
    "X-Robots-Tag": {"description": "No search engine lists it.", "schema": {"const": "noindex"}},
}


def build() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    schemas: dict[str, Schema] = {}
    paths: dict[str, dict[str, Any]] = {}
    for room, routes in ROOMS.items():
        for key, described in routes.items():
            route = ROUTE_OF_KEY[key]
            operation = _Operation(route, described, schemas).build()
            paths.setdefault(route.path, {})[route.method.lower()] = {"tags": [room], **operation}
    return {
        "openapi": "3.1.0",
        "info": {"title": "pancake-meter", "version": "1", "description": _DESCRIPTION},
        "servers": [
            {
                "url": "https://{host}",
                "description": "A stack. Its output ApiUrl has the address.",
                "variables": {
                    "host": {
                        "default": "api-id.execute-api.us-east-1.amazonaws.com",
                        "description": "API Gateway's host name, or ApiDomainName.",
                    }
                },
            }
        ],
        "tags": [{"name": room, "description": _TAGS[room]} for room in ROOMS],
        "security": [{"api_key": []}],
        "paths": paths,
        "components": {
            "schemas": {name: _without_titles(schema) for name, schema in sorted(schemas.items())},
            "headers": dict(_HEADERS),
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


def undescribed() -> set[str]:
    """Return the routes that only the table has, or only the rooms."""
    return {route.key for route in ROUTES if route.is_of_the_api} ^ set(DESCRIBED)


def text() -> str:
    """Return the document as it is written."""
    return json.dumps(build(), indent=2, ensure_ascii=False) + "\n"


class _Operation:
    """One route's operation; the schemas of its models go into ``schemas``."""

    def __init__(self, route: Route, described: Described, schemas: dict[str, Schema]) -> None:
        self._route = route
        self._described = described
        self._schemas = schemas
        self._names = [part.strip("{}") for part in route.path.split("/") if part.startswith("{")]
        self._sent = requests_of(route.key)

    def build(self) -> dict[str, Any]:
        described = self._described
        operation: dict[str, Any] = {
            "operationId": described.name,
            "summary": described.summary,
            "description": " ".join(filter(None, (described.description, self._roles_text()))),
            "security": self._security(),
            "parameters": [
                *map(self._path_parameter, self._names),
                *self._query_parameters(),
                *self._header_parameters(),
            ],
        }
        if described.body is not None:
            operation["requestBody"] = self._request_body(described.body)
        return {**operation, "responses": self._responses()}

    def _roles_text(self) -> str:
        if self._route.is_open:
            return "Open to all."
        keys = f"For API keys with the role {' or '.join(role for role in ROLES if role in self._route.roles)}"
        scope = self._route.scope
        return f"{keys}." if scope is None else f"{keys}, and for the customer's own tokens with the scope {scope}."

    def _security(self) -> list[dict[str, list[str]]]:
        """Return one alternative for each role that opens the route; OpenAPI 3.1 lets a bearer scheme name roles."""
        route = self._route
        keys: list[dict[str, list[str]]] = [{"api_key": [role]} for role in ROLES if role in route.roles]
        return keys if route.scope is None else [*keys, {"customer_token": [route.scope]}]

    def _path_parameter(self, name: str) -> dict[str, Any]:
        parameter = {"name": name, "in": "path", "required": True, **PATH_PARAMETERS[name]}
        return _with_example(parameter, (sent.path.get(name) for sent in self._sent))

    def _header_parameters(self) -> Iterable[dict[str, Any]]:
        if self._described.is_once:
            yield {
                "name": IDEMPOTENCY_KEY,
                "in": "header",
                "required": False,
                "schema": {"type": "string", "pattern": KEY_PATTERN, "maxLength": 64},
                "description": "Made by the caller: a repeat with the same key and content is answered as the first was.",
            }

    def _query_parameters(self) -> Iterable[dict[str, Any]]:
        if self._described.query is None:
            return
        schema = self._described.query.model_json_schema()
        for name, stated in schema.get("properties", {}).items():
            own = _without_null(_without_titles(stated))
            own.pop("description", None)
            parameter = {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", ()),
                "schema": own,
                "description": self._described.parameters.get(name, QUERY_PARAMETERS[name]),
            }
            kind = int if own.get("type") == "integer" else str
            yield _with_example(parameter, (kind(sent.query[name]) for sent in self._sent if name in sent.query))

    def _request_body(self, body: Body) -> dict[str, Any]:
        bodies = {JSON: body.model, **body.media_types}
        content = {kind: {"schema": self._schema(model)} for kind, model in bodies.items()}
        for sent in self._sent:
            if sent.body is not None and sent.content_type in content:
                content[sent.content_type].setdefault("examples", {})[sent.name] = {"value": sent.body}
        return {
            "required": body.is_required,
            "description": f"At most {body.bytes_max:,} bytes.",
            "content": content,
        }

    def _responses(self) -> dict[str, Any]:
        refused = refusals_by_status(self._refusal_codes())
        gateway = self._gateway_statuses()
        statuses = sorted({*self._described.answers, *refused, *gateway})
        return {
            str(status.value): self._response(
                status, self._described.answers.get(status), refused.get(status, ()), is_gateway=status in gateway
            )
            for status in statuses
        }

    def _refusal_codes(self) -> list[str]:
        described, body = self._described, self._described.body
        codes = [*described.refusals, *(["invalid_idempotency_key"] if described.is_once else [])]
        if not self._route.is_open:
            codes += ["unavailable", "not_authorized"]
            codes += ["no_such_route"] if self._names else []
        codes += ["token_expired", "other_customer"] if self._route.scope is not None else []
        codes += ["invalid_customer_id"] if "customer_id" in self._names else []
        # A route of ours without a body reads one all the same, to refuse what it says.
        is_ours = described.query is not None
        codes += ["malformed_json", "body_too_large"] if is_ours or body is not None else []
        return [*codes, "invalid_request"] if is_ours else codes

    def _gateway_statuses(self) -> set[HTTPStatus]:
        statuses = {
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.TOO_MANY_REQUESTS,
            HTTPStatus.INTERNAL_SERVER_ERROR,
            HTTPStatus.SERVICE_UNAVAILABLE,
        }
        statuses |= set() if self._route.is_open else {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
        statuses |= {HTTPStatus.NOT_FOUND} if self._names or self._described.is_optional else set()
        return statuses | ({HTTPStatus.REQUEST_ENTITY_TOO_LARGE} if self._described.body is not None else set())

    def _response(
        self, status: HTTPStatus, answer: Answer | None, refusals: Sequence[Refusal], *, is_gateway: bool
    ) -> dict[str, Any]:
        told: list[str] = []
        headers: list[str] = []
        content: dict[str, list[Schema]] = {}
        if answer is not None:
            told.append(status.phrase)
            headers += answer.headers
            if answer.model is not None:
                content.setdefault(answer.media_type, []).append(self._schema(answer.model))
            if answer.has_csv:
                content[CSV] = [{"type": "string"}]
        if refusals:
            told += [f"`{refusal.code}`: {refusal.meaning}" for refusal in refusals]
            headers += self._described.refusal_headers.get(status, ())
            headers += ["Retry-After"] if status in _RETRIED else []
            content[PROBLEM_JSON] = [self._problem(status, refusals)]
        if is_gateway:
            told.append(f"API Gateway itself: {GATEWAY_MEANING[status]}")
            content.setdefault(JSON, []).append(self._schema(GatewayBody))
        if self._route.scope is not None and (answer is not None or refusals):
            headers += _CROSS_ORIGIN
        response: dict[str, Any] = {"description": ". ".join(told) + "."}
        if headers:
            response["headers"] = {name: {"$ref": _HEADER_REF + name} for name in dict.fromkeys(headers)}
        if content:
            response["content"] = {
                kind: {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}
                for kind, schemas in content.items()
            }
        for kind, name, example in answers_of(self._described.name, status):
            response["content"][kind].setdefault("examples", {})[name] = {"value": example}
        return response

    def _problem(self, status: HTTPStatus, refusals: Sequence[Refusal]) -> Schema:
        codes = sorted(refusal.code for refusal in refusals)
        own = {"properties": {"status": {"const": status.value}, "code": {"enum": codes}}}
        return {"allOf": [self._schema(ProblemBody), own]}

    def _schema(self, model: Any) -> Schema:
        """Return the schema of a model by reference; a mapping is a schema, whose models become references."""
        if isinstance(model, Mapping):
            return {str(name): self._within(value) for name, value in model.items()}
        schema = deepcopy(_schema_of(model))
        self._schemas.update(schema.pop("$defs", {}))
        if not hasattr(model, "__annotations__"):
            plain: Schema = _without_titles(schema)
            return plain
        if not (isinstance(model, type) and issubclass(model, BaseModel)) or schema.get("additionalProperties") is None:
            schema.setdefault("additionalProperties", True)
        self._schemas[model.__name__] = schema
        return {"$ref": _REF.format(model=str(model.__name__))}

    def _within(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._within(each) for each in value]
        if isinstance(value, Mapping) or hasattr(value, "__annotations__"):
            return self._schema(value)
        return value


@cache
def _schema_of(model: Any) -> Schema:
    """Return what pydantic makes of a model: some are in the answers of every route."""
    return TypeAdapter(model).json_schema(ref_template=_REF)


_CROSS_ORIGIN: Final = ("Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Vary")
_RETRIED: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


def _with_example(parameter: dict[str, Any], values: Iterable[Any]) -> dict[str, Any]:
    given = list(dict.fromkeys(value for value in values if value is not None))
    return {**parameter, "example": given[0]} if given else parameter


def _without_null(schema: Schema) -> Schema:
    """Return the schema of a parameter that may be left out: in a query nothing is null."""
    options = [option for option in schema.pop("anyOf", []) if option != {"type": "null"}]
    if schema.get("default", ...) is None:
        del schema["default"]
    if len(options) > 1:
        return {**schema, "anyOf": options}
    return {**schema, **(options[0] if options else {})}


def _without_titles(part: Any) -> Any:
    """Return a schema without the titles that pydantic makes of names."""
    if isinstance(part, list):
        return [_without_titles(each) for each in part]
    if not isinstance(part, Mapping):
        return deepcopy(part)
    return {
        name: _without_titles(value) for name, value in part.items() if not (name == "title" and isinstance(value, str))
    }
