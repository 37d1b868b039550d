"""Purchase links: sealed, expiring, bound to one customer, kind and meter; nothing happens until one is clicked.

A link says what is wanted, not how it is sold: whether a plan is sold by subscription or as a plan change is decided when
the link is clicked, from the customer's orders at that time.

A token is encrypted and authenticated (Fernet), so it shows nothing of its customer to whoever sees the link: a browser's
history, a proxy's log, a colleague. It may be clicked any number of times within its seven days: each click leads to the one
open checkout of its kind, so that more clicks buy no more.

Secrets are the lines of one text. The first seals new links, and each of them opens links. To rotate, put a new line before
the old one and take the old one away seven days and five minutes later; to revoke every link at once, replace the text.
"""

import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from pancake_meter.value import Value

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

LinkKind = Literal["overage", "top_up", "plan"]
"""What a link sells of its meter: what is owed, a pack ahead, or the next plan up that grants more of it."""

LINK_LIFETIME: Final = timedelta(days=7)
TOKEN_LENGTH_MAX: Final = 4096
"""Characters: twice what the longest customer id comes to."""

_SECRET_LENGTH_MIN: Final = 32
_SALT: Final = b"pancake-meter purchase link, version 2"
_PAID_SALT: Final = b"pancake-meter paid checkout, version 1"
_FIRST_SALT: Final = "pancake-meter purchase link, version 1"
_KINDS: Final[dict[str, LinkKind]] = {
    "overage": "overage",
    "top_up": "top_up",
    "plan": "plan",
    "subscription": "plan",
    "plan_change": "plan",
}
"""Kinds by their name in a token. Tokens of earlier versions fixed how a plan was to be sold."""


class PurchaseLink(Value):
    """What a link sells to whom."""

    customer_id: str
    kind: LinkKind
    meter: str


class InvalidLink(Exception):
    """The link was not made by us, was changed on its way, or its secret has been taken away."""


class UnusableLinkSecret(ValueError):
    """The secret of links is empty or can be guessed: no link is made, and none is opened."""


class ExpiredLink(Exception):
    """The link was ours, and its time is over."""


def make_link(secrets: str, base_url: str, link: PurchaseLink, now: datetime) -> str:
    """Return the URL of a link that works for seven days."""
    expires_at = int((now + LINK_LIFETIME).timestamp())
    content = json.dumps([link.customer_id, link.kind, link.meter, expires_at], separators=(",", ":"))
    token = _cipher(secrets).encrypt_at_time(content.encode(), int(now.timestamp()))
    return f"{base_url}/buy/{token.decode().rstrip('=')}"


def read_link(secrets: str, token: str, now: datetime) -> PurchaseLink:
    """Return what a token stands for.

    Raises:
        InvalidLink: no secret opens it, or what it says is nothing that we would seal.
        ExpiredLink: it is over.
    """
    if len(token) > TOKEN_LENGTH_MAX:
        raise InvalidLink
    # A sealed token has no full stop. One with a signature after a full stop is of an earlier version.
    customer_id, kind, meter, expires_at = _signed(secrets, token) if "." in token else _sealed(secrets, token)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InvalidLink
    if datetime.fromtimestamp(expires_at, UTC) <= now:
        raise ExpiredLink
    return PurchaseLink(customer_id, _KINDS[kind], meter)


def paid_token(secrets: str, checkout_id: str) -> str:
    """Return the token of the page that a customer comes to after paying a checkout: the same one each time.

    It is signed, not sealed: a checkout's id says nothing. Whoever has it sees what the payment brought.
    """
    return f"{checkout_id}.{_seals(secrets, checkout_id)[0]}"


def read_paid_token(secrets: str, token: str) -> str:
    """Return the id of the checkout that a token of ``paid_token`` is for.

    Raises:
        InvalidLink: no secret has signed it.
    """
    checkout_id, _, seal = token.partition(".")
    if len(token) > TOKEN_LENGTH_MAX or not token.isascii():
        raise InvalidLink
    if not any(hmac.compare_digest(seal, each) for each in _seals(secrets, checkout_id)):
        raise InvalidLink
    return checkout_id


def _seals(secrets: str, checkout_id: str) -> list[str]:
    """Return the signatures under a checkout's id, one of each secret."""
    keys = (hmac.digest(line.encode(), _PAID_SALT, "sha256") for line in _lines(secrets))
    digests = (hmac.digest(key, checkout_id.encode(), "sha256") for key in keys)
    return [urlsafe_b64encode(digest).decode().rstrip("=") for digest in digests]


def _sealed(secrets: str, token: str) -> tuple[Any, ...]:
    from cryptography.fernet import InvalidToken  # noqa: PLC0415 - see _cipher

    cipher = _cipher(secrets)
    try:
        content = cipher.decrypt(token + "=" * (-len(token) % 4))
        customer_id, kind, meter, expires_at = json.loads(content)
    except (InvalidToken, ValueError, TypeError) as error:
        raise InvalidLink from error
    return customer_id, kind, meter, expires_at


def _signed(secrets: str, token: str) -> tuple[Any, ...]:
    """Read a link of an earlier version: signed, with the customer in plain sight. The last of them ends in seven days."""
    from itsdangerous import BadData, URLSafeSerializer  # noqa: PLC0415 - needed until the last of them has ended

    # Its library tries the last secret first, and all of them.
    serializer = URLSafeSerializer(list(reversed(_lines(secrets))), salt=_FIRST_SALT)
    try:
        customer_id, kind, meter, expires_at = serializer.loads(token)
    except (BadData, ValueError, TypeError) as error:
        raise InvalidLink from error
    return customer_id, kind, meter, expires_at


def _cipher(secrets: str) -> "MultiFernet":
    """Return what seals with the first secret and opens with each of them."""
    # The gate makes links for few of its answers: its cold start does not pay for the library.
    from cryptography.fernet import Fernet, MultiFernet  # noqa: PLC0415

    keys = (hmac.digest(line.encode(), _SALT, "sha256") for line in _lines(secrets))
    return MultiFernet([Fernet(urlsafe_b64encode(key)) for key in keys])


def _lines(secrets: str) -> list[str]:
    lines = [line.strip() for line in secrets.splitlines() if line.strip()]
    if not lines or any(len(line) < _SECRET_LENGTH_MIN for line in lines):
        raise UnusableLinkSecret(
            f"each line of the secret of purchase links has at least {_SECRET_LENGTH_MIN} characters"
        )
    return lines
