"""What the console answers where something is not done: a page that says why, with a way back to where it was asked."""

from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from pydantic import ValidationError

from pancake_meter.domain.errors import DomainError
from pancake_meter.http.foreign_cursor import ForeignCursor
from pancake_meter.http.problem import status_of
from pancake_meter.waffo.errors import InvalidRequest, WaffoApiError, WaffoRejected
from pancake_pages.console.desk import (
    HOME,
    LIVE,
    ONCE,
    SIGN_IN,
    ForeignForm,
    Form,
    FormChanged,
    FormSentBefore,
    NotAllowed,
    SignedOut,
    Unanswered,
    WrongFields,
    session_cookie,
    written,
)
from pancake_pages.forms import UnreadableForm
from pancake_pages.refusals import faults_of, reason_of
from pancake_pages.site import Site, View

_LISTED_UNDER: Final = {"alert-endpoints": "alerts"}
"""Sections whose things are on the list of another one."""

_WITH_A_PAGE_EACH: Final = frozenset({"alerts", "customers", "deliveries", "payments"})
"""Sections in which each thing has a page; an action on one leads back there."""

_TYPES: Final = {"expires_at": "datetime-local", "starts_at": "datetime-local", "url": "url"}
"""Fields that are no plain text."""


def answer_console_errors(app: APIGatewayHttpResolver, site: Site) -> None:
    """Have a resolver answer what is not done, by kind: each is a page, and nothing was changed."""
    answer_unknown_pages(app, site)

    def view() -> View:
        return site.view(app.current_event.raw_event)

    @app.exception_handler(SignedOut)
    def _(_: SignedOut) -> Response[str]:
        return to_sign_in(view())

    @app.exception_handler(NotAllowed)
    def _(_: NotAllowed) -> Response[str]:
        return refused(view(), "not_allowed", HTTPStatus.FORBIDDEN)

    _answer_forms(app, site)

    @app.exception_handler(ValidationError)
    def _(error: ValidationError) -> Response[str]:
        return refused(view(), "wrong_address", faults=faults_of(error, view().language))

    @app.exception_handler([UnreadableForm, ForeignCursor])
    def _(_: Exception) -> Response[str]:
        return refused(view(), "unreadable", HTTPStatus.BAD_REQUEST)

    @app.exception_handler(DomainError)
    def _(error: DomainError) -> Response[str]:
        asked = app.current_event.raw_event["requestContext"]["http"]["method"]
        why = "not_shown" if asked == "GET" else "not_done"
        return refused(view(), why, status_of(error), reason=reason_of(error, view().language), code=error.code)

    @app.exception_handler([WaffoApiError, InvalidRequest])
    def _(error: WaffoApiError | InvalidRequest) -> Response[str]:
        operation = error.operation if isinstance(error, WaffoApiError) else None
        Logger().warning("Waffo was not asked, or did not say", extra={"operation": operation, "reason": str(error)})
        return refused(view(), "waffo", HTTPStatus.BAD_GATEWAY)


def _answer_forms(app: APIGatewayHttpResolver, site: Site) -> None:
    """Have a resolver answer forms that are not done, or not done now."""

    def view() -> View:
        return site.view(app.current_event.raw_event)

    @app.exception_handler(ForeignForm)
    def _(_: ForeignForm) -> Response[str]:
        Logger().warning("form of another site or session refused")
        return refused(view(), "foreign_form", HTTPStatus.FORBIDDEN)

    @app.exception_handler(WrongFields)
    def _(error: WrongFields) -> Response[str]:
        return to_correct(error)

    @app.exception_handler(Unanswered)
    def _(error: Unanswered) -> Response[str]:
        return to_ask_again(error)

    @app.exception_handler(FormSentBefore)
    def _(error: FormSentBefore) -> Response[str]:
        return view().redirect(f"{way_back(view())}?{urlencode({**(error.answer or {}), 'before': 'yes'})}")

    @app.exception_handler(FormChanged)
    def _(_: FormChanged) -> Response[str]:
        return refused(view(), "form_changed", HTTPStatus.CONFLICT)


