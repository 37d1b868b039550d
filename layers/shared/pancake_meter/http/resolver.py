"""An HTTP function: its routes, the handler that Lambda calls, and the answers that all functions give to errors."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar, cast

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, ValidationError

from pancake_meter import clock
from pancake_meter.domain.access.customer_token import CustomerToken
from pancake_meter.domain.errors import DomainError
from pancake_meter.domain.instant import floor_ms
from pancake_meter.http import json, problem
from pancake_meter.http.access.browser import preflight, shown_to_browsers
from pancake_meter.http.access.caller import caller_of, key_caller_of
from pancake_meter.http.access.routes import ROUTE_OF_KEY
from pancake_meter.http.fields import NoBody, NoQuery
from pancake_meter.http.foreign_cursor import ForeignCursor
from pancake_meter.http.json import BodyTooLarge, MalformedJson
from pancake_meter.http.outside_routes import lambda_problem
from pancake_meter.http.problem import Problem
from pancake_meter.http.request import (
    base_url,
    optional_body,
    path_customer_id,
    path_value,
    problem_answer,
)
from pancake_meter.invocation import Handler, OnTrouble, is_http, lambda_handler
from pancake_meter.store.errors import StoreError

logger: Final = Logger()

_PARAMETER: Final = re.compile(r"<(\w+)>")

_TOLERANT: Final[set[Callable[..., Any]]] = set()
_WITH_BODY: Final[set[Callable[..., Any]]] = set()

D = TypeVar("D")
R = TypeVar("R", bound=Callable[..., Any])


class Router(APIGatewayHttpRouter, Generic[D]):
    """Routes that work with the collaborators ``D``.

    The parameters of a route are the segments of its path, decoded; ``customer_id`` is checked as well. A route that takes a
    query has a parameter ``query``, whose type reads it. Any other route refuses parameters, unless it ``tolerates_query``.
    A body is refused as well, unless the route ``takes_body``.
    """

    def __init__(self) -> None:
        """Begin without routes."""
        super().__init__()  # type: ignore[no-untyped-call] # Powertools does not annotate it

    @property
    def deps(self) -> D:
        """The collaborators that the handler was called with."""
        return cast("D", self.context["deps"])

    @property
    def key_name(self) -> str | None:
        """The name of the API key that the request came with."""
        caller = key_caller_of(self.current_event.raw_event)
        return caller.name if caller is not None else None

    @property
    def may_sell(self) -> bool:
        """Whether the request came with an API key that may sell, and so may see links that buy."""
        caller = key_caller_of(self.current_event.raw_event)
        return caller is not None and "sell" in caller.roles

    @property
    def links_base(self) -> str | None:
        """The address that purchase links begin with; ``None`` where the caller has a customer token that may not buy."""
        token = self.token
        return base_url(self) if token is None or "buy" in token.scopes else None

    @property
    def token(self) -> CustomerToken | None:
        """The customer token that the request came with."""
        caller = caller_of(self.current_event.raw_event)
        return caller if isinstance(caller, CustomerToken) else None


def http_handler(
    production: D,
    *routers: Router[D],
    on_schedule: Callable[[D, LambdaContext], dict[str, Any]] | None = None,
    on_trouble: OnTrouble | None = None,
    browser_origins: Sequence[str] = (),
    answer_errors: Callable[[APIGatewayHttpResolver], None] | None = None,
) -> Handler:
    """Return ``handler(event, context, deps=production)``, which answers requests of an HTTP API (payload 2.0).

    ``on_schedule`` runs where the event is no request; if it meets trouble, the run fails and its alarm rings.
    ``on_trouble`` answers trouble outside of the routes, such as the end of the time; the default is ``unavailable``.
    Pages of ``browser_origins`` may read the answers of routes that customer tokens open. ``answer_errors`` sets how a
    resolver answers errors; the default is ``answer_with_problems``.
    """
    app: APIGatewayHttpResolver = _Resolver(serializer=json.dumps)
    app.use([_read_parameters])
    (answer_errors or answer_with_problems)(app)
    for router in routers:
        app.include_router(router)

    def answer_trouble(event: dict[str, Any], context: LambdaContext, trouble: StoreError) -> Any:
        if on_schedule is not None and not is_http(event):
            raise trouble
        return shown_to_browsers(event, (on_trouble or unavailable)(event, context, trouble), browser_origins)

    @lambda_handler(answer_trouble)
    def handler(event: dict[str, Any], context: LambdaContext, deps: D = production) -> dict[str, Any]:
        if on_schedule is not None and not is_http(event):
            return on_schedule(deps, context)
        if event.get("requestContext", {}).get("http", {}).get("method") == "OPTIONS":
            return preflight(event, browser_origins)
        _log_caller(event)
        app.append_context(deps=deps)
        answered: dict[str, Any] = shown_to_browsers(event, app.resolve(event, context), browser_origins)
        return answered

    return handler


def _log_caller(event: Mapping[str, Any]) -> None:
    """Have each line of this invocation name its caller."""
    with suppress(KeyError, ValueError):
        caller = caller_of(event)
        if isinstance(caller, CustomerToken):
            logger.append_keys(token_id=caller.id)
        elif caller is not None:
            logger.append_keys(key_name=caller.name)


def unavailable(event: Mapping[str, Any], context: LambdaContext, trouble: StoreError) -> dict[str, Any]:
    """Return the 503 of a function whose time ended outside of its routes."""
    request = event.get("requestContext", {}).get("requestId") or context.aws_request_id
    return lambda_problem(problem.problem_of_store(trouble), str(request))


class _Resolver(APIGatewayHttpResolver):
    """Powertools' resolver, but a path parameter is a whole segment. Powertools' own matches only some characters."""

    @staticmethod
    def _compile_regex(rule: str, base_regex: str = r"^{}$") -> re.Pattern[str]:
        return re.compile(base_regex.format(_PARAMETER.sub(r"(?P<\1>[^/]+)", rule)))


def answer_with_problems(app: APIGatewayHttpResolver) -> None:
    """Have a resolver answer domain errors, malformed content and passing trouble as problem+json.

    Any other error is a bug: it is raised, API Gateway answers 500, and the error alarm rings.
    """

    @app.exception_handler(DomainError)
    def _(error: DomainError) -> Response[str]:
        return problem_answer(problem.problem_of_domain(error), app)

    @app.exception_handler(ValidationError)
    def _(error: ValidationError) -> Response[str]:
        return problem_answer(problem.problem_of_validation(error), app)

    @app.exception_handler(ForeignCursor)
    def _(error: ForeignCursor) -> Response[str]:
        return problem_answer(problem.problem_of_cursor(error), app)

    @app.exception_handler(MalformedJson)
    def _(error: MalformedJson) -> Response[str]:
        return problem_answer(problem.problem_of_json(error), app)

    @app.exception_handler(BodyTooLarge)
    def _(error: BodyTooLarge) -> Response[str]:
        return problem_answer(problem.problem_of_size(error), app)

    @app.exception_handler(StoreError)
    def _(error: StoreError) -> Response[str]:
        logger.warning("store trouble", extra={"trouble": type(error).__name__, "reason": str(error)})
        return problem_answer(problem.problem_of_store(error), app)

    @app.not_found
    def _(_: NotFoundError) -> Response[str]:
        return problem_answer(problem.problem_not_found(), app)


def tolerates_query(route: R) -> R:
    """Let a route pass over any query: other systems, and programs that follow links, add parameters of their own."""
    _TOLERANT.add(route)
    return route


def takes_body(route: R) -> R:
    """Let a route have a body, which it reads itself. Of any other, a body that says something is likely a mistake."""
    _WITH_BODY.add(route)
    return route


def query_model(route: Callable[..., Any]) -> type[BaseModel] | None:
    """Return the model of a route's query, ``None`` where it passes over any."""
    return None if route in _TOLERANT else getattr(route, "__annotations__", {}).get("query", NoQuery)


