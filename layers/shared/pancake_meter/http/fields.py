"""Field types of the wire models: quantities, instants, meters and customers in JSON."""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from unicodedata import category

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from pancake_meter.domain.access.pseudonym import PSEUDONYM_PATTERN, check_live_customer_id
from pancake_meter.domain.customer import (
    CUSTOMER_ID_LENGTH_MAX,
    ENCODED_ID_PREFIX,
    check_customer_id,
    written_customer_id,
)
from pancake_meter.domain.errors import DomainError
from pancake_meter.domain.instant import TEXT_LENGTH_MAX, parse_instant
from pancake_meter.domain.quantity import MAX_QUANTITY, SMALLEST_QUANTITY, parse_quantity
from pancake_meter.domain.usage.usage_event import ORIGIN_LENGTH_MAX
from pancake_meter.faults import sentence

DISMISS_REASON_LENGTH_MAX: Final = 500
_FIELDS_MAX: Final = 100
_WHOLE_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)")
_DIGITS_READ: Final = 20
QUANTITY_PATTERN: Final = r"^([0-9]{1,15}(\.[0-9]{1,6})?|10{15})$"
_POSITIVE_PATTERN: Final = r"^(?!0*(\.0*)?$)([0-9]{1,15}(\.[0-9]{1,6})?|10{15})$"
_SPACE: Final = r"\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_REFUSED: Final = r"/\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffd"
_CONTROLS: Final = r"\u0000-\u0009\u000b-\u001f\u007f-\u009f"
REASON_PATTERN: Final = rf"^[^{_CONTROLS}]*[^{_CONTROLS}{_SPACE}][^{_CONTROLS}]*$"
_END: Final = f"[^{_REFUSED}{_SPACE}]"
_MIDDLE: Final = f"[^{_REFUSED}]{{0,{CUSTOMER_ID_LENGTH_MAX - 2}}}"
CUSTOMER_ID_PATTERN: Final = rf"^(?!\.{{1,2}}$|~b64\.){_END}({_MIDDLE}{_END})?$"
_PATH_END: Final = f"[^%?{_REFUSED}{_SPACE}]"
CUSTOMER_ID_IN_PATH_PATTERN: Final = (
    rf"^(~b64\.[A-Za-z0-9_-]{{2,684}}|(?!\.{{1,2}}$|~b64\.){_PATH_END}"
    rf"([^%?{_REFUSED}]{{0,{CUSTOMER_ID_LENGTH_MAX - 2}}}{_PATH_END})?)$"
)
ENCODED_ID_LENGTH_MAX: Final = len(ENCODED_ID_PREFIX) + 684
_NAME: Final = _REFUSED.removeprefix("/")
ORIGIN_PATTERN: Final = rf"^[^{_NAME}{_SPACE}]([^{_NAME}]{{0,{ORIGIN_LENGTH_MAX - 2}}}[^{_NAME}{_SPACE}])?$"
METER_PATTERN: Final = r"^[a-z][a-z0-9_]{0,31}$"


