"""Purchase links: signed, expiring, bound to one customer, kind and meter; nothing happens until one is clicked.

A link says what is wanted, not how it is sold: whether a plan is sold by subscription or as a plan change is decided when
the link is clicked, from the customer's orders at that time.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from itsdangerous import BadData, URLSafeSerializer

LinkKind = Literal["overage", "top_up", "plan"]
"""What a link sells of its meter: what is owed, a pack ahead, or the next plan up that grants more of it."""

LINK_LIFETIME: Final = timedelta(days=7)
TOKEN_LENGTH_MAX: Final = 4096
"""Characters: twice what the longest customer id comes to."""

_SALT = "pancake-meter purchase link, version 1"
_KINDS: Final[dict[str, LinkKind]] = {
    "overage": "overage",
    "top_up": "top_up",
    "plan": "plan",
    "subscription": "plan",
    "plan_change": "plan",
}
"""Kinds by their name in a token. Tokens of earlier versions fixed how a plan was to be sold."""


@dataclass(frozen=True, slots=True)
class PurchaseLink:
    """What a link sells to whom."""

    customer_id: str
    kind: LinkKind
    meter: str


class InvalidLink(Exception):
    """The link was not made by us, or was changed on its way."""


class ExpiredLink(Exception):
    """The link was ours, and its time is over."""


def make_link(secret: str, base_url: str, link: PurchaseLink, now: datetime) -> str:
    """Return the URL of a link that works for seven days."""
    expires_at = int((now + LINK_LIFETIME).timestamp())
    token = _serializer(secret).dumps([link.customer_id, link.kind, link.meter, expires_at])
    return f"{base_url}/buy/{token}"


def read_link(secret: str, token: str, now: datetime) -> PurchaseLink:
    """Return what a token stands for.

    Raises:
        InvalidLink: its signature does not fit, or what it says is nothing that we would sign.
        ExpiredLink: it is over.
    """
    if len(token) > TOKEN_LENGTH_MAX:
        raise InvalidLink
    try:
        customer_id, kind, meter, expires_at = _serializer(secret).loads(token)
    except (BadData, ValueError, TypeError) as error:
        raise InvalidLink from error
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InvalidLink
    if datetime.fromtimestamp(expires_at, UTC) <= now:
        raise ExpiredLink
    return PurchaseLink(customer_id, _KINDS[kind], meter)


def _serializer(secret: str) -> URLSafeSerializer:
    if not secret:
        raise ValueError("purchase links need a secret")
    return URLSafeSerializer(secret, salt=_SALT)
