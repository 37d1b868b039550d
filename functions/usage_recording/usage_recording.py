"""Usage recording: every event counted exactly once."""

import pancake_meter.cold_start  # noqa: F401 - stops the search for garbage

import event_routes
import parked_routes
import source_routes
from pancake_meter.deps.metering import metering_deps
from pancake_meter.http.resolver import http_handler

handler = http_handler(metering_deps(), event_routes.router, source_routes.router, parked_routes.router)
