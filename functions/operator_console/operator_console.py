"""The seller's console: what happened and why, and what an operator does about it."""

import pancake_meter.cold_start  # noqa: F401 - stops the search for garbage

import console_access_routes
import console_alert_routes
import console_catalog_routes
import console_customer_routes
import console_delivery_routes
import console_endpoint_routes
import console_gift_routes
import console_key_routes
import console_launch_routes
import console_link_routes
import console_order_routes
import console_overview_routes
import console_parked_routes
import console_payment_routes
import console_sign_in_routes
from pancake_pages.console.refusals import answer_console_errors
from pancake_pages.deps.operator_console import operator_console_deps
from pancake_pages.handler import page_handler

handler = page_handler(
    operator_console_deps(),
    console_sign_in_routes.router,
    console_overview_routes.router,
    console_customer_routes.router,
    console_gift_routes.router,
    console_access_routes.router,
    console_link_routes.router,
    console_order_routes.router,
    console_payment_routes.router,
    console_delivery_routes.router,
    console_parked_routes.router,
    console_catalog_routes.router,
    console_launch_routes.router,
    console_alert_routes.router,
    console_endpoint_routes.router,
    console_key_routes.router,
    answer_more=answer_console_errors,
)
