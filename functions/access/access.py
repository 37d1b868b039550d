"""Access: API keys are made, listed, rotated and revoked, and a caller asks what its own key may do."""

import key_routes
from pancake_meter.deps.access import access_deps
from pancake_meter.http.resolver import http_handler

handler = http_handler(access_deps(), key_routes.router)
