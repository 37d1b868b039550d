"""Wire models of customer tokens."""

from datetime import datetime, timedelta
from math import ceil
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from pancake_meter.domain.access.customer_token import (
    LIFE_DEFAULT,
    LIFE_MAX,
    LIFE_MIN,
    SCOPES,
    CustomerToken,
    Scope,
)
from pancake_meter.domain.instant import timestamp
from pancake_meter.http.fields import WHOLE, Timestamp, WireModel, items


class TokenRequest(WireModel):
    """Body of ``POST .../tokens``: what the token allows, and for how long; without a body it may read for 15 minutes."""

    scopes: Annotated[tuple[Scope, ...], *items(1, len(SCOPES))] = ("read",)
    lifetime_seconds: Annotated[
        int,
        Field(strict=True, ge=int(LIFE_MIN.total_seconds()), le=int(LIFE_MAX.total_seconds())),
        WHOLE,
    ] = int(LIFE_DEFAULT.total_seconds())

    @property
    def life(self) -> timedelta:
        """The same as a time."""
        return timedelta(seconds=self.lifetime_seconds)


class TokenBody(TypedDict):
    """A customer token, to be sent as ``Authorization: Bearer``. It cannot be taken back: it ends by itself."""

    token: str
    token_type: Literal["Bearer"]
    customer_id: str
    scopes: list[Scope]
    expires_at: Timestamp
    expires_in_seconds: int


def token_body(text: str, token: CustomerToken, now: datetime) -> TokenBody:
    """Return a token that was just made."""
    return {
        "token": text,
        "token_type": "Bearer",
        "customer_id": token.customer_id,
        "scopes": [scope for scope in SCOPES if scope in token.scopes],
        "expires_at": timestamp(token.expires_at),
        # Rounded up: it is what was asked for, and not the second less that the call itself may take.
        "expires_in_seconds": ceil((token.expires_at - now).total_seconds()),
    }
