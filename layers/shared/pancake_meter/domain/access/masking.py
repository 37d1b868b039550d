"""What a log line or an answer may not show: e-mail addresses, keys, and tokens of links and payment pages.

Each may be percent-encoded, once or several times, as in an address that is itself part of an address.
"""

import re
from typing import Final


def _encoded(codes: str) -> str:
    """Return the pattern of characters in percent-encoding, given their hexadecimal codes."""
    return rf"%(?:25)*(?:{codes})"


_DELIMITER: Final = _encoded("2[02367-9CcFf]|3[A-Fa-f]|40|5[BbDd]|7[BbCcDd]")
_PART: Final = rf"(?:[^\s\"'@\\<>,;:()\[\]{{}}|&?#=/%]|(?!{_DELIMITER})%)"
_AT: Final = rf"(?:@|{_encoded('40')})"
_DOMAIN: Final = rf"{_PART}{{1,190}}\.{_PART}{{2,63}}"
# Reads a text once, from word to word: what it has passed over is not looked at again.
_EMAIL: Final = re.compile(rf"{_DELIMITER}|({_PART}){_PART}*+({_AT}{_DOMAIN})?")
# A local part in quotes. What comes between two texts of a JSON document begins otherwise than such a part.
_QUOTED: Final = re.compile(rf"(?<!\\)(\\*\")(?![\s:,\]}}])[^\"\\\r\n]{{1,128}}\1({_AT}{_DOMAIN})")
_QUOTE: Final = _encoded("22")
_QUOTED_ENCODED: Final = re.compile(rf"({_QUOTE})(?:(?!{_QUOTE})[^\s\"'\\]){{1,400}}\1({_AT}{_DOMAIN})")
# A key begins a word; so it does after an escape of JSON or of an address, which ends in a letter or digit.
_START: Final = r"(?:\b|(?<=%[0-9A-Fa-f]{2})|(?<=\\[bfnrt])|(?<=\\u[0-9A-Fa-f]{4}))"
_UNDERSCORE: Final = rf"(?:_|{_encoded('5[Ff]')})"
_API_KEY: Final = re.compile(rf"{_START}(pm{_UNDERSCORE}(?:test|live){_UNDERSCORE})[0-9A-Za-z]{{8,}}")
_LINK: Final = re.compile(rf"((?:/|{_encoded('2[Ff]')})buy(?:/|{_encoded('2[Ff]')}))[0-9A-Za-z_.~%-]+")
_NAMES: Final = "(?:token|signature|sig|key)"
_TOKEN: Final = re.compile(rf"([#?&]{_NAMES}(?:=|{_encoded('3[Dd]')}))[^\s\"'\\&#]+", re.IGNORECASE)
_TOKEN_ENCODED: Final = re.compile(
    rf"({_encoded('23|26|3F')}{_NAMES}(?:=|{_encoded('3D')}))(?:(?!{_encoded('23|26')})[^\s\"'\\&#])+", re.IGNORECASE
)
_BEARER: Final = re.compile(rf"(Bearer(?:\s+|\+|{_encoded('20')}))[^\s\"'\\,]+", re.IGNORECASE)
_JWT: Final = re.compile(rf"{_START}(eyJ)[0-9A-Za-z_-]{{8,}}\.[0-9A-Za-z_-]+(?:\.[0-9A-Za-z_-]*)?")
_ENDS_SHOWN: Final = 2
_AT_SIGN: Final = re.compile(_AT)


def masked(text: str) -> str:
    """Return a text with ``j***@example.com`` in place of an address, and ``***`` in place of a key or token.

    It puts nothing in that JSON would have to escape, and takes no quote that JSON needs: masked JSON is JSON.
    """
    for secret in (_API_KEY, _LINK, _TOKEN, _TOKEN_ENCODED, _BEARER, _JWT):
        text = secret.sub(r"\1***", text)
    if _AT_SIGN.search(text) is None:
        return text
    text = _EMAIL.sub(_masked_word, text)
    return _QUOTED_ENCODED.sub(r"\1***\1\2", _QUOTED.sub(r"\1***\1\2", text))


def masked_id(customer_id: str) -> str:
    """Return so much of a customer id that the customer knows it, and nobody else does: ``ac***01``.

    An id that is an e-mail address is masked as one.
    """
    shown = masked(customer_id)
    if shown != customer_id:
        return shown
    ends = _ENDS_SHOWN if len(customer_id) >= _ENDS_SHOWN * 4 else 0
    return f"{customer_id[: ends or 1]}***{customer_id[len(customer_id) - ends :]}"


def _masked_word(word: re.Match[str]) -> str:
    return f"{word[1]}***{word[2]}" if word[2] else word[0]
