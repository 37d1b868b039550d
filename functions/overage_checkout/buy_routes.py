"""Purchase links, clicked by customers: the checkout is opened here and now, and the browser sent to it."""

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from aws_lambda_powertools.metrics import MetricUnit

from checkout_collaborators import CheckoutCollaborators
from pancake_meter.domain.errors import DomainError
from pancake_meter.http.selling import pages
from pancake_meter.store.errors import StoreError
from pancake_meter.usecases.selling.follow_link import follow_purchase_link
from pancake_meter.usecases.selling.purchase_link import ExpiredLink, InvalidLink, PurchaseLink, read_link
from pancake_meter.waffo.errors import InvalidRequest, WaffoApiError

router = APIGatewayHttpRouter()


@router.get("/buy/<token>")
def follow_link(token: str) -> Response[str]:
    """Redirect to the live payment page. Clicking again leads to the same one while it is open."""
    with_: CheckoutCollaborators = router.context["collaborators"]
    try:
        link = read_link(with_.link_secret(), token, with_.clock())
        router.context["metrics"].add_metric("PurchaseLinkFollowed", MetricUnit.Count, 1)
        return _open(with_, link)
    except InvalidLink:
        return pages.INVALID.response()
    except ExpiredLink:
        return pages.EXPIRED.response()
    except StoreError as error:
        router.context["logger"].warning("purchase link not opened", extra={"reason": repr(error)})
    except Exception:  # noqa: BLE001 - people get a page, whatever fails; the metric has the alarm
        router.context["logger"].exception("purchase link failed")
        router.context["metrics"].add_metric("PurchaseLinkFailed", MetricUnit.Count, 1)
    return pages.TRY_AGAIN.response()


def _open(with_: CheckoutCollaborators, link: PurchaseLink) -> Response[str]:
    try:
        opened = follow_purchase_link(with_.selling, link, with_.clock())
    except (DomainError, InvalidRequest) as error:
        router.context["logger"].info("nothing to sell behind a purchase link", extra={"reason": repr(error)})
        return pages.page_of_refusal(error).response(with_.selling.shop_url)
    except (StoreError, WaffoApiError) as error:
        router.context["logger"].warning("purchase link not opened", extra={"reason": repr(error)})
        return pages.TRY_AGAIN.response(with_.selling.shop_url)
    return pages.redirect(opened.url)
