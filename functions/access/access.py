"""Access: API keys are made, listed, rotated and revoked; customer tokens are made; a browser's preflight is answered."""

import pancake_meter.cold_start  # noqa: F401 - stops the search for garbage

import key_routes
import token_routes
from pancake_meter.deps.access import access_deps
from pancake_meter.deps.config import browser_origins
from pancake_meter.http.resolver import http_handler

handler = http_handler(access_deps(), key_routes.router, token_routes.router, browser_origins=browser_origins())
