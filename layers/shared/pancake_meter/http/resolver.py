"""The event handler of every HTTP function: routes are its own, errors are answered here alike."""

import base64
import binascii
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import ValidationError

from pancake_meter.domain.customer import ENCODED_ID_PREFIX, check_customer_id
from pancake_meter.domain.errors import DomainError, InvalidCustomerId
from pancake_meter.http import json, problem
from pancake_meter.http.json import BodyTooLarge, MalformedJson
from pancake_meter.store.errors import StoreError

JSON = "application/json"

BODY_BYTES_MAX: Final = 1_000_000
USAGE_BODY_BYTES_MAX: Final = 4_500_000
"""Of the routes that take usage in batches: what Lambda still takes when the body comes in base64, within its 6 MB."""

Routes = APIGatewayHttpResolver | APIGatewayHttpRouter

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_PARAMETER: Final = re.compile(r"<(\w+)>")


class _Resolver(APIGatewayHttpResolver):
    """Powertools' resolver, except that a path parameter is all of its segment. Powertools lets in only some characters."""

    @staticmethod
    def _compile_regex(rule: str, base_regex: str = r"^{}$") -> re.Pattern[str]:
        return re.compile(base_regex.format(_PARAMETER.sub(r"(?P<\1>[^/]+)", rule)))


def create_resolver(logger: Logger) -> APIGatewayHttpResolver:
    """Return a resolver that answers domain errors, malformed content and passing trouble as problem+json.

    Anything else is a bug: it propagates, the caller gets API Gateway's 500, the error alarm rings.
    """
    app = _Resolver(serializer=json.dumps)

    @app.exception_handler(DomainError)
    def _(error: DomainError) -> Response[str]:
        return problem.problem_of_domain(error).response(request_id(app))

    @app.exception_handler(ValidationError)
    def _(error: ValidationError) -> Response[str]:
        return problem.problem_of_validation(error).response(request_id(app))

    @app.exception_handler(MalformedJson)
    def _(error: MalformedJson) -> Response[str]:
        return problem.problem_of_json(error).response(request_id(app))

    @app.exception_handler(BodyTooLarge)
    def _(error: BodyTooLarge) -> Response[str]:
        return problem.problem_of_size(error).response(request_id(app))

    @app.exception_handler(StoreError)
    def _(error: StoreError) -> Response[str]:
        logger.warning("store trouble", extra={"trouble": type(error).__name__, "reason": str(error)})
        return problem.problem_of_store(error).response(request_id(app))

    @app.not_found
    def _(_: NotFoundError) -> Response[str]:
        return problem.problem_not_found().response(request_id(app))

    return app


def request_id(app: Routes) -> str:
    """Return API Gateway's id of the request in hand."""
    return str(app.current_event.request_context.request_id)


def path_value(text: str) -> str:
    """Return what the caller wrote into one segment of a path, given that segment of the event's ``rawPath``.

    API Gateway has decoded ``rawPath`` once already, all but ``%25`` where it is emulated. So what is left of the escapes is
    decoded here, once.
    """
    return unquote(text)


def path_customer_id(text: str) -> str:
    """Return the customer id of a path: the id itself, or ``~b64.`` and the id in base64url.

    The second form is for ids that API Gateway changes on their way: those with ``%`` (it decodes twice, and refuses what is
    no escape then) and those with ``?`` (it cuts the path off there).

    Raises:
        InvalidCustomerId: it cannot be one.
    """
    value = path_value(text)
    encoded = value.removeprefix(ENCODED_ID_PREFIX)
    return check_customer_id(value if encoded == value else _decoded(encoded))


def _decoded(encoded: str) -> str:
    try:
        padded = encoded.rstrip("=") + "=" * (-len(encoded.rstrip("=")) % 4)
        return base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise InvalidCustomerId(f"after {ENCODED_ID_PREFIX} comes a customer id in base64url of UTF-8") from error


def base_url(app: Routes) -> str:
    """Return the address at which the request in hand reached the API, without a trailing slash."""
    context = app.current_event.request_context
    stage = "" if context.stage == "$default" else f"/{context.stage}"
    return f"https://{context.domain_name}{stage}"


def body(app: Routes) -> object:
    """Return the parsed JSON body of the request in hand; raise ``MalformedJson`` when it is none, as ``text_body`` too."""
    return json.loads(text_body(app))


def text_body(app: Routes, bytes_max: int = BODY_BYTES_MAX) -> str:
    """Return the body of the request in hand as text.

    Raises:
        BodyTooLarge: it has more than ``bytes_max`` bytes.
        MalformedJson: it is not UTF-8.
    """
    event = app.current_event
    try:
        content = base64.b64decode(event.body or "") if event.is_base64_encoded else (event.body or "").encode()
        if len(content) > bytes_max:
            raise BodyTooLarge(bytes_max)
        # Some tools begin a file with a byte order mark; it is no part of the text.
        return content.removeprefix(_BYTE_ORDER_MARK).decode()
    except ValueError as error:
        raise MalformedJson("the body is not UTF-8") from error


def answer(status: HTTPStatus, content: object, headers: Mapping[str, str] | None = None) -> Response[str]:
    """Return a JSON answer."""
    return Response(status.value, JSON, json.dumps(content), {**(headers or {})})


def unavailable(event: Mapping[str, Any], context: LambdaContext, trouble: StoreError) -> dict[str, Any]:
    """Return the 503 of a function whose time ended outside of its routes."""
    request = event.get("requestContext", {}).get("requestId") or context.aws_request_id
    found = problem.problem_of_store(trouble)
    headers = {"Content-Type": problem.PROBLEM_JSON, "Retry-After": str(found.retry_after_seconds)}
    return {"statusCode": found.status.value, "headers": headers, "body": json.dumps(found.body(str(request)))}
