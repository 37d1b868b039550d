"""Ids as Waffo makes them; with a seed, always the same ones in the same order."""

import random
import string
import uuid

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


class Ids:
    """A source of ids."""

    def __init__(self, seed: int | None) -> None:
        self._random = random.Random(seed)  # noqa: S311 - names of things in a simulator, not secrets

    def short(self, prefix: str) -> str:
        """PREFIX_ and 22 base62 characters: STO_, PROD_, ORD_, PAY_, REF_, PVER_; or a session's cs_."""
        return f"{prefix}_{''.join(self._random.choices(BASE62, k=22))}"

    def uuid(self) -> str:
        """A version 4 UUID: webhooks and deliveries."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))
