"""A customer token shows neither what is between the seller and its operators, nor a link that buys what it may not buy."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.deps.quota import QuotaDeps
from pancake_meter.domain.access.customer_token import CustomerToken, Scope
from pancake_meter.domain.balance.gift import Gift
from pancake_meter.domain.instant import floor_ms
from pancake_meter.http.access.caller import KeyCaller, token_context
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.grants import give_units
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.selling.offer import Offers
from quota_check import handler
from tests.integration.handlers.test_nudge import CATALOG, NOW
from tests.support.api import Answer, LambdaContext, api_event, read_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

CUSTOMER = "/v1/customers/acct_1001"
KEY = dict(KeyCaller("0", "backend", frozenset({"meter"})).context)


@pytest.fixture
def deps(dynamodb: "DynamoDBClient", table: str) -> QuotaDeps:
    offers = Offers(CATALOG, "test", lambda: "a secret of the tests, long enough to seal links")
    return QuotaDeps(Metering(Table(dynamodb, table), CATALOG), offers, lambda: NOW)


def token(*scopes: Scope) -> dict[str, str]:
    end = floor_ms(datetime.now(UTC) + timedelta(minutes=5))
    return dict(token_context(CustomerToken("acct_1001", frozenset(scopes), end, "token-1")))


def ask(deps: QuotaDeps, caller: dict[str, str], name: str, path: str, **changed: Any) -> Answer:
    event = api_event(name, path=f"{CUSTOMER}/{path}", **changed)
    event["requestContext"]["authorizer"] = {"lambda": caller}
    return read_answer(handler(event, LambdaContext(), deps))


def links_in(body: Any) -> set[str]:
    quotas = [body, body.get("quota") or {}, *body.get("quotas", ())]
    return {name for each in quotas for name in each if name.endswith("_url")}


def every_answer(deps: QuotaDeps, reader: dict[str, str], holder: dict[str, str], name: str) -> list[Any]:
    """Answers of every route that shows a quota, with 9,000 of 10,000 units held: each may have links."""
    body = {"meter": "tokens", "quantity": 9_000, "id": name}
    placed = ask(deps, holder, "holds_place", "holds", body=body).body
    refused = ask(deps, holder, "holds_place", "holds", body={"meter": "tokens", "quantity": 99_999})
    checked = ask(deps, reader, "quota_one_meter", "quota/tokens", query={"amount": "99999"})
    assert (refused.status, checked.status) == (402, 402)
    shown = ask(deps, reader, "quota_one_meter", "quota/tokens", query={}).body
    every = ask(deps, reader, "quota_all_meters", "quota").body
    settled = ask(deps, holder, "holds_settle", f"holds/{placed['hold_id']}/settle", body={"quantity": 9_000}).body
    return [placed, refused.body, checked.body, shown, every, settled]


def test_a_token_without_buy_is_given_no_link_that_buys(deps: QuotaDeps) -> None:
    answers = every_answer(deps, token("read"), token("hold"), "a")
    assert [links_in(each) for each in answers] == [set()] * 6
    assert answers[0]["quota"]["alert"] is not None


# Functions, since a token lives for minutes and the whole suite runs for longer after it is collected.
@pytest.mark.parametrize("caller_of", [lambda: KEY, lambda: token("read", "hold", "buy")], ids=["key", "token"])
def test_a_key_and_a_token_with_buy_are_given_links_in_each_of_these(
    deps: QuotaDeps, caller_of: "Callable[[], dict[str, str]]"
) -> None:
    caller = caller_of()
    answers = every_answer(deps, caller, caller, "a")
    assert [links_in(each) for each in answers] == [{"purchase_url", "upgrade_url"}] * 6


def test_a_token_s_ledger_shows_no_operator_and_no_id_that_an_operator_has_made(deps: QuotaDeps) -> None:
    gift = Gift("promotion", Decimal(10), NOW, NOW + timedelta(days=1))
    give_units(deps.metering, "acct_1001", "tokens", "case-4711-angry-bob", gift, NOW, by="bob@shop")
    later = QuotaDeps(deps.metering, deps.offers, lambda: NOW + timedelta(days=2))
    ask(later, KEY, "holds_place", "holds", body={"meter": "tokens", "quantity": 1})
    of_key, of_token = (
        ask(later, caller, "ledger_first_page", "ledger", query={"meter": "tokens"}) for caller in (KEY, token("read"))
    )
    assert "bob@shop" in str(of_key.body)
    assert str(of_key.body).count("case-4711-angry-bob") >= 2
    assert not [name for name in ("angry-bob", "bob@shop") if name in str(of_token.body)]
    same = [{**each, "by": None, "reference": None, "movements": None} for each in of_key.body["entries"]]
    assert [{**each, "reference": None, "movements": None} for each in of_token.body["entries"]] == same
