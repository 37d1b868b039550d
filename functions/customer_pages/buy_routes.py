"""Purchase links, opened by customers: the page that says what is sold, the way to pay for it, and what it has brought."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response

from pancake_meter import metrics
from pancake_meter.domain.errors import CheckoutNotFound, DomainError
from pancake_meter.http.request import base_url
from pancake_meter.http.resolver import Router, takes_body, tolerates_query
from pancake_meter.store.errors import StoreError
from pancake_meter.usecases.selling.follow_link import (
    LinkOfferChanged,
    PaidSince,
    follow_purchase_link,
    see_purchase_link,
)
from pancake_meter.usecases.selling.landing import landing_page, offer_again
from pancake_meter.usecases.selling.open_checkout import Visit
from pancake_meter.usecases.selling.purchase_link import (
    ExpiredLink,
    InvalidLink,
    paid_token,
    read_link,
    read_paid_token,
)
from pancake_meter.usecases.selling.see_payment import see_payment
from pancake_meter.waffo.errors import InvalidRequest, WaffoApiError
from pancake_pages.buying import RETRY_AFTER, Buying, looks_of, paid_until_of
from pancake_pages.deps.customer_pages import CustomerPagesDeps
from pancake_pages.forms import read_form

logger = Logger()
router = Router[CustomerPagesDeps]()

_LOOKS_AGAIN: Final = "10"
"""Seconds."""


@router.get("/buy/<token>")
@tolerates_query
def show_offer(token: str) -> Response[str]:
    """Show what a link sells. It changes nothing: mail scanners and previews open links too."""
    shop = router.deps.shop

    def page(buying: Buying) -> Response[str]:
        now = shop.clock()
        link = read_link(shop.link_secret(), token, now)
        metrics.add(metrics.PURCHASE_LINK_FOLLOWED)
        return buying.offer(link.customer_id, see_purchase_link(shop.selling, link, now), now)

    return _answer(page, shop.selling.shop_url)


@router.post("/buy/<token>")
@takes_body
@tolerates_query
def go_to_payment(token: str) -> Response[str]:
    """Redirect to the live payment page of what was shown. Pressing again leads to the same one while it is open."""
    shop = router.deps.shop
    form = read_form(router)

    def page(buying: Buying) -> Response[str]:
        now = shop.clock()
        link = read_link(shop.link_secret(), token, now)
        landing = landing_page(shop.selling, shop.link_secret(), _base_url())
        visit = Visit(form.get("seen"), landing, paid_until_of(form))
        try:
            opened = follow_purchase_link(shop.selling, link, visit, now)
        except LinkOfferChanged as changed:
            return buying.offer(link.customer_id, changed.offer, now, is_changed=True)
        except PaidSince as since:
            return buying.view.redirect(f"/buy/{paid_token(shop.link_secret(), since.checkout.id)}/paid")
        if opened.is_new:
            metrics.add(metrics.CHECKOUT_OPENED)
        return buying.view.redirect(opened.url)

    return _answer(page, shop.selling.shop_url)


@router.get("/buy/<token>/paid")
@tolerates_query
def show_payment(token: str) -> Response[str]:
    """Show what a payment has brought, or that it is waited for."""
    shop = router.deps.shop

    def page(buying: Buying) -> Response[str]:
        now, secrets = shop.clock(), shop.link_secret()
        seen = see_payment(shop.selling, read_paid_token(secrets, token), now)
        again = offer_again(secrets, _base_url(), seen.checkout, now)
        return buying.payment(seen, f"/buy/{token}/paid", looks_of(buying.view), again)

    # Where there is no page now, the browser looks again by itself: the customer has paid, and waits.
    return _answer(page, shop.selling.success_url or shop.selling.shop_url, {**RETRY_AFTER, "Refresh": _LOOKS_AGAIN})


def _base_url() -> str:
    return router.deps.shop.public_base_url or base_url(router)


def _answer(
    page: Callable[[Buying], Response[str]], back_url: str | None, retry: Mapping[str, str] = RETRY_AFTER
) -> Response[str]:
    """Return a page, or the page that says why there is none."""
    deps = router.deps
    buying = Buying.of(deps.site.view(router.current_event.raw_event), deps.shop.selling.catalog, back_url)
    try:
        return page(buying)
    except InvalidLink:
        return buying.message("invalid", HTTPStatus.NOT_FOUND)
    except (ExpiredLink, CheckoutNotFound):
        return buying.message("expired", HTTPStatus.GONE)
    except (DomainError, InvalidRequest) as error:
        logger.info("nothing to sell behind a purchase link", extra={"reason": repr(error)})
        return buying.refusal(error)
    except (StoreError, WaffoApiError) as error:
        logger.warning("purchase link not opened", extra={"reason": repr(error)})
    except Exception:  # People get a page, whatever fails; the metric has the alarm
        logger.exception("purchase link failed")
        metrics.add(metrics.PURCHASE_LINK_FAILED)
    return buying.message("closed", HTTPStatus.SERVICE_UNAVAILABLE, retry)
