"""What an operator has Waffo do: refund a payment, cancel or reactivate a subscription. It holds the merchant's key."""

import pancake_meter.cold_start  # noqa: F401 - stops the search for garbage

import order_routes
import refund_routes
from pancake_meter.deps.waffo_actions import waffo_actions_deps
from pancake_meter.http.resolver import http_handler

handler = http_handler(waffo_actions_deps(), refund_routes.router, order_routes.router)
