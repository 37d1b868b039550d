"""Customer controls: what is given to one customer by hand, access that is cut off, and limits below the plan's."""

import pancake_meter.cold_start  # noqa: F401 - stops the search for garbage

import block_routes
import grant_routes
import limit_routes
from pancake_meter.deps.config import browser_origins
from pancake_meter.deps.metering import metering_deps
from pancake_meter.http.resolver import http_handler

handler = http_handler(
    metering_deps(), grant_routes.router, block_routes.router, limit_routes.router, browser_origins=browser_origins()
)
