"""The desk: one request of an operator who is signed in, with what the key may do and the pages that answer it.

Each page and each action of the console names the routes of the API that do the same. So who may see or do a thing is said
once, in ``http/access/routes.py``.
"""

from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import quote, unquote, urlencode, urlsplit
from uuid import uuid4

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.shared.cookies import Cookie, SameSite
from pydantic import BaseModel, ValidationError

from pancake_meter.domain.access.console_session import LIFE
from pancake_meter.domain.access.once import Once
from pancake_meter.domain.customer import ENCODED_ID_PREFIX
from pancake_meter.faults import Fault
from pancake_meter.http.access.routes import ROUTE_OF_KEY
from pancake_meter.http.resolver import Router
from pancake_meter.usecases.access.console_session import Operator, resume
from pancake_pages.console.shown import Shown
from pancake_pages.cookies import cookies_of
from pancake_pages.deps.operator_console import OperatorConsoleDeps
from pancake_pages.forms import read_form
from pancake_pages.refusals import faults_of
from pancake_pages.site import View

HOME: Final = "/console"
LIVE: Final = f"{HOME}/live"
SIGN_IN: Final = f"{HOME}/sign-in"
COOKIE: Final = "pancake_console"
FORM_TOKEN: Final = "form_token"  # noqa: S105 - the name of a field
ONCE: Final = "once"
_PATH_LENGTH_MAX: Final = 2_000
_DIGITS_MAX: Final = 9

Q = TypeVar("Q", bound=BaseModel)


class SignedOut(Exception):
    """Nobody is signed in: there is no session, it is over, or its key opens nothing any more."""


class NotAllowed(Exception):
    """The operator's key lacks the role that the route asks for."""


class ForeignForm(Exception):
    """A form was sent by another site, or belongs to another session."""


@dataclass(frozen=True, slots=True)
class Desk:
    """One request of an operator."""

    view: View
    operator: Operator
    deps: OperatorConsoleDeps
    now: datetime

    def may(self, route: str) -> bool:
        """Return whether the operator's key may call a route of the API, such as ``GET /v1/keys``."""
        return bool(ROUTE_OF_KEY[route].roles & self.operator.key.roles)

    def query(self, model: type[Q], **given: Any) -> Q:
        """Return the query of the page as the API reads it. Fields that were left empty, and those of pages, are not there.

        Raises:
            ValidationError: a field has a wrong value.
        """
        known = set(model.model_fields)
        stated = {name: text.strip() for name, text in self.parameters.items() if name in known and text.strip()}
        return model.model_validate({**given, **stated})

    @property
    def parameters(self) -> Mapping[str, str]:
        """The parameters of the page's address."""
        return dict(self.view.event.get("queryStringParameters") or {})

    def page(self, template: str, section: str, status: HTTPStatus = HTTPStatus.OK, **facts: Any) -> Response[str]:
        """Return a page of the console; ``section`` is its place in the navigation."""
        shown = Shown(self.view.language)
        words, catalog = self.view.language.words, self.deps.metering.catalog
        done = f"console.done.{self.parameters.get('done', '')}"
        return self.view.page(
            template,
            status,
            section=section,
            operator=self.operator,
            may=self.may,
            meters={key: meter.name for key, meter in catalog.meters.items()},
            plans={key: plan.name for key, plan in catalog.plans.items()},
            shown=shown,
            said=shown.said,
            when=shown.when,
            on_day=shown.on_day,
            amount=shown.amount,
            units=self.view.language.number,
            address=address,
            following=self.following,
            once=lambda: uuid4().hex,
            form_token_name=FORM_TOKEN,
            notice=words(done) if words.has(done) else None,
            parameters=self.parameters,
            now=self.now,
            **facts,
        )

    def done(self, path: str, what: str, **parameters: str | None) -> Response[str]:
        """Return to a page, which says that something was done: ``console.done.<what>``."""
        stated = {name: text for name, text in parameters.items() if text is not None}
        return self.view.redirect(f"{path}?{urlencode({**stated, 'done': what})}")

    def following(self, cursor: str) -> str:
        """Return the address of the next page of the list in hand."""
        kept = {name: text for name, text in self.parameters.items() if text and name != "done"}
        return f"{written(str(self.view.event.get('rawPath', HOME)))}?{urlencode({**kept, 'cursor': cursor})}"


