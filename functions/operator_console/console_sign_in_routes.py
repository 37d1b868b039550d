"""Signing in with an operator's key, and out. Neither the key nor the session's secret is ever logged."""

from http import HTTPStatus

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response

from pancake_meter.domain.access.api_key import RefusedKey
from pancake_meter.http.resolver import takes_body, tolerates_query
from pancake_meter.usecases.access.console_session import Operator, resume, sign_in, sign_out
from pancake_pages.console.desk import SIGN_IN, ConsoleRouter, ForeignForm, own_path, session_cookie
from pancake_pages.forms import read_form

logger = Logger()
router = ConsoleRouter()


@router.get("/console/sign-in")
@tolerates_query
def get_sign_in() -> Response[str]:
    """Show the form; whoever is signed in goes on to the page that was asked for."""
    deps, to = router.deps, own_path((router.current_event.query_string_parameters or {}).get("to"))
    if router.secret and resume(deps.table, deps.mode, router.secret, deps.clock()) is not None:
        return router.view.redirect(to)
    return _form(to)


@router.post("/console/sign-in")
@tolerates_query
@takes_body
def post_sign_in() -> Response[str]:
    """Begin a session. An earlier one of the same browser ends."""
    router.check_origin()
    deps, fields = router.deps, read_form(router)
    to = own_path(fields.get("to"))
    found = sign_in(deps.table, deps.mode, fields.get("key", ""), deps.clock(), _log_unmarked)
    if not isinstance(found, Operator):
        reason = found.reason if isinstance(found, RefusedKey) else found
        logger.info("sign-in refused", extra={"reason": reason})
        return _form(to, refusal="no_role" if reason in ("no_role", "wrong_mode") else "unknown")
    if router.secret:
        sign_out(deps.table, router.secret)
    logger.info("signed in", extra={"key_name": found.name})
    return router.view.redirect(to, [session_cookie(router.view, found.secret)])


@router.post("/console/sign-out")
@tolerates_query
@takes_body
def post_sign_out() -> Response[str]:
    """End the session, here and in the table."""
    desk = router.desk()
    router.check_origin()
    if not desk.operator.has_sent(read_form(router).get("form_token", "")):
        raise ForeignForm
    sign_out(router.deps.table, desk.operator.secret)
    logger.info("signed out", extra={"key_name": desk.operator.name})
    return router.view.redirect(SIGN_IN, [session_cookie(router.view, None)])


def _form(to: str, refusal: str | None = None) -> Response[str]:
    status = HTTPStatus.OK if refusal is None else HTTPStatus.FORBIDDEN
    return router.view.page("console/sign_in.html", status, to=to, refusal=refusal, mode=router.deps.mode)


def _log_unmarked(error: Exception) -> None:
    logger.warning("the last use of a key is not noted", extra={"reason": type(error).__name__})
