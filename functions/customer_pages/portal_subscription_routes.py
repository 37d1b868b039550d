"""A customer's subscription, cancelled and kept after all. Waffo does it, and its webhook changes the standing here."""

from http import HTTPStatus
from typing import Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response

from pancake_meter.domain.errors import OrderNotFound, WrongOrderStatus
from pancake_meter.http.resolver import Router, takes_body, tolerates_query
from pancake_meter.store.selling.order_actions import Action
from pancake_meter.usecases.reports.customer_home import customer_home
from pancake_meter.usecases.selling.act_on_order import Wish, act_on_order
from pancake_meter.waffo.errors import WaffoApiError
from pancake_pages.deps.customer_pages import CustomerPagesDeps
from pancake_pages.portal.standing import SubscriptionCard, subscriptions
from pancake_pages.portal.visit import Visit, read_visit, read_visit_with_form

logger = Logger()
router = Router[CustomerPagesDeps]()

BY: Final = "customer"
"""Whom the ledger of actions names: no API key, but the customer in the portal."""

_ACTIONS: Final[dict[str, Action]] = {"cancel": "cancel", "reactivate": "reactivate"}


@router.get("/portal/subscriptions/<order_id>/<action>")
@tolerates_query
def confirm(order_id: str, action: str) -> Response[str]:
    """Say what will happen, and ask."""
    visit = read_visit(router, to_buy=True)
    card = _card(visit, order_id)
    if action not in _ACTIONS or card is None:
        return visit.message("shared.not_found", HTTPStatus.NOT_FOUND)
    if card.action != action:
        return visit.message("portal.not_possible", HTTPStatus.CONFLICT)
    return _question(visit, card, action)


@router.post("/portal/subscriptions/<order_id>/<action>")
@takes_body
def act(order_id: str, action: str) -> Response[str]:
    """Have Waffo do it, if what the page said still holds; else ask again. A second press finds it done."""
    visit, fields = read_visit_with_form(router, to_buy=True)
    if action not in _ACTIONS:
        return visit.message("shared.not_found", HTTPStatus.NOT_FOUND)
    deps, customer_id = router.deps, visit.session.customer_id
    card = _card(visit, order_id)
    if card is not None and card.action == action and fields.get("seen") != card.seen:
        return _question(visit, card, action, is_changed=True)
    wish = Wish(_ACTIONS[action], by=BY, while_in=card.statuses if card is not None else None)
    try:
        acted = act_on_order(deps.portal.acting, customer_id, order_id, wish, deps.clock())
    except OrderNotFound:
        return visit.message("shared.not_found", HTTPStatus.NOT_FOUND)
    except WrongOrderStatus as error:
        logger.info("Waffo does not act as the order stands", extra={"order": order_id, **error.details})
        return visit.message("portal.not_possible", HTTPStatus.CONFLICT)
    except WaffoApiError as error:
        logger.warning("Waffo did not act", extra={"operation": error.operation, "reason": str(error)})
        return visit.message("shared.try_again", HTTPStatus.SERVICE_UNAVAILABLE)
    logger.info("order acted on", order=order_id, action=action, status=acted.action.status)
    # What is past due ends at once, which Waffo's answer does not say.
    has_ended = action == "cancel" and card is not None and card.shown.state == "past_due"
    return visit.done("ended" if has_ended else action)


def _question(visit: Visit, card: SubscriptionCard, action: str, *, is_changed: bool = False) -> Response[str]:
    status = HTTPStatus.CONFLICT if is_changed else HTTPStatus.OK
    facts = {**visit.facts, "card": card, "action": action, "is_changed": is_changed}
    return visit.view.page("portal/confirm.html", status, **facts)


def _card(visit: Visit, order_id: str) -> SubscriptionCard | None:
    selling = router.deps.shop.selling
    home = customer_home(selling.metering, visit.session.customer_id, router.deps.clock())
    return next((card for card in subscriptions(home, selling.catalog) if card.order_id == order_id), None)
