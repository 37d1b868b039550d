"""The portal's door: a customer token becomes a session, and a session ends."""

from http import HTTPStatus
from urllib.parse import urlencode

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response

from pancake_meter.domain.errors import CustomerErased
from pancake_meter.http.resolver import Router, takes_body, tolerates_query
from pancake_meter.usecases.access.portal_session import PortalSession, read_session
from pancake_pages.deps.customer_pages import CustomerPagesDeps
from pancake_pages.language import PARAMETER
from pancake_pages.portal.visit import (
    PORTAL,
    ForeignForm,
    MayNotBuy,
    NoSession,
    portal_message,
    portal_view,
    read_visit,
    read_visit_with_form,
    session_cookie,
)
from pancake_pages.site import View

logger = Logger()
router = Router[CustomerPagesDeps]()


@router.get("/portal/enter")
@tolerates_query
def enter_by_query() -> Response[str]:
    """Begin a session with the token of the query."""
    return _enter(router.current_event.query_string_parameters.get("token", ""))


@router.get("/portal/enter/<token>")
@tolerates_query
def enter(token: str) -> Response[str]:
    """Begin a session: it lasts as long as its token."""
    return _enter(token)


@router.post("/portal/leave")
@takes_body
def leave() -> Response[str]:
    """End the session in this browser."""
    visit, _ = read_visit_with_form(router)
    return _left(visit.view)


@router.get("/portal/leave")
@tolerates_query
def has_left() -> Response[str]:
    """Say that no session goes on, in the language asked for. Where one does, nothing ends it: its home is shown."""
    try:
        visit = read_visit(router)
    except NoSession:
        return _left(portal_view(router))
    return visit.view.redirect(PORTAL)


@router.exception_handler([NoSession, CustomerErased])  # type: ignore[untyped-decorator] # Powertools does not annotate it
def _(error: NoSession | CustomerErased) -> Response[str]:
    reason = error.reason if isinstance(error, NoSession) else error.code
    logger.info("no session of the portal", extra={"reason": reason})
    return portal_view(router).message("portal.over", HTTPStatus.UNAUTHORIZED)


@router.exception_handler(ForeignForm)  # type: ignore[untyped-decorator] # Powertools does not annotate it
def _(_: ForeignForm) -> Response[str]:
    logger.warning("a form of another site was refused")
    return portal_message(portal_view(router), "portal.foreign_form", HTTPStatus.FORBIDDEN)


@router.exception_handler(MayNotBuy)  # type: ignore[untyped-decorator] # Powertools does not annotate it
def _(_: MayNotBuy) -> Response[str]:
    return portal_message(portal_view(router), "portal.may_not_buy", HTTPStatus.FORBIDDEN)


def _left(view: View) -> Response[str]:
    page = view.message("portal.left", HTTPStatus.OK)
    page.cookies = [session_cookie(view, "", 0), *page.cookies]
    return page


def _enter(text: str) -> Response[str]:
    deps, view = router.deps, portal_view(router)
    now = deps.clock()
    session = read_session(deps.portal.tokens, text, now)
    if not isinstance(session, PortalSession):
        raise NoSession(session)
    deps.shop.selling.metering.check_not_erased(session.customer_id)
    logger.info("session of the portal begun", extra={"token_id": session.token.id})
    chosen = {PARAMETER: view.language.tag} if PARAMETER in router.current_event.query_string_parameters else {}
    seconds = int((session.token.expires_at - now).total_seconds())
    cookie = session_cookie(view, text, max(1, seconds))
    return view.redirect(f"{PORTAL}?{urlencode(chosen)}" if chosen else PORTAL, [cookie])
