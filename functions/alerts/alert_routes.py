"""Alerts for the operator: what has rung."""

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.domain.errors import AlertNotFound
from pancake_meter.http.alerts.alerts import AlertsQuery, alert_body, alert_page, read_place
from pancake_meter.http.request import answer
from pancake_meter.http.resolver import Router
from pancake_meter.store.alerts.alerts import list_alerts, read_alert

router = Router[MeteringDeps]()


@router.get("/v1/alerts")
def get_alerts(query: AlertsQuery) -> Response[str]:
    """Alerts, newest first; all, of a customer, of a type, or of both."""
    pages = query.pages()
    alerts, following = list_alerts(
        router.deps.metering.table,
        customer_id=query.customer_id,
        kind=query.type,
        limit=query.limit,
        after=pages.place(query.cursor, read_place),
    )
    return answer(HTTPStatus.OK, alert_page(alerts, following, pages))


@router.get("/v1/alerts/<alert_id>")
def get_alert(alert_id: str) -> Response[str]:
    """One alert: two reads."""
    alert = read_alert(router.deps.metering.table, alert_id)
    if alert is None:
        raise AlertNotFound("no alert has that id")
    return answer(HTTPStatus.OK, alert_body(alert))
