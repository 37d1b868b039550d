"""Overage lines as items, and the remainder that the rounding of sales left.

``PK CUSTOMER#<customer> SK OVERAGE#<meter>#<period start>#<plan>``, of a merged line with ``#<segment>`` after it.
``PK CUSTOMER#<customer> SK REMAINDER#<meter>``: an attribute for each currency.

A line changes only in a transaction that carries its balance to the next segment. So what is read after the balance is
still so when the balance's write succeeds, and the writes here need no condition of their own. So it is with remainders.
"""

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any, Final

from pancake_meter.domain.errors import TooManyLines
from pancake_meter.domain.instant import from_ms, to_ms
from pancake_meter.domain.selling.overage import LineKey, OverageLine
from pancake_meter.store.keys import (
    OVERAGE_LINES,
    customer_partition,
    overage_line_key,
    overage_line_prefix,
    remainder_key,
)
from pancake_meter.store.selling.plan_item import price_from_item, price_item
from pancake_meter.store.table import Item, Table, Update

_PAGE: Final = 100
_PAGES_MAX: Final = 100
_EVERY_MAX: Final = 1_000
_NONE: Final = Decimal(0)


def line_write(customer_id: str, meter: str, more: OverageLine) -> Update:
    """Return the write that adds differences to a line."""
    names = {"#period": "period_start", "#ends": "ends_at"}
    values: dict[str, Any] = {
        ":period": to_ms(more.key.period_start),
        ":ends": to_ms(more.ends_at),
        ":closed": more.closed,
        ":settled": more.settled,
        ":forgiven": more.forgiven,
    }
    sets = "#period = :period, #ends = :ends"
    if more.key.plan is not None:
        sets += ", #plan = :plan"
        names["#plan"] = "plan"
        values[":plan"] = more.key.plan
    if more.key.merged:
        sets += ", merged = :merged"
        values[":merged"] = more.key.merged
    if more.prices:
        sets += ", prices = if_not_exists(prices, :prices)"
        values[":prices"] = {currency: price_item(price) for currency, price in more.prices.items()}
    adds = "closed :closed, settled :settled, forgiven :forgiven"
    if more.reopened or more.regained or more.unkept:
        adds += ", reopened :reopened, regained :regained"
        values |= {":reopened": more.reopened, ":regained": more.regained + more.unkept}
    if more.covered:
        adds += ", covered :covered"
        values[":covered"] = more.covered
    expression = f"SET {sets} ADD {adds}"
    return Update(overage_line_key(customer_id, meter, more.key), expression, None, values, names)


def read_due_lines(
    table: Table,
    customer_id: str,
    meter: str,
    due: Decimal,
    reopened: Decimal = _NONE,
    *,
    besides: Collection[LineKey] = (),
) -> dict[LineKey, OverageLine]:
    """Return the lines that the ``due`` and ``reopened`` units of a balance belong to, oldest first; none where it has none.

    Lines are read from the newest on, until they account for all that is due and reopened, and those ``besides`` are among
    them as far as they are there. Where nothing is due these are read by their keys: one request all the same.

    Raises:
        TooManyLines: what is due is not found among the newest 10,000 lines.
    """
    if due <= 0 and reopened <= 0:
        return read_lines(table, customer_id, meter, besides)
    items = table.each(
        "PK = :partition AND begins_with(SK, :prefix)",
        {":partition": customer_partition(customer_id), ":prefix": overage_line_prefix(meter)},
        page=_PAGE,
        pages_max=_PAGES_MAX,
        forward=False,
        beyond=TooManyLines("the customer has more overage lines than are looked through", meter=meter),
    )
    lines: dict[LineKey, OverageLine] = {}
    wanted = {overage_line_key(customer_id, meter, key)["SK"] for key in besides}
    for item in items:
        line = _line(item)
        if line.due > 0 or (reopened > 0 and line.reopened > 0):
            lines[line.key] = line
            due -= line.due
            reopened -= line.reopened
        elif item["SK"] in wanted:
            lines[line.key] = line
        wanted = {each for each in wanted if each < item["SK"]}
        if due <= 0 and reopened <= 0 and not wanted:
            break
    return dict(sorted(lines.items(), key=lambda item: item[0].order))


