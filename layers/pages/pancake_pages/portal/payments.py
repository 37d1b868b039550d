"""What a customer has paid, or may pay, on the portal: a row for each payment, and for each checkout that brought none."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal

from pancake_meter.catalog import Catalog
from pancake_meter.domain.selling.checkout import Checkout
from pancake_meter.domain.selling.money import Money, round_half_up
from pancake_meter.domain.selling.payment import Payment
from pancake_meter.domain.standing.held_order import has_place, held_by
from pancake_meter.usecases.reports.customer_home import CustomerHome
from pancake_meter.usecases.selling.offer import Offers
from pancake_meter.usecases.selling.purchase_link import LinkKind
from pancake_meter.value import Value
from pancake_pages.language import Language

PaymentState = Literal["paid", "refunded", "partly_refunded", "open", "expired", "superseded", "flagged"]


class PaymentRow(Value):
    """A payment, or a checkout without one. ``reference`` is what Waffo's receipt has too."""

    at: datetime
    what: str
    amount: Money
    state: PaymentState
    reference: str | None
    pay_url: str | None = None


def payments(
    home: CustomerHome,
    catalog: Catalog,
    offers: Offers,
    language: Language,
    base_url: str | None,
    now: datetime,
) -> list[PaymentRow]:
    """Return what was paid or may be, newest first. A plan's own checkout is left out once its charge is there."""
    rows = [*_charges(home, language)]
    for checkout in home.checkouts:
        state, what = checkout.status_at(now), _what(checkout, catalog, language)
        if state == "paid" and checkout.plan is not None:
            continue
        if checkout.payment_ids:
            rows += _paid_rows(checkout, home.payments, what, state)
            continue
        kind = _link_kind(home, checkout, catalog, offers, now) if state == "open" else None
        meter = kind[1] if kind is not None else ""
        url = offers.link_if_possible(home.customer_id, kind[0], meter, base_url, now) if kind else None
        rows.append(PaymentRow(checkout.created_at, what, checkout.amount, state, None, url))
    return sorted(rows, key=lambda row: row.at, reverse=True)


def _charges(home: CustomerHome, language: Language) -> Iterator[PaymentRow]:
    for order in home.subscription.orders:
        name = order.paid.plan.name if order.paid is not None else ""
        if order.currency is None:
            continue
        plans = {paid.plan.key: paid.plan.name for paid in order.all_periods}
        for payment_id, charge in order.charges.items():
            what = language.words("portal.payments.subscription", plan=plans.get(charge.plan or "", name))
            state: PaymentState = "refunded" if not charge.left else "partly_refunded" if charge.refunded else "paid"
            amount = round_half_up(charge.charged, order.currency)
            yield PaymentRow(charge.paid_at, what, amount, state, payment_id)


def _paid_rows(
    checkout: Checkout, known: Mapping[str, Payment], what: str, state: PaymentState
) -> Iterator[PaymentRow]:
    """Yield a row for each payment of a checkout: one that was paid twice has two."""
    for payment_id in checkout.payment_ids:
        payment = known.get(payment_id)
        charge = payment.told_charge if payment is not None and payment.customer_id == checkout.customer_id else None
        if payment is None or charge is None:
            # Of a charge that is not known, or not read, there is what was asked for.
            yield PaymentRow(checkout.created_at, what, checkout.amount, state, payment_id)
            continue
        paid = charge.amount if charge.amount is not None else payment.paid_amount
        amount = round_half_up(paid, charge.currency) if paid is not None else checkout.amount
        yield PaymentRow(charge.paid_at, what, amount, _state(payment), payment_id)


def _state(payment: Payment) -> PaymentState:
    if payment.refunded_share > 0:
        return "refunded" if payment.refunded_share == 1 else "partly_refunded"
    return "flagged" if payment.status == "flagged" else "paid"


def _what(checkout: Checkout, catalog: Catalog, language: Language) -> str:
    words = language.words
    if checkout.plan is not None:
        plan = catalog.plans.get(checkout.plan)
        return words("portal.payments.plan", plan=plan.name if plan is not None else checkout.plan)
    meter = catalog.meters.get(checkout.meter or "")
    name = meter.name if meter is not None else checkout.meter
    return words(f"portal.payments.{checkout.kind}", meter=name, quantity=language.number(checkout.quantity))


def _link_kind(
    home: CustomerHome, checkout: Checkout, catalog: Catalog, offers: Offers, now: datetime
) -> tuple[LinkKind, str] | None:
    """Return the link that leads to an open checkout: a plan's does where the plan is the next one up of a meter.

    Where the plan's order would find no place any more, nothing leads to its payment.
    """
    if checkout.kind in ("overage", "top_up"):
        return (checkout.kind, checkout.meter or "")
    for balance in home.balances:
        upgrade = catalog.upgrade_of(balance.policy.plan, balance.meter, offers.environment)
        if upgrade is not None and upgrade.key == checkout.plan:
            held = held_by(home.subscription, None, {balance.meter}, now)
            return ("plan", balance.meter) if has_place(home.subscription, held) else None
    return None
