"""Purchase links, clicked by customers: each click opens the checkout and sends the browser to it."""

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response

from pancake_meter import metrics
from pancake_meter.deps.checkout import CheckoutDeps
from pancake_meter.domain.errors import DomainError
from pancake_meter.http.resolver import Router, tolerates_query
from pancake_meter.http.selling import pages
from pancake_meter.store.errors import StoreError
from pancake_meter.usecases.selling.follow_link import follow_purchase_link
from pancake_meter.usecases.selling.purchase_link import ExpiredLink, InvalidLink, PurchaseLink, read_link
from pancake_meter.waffo.errors import InvalidRequest, WaffoApiError
from pancake_pages.deps.customer_pages import CustomerPagesDeps

logger = Logger()
router = Router[CustomerPagesDeps]()


@router.get("/buy/<token>")
@tolerates_query
def follow_link(token: str) -> Response[str]:
    """Redirect to the live payment page. Clicking again leads to the same one while it is open."""
    deps = router.deps.shop
    try:
        link = read_link(deps.link_secret(), token, deps.clock())
        metrics.add(metrics.PURCHASE_LINK_FOLLOWED)
        return _open(deps, link)
    except InvalidLink:
        return pages.INVALID.response()
    except ExpiredLink:
        return pages.EXPIRED.response()
    except StoreError as error:
        logger.warning("purchase link not opened", extra={"reason": repr(error)})
    except Exception:  # People get a page, whatever fails; the metric has the alarm
        logger.exception("purchase link failed")
        metrics.add(metrics.PURCHASE_LINK_FAILED)
    return pages.TRY_AGAIN.response()


def _open(deps: CheckoutDeps, link: PurchaseLink) -> Response[str]:
    try:
        opened = follow_purchase_link(deps.selling, link, deps.clock())
    except (DomainError, InvalidRequest) as error:
        logger.info("nothing to sell behind a purchase link", extra={"reason": repr(error)})
        return pages.page_of_refusal(error).response(deps.selling.shop_url)
    except (StoreError, WaffoApiError) as error:
        logger.warning("purchase link not opened", extra={"reason": repr(error)})
        return pages.TRY_AGAIN.response(deps.selling.shop_url)
    return pages.redirect(opened.url)
