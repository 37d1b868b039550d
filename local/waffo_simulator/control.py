"""The control API under /_sim/: unsigned JSON, for tests and for people at this machine.

Answers are 2xx with JSON, or `{"error": text}`. What takes `at` happens at that business time instead of now.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import fields, replace
from datetime import datetime, timedelta
from decimal import Decimal

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from local.waffo_simulator.body import Body, parse
from local.waffo_simulator.checkout import DEFAULT_EMAIL, Payer
from local.waffo_simulator.clock import wire
from local.waffo_simulator.config import Product
from local.waffo_simulator.envelope import ApiError, Json
from local.waffo_simulator.faults import Faults
from local.waffo_simulator.model import EVENT_TYPES, Settings
from local.waffo_simulator.money import Tax, taxed
from local.waffo_simulator.product_actions import TRIAL_DAYS_MAX
from local.waffo_simulator.sessions import EXTERNAL_ID_LENGTH_MAX
from local.waffo_simulator.simulator import Simulator
from local.waffo_simulator.subscriptions import GRACE, STEPS_MAX, Purchase
from local.waffo_simulator.views import (
    delivery_view,
    faults_view,
    order_view,
    refund_view,
    session_view,
    settings_view,
    state_view,
)

COUNT_MAX = 10_000
SECONDS_MAX = 100 * 366 * 24 * 3600
ARRIVE_SECONDS_MAX = 10.0
"""How long the clock waits on its way for the webhooks of one end of a period."""


async def state(simulator: Simulator, _body: Body, _path: Mapping[str, str]) -> Json:
    """GET: everything."""
    return state_view(simulator)


async def public_key(simulator: Simulator, _body: Body, _path: Mapping[str, str]) -> Json:
    """GET: what verifies the webhooks."""
    return {"mode": simulator.config.mode, "public_key": simulator.public_key_pem}


async def deliveries(simulator: Simulator, _body: Body, _path: Mapping[str, str]) -> Json:
    """GET: every delivery, oldest first, with what was sent."""
    return {"deliveries": [delivery_view(delivery) for delivery in simulator.state.deliveries.values()]}


async def clock(simulator: Simulator, body: Body, _path: Mapping[str, str]) -> Json:
    """Move to `now` or by `advance_seconds` (neither: stay), and renew or end all that is due by then, in order.

    `stopped`: stand still there until the clock is moved again, so that every time is known beforehand. Who follows the
    clock lives through each end of a period on its way: its webhooks come before the clock goes on.
    """
    target, seconds = body.instant("now"), body.number("advance_seconds", 0, SECONDS_MAX)
    now = (target or simulator.clock.now()) + timedelta(seconds=seconds or 0)
    steps = await _pass_time(simulator, now)
    simulator.clock.set(now, stopped=body.boolean("stopped") or False, told=not simulator.deliverer.holds_back)
    return {"now": wire(now), "steps": steps}


async def _pass_time(simulator: Simulator, now: datetime) -> int:
    if not simulator.clock.is_followed:
        return simulator.subscriptions.run_until(now)
    for steps in range(STEPS_MAX):
        end = simulator.subscriptions.next_end(now)
        if end is None:
            return steps
        simulator.clock.set(max(end, simulator.clock.now()), told=not simulator.deliverer.holds_back)
        simulator.subscriptions.end_next(now)
        await simulator.deliverer.arrive(ARRIVE_SECONDS_MAX)
    raise ApiError(400, f"more than {STEPS_MAX} periods end by then", "order")


async def add_subscription(simulator: Simulator, body: Body, _path: Mapping[str, str]) -> Json:
    """A subscription without a checkout: `product` (id or name), `buyer_identity`, `start`, and so on.

    It starts with its product's trial as by a checkout; `with_trial`: forced (true), or without (false).
    """
    at = body.instant("start") or simulator.clock.now()
    purchase = Purchase(
        **_product_and_price(simulator, body, "subscription", body.text("currency") or "USD"),
        buyer_identity=body.text("buyer_identity"),
        buyer_email=body.text("buyer_email") or DEFAULT_EMAIL,
        external_id=body.text("external_id", EXTERNAL_ID_LENGTH_MAX),
        metadata=body.text_map("metadata"),
    )
    trial = simulator.subscriptions.trial_of(purchase, body.boolean("with_trial"))
    return order_view(simulator.subscriptions.start(replace(purchase, trial=trial), at))


async def trial(simulator: Simulator, body: Body, _path: Mapping[str, str]) -> Json:
    """Give `product` (id or name) a trial of `days`, for `amounts` by currency (default: free); without days, end it."""
    product = _product(simulator, body.required("product"), "subscription")
    stated = body.nested("amounts")
    prices = {currency: stated.amount(currency, currency) or Decimal(0) for currency in stated.values} if stated else {}
    for currency, amount in prices.items():
        if currency not in product.prices or amount >= product.prices[currency]:
            raise body.refuse(f"a trial of {product.name} costs less than its price in {currency}")
    days = body.integer("days", 1, TRIAL_DAYS_MAX)
    simulator.state.products[product.id] = replace(product, trial_days=days, trial_prices=prices)
    return {"product_id": product.id, "days": days, "amounts": {name: str(amount) for name, amount in prices.items()}}


async def renew(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Json:
    """The next period, now; `period_start` and `period_end` make it an odd one."""
    start, end = body.instant("period_start"), body.instant("period_end")
    if (start is None) != (end is None):
        raise body.refuse("period_start and period_end go together")
    order = simulator.subscriptions.find(path["order_id"])
    simulator.subscriptions.renew(order, _at(simulator, body), (start, end) if start and end else None)
    return order_view(order)


async def cancel(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Json:
    """End with the period, or `immediately`."""
    order = simulator.subscriptions.find(path["order_id"])
    simulator.subscriptions.cancel(
        order, _at(simulator, body), immediately=body.boolean("immediately") or order.status == "canceling"
    )
    return order_view(order)


async def uncancel(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Json:
    """Withdraw the cancellation."""
    order = simulator.subscriptions.find(path["order_id"])
    simulator.subscriptions.uncancel(order, _at(simulator, body))
    return order_view(order)


async def past_due(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Json:
    """The renewal's charge fails. `period`: "grace" (the new one, cut to `grace_days`) or "unchanged"."""
    days = body.number("grace_days", 0, 365)
    grace = None if body.choice("period", ("grace", "unchanged")) == "unchanged" else GRACE
    if grace and days is not None:
        grace = timedelta(days=days)
    order = simulator.subscriptions.find(path["order_id"])
    simulator.subscriptions.fail_renewal(order, _at(simulator, body), grace)
    return order_view(order)


