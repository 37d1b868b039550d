"""Pages for people: what a customer sees who clicks a purchase link that cannot lead anywhere."""

from dataclasses import dataclass
from html import escape
from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>
body {{ font: 1.1rem/1.5 system-ui, sans-serif; margin: 15vh auto; max-width: 32rem; padding: 0 1.5rem; color: #222; }}
h1 {{ font-size: 1.5rem; }}
</style>
</head>
<body><main><h1>{title}</h1><p>{text}</p></main></body>
</html>
"""
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Page:
    """A page: a title and one paragraph, with the status that programs read."""

    status: HTTPStatus
    title: str
    text: str
    retry_after_seconds: int | None = None

    def response(self) -> Response[str]:
        """Return the HTTP answer."""
        headers: dict[str, str | list[str]] = {**_HEADERS}
        if self.retry_after_seconds is not None:
            headers["Retry-After"] = str(self.retry_after_seconds)
        body = _PAGE.format(title=escape(self.title), text=escape(self.text))
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
TRY_AGAIN = Page(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Please try again in a moment",
    "The payment page cannot be opened right now. Nothing has been charged.",
    retry_after_seconds=5,
)


def redirect(url: str) -> Response[str]:
    """Return a redirect to the payment page; it carries the customer's token, so nobody may keep it."""
    return Response(HTTPStatus.SEE_OTHER.value, "text/html; charset=utf-8", "", {**_HEADERS, "Location": url})
