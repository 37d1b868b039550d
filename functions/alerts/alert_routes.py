"""Alerts for the operator: what has rung, what became of it, and sending it again."""

from http import HTTPStatus

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response

from pancake_meter.deps.alert_endpoints import AlertsDeps
from pancake_meter.domain.alerts.alert import Alert
from pancake_meter.domain.errors import AlertNotFound
from pancake_meter.http.alerts.alerts import AlertsQuery, alert_page, read_place
from pancake_meter.http.alerts.endpoints import ReplayAlertRequest, replayed_body, sent_alert_body
from pancake_meter.http.request import answer, optional_body
from pancake_meter.http.resolver import Router, takes_body
from pancake_meter.store.alerts.alerts import list_alerts, read_alert
from pancake_meter.store.alerts.sendings import list_sendings
from pancake_meter.usecases.alerts.replay import replay_alert

logger = Logger()
router = Router[AlertsDeps]()


@router.get("/v1/alerts")
def get_alerts(query: AlertsQuery) -> Response[str]:
    """Alerts, newest first; all, of a customer, of a type, or of both."""
    pages = query.pages()
    alerts, following = list_alerts(
        router.deps.table,
        customer_id=query.customer_id,
        kind=query.type,
        limit=query.limit,
        after=pages.place(query.cursor, read_place),
    )
    return answer(HTTPStatus.OK, alert_page(alerts, following, pages, may_sell=router.may_sell))


@router.get("/v1/alerts/<alert_id>")
def get_alert(alert_id: str) -> Response[str]:
    """One alert, and what became of it at each endpoint: two reads and a query."""
    alert = _known(alert_id)
    return answer(
        HTTPStatus.OK, sent_alert_body(alert, list_sendings(router.deps.table, alert_id), may_sell=router.may_sell)
    )


@router.post("/v1/alerts/<alert_id>/replay")
@takes_body
def post_replay(alert_id: str) -> Response[str]:
    """Send an alert again, under the same webhook-id. A body is not needed."""
    request = ReplayAlertRequest.model_validate(optional_body(router))
    deps, alert = router.deps, _known(alert_id)
    sendings = replay_alert(deps.table, deps.queue, alert, request.endpoint_id, deps.clock(), by=router.key_name)
    logger.info("alert replayed", alert_id=alert_id, endpoints=len(sendings))
    return answer(HTTPStatus.ACCEPTED, replayed_body(alert, sendings))


def _known(alert_id: str) -> Alert:
    alert = read_alert(router.deps.table, alert_id)
    if alert is None:
        raise AlertNotFound("no alert has that id")
    return alert
