"""A function that answers people: its routes, and pages in place of the problems that programs get."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Protocol, TypeVar

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import ValidationError

from pancake_meter.domain.errors import DomainError
from pancake_meter.http.json import BodyTooLarge, MalformedJson
from pancake_meter.http.outside_routes import lambda_form
from pancake_meter.http.request import Routes
from pancake_meter.http.resolver import Router, http_handler
from pancake_meter.invocation import Handler
from pancake_meter.store.errors import StoreError
from pancake_pages.forms import UnreadableForm
from pancake_pages.refusals import reason_of
from pancake_pages.site import Site, View

RETRY_AFTER: Mapping[str, str] = {"Retry-After": "5"}


class PageDeps(Protocol):
    """What the collaborators of pages have, whatever else they have."""

    @property
    def site(self) -> Site:
        """What all pages share."""
        ...


D = TypeVar("D", bound=PageDeps)


def page_handler(
    production: D,
    *routers: Router[D],
    answer_more: Callable[[APIGatewayHttpResolver, Site], None] | None = None,
) -> Handler:
    """Return ``handler(event, context, deps=production)``, which answers requests of people with pages.

    A domain error that no route takes is a page that says so; passing trouble asks to try again; any other error is a bug,
    which is a page too, and rings the alarm on errors by its log. ``answer_more`` sets how errors of one
    function alone are answered.
    """
    site = production.site

    def answer_trouble(event: Any, _context: LambdaContext, trouble: StoreError) -> Any:
        Logger().warning("page not shown", extra={"trouble": type(trouble).__name__})
        page = try_again(site.view(event))
        return lambda_form(page.status_code, page.body, page.headers, page.content_type)

    def answer_errors(app: APIGatewayHttpResolver) -> None:
        _answer_errors(app, site)
        if answer_more is not None:
            answer_more(app, site)

    answer = http_handler(production, *routers, on_trouble=answer_trouble, answer_errors=answer_errors)

    def handler(event: dict[str, Any], context: LambdaContext, deps: D = production) -> dict[str, Any]:
        """Answer a request. HEAD asks for what GET would be answered, without the page."""
        http = event.get("requestContext", {}).get("http", {})
        if http.get("method") != "HEAD":
            return dict(answer(event, context, deps))
        asked = {**event, "requestContext": {**event["requestContext"], "http": {**http, "method": "GET"}}}
        return {**answer(asked, context, deps), "body": "", "isBase64Encoded": False}

    return handler


def try_again(view: View) -> Response[str]:
    """Return the page of passing trouble."""
    return view.message("shared.try_again", HTTPStatus.SERVICE_UNAVAILABLE, headers=RETRY_AFTER, **view.way_back)


def _answer_errors(app: APIGatewayHttpResolver, site: Site) -> None:
    def view(of: Routes) -> View:
        return site.view(of.current_event.raw_event)

    @app.exception_handler(StoreError)
    def _(error: StoreError) -> Response[str]:
        Logger().warning("page not shown", extra={"trouble": type(error).__name__, "reason": str(error)})
        return try_again(view(app))

    @app.exception_handler(DomainError)
    def _(error: DomainError) -> Response[str]:
        shown, status = view(app), HTTPStatus.UNPROCESSABLE_ENTITY
        reason = reason_of(error, shown.language)
        return shown.message("shared.not_done", status, reason=reason, code=error.code, **shown.way_back)

    @app.exception_handler([ValidationError, MalformedJson, BodyTooLarge, UnreadableForm])
    def _(error: Exception) -> Response[str]:
        Logger().info("unreadable request of a page", extra={"reason": type(error).__name__})
        return view(app).message("shared.unreadable", HTTPStatus.BAD_REQUEST, **view(app).way_back)

    @app.not_found
    def _(_: NotFoundError) -> Response[str]:
        return view(app).message("shared.not_found", HTTPStatus.NOT_FOUND, **view(app).way_back)
