"""Revenue as items: facts, and totals that grow with them in the same transaction.

A month has four partitions, by customer, so that a report is a few queries and a busy month spreads over the table.
``PK REPORT#REVENUE#<month>#<shard>``:

- ``SK FACT#<customer>#<kind>#<payment>#<id>``: one payment or refund; of a refund that failed after all it is ``withdrawn``;
- ``SK TOTAL#<currency>#<sold>#<plan>``: what they come to, by what was sold;
- ``SK CUSTOMER#<customer>#<currency>``: what they come to, by customer.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from pancake_meter.domain.errors import ReportTooLarge
from pancake_meter.domain.instant import from_ms, month_of, to_ms
from pancake_meter.domain.reports.revenue import RevenueFact, RevenueTotal
from pancake_meter.domain.selling.money import CURRENCIES_MAX
from pancake_meter.domain.selling.payment import SoldKind
from pancake_meter.store.keys import (
    REPORT_SHARDS,
    Key,
    report_shard,
    revenue_customer_prefix,
    revenue_fact_prefix,
    revenue_partition,
)
from pancake_meter.store.table import Item, Put, Table, Update, Write
from pancake_meter.value import Value

_COUNTERS = RevenueTotal.__struct_fields__
_FACT_NAME_BYTES_MAX = 400
"""A sort key has 1,024 bytes, and a customer's id takes up to 512 of them."""

_FACTS_PAGE = 200
_TOTALS_PAGE = 500
_TOTALS_PAGES_MAX = 100
"""Pages that one report of a month reads, over all shards."""


class SoldTotal(Value):
    """What one thing sold came to in one currency."""

    currency: str
    sold: SoldKind
    plan: str | None
    total: RevenueTotal


class CustomerTotal(Value):
    """What one customer came to in one currency."""

    customer_id: str
    currency: str
    total: RevenueTotal


Place = tuple[int, str]
"""Where a page of customers goes on: the shard, and the sort key of the last one shown (nothing: from its start)."""


def revenue_writes(facts: Sequence[RevenueFact], withdrawn: Sequence[RevenueFact] = ()) -> list[Write]:
    """Return the writes of new facts, and of facts that are ``withdrawn``.

    They belong into the transaction that makes them known, which counts them once.
    """
    totals: dict[tuple[str, str], tuple[RevenueTotal, dict[str, Any]]] = {}
    for fact, total in (
        *((fact, RevenueTotal.of(fact)) for fact in facts),
        *((fact, RevenueTotal().minus(RevenueTotal.of(fact))) for fact in withdrawn),
    ):
        for key, names in ((_total_key(fact), _sold_names(fact)), (_customer_key(fact), _customer_names(fact))):
            place = key["PK"], key["SK"]
            known, _ = totals.get(place, (RevenueTotal(), names))
            totals[place] = known.plus(total), names
    kept = {(put.item["PK"], put.item["SK"]): put for put in (_withdrawal(fact) for fact in withdrawn)}
    for fact in facts:
        put = Put(_fact_item(fact), "attribute_not_exists(PK) OR withdrawn = :yes", {":yes": True})
        place = put.item["PK"], put.item["SK"]
        kept[place] = Put(put.item) if place in kept else put
    return [*kept.values(), *(_total_update(place, total, names) for place, (total, names) in totals.items())]


def _withdrawal(fact: RevenueFact) -> Put:
    return Put({**_fact_item(fact), "withdrawn": True}, "attribute_exists(PK)")


def read_sold(table: Table, month: str) -> list[SoldTotal]:
    """Return what was sold in a month, by currency, kind and plan: one query a shard, more where there are many plans.

    Raises:
        ReportTooLarge: there are more totals than one answer can add up. Part of the money would be a wrong figure.
    """
    pages = _TOTALS_PAGES_MAX
    totals: dict[tuple[str, SoldKind, str | None], RevenueTotal] = {}
    for shard in range(REPORT_SHARDS):
        start: Mapping[str, Any] | None = None
        while True:
            if pages == 0:
                raise ReportTooLarge("more was sold than one report adds up")
            pages -= 1
            items, start = table.query(
                "PK = :partition AND begins_with(SK, :prefix)",
                {":partition": revenue_partition(month, shard), ":prefix": "TOTAL#"},
                limit=_TOTALS_PAGE,
                start=start,
            )
            for item in items:
                name = item["currency"], item["sold"], item.get("plan")
                totals[name] = totals.get(name, RevenueTotal()).plus(_total(item))
            if start is None:
                break
    return [SoldTotal(*name, total) for name, total in totals.items() if total != RevenueTotal()]


def read_customers(
    table: Table, month: str, *, limit: int, after: Place | None = None
) -> tuple[list[CustomerTotal], Place | None]:
    """Return a page of customers and currencies with revenue in a month, in no telling order, and where it goes on."""
    shard, last = after or (0, "")
    page: list[CustomerTotal] = []
    while shard < REPORT_SHARDS:
        partition = revenue_partition(month, shard)
        items, following = table.query(
            "PK = :partition AND begins_with(SK, :prefix)",
            {":partition": partition, ":prefix": "CUSTOMER#"},
            limit=limit - len(page),
            start={"PK": partition, "SK": last} if last else None,
        )
        page += _customer_totals(items)
        if following is not None:
            return page, (shard, following["SK"])
        shard, last = shard + 1, ""
        if len(page) == limit and shard < REPORT_SHARDS:
            return page, (shard, "")
    return page, None


