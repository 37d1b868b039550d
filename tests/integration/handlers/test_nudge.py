"""The nudge: a customer hears of the end of the quota before the refusal, from whichever answer comes first."""

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.catalog import load_catalog
from pancake_meter.deps.quota import QuotaDeps
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.selling.offer import Offers
from pancake_meter.value import replace
from quota_check import handler
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.faulty_dynamodb import FaultyDynamoDB
from tests.support.metered_dynamodb import metered

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CATALOG = load_catalog(Path(__file__).resolve().parents[3] / "layers" / "catalog" / "catalog.toml")
NOW = datetime(2026, 3, 10, 15, 20, tzinfo=UTC)
CUSTOMER = "/v1/customers/acct_1001"

Post = Callable[[str, str, dict[str, Any]], Answer]


@pytest.fixture
def deps(dynamodb: "DynamoDBClient", table: str) -> QuotaDeps:
    offers = Offers(CATALOG, "test", lambda: "a secret of the tests, of 32 characters or more")
    return QuotaDeps(Metering(Table(dynamodb, table), CATALOG), offers, lambda: NOW)


def posting(deps: QuotaDeps) -> Post:
    def post(name: str, path: str, body: dict[str, Any]) -> Answer:
        return read_answer(handler(api_event(name, path=path, body=body), LambdaContext(), deps))

    return post


@pytest.fixture
def post(deps: QuotaDeps) -> Post:
    return posting(deps)


def hold(post: Post, hold_id: str, quantity: int = 3000) -> Answer:
    return post("holds_place", f"{CUSTOMER}/holds", {"meter": "tokens", "quantity": quantity, "id": hold_id})


def settle(post: Post, handle: str, quantity: int = 3000) -> Answer:
    return post("holds_settle", f"{CUSTOMER}/holds/{handle}/settle", {"quantity": quantity})


def test_promise_9_an_app_that_only_holds_and_settles_is_nudged_before_it_is_refused(post: Post) -> None:
    # When an app makes calls of 3,000 on 10,000 until it is refused
    nudges: list[Answer] = []
    for number in range(5):
        held = hold(post, f"call-{number}")
        if held.status == HTTPStatus.PAYMENT_REQUIRED:
            break
        settled = settle(post, held.body["hold_id"])
        nudges += [answer for answer in (held, settled) if "purchase_url" in answer.body["quota"]]

    # Then both answers of the third call had said so, with links
    assert (held.status, number) == (HTTPStatus.PAYMENT_REQUIRED, 3)
    assert [(nudge.body["quota"]["alert"], nudge.status) for nudge in nudges] == [(0.8, 201), (0.8, 200)]
    assert all("/buy/" in nudge.body["quota"]["upgrade_url"] for nudge in nudges)


def test_an_alert_counts_what_is_held(post: Post) -> None:
    # Two calls at once leave the third no room that is not known of
    assert hold(post, "a", 4000).body["quota"]["alert"] is None
    both = hold(post, "b", 4000).body["quota"]
    assert (both["used"], both["held"], both["alert"]) == (0, 8000, 0.8)
    # And what is given back counts no more
    assert settle(post, "tokens~4000~a", 100).body["quota"]["alert"] is None


def test_a_settlement_answers_the_quota_that_the_quota_route_answers(post: Post) -> None:
    handle = hold(post, "call-1", 4000).body["hold_id"]
    first, again = settle(post, handle, 3120), settle(post, handle, 3120)
    read = post("quota_one_meter", f"{CUSTOMER}/quota/tokens", {})
    assert (first.body["replayed"], again.body["replayed"]) == (False, True)
    assert first.body["quota"] == again.body["quota"] == read.body
    assert (read.body["used"], read.body["held"]) == (3120, 0)
    for name in ("RateLimit", "RateLimit-Policy"):
        assert first.headers[name] == again.headers[name] == read.headers[name]
    # A settlement of what is held no more answers it as well
    late = post("holds_settle", f"{CUSTOMER}/holds/tokens~1~gone/settle", {"quantity": 1})
    assert (late.body["hold"], late.body["quota"]["used"]) == ("not_held", 3121)


def test_a_settlement_costs_its_transaction_and_one_read(
    post: Post, dynamodb: "DynamoDBClient", deps: QuotaDeps
) -> None:
    handle = hold(post, "call-1", 4000).body["hold_id"]
    with metered(dynamodb) as meter:
        settle(post, handle, 3120)
    assert (meter.operations, meter.units) == (["TransactWriteItems", "GetItem"], 5)


def test_a_settlement_whose_balance_cannot_be_read_is_settled_all_the_same(
    post: Post, deps: QuotaDeps, dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given a store that takes the settlement and then answers nothing
    handle = hold(post, "call-1", 4000).body["hold_id"]
    silent: Any = FaultyDynamoDB(dynamodb, 2, "before")
    half_deaf = replace(deps, metering=Metering(Table(silent, table, sleep=lambda _: None), CATALOG))

    # When it is settled
    settled = settle(posting(half_deaf), handle, 3120)

    # Then the answer is that of a settlement, without a quota
    assert (settled.status, settled.body["hold"], settled.body["quota"]) == (HTTPStatus.OK, "settled", None)
    assert "RateLimit" not in settled.headers
    assert settle(post, handle, 3120).body["quota"]["used"] == 3120
