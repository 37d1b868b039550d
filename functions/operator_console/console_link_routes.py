"""Links that an operator passes on to one customer."""

from typing import Final

from aws_lambda_powertools.event_handler import Response

from pancake_meter.domain.access.customer_token import LIFE_MAX
from pancake_meter.domain.access.pseudonym import check_live_customer_id
from pancake_meter.http.access.routes import scopes_of
from pancake_meter.http.request import base_url
from pancake_meter.usecases.access.customer_token import make_token
from pancake_meter.usecases.selling.follow_link import see_purchase_link
from pancake_meter.usecases.selling.purchase_link import LinkKind, PurchaseLink, make_link
from pancake_pages.console.desk import ConsoleRouter, Form

router = ConsoleRouter()

_KINDS: Final[dict[str, LinkKind]] = {"overage": "overage", "top_up": "top_up", "plan": "plan"}


@router.action(
    "/console/customers/<customer_id>/purchase-link", "POST /v1/customers/{customer_id}/checkouts", answers_alike=True
)
def post_purchase_link(form: Form, customer_id: str) -> Response[str]:
    """Show a link to pass on to the customer, if it sells something now. What it sells is decided when it is clicked."""
    check_live_customer_id(customer_id)
    deps, kind, meter = form.desk.deps, form.fields.get("kind", ""), form.fields.get("meter", "")
    if kind not in _KINDS:
        raise form.wrong("kind", "unknown")
    link = PurchaseLink(customer_id, _KINDS[kind], meter)
    see_purchase_link(deps.shop.selling, link, form.desk.now)
    return _link(form, customer_id, "purchase", make_link(deps.shop.link_secret(), _base(), link, form.desk.now))


@router.action(
    "/console/customers/<customer_id>/portal-link", "POST /v1/customers/{customer_id}/tokens", answers_alike=True
)
def post_portal_link(form: Form, customer_id: str) -> Response[str]:
    """Show a link that opens the customer's portal for an hour: it bears a token with what the operator's key may give."""
    check_live_customer_id(customer_id)
    desk, deps = form.desk, form.desk.deps
    deps.access.erasures.check_not_erased(customer_id)
    scopes = scopes_of(desk.operator.key.roles) & {"read", "buy"}
    token, _ = make_token(deps.access.tokens, customer_id, frozenset(scopes), LIFE_MAX, desk.now)
    return _link(form, customer_id, "portal", f"{_base()}/portal/enter/{token}")


def _base() -> str:
    return router.deps.public_base_url or base_url(router)


def _link(form: Form, customer_id: str, kind: str, url: str) -> Response[str]:
    return form.desk.page("console/link.html", "customers", customer_id=customer_id, kind=kind, url=url)
