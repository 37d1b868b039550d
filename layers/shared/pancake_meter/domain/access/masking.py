"""What a log line may not show: e-mail addresses, keys, and tokens of links and payment pages."""

import re
from typing import Final

_PART: Final = r"[^\s\"'@\\<>,;:()\[\]{}|&?#=/]"
_EMAIL: Final = re.compile(rf"({_PART}){_PART}{{0,127}}@({_PART}{{1,190}}\.{_PART}{{2,63}})")
_API_KEY: Final = re.compile(r"\b(pm_(?:test|live)_)[0-9A-Za-z]{8,}")
_LINK: Final = re.compile(r"(/buy/)[0-9A-Za-z_.~%-]+")
_TOKEN: Final = re.compile(r"([#?&](?:token|signature|sig|key)=)[^\s\"'\\&#]+", re.IGNORECASE)
_BEARER: Final = re.compile(r"(Bearer\s+)[^\s\"'\\,]+", re.IGNORECASE)


def masked(text: str) -> str:
    """Return a text with ``j***@example.com`` in place of an address, and ``***`` in place of a key or token.

    It puts nothing in that JSON would have to escape: masked JSON is JSON.
    """
    for secret in (_API_KEY, _LINK, _TOKEN, _BEARER):
        text = secret.sub(r"\1***", text)
    return _EMAIL.sub(r"\1***@\2", text) if "@" in text else text
