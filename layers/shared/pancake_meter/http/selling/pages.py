"""Pages for people: what a customer sees who clicks a purchase link that cannot lead anywhere."""

from base64 import b64encode
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from html import escape
from http import HTTPStatus
from typing import Final

from aws_lambda_powertools.event_handler import Response

from pancake_meter.domain.errors import CustomerBlocked, DomainError, HighestPlan, PlanNotChangeable, TooManyGrants

_STYLE: Final = """
body { font: 1.1rem/1.5 system-ui, sans-serif; margin: 15vh auto; max-width: 32rem; padding: 0 1.5rem; color: #222; }
h1 { font-size: 1.5rem; }
a { color: #1d4ed8; }
"""
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>{style}</style>
</head>
<body><main><h1>{title}</h1><p>{text}</p>{back}</main></body>
</html>
"""
_STYLE_DIGEST: Final = b64encode(sha256(_STYLE.encode()).digest()).decode()
_POLICY: Final = (
    "default-src 'none'",
    f"style-src 'sha256-{_STYLE_DIGEST}'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
)
_HEADERS: Final = {
    # A link is a key to a customer's payment: nobody stores it, frames it, guesses its type, or passes it on.
    "Cache-Control": "no-store",
    "Content-Security-Policy": "; ".join(_POLICY),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    # For browsers that do not know frame-ancestors.
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}
"""Headers of every answer to a purchase link, redirects and failures among them."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page: a title and one paragraph, with the status that programs read."""

    status: HTTPStatus
    title: str
    text: str
    retry_after_seconds: int | None = None

    def response(self, back_url: str | None = None) -> Response[str]:
        """Return the HTTP answer; ``back_url`` is where the page leads back to."""
        headers: dict[str, str | list[str]] = {**_HEADERS}
        if self.retry_after_seconds is not None:
            headers["Retry-After"] = str(self.retry_after_seconds)
        back = f'<p><a href="{escape(back_url)}">Back to the shop</a></p>' if back_url else ""
        body = _PAGE.format(title=escape(self.title), text=escape(self.text), back=back, style=_STYLE)
        return Response(self.status.value, "text/html; charset=utf-8", body, headers)


INVALID = Page(
    HTTPStatus.NOT_FOUND,
    "This link does not work",
    "It may have been cut off on its way to you. Please open it again from where you got it.",
)
EXPIRED = Page(
    HTTPStatus.GONE,
    "This link has expired",
    "Please go back to the product and try again: you will get a new one.",
)
NOTHING_TO_PAY = Page(
    HTTPStatus.CONFLICT,
    "There is nothing to pay",
    "What this link was for has been settled, or is not for sale any more. You can close this page.",
)
HIGHEST_PLAN = Page(
    HTTPStatus.CONFLICT,
    "You already have the highest plan",
    "There is no plan above the one you have. Nothing has been charged, and your plan goes on as it is. If you need more,"
    " please go back to the product: more units may be for sale there.",
)
PAYMENT_OVERDUE = Page(
    HTTPStatus.CONFLICT,
    "A payment for your plan is overdue",
    "Your plan can be changed once its last payment has gone through. The payment provider tries again by itself, and has"
    " asked you by e-mail to check your payment method. Nothing has been charged now. Please open this link again then.",
)
HIGHEST_PLAN_OVERDUE = Page(
    HTTPStatus.CONFLICT,
    "You already have the highest plan",
    "There is no plan above the one you have. But its last payment is overdue: your plan ends if it does not go through."
    " The payment provider tries again by itself, and has asked you by e-mail to check your payment method. Nothing has been"
    " charged now.",
)
HIGHEST_PLAN_CANCELLED = Page(
    HTTPStatus.CONFLICT,
    "You have cancelled your plan",
    "It is the highest one, and it ends {when}. Nothing has been charged. To keep it, withdraw the cancellation before that,"
    " where you cancelled. Or come back when it has ended to buy a plan again.",
)
PLAN_CANCELLED = Page(
    HTTPStatus.CONFLICT,
    "You have cancelled your plan",
    "It ends {when}, and cannot be changed until then. Nothing has been charged. To change the plan now, first withdraw the"
    " cancellation, where you cancelled. Or come back when it has ended to buy a new one.",
)
NO_ROOM_FOR_A_PACK = Page(
    HTTPStatus.CONFLICT,
    "You have as many packs as your account can hold",
    "Nothing has been charged. Please use up one of your packs, or wait until one expires, and open this link again.",
)
ACCESS_CUT_OFF = Page(
    HTTPStatus.CONFLICT,
    "Your access is suspended",
    "Nothing has been charged: what this link sells could not be used now. Please write to whom you have the product from.",
)
TRY_AGAIN = Page(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Please try again in a moment",
    "The payment page cannot be opened right now. Nothing has been charged.",
    retry_after_seconds=5,
)


def page_of_refusal(error: Exception) -> Page:
    """Return the page that says why nothing is sold."""
    match error:
        case HighestPlan():
            return _by_standing(error, HIGHEST_PLAN, HIGHEST_PLAN_OVERDUE, HIGHEST_PLAN_CANCELLED)
        case PlanNotChangeable():
            return _by_standing(error, PLAN_CANCELLED, PAYMENT_OVERDUE, PLAN_CANCELLED)
        case TooManyGrants():
            return NO_ROOM_FOR_A_PACK
        case CustomerBlocked():
            return ACCESS_CUT_OFF
        case _:
            return NOTHING_TO_PAY


def _by_standing(error: DomainError, active: Page, overdue: Page, cancelled: Page) -> Page:
    """Return the page for the status of the customer's order. A page of a cancelled one says when it ends."""
    page = {"past_due": overdue, "canceling": cancelled}.get(str(error.details.get("order_status")), active)
    ends_at = error.details.get("ends_at")
    when = (
        f"on {datetime.fromisoformat(ends_at):%-d %B %Y, %H:%M} UTC"
        if isinstance(ends_at, str)
        else "with its paid period"
    )
    return replace(page, text=page.text.replace("{when}", when))


def redirect(url: str) -> Response[str]:
    """Return a redirect to the payment page; it carries the customer's token, so nobody may keep it."""
    return Response(HTTPStatus.SEE_OTHER.value, "text/html; charset=utf-8", "", {**_HEADERS, "Location": url})
