"""Assets: what pages load, each under a name that changes with its content."""

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from pancake_meter.http.resolver import Router, tolerates_query
from pancake_pages.assets import answer_of
from pancake_pages.deps.customer_pages import CustomerPagesDeps

router = Router[CustomerPagesDeps]()


@router.get("/assets/<name>")
@tolerates_query
def get_asset(name: str) -> Response[bytes] | Response[str]:
    """Return an asset, to be kept for good; 404 where its content has changed since."""
    site = router.deps.site
    asset = site.assets.find(name)
    if asset is None:
        return site.view(router.current_event.raw_event).message("shared.not_found", HTTPStatus.NOT_FOUND)
    return answer_of(asset, router.current_event.headers.get("accept-encoding", ""))
