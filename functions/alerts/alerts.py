"""Alerts for the operator: what has rung and for whom, the endpoints that it is sent to, and sending it again."""

import pancake_meter.cold_start  # noqa: F401 - stops the search for garbage

import alert_routes
import endpoint_routes
from pancake_meter.deps.alert_endpoints import alerts_deps
from pancake_meter.http.resolver import http_handler

handler = http_handler(alerts_deps(), alert_routes.router, endpoint_routes.router)
