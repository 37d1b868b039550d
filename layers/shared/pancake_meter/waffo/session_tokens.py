"""Session tokens that are handed out again: a customer who clicks a link many times needs one token, not many.

A token says who the buyer is, of one product, in the mode of the merchant's key; so it is kept by all three, and handed out
to nobody else. It is kept in memory only, and never so long that the buyer could not pay with it.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from pancake_meter.value import Value, hiding
from pancake_meter.waffo.checkout import SessionToken
from pancake_meter.waffo.signing import RequestSigner

TOKENS_MAX: Final = 1000
"""Tokens kept at one time, some 1 KB each; the one that was made first goes first."""

LEFT_MIN: Final = timedelta(minutes=2)
"""What a token that is handed out again has left, so that its buyer has time to pay."""

AGE_MAX: Final = timedelta(minutes=5) - LEFT_MIN
"""No token is older when it is handed out again, whatever Waffo says of its end."""


@hiding("signer")
class TokenKey(Value):
    """All that a token is bound to. The merchant and the mode follow from the signer: each key of theirs has its own."""

    signer: RequestSigner
    product_id: str
    buyer_identity: str


class _Kept(Value):
    token: SessionToken
    made_at: datetime

    def is_good(self, now: datetime) -> bool:
        return timedelta(0) <= now - self.made_at < AGE_MAX and self.token.expires_at - now >= LEFT_MIN


class SessionTokens:
    """At most ``TOKENS_MAX`` tokens. Safe to share between threads."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._kept: OrderedDict[TokenKey, _Kept] = OrderedDict()

    def get(self, key: TokenKey, now: datetime, make: Callable[[], SessionToken]) -> SessionToken:
        """Return the token that is kept under ``key`` while it is good, or else one that ``make`` makes.

        Two threads that find none make two, and both are good. What ``make`` raises is raised.
        """
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and kept.is_good(now):
            return kept.token
        token = make()
        with self._lock:
            self._kept.pop(key, None)
            self._kept[key] = _Kept(token, now)
            while len(self._kept) > TOKENS_MAX:
                self._kept.popitem(last=False)
        return token

    def forget(self) -> None:
        """Forget all tokens, as when Waffo does not take the key any more that asked for them."""
        with self._lock:
            self._kept.clear()
