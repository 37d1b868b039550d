"""One customer as the customer sees it: four requests at most, whatever there is of meters, orders and checkouts."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from pancake_meter.domain.balance.balance import ZERO, Balance
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.errors import CustomerErased
from pancake_meter.domain.selling.checkout import Checkout
from pancake_meter.domain.selling.money import Money, round_half_up
from pancake_meter.domain.selling.overage import Lines
from pancake_meter.domain.selling.payment import Payment
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.store.balance.balances import read_balances
from pancake_meter.store.keys import Key, remainder_key, subscription_key
from pancake_meter.store.selling.checkouts import list_checkouts
from pancake_meter.store.selling.overage_lines import read_every_line, remainder_of
from pancake_meter.store.selling.payments import payment_keys, payments_among
from pancake_meter.store.standing.subscriptions import subscription_from_item
from pancake_meter.store.table import READ_ITEMS_MAX, Item
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.reports.show_customer import ShownOrder, shown_orders
from pancake_meter.usecases.selling.customer_currency import CustomerCurrency
from pancake_meter.usecases.selling.owed_overage import Owed, lines_owed
from pancake_meter.value import Value, field

CHECKOUTS_MAX: Final = 25


class CustomerHome(Value):
    """``owed`` has what a checkout would ask for the overage of a meter, in the currency that it would ask for.

    A meter with overage that is not in ``owed`` has no price there, or too many lines to look through here. ``payments`` are
    those of the newest checkouts, by their ids.
    """

    customer_id: str
    balances: Sequence[Balance]
    subscription: Subscription
    orders: Sequence[ShownOrder]
    checkouts: Sequence[Checkout]
    owed: Mapping[str, Money]
    payments: Mapping[str, Payment] = field(default_factory=dict)


def customer_home(
    metering: Metering, customer_id: str, now: datetime, *, checkouts_max: int = CHECKOUTS_MAX
) -> CustomerHome:
    """Return what there is of a customer: one read of many keys, and up to three queries.

    The read has the payments of the newest checkouts, as many as one request takes besides the rest.

    Raises:
        CustomerErased: the customer was erased.
    """
    checkouts, _ = list_checkouts(metering.table, customer_id, limit=checkouts_max)
    read = _read_items(metering, customer_id, [each for checkout in checkouts for each in checkout.payment_ids])
    items = {item["SK"]: item for item in read}
    known = items.get(subscription_key(customer_id)["SK"])
    subscription = subscription_from_item(known) if known is not None else Subscription(customer_id)
    written = read_balances(metering.table, customer_id)
    may_owe = any(balance.overage_due > ZERO or balance.current_overage > ZERO for balance in written)
    lines = read_every_line(metering.table, customer_id) if may_owe else {}
    changes = metering.current_changes(customer_id, written, subscription if known else None, now, lines)
    balances = [change.balance for change in changes]
    currencies = CustomerCurrency(metering.catalog, None, customer_id, subscription, None, now)
    owed: dict[str, Money] = {}
    for change in changes if lines is not None else ():
        meter, stored = change.balance.meter, (lines or {}).get(change.balance.meter, {})
        money = _owed(metering, change, subscription, stored, items, currencies.of_units(meter))
        if money is not None:
            owed[meter] = money
    orders = shown_orders(subscription, balances, now)
    return CustomerHome(customer_id, balances, subscription, orders, checkouts, owed, payments_among(read))


def _read_items(metering: Metering, customer_id: str, payment_ids: Sequence[str]) -> list[Item]:
    """Return the subscription, the remainders and payments: one request, which also says who was erased."""
    keys: list[Key] = [subscription_key(customer_id)]
    keys += [remainder_key(customer_id, meter) for meter in metering.catalog.meters]
    mark = metering.erasures.mark_key(customer_id) if metering.erasures is not None else None
    asked = [*keys, mark] if mark is not None else keys
    items = metering.table.get_all([*asked, *payment_keys(dict.fromkeys(payment_ids))[: READ_ITEMS_MAX - len(asked)]])
    if mark is not None and any(item["SK"] == mark["SK"] for item in items):
        raise CustomerErased("the customer was erased")
    return items


def _owed(
    metering: Metering,
    change: Change,
    subscription: Subscription,
    stored: Lines,
    items: Mapping[str, Item],
    currencies: Sequence[str],
) -> Money | None:
    balance = change.balance
    if balance.overage_due + balance.current_overage == ZERO:
        return None
    lines = lines_owed(metering, change, subscription, stored)
    priced = {each for line in lines for each in line.prices or {}}
    chosen = next((each for each in currencies if each in priced), None)
    if chosen is None:
        return None
    remainder = remainder_of(items.get(remainder_key(balance.customer_id, balance.meter)["SK"]), chosen)
    return round_half_up(max(Decimal(0), Owed(lines, chosen, remainder).total), chosen)