async def recover(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Json:
    """The retried charge succeeds."""
    order = simulator.subscriptions.find(path["order_id"])
    simulator.subscriptions.recover(order, _at(simulator, body))
    return order_view(order)


async def plan_change(simulator: Simulator, body: Body, _path: Mapping[str, str]) -> Json:
    """Move `order_id` to `product`, `timing` "immediate" or "next_period"; or `fail`. Answers the order in force."""
    order = simulator.subscriptions.find(body.required("order_id"))
    at = _at(simulator, body)
    if body.boolean("fail"):
        simulator.subscriptions.fail_change(order, at)
        return order_view(order)
    purchase = Purchase(
        **_product_and_price(simulator, body, "subscription", order.price.currency),
        buyer_identity=order.buyer_identity,
        buyer_email=order.buyer_email,
        billing_detail=order.billing_detail,
        external_id=body.text("external_id", EXTERNAL_ID_LENGTH_MAX) or order.external_id,
        metadata=body.text_map("metadata") or order.metadata,
    )
    if body.choice("timing", ("immediate", "next_period")) == "next_period":
        simulator.subscriptions.schedule_change(order, purchase, at)
        return order_view(order)
    return order_view(simulator.subscriptions.change_now(order, purchase, at, purchase.price.total))


async def pay(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Json:
    """Pay a session as `token` says, else as `buyer_identity`. `again`: a second order. See `Payer` for the rest."""
    session = simulator.state.sessions.get(path["session_id"])
    if session is None:
        raise ApiError(404, "No such session", "sim")
    if session.order_ids and not body.boolean("again"):
        raise ApiError(409, "The session is already paid", "sim")
    token = body.text("token")
    buyer = simulator.tokens.read(token, simulator.clock.now()) if token else None
    if token and buyer is None:
        raise ApiError(401, "The token is not valid", "sim")
    payer = Payer(
        identity=buyer.identity if buyer else body.text("buyer_identity"),
        email=body.text("buyer_email"),
        rebuilt=body.boolean("rebuilt") or False,
        charged=body.amount("charged", session.price.currency),
    )
    return {
        **order_view(simulator.checkout.pay(session, payer, _at(simulator, body))),
        "session": session_view(session),
    }


async def refund(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Json:
    """Give back `amount` (default: what is left) of a payment; or `fail` to."""
    payment = simulator.state.payments.get(path["payment_id"])
    if payment is None:
        raise ApiError(404, "No such payment", "sim")
    made = simulator.checkout.refund(
        payment,
        body.amount("amount", payment.price.currency),
        _at(simulator, body),
        reason=body.text("reason") or "requested_by_customer",
        external_id=body.text("external_id", EXTERNAL_ID_LENGTH_MAX),
        fail=body.boolean("fail") or False,
    )
    return refund_view(made)


async def finish_ticket(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Json:
    """Give the money of a refund ticket back, or `fail` to."""
    ticket = simulator.state.tickets.get(path["ticket_id"])
    if ticket is None:
        raise ApiError(404, "No such refund ticket", "sim")
    fail = body.boolean("fail") or False
    return refund_view(simulator.checkout.finish_ticket(ticket, _at(simulator, body), fail=fail))


async def faults(simulator: Simulator, body: Body, _path: Mapping[str, str]) -> Json:
    """Replace all faults; `{}` ends them. `shuffle`: how many to hold back, or true: all until /_sim/flush."""
    shuffle = -1 if body.raw("shuffle") is True else body.raw("shuffle") and body.integer("shuffle", 1, COUNT_MAX)
    drop = body.raw("drop")
    chance = body.number("drop", 0, 1) if isinstance(drop, float) else None
    simulator.deliverer.faults = Faults(
        duplicate=body.integer("duplicate", 0, 20) or 0,
        shuffle=shuffle or 0,
        delay_seconds=body.number("delay_seconds", 0, 3600) or 0,
        drop=0 if chance is not None else body.integer("drop", 0, COUNT_MAX) or 0,
        drop_probability=chance or body.number("drop_probability", 0, 1) or 0,
        create_session_timeout_after_commit=body.integer("create_session_timeout_after_commit", 0, COUNT_MAX) or 0,
        action_timeout_after_commit=body.integer("action_timeout_after_commit", 0, COUNT_MAX) or 0,
        hold_seconds=30 if (hold := body.number("hold_seconds", 0, 600)) is None else hold,
        api_failures=body.integer("api_failures", 0, COUNT_MAX) or 0,
        api_delay_seconds=body.number("api_delay_seconds", 0, 600) or 0,
        graphql_lags=body.boolean("graphql_lags") or False,
        seed=body.integer("seed", 0, 2**63) or 0,
    )
    simulator.hold_graphql(hold=simulator.deliverer.faults.graphql_lags)
    return faults_view(simulator.deliverer.faults)


async def flush(simulator: Simulator, _body: Body, _path: Mapping[str, str]) -> Json:
    """Deliver all that is held back or waiting, now; answers when nothing is under way any more."""
    await simulator.deliverer.flush()
    counts = dict.fromkeys(("pending", "success", "failed"), 0)
    for delivery in simulator.state.deliveries.values():
        counts[delivery.status] += 1
    return counts


async def resend(simulator: Simulator, _body: Body, path: Mapping[str, str]) -> Json:
    """Send a delivery again, byte for byte."""
    delivery = simulator.state.deliveries.get(path["delivery_id"])
    if delivery is None:
        raise ApiError(404, "No such delivery", "sim")
    simulator.deliverer.resend(delivery)
    return delivery_view(delivery)


async def events(simulator: Simulator, body: Body, _path: Mapping[str, str]) -> Json:
    """Sign and send `event`, a whole envelope, as it is."""
    event = body.nested("event")
    if event is None:
        raise body.refuse("Missing required field: event")
    return {"deliveries": [delivery_view(delivery) for delivery in simulator.notifier.raw(event.values)]}


async def webhooks(simulator: Simulator, body: Body, _path: Mapping[str, str]) -> Json:
    """One more webhook at `url`, http too, for `events` (default: all)."""
    url = body.required("url")
    if not url.startswith(("http://", "https://")):
        raise body.refuse("Invalid url: expected a URL")
    webhook = simulator.add_webhook(url, body.texts("events", EVENT_TYPES) or EVENT_TYPES)
    return {"id": webhook.id, "url": webhook.url, "events": list(webhook.events)}


async def settings(simulator: Simulator, body: Body, _path: Mapping[str, str]) -> Json:
    """Change how things are written; what is not named stays. Values: see `Settings`."""
    now = simulator.state.settings
    rate = body.number("tax_rate_percent", 0, 100)
    charged, self_service = body.boolean("charged_amount"), body.boolean("self_service_plan_change")
    inside = body.boolean("tax_inside")
    payment_id, number = body.boolean("refund_payment_id"), body.integer("trial_number", 0, 1)
    changed = replace(
        now,
        tax=Tax(
            now.tax.rate_percent if rate is None else Decimal(str(rate)),
            body.text("tax_name") or now.tax.name,
            now.tax.is_inside if inside is None else inside,
        ),
        refund_tickets=body.choice("refund_tickets", ("at_once", "held")) or now.refund_tickets,
        period_bounds=body.choice("period_bounds", ("instant", "date")) or now.period_bounds,
        event_ids=body.choice("event_ids", ("uuid", "order_id")) or now.event_ids,
        charged_amount=now.charged_amount if charged is None else charged,
        refund_payment_id=now.refund_payment_id if payment_id is None else payment_id,
        plan_change=body.choice("plan_change", ("new_order", "same_order")) or now.plan_change,
        trial_number=now.trial_number if number is None else number,
        trial_status=body.choice("trial_status", ("trialing", "active")) or now.trial_status,
        trial_conversion=body.choice("trial_conversion", ("renewed", "charge")) or now.trial_conversion,
        self_service_plan_change=now.self_service_plan_change if self_service is None else self_service,
    )
    simulator.state.settings = changed
    return settings_view(changed)


def _at(simulator: Simulator, body: Body) -> datetime:
    return body.instant("at") or simulator.clock.now()


def _product(simulator: Simulator, wanted: str, kind: str) -> Product:
    fitting = (p for p in simulator.state.products.values() if wanted in (p.id, p.name) and p.kind == kind)
    product = next(fitting, None)
    if product is None:
        raise ApiError(404, f"No {kind} product {wanted!r}", "sim")
    return product


def _product_and_price(simulator: Simulator, body: Body, kind: str, currency: str) -> Json:
    product = _product(simulator, body.required("product"), kind)
    if currency not in product.prices:
        raise body.refuse(f"{product.name} has no price in {currency}")
    return {"product": product, "price": taxed(product.prices[currency], currency, simulator.state.settings.tax)}


Handler = Callable[[Simulator, Body, Mapping[str, str]], Awaitable[Json]]

READS: dict[str, Handler] = {"/state": state, "/public-key": public_key, "/deliveries": deliveries}
WRITES: dict[str, tuple[Handler, str]] = {
    "/clock": (clock, "now advance_seconds stopped"),
    "/subscriptions": (
        add_subscription,
        "product buyer_identity buyer_email currency start external_id metadata with_trial",
    ),
    "/trial": (trial, "product days amounts"),
    "/orders/{order_id}/renew": (renew, "at period_start period_end"),
    "/orders/{order_id}/cancel": (cancel, "at immediately"),
    "/orders/{order_id}/uncancel": (uncancel, "at"),
    "/orders/{order_id}/past-due": (past_due, "at period grace_days"),
    "/orders/{order_id}/recover": (recover, "at"),
    "/plan-change": (plan_change, "at order_id product timing fail external_id metadata"),
    "/checkout/{session_id}/pay": (pay, "at token buyer_identity buyer_email again rebuilt charged"),
    "/payments/{payment_id}/refund": (refund, "at amount reason external_id fail"),
    "/refund-tickets/{ticket_id}/finish": (finish_ticket, "at fail"),
    "/faults": (faults, " ".join(field.name for field in fields(Faults))),
    "/flush": (flush, ""),
    "/deliveries/{delivery_id}/resend": (resend, ""),
    "/events": (events, "event"),
    "/webhooks": (webhooks, "url events"),
    "/settings": (
        settings,
        "tax_rate_percent tax_name tax_inside " + " ".join(field.name for field in fields(Settings)),
    ),
}
"""Every write and the fields that it takes; any other field is a 400, so that a typing error does not pass unseen."""


def control_routes(simulator: Simulator) -> list[Route]:
    """Every route under /_sim/ but the reset."""
    reads = [Route(path, _endpoint(simulator, handler, ""), methods=["GET"]) for path, handler in READS.items()]
    writes = [
        Route(path, _endpoint(simulator, handler, names), methods=["POST"]) for path, (handler, names) in WRITES.items()
    ]
    return reads + writes


def _endpoint(simulator: Simulator, handler: Handler, names: str) -> Callable[[Request], Awaitable[JSONResponse]]:
    async def endpoint(request: Request) -> JSONResponse:
        try:
            body = parse(await request.body(), "sim")
            unknown = body.values.keys() - set(names.split())
            if unknown:
                raise body.refuse(f"Unknown field: {min(unknown)}")
            answer = await handler(simulator, body, request.path_params)
        except ApiError as error:
            return JSONResponse({"error": error.notice.message}, error.status)
        return JSONResponse(answer)

    return endpoint
