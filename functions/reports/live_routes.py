"""Routes of the live figures: what the table's stream has told so far."""

from aws_lambda_powertools.event_handler import Response

from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.domain.instant import month_of
from pancake_meter.http.csv import answer_report
from pancake_meter.http.reports.live import (
    LIVE_COLUMNS,
    SUBSCRIPTION_COLUMNS,
    LiveQuery,
    live_body,
    live_rows,
    subscription_rows,
    subscriptions_body,
)
from pancake_meter.http.reports.reports import SubscriptionsQuery
from pancake_meter.http.resolver import Router
from pancake_meter.usecases.reports.live_figures import read_live, read_subscriptions

router = Router[MeteringDeps]()


@router.get("/v1/reports/live")
def get_live(query: LiveQuery) -> Response[str]:
    """Usage of today and of the open periods over all customers, by meter, plan and day, and active customers."""
    metering = router.deps.metering
    if query.meter is not None:
        metering.check_meter(query.meter)
    meters = sorted(metering.catalog.meters) if query.meter is None else [query.meter]
    body = live_body(read_live(metering.table, meters, router.deps.clock().date(), query.days))
    return answer_report(router, body, LIVE_COLUMNS, live_rows(body))


@router.get("/v1/reports/subscriptions")
def get_subscriptions(query: SubscriptionsQuery) -> Response[str]:
    """Subscriptions as they stand by plan, new and lost ones by month, and what they come to a month by currency."""
    deps = router.deps
    body = subscriptions_body(read_subscriptions(deps.metering.table, query.names(month_of(deps.clock()))))
    return answer_report(router, body, SUBSCRIPTION_COLUMNS, subscription_rows(body))
