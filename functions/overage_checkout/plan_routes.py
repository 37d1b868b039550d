"""What is for sale, for a pricing page."""

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from pancake_meter.deps.checkout import CheckoutDeps
from pancake_meter.http.problem import problem_other_customer
from pancake_meter.http.request import answer, problem_answer
from pancake_meter.http.resolver import Router
from pancake_meter.http.selling.plans import PlansQuery, plans_body
from pancake_meter.usecases.selling.list_plans import list_for_sale

router = Router[CheckoutDeps]()


@router.get("/v1/plans")
def get_plans(query: PlansQuery) -> Response[str]:
    """Plans and packs, at the prices that a checkout would ask of the customer of the query or of the token."""
    token, customer_id = router.token, query.customer_id
    if token is not None:
        if customer_id not in (None, token.customer_id):
            return problem_answer(problem_other_customer(), router)
        customer_id = token.customer_id
    deps = router.deps
    sale = list_for_sale(deps.selling, customer_id, query.currency, deps.clock())
    names = {meter.key: meter.name for meter in deps.selling.catalog.meters.values()}
    return answer(HTTPStatus.OK, plans_body(sale, names))
