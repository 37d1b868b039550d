"""Reading single fields of Waffo's JSON: absent, null and empty are ``None``; what is there must be what it says it is.

Money is a display string in both directions ("29.00", "4500"), so a JSON number where money belongs is refused: it
could be minor units. No error quotes a value.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from types import MappingProxyType

from pancake_meter.value import Value
from pancake_meter.waffo.bounded_json import UnreadableJson, is_object, read_json_object
from pancake_meter.waffo.errors import WaffoError

MAX_ID_LENGTH = 256
"""Characters. Seen: 47 (``ORD_...-<ISO time>``)."""

MAX_ID_BYTES = 256
"""Bytes of UTF-8 of an id that Waffo makes: together with a customer's it must fit into a DynamoDB key."""

MAX_GIVEN_ID_BYTES = 4 * MAX_ID_LENGTH
"""Bytes of an id that the seller gave: a customer's or a checkout's, of any script. It is in no sort key with others."""

MAX_TEXT_LENGTH = 8192
MAX_PERIOD_NUMBER = 1_000_000

_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,12})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]{5,18}(Z|[+-][0-9]{2}:?[0-9]{2})?")
_CURRENCY = re.compile(r"[A-Z]{3}")
_COUNT = re.compile(r"[0-9]{1,7}")
_FIRST_YEAR, _LAST_YEAR = 2000, 2199
"""Far from the ends of ``datetime``, so that no later arithmetic can overflow."""


class InvalidField(WaffoError):
    """A field is not what it must be. ``field`` is its wire path, ``problem`` what is wrong."""

    def __init__(self, field: str, problem: str) -> None:
        """Keep the field and the problem."""
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


class PeriodBound(Value):
    """A point in time as Waffo gave it: an aware UTC instant, or only a date.

    A date stands for its midnight UTC, and may be up to a day away from the truth: an instant that is already known for
    that day is the better value and must not be overwritten with it.
    """

    instant: datetime
    is_date_only: bool


