"""An HTTP function: its routes, the handler that Lambda calls, and the answers that all functions give to errors."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeVar, cast

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, ValidationError

from pancake_meter.domain.errors import DomainError
from pancake_meter.http import json, problem
from pancake_meter.http.access.caller import key_caller_of
from pancake_meter.http.fields import NoQuery
from pancake_meter.http.json import BodyTooLarge, MalformedJson
from pancake_meter.http.request import lambda_answer, path_customer_id, path_value, request_id
from pancake_meter.invocation import Handler, OnTrouble, is_http, lambda_handler
from pancake_meter.store.errors import StoreError

_PARAMETER: Final = re.compile(r"<(\w+)>")

_TOLERANT: Final[set[Callable[..., Any]]] = set()

D = TypeVar("D")
R = TypeVar("R", bound=Callable[..., Any])


class Router(APIGatewayHttpRouter, Generic[D]):
    """Routes that work with the collaborators ``D``.

    The parameters of a route are the segments of its path, decoded; ``customer_id`` is checked as well. A route that takes a
    query has a parameter ``query``, whose type reads it. Any other route refuses parameters, unless it ``tolerates_query``.
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


def http_handler(
    production: D,
    *routers: Router[D],
    on_schedule: Callable[[D, LambdaContext], dict[str, Any]] | None = None,
    on_trouble: OnTrouble | None = None,
) -> Handler:
    """Return ``handler(event, context, deps=production)``, which answers requests of an HTTP API (payload 2.0).

    ``on_schedule`` runs where the event is no request; if it meets trouble, the run fails and its alarm rings.
    ``on_trouble`` answers trouble outside of the routes, such as the end of the time; the default is ``unavailable``.
    """
    app = _create_resolver()
    for router in routers:
        app.include_router(router)

    def answer_trouble(event: dict[str, Any], context: LambdaContext, trouble: StoreError) -> Any:
        if on_schedule is not None and not is_http(event):
            raise trouble
        return (on_trouble or unavailable)(event, context, trouble)

    @lambda_handler(answer_trouble)
    def handler(event: dict[str, Any], context: LambdaContext, deps: D = production) -> dict[str, Any]:
        if on_schedule is not None and not is_http(event):
            return on_schedule(deps, context)
        caller = key_caller_of(event)
        if caller is not None:
            Logger().append_keys(key_name=caller.name)
        app.append_context(deps=deps)
        return app.resolve(event, context)

    return handler


def unavailable(event: Mapping[str, Any], context: LambdaContext, trouble: StoreError) -> dict[str, Any]:
    """Return the 503 of a function whose time ended outside of its routes."""
    request = event.get("requestContext", {}).get("requestId") or context.aws_request_id
    return lambda_answer(problem.problem_of_store(trouble).response(str(request)))


class _Resolver(APIGatewayHttpResolver):
    """Powertools' resolver, but a path parameter is a whole segment. Powertools' own matches only some characters."""

    @staticmethod
    def _compile_regex(rule: str, base_regex: str = r"^{}$") -> re.Pattern[str]:
        return re.compile(base_regex.format(_PARAMETER.sub(r"(?P<\1>[^/]+)", rule)))


def _create_resolver() -> APIGatewayHttpResolver:
    """Return a resolver that answers domain errors, malformed content and passing trouble as problem+json.

    Any other error is a bug: it is raised, API Gateway answers 500, and the error alarm rings.
    """
    app = _Resolver(serializer=json.dumps)
    app.use([_read_parameters])

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
        Logger().warning("store trouble", extra={"trouble": type(error).__name__, "reason": str(error)})
        return problem.problem_of_store(error).response(request_id(app))

    @app.not_found
    def _(_: NotFoundError) -> Response[str]:
        return problem.problem_not_found().response(request_id(app))

    return app


def tolerates_query(route: R) -> R:
    """Let a route pass over any query: other systems, and programs that follow links, add parameters of their own."""
    _TOLERANT.add(route)
    return route


def query_model(route: Callable[..., Any]) -> type[BaseModel] | None:
    """Return the model of a route's query, ``None`` where it passes over any."""
    return None if route in _TOLERANT else getattr(route, "__annotations__", {}).get("query", NoQuery)


def _read_parameters(app: APIGatewayHttpResolver, call_route: NextMiddleware) -> Response[Any]:
    """Decode the parameters of the path and read the query, in one place, before the route sees them."""
    written: Mapping[str, str] = app.context["_route_args"]
    arguments: dict[str, Any] = {
        name: path_customer_id(text) if name == "customer_id" else path_value(text) for name, text in written.items()
    }
    route = app.context["_route"].func
    model = query_model(route)
    query = model.model_validate(app.current_event.query_string_parameters) if model is not None else None
    if "query" in route.__annotations__:
        arguments["query"] = query
    app.append_context(_route_args=arguments)
    return call_route(app)
