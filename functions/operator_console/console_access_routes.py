"""Access of one customer that an operator cuts off and opens, and what is owed that an operator lets go."""

from pancake_meter.domain.access.pseudonym import check_live_customer_id
from pancake_meter.http.balance.access import BlockRequest, UnblockRequest
from pancake_meter.http.selling.overage import ForgiveRequest
from pancake_meter.usecases.balance.operate import block, block_customer
from pancake_meter.usecases.selling.forgive_overage import forgive
from pancake_pages.console.desk import ConsoleRouter, Done, Form, address

router = ConsoleRouter()


@router.action("/console/customers/<customer_id>/block", "POST /v1/customers/{customer_id}/block")
def post_block(form: Form, customer_id: str) -> Done:
    """Cut off one meter, or all that the customer has and will have."""
    request = form.read(BlockRequest, "meter", "reason")
    _set_access(form, customer_id, request.meter, request.reason)
    return Done(address("customers", customer_id), "blocked", request.meter)


@router.action("/console/customers/<customer_id>/unblock", "POST /v1/customers/{customer_id}/unblock")
def post_unblock(form: Form, customer_id: str) -> Done:
    """Open one meter, or all."""
    request = form.read(UnblockRequest, "meter")
    _set_access(form, customer_id, request.meter, None)
    return Done(address("customers", customer_id), "unblocked", request.meter)


@router.action(
    "/console/customers/<customer_id>/overage/<meter>/forgive",
    "POST /v1/customers/{customer_id}/overage/{meter}/forgive",
)
def post_forgiveness(form: Form, customer_id: str, meter: str) -> Done:
    """Forgive units that are owed."""
    request = form.read(ForgiveRequest, "quantity", id=form.once)
    desk, by = form.desk, form.desk.operator.name
    forgiven = forgive(desk.deps.metering, customer_id, meter, form.once, request.quantity, desk.now, by=by)
    return Done(address("customers", customer_id), "forgiven", meter, forgiven.quantity)


def _set_access(form: Form, customer_id: str, meter: str | None, reason: str | None) -> None:
    check_live_customer_id(customer_id)
    desk, by = form.desk, form.desk.operator.name
    if meter is None:
        block_customer(desk.deps.metering, customer_id, reason, desk.now, by=by)
    else:
        block(desk.deps.metering, customer_id, meter, reason, desk.now, by=by)
