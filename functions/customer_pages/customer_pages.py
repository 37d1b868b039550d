"""Pages for customers: purchase links, the portal, and what pages load."""

import pancake_meter.cold_start  # noqa: F401 - stops the search for garbage

import asset_routes
import buy_routes
import portal_limit_routes
import portal_routes
import portal_session_routes
import portal_subscription_routes
from pancake_pages.deps.customer_pages import customer_pages_deps
from pancake_pages.handler import page_handler

handler = page_handler(
    customer_pages_deps(),
    asset_routes.router,
    buy_routes.router,
    portal_session_routes.router,
    portal_routes.router,
    portal_limit_routes.router,
    portal_subscription_routes.router,
)
