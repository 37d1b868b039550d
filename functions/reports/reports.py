"""Reports for the seller: what was sold, to whom, and how usage grows, by calendar month."""

import pancake_meter.cold_start  # noqa: F401 - stops the search for garbage

import live_routes
import report_routes
from pancake_meter.deps.metering import metering_deps
from pancake_meter.http.resolver import http_handler

handler = http_handler(metering_deps(), report_routes.router, live_routes.router)
