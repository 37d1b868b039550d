"""Roles: what an API key may do. A key has one or more; each opens its own routes, and none includes another."""

from collections.abc import Mapping
from typing import Final, Literal, get_args

Role = Literal["meter", "sell", "report", "operate", "admin"]

ROLES: Final[tuple[Role, ...]] = get_args(Role)

MEANING: Final[Mapping[Role, str]] = {
    "meter": "ask for quota, place and end holds, record usage, read one customer's usage and ledger",
    "sell": "open checkouts and read them, read what is for sale, set a customer's spend cap",
    "report": "read revenue and usage by month",
    "operate": "read customers, deliveries and parked usage, and decide about them; give, block, limit, forgive, heal",
    "admin": "make, list, rotate and revoke API keys",
}
