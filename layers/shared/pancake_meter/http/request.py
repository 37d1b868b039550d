"""The request in hand: what a route reads of it, and the form of its answer."""

import base64
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from pancake_meter.domain.customer import written_customer_id
from pancake_meter.http import json
from pancake_meter.http.json import BodyTooLarge, MalformedJson
from pancake_meter.http.outside_routes import JSON
from pancake_meter.http.problem import PROBLEM_JSON, Problem

BODY_BYTES_MAX: Final = 1_000_000
USAGE_BODY_BYTES_MAX: Final = 4_500_000
"""The bound of routes that take usage in batches: in base64 such a body is still within Lambda's 6 MB."""

Routes = APIGatewayHttpResolver | APIGatewayHttpRouter

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def request_id(app: Routes) -> str:
    """Return API Gateway's id of the request in hand."""
    return str(app.current_event.request_context.request_id)


def path_value(text: str) -> str:
    """Return what the caller wrote into one segment of a path, given that segment of the event's ``rawPath``.

    API Gateway has decoded ``rawPath`` once already; its local emulator leaves ``%25``. The escapes that remain are decoded
    here, once.
    """
    return unquote(text)


def path_customer_id(text: str) -> str:
    """Return the customer id of a path: the id itself, or ``~b64.`` and the id in base64url.

    The second form is for ids that API Gateway changes on their way: those with ``%`` (it decodes twice, and refuses a ``%``
    that is no escape then) and those with ``?`` (it cuts the path off there).

    Raises:
        InvalidCustomerId: the text is no customer id.
    """
    return written_customer_id(path_value(text))


def base_url(app: Routes) -> str:
    """Return the address at which the request in hand reached the API, without a trailing slash."""
    context = app.current_event.request_context
    stage = "" if context.stage == "$default" else f"/{context.stage}"
    return f"https://{context.domain_name}{stage}"


def body(app: Routes) -> object:
    """Return the parsed JSON body of the request in hand. Raises as ``text_body``, and ``MalformedJson`` for other text."""
    return json.loads(text_body(app))


def optional_body(app: Routes) -> object:
    """Return the parsed JSON body of the request in hand, ``{}`` where it has none or ``null``. Raises as ``body``."""
    text = text_body(app)
    parsed = json.loads(text) if text else None
    return {} if parsed is None else parsed


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


def problem_answer(problem: Problem, app: Routes) -> Response[str]:
    """Return the answer that tells a problem of the request in hand."""
    content = json.dumps(problem.body(request_id(app)))
    return Response(problem.status.value, PROBLEM_JSON, content, {**problem.all_headers})
