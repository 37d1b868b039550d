"""Payments: an operator sees them, and says what those are that fit nothing."""

import payment_routes
from pancake_meter.deps.metering import metering_deps
from pancake_meter.http.resolver import http_handler

handler = http_handler(metering_deps(), payment_routes.router)