def read_customer(table: Table, month: str, customer_id: str) -> list[CustomerTotal]:
    """Return one customer's revenue in a month, by currency: one query."""
    items, _ = table.query(
        "PK = :partition AND begins_with(SK, :prefix)",
        {
            ":partition": revenue_partition(month, report_shard(customer_id)),
            ":prefix": revenue_customer_prefix(customer_id),
        },
        limit=CURRENCIES_MAX,
    )
    return _customer_totals(items)


def read_facts(table: Table, month: str, customer_id: str) -> list[RevenueFact]:
    """Return the first facts of a customer in a month, payments before refunds: one query, at most 200.

    What was withdrawn is left out.
    """
    items, _ = table.query(
        "PK = :partition AND begins_with(SK, :prefix)",
        {
            ":partition": revenue_partition(month, report_shard(customer_id)),
            ":prefix": revenue_fact_prefix(customer_id),
        },
        limit=_FACTS_PAGE,
    )
    return [_fact(item) for item in items if "withdrawn" not in item]


def _partition(fact: RevenueFact) -> str:
    return revenue_partition(month_of(fact.at), report_shard(fact.customer_id))


def _total_key(fact: RevenueFact) -> Key:
    return {"PK": _partition(fact), "SK": f"TOTAL#{fact.currency}#{fact.sold}#{fact.plan or ''}"}


def _sold_names(fact: RevenueFact) -> dict[str, Any]:
    names = {"currency": fact.currency, "sold": fact.sold}
    return names if fact.plan is None else {**names, "plan": fact.plan}


def _customer_key(fact: RevenueFact) -> Key:
    return {"PK": _partition(fact), "SK": f"{revenue_customer_prefix(fact.customer_id)}{fact.currency}"}


def _customer_names(fact: RevenueFact) -> dict[str, Any]:
    return {"customer_id": fact.customer_id, "currency": fact.currency}


def _total_update(place: tuple[str, str], total: RevenueTotal, names: Mapping[str, Any]) -> Update:
    """Grow a total; the first fact makes it."""
    counted = {name: getattr(total, name) for name in _COUNTERS}
    added = ", ".join(f"#{name} :{name}" for name in counted)
    told = ", ".join(f"#{name} = :{name}" for name in names)
    everything = {**counted, **names}
    return Update(
        {"PK": place[0], "SK": place[1]},
        f"SET {told} ADD {added}",
        None,
        {f":{name}": value for name, value in everything.items()},
        {f"#{name}": name for name in everything},
    )


def _fact_item(fact: RevenueFact) -> dict[str, Any]:
    item: dict[str, Any] = {
        "PK": _partition(fact),
        "SK": f"{revenue_fact_prefix(fact.customer_id)}{fact.kind}#{_fact_name(fact)}",
        "kind": fact.kind,
        "id": fact.id,
        "payment_id": fact.payment_id,
        "order_id": fact.order_id,
        "customer_id": fact.customer_id,
        "sold": fact.sold,
        "currency": fact.currency,
        "tax": fact.tax,
        "at": to_ms(fact.at),
    }
    optional = {"plan": fact.plan, "amount": fact.amount}
    return item | {name: value for name, value in optional.items() if value is not None}


def _fact_name(fact: RevenueFact) -> str:
    """Return the ids of a fact as the end of its key: their hash where they might not fit into one."""
    name = f"{fact.payment_id}#{fact.id}"
    return name if len(name.encode()) <= _FACT_NAME_BYTES_MAX else f"sha256:{sha256(name.encode()).hexdigest()}"


def _fact(item: Item) -> RevenueFact:
    return RevenueFact(
        kind=item["kind"],
        id=item["id"],
        payment_id=item["payment_id"],
        order_id=item["order_id"],
        customer_id=item["customer_id"],
        sold=item["sold"],
        plan=item.get("plan"),
        currency=item["currency"],
        amount=item.get("amount"),
        tax=item["tax"],
        at=from_ms(item["at"]),
    )


def _customer_totals(items: Sequence[Item]) -> list[CustomerTotal]:
    """Return what customers came to; all that withdrew is nothing, as if it had never been."""
    totals = [CustomerTotal(item["customer_id"], item["currency"], _total(item)) for item in items]
    return [each for each in totals if each.total != RevenueTotal()]


def _total(item: Item) -> RevenueTotal:
    return RevenueTotal(
        received=item["received"],
        tax=item["tax"],
        refunded=item["refunded"],
        refunded_tax=item["refunded_tax"],
        payments=int(item["payments"]),
        refunds=int(item["refunds"]),
        unstated=int(item["unstated"]),
    )
