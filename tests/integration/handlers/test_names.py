"""Ids that callers make, on every route: as sellers have them, and our own words. Each names one thing."""

import ast
import base64
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import quota_check
import usage_recording
import webhook_deliveries
from pancake_meter import store
from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.deps.quota import QuotaDeps
from pancake_meter.domain.customer import is_customer_id
from pancake_meter.store.keys import usage_event_key, usage_event_of
from pancake_meter.store.reports.revenue import read_customer, read_facts
from pancake_meter.store.selling import checkouts
from pancake_meter.store.selling.checkouts import list_checkouts, watched_checkouts
from pancake_meter.usecases.selling.offer import Offers
from tests.integration.checkouts.conftest import CATALOG, NOW, SECRET, Shop
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.webhook_world import World, lifecycle, payment
from tests.unit.domain.test_customer import SELLERS_IDS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

STORE = Path(store.__file__).parent


def own_words() -> list[str]:
    """Every literal of the store that makes a key (it has a ``#``, or is in capitals), whole and in its parts.

    Beside them, names of a balance's own attributes: a hold's id is a name among them.
    """
    words = {"holds", "policy", "minute_holds", "PK", "SK"}
    for file in STORE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                literal = node.value
                if " " not in literal and (literal.isupper() or ("#" in literal and not literal.startswith("#"))):
                    words |= {literal, literal.strip("#"), *literal.split("#")}
    return sorted(word for word in words if 1 <= len(word) <= 40 and word.isprintable())


OWN_WORDS = [word for word in own_words() if is_customer_id(word)]


def as_rawpath(customer_id: str) -> str:
    """A path segment as API Gateway hands it on when it is emulated: all decoded, but for the percent sign."""
    return customer_id.replace("%", "%25")


@pytest.fixture
def shop(dynamodb: "DynamoDBClient", table: str) -> Shop:
    return Shop(dynamodb, table)


@pytest.fixture
def world(shop: Shop) -> World:
    return World(shop.metering.table, shop.now)


@pytest.fixture
def call(shop: Shop) -> Callable[..., Answer]:
    """Send one request to the function that has its route."""
    offers = Offers(CATALOG, "test", lambda: SECRET)

    def send(name: str, path: str, body: Any = None, query: dict[str, str] | None = None) -> Answer:
        event = api_event(name, path=path, body=body, query=query)
        if name.startswith("checkouts") or name in {"overage_forgive", "buy_press"}:
            return shop.call(event)
        if name.startswith("usage_batch"):
            counting = MeteringDeps(shop.metering, lambda: shop.now)
            return read_answer(usage_recording.handler(event, LambdaContext(), counting))
        deps = QuotaDeps(shop.metering, offers, lambda: shop.now)
        return read_answer(quota_check.handler(event, LambdaContext(), deps))

    return send


@pytest.mark.parametrize("customer_id", SELLERS_IDS)
def test_scenario_106_an_id_as_sellers_have_it_works_on_every_route(
    shop: Shop, call: Callable[..., Answer], customer_id: str
) -> None:
    customer = f"/v1/customers/{as_rawpath(customer_id)}"
    # Given a hold that is settled, and usage that is recorded
    held = call("holds_place", f"{customer}/holds", {"meter": "tokens", "quantity": 9000, "id": "h"})
    assert (held.status, held.body["quota"]["customer_id"]) == (HTTPStatus.CREATED, customer_id)
    settled = call("holds_settle", f"{customer}/holds/{held.body['hold_id']}/settle", {"quantity": 8000})
    assert settled.body["hold"] == "settled"
    event = {"id": "e#1", "customer_id": customer_id, "meter": "tokens", "quantity": 12_000}
    assert call("usage_batch", "/v1/usage", {"events": [event]}).body["counted"] == 1
    assert call("usage_batch", "/v1/usage", {"events": [event]}).body["duplicate"] == 1

    # Then every reading route has it under the same id, and under its encoded form
    encoded = base64.urlsafe_b64encode(customer_id.encode()).decode().rstrip("=")
    for path in (customer, f"/v1/customers/~b64.{encoded}"):
        quota = call("quota_one_meter", f"{path}/quota/tokens").body
        assert (quota["customer_id"], quota["used"]) == (customer_id, 20_000)
        assert call("quota_all_meters", f"{path}/quota").body["customer_id"] == customer_id
        assert call("usage_report", f"{path}/usage", query={"meter": "tokens"}).body["periods"][0]["used"] == 20_000
        ledger = call("ledger_first_page", f"{path}/ledger", query={"meter": "tokens"}).body
        assert [entry["cause"] for entry in ledger["entries"]] == ["opened"]
        assert call("holds_release", f"{path}/holds/tokens~1~other").body["hold"] == "not_held"

    # And the shop sells to it: a link, a checkout, its list, and what is let go
    refused = call("holds_place", f"{customer}/holds", {"meter": "tokens", "quantity": 1, "id": "h2"})
    assert refused.status == HTTPStatus.PAYMENT_REQUIRED
    token = refused.body["purchase_url"].rpartition("/")[2]
    assert call("buy_press", f"/buy/{token}", "").status == HTTPStatus.SEE_OTHER
    assert {bought["buyerIdentity"] for bought in shop.waffo.tokens} == {customer_id}
    opened = call(
        "checkouts_top_up", f"{customer}/checkouts", {"kind": "top_up", "meter": "tokens", "quantity": 50_000}
    )
    listed = call("checkouts_list", f"{customer}/checkouts", query={}).body["checkouts"]
    assert opened.body["checkout_id"] in {checkout["checkout_id"] for checkout in listed}
    read = call("checkouts_read", f"{customer}/checkouts/{opened.body['checkout_id']}")
    assert read.body["checkout_id"] == opened.body["checkout_id"]
    forgiven = call("overage_forgive", f"{customer}/overage/tokens/forgive", {"id": "f", "quantity": 1})
    assert forgiven.status == HTTPStatus.OK


