"""Customer ids: the seller's own, kept exactly as they are given."""

import base64
import unicodedata
from typing import Final

from pancake_meter.domain.errors import InvalidCustomerId

CUSTOMER_ID_LENGTH_MAX: Final = 128
"""Characters, which are Unicode code points."""

ENCODED_ID_PREFIX: Final = "~b64."
"""Begins an id that is written in base64url in a path (``http/resolver.py``). No id may begin with it itself."""

_REPLACEMENT: Final = "\ufffd"
"""Stands where bytes were no UTF-8: the id that was meant is lost."""

_REFUSED_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, halves of surrogate pairs, and the separators of lines and paragraphs."""


def check_customer_id(text: str) -> str:
    """Return ``text``, unchanged, when it can name a customer.

    An id has 1 to 128 characters, of any script. It has no ``/`` and no control character, neither begins nor ends with
    white space, and is neither ``.`` nor ``..``: all these are lost or changed on the way of a URL. Nothing is normalised:
    two ids that look alike but have other characters are two customers.

    Raises:
        InvalidCustomerId: it cannot; the message says why.
    """
    fault = _fault(text)
    if fault is not None:
        raise InvalidCustomerId(f"a customer id {fault}")
    return text


def is_customer_id(text: str) -> bool:
    """Return whether a text can name a customer."""
    return _fault(text) is None


def written_customer_id(value: str) -> str:
    """Return the customer id of a path or a query whose escapes are decoded. Raises `InvalidCustomerId`."""
    encoded = value.removeprefix(ENCODED_ID_PREFIX)
    return check_customer_id(value if encoded == value else _decoded(encoded))


def _decoded(encoded: str) -> str:
    try:
        padded = encoded.rstrip("=") + "=" * (-len(encoded.rstrip("=")) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except ValueError as error:
        raise InvalidCustomerId(f"after {ENCODED_ID_PREFIX} comes a customer id in base64url of UTF-8") from error


def key_part(customer_id: str) -> str:
    """Return an id as one part of a key whose parts ``#`` separates: no two ids give the same part, and none has a ``#``.

    An id without ``#`` and ``%`` is its own part.
    """
    return customer_id.replace("%", "%25").replace("#", "%23")


def id_of_key_part(part: str) -> str:
    """Return the id that ``key_part`` made ``part`` of."""
    return part.replace("%23", "#").replace("%25", "%")


def _fault(text: str) -> str | None:
    if not 1 <= len(text) <= CUSTOMER_ID_LENGTH_MAX:
        return f"has 1 to {CUSTOMER_ID_LENGTH_MAX} characters"
    if "/" in text:
        return "has no /"
    if text in {".", ".."}:
        return "is neither . nor .."
    if text != text.strip():
        return "neither begins nor ends with white space"
    if _REPLACEMENT in text or _has_refused_character(text):
        return "has no control characters, line separators or broken UTF-8"
    return f"does not begin with {ENCODED_ID_PREFIX}" if text.startswith(ENCODED_ID_PREFIX) else None


def _has_refused_character(text: str) -> bool:
    # All of these are unprintable, and few ids have anything that is.
    return not text.isprintable() and any(unicodedata.category(each) in _REFUSED_CATEGORIES for each in text)
