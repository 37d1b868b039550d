"""Addresses that open pages signed in, for people at this machine.

This process alone has them: nothing of them is in the template, so no stack in AWS can have them. They work without
JavaScript. What they open lives as long as any other token or session: a bookmark of them makes a new one each time.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import quote

import httpx
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from pancake_meter.domain.access.customer_token import LIFE_MAX, SCOPES

PORTAL_PATH = "/_local/portal"
CONSOLE_PATH = "/_local/console"
ALERTS_PATH = "/_local/alerts"
"""Takes every alert that is sent to it: an endpoint for a stack that has no other."""

DEMO_CUSTOMER = "north-robotics"
"""Whose portal opens where no other customer is asked for. `make demo` gives them a month."""

_HOSTS = frozenset({"127.0.0.1", "localhost"})
Endpoint = Callable[[Request], Awaitable[Response]]


def signed_in_routes(client: httpx.AsyncClient, api: str, api_key: str, public_url: str) -> list[Route]:
    """Return the routes. `api` is where the stack's API answers, `public_url` where people open it."""

    async def portal(request: Request) -> Response:
        """Mint a token of a customer, and go to the portal with it."""
        customer = request.query_params.get("customer") or DEMO_CUSTOMER
        answer = await client.post(
            f"{api}/v1/customers/{quote(customer, safe='')}/tokens",
            headers={"Authorization": f"Bearer {api_key}"},
            json={"scopes": list(SCOPES), "lifetime_seconds": int(LIFE_MAX.total_seconds())},
        )
        if not answer.is_success:
            return PlainTextResponse(f"no token for this customer: {answer.text}", answer.status_code)
        return _go_to(f"/portal/enter/{answer.json()['token']}")

    async def console(_request: Request) -> Response:
        """Fill in the form that signs in, and go where it leads, with the cookies that it gives."""
        answer = await client.post(
            f"{api}/console/sign-in",
            headers={"Origin": public_url, "Sec-Fetch-Site": "same-origin"},
            data={"key": api_key},
        )
        if answer.status_code != HTTPStatus.SEE_OTHER:
            return PlainTextResponse("the console did not take the stack's own API key", HTTPStatus.BAD_GATEWAY)
        response = _go_to(answer.headers["Location"])
        response.raw_headers += [
            (b"set-cookie", cookie.encode("latin-1")) for cookie in answer.headers.get_list("set-cookie")
        ]
        return response

    async def alerts(_request: Request) -> Response:
        """Take an alert."""
        return Response(status_code=HTTPStatus.NO_CONTENT)

    return [
        Route(PORTAL_PATH, _of_this_machine(portal)),
        Route(CONSOLE_PATH, _of_this_machine(console)),
        Route(ALERTS_PATH, alerts, methods=["POST"]),
    ]


def _go_to(path: str) -> RedirectResponse:
    return RedirectResponse(path, HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})


def _of_this_machine(endpoint: Endpoint) -> Endpoint:
    """Refuse who calls this machine by another name: a page elsewhere could have its own name lead here."""

    async def checked(request: Request) -> Response:
        if request.url.hostname not in _HOSTS:
            return PlainTextResponse("open this by 127.0.0.1 or localhost", HTTPStatus.MISDIRECTED_REQUEST)
        return await endpoint(request)

    return checked
