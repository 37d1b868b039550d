"""Reading a request's JSON: each field by the type that it must have; what is wrong is a 400 that names the field."""

import json
import re
from collections.abc import Collection
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from local.waffo_simulator.envelope import ApiError
from local.waffo_simulator.money import AMOUNT, AMOUNT_LENGTH_MAX, TAX_CATEGORIES, decimals

TEXT_LENGTH_MAX = 4096
SHORT_ID = re.compile(r"[A-Z]{2,5}_[0-9A-Za-z]{22}")
CURRENCY = re.compile(r"[A-Z]{3}")


def parse(content: bytes, layer: str) -> "Body":
    """The JSON object in a request. Raises `ApiError` (400)."""
    try:
        values = json.loads(content or b"{}")
        json.dumps(values, ensure_ascii=False).encode()  # refuses half of a surrogate pair, which no answer could carry
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "Request body is not valid JSON", layer) from error
    if not isinstance(values, dict):
        raise ApiError(400, "Request body must be a JSON object", layer)
    return Body(values, layer)


class Body:
    """The fields of one JSON object. `null` is absent. Every reader raises `ApiError` (400)."""

    def __init__(self, values: dict[str, Any], layer: str, path: str = "") -> None:
        self.values = values
        self._layer = layer
        self._path = path
        self._read: set[str] = set()

    def unread(self) -> list[str]:
        """The names of fields that nothing asked for."""
        return sorted(self.values.keys() - self._read)

    def refuse(self, message: str) -> ApiError:
        """A 400 of this layer, to raise."""
        return ApiError(400, message, self._layer)

    def text(self, name: str, length_max: int = TEXT_LENGTH_MAX) -> str | None:
        """A text that is not blank."""
        value = self._get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            raise self._wrong(name, "a non-empty string")
        if len(value) > length_max:
            raise self.refuse(f"{self._path}{name} must not exceed {length_max} characters")
        return value

    def required(self, name: str, length_max: int = TEXT_LENGTH_MAX) -> str:
        """A text that must be there."""
        value = self.text(name, length_max)
        if value is None:
            raise self.refuse(f"Missing required field: {self._path}{name}")
        return value

    def id(self, name: str, prefix: str) -> str | None:
        """A short id with this prefix."""
        value = self.text(name)
        if value is not None and not (SHORT_ID.fullmatch(value) and value.startswith(f"{prefix}_")):
            raise self.refuse(f'Expected format: {prefix}_xxx, got "{value[:40]}"')
        return value

    def required_id(self, name: str, prefix: str) -> str:
        """A short id that must be there."""
        self.required(name)
        return self.id(name, prefix) or ""

    def choice(self, name: str, choices: Collection[str]) -> str | None:
        """One of the given texts."""
        value = self.text(name)
        if value is not None and value not in choices:
            raise self._wrong(name, f"one of [{', '.join(choices)}]")
        return value

    def boolean(self, name: str) -> bool | None:
        """True or false."""
        value = self._get(name)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(name, "a boolean")
        return value

    def number(self, name: str, least: float, most: float) -> float | None:
        """A number between two bounds, both included."""
        value = self._get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise self._wrong(name, f"a number from {least} to {most}")
        return value

    def integer(self, name: str, least: int, most: int) -> int | None:
        """A whole number between two bounds, both included."""
        value = self.number(name, least, most)
        if value is not None and not isinstance(value, int):
            raise self._wrong(name, "a whole number")
        return value

    def texts(self, name: str, choices: Collection[str]) -> tuple[str, ...] | None:
        """A list of one or more of the given texts."""
        value = self._get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not value or not all(isinstance(v, str) and v in choices for v in value):
            raise self._wrong(name, f"a non-empty list out of [{', '.join(choices)}]")
        return tuple(value)

    def text_map(self, name: str) -> dict[str, str]:
        """A flat map of texts; absent is empty."""
        value = self._get(name)
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
            raise self._wrong(name, "a flat object of strings")
        return value

    def scalar_map(self, name: str) -> dict[str, str]:
        """A flat map of texts, numbers and booleans, all as texts; absent is empty."""
        value = self._get(name)
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(entry, str | int | float) for entry in value.values()):
            raise self._wrong(name, "a flat object")
        return {key: entry if isinstance(entry, str) else json.dumps(entry) for key, entry in value.items()}

    def nested(self, name: str) -> "Body | None":
        """An object within this one."""
        value = self._get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self._wrong(name, "an object")
        return Body(value, self._layer, f"{self._path}{name}.")

    def raw(self, name: str) -> Any:
        """Whatever is there."""
        return self._get(name)

    def currency(self, name: str) -> str:
        """An ISO 4217 code; whether it can be charged is another question."""
        value = self.required(name)
        if not CURRENCY.fullmatch(value):
            raise self._wrong(name, "a 3-letter ISO 4217 currency code")
        return value

    def amount(self, name: str, currency: str) -> Decimal | None:
        """A display amount that the currency can pay."""
        text = self.text(name)
        if text is None:
            return None
        if not AMOUNT.fullmatch(text) or len(text) > AMOUNT_LENGTH_MAX:
            raise self._wrong(name, 'a numeric string in display format (e.g., "9.99", "1000")')
        amount = Decimal(text)
        exponent = amount.normalize().as_tuple().exponent
        if isinstance(exponent, int) and -exponent > decimals(currency):
            raise self._wrong(name, f"at most {decimals(currency)} decimal places for {currency}")
        return amount

    def price(self, currency: str) -> tuple[Decimal, str]:
        """The amount and tax category of a price."""
        self.required("amount")
        amount = self.amount("amount", currency) or Decimal(0)
        self.required("taxCategory")
        return amount, self.choice("taxCategory", TAX_CATEGORIES) or ""

    def instant(self, name: str) -> datetime | None:
        """An ISO 8601 instant with its offset."""
        text = self.text(name)
        if text is None:
            return None
        try:
            instant = datetime.fromisoformat(text)
        except ValueError as error:
            raise self._wrong(name, "an ISO 8601 instant") from error
        if instant.tzinfo is None:
            raise self._wrong(name, "an instant with its offset, for example Z")
        return instant.astimezone(UTC)

    def _get(self, name: str) -> Any:
        self._read.add(name)
        return self.values.get(name)

    def _wrong(self, name: str, expected: str) -> ApiError:
        return self.refuse(f"Invalid {self._path}{name}: expected {expected}")