@pytest.mark.parametrize("customer_id", [*SELLERS_IDS, "watched", "live"])
def test_scenario_106_a_webhook_of_such_an_id_is_applied(world: World, customer_id: str) -> None:
    order = "ORD_4kPz8sYvN1qJ6tGwB2dXfR"
    bought = lifecycle(
        "activated", order, "2026-03-10", "2026-03-10", "2026-04-10", merchantProvidedBuyerIdentity=customer_id
    )
    assert world.take(bought).verdict == "applied"
    paid = payment(order, "PAY_1", "2026-03-10", merchantProvidedBuyerIdentity=customer_id)
    assert world.take(paid).verdict == "applied"
    assert world.plan(customer_id=customer_id) == "starter"
    # And the money is this customer's, and nobody's who begins alike
    assert [fact.customer_id for fact in read_facts(world.table, "2026-03", customer_id)] == [customer_id]
    assert [row.customer_id for row in read_customer(world.table, "2026-03", customer_id)] == [customer_id]
    assert read_facts(world.table, "2026-03", customer_id.partition("#")[0] + "-") == []


def test_our_own_words_are_customers_holds_and_events_like_any_other(shop: Shop, call: Callable[..., Answer]) -> None:
    # Given a checkout that reconciliation watches
    opened = call("checkouts_top_up", "/v1/customers/acct_1001/checkouts", None)
    assert {"CUSTOMER", "BALANCE#", "watched", "WATCHED_CHECKOUTS", "RECONCILIATION", "holds"} <= set(OWN_WORDS)

    for word in OWN_WORDS:
        # When a customer, a hold and an event have the word for a name
        customer = f"/v1/customers/{as_rawpath(word)}"
        hold = {"meter": "tokens", "quantity": 100, "id": word}
        held = call("holds_place", f"{customer}/holds", hold)
        event = {"id": f"{word}#tokens#{word}", "customer_id": word, "meter": "tokens", "quantity": 7}
        counted = call("usage_batch", "/v1/usage", {"events": [event]})

        # Then they are just that
        assert counted.body["counted"] == 1, word
        is_hold_id = held.status == HTTPStatus.CREATED
        assert is_hold_id or (held.status, "errors" in held.body) == (HTTPStatus.UNPROCESSABLE_ENTITY, True), word
        if is_hold_id:
            settled = call("holds_settle", f"{customer}/holds/{held.body['hold_id']}/settle", {"quantity": 90})
            assert settled.body["hold"] == "settled", word
        quota = call("quota_one_meter", f"{customer}/quota/tokens").body
        assert quota["used"] == 7 + 90 * is_hold_id, word
        assert call("checkouts_list", f"{customer}/checkouts", query={}).body["checkouts"] == [], word
        # And nothing answers to a word that it was not given
        for name, path, status in (
            ("checkouts_read", f"{customer}/checkouts/{as_rawpath(word)}", HTTPStatus.NOT_FOUND),
            ("holds_settle", f"{customer}/holds/tokens~1~{as_rawpath(word)}x/settle", None),
        ):
            answered = call(name, path).status
            assert answered == status if status is not None else answered in {200, 409, 422}, word

    # And what is watched is the one checkout that there was
    assert watched_checkouts(shop.metering.table, limit=50) == ([opened.body["checkout_id"]], None)


