"""Overage checkout: what a customer owes or wants more of, as a hosted Waffo payment."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

import buy_routes
import checkout_routes
import forgive_routes
import plan_routes
from pancake_meter.deps.checkout import checkout_deps
from pancake_meter.deps.config import browser_origins
from pancake_meter.http.request import lambda_answer
from pancake_meter.http.resolver import http_handler, unavailable
from pancake_meter.http.selling import pages
from pancake_meter.store.errors import StoreError


def _answer_trouble(event: dict[str, Any], context: LambdaContext, trouble: StoreError) -> dict[str, Any]:
    """Answer trouble outside of the routes in the form that the caller reads: people a page, programs a problem."""
    if str(event.get("rawPath", "")).startswith("/buy/"):
        return lambda_answer(pages.TRY_AGAIN.response())
    return unavailable(event, context, trouble)


handler = http_handler(
    checkout_deps(),
    checkout_routes.router,
    buy_routes.router,
    forgive_routes.router,
    plan_routes.router,
    on_trouble=_answer_trouble,
    browser_origins=browser_origins(),
)