def answer_unknown_pages(app: APIGatewayHttpResolver, site: Site) -> None:
    """Have a resolver answer an address that the console has no page for."""

    @app.not_found
    def _(_: NotFoundError) -> Response[str]:
        return refused(site.view(app.current_event.raw_event), "no_page", HTTPStatus.NOT_FOUND)


def to_sign_in(view: View) -> Response[str]:
    """Lead to the sign-in, and from there back to the page that was asked for. A form has to be sent again by hand."""
    event = view.event
    is_page = event.get("requestContext", {}).get("http", {}).get("method") == "GET"
    query = event.get("rawQueryString") or ""
    path = str(event.get("rawPath", HOME))
    if path == LIVE:
        # A script asks for it, to put it into a page: the whole page has to go.
        return view.page("message.html", HTTPStatus.UNAUTHORIZED, {"HX-Redirect": SIGN_IN}, **_signed_out(view))
    asked = written(path) + (f"?{query}" if query else "") if is_page else way_back(view)
    return view.redirect(f"{SIGN_IN}?{urlencode({'to': asked})}", [session_cookie(view, None)])


def _signed_out(view: View) -> dict[str, Any]:
    words = view.language.words
    return {"title": words("console.sign_in.title"), "text": words("console.sign_in.over"), "back_url": None}


def to_correct(error: WrongFields) -> Response[str]:
    """Return the page on which the wrong fields of a form are mended. What was right in it is kept."""
    form = error.form
    faults = {each["field"]: each["fault"] for each in error.faults}
    asked_again = {
        name: fault for name, fault in faults.items() if form.desk.view.language.words.has(f"console.field.{name}")
    }
    return form_again(
        form,
        "console/correct.html",
        HTTPStatus.UNPROCESSABLE_ENTITY,
        asked_again=asked_again,
        other_faults={name: fault for name, fault in faults.items() if name not in asked_again},
        types=_TYPES,
    )


def to_ask_again(error: Unanswered) -> Response[str]:
    """Return the page that says what is known of a form that got no answer, and sends the very same form again."""
    trouble = error.trouble
    extra = {
        "operation": getattr(trouble, "operation", None),
        "trouble": type(trouble).__name__,
        "reason": str(trouble),
    }
    Logger().warning("a form got no answer", extra=extra)
    match trouble:
        case WaffoRejected():
            why, status = "rejected", HTTPStatus.BAD_GATEWAY
        case WaffoApiError():
            why, status = "silent", HTTPStatus.BAD_GATEWAY
        case _:
            why, status = "trouble", HTTPStatus.SERVICE_UNAVAILABLE
    return form_again(error.form, "console/ask_again.html", status, why=why)


def form_again(form: Form, template: str, status: HTTPStatus, **facts: Any) -> Response[str]:
    """Return a page that sends a form again: its fields, and what makes it happen once."""
    view = form.desk.view
    back = way_back(view)
    return form.desk.page(
        template,
        back.removeprefix(f"{HOME}/").partition("/")[0],
        status,
        action=written(str(view.event.get("rawPath", HOME))),
        form=form,
        once_name=ONCE,
        back_url=back,
        **facts,
    )


def refused(view: View, why: str, status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY, **values: Any) -> Response[str]:
    """Return the page that says why something was not done."""
    words = view.language.words
    listed = values.pop("faults", ())
    return view.page(
        "console/refused.html",
        status,
        title=words(f"console.refused.{why}.title"),
        text=words(f"console.refused.{why}.text", **values),
        faults=listed,
        back_url=way_back(view),
    )


def way_back(view: View) -> str:
    """Return the page that an action was asked on: its path leads through it."""
    section, *below = [each for each in str(view.event.get("rawPath", HOME)).split("/") if each][1:] or [""]
    kept = [_LISTED_UNDER.get(section, section), *(below[:1] if section in _WITH_A_PAGE_EACH else ())]
    if view.event.get("requestContext", {}).get("http", {}).get("method") == "GET" and kept == [section, *below]:
        kept = kept[:-1]
    return written("/".join((HOME, *filter(None, kept))))
