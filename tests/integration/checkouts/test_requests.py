"""What a checkout asks of others: requests to DynamoDB, counted for each kind, and two calls of Waffo at the same time."""

import html
import re
import threading
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import urlencode

import httpx
import pytest

from pancake_meter.domain.selling.checkout import CheckoutKind, WantedKind
from pancake_meter.store.balance.balances import read_balance
from pancake_meter.store.selling.checkouts import latest_slot, slot_key
from pancake_meter.store.table import Put
from pancake_meter.usecases.selling.purchase_link import LinkKind, PurchaseLink, make_link
from tests.integration.checkouts.conftest import SECRET, Shop
from tests.support.api import Answer, api_event
from tests.support.fake_waffo import FakeWaffo
from tests.support.metered_dynamodb import metered
from tests.support.webhook_world import event, lifecycle

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

READ, LINES, LINE, CHECKOUT = "BatchGetItem", "Query", "BatchGetItem", "GetItem"
SALE = ["TransactWriteItems", "UpdateItem"]
"""The checkout with its slot, and the session that Waffo has made of it."""

KINDS = (*get_args(CheckoutKind), "plan")

ORDER = "ORD_4kPz8sYvN1qJ6tGwB2dXfR"
FREE = 10_000
MEETING_SECONDS = 10


@dataclass
class Meeting(FakeWaffo):
    """A Waffo that answers for a token and a session only once both have been asked for."""

    def __post_init__(self) -> None:
        self.both = threading.Barrier(2)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("graphql"):
            self.both.wait(MEETING_SECONDS)
        return super()._answer(request)


@pytest.fixture
def meeting(shop: Shop) -> Shop:
    shop.waffo = Meeting()
    return shop


def owes(shop: Shop, *, of_last_month: bool = False) -> None:
    """A customer who used more than the default plan gives: of the open period, or of one that has closed."""
    shop.use(FREE + 20_350)
    if of_last_month:
        shop.wait(timedelta(days=31))


def subscribe(shop: Shop) -> None:
    """A customer with an order of the plan."""
    shop.waffo.order(ORDER, "starter")
    assert shop.world.take(lifecycle("activated", ORDER, "2026-03-10", "2026-03-10", "2026-04-10")).verdict == "applied"


BODIES: dict[WantedKind, dict[str, Any]] = {
    "overage": {"kind": "overage", "meter": "tokens"},
    "top_up": {"kind": "top_up", "meter": "tokens", "quantity": 50_000},
    "subscription": {"kind": "subscription", "plan": "starter", "currency": "USD"},
    "plan_change": {"kind": "plan_change", "plan": "pro"},
    "plan": {"plan": "pro"},
}


def prepare(shop: Shop, kind: WantedKind) -> None:
    if kind == "overage":
        owes(shop)
    if kind == "plan_change":
        subscribe(shop)


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkout_of_each_kind(meeting: Shop, dynamodb: "DynamoDBClient", kind: WantedKind) -> None:
    # Given something to sell
    prepare(meeting, kind)

    # When it is sold
    with metered(dynamodb) as meter:
        opened = meeting.checkout(**BODIES[kind])

    # Then all that the request names is read in one request, and Waffo was asked for token and session at once
    assert opened.status == HTTPStatus.CREATED, opened.body
    assert meter.operations == [READ, *([LINE] if kind == "overage" else []), *SALE]
    assert (len(meeting.waffo.tokens), len(meeting.waffo.sessions)) == (1, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_checkout_again(shop: Shop, dynamodb: "DynamoDBClient", kind: WantedKind) -> None:
    prepare(shop, kind)
    first = shop.checkout(**BODIES[kind])
    with metered(dynamodb) as meter:
        again = shop.checkout(**BODIES[kind])
    assert (again.status, again.body["checkout_id"]) == (HTTPStatus.OK, first.body["checkout_id"])
    assert meter.operations == [READ, *([LINE] if kind == "overage" else []), CHECKOUT]


@pytest.mark.parametrize("is_written", [False, True])
def test_overage_of_a_closed_period(shop: Shop, dynamodb: "DynamoDBClient", *, is_written: bool) -> None:
    # Given overage of a month that is over, and perhaps the line that the sweep has written of it
    owes(shop, of_last_month=True)
    if is_written:
        balance = read_balance(shop.metering.table, "acct_1001", "tokens")
        assert balance is not None
        assert shop.metering.keep_current(balance, shop.now)

    # When it is sold, with a key of the request
    event = api_event("checkouts_overage", body=BODIES["overage"])
    event["headers"]["idempotency-key"] = "a-key-of-the-caller"
    with metered(dynamodb) as meter:
        opened = shop.call(event)

    # Then its lines are found by one query, or looked for by their keys
    assert (opened.status, opened.body["quantity"]) == (HTTPStatus.CREATED, 20_350)
    assert meter.operations == [READ, LINES if is_written else LINE, *SALE]


def test_a_checkout_of_last_month_is_not_read(shop: Shop, dynamodb: "DynamoDBClient") -> None:
    # Given a checkout of last month that nobody has paid
    owes(shop)
    before = shop.checkout(**BODIES["overage"])
    shop.wait(timedelta(days=31))

    # When the same is sold now
    with metered(dynamodb) as meter:
        opened = shop.checkout(**BODIES["overage"])

    # Then it is a new checkout in its place, and the earlier one has expired
    assert opened.status == HTTPStatus.CREATED
    assert meter.operations == [READ, LINE, *SALE]
    slot = latest_slot(shop.metering.table, "acct_1001", "overage", "tokens")
    assert slot is not None
    assert slot.checkout_id == opened.body["checkout_id"] != before.body["checkout_id"]
    listed = {each["checkout_id"]: each["status"] for each in shop.call(api_event("checkouts_list")).body["checkouts"]}
    assert listed[before.body["checkout_id"]] == "expired"


def test_a_slot_of_an_earlier_version_is_looked_into(shop: Shop, dynamodb: "DynamoDBClient") -> None:
    # Given a slot that does not say when its checkout was made
    owes(shop)
    first = shop.checkout(**BODIES["overage"])
    key = slot_key("acct_1001", "overage", "tokens")
    shop.metering.table.write(Put({**key, "checkout_id": first.body["checkout_id"]}))

    # Then the open checkout is found through it
    assert shop.checkout(**BODIES["overage"]).body["checkout_id"] == first.body["checkout_id"]

    # And a month later it is read, and a new one takes its place
    shop.wait(timedelta(days=31))
    with metered(dynamodb) as meter:
        later = shop.checkout(**BODIES["overage"])
    assert later.status == HTTPStatus.CREATED
    assert meter.operations == [READ, LINE, CHECKOUT, *SALE]


LINKS: dict[LinkKind, int] = {"overage": 1, "top_up": 0, "plan": 0}


def link_of(shop: Shop, kind: LinkKind) -> str:
    url = make_link(SECRET, "https://api.example.com", PurchaseLink("acct_1001", kind, "tokens"), shop.now)
    return url.removeprefix("https://api.example.com")


def pressed(shop: Shop, path: str, page: Answer) -> Answer:
    """The answer to a press of the button of a page that was opened before."""
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]+)"', page.body)
    form = {name: html.unescape(value) for name, value in fields}
    return shop.call(api_event("buy_press", path=path, body=urlencode(form)))


