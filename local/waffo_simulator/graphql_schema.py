"""POST /v1/graphql: queries only, at most seven levels deep; a buyer's token shows the buyer's own things."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    execute_sync,
    parse,
    validate,
)

from local.waffo_simulator.body import parse as parse_body
from local.waffo_simulator.envelope import Answer, ApiError, Notice
from local.waffo_simulator.gateway import Call
from local.waffo_simulator.graphql_rows import Row, Rows, matches
from local.waffo_simulator.graphql_types import SCHEMA
from local.waffo_simulator.model import Order, SubscriptionOrder
from local.waffo_simulator.simulator import Simulator

DEPTH_MAX = 7
LIMIT_DEFAULT = 20
LIMIT_MAX = 100
TOKENS_MAX = 5000


def answer_query(simulator: Simulator, call: Call) -> Answer:
    """Run a query. Raises `ApiError`: 400 ill-formed or too deep, 403 a mutation, 200 a resolver's failure."""
    body = parse_body(call.content, "graphql")
    query, variables = body.required("query", 100_000), body.raw("variables")
    document = _accepted(query)
    root = _root(simulator, call.customer)
    result = execute_sync(SCHEMA, document, root, variable_values=variables if isinstance(variables, dict) else {})
    if result.data is None or result.errors:
        errors = result.errors or [GraphQLError("No data")]
        status = 400 if result.data is None and errors[0].path is None else 200
        raise ApiError(status, errors[0].message, "graphql")
    return Answer(result.data)


@lru_cache(maxsize=128)
def _accepted(query: str) -> DocumentNode:
    """Return the query's document. A client asks with few texts, and to read one takes longer than to answer it."""
    try:
        document = parse(query, max_tokens=TOKENS_MAX)
    except GraphQLError as error:
        raise ApiError(400, error.message, "graphql") from error
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if any(operation.operation is not OperationType.QUERY for operation in operations):
        raise ApiError(403, "Only queries are supported", "graphql")
    problems = validate(SCHEMA, document)
    if problems:
        raise ApiError(400, problems[0].message, "graphql")
    if _depth(document, operations) > DEPTH_MAX:
        hint = Notice("Split the query", "graphql", "REDUCE_QUERY_SIZE")
        raise ApiError(400, f"Query exceeds the depth limit of {DEPTH_MAX}", "graphql", hint)
    return document


def _root(simulator: Simulator, customer: str | None) -> dict[str, Callable[..., Any]]:
    """The resolvers of Query."""
    rows, state, store_id = Rows(simulator), simulator.shown, simulator.config.store_id

    def sees(order: Order) -> bool:
        return customer is None or order.buyer_identity == customer

    def orders(*, are_subscriptions: bool) -> list[Row]:
        seen = (order for order in state.orders.values() if sees(order))
        return [rows.order(order) for order in seen if isinstance(order, SubscriptionOrder) is are_subscriptions]

    def products(kind: str) -> list[Row]:
        return [rows.product(product) for product in state.products.values() if product.kind == kind]

    def payments() -> list[Row]:
        return [rows.payment(payment) for payment in state.payments.values() if sees(payment.order)]

    def refunds() -> list[Row]:
        return [rows.refund(refund) for refund in state.refunds.values() if sees(refund.payment.order)]

    def tickets() -> list[Row]:
        return [rows.ticket(ticket) for ticket in state.tickets.values() if sees(ticket.payment.order)]

    def deliveries() -> list[Row]:
        return [rows.delivery(delivery) for delivery in state.deliveries.values()] if customer is None else []

    return {
        "stores": lambda _info: [rows.store()],
        "storesCount": lambda _info: 1,
        "store": lambda _info, id: rows.store() if id == store_id else None,  # noqa: A006 - GraphQL's name
        **_entries("onetimeProduct", lambda: products("onetime"), store_id),
        **_entries("subscriptionProduct", lambda: products("subscription"), store_id),
        "subscriptionProductGroups": lambda _info, storeId, limit=None, offset=None: (  # noqa: N803 - GraphQL's name
            [rows.group(group) for group in state.groups.values()][offset or 0 :][: limit or LIMIT_DEFAULT]
            if storeId == store_id
            else []
        ),
        **_entries("onetimeOrder", lambda: orders(are_subscriptions=False), store_id),
        **_entries("subscriptionOrder", lambda: orders(are_subscriptions=True), store_id),
        **_entries("payment", payments, None),
        **_entries("refund", refunds, None),
        **_entries("refundTicket", tickets, None),
        **_entries("webhookDelivery", deliveries, store_id, plural="webhookDeliveries"),
    }


def _entries(
    name: str, make_rows: Callable[[], list[Row]], store_id: str | None, plural: str | None = None
) -> dict[str, Callable[..., Any]]:
    """The list (newest first), its count, and one by its id. Rows are made once, when a query first asks for them."""
    rows = cache(make_rows)

    def select(storeId: str | None, conditions: Mapping[str, Any] | None) -> list[Row]:  # noqa: N803 - GraphQL's name
        if storeId != store_id:
            raise GraphQLError("Store not found")
        return [row for row in reversed(rows()) if matches(row, conditions or {})]

    def page(
        _info: object,
        storeId: str | None = None,  # noqa: N803
        filter: Mapping[str, Any] | None = None,  # noqa: A002
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[Row]:
        start = max(0, offset or 0)
        return select(storeId, filter)[start : start + min(max(0, limit or LIMIT_DEFAULT), LIMIT_MAX)]

    def count(_info: object, storeId: str | None = None, filter: Mapping[str, Any] | None = None) -> int:  # noqa: A002, N803
        return len(select(storeId, filter))

    def one(_info: object, id: str) -> Row | None:  # noqa: A002
        return next((row for row in rows() if row["id"] == id), None)

    plural = plural or f"{name}s"
    return {plural: page, f"{plural}Count": count, name: one}


def _depth(document: DocumentNode, operations: Iterable[OperationDefinitionNode]) -> int:
    """How deep the fields go; introspection, which the tools nest deeply, is not counted."""
    fragments = {
        node.name.value: node.selection_set for node in document.definitions if isinstance(node, FragmentDefinitionNode)
    }
    return max((_deepest(operation.selection_set, fragments) for operation in operations), default=0)


def _deepest(selected: SelectionSetNode | None, fragments: Mapping[str, SelectionSetNode]) -> int:
    deepest = 0
    for node in selected.selections if selected else ():
        if isinstance(node, FieldNode):
            if not node.name.value.startswith("__"):
                deepest = max(deepest, 1 + _deepest(node.selection_set, fragments))
        elif isinstance(node, FragmentSpreadNode):
            deepest = max(deepest, _deepest(fragments[node.name.value], fragments))
        else:
            deepest = max(deepest, _deepest(getattr(node, "selection_set", None), fragments))
    return deepest
