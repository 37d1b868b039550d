"""Units that an operator gives one customer by hand, and takes back."""

from aws_lambda_powertools.event_handler import Response

from pancake_meter.domain.access.pseudonym import check_live_customer_id
from pancake_meter.http.balance.grants import GrantRequest
from pancake_meter.http.resolver import takes_body, tolerates_query
from pancake_meter.usecases.balance.grants import give_units, void_units
from pancake_pages.console.desk import ConsoleRouter, address

router = ConsoleRouter()


@router.post("/console/customers/<customer_id>/grants")
@tolerates_query
@takes_body
def post_grant(customer_id: str) -> Response[str]:
    """Give units: once, however often the button is pressed."""
    form = router.form("POST /v1/customers/{customer_id}/grants")
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
    return desk.done(address("customers", customer_id), "given", meter=request.meter)


@router.post("/console/customers/<customer_id>/grants/<grant_id>/void")
@tolerates_query
@takes_body
def post_void(customer_id: str, grant_id: str) -> Response[str]:
    """Take away what is left of units that were given by hand."""
    form = router.form("POST /v1/customers/{customer_id}/grants/{grant_id}/void")
    desk = form.desk
    given, _, _ = void_units(desk.deps.metering, customer_id, grant_id, desk.now, by=desk.operator.name)
    return desk.done(address("customers", customer_id), "voided", meter=given.meter)
