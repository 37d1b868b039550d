"""Units that an operator gives one customer by hand, and takes back."""

from pancake_meter.domain.access.pseudonym import check_live_customer_id
from pancake_meter.http.balance.grants import GrantRequest
from pancake_meter.usecases.balance.grants import give_units, void_units
from pancake_pages.console.desk import ConsoleRouter, Done, Form, address

router = ConsoleRouter()


@router.action("/console/customers/<customer_id>/grants", "POST /v1/customers/{customer_id}/grants")
def post_grant(form: Form, customer_id: str) -> Done:
    """Give units: once, however often the button is pressed."""
    check_live_customer_id(customer_id)
    request = form.read(
        GrantRequest,
        "meter",
        "quantity",
        "kind",
        "reason",
        priority=form.whole("priority"),
        starts_at=form.instant("starts_at"),
        expires_at=form.instant("expires_at"),
        id=form.once,
    )
    desk = form.desk
    give_units(desk.deps.metering, customer_id, request.meter, form.once, request.gift, desk.now, by=desk.operator.name)
    return Done(address("customers", customer_id), "given", meter=request.meter)


@router.action(
    "/console/customers/<customer_id>/grants/<grant_id>/void", "POST /v1/customers/{customer_id}/grants/{grant_id}/void"
)
def post_void(form: Form, customer_id: str, grant_id: str) -> Done:
    """Take away what is left of units that were given by hand."""
    desk = form.desk
    given, _, _ = void_units(desk.deps.metering, customer_id, grant_id, desk.now, by=desk.operator.name)
    return Done(address("customers", customer_id), "voided", meter=given.meter)