def test_our_own_words_are_no_deliveries_and_no_parked_usage(shop: Shop) -> None:
    deps = MeteringDeps(shop.metering, lambda: NOW)
    for word in (as_rawpath(word) for word in [*OWN_WORDS, "a#b", "..", "日本"]):
        answers = [
            webhook_deliveries.handler(api_event(name, path=path), LambdaContext(), deps)
            for name, path in (
                ("delivery_read", f"/v1/deliveries/{word}"),
                ("delivery_replay", f"/v1/deliveries/{word}/replay"),
                ("delivery_assign", f"/v1/deliveries/{word}/assign"),
            )
        ]
        replay = api_event("usage_parked_replay", path=f"/v1/usage/parked/{word}/replay")
        answers.append(usage_recording.handler(replay, LambdaContext(), deps))
        codes = {read_answer(answer).body["code"] for answer in answers}
        assert codes == {"delivery_not_found", "parked_usage_not_found"}, word


def test_a_customer_named_watched_and_what_the_version_before_watched_stay_apart(
    shop: Shop, call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given checkouts as the version before kept them: those that it watched were listed with this customer's own
    monkeypatch.setattr(checkouts, "_WATCHED", "CHECKOUTS#watched")
    mine = call("checkouts_top_up", "/v1/customers/watched/checkouts", None).body["checkout_id"]
    shop.now += timedelta(seconds=1)
    other = call("checkouts_top_up", "/v1/customers/acct_1001/checkouts", None).body["checkout_id"]
    monkeypatch.undo()
    shop.now += timedelta(seconds=1)
    newer = call("checkouts_top_up", "/v1/customers/acct_2002/checkouts", None).body["checkout_id"]

    # Then the customer sees one checkout, and all three are watched, whatever the pages
    listed, _ = list_checkouts(shop.metering.table, "watched", limit=50)
    assert [checkout.id for checkout in listed] == [mine]
    answer = call("checkouts_list", "/v1/customers/watched/checkouts", query={})
    assert (answer.status, len(answer.body["checkouts"])) == (HTTPStatus.OK, 1)
    for limit in (1, 2, 50):
        seen, place = watched_checkouts(shop.metering.table, limit=limit)
        while place is not None:
            more, place = watched_checkouts(shop.metering.table, limit=limit, start=place)
            seen += more
        assert seen == [mine, other, newer]


def test_usage_of_two_customers_is_two_events_wherever_the_separator_stands() -> None:
    names = [("a", "tokens", "tokens#x"), ("a#tokens", "tokens", "x"), ("a%23tokens", "tokens", "x")]
    partitions = [usage_event_key(*name)["PK"] for name in names]
    assert len(set(partitions)) == len(names)
    assert [usage_event_of(partition) for partition in partitions] == names


@pytest.mark.parametrize(
    ("segment", "why"),
    [
        ("..", "neither . nor .."),
        (".", "neither . nor .."),
        ("a\tb", "control characters"),
        ("a%0Ab", "control characters"),
        ("a\ufffdb", "UTF-8"),
        ("x" * 129, "1 to 128 characters"),
        (" a", "white space"),
        ("~b64.", "1 to 128 characters"),
        ("~b64.*", "base64url"),
        ("~b64.YS9i", "no /"),
        ("~b64._w", "base64url"),
    ],
)
def test_an_id_that_cannot_be_one_is_refused_with_the_reason_and_changes_nothing(
    shop: Shop, call: Callable[..., Answer], segment: str, why: str
) -> None:
    refused = call("holds_place", f"/v1/customers/{segment}/holds", {"meter": "tokens", "quantity": 1})
    assert (refused.status, refused.body["code"]) == (HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_customer_id")
    assert why in refused.body["detail"]


def test_an_id_with_a_slash_is_refused_where_a_body_names_it(call: Callable[..., Answer]) -> None:
    event = {"id": "e", "customer_id": "a/b", "meter": "tokens", "quantity": 1}
    refused = call("usage_batch", "/v1/usage", {"events": [event]})
    assert refused.status == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "no /" in refused.body["results"][0]["errors"][0]["fault"]
