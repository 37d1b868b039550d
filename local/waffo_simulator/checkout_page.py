"""The buyer's side over HTTP: GET shows a session's page, POST pays it."""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from local.waffo_simulator.checkout import Payer
from local.waffo_simulator.envelope import ApiError
from local.waffo_simulator.model import Session
from local.waffo_simulator.pages import checkout_page, message_page
from local.waffo_simulator.simulator import Simulator

FORM_LENGTH_MAX = 64 * 1024
HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


def checkout_endpoint(simulator: Simulator) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of /store/{slug}/checkout/{session_id} and of /change/."""

    async def endpoint(request: Request) -> Response:
        session = simulator.state.sessions.get(request.path_params["session_id"])
        if session is None or request.path_params["slug"] != simulator.config.store_slug:
            return _say(simulator, 404, "Not found", "There is no such checkout. Please start again from the shop.")
        is_marked = simulator.config.mode != "test" or request.query_params.get("test") == "true"
        if session.plan_change and not is_marked:
            return _say(simulator, 404, "Not found", "A plan change of test mode opens with ?test=true.")
        if request.method == "POST":
            return _pay(simulator, session, await request.body())
        if simulator.clock.now() >= session.expires_at:
            return _expired(simulator, session)
        again = request.query_params.get("again") == "1"
        if session.order_ids and not again:
            return _already_paid(simulator, session, 200)
        page = checkout_page(session, simulator.config.store_name, simulator.config.mode, again=again)
        return HTMLResponse(page, headers=HEADERS)

    return endpoint


def _pay(simulator: Simulator, session: Session, content: bytes) -> Response:
    form = parse_qs(content[:FORM_LENGTH_MAX].decode("utf-8", "replace"))
    token, email = form.get("token", [""])[0], form.get("email", [""])[0]
    if session.order_ids and form.get("again") != ["1"]:
        return _already_paid(simulator, session, 409)
    now = simulator.clock.now()
    buyer = simulator.tokens.read(token, now) if token else None
    if token and buyer is None:
        text = "This link was good for five minutes. Please go back to the shop and open the checkout again."
        return _say(simulator, 401, "Please sign in again", text)
    payer = Payer(identity=buyer.identity if buyer else None, email=email or None)
    try:
        simulator.checkout.pay(session, payer, now)
    except ApiError as error:
        if error.status == 410:  # noqa: PLR2004 - Gone: expired
            return _expired(simulator, session)
        return _say(simulator, error.status, "The payment did not go through", error.notice.message)
    if session.success_url:
        return RedirectResponse(session.success_url, 303, HEADERS)
    return _say(simulator, 200, "Thank you", "Your payment has arrived. You can close this page.")


def _expired(simulator: Simulator, session: Session) -> Response:
    text = "This checkout has expired. Nothing was charged. Please start again from the shop."
    return _say(simulator, 410, "Checkout expired", text, session.success_url)


def _already_paid(simulator: Simulator, session: Session, status: int) -> Response:
    text = "This checkout is already paid. Nothing more was charged."
    return _say(simulator, status, "Already paid", text, session.success_url)


def _say(simulator: Simulator, status: int, title: str, text: str, link: str | None = None) -> Response:
    page = message_page(title, text, simulator.config.store_name, simulator.config.mode, link)
    return HTMLResponse(page, status, HEADERS)
