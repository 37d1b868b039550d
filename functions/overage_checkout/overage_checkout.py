"""Overage checkout: what a customer owes or wants more of, as a hosted Waffo payment."""

import pancake_meter.cold_start  # noqa: F401 - stops the search for garbage

import checkout_routes
import forgive_routes
import plan_routes
from pancake_meter.deps.checkout import checkout_deps
from pancake_meter.deps.config import browser_origins
from pancake_meter.http.resolver import http_handler

handler = http_handler(
    checkout_deps(),
    checkout_routes.router,
    forgive_routes.router,
    plan_routes.router,
    browser_origins=browser_origins(),
)
