"""Every route, described by the room that it is of; the room is its tag."""

from collections.abc import Mapping
from typing import Final

from tools.openapi.described import Described
from tools.openapi.rooms import access, alerts, balance, reconciliation, reports, selling, standing, usage, webhooks

ROOMS: Final[Mapping[str, Mapping[str, Described]]] = {
    "balance": balance.ROUTES,
    "usage": usage.ROUTES,
    "selling": selling.ROUTES,
    "webhooks": webhooks.ROUTES,
    "reconciliation": reconciliation.ROUTES,
    "reports": reports.ROUTES,
    "standing": standing.ROUTES,
    "alerts": alerts.ROUTES,
    "access": access.ROUTES,
}

DESCRIBED: Final[Mapping[str, Described]] = {key: route for room in ROOMS.values() for key, route in room.items()}
