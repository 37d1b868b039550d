"""What a customer owes of a meter, line by line, and what it costs under the plans that it was used under."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from pancake_meter.catalog import Catalog
from pancake_meter.domain.selling.overage import MAX_SOLD_LINES, OverageLine, SoldLine
from pancake_meter.domain.selling.pricing import Price, line_amount
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.store.selling.overage_lines import read_due_lines, read_lines
from pancake_meter.usecases.balance.metering import Metering


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

    A line has the prices of its plan as it was sold to the customer then, else as it stands in the catalog. One without a
    price in the currency is not sold in it.

    Raises:
        UnknownCurrency: the currency is unknown.
    """
    sold: list[SoldLine] = []
    for line in lines:
        price = _prices(catalog, subscription, meter, line).get(currency)
        if price is not None and len(sold) < MAX_SOLD_LINES:
            amount = line_amount(price, line.due, currency, line.settled)
            sold.append(SoldLine(line.key, line.settled, line.closed, amount))
    return tuple(sold)


def _prices(catalog: Catalog, subscription: Subscription | None, meter: str, line: OverageLine) -> Mapping[str, Price]:
    if line.prices is not None:
        return line.prices
    sold = subscription.prices_sold(line.key.plan, meter) if subscription else None
    if sold is not None:
        return sold
    plan = catalog.plans.get(line.key.plan or "")
    allowance = plan.allowances.get(meter) if plan else None
    return allowance.prices if allowance else {}
