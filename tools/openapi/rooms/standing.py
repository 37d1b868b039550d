"""Customers, for the operator."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from pancake_meter.http.standing.customers import CustomerBody, CustomerList, CustomerListQuery
from tools.openapi.described import Answer, Described

ROUTES: Final[Mapping[str, Described]] = {
    "GET /v1/customers": Described(
        "list_customers",
        "Customers by id, of a plan, recently active, past due, blocked or owing",
        {HTTPStatus.OK: Answer(CustomerList, ("Next-Cursor",), has_csv=True)},
        description="Give plan or status or neither, not both; status active takes no prefix.",
        query=CustomerListQuery,
        parameters={
            "status": "Customers of this list: recently active, past due, blocked, or owing: with units due "
            "and not paid. Overage of the open period is due when the period closes."
        },
    ),
    "GET /v1/customers/{customer_id}": Described(
        "get_customer",
        "One customer: orders, balances with grants and holds, what is owed, open checkouts",
        {HTTPStatus.OK: Answer(CustomerBody)},
        refusals=("customer_not_found", "customer_erased"),
    ),
}