def _read_parameters(app: APIGatewayHttpResolver, call_route: NextMiddleware) -> Response[Any]:
    """Decode the path, hold a customer token to its customer, read the query, and refuse a body that nobody reads.

    All of it is in one place, before the route.
    """
    written: Mapping[str, str] = app.context["_route_args"]
    arguments: dict[str, Any] = {
        name: path_customer_id(text) if name == "customer_id" else path_value(text) for name, text in written.items()
    }
    refused = _refused(app.current_event.raw_event, arguments)
    if refused is not None:
        return problem_answer(refused, app)
    route = app.context["_route"].func
    # Powertools' own is the one that finds nothing: whatever is sent there, the answer is that.
    if route.__module__.startswith("aws_lambda_powertools."):
        return call_route(app)
    model = query_model(route)
    query = model.model_validate(app.current_event.query_string_parameters) if model is not None else None
    if route not in _WITH_BODY and route not in _TOLERANT:
        NoBody.model_validate(optional_body(app))
    if "query" in route.__annotations__:
        arguments["query"] = query
    app.append_context(_route_args=arguments)
    return call_route(app)


def _refused(event: Mapping[str, Any], parameters: Mapping[str, str]) -> Problem | None:
    """Return why the caller may not have the answer, or ``None``.

    API Gateway keeps the authorizer's answer for a minute by token and route: the customer of the path and the token's end
    are compared here, with every call.
    """
    route = ROUTE_OF_KEY.get(str(event.get("routeKey")))
    try:
        caller = caller_of(event)
    except (KeyError, ValueError):
        return problem.problem_not_authorized()
    if caller is None:
        return None if route is not None and route.is_open else problem.problem_not_authorized()
    if isinstance(caller, CustomerToken):
        refusal = caller.refusal_at(route.scope if route is not None else None, floor_ms(clock.now()))
        if refusal is not None:
            return problem.problem_of_token(refusal)
        if parameters.get("customer_id", caller.customer_id) != caller.customer_id:
            return problem.problem_other_customer()
    return None
