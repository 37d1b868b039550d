"""Refusals: the codes of docs/errors.md with their statuses, and what API Gateway answers by itself."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Final, NotRequired

from typing_extensions import TypedDict

from pancake_meter.faults import Fault
from pancake_meter.http.balance.quota import QuotaBody
from pancake_meter.http.fields import Timestamp, Url
from tools.cfn_template import ROOT

_PAGE: Final = ROOT / "docs" / "errors.md"
_ROW: Final = re.compile(r"^\| `([a-z_]+)` \| (\d{3}) \| ([^|]+?) \|", re.MULTILINE)

GATEWAY_MEANING: Final[Mapping[HTTPStatus, str]] = {
    HTTPStatus.BAD_REQUEST: "the request is no well-formed HTTP",
    HTTPStatus.UNAUTHORIZED: "there is no Authorization header",
    HTTPStatus.FORBIDDEN: (
        "the key is malformed, unknown, revoked, expired, of the other mode or has no role for it, or the token no scope"
    ),
    HTTPStatus.NOT_FOUND: "the path is no route once API Gateway has decoded it",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "the body has more than 10 MB, or more than Lambda takes in its encoding (6 MB)",
    HTTPStatus.TOO_MANY_REQUESTS: "the stack's request limit is reached",
    HTTPStatus.INTERNAL_SERVER_ERROR: "a bug; its alarm rings",
    HTTPStatus.SERVICE_UNAVAILABLE: "the function did not answer",
}


class ProblemBody(TypedDict):
    """RFC 9457 problem: ``code`` is stable; ``request_id`` finds the request in the logs.

    ``errors``: wrong fields. ``maximum``: the bound that was passed. ``quota``, ``reason``, ``resets_at`` and the URLs: what
    refused units, why, until when, and where to buy more. Some codes have further members.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: NotRequired[list[Fault]]
    reason: NotRequired[str]
    quota: NotRequired[QuotaBody]
    resets_at: NotRequired[Timestamp]
    purchase_url: NotRequired[Url]
    upgrade_url: NotRequired[Url]


class GatewayBody(TypedDict):
    """What API Gateway answers by itself, before any code of the stack runs: no ``code``, no ``request_id``."""

    message: str | None


@dataclass(frozen=True)
class Refusal:
    """A code, its status, and what it means."""

    code: str
    status: HTTPStatus
    meaning: str


def refusals_by_status(codes: Iterable[str]) -> Mapping[HTTPStatus, list[Refusal]]:
    """Return refusals by their status. Raises ``KeyError`` for a code that the page does not have."""
    found: dict[HTTPStatus, list[Refusal]] = {}
    for code in dict.fromkeys(codes):
        refusal = _page()[code]
        found.setdefault(refusal.status, []).append(refusal)
    return found


@cache
def _page() -> Mapping[str, Refusal]:
    rows = _ROW.findall(_PAGE.read_text(encoding="utf-8"))
    return {code: Refusal(code, HTTPStatus(int(status)), meaning) for code, status, meaning in rows}
