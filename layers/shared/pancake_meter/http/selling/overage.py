"""Forgiving overage, on the wire."""

from typing import Annotated

from pydantic import StringConstraints
from typing_extensions import TypedDict

from pancake_meter.http.fields import PositiveQuantity, Units, WireModel
from pancake_meter.http.idempotency import KEY_PATTERN
from pancake_meter.usecases.selling.forgive_overage import Forgiven


class ForgiveRequest(WireModel):
    """Body of ``POST /v1/customers/{customer_id}/overage/{meter}/forgive``. ``id`` is the caller's: once for each.

    It may be left out where the header ``Idempotency-Key`` is there.
    """

    id: Annotated[str, StringConstraints(pattern=KEY_PATTERN)] | None = None
    quantity: PositiveQuantity


class ForgivenBody(TypedDict):
    """``forgiven`` units are no longer owed; ``replayed`` says that they were let go by an earlier request."""

    id: str
    meter: str
    forgiven: Units
    replayed: bool


def forgiven_body(forgiveness_id: str, meter: str, forgiven: Forgiven) -> ForgivenBody:
    """Return what became of a request to forgive."""
    return {"id": forgiveness_id, "meter": meter, "forgiven": forgiven.quantity, "replayed": forgiven.is_replay}