def read_due_lines_of(
    table: Table, customer_id: str, due: Mapping[str, tuple[Decimal, Decimal]]
) -> dict[str, dict[LineKey, OverageLine]]:
    """Return by meter the lines that units belong to which are ``due`` or reopened: (due, reopened) for each meter.

    One query, and none where there are none: of one meter the newest lines, of several all lines of the customer. A query
    for each meter where these are more than one returns.

    Raises:
        TooManyLines: what is due is not found among the newest 10,000 lines of a meter.
    """
    wanted = {meter: units for meter, units in due.items() if max(units) > _NONE}
    every = read_every_line(table, customer_id) if len(wanted) > 1 else None
    if every is None:
        return {meter: read_due_lines(table, customer_id, meter, *units) for meter, units in wanted.items()}
    return {
        meter: {
            key: line
            for key, line in every.get(meter, {}).items()
            if line.due > 0 or (reopened > 0 and line.reopened > 0)
        }
        for meter, (_, reopened) in wanted.items()
    }


def read_every_line(table: Table, customer_id: str) -> dict[str, dict[LineKey, OverageLine]] | None:
    """Return all lines of a customer by meter, oldest first: one query, and ``None`` where it does not return all."""
    items, following = table.query(
        "PK = :partition AND begins_with(SK, :prefix)",
        {":partition": customer_partition(customer_id), ":prefix": OVERAGE_LINES},
        limit=_EVERY_MAX,
    )
    if following is not None:
        return None
    lines: dict[str, dict[LineKey, OverageLine]] = {}
    for item in items:
        line = _line(item)
        lines.setdefault(str(item["SK"]).split("#", 2)[1], {})[line.key] = line
    return {meter: dict(sorted(each.items(), key=lambda pair: pair[0].order)) for meter, each in lines.items()}


def read_lines(table: Table, customer_id: str, meter: str, keys: Collection[LineKey]) -> dict[LineKey, OverageLine]:
    """Return the lines with these keys, at most 100, as far as they are there: one request."""
    if not keys:
        return {}
    items = table.get_all([overage_line_key(customer_id, meter, key) for key in dict.fromkeys(keys)])
    return {line.key: line for line in map(_line, items)}


def read_remainder(table: Table, customer_id: str, meter: str, currency: str) -> Decimal:
    """Return what the exact prices of all that was sold exceed the amounts by, in one currency: one read."""
    return remainder_of(table.get(remainder_key(customer_id, meter)), currency)


def remainder_of(item: Item | None, currency: str) -> Decimal:
    """Return the remainder in one currency that an item of ``remainder_key`` has; zero where there is no item."""
    return Decimal((item or {}).get(currency, 0))


def remainder_write(customer_id: str, meter: str, currency: str, more: Decimal) -> Update:
    """Return the write that adds the remainder of a sale to those before it."""
    return Update(
        remainder_key(customer_id, meter), "ADD #currency :more", None, {":more": more}, {"#currency": currency}
    )


def line_key_item(key: LineKey) -> dict[str, Any]:
    """Return a line's key as an attribute."""
    item: dict[str, Any] = {"period_start": to_ms(key.period_start), "plan": key.plan, "merged": key.merged or None}
    return {name: value for name, value in item.items() if value is not None}


def line_key(item: Mapping[str, Any]) -> LineKey:
    """Return the line's key of an attribute, or of the line's own item."""
    return LineKey(from_ms(item["period_start"]), item.get("plan"), int(item.get("merged", 0)))


def _line(item: Item) -> OverageLine:
    """Return the line of an item. An earlier version did not say how many of the reopened units it does not owe."""
    reopened = item.get("reopened", _NONE)
    unkept = max(_NONE, reopened - (item["closed"] - item["settled"])) if "regained" not in item else _NONE
    return OverageLine(
        key=line_key(item),
        ends_at=from_ms(item["ends_at"]),
        closed=item["closed"],
        settled=item["settled"],
        forgiven=item["forgiven"],
        prices={currency: price_from_item(price) for currency, price in item["prices"].items()}
        if "prices" in item
        else None,
        reopened=reopened,
        covered=item.get("covered", _NONE),
        regained=item.get("regained", unkept),
        unkept=unkept,
    )