class Fields(Value):
    """The fields of one JSON object; ``path`` is where it stands, for error messages ("data")."""

    values: Mapping[str, object]
    path: str = ""

    def text(self, name: str) -> str | None:
        """The text, or ``None`` when there is none. A value of another type counts as none: no text field decides over
        money.
        """
        value = self.values.get(name)
        return value[:MAX_TEXT_LENGTH] if isinstance(value, str) and value else None

    def id(self, name: str, *, bytes_max: int = MAX_ID_BYTES) -> str:
        """A text of 1 to 256 characters, and at most ``bytes_max`` bytes of UTF-8.

        Raises:
            InvalidField: it is not.
        """
        value = self.values.get(name)
        if not isinstance(value, str) or not 1 <= len(value) <= MAX_ID_LENGTH or not _is_unicode(value):
            raise self._invalid(name, f"is not a text of 1 to {MAX_ID_LENGTH} characters")
        if len(value.encode()) > bytes_max:
            raise self._invalid(name, f"has more than {bytes_max} bytes")
        return value

    def optional_id(self, name: str) -> str | None:
        """As ``id``, or ``None`` when absent, null or empty.

        Raises:
            InvalidField: it is there and is not an id.
        """
        return None if self.values.get(name) in (None, "") else self.id(name)

    def given_id(self, name: str) -> str | None:
        """An id that the seller gave, 1 to 256 characters of any script, or ``None`` when absent, null or empty.

        Raises:
            InvalidField: it is there and is not an id.
        """
        return None if self.values.get(name) in (None, "") else self.id(name, bytes_max=MAX_GIVEN_ID_BYTES)

    def loose_id(self, name: str) -> str | None:
        """As ``id``, or ``None`` for anything else: where it decides nothing."""
        try:
            return self.id(name)
        except InvalidField:
            return None

    def loose_given_id(self, name: str) -> str | None:
        """As ``given_id``, or ``None`` for anything else: where it decides nothing."""
        try:
            return self.given_id(name)
        except InvalidField:
            return None

    def currency(self, name: str) -> str:
        """An ISO 4217 code, three capitals.

        Raises:
            InvalidField: it is not.
        """
        value = self.values.get(name)
        if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
            raise self._invalid(name, "is not a currency of three capitals")
        return value

    def loose_amount(self, name: str) -> Decimal | None:
        """As ``amount``, or ``None`` for anything else: where it decides nothing."""
        try:
            return self.amount(name)
        except InvalidField:
            return None

    def loose_bound(self, name: str) -> PeriodBound | None:
        """As ``bound``, or ``None`` for anything else: where it decides nothing."""
        try:
            return self.bound(name)
        except InvalidField:
            return None

    def number(self, name: str) -> int | None:
        """As ``count``, where it decides.

        Raises:
            InvalidField: it is there and is not a whole number from 0 to 1,000,000.
        """
        if self.values.get(name) in (None, ""):
            return None
        number = self.count(name)
        if number is None:
            raise self._invalid(name, f"is not a whole number from 0 to {MAX_PERIOD_NUMBER}")
        return number

    def amount(self, name: str) -> Decimal | None:
        """A display string of money, exactly.

        Raises:
            InvalidField: it is there and is not a display string, for example a JSON number.
        """
        value = self.values.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str) or not _AMOUNT.fullmatch(value):
            raise self._invalid(name, "is not an amount of money in display form")
        return Decimal(value)

    def bound(self, name: str) -> PeriodBound | None:
        """An ISO 8601 date or date-time between the years 2000 and 2199; a date-time without offset is UTC.

        Raises:
            InvalidField: it is there and is not one.
        """
        value = self.values.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise self._invalid(name, "is not an ISO 8601 date")
        try:
            bound = _parse_bound(value)
        except (ValueError, OverflowError):
            raise self._invalid(name, "is not an ISO 8601 date") from None
        if not _FIRST_YEAR <= bound.instant.year <= _LAST_YEAR:
            raise self._invalid(name, f"is not between the years {_FIRST_YEAR} and {_LAST_YEAR}")
        return bound

    def instant(self, name: str) -> datetime:
        """A required date-time, aware, UTC.

        Raises:
            InvalidField: it is not there or is not one.
        """
        bound = self.bound(name)
        if bound is None or bound.is_date_only:
            raise self._invalid(name, "is not an ISO 8601 date-time")
        return bound.instant

    def count(self, name: str) -> int | None:
        """A whole number from 0 to 1,000,000, also when written as a text; ``None`` for anything else."""
        value = self.values.get(name)
        if isinstance(value, str):
            value = int(value) if _COUNT.fullmatch(value) else None
        if isinstance(value, Decimal) and value == value.to_integral_value():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            return None
        return value if 0 <= value <= MAX_PERIOD_NUMBER else None

    def text_map(self, name: str) -> Mapping[str, str]:
        """A flat map of texts, empty when there is none. The bound on the bytes of a body or an answer holds it.

        Numbers and booleans become their JSON text (a product's metadata may hold them), nested values are left out.
        GraphQL gives the same maps as a text of JSON, which is read alike.
        """
        value = self.values.get(name)
        if isinstance(value, str):
            try:
                value = read_json_object(value.encode("utf-8"))
            except UnreadableJson:
                value = None
        if not is_object(value):
            return MappingProxyType({})
        texts = ((key, _scalar_text(entry)) for key, entry in value.items())
        return MappingProxyType({key: text for key, text in texts if text is not None})

    def object(self, name: str) -> "Fields | None":
        """The object under ``name``, or ``None``."""
        value = self.values.get(name)
        return Fields(value, self._where(name)) if is_object(value) else None

    def _where(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def _invalid(self, name: str, problem: str) -> InvalidField:
        return InvalidField(self._where(name), problem)


def _parse_bound(text: str) -> PeriodBound:
    if _DATE.fullmatch(text):
        return PeriodBound(datetime.combine(date.fromisoformat(text), time.min, UTC), is_date_only=True)
    if not _DATE_TIME.fullmatch(text):
        raise ValueError("neither a date nor a date-time")
    moment = datetime.fromisoformat(text)
    return PeriodBound(
        moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC), is_date_only=False
    )


def _is_unicode(text: str) -> bool:
    """Whether a text can be stored: half of a surrogate pair cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _scalar_text(value: object) -> str | None:
    if isinstance(value, str):
        return value[:MAX_TEXT_LENGTH]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return f"{value:f}" if isinstance(value, Decimal) else str(value)
    return None
