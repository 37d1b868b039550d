"""Customers for the operator: who they are, and how one of them stands."""

import pancake_meter.cold_start  # noqa: F401 - stops the search for garbage

import customer_routes
from pancake_meter.deps.metering import metering_deps
from pancake_meter.http.resolver import http_handler

handler = http_handler(metering_deps(), customer_routes.router)
