"""Alerts on the wire: what has rung, as its receivers get it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import Field
from typing_extensions import TypedDict

from pancake_meter.domain.alerts.alert import ALERT_ID_PATTERN, Alert, AlertType, is_alert_id
from pancake_meter.domain.alerts.payload import identified_payload
from pancake_meter.domain.customer import is_customer_id
from pancake_meter.domain.instant import parse_instant, timestamp
from pancake_meter.http.cursors import PageQuery, Pages
from pancake_meter.http.fields import COUNT, QueryCustomerId, Timestamp
from pancake_meter.store.alerts.alerts import Place

ALERTS_PAGE_MAX: Final = 50

_LINKS: Final = frozenset({"purchase_url", "upgrade_url"})

AlertId = Annotated[str, Field(pattern=ALERT_ID_PATTERN)]


class AlertsQuery(PageQuery):
    """Query of ``GET /v1/alerts``: of all, of a customer, of a type, or of both."""

    customer_id: QueryCustomerId | None = None
    type: AlertType | None = None
    limit: Annotated[int, Field(ge=1, le=ALERTS_PAGE_MAX), COUNT] = ALERTS_PAGE_MAX


class AlertBody(TypedDict):
    """One alert, as receivers get it. ``id`` is the ``webhook-id`` of each attempt to send it.

    ``data`` has ``schema_version``, ``customer_id`` and ``meter`` (null where it is about none), and what the schema of its
    type says. Links that buy are there for whoever may sell.
    """

    id: AlertId
    type: AlertType
    timestamp: Timestamp
    data: Mapping[str, Any]


class AlertPage(TypedDict):
    """A page of alerts, newest first; ``next_cursor`` goes on from it, and is null at the end."""

    alerts: list[AlertBody]
    next_cursor: str | None


def alert_body(alert: Alert, *, may_sell: bool) -> AlertBody:
    """Return one alert. A link buys for whoever has it, so one who may not sell is shown none."""
    told = identified_payload(alert)
    data = {name: value for name, value in told["data"].items() if may_sell or name not in _LINKS}
    return {"id": told["id"], "type": told["type"], "timestamp": told["timestamp"], "data": data}


def alert_page(alerts: Sequence[Alert], following: Place | None, pages: Pages, *, may_sell: bool) -> AlertPage:
    """Return a page of alerts."""
    place = None
    if following is not None:
        customer_id, at, alert_id = following
        place = (customer_id or "", timestamp(at), alert_id)
    return {"alerts": [alert_body(alert, may_sell=may_sell) for alert in alerts], "next_cursor": pages.cursor(place)}


def read_place(customer_id: str, at: str, alert_id: str) -> tuple[str | None, datetime, str]:
    """Return where a page starts. Raises ``ValueError`` for what is no such place."""
    if (customer_id and not is_customer_id(customer_id)) or not is_alert_id(alert_id):
        raise ValueError("no place in a list of alerts")
    return customer_id or None, parse_instant(at), alert_id
