"""Alerts: what has rung and for whom, what became of it, and sending it again."""

import json
from collections.abc import Mapping
from typing import Any, Final

from aws_lambda_powertools.event_handler import Response

from pancake_meter.domain.alerts.alert import ALERT_TYPES, Alert
from pancake_meter.domain.errors import AlertNotFound
from pancake_meter.http.alerts.alerts import AlertsQuery, alert_page, read_place
from pancake_meter.http.alerts.endpoints import ReplayAlertRequest, endpoint_list, sent_alert_body
from pancake_meter.http.json import dumps
from pancake_meter.http.resolver import tolerates_query
from pancake_meter.store.alerts.alerts import list_alerts, read_alert
from pancake_meter.store.alerts.endpoints import list_endpoints
from pancake_meter.store.alerts.sendings import list_sendings
from pancake_meter.usecases.alerts.replay import replay_alert
from pancake_pages.console.desk import ConsoleRouter, Desk, Done, Form, address

router = ConsoleRouter()

_PAGE: Final = 25


@router.get("/console/alerts")
@tolerates_query
def get_alerts() -> Response[str]:
    """Alerts, newest first, with the endpoints that they are sent to."""
    desk = router.desk("GET /v1/alerts")
    query = desk.query(AlertsQuery, limit=str(_PAGE))
    pages = query.pages()
    alerts, following = list_alerts(
        desk.deps.table,
        customer_id=query.customer_id,
        kind=query.type,
        limit=query.limit,
        after=pages.place(query.cursor, read_place),
    )
    endpoints = endpoint_list(list_endpoints(desk.deps.table), desk.now)["endpoints"]
    page = alert_page(alerts, following, pages, may_sell=_may_sell(desk))
    return desk.page("console/alerts.html", "alerts", page=page, query=query, types=ALERT_TYPES, endpoints=endpoints)


@router.get("/console/alerts/<alert_id>")
@tolerates_query
def get_alert(alert_id: str) -> Response[str]:
    """One alert, and what became of it at each endpoint."""
    desk = router.desk("GET /v1/alerts/{alert_id}")
    alert = _known(desk, alert_id)
    sent = sent_alert_body(alert, list_sendings(desk.deps.table, alert_id), may_sell=_may_sell(desk))
    urls = {each.id: each.url for each in list_endpoints(desk.deps.table)}
    return desk.page("console/alert.html", "alerts", alert=sent, urls=urls, data=_indented(sent["data"]))


@router.action("/console/alerts/<alert_id>/replay", "POST /v1/alerts/{alert_id}/replay")
def post_replay(form: Form, alert_id: str) -> Done:
    """Send an alert again, to one endpoint or to each that takes its type."""
    desk, request = form.desk, form.read(ReplayAlertRequest, "endpoint_id")
    deps = desk.deps
    alert, by = _known(desk, alert_id), desk.operator.name
    replay_alert(deps.table, deps.alerts.queue, alert, request.endpoint_id, desk.now, by=by)
    return Done(address("alerts", alert_id), "sent_again")


def _known(desk: Desk, alert_id: str) -> Alert:
    alert = read_alert(desk.deps.table, alert_id)
    if alert is None:
        raise AlertNotFound("no alert has that id")
    return alert


def _may_sell(desk: Desk) -> bool:
    return desk.may("POST /v1/customers/{customer_id}/checkouts")


def _indented(data: Mapping[str, Any]) -> str:
    return json.dumps(json.loads(dumps(data)), indent=2, ensure_ascii=False)
