"""Visits to the portal: the session's cookie, and the rule that a form is sent by a page of the same session."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.shared.cookies import Cookie, SameSite

from pancake_meter.http.resolver import Router
from pancake_meter.usecases.access.portal_session import PortalSession, read_session
from pancake_meter.value import Value, replace
from pancake_pages.cookies import cookies_of
from pancake_pages.deps.customer_pages import CustomerPagesDeps
from pancake_pages.forms import read_form
from pancake_pages.headers import PageHeaders
from pancake_pages.site import View

PORTAL: Final = "/portal"
MARK_FIELD: Final = "form"
"""The field of every form that has the mark of the session."""


DONE_COOKIE: Final = "portal-done"
"""Until the next page it has what was just done. Only an action sets it, so no address can say that something was done."""

_SESSION_COOKIE: Final = "portal"
_DONE_SECONDS: Final = 60


class NoSession(Exception):
    """There is no session, or it is over. ``reason`` is for the log."""

    def __init__(self, reason: str) -> None:
        """Keep why."""
        super().__init__(reason)
        self.reason = reason


class ForeignForm(Exception):
    """A form was not sent by a page of this session: nothing is done."""


class MayNotBuy(Exception):
    """The session's token reads alone."""


class Visit(Value):
    """One request within a session."""

    view: View
    session: PortalSession

    def message(self, key: str, status: HTTPStatus) -> Response[str]:
        """Return a page with a title, a text, and the way back to the portal's home."""
        return portal_message(self.view, key, status)

    def done(self, what: str) -> Response[str]:
        """Return to the portal's home, which says once that something was done: ``portal.done.<what>``."""
        return self.view.redirect(PORTAL, [_cookie(self.view, DONE_COOKIE, what, _DONE_SECONDS)])

    @property
    def what_was_done(self) -> str | None:
        """What the action was that led here, if the page has not said so yet."""
        return cookies_of(self.view.event).get(_cookie_name(self.view, DONE_COOKIE)) or None

    @property
    def said(self) -> Sequence[Cookie]:
        """The cookies of a page that says what was done: a reload does not say it again."""
        return [_cookie(self.view, DONE_COOKIE, "", 0)] if self.what_was_done else []

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the frame of every page of the portal shows."""
        return {"mark": self.session.form_mark, "may_buy": self.session.may_buy}


def portal_view(router: Router[CustomerPagesDeps]) -> View:
    """Return the view of the request in hand: pages of the seller may frame the portal."""
    view = router.deps.site.view(router.current_event.raw_event)
    return replace(view, headers=PageHeaders(may_be_framed=True))


def portal_message(view: View, key: str, status: HTTPStatus) -> Response[str]:
    """Return a page with a title, a text, and the way back to the portal's home."""
    return view.message(key, status, PORTAL, back="portal.back")


def read_visit(router: Router[CustomerPagesDeps], *, to_buy: bool = False) -> Visit:
    """Return the visit of the request in hand.

    Raises:
        NoSession: it comes without a session, or with one that is over.
        MayNotBuy: ``to_buy`` is asked for, and the token does not allow that.
        StoreError: the secret of tokens cannot be read.
    """
    view = portal_view(router)
    text = cookies_of(view.event).get(_cookie_name(view, _SESSION_COOKIE), "")
    if not text:
        raise NoSession("no_cookie")
    session = read_session(router.deps.portal.tokens, text, router.deps.clock())
    if not isinstance(session, PortalSession):
        raise NoSession(session)
    Logger().append_keys(token_id=session.token.id)
    if to_buy and not session.may_buy:
        raise MayNotBuy
    return Visit(view, session)


def read_visit_with_form(router: Router[CustomerPagesDeps], *, to_buy: bool = False) -> tuple[Visit, Mapping[str, str]]:
    """Return the visit of a form in hand, and its fields.

    Raises:
        ForeignForm: another site has sent it, or it lacks the mark of the session.
        NoSession, MayNotBuy, StoreError: as ``read_visit``.
        UnreadableForm, BodyTooLarge, MalformedJson: as ``read_form``.
    """
    visit = read_visit(router, to_buy=to_buy)
    if not _is_sent_by_ourselves(visit.view.event, router.deps.shop.public_base_url):
        raise ForeignForm
    fields = dict(read_form(router))
    if not visit.session.made(fields.pop(MARK_FIELD, "")):
        raise ForeignForm
    return visit, fields


def session_cookie(view: View, text: str, max_age: int) -> Cookie:
    """Return the cookie of a session; an age of 0 takes it away."""
    return _cookie(view, _SESSION_COOKIE, text, max_age)


def _cookie(view: View, name: str, text: str, max_age: int) -> Cookie:
    """Return a cookie of the portal.

    A browser that shows the portal inside the seller's page sends a cookie only if it may cross sites, and keeps it apart
    for that page alone (``Partitioned``). Anywhere else the cookie does not cross sites.
    """
    is_framed = (
        bool(view.site.frame_origins) and view.is_secure and _headers(view.event).get("sec-fetch-dest") == "iframe"
    )
    return Cookie(
        _cookie_name(view, name),
        text,
        path="/" if view.is_secure else PORTAL,
        secure=view.is_secure,
        http_only=True,
        max_age=max_age,
        same_site=SameSite.NONE_MODE if is_framed else SameSite.LAX_MODE,
        custom_attributes=["Partitioned"] if is_framed else None,
    )


def _cookie_name(view: View, name: str) -> str:
    """``__Host-``: no other host of the seller's domain can set it. It asks for https and for the path ``/``."""
    return f"__Host-{name}" if view.is_secure else name


def _is_sent_by_ourselves(event: Mapping[str, Any], public_base_url: str | None) -> bool:
    """Whether the browser says that a page of ours sent the request; one that says nothing is not believed.

    Browsers that say no ``Sec-Fetch-Site``, old ones and those on plain http, say an origin. It is "null", since our pages
    send no referrer, and then the mark of the session alone says whose form it is: no other site can know it.
    """
    headers = _headers(event)
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site == "same-origin"
    # Behind a proxy the host is the API's own, and people see the public one.
    ours = {headers.get("host"), urlsplit(public_base_url or "").netloc} - {None, ""}
    return origin is not None and (origin == "null" or urlsplit(origin).netloc in ours)


def _headers(event: Mapping[str, Any]) -> Mapping[str, str]:
    return {name.lower(): str(value) for name, value in (event.get("headers") or {}).items()}
