"""What a customer owes of a meter, line by line, and what it costs under the plans that it was used under."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from pancake_meter.catalog import Catalog
from pancake_meter.domain.overage import MAX_SOLD_LINES, LineKey, OverageLine, SoldLine
from pancake_meter.domain.plan import Plan
from pancake_meter.domain.pricing import line_amount
from pancake_meter.domain.subscription import Subscription
from pancake_meter.store.overage_lines import read_due_lines, read_lines
from pancake_meter.usecases.metering import Metering


def owed_lines(metering: Metering, customer_id: str, meter: str, now: datetime) -> tuple[OverageLine, ...]:
    """Return the lines with units owed, oldest first, as if the open period's overage were due already.

    One read of the balance and one of its line; one query more where units are due.
    """
    written, change = metering.current_change(customer_id, meter, now)
    due = written.overage_due if written is not None else Decimal(0)
    balance = change.balance
    stored = {
        **read_due_lines(metering.table, customer_id, meter, due),
        **read_lines(metering.table, customer_id, meter, {balance.line, *change.lines}),
    }
    if balance.current_overage:
        change = change.line_moved(OverageLine(balance.line, balance.period.end, closed=balance.current_overage))
    return tuple(line for line in change.lines_over(stored).values() if line.due > 0)


def price_lines(
    catalog: Catalog, subscription: Subscription | None, meter: str, lines: Iterable[OverageLine], currency: str
) -> tuple[SoldLine, ...]:
    """Return what a checkout can sell of ``lines``: the oldest, each from where its billing stopped, rounded once.

    A line is priced under its own plan, as it was last sold to the customer, else as it stands in the catalog. One without
    a price in the currency is not sold in it.

    Raises:
        UnknownCurrency: the currency is unknown.
    """
    sold: list[SoldLine] = []
    for line in lines:
        plan = _plan_of(catalog, subscription, line.key)
        price = catalog.overage_price(meter, plan, currency) if plan else None
        if price is not None and len(sold) < MAX_SOLD_LINES:
            amount = line_amount(price, line.due, currency, line.settled)
            sold.append(SoldLine(line.key, line.settled, line.closed, amount))
    return tuple(sold)


def _plan_of(catalog: Catalog, subscription: Subscription | None, key: LineKey) -> Plan | None:
    orders = subscription.orders if subscription else ()
    as_sold = (order.paid.plan for order in orders if order.paid and order.paid.plan.key == key.plan)
    return next(as_sold, None) or catalog.plans.get(key.plan or "")
