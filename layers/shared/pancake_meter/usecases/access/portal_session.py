"""Sessions of the portal: a customer token that a browser keeps as a cookie, and the mark of its forms.

Nothing is stored: the token says whose the session is, what it may do, and when it ends. A form carries a mark that only a
page of the same session has, an HMAC of the token under the key that signed it.
"""

import hmac
from datetime import datetime
from typing import Final

from pancake_meter.domain.access.customer_token import CustomerToken, TokenRefusal
from pancake_meter.usecases.access.customer_token import TOKEN_LENGTH_MAX, TokenKeys, read_token
from pancake_meter.value import Value

_MARK: Final = b"pancake-meter portal form, version 1\n"


class PortalSession(Value):
    """A session. ``form_mark`` is what its forms carry."""

    token: CustomerToken
    form_mark: str

    @property
    def customer_id(self) -> str:
        """Whose it is."""
        return self.token.customer_id

    @property
    def may_buy(self) -> bool:
        """Whether it may buy, limit what is spent, and end a subscription."""
        return "buy" in self.token.scopes

    def made(self, form_mark: str) -> bool:
        """Whether a form with this mark is of a page of this session."""
        return hmac.compare_digest(self.form_mark.encode(), form_mark.encode())


def read_session(keys: TokenKeys, text: str, now: datetime) -> PortalSession | TokenRefusal:
    """Return the session of a token, or why it counts for nothing: no read of the table.

    Raises:
        StoreError: the secret cannot be read or used.
    """
    if len(text) > TOKEN_LENGTH_MAX:
        return "malformed"
    token = read_token(keys, text, now)
    if not isinstance(token, CustomerToken):
        return token
    if "read" not in token.scopes:
        return "no_scope"
    # Left out of a cold start, as where tokens are read.
    import jwt  # noqa: PLC0415

    key = keys.by_kid()[jwt.get_unverified_header(text)["kid"]]
    return PortalSession(token, hmac.digest(key.encode(), _MARK + text.encode(), "sha256").hex())
