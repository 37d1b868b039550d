"""API keys. The text of a key is in the answer of the call that makes it, and nowhere else: no log has it."""

from http import HTTPStatus

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response

from pancake_meter.deps.access import AccessDeps
from pancake_meter.domain.access.api_key import ApiKeyNotFound
from pancake_meter.http.access.caller import key_caller_of
from pancake_meter.http.access.keys import (
    CreateKeyRequest,
    KeysQuery,
    RotateKeyRequest,
    key_body,
    key_list,
    new_key_body,
    own_key_body,
)
from pancake_meter.http.cursors import read_dated
from pancake_meter.http.idempotency import REPLAYED, once_of
from pancake_meter.http.request import answer, body, optional_body
from pancake_meter.http.resolver import Router, takes_body
from pancake_meter.store.access.api_keys import list_api_keys, read_api_key
from pancake_meter.usecases.access.manage_keys import MadeOnce, NewKey, create_key, revoke_key, rotate_key

logger = Logger()
router = Router[AccessDeps]()


@router.get("/v1/key")
def get_own_key() -> Response[str]:
    """What the key of the call may do: one read."""
    deps = router.deps
    caller = key_caller_of(router.current_event.raw_event)
    known = read_api_key(deps.table, caller.key_id) if caller is not None and caller.key_id else None
    if known is None:
        raise ApiKeyNotFound("the key of this call is not known any more")
    return answer(HTTPStatus.OK, own_key_body(known, deps.mode, deps.clock()))


@router.get("/v1/keys")
def get_keys(query: KeysQuery) -> Response[str]:
    """Keys, the latest made first: one query a page."""
    deps = router.deps
    pages = query.pages()
    page = list_api_keys(deps.table, limit=query.limit, after=pages.place(query.cursor, read_dated))
    return answer(HTTPStatus.OK, key_list(page, pages, deps.clock()))


@router.post("/v1/keys")
@takes_body
def post_key() -> Response[str]:
    """Make a key of the stack's mode."""
    request = CreateKeyRequest.model_validate(body(router))
    deps = router.deps
    roles, once, by = frozenset(request.roles), _once(request), _own_key_id()
    new = create_key(
        deps.table, deps.mode, request.name, roles, request.expires_at, deps.clock(), by=by, made_once=once
    )
    return _made("API key made", new)


@router.post("/v1/keys/<key_id>/rotate")
@takes_body
def post_rotation(key_id: str) -> Response[str]:
    """Make a key like another, which ends after the overlap. A body is not needed."""
    request = RotateKeyRequest.model_validate(optional_body(router))
    deps = router.deps
    once, by = _once(request, key_id), _own_key_id()
    new = rotate_key(deps.table, deps.mode, key_id, request.overlap, deps.clock(), by=by, made_once=once)
    return _made("API key rotated", new)


@router.delete("/v1/keys/<key_id>")
def delete_key(key_id: str) -> Response[str]:
    """Revoke a key. The authorizer forgets it within a minute; it stays listed for 90 days."""
    deps = router.deps
    now = deps.clock()
    revoked = revoke_key(deps.table, key_id, now, by=_own_key_id())
    logger.info("API key revoked", revoked_key_id=revoked.id, revoked_key_name=revoked.plain_name)
    return answer(HTTPStatus.OK, key_body(revoked, now))


def _own_key_id() -> str:
    """Return the id of the key of the call; no key has the id of a call without one."""
    caller = key_caller_of(router.current_event.raw_event)
    return caller.key_id if caller is not None else ""


def _once(request: CreateKeyRequest | RotateKeyRequest, key_id: str = "") -> MadeOnce | None:
    once = once_of(router, request, key_id)
    return MadeOnce(once, router.deps.tokens.by_kid) if once is not None else None


def _made(message: str, new: NewKey) -> Response[str]:
    headers = {"Cache-Control": "no-store", **(REPLAYED if new.is_replay else {})}
    logger.info(message, made_key_id=new.known.id, made_key_name=new.known.name, is_replay=new.is_replay)
    return answer(HTTPStatus.CREATED, new_key_body(new, new.known.created_at), headers)
