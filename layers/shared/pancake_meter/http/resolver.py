"""The event handler of every HTTP function: routes are its own, errors are answered here alike."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import ValidationError

from pancake_meter.domain.customer import check_customer_id
from pancake_meter.domain.errors import DomainError
from pancake_meter.http import json, problem
from pancake_meter.http.json import MalformedJson
from pancake_meter.store.errors import StoreError

JSON = "application/json"

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


def path_customer_id(text: str) -> str:
    """Return the customer id of a path; raise ``InvalidCustomerId`` when it cannot be one."""
    return check_customer_id(unquote(text))


def base_url(app: Routes) -> str:
    """Return the address at which the request in hand reached the API, without a trailing slash."""
    context = app.current_event.request_context
    stage = "" if context.stage == "$default" else f"/{context.stage}"
    return f"https://{context.domain_name}{stage}"


def body(app: Routes) -> object:
    """Return the parsed JSON body of the request in hand; raise ``MalformedJson`` when it is none."""
    return json.loads(text_body(app))


def text_body(app: Routes) -> str:
    """Return the body of the request in hand as text; raise ``MalformedJson`` when it is not UTF-8."""
    try:
        return app.current_event.decoded_body or ""
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
