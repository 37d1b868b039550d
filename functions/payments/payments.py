"""Payments: an operator sees them, and says what those are that fit nothing."""

import pancake_meter.cold_start  # noqa: F401 - stops the search for garbage

import payment_routes
from pancake_meter.deps.metering import metering_deps
from pancake_meter.http.resolver import http_handler

handler = http_handler(metering_deps(), payment_routes.router)
