"""Field types of the wire models: quantities, instants, meters and customers in JSON."""

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
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from pancake_meter.domain.customer import CUSTOMER_ID_LENGTH_MAX, check_customer_id
from pancake_meter.domain.errors import DomainError
from pancake_meter.domain.instant import parse_instant
from pancake_meter.domain.quantity import SMALLEST_QUANTITY, parse_quantity

DISMISS_REASON_LENGTH_MAX: Final = 500
_FIELDS_MAX: Final = 100
METER_PATTERN: Final = r"^[a-z][a-z0-9_]{0,31}$"


class WireModel(BaseModel):
    """Base of every body that callers send. An unknown field is refused, because it is likely a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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


def _without_controls(value: str) -> str:
    if any(category(character) == "Cc" and character != "\n" for character in value):
        raise ValueError("a text may have line feeds, but no other control characters")
    return value


def _customer_id(value: str) -> str:
    try:
        return check_customer_id(value)
    except DomainError as error:
        raise ValueError(str(error)) from error


Quantity = Annotated[Decimal, BeforeValidator(_quantity)]
PositiveQuantity = Annotated[Decimal, BeforeValidator(_positive_quantity)]
Instant = Annotated[datetime, BeforeValidator(parse_instant)]
MeterName = Annotated[str, StringConstraints(pattern=METER_PATTERN)]
CustomerId = Annotated[
    str,
    AfterValidator(_customer_id),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": CUSTOMER_ID_LENGTH_MAX,
            "description": "The seller's own id, exactly: no /, no control characters, no white space at its ends.",
        }
    ),
]


class DismissRequest(WireModel):
    """Body of a dismissal of parked usage or of a webhook delivery: the reason why nothing is to be done."""

    reason: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=DISMISS_REASON_LENGTH_MAX),
        AfterValidator(_without_controls),
    ]
