"""Access of one customer that an operator cuts off and opens, and what is owed that an operator lets go."""

from aws_lambda_powertools.event_handler import Response

from pancake_meter.domain.access.pseudonym import check_live_customer_id
from pancake_meter.http.balance.access import BlockRequest, UnblockRequest
from pancake_meter.http.resolver import takes_body, tolerates_query
from pancake_meter.http.selling.overage import ForgiveRequest
from pancake_meter.usecases.balance.operate import block, block_customer
from pancake_meter.usecases.selling.forgive_overage import forgive
from pancake_pages.console.desk import ConsoleRouter, Form, address

router = ConsoleRouter()


@router.post("/console/customers/<customer_id>/block")
@tolerates_query
@takes_body
def post_block(customer_id: str) -> Response[str]:
    """Cut off one meter, or all that the customer has and will have."""
    form = router.form("POST /v1/customers/{customer_id}/block")
    request = form.read(BlockRequest, "meter", "reason")
    _set_access(form, customer_id, request.meter, request.reason)
    return _back(form, customer_id, "blocked", request.meter)


@router.post("/console/customers/<customer_id>/unblock")
@tolerates_query
@takes_body
def post_unblock(customer_id: str) -> Response[str]:
    """Open one meter, or all."""
    form = router.form("POST /v1/customers/{customer_id}/unblock")
    request = form.read(UnblockRequest, "meter")
    _set_access(form, customer_id, request.meter, None)
    return _back(form, customer_id, "unblocked", request.meter)


@router.post("/console/customers/<customer_id>/overage/<meter>/forgive")
@tolerates_query
@takes_body
def post_forgiveness(customer_id: str, meter: str) -> Response[str]:
    """Forgive units that are owed."""
    form = router.form("POST /v1/customers/{customer_id}/overage/{meter}/forgive")
    request = form.read(ForgiveRequest, "quantity", id=form.once)
    desk = form.desk
    forgive(desk.deps.metering, customer_id, meter, form.once, request.quantity, desk.now, by=desk.operator.name)
    return _back(form, customer_id, "forgiven", meter)


def _set_access(form: Form, customer_id: str, meter: str | None, reason: str | None) -> None:
    check_live_customer_id(customer_id)
    desk, by = form.desk, form.desk.operator.name
    if meter is None:
        block_customer(desk.deps.metering, customer_id, reason, desk.now, by=by)
    else:
        block(desk.deps.metering, customer_id, meter, reason, desk.now, by=by)


def _back(form: Form, customer_id: str, what: str, meter: str | None = None) -> Response[str]:
    # The ledger of the meter shows it.
    return form.desk.done(address("customers", customer_id), what, meter=meter)
