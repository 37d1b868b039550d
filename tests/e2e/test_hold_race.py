"""Promise 2 over HTTP: a hard limit is hard."""

from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

import pytest

from tests.e2e.conftest import Stack

ROUNDS = 5
"""The fifty rounds run in process (tests/integration/core/test_races.py); these show that HTTP and Lambda change nothing."""
CLIENTS = 20
REPEATS_MAX = 5

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


def test_promise_2_twenty_holds_of_75_on_500_grant_exactly_six(stack: Stack, customer_id: str) -> None:
    with ThreadPoolExecutor(CLIENTS) as clients:
        for round_number in range(ROUNDS):
            # Given a customer with exactly 500 of 10,000 units left
            customer = f"{customer_id}-{round_number}"
            spent = {"id": "before", "customer_id": customer, "meter": "tokens", "quantity": 9500}
            assert stack.api.post("/v1/usage", json={"events": [spent]}).status_code == HTTPStatus.OK

            # When twenty clients ask for 75 at once, and repeat what a busy stack could not answer
            def hold(client: int, customer: str = customer) -> int:
                body = {"meter": "tokens", "quantity": 75, "id": f"hold-{client}"}
                for _ in range(REPEATS_MAX):
                    status = stack.api.post(f"/v1/customers/{customer}/holds", json=body).status_code
                    if status != HTTPStatus.SERVICE_UNAVAILABLE:
                        break
                return HTTPStatus.CREATED if status == HTTPStatus.OK else status

            statuses = list(clients.map(hold, range(CLIENTS)))

            # Then six fit and fourteen do not
            assert statuses.count(HTTPStatus.CREATED) == 6, f"round {round_number}: {statuses}"
            assert statuses.count(HTTPStatus.PAYMENT_REQUIRED) == 14, f"round {round_number}: {statuses}"
            quota = stack.quota(customer)
            assert (quota["held"], quota["available"]) == (450, 50)
