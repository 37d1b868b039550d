"""The customer's own spend cap: shown, set, and taken away."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from aws_lambda_powertools.event_handler import Response

from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.balance.limits import Limits, SpendCap
from pancake_meter.domain.errors import NotForSale
from pancake_meter.domain.quantity import InvalidQuantity, format_quantity, parse_quantity
from pancake_meter.domain.selling.money import InvalidMoney, UnknownCurrency, parse_display
from pancake_meter.http.resolver import Router, takes_body, tolerates_query
from pancake_meter.usecases.balance.limits import LimitsWanted, limit
from pancake_pages.deps.customer_pages import CustomerPagesDeps
from pancake_pages.portal.visit import Visit, read_visit, read_visit_with_form

router = Router[CustomerPagesDeps]()

UNITS: Final = "units"
_DIGITS_MAX: Final = 20
_SPEND_CAP: Final = frozenset({"spend_cap"})


@router.get("/portal/limits/<meter>")
@tolerates_query
def get_limit(meter: str) -> Response[str]:
    """Show the form."""
    visit = read_visit(router, to_buy=True)
    if meter not in router.deps.shop.selling.catalog.meters:
        return visit.message("shared.not_found", HTTPStatus.NOT_FOUND)
    return _form(visit, meter)


@router.post("/portal/limits/<meter>")
@takes_body
def post_limit(meter: str) -> Response[str]:
    """Set the cap, or take it away."""
    visit, fields = read_visit_with_form(router, to_buy=True)
    if meter not in router.deps.shop.selling.catalog.meters:
        return visit.message("shared.not_found", HTTPStatus.NOT_FOUND)
    is_removed = fields.get("do") == "remove"
    amount, of = visit.view.language.plain(fields.get("amount", "")), fields.get("of", "")
    if not (of or is_removed):
        return _form(visit, meter, "of", fields)
    try:
        cap = None if is_removed else _cap(amount, of)
        _limit(visit, meter, cap)
    except (InvalidMoney, InvalidQuantity, UnknownCurrency):
        return _form(visit, meter, "amount", fields)
    except NotForSale:
        return _form(visit, meter, "currency", fields)
    return visit.done("limit_removed" if is_removed else "limit_set")


def _cap(amount: str, of: str) -> SpendCap:
    """Return the cap that a form states: units, or money of a currency."""
    if len(amount) > _DIGITS_MAX:
        raise InvalidQuantity("no cap has so many digits")
    return SpendCap(parse_quantity(amount)) if of == UNITS else SpendCap(None, parse_display(amount, of))


def _limit(visit: Visit, meter: str, cap: SpendCap | None) -> Balance:
    deps = router.deps
    wanted = LimitsWanted(Limits(spend_cap=cap), _SPEND_CAP)
    return limit(deps.shop.selling.metering, visit.session.customer_id, meter, wanted, deps.clock())


def _form(visit: Visit, meter: str, fault: str | None = None, fields: Mapping[str, str] | None = None) -> Response[str]:
    deps = router.deps
    metering = deps.shop.selling.metering
    metering.check_not_erased(visit.session.customer_id)
    begun = metering.begin_change(visit.session.customer_id, meter, deps.clock())
    balance = begun.change.balance
    usual, *_ = deps.shop.selling.currency(None, begun.subscription, None, deps.clock()).of_units(meter)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if fault else HTTPStatus.OK
    return visit.view.page(
        "portal/limit.html",
        status,
        **visit.facts,
        meter=metering.catalog.meters[meter],
        balance=balance,
        cap=balance.limits.spend_cap,
        spent=balance.spent + balance.current_overage,
        currencies=sorted(balance.policy.prices, key=lambda currency: (currency != usual, currency)),
        fault=fault,
        written=_written(balance.limits.spend_cap, fields),
    )


def _written(cap: SpendCap | None, fields: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return what the fields of the form hold: what was sent, else the cap that there is."""
    if fields is not None:
        return {"amount": fields.get("amount", ""), "of": fields.get("of", "")}
    if cap is None:
        return {"amount": "", "of": ""}
    if cap.money is not None:
        return {"amount": cap.money.display, "of": cap.money.currency}
    return {"amount": format_quantity(cap.units) if cap.units is not None else "", "of": UNITS}
