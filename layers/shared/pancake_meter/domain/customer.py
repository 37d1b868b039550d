"""Customer ids: the seller's own, within a form that can stand in a URL path and in a key."""

import re
from typing import Final

from pancake_meter.domain.errors import InvalidCustomerId

CUSTOMER_ID_PATTERN: Final = r"^[A-Za-z0-9_.:@+=-]{1,128}$"

_CUSTOMER_ID = re.compile(CUSTOMER_ID_PATTERN[1:-1])


def check_customer_id(text: str) -> str:
    """Return ``text`` when it can name a customer: 1 to 128 of ``A-Za-z0-9_.:@+=-``.

    Raises:
        InvalidCustomerId: it cannot.
    """
    if _CUSTOMER_ID.fullmatch(text) is None:
        raise InvalidCustomerId("a customer id is 1 to 128 characters of A-Z a-z 0-9 _ . : @ + = -")
    return text
