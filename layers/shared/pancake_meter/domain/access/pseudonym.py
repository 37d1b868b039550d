"""Pseudonyms: the name under which money facts of an erased customer stay.

A pseudonym is a keyed hash of the customer id. It is the same each time, so that a webhook which arrives after the erasure
finds the payments and periods that it is about, and counts nothing twice, although the id is kept nowhere. It has a key,
because ids are often e-mail addresses or small numbers: without one, whoever has the table could hash every likely id and
compare. Who has the table alone cannot; and once the key is destroyed, nobody can.
"""

import hmac
import re
from typing import Final

from pancake_meter.domain.customer import check_customer_id
from pancake_meter.domain.errors import InvalidCustomerId

_PREFIX: Final = "erased-"
_DIGITS: Final = 40
PSEUDONYM_PATTERN: Final = rf"{_PREFIX}[0-9a-f]{{{_DIGITS}}}"
_SHAPE: Final = re.compile(PSEUDONYM_PATTERN)


def pseudonym_of(secret: str, customer_id: str) -> str:
    """Return the pseudonym of a customer: 160 bits of HMAC-SHA-256, which is a customer id like any other."""
    return f"{_PREFIX}{hmac.digest(secret.encode(), customer_id.encode(), 'sha256').hex()[:_DIGITS]}"


def is_pseudonym(customer_id: str | None) -> bool:
    """Return whether an id is the pseudonym of an erased customer."""
    return customer_id is not None and _SHAPE.fullmatch(customer_id) is not None


def check_live_customer_id(text: str) -> str:
    """Return ``text``, unchanged, when it can name a customer and is nobody's pseudonym.

    Nothing new happens under a pseudonym: whoever names one means somebody else, or the books of the erased customer.

    Raises:
        InvalidCustomerId: it cannot, or is one; the message says why.
    """
    if is_pseudonym(text):
        raise InvalidCustomerId("a customer id is not the pseudonym of an erased customer")
    return check_customer_id(text)
