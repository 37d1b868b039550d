"""Webhook deliveries: an operator sees them, and decides about those that could not be applied."""

import pancake_meter.cold_start  # noqa: F401 - stops the search for garbage

import delivery_routes
from pancake_meter.deps.metering import metering_deps
from pancake_meter.http.resolver import http_handler

handler = http_handler(metering_deps(), delivery_routes.router)
