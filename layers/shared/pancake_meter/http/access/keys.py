"""Wire models of API keys."""

from datetime import datetime, timedelta
from typing import Annotated, Final

from pydantic import Field, StringConstraints
from typing_extensions import TypedDict

from pancake_meter.domain.access.api_key import (
    NAME_PATTERN,
    OVERLAP_MAX,
    OVERLAP_MIN,
    ApiKey,
    Mode,
    Status,
)
from pancake_meter.domain.access.role import ROLES, Role
from pancake_meter.domain.instant import timestamp
from pancake_meter.http.access.routes import ROUTES
from pancake_meter.http.cursors import PageQuery, Pages, dated
from pancake_meter.http.fields import COUNT, WHOLE, Day, Digest, Instant, Timestamp, WireModel, items
from pancake_meter.store.access.api_keys import KeyPage
from pancake_meter.usecases.access.manage_keys import NewKey

KEYS_PAGE_MAX: Final = 100
OVERLAP_SECONDS: Final = 24 * 3600


class CreateKeyRequest(WireModel):
    """Body of ``POST /v1/keys``: who uses the key, what it may do, and until when; without an end it never expires."""

    name: Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
    roles: Annotated[list[Role], *items(1, len(ROLES))]
    expires_at: Instant | None = None


class RotateKeyRequest(WireModel):
    """Body of a rotation: for how long the old key still opens what it opened."""

    overlap_seconds: Annotated[
        int,
        Field(strict=True, ge=int(OVERLAP_MIN.total_seconds()), le=int(OVERLAP_MAX.total_seconds())),
        WHOLE,
    ] = OVERLAP_SECONDS

    @property
    def overlap(self) -> timedelta:
        """The same as a time."""
        return timedelta(seconds=self.overlap_seconds)


class KeysQuery(PageQuery):
    """Query of ``GET /v1/keys``: the page's size, and the cursor that the page before gave."""

    limit: Annotated[int, Field(ge=1, le=KEYS_PAGE_MAX), COUNT] = KEYS_PAGE_MAX


class KeyBody(TypedDict):
    """An API key without its text. ``last_used_on`` is a day (UTC); ``replaced_by`` is the id of its successor."""

    key_id: Digest
    name: str
    roles: list[Role]
    status: Status
    created_at: Timestamp
    expires_at: Timestamp | None
    revoked_at: Timestamp | None
    last_used_on: Day | None
    replaced_by: Digest | None


class NewKeyBody(KeyBody):
    """A key that was just made. ``key`` is its text, which no later answer has."""

    key: str


class OwnKeyBody(KeyBody):
    """The key of the call: the mode that it is of, and the routes that its roles open.

    ``POST /v1/usage/healings`` is named too where a stack is without it: one that heals no usage answers it with 404.
    """

    mode: Mode
    routes: list[str]


class KeyList(TypedDict):
    """A page of keys, the latest made first; ``next_cursor`` goes on from it, and is null at the end."""

    keys: list[KeyBody]
    next_cursor: str | None


def key_body(key: ApiKey, now: datetime) -> KeyBody:
    """Return a key as it stands at ``now``."""
    return {
        "key_id": key.id,
        "name": key.name,
        "roles": [role for role in ROLES if role in key.roles],
        "status": key.status_at(now),
        "created_at": timestamp(key.created_at),
        "expires_at": _timestamp(key.expires_at),
        "revoked_at": _timestamp(key.revoked_at),
        "last_used_on": key.last_used_on.isoformat() if key.last_used_on else None,
        "replaced_by": key.replaced_by,
    }


def new_key_body(new: NewKey, now: datetime) -> NewKeyBody:
    """Return a key that was just made, with its text."""
    return {**key_body(new.known, now), "key": new.text}


def own_key_body(key: ApiKey, mode: Mode, now: datetime) -> OwnKeyBody:
    """Return what the key of the call may do."""
    routes = [route.key for route in ROUTES if route.roles & key.roles]
    return {**key_body(key, now), "mode": mode, "routes": routes}


def key_list(page: KeyPage, pages: Pages, now: datetime) -> KeyList:
    """Return a page of keys."""
    cursor = pages.cursor(dated(*page.following) if page.following else None)
    return {"keys": [key_body(key, now) for key in page.keys], "next_cursor": cursor}


def _timestamp(instant: datetime | None) -> str | None:
    return timestamp(instant) if instant is not None else None