@pytest.mark.parametrize("kind", get_args(LinkKind))
def test_a_link_of_each_kind(meeting: Shop, dynamodb: "DynamoDBClient", kind: LinkKind) -> None:
    # Given a page that shows what a link sells
    owes(meeting)
    path = link_of(meeting, kind)
    page = meeting.see(path)

    # When its button is pressed
    with metered(dynamodb) as meter:
        answer = pressed(meeting, path, page)

    # Then one request reads what the link names, and Waffo was asked for token and session at once
    assert answer.status == HTTPStatus.SEE_OTHER, answer.body
    assert meter.operations == [READ, *[LINE] * LINKS[kind], *SALE]
    assert (len(meeting.waffo.tokens), len(meeting.waffo.sessions)) == (1, 1)


def test_a_link_whose_page_knows_what_was_paid_does_not_look_again(shop: Shop, dynamodb: "DynamoDBClient") -> None:
    # Given a pack that was bought by a link, and a page of the link that says so
    path = link_of(shop, "top_up")
    first = shop.press(path)
    assert first.status == HTTPStatus.SEE_OTHER
    (session,) = shop.waffo.sessions
    money = {"listPrice": {"subtotal": session["priceSnapshot"]["amount"], "total": session["priceSnapshot"]["amount"]}}
    order = {"paymentId": "PAY_9", "orderMerchantExternalId": session["orderMerchantExternalId"], **money}
    assert shop.world.take(event("order.completed", "ORD_P", "2026-03-10", "PAY_9", **order)).verdict == "applied"
    shop.wait(timedelta(days=1))
    page = shop.see(path)

    # When its button is pressed: the checkout before is looked at once, to take its place
    with metered(dynamodb) as soon:
        again = pressed(shop, path, page)
    assert (again.status, len(shop.waffo.sessions)) == (HTTPStatus.SEE_OTHER, 2)
    assert soon.operations == [READ, CHECKOUT, *SALE]


@pytest.mark.parametrize(("days", "looked_at"), [(7, [CHECKOUT]), (8, [])])
def test_a_checkout_that_may_yet_be_paid_is_read(
    shop: Shop, dynamodb: "DynamoDBClient", days: int, looked_at: list[str]
) -> None:
    # Given overage of a closed period, and a checkout of it from some days ago
    owes(shop, of_last_month=True)
    balance = read_balance(shop.metering.table, "acct_1001", "tokens")
    assert balance is not None
    assert shop.metering.keep_current(balance, shop.now)
    before = shop.checkout(**BODIES["overage"])
    shop.wait(timedelta(days=days))

    # When it is sold again: the latest checkout is read as long as its page might be open
    with metered(dynamodb) as meter:
        opened = shop.checkout(**BODIES["overage"])
    assert opened.body["checkout_id"] != before.body["checkout_id"]
    assert meter.operations == [READ, LINES, *looked_at, *SALE]
