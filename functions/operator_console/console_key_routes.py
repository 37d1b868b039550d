"""API keys. The text of a key is on the page that answers the call that makes it, and nowhere else: no log has it."""

from http import HTTPStatus
from typing import Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response

from pancake_meter.domain.access.role import MEANING, ROLES
from pancake_meter.http.access.keys import CreateKeyRequest, KeysQuery, RotateKeyRequest, key_body, key_list
from pancake_meter.http.cursors import read_dated
from pancake_meter.http.resolver import tolerates_query
from pancake_meter.store.access.api_keys import list_api_keys
from pancake_meter.usecases.access.manage_keys import MadeOnce, NewKey, create_key, revoke_key, rotate_key
from pancake_pages.console.desk import ConsoleRouter, Done, Form, address

logger = Logger()
router = ConsoleRouter()

_PAGE: Final = 50
_HOUR_SECONDS: Final = 3600


@router.get("/console/keys")
@tolerates_query
def get_keys() -> Response[str]:
    """Keys, the latest made first."""
    desk = router.desk("GET /v1/keys")
    query = desk.query(KeysQuery, limit=str(_PAGE))
    pages = query.pages()
    page = list_api_keys(desk.deps.table, limit=query.limit, after=pages.place(query.cursor, read_dated))
    return desk.page("console/keys.html", "keys", page=key_list(page, pages, desk.now), roles=ROLES, meaning=MEANING)


@router.action("/console/keys", "POST /v1/keys", answers_alike=True)
def post_key(form: Form) -> Response[str]:
    """Make a key of the stack's mode, and show it once."""
    roles = [role for role in ROLES if f"role_{role}" in form.fields]
    request = form.read(CreateKeyRequest, "name", roles=roles, expires_at=form.instant("expires_at"))
    desk = form.desk
    new = create_key(
        desk.deps.table,
        desk.deps.mode,
        request.name,
        frozenset(request.roles),
        request.expires_at,
        desk.now,
        by=desk.operator.key.id,
        made_once=MadeOnce(form.once_of(), desk.deps.access.tokens.by_kid),
    )
    return _made(form, "API key made", new)


@router.action("/console/keys/<key_id>/rotate", "POST /v1/keys/{key_id}/rotate", answers_alike=True)
def post_rotation(form: Form, key_id: str) -> Response[str]:
    """Make a key like another, which ends after some hours, and show it once."""
    hours = form.whole("overlap_hours")
    request = form.read(RotateKeyRequest, overlap_seconds=hours * _HOUR_SECONDS if hours is not None else None)
    desk = form.desk
    once = MadeOnce(form.once_of(key_id), desk.deps.access.tokens.by_kid)
    new = rotate_key(
        desk.deps.table, desk.deps.mode, key_id, request.overlap, desk.now, by=desk.operator.key.id, made_once=once
    )
    return _made(form, "API key rotated", new)


@router.action("/console/keys/<key_id>/revoke", "DELETE /v1/keys/{key_id}")
def post_revocation(form: Form, key_id: str) -> Done:
    """Revoke a key. Sessions that it has opened are over at once."""
    desk = form.desk
    revoked = revoke_key(desk.deps.table, key_id, desk.now, by=desk.operator.key.id)
    logger.info("API key revoked", revoked_key_id=revoked.id, revoked_key_name=revoked.plain_name)
    return Done(address("keys"), "revoked")


def _made(form: Form, message: str, new: NewKey) -> Response[str]:
    logger.info(message, made_key_id=new.known.id, made_key_name=new.known.name, is_replay=new.is_replay)
    made = key_body(new.known, form.desk.now)
    return form.desk.page("console/key_made.html", "keys", HTTPStatus.CREATED, made=made, text=new.text)
