"""The desk: one request of an operator who is signed in, with what the key may do and the pages that answer it.

Each page and each action of the console names the routes of the API that do the same. So who may see or do a thing is said
once, in ``http/access/routes.py``.
"""

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import wraps
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import quote, unquote, urlencode, urlsplit
from uuid import uuid4

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.shared.cookies import Cookie, SameSite
from pydantic import BaseModel, ValidationError

from pancake_meter.domain.access.console_session import LIFE, session_id
from pancake_meter.domain.access.once import Once
from pancake_meter.domain.customer import ENCODED_ID_PREFIX
from pancake_meter.domain.quantity import format_quantity
from pancake_meter.faults import Fault
from pancake_meter.http.access.routes import ROUTE_OF_KEY
from pancake_meter.http.resolver import Router, takes_body, tolerates_query
from pancake_meter.store.access.sent_forms import Taken, let_go, mark_done, take_form
from pancake_meter.store.errors import StoreError
from pancake_meter.usecases.access.console_session import Operator, resume
from pancake_meter.value import Value, hiding
from pancake_meter.waffo.errors import WaffoApiError
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
_OWN: Final = re.compile(rf"{HOME}(?:[/?#][!-\[\]-~]*)?")
"""Printable ASCII besides the backslash, which browsers take for a slash. An address that begins so is of no other host."""
_DIGITS_MAX: Final = 9
_UNITS: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,6})?")

Q = TypeVar("Q", bound=BaseModel)


class SignedOut(Exception):
    """Nobody is signed in: there is no session, it is over, or its key opens nothing any more."""


class NotAllowed(Exception):
    """The operator's key lacks the role that the route asks for."""


class ForeignForm(Exception):
    """A form was sent by another site, or belongs to another session."""


class FormSentBefore(Exception):
    """A form was sent before, and does nothing now. ``answer`` is what ``Done`` said; ``None`` while it is in hand."""

    def __init__(self, answer: Mapping[str, str] | None) -> None:
        """Keep the answer."""
        super().__init__(answer)
        self.answer = answer


class FormChanged(Exception):
    """A form was sent before with other values. Nothing has happened now."""


class Desk(Value):
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
        catalog = self.deps.metering.catalog
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
            notice=self.notice,
            parameters=self.parameters,
            now=self.now,
            **facts,
        )

    @property
    def notice(self) -> str | None:
        """What the address says was done: ``console.done.<done>``, and whether that was by the same form before."""
        words = self.view.language.words
        key, before = f"console.done.{self.parameters.get('done', '')}", self.parameters.get("before")
        units = self.view.language.number(units_in(self.parameters.get("units", "")))
        said = words(key, units=units) if words.has(key) else None
        if before is None:
            return said
        return words("console.sent_before", answer=said) if said is not None else words("console.in_hand")

    def following(self, cursor: str) -> str:
        """Return the address of the next page of the list in hand."""
        kept = {
            name: text for name, text in self.parameters.items() if text and name not in ("done", "units", "before")
        }
        return f"{written(str(self.view.event.get('rawPath', HOME)))}?{urlencode({**kept, 'cursor': cursor})}"


class Done(Value):
    """What a form has done: ``console.done.<what>`` says it on the page at ``path``.

    ``meter`` is the one whose ledger shows it; ``units`` is how many it was about, where the words say that.
    """

    path: str
    what: str
    meter: str | None = None
    units: Decimal | None = None

    @property
    def said(self) -> Mapping[str, str]:
        """What the address of the page says of it."""
        units = format_quantity(self.units) if self.units is not None else None
        stated = {"meter": self.meter, "units": units, "done": self.what}
        return {name: text for name, text in stated.items() if text is not None}


@hiding("route")
class Form(Value):
    """A form that an operator has sent, and the desk that answers it. ``once`` is the same if it is sent twice."""

    desk: Desk
    fields: Mapping[str, str]
    once: str
    route: str

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


class Unanswered(Exception):
    """It is not known whether a form has done what it asks for: Waffo or the table did not answer, or not as it should."""

    def __init__(self, form: Form, trouble: WaffoApiError | StoreError) -> None:
        """Take the form as it was sent, which may be sent again, and the trouble."""
        super().__init__(str(trouble))
        self.form, self.trouble = form, trouble