@dataclass(frozen=True, slots=True)
class Form:
    """A form that an operator has sent, and the desk that answers it. ``once`` is the same if it is sent twice."""

    desk: Desk
    fields: Mapping[str, str]
    once: str
    route: str = field(repr=False)

    def whole(self, name: str) -> int | None:
        """Return a whole number; ``None`` where the field is empty. Raises ``WrongFields``."""
        stated = self.fields.get(name)
        if stated is None:
            return None
        if not stated.isascii() or not stated.isdigit() or len(stated) > _DIGITS_MAX:
            raise self.wrong(name, "whole_number")
        return int(stated)

    def wrong(self, name: str, fault: str) -> "WrongFields":
        """Return the error of one field: ``console.fault.<fault>`` says what is wrong with it."""
        return WrongFields(self, [{"field": name, "fault": self.desk.view.language.words(f"console.fault.{fault}")}])

    def instant(self, name: str) -> str | None:
        """Return an instant that a field for a date and a time (UTC) has; ``None`` where it is empty."""
        stated = self.fields.get(name)
        return f"{stated}Z" if stated is not None else None

    def read(self, model: type[Q], *names: str, **given: Any) -> Q:
        """Return the body that the form makes for the API: these fields, where they are not empty, and what is given.

        Raises:
            WrongFields: a field has a wrong value.
        """
        stated = {name: self.fields[name] for name in names if name in self.fields}
        try:
            return model.model_validate(
                {**stated, **{name: value for name, value in given.items() if value is not None}}
            )
        except ValidationError as error:
            raise WrongFields(self, faults_of(error, self.desk.view.language)) from error

    def once_of(self, subject: str = "") -> Once:
        """Return what makes the request happen once; ``subject`` is what its path names."""
        content = urlencode(sorted(self.fields.items()))
        return Once.of(f"console {self.route}", subject, self.once, content)


class WrongFields(Exception):
    """Fields of a form have values that they cannot have. Nothing has happened."""

    def __init__(self, form: Form, faults: Sequence[Fault]) -> None:
        """Take the form as it was sent, and what is wrong with it in the language of the page."""
        super().__init__(form.route)
        self.form, self.faults = form, faults


class ConsoleRouter(Router[OperatorConsoleDeps]):
    """Routes of the console."""

    @property
    def view(self) -> View:
        """The view of the request in hand."""
        return self.deps.site.view(self.current_event.raw_event)

    def desk(self, *routes: str) -> Desk:
        """Return the desk of whoever is signed in and may call one of these routes of the API.

        Raises:
            SignedOut, NotAllowed: nobody is, or the key may not.
            StoreError: it is not known who asks.
        """
        deps, now = self.deps, self.deps.clock()
        operator = resume(deps.table, deps.mode, self.secret, now)
        if operator is None:
            raise SignedOut
        desk = Desk(self.view, operator, deps, now)
        if routes and not any(desk.may(route) for route in routes):
            raise NotAllowed
        return desk

    def form(self, route: str) -> Form:
        """Return the form in hand, of whoever is signed in and may call this route of the API.

        Raises:
            ForeignForm: another site sent it, or it is of another session. Nothing has happened.
            SignedOut, NotAllowed, UnreadableForm: as ``desk`` and ``read_form``.
        """
        desk = self.desk(route)
        self.check_origin()
        fields = dict(read_form(self))
        if not desk.operator.has_sent(fields.pop(FORM_TOKEN, "")):
            raise ForeignForm
        return Form(desk, fields, fields.pop(ONCE, "") or uuid4().hex, route)

    def check_origin(self) -> None:
        """Refuse a form of another site. Every browser of today says where a form comes from; others say an origin at least.

        Raises:
            ForeignForm: it does not come from a page of this site.
        """
        headers = {name.lower(): value for name, value in (self.current_event.headers or {}).items()}
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None and site != "same-origin":
            raise ForeignForm
        # Pages that send no referrer have the origin "null" in their forms.
        if site is None and origin not in (None, "null") and urlsplit(str(origin)).netloc != headers.get("host"):
            raise ForeignForm

    @property
    def secret(self) -> str:
        """The secret of the session that the browser has, or nothing."""
        return cookies_of(self.current_event.raw_event).get(COOKIE, "")


def session_cookie(view: View, secret: str | None) -> Cookie:
    """Return the cookie of a session; ``None`` takes it away. Only the console's pages get it, and no script does."""
    return Cookie(
        COOKIE,
        secret or "",
        path=HOME,
        secure=view.is_secure,
        http_only=True,
        max_age=int(LIFE.total_seconds()) if secret is not None else 0,
        # Lax, so that a link in a mail or a chat opens the page it names; forms have a token of their own.
        same_site=SameSite.LAX_MODE,
    )


def address(*parts: str) -> str:
    """Return the address of a page of the console, given the segments below it. A customer's id may have any character."""
    return "/".join((HOME, *(_segment(part) for part in parts)))


def own_path(stated: str | None) -> str:
    """Return ``stated`` if it is a page of the console, else the console's first page: no sign-in leads anywhere else."""
    if stated is None or len(stated) > _PATH_LENGTH_MAX:
        return HOME
    parts = urlsplit(stated)
    is_ours = not parts.scheme and not parts.netloc and (parts.path == HOME or parts.path.startswith(f"{HOME}/"))
    is_plain = not any(char <= " " or char in "\\\x7f" for char in stated) and ".." not in parts.path
    return stated if is_ours and is_plain and parts.path != SIGN_IN else HOME


def written(path: str) -> str:
    """Return a path as a link has it: API Gateway has decoded it, its local emulator has not."""
    return quote(unquote(path), safe="/~")


def _segment(text: str) -> str:
    # API Gateway decodes twice and cuts a path off at a question mark: see path_customer_id.
    if "%" in text or "?" in text:
        return encoded_customer_id(text)
    return quote(text, safe="~")


def encoded_customer_id(customer_id: str) -> str:
    """Return a customer's id in the form for ids that API Gateway would change on their way."""
    return f"{ENCODED_ID_PREFIX}{urlsafe_b64encode(customer_id.encode()).decode().rstrip('=')}"
