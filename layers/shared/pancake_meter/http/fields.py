"""Field types of the wire models: what JSON may carry where a quantity, a meter or a customer is meant."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints

from pancake_meter.domain.customer import CUSTOMER_ID_PATTERN
from pancake_meter.domain.errors import DomainError
from pancake_meter.domain.instant import parse_instant
from pancake_meter.domain.quantity import SMALLEST_QUANTITY, parse_quantity

METER_PATTERN: Final = r"^[a-z][a-z0-9_]{0,31}$"


class WireModel(BaseModel):
    """Base of every body that callers send: a field that is not known is a mistake worth telling."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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


Quantity = Annotated[Decimal, BeforeValidator(_quantity)]
PositiveQuantity = Annotated[Decimal, BeforeValidator(_positive_quantity)]
Instant = Annotated[datetime, BeforeValidator(parse_instant)]
MeterName = Annotated[str, StringConstraints(pattern=METER_PATTERN)]
CustomerId = Annotated[str, StringConstraints(pattern=CUSTOMER_ID_PATTERN)]