class WireModel(BaseModel):
    """Base of every body that callers send. An unknown field is refused, because it is likely a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _has_few_fields(cls, body: Any) -> Any:
        """Refuse a body with far more fields than any model has: a fault for each field would cost 1 KB of memory."""
        if isinstance(body, Mapping) and len(body) > _FIELDS_MAX:
            raise ValueError(f"there are at most {_FIELDS_MAX} fields here")
        return body


def _quantity(value: Any) -> Decimal:
    try:
        return parse_quantity(value)
    except DomainError as error:
        raise ValueError(str(error)) from error


def _positive_quantity(value: Any) -> Decimal:
    try:
        return parse_quantity(value, minimum=SMALLEST_QUANTITY)
    except DomainError as error:
        raise ValueError(str(error)) from error


def _whole(value: Any) -> Any:
    """Return 60.0 as 60: JSON makes no difference between the two."""
    return (
        int(value) if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value() else value
    )


def without_controls(value: str) -> str:
    """Return a text without control characters but line feeds. Raises ``ValueError`` for another."""
    if any(category(character) == "Cc" and character != "\n" for character in value):
        raise ValueError("a text may have line feeds, but no other control characters")
    return value


def _origin_name(value: str) -> str:
    if re.fullmatch(ORIGIN_PATTERN, value) is None:
        raise ValueError("must be printable, without a space at its ends")
    return value


def _customer_id(value: str) -> str:
    try:
        return check_customer_id(value)
    except DomainError as error:
        raise ValueError(str(error)) from error


def _written_customer_id(value: str) -> str:
    try:
        return written_customer_id(value)
    except DomainError as error:
        raise ValueError(str(error)) from error


def _live_customer_id(value: str) -> str:
    try:
        return check_live_customer_id(value)
    except DomainError as error:
        raise ValueError(str(error)) from error


def _count(value: Any) -> Any:
    """Return the number that a parameter of a query writes as JSON does; digits beyond any bound are not read."""
    if not isinstance(value, str):
        return value
    if _WHOLE_NUMBER.fullmatch(value) is None:
        raise ValueError("must be a whole number in plain digits")
    return int(value[:_DIGITS_READ])


def items(least: int, most: int) -> tuple[BeforeValidator, Any]:
    """Return what bounds the length of a list before its items are read: pydantic counts only those without a fault."""

    def check(value: Any) -> Any:
        if isinstance(value, list | tuple):
            if len(value) < least:
                raise ValueError(sentence("too_short", {"min_length": least}))
            if len(value) > most:
                raise ValueError(sentence("too_long", {"max_length": most}))
        return value

    return BeforeValidator(check), Field(json_schema_extra={"minItems": least, "maxItems": most})


def _quantity_schema(minimum: Decimal) -> dict[str, Any]:
    least, most = (int(bound) if bound == int(bound) else float(bound) for bound in (minimum, MAX_QUANTITY))
    return {
        "anyOf": [
            {"type": "integer", "minimum": int(least) or int(minimum > 0), "maximum": most},
            {"type": "number", "minimum": least, "maximum": most, "multipleOf": float(SMALLEST_QUANTITY)},
            {"type": "string", "pattern": _POSITIVE_PATTERN if minimum else QUANTITY_PATTERN, "maxLength": 22},
        ],
        "description": "A number of units with at most 6 decimal places, or its text: a text is exact.",
    }


Quantity = Annotated[Decimal, BeforeValidator(_quantity), WithJsonSchema(_quantity_schema(Decimal(0)))]
PositiveQuantity = Annotated[
    Decimal, BeforeValidator(_positive_quantity), WithJsonSchema(_quantity_schema(SMALLEST_QUANTITY))
]
WHOLE: Final = BeforeValidator(_whole)
"""Lets a strict ``int`` be written with a decimal part of zero."""
COUNT: Final = BeforeValidator(_count)
"""Reads an ``int`` of a query as its schema has it: pydantic would take `` 1``, ``+1``, ``1.0`` and ``1_0`` as well."""
QuantityText = Annotated[str, WithJsonSchema({"type": "string", "pattern": QUANTITY_PATTERN, "maxLength": 22})]
"""The text of a quantity, still to be parsed."""
Instant = Annotated[
    datetime,
    BeforeValidator(parse_instant),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "maxLength": TEXT_LENGTH_MAX,
            "description": "RFC 3339 with an offset; kept to the millisecond.",
        }
    ),
]
OriginName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=ORIGIN_LENGTH_MAX),
    AfterValidator(_origin_name),
    Field(
        description="The name of a model, or of what sent the usage, as the customer is to read it.",
        json_schema_extra={"pattern": ORIGIN_PATTERN},
    ),
]
MeterName = Annotated[str, StringConstraints(pattern=METER_PATTERN)]
CustomerId = Annotated[
    str,
    AfterValidator(_customer_id),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": CUSTOMER_ID_LENGTH_MAX,
            "pattern": CUSTOMER_ID_PATTERN,
            "description": "The seller's own id, exactly: no /, no control characters, no white space at its ends.",
        }
    ),
]
LiveCustomerId = Annotated[
    str,
    AfterValidator(_live_customer_id),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": CUSTOMER_ID_LENGTH_MAX,
            "pattern": f"^(?!{PSEUDONYM_PATTERN}$){CUSTOMER_ID_PATTERN.removeprefix('^')}",
            "description": "The seller's own id, exactly, as in a path; and not the pseudonym of an erased customer.",
        }
    ),
]
QueryCustomerId = Annotated[
    str,
    AfterValidator(_written_customer_id),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": ENCODED_ID_LENGTH_MAX,
            "pattern": rf"^(~b64\.[A-Za-z0-9_-]{{2,684}}|{CUSTOMER_ID_PATTERN[1:-1]})$",
            "description": "The seller's own id, exactly; or ~b64. and the id in base64url, as in a path.",
        }
    ),
]

# What answers are made of.
Units = Annotated[
    Decimal,
    WithJsonSchema(
        {
            "anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^-?[0-9]{1,40}(\.[0-9]{1,12})?$"}],
            "description": "Units of the meter. A text where a double could not carry the number exactly.",
        }
    ),
]
Timestamp = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Day = Annotated[str, WithJsonSchema({"type": "string", "format": "date"})]
Url = Annotated[str, WithJsonSchema({"type": "string", "format": "uri"})]
Amount = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^-?[0-9]+(\.[0-9]+)?$",
            "description": "A display amount: 29.00 dollars, 4500 yen.",
        }
    ),
]
Currency = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$"})]
Digest = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^[0-9a-f]{64}$"})]


Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=DISMISS_REASON_LENGTH_MAX),
    AfterValidator(without_controls),
    WithJsonSchema(
        {"type": "string", "pattern": REASON_PATTERN, "minLength": 1, "maxLength": DISMISS_REASON_LENGTH_MAX}
    ),
]
"""Why an operator decides something, for people."""


class NoQuery(WireModel):
    """The query of a route that takes none: an unknown parameter is likely a mistake."""


class NoBody(WireModel):
    """The body of a route that takes none: whatever it says would be passed over."""


class DismissRequest(WireModel):
    """Body of a dismissal of parked usage or of a webhook delivery: the reason why nothing is to be done."""

    reason: Reason
