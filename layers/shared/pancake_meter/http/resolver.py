"""The event handler of every HTTP function: routes are its own, errors are answered here alike."""

from base64 import b64decode
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import ValidationError

from pancake_meter.domain.customer import check_customer_id
from pancake_meter.domain.errors import DomainError
from pancake_meter.http import json, problem
from pancake_meter.http.json import BodyTooLarge, MalformedJson
from pancake_meter.store.errors import StoreBusy, StoreUnavailable

JSON = "application/json"

BODY_BYTES_MAX: Final = 1_000_000
USAGE_BODY_BYTES_MAX: Final = 4_500_000
"""Of the routes that take usage in batches: what Lambda still takes when the body comes in base64, within its 6 MB."""

Routes = APIGatewayHttpResolver | APIGatewayHttpRouter


def create_resolver(logger: Logger) -> APIGatewayHttpResolver:
    """Return a resolver that answers domain errors, malformed content and passing trouble as problem+json.

    Anything else is a bug: it propagates, the caller gets API Gateway's 500, the error alarm rings.
    """
    app = APIGatewayHttpResolver(serializer=json.dumps)

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

    @app.exception_handler([StoreBusy, StoreUnavailable])
    def _(error: StoreBusy | StoreUnavailable) -> Response[str]:
        logger.warning("store trouble", extra={"trouble": type(error).__name__, "reason": str(error)})
        return problem.problem_of_store(error).response(request_id(app))

    @app.not_found
    def _(_: NotFoundError) -> Response[str]:
        return problem.problem_not_found().response(request_id(app))

    return app


def request_id(app: Routes) -> str:
    """Return API Gateway's id of the request in hand."""
    return str(app.current_event.request_context.request_id)


def path_customer_id(text: str) -> str:
    """Return the customer id of a path; raise ``InvalidCustomerId`` when it cannot be one."""
    return check_customer_id(unquote(text))


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
        content = b64decode(event.body or "") if event.is_base64_encoded else (event.body or "").encode()
        if len(content) > bytes_max:
            raise BodyTooLarge(bytes_max)
        return content.decode()
    except ValueError as error:
        raise MalformedJson("the body is not UTF-8") from error


def answer(status: HTTPStatus, content: object, headers: Mapping[str, str] | None = None) -> Response[str]:
    """Return a JSON answer."""
    return Response(status.value, JSON, json.dumps(content), {**(headers or {})})
