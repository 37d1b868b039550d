"""Alerts for the operator: what has rung, and for whom."""

import alert_routes
from pancake_meter.deps.metering import metering_deps
from pancake_meter.http.resolver import http_handler

handler = http_handler(metering_deps(), alert_routes.router)