class ConsoleRouter(Router[OperatorConsoleDeps]):
    """Routes of the console. A ``get`` shows, an ``action`` is what a form does."""

    def action(
        self, rule: str, route: str, *, answers_alike: bool = False
    ) -> Callable[[Callable[..., Done | Response[str]]], Callable[..., Done | Response[str]]]:
        """Register what a form does; ``route`` is the route of the API that does the same.

        A form that has done it does it no more, however often it is sent: here, for all of them. Where it is not done, and
        where nobody knows, the same form may be sent again. What ``answers_alike`` is asked each time, and answers each
        time with the page that shows what was made: it makes that once by itself, or makes nothing that is kept.
        """

        def registered(act: Callable[..., Done | Response[str]]) -> Callable[..., Done | Response[str]]:
            @tolerates_query
            @takes_body
            @wraps(act)
            def answer(**segments: str) -> Response[str]:
                form = self._form(route)
                try:
                    if answers_alike:
                        return _answered(form, act(form, **segments))
                    return self._once(form, lambda: act(form, **segments))
                except (WaffoApiError, StoreError) as trouble:
                    raise Unanswered(form, trouble) from trouble

            self.post(rule)(answer)
            return act

        return registered

    def _once(self, form: Form, act: Callable[[], Done | Response[str]]) -> Response[str]:
        """Have a form act, unless it has done so.

        Raises:
            FormSentBefore, FormChanged: it has, or is doing so now.
            StoreError: nobody knows. Nothing has happened now.
        """
        table, now = self.deps.table, form.desk.now
        once = form.once_of(str(form.desk.view.event.get("rawPath")))
        taken = take_form(table, session_id(form.desk.operator.secret), once, now)
        if not isinstance(taken, Taken):
            if taken.fingerprint != once.fingerprint:
                raise FormChanged
            raise FormSentBefore(taken.answer)
        try:
            did = act()
        except Exception:
            _quietly(lambda: let_go(table, taken))
            raise
        if isinstance(did, Done):
            _quietly(lambda: mark_done(table, taken, did.said, now))
        else:
            _quietly(lambda: let_go(table, taken))
        return _answered(form, did)

    @property
    def view(self) -> View:
        """The view of the request in hand."""
        return self.deps.site.view(self.current_event.raw_event)

    def desk(self, *routes: str, counts_as_use: bool = True) -> Desk:
        """Return the desk of whoever is signed in and may call one of these routes of the API.

        What a page asks for by itself does not count as use: a session ends although the page is open.

        Raises:
            SignedOut, NotAllowed: nobody is, or the key may not.
            StoreError: it is not known who asks.
        """
        deps, now = self.deps, self.deps.clock()
        operator = resume(deps.table, deps.mode, self.secret, now, counts_as_use=counts_as_use)
        if operator is None:
            raise SignedOut
        desk = Desk(self.view, operator, deps, now)
        if routes and not any(desk.may(route) for route in routes):
            raise NotAllowed
        return desk

    def _form(self, route: str) -> Form:
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
        # What is gone has no place for a name: the log has it.
        Logger().append_keys(key_name=desk.operator.name)
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


def _answered(form: Form, did: Done | Response[str]) -> Response[str]:
    return form.desk.view.redirect(f"{did.path}?{urlencode(did.said)}") if isinstance(did, Done) else did


def _quietly(write: Callable[[], None]) -> None:
    """Write what a form came to. Where that fails, what the form has done stands, and its answer too."""
    try:
        write()
    except StoreError as error:
        Logger().warning("a form's mark is not kept", extra={"reason": type(error).__name__})


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


def units_in(stated: str) -> Decimal:
    """Return the quantity that an address says, 0 where it says none: whoever makes an address may say anything."""
    return Decimal(stated) if _UNITS.fullmatch(stated) else Decimal(0)


def own_path(stated: str | None) -> str:
    """Return ``stated`` if it is a page of the console, else the console's first page: no sign-in leads anywhere else."""
    if stated is None or len(stated) > _PATH_LENGTH_MAX:
        return HOME
    path = re.split("[?#]", stated, maxsplit=1)[0]
    # A browser goes up from a segment of two dots, however they are written.
    goes_up = any(unquote(segment) in (".", "..") for segment in path.split("/"))
    return stated if _OWN.fullmatch(stated) and not goes_up and path != SIGN_IN else HOME


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
