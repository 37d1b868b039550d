"""Quota check: whether a customer may spend, the holds that make sure of it, and the usage that came of them."""

import pancake_meter.cold_start  # noqa: F401 - stops the search for garbage

import hold_routes
import quota_routes
import readback_routes
from pancake_meter.deps.config import browser_origins
from pancake_meter.deps.quota import quota_deps
from pancake_meter.http.resolver import http_handler

handler = http_handler(
    quota_deps(), quota_routes.router, hold_routes.router, readback_routes.router, browser_origins=browser_origins()
)
